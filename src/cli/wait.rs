//! `devloop wait`: for scripts and tests, until what was saved is live or has failed.

use std::time::Duration;

use clap::Args;

use super::{
    Exit,
    running::{Caller, JsonArg, Output, exit_of, print_json, report},
};
use crate::{
    config,
    control::{Ask, Until, WaitAsk},
    error::Problem,
};

const AFTER_HELP: &str = "\
Every save before the call counts, also one of a moment ago: `sed -i … main.go && devloop wait`.

Exit code 0: everything is live and made of what was saved; 1: something has failed, or watching is
paused; 4: no devloop runs in this project; 5: the time is over.";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct WaitArgs {
    /// Wait on after a failure, until everything is live
    #[arg(long)]
    pub healthy: bool,
    /// Wait until there is this revision, and its outcome
    #[arg(long, value_name = "N")]
    pub revision: Option<u64>,
    /// At most so long: `30s`, `5m`
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    pub timeout: Duration,
    #[command(flatten)]
    json: JsonArg,
}

/// A time on the command line.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    config::time(text).map_err(|problem| problem.message)
}

/// Waits.
pub(super) fn run(args: &WaitArgs, caller: &Caller<'_>) -> Exit {
    let until = if args.healthy { Until::Healthy } else { Until::Known };
    let ask = Ask::Wait(WaitAsk { until, revision: args.revision });
    let mut client = match caller.connect() {
        Ok(client) => client,
        Err(exit) => return exit,
    };
    client.limit(Some(args.timeout));
    let answer = match client.ask(&ask) {
        Ok(answer) => answer,
        Err(crate::control::Silence::TimedOut) => {
            let problem = Problem::new(format!("nothing was decided within {:?}", args.timeout));
            return caller.fail(&problem.hint("`devloop status` says what is going on"), Exit::TimedOut);
        }
        Err(silence) => return caller.silent(&silence),
    };
    match args.json.output() {
        Output::Json => {
            print_json(&answer);
            exit_of(&answer)
        }
        Output::Text => report(&answer),
    }
}
