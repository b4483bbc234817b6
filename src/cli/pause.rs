//! `devloop pause` and `devloop resume`: saves start nothing for a while.

use clap::Args;
use serde_json::Value;

use super::{
    Exit, environment,
    running::{Caller, JsonArg, Output, conclude, print_json},
};
use crate::control::Ask;

const PAUSE_HELP: &str = "\
Saves are collected. What is live goes on, its answers marked as stale if something that it is
made of was written; nobody waits for a save. What is under way goes on to its end. For a rebase,
a big search and replace, or a debugger. `devloop resume` lets the saves count, by content: what is
as it was starts nothing.";

const RESUME_HELP: &str = "\
Also lets go of a revision that `devloop rollback` went back to. Ends when everything is live (0)
or something has failed (1).";

/// The arguments of `pause`.
#[derive(Debug, Args)]
#[command(after_help = PAUSE_HELP)]
pub struct PauseArgs {
    #[command(flatten)]
    json: JsonArg,
}

/// The arguments of `resume`.
#[derive(Debug, Args)]
#[command(after_help = RESUME_HELP)]
pub struct ResumeArgs {
    #[command(flatten)]
    json: JsonArg,
}

/// From now on saves are only collected.
pub(super) fn pause(args: &PauseArgs, caller: &Caller<'_>) -> Exit {
    let answer: Value = match caller.ask(&Ask::Pause) {
        Ok((_, answer)) => answer,
        Err(exit) => return exit,
    };
    match args.json.output() {
        Output::Json => print_json(&answer),
        Output::Text => environment::to_stdout("watching is paused; `devloop resume` goes on\n"),
    }
    Exit::Good
}

/// Lets go, and waits for what comes of it.
pub(super) fn resume(args: &ResumeArgs, caller: &Caller<'_>) -> Exit {
    let asked = caller.ask(&Ask::Resume).and_then(|(mut client, asked)| Ok((asked, caller.outcome(&mut client)?)));
    match asked {
        Ok((asked, outcome)) => conclude(&asked, &outcome, args.json.output()),
        Err(exit) => exit,
    }
}
