//! `devloop restart [SERVICE]`: start services again as they are.

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::{
    Exit, completions,
    running::{Caller, JsonArg, conclude},
};
use crate::control::Ask;

const AFTER_HELP: &str = "\
The new instance takes over when it is ready, as after a save. Ends when that is so (0) or has
failed (1).";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct RestartArgs {
    /// The service; all of them if none is named
    #[arg(add = ArgValueCandidates::new(completions::services))]
    pub service: Option<String>,
    #[command(flatten)]
    json: JsonArg,
}

/// Asks, and waits for what comes of it.
pub(super) fn run(args: RestartArgs, caller: &Caller<'_>) -> Exit {
    let ask = Ask::Restart { service: args.service };
    let asked = caller.ask(&ask).and_then(|(mut client, asked)| Ok((asked, caller.outcome(&mut client)?)));
    match asked {
        Ok((asked, outcome)) => conclude(&asked, &outcome, args.json.output()),
        Err(exit) => exit,
    }
}
