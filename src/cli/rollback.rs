//! `devloop rollback [REVISION]`: an earlier program goes live, until the next save.

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::{
    Exit, completions,
    running::{Caller, JsonArg, Output, conclude},
};
use crate::{control::Ask, error::Problem};

const AFTER_HELP: &str = "\
Examples:
  devloop rollback        the program that was live before this one
  devloop rollback -2     the one before that
  devloop rollback 7      what was live at revision 7

The last five programs of each service are kept on disk, also those of the devloop before; nothing
is built. It takes over when it is ready, as after a save. Its answers are marked as stale; the
next save goes forward again, and so do `devloop resume` and `devloop rebuild`.

Exit code 0: it is live; 1: nothing is kept of that revision, or it did not come up.";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct RollbackArgs {
    /// A revision, or `-N`: so many programs back
    #[arg(value_name = "REVISION|-N", allow_negative_numbers = true)]
    #[arg(add = ArgValueCandidates::new(completions::kept))]
    pub to: Option<i64>,
    #[command(flatten)]
    json: JsonArg,
}

/// Asks, and waits for what comes of it.
pub(super) fn run(args: &RollbackArgs, caller: &Caller<'_>) -> Exit {
    let number = args.to.map(i64::unsigned_abs);
    let ask = match args.to {
        Some(to) if to >= 0 => Ask::Rollback { revision: number, back: None },
        _ => Ask::Rollback { revision: None, back: number.and_then(|back| usize::try_from(back).ok()) },
    };
    let (asked, outcome) =
        match caller.ask(&ask).and_then(|(mut client, asked)| Ok((asked, caller.outcome(&mut client)?))) {
            Ok(both) => both,
            Err(exit) => return exit,
        };
    let output = args.json.output();
    let exit = conclude(&asked, &outcome, output);
    // What was pinned and is not any more did not come up.
    let wanted = asked["pinned"].as_array().cloned().unwrap_or_default();
    let services = outcome["status"]["services"].as_array().cloned().unwrap_or_default();
    let is_pinned = |wanted: &serde_json::Value| {
        services.iter().any(|node| node["name"] == wanted["service"] && node["pinned"] == wanted["revision"])
    };
    match wanted.iter().find(|wanted| !is_pinned(wanted)) {
        Some(failed) if output == Output::Text => {
            let service = failed["service"].as_str().unwrap_or_default();
            let problem = Problem::new(format!("`{service}` of revision {} did not come up", failed["revision"]));
            caller.fail(&problem.hint(format!("`devloop logs --source {service}` shows what it said")), Exit::Failed)
        }
        Some(_) => Exit::Failed,
        None => exit,
    }
}
