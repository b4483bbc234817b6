//! `devloop debug [SERVICE]`: start a service under its debugger, or without it again.

use clap::Args;
use clap_complete::ArgValueCandidates;
use serde_json::Value;

use super::{
    Exit, completions, environment,
    running::{Caller, JsonArg, Output, conclude, print_json},
};
use crate::{control::Ask, model::Switch};

const AFTER_HELP: &str = "\
Examples:
  devloop debug api         starts service api under dlv, node's inspector, debugpy, or what its
                            `debug` in dev.toml says; prints how to attach
  devloop debug api --off   starts it without a debugger again

The debugger keeps its port over swaps. While a breakpoint holds the program, no start limit holds,
and a request that it has not answered is waited for. `devloop up --debug api` does this from the
start. docs/debug.md has the settings for editors.

Exit code 0: it runs; 1: it cannot be debugged, its debugger is missing, or it did not come up.";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DebugArgs {
    /// The service; may be left out where there is only one
    #[arg(add = ArgValueCandidates::new(completions::services))]
    pub service: Option<String>,
    /// Without a debugger again
    #[arg(long)]
    pub off: bool,
    #[command(flatten)]
    json: JsonArg,
}

/// Asks, says how to attach, and waits for what comes of it.
pub(super) fn run(args: DebugArgs, caller: &Caller<'_>) -> Exit {
    let switch = if args.off { Switch::Off } else { Switch::On };
    let (mut client, asked) = match caller.ask(&Ask::Debug { service: args.service, switch }) {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    let output = args.json.output();
    if output == Output::Text {
        environment::to_stdout(&shown(&asked));
    }
    if asked["begin"] == "wait" {
        // What comes of it is known when somebody has attached.
        if output == Output::Json {
            print_json(&asked);
        }
        return Exit::Good;
    }
    match caller.outcome(&mut client) {
        Ok(outcome) => conclude(&asked, &outcome, output),
        Err(exit) => exit,
    }
}

fn shown(asked: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let service = text(&asked["service"]);
    if asked["address"].is_null() {
        return format!("{service} is not debugged any more\n");
    }
    let waits = if asked["begin"] == "wait" { "; it waits for that before its first line" } else { "" };
    let mut lines =
        vec![format!("{service} under {}: attach to {}{waits}", text(&asked["debugger"]), text(&asked["address"]))];
    let attach = asked["attach"].as_array().into_iter().flatten();
    lines.extend(attach.map(|way| format!("  {}: {}", text(&way["editor"]), text(&way["how"]))));
    lines.join("\n") + "\n"
}
