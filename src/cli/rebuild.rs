//! `devloop rebuild [STEP]`: run steps again, whatever is kept of them.

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::{
    Exit, completions,
    running::{Caller, JsonArg, conclude},
};
use crate::control::Ask;

const AFTER_HELP: &str = "\
Kept artifacts are not used. What comes after a step runs if its result has changed. Ends when
everything is live (0) or something has failed (1).";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct RebuildArgs {
    /// The step; all of them if none is named
    #[arg(add = ArgValueCandidates::new(completions::steps))]
    pub step: Option<String>,
    #[command(flatten)]
    json: JsonArg,
}

/// Asks, and waits for what comes of it.
pub(super) fn run(args: RebuildArgs, caller: &Caller<'_>) -> Exit {
    let ask = Ask::Rebuild { step: args.step };
    let asked = caller.ask(&ask).and_then(|(mut client, asked)| Ok((asked, caller.outcome(&mut client)?)));
    match asked {
        Ok((asked, outcome)) => conclude(&asked, &outcome, args.json.output()),
        Err(exit) => exit,
    }
}
