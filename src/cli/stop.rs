//! `devloop stop`: end the devloop of this project and everything it started.

use std::time::Duration;

use clap::Args;

use super::{
    Exit, environment,
    running::{Caller, JsonArg, Output, print_json},
};
use crate::control::{Ask, Silence};

/// Programs may take their grace time; this is more than that.
const PATIENCE: Duration = Duration::from_secs(120);

/// Its arguments.
#[derive(Debug, Args)]
pub struct StopArgs {
    #[command(flatten)]
    json: JsonArg,
}

/// Asks it to end, and waits until it has.
pub(super) fn run(args: &StopArgs, caller: &Caller<'_>) -> Exit {
    let (mut client, answer) = match caller.ask(&Ask::Stop) {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    client.limit(Some(PATIENCE));
    match client.wait_for_end() {
        Silence::TimedOut => return caller.silent(&Silence::TimedOut),
        Silence::NotRunning | Silence::Ended | Silence::Refused(_) => {}
    }
    match args.json.output() {
        Output::Json => print_json(&answer),
        Output::Text => environment::to_stdout("devloop has ended\n"),
    }
    Exit::Good
}
