//! `devloop completions SHELL`: a script that completes devloop's command line, names of steps and services and numbers
//! of revisions included. The shell asks devloop itself (`DEVLOOP_COMPLETE`), which asks the one that runs in the
//! project and reads the dev.toml at hand.

use std::{cmp::Reverse, collections::BTreeMap, ffi::OsStr, time::Duration};

use clap::{Args, CommandFactory};
use clap_complete::{CompleteEnv, CompletionCandidate, PathCompleter, Shell, engine::ValueCompleter, env::Shells};
use serde_json::Value;

use super::{Cli, Exit, config_file, environment};
use crate::{
    config,
    control::{self, Ask, Client},
    plan::Plan,
};

/// The variable by which the script asks for completions; it holds the shell's name.
const ASKED_BY: &str = "DEVLOOP_COMPLETE";
/// A person waits for the completion: a devloop that is stuck is not waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// So many revisions are offered.
const LAST: u64 = 20;

const AFTER_HELP: &str = "\
The script asks devloop for the names of steps and services, and for the revisions that one can go back to,
so it stays right when dev.toml changes.

Examples:
  echo 'source <(devloop completions bash)' >> ~/.bashrc
  echo 'source <(devloop completions zsh)' >> ~/.zshrc
  devloop completions fish > ~/.config/fish/completions/devloop.fish";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let shell = shells.completer(&args.shell.to_string()).expect("every shell of clap_complete can be asked");
    let written = shell.write_registration(ASKED_BY, "devloop", "devloop", "devloop", &mut script);
    written.expect("memory takes everything");
    environment::to_stdout(&String::from_utf8_lossy(&script));
    Exit::Good
}

/// Answers the shell if it is asking, and ends; else does nothing.
pub(super) fn answer() {
    CompleteEnv::with_factory(Cli::command).var(ASKED_BY).bin("devloop").complete();
}

/// The services of the devloop that runs here, and of the dev.toml at hand.
pub(super) fn services() -> Vec<CompletionCandidate> {
    names("services", |plan| plan.services.iter().map(|service| service.name.to_string()).collect())
}

/// The steps of the devloop that runs here, and of the dev.toml at hand.
pub(super) fn steps() -> Vec<CompletionCandidate> {
    names("steps", |plan| plan.steps.iter().map(|step| step.name.to_string()).collect())
}

/// The revisions that one can go back to, newest first, each with the services that are kept of it.
pub(super) fn kept() -> Vec<CompletionCandidate> {
    let status = status().unwrap_or_default();
    let mut kept: BTreeMap<Reverse<u64>, Vec<String>> = BTreeMap::new();
    for service in status["services"].as_array().into_iter().flatten() {
        let name = service["name"].as_str().unwrap_or_default();
        for revision in service["kept"].as_array().into_iter().flatten().filter_map(Value::as_u64) {
            let live = if service["live"]["revision"] == revision { " (live)" } else { "" };
            kept.entry(Reverse(revision)).or_default().push(format!("{name}{live}"));
        }
    }
    let candidate = |(Reverse(revision), names): (Reverse<u64>, Vec<String>)| {
        CompletionCandidate::new(revision.to_string()).help(Some(names.join(", ").into()))
    };
    kept.into_iter().map(candidate).collect()
}

/// The newest revisions, newest first, and files.
pub(super) fn revisions_and_files(typed: &OsStr) -> Vec<CompletionCandidate> {
    let begins = |candidate: &CompletionCandidate| {
        candidate.get_value().as_encoded_bytes().starts_with(typed.as_encoded_bytes())
    };
    revisions().into_iter().filter(begins).chain(PathCompleter::any().complete(typed)).collect()
}

fn revisions() -> Vec<CompletionCandidate> {
    let newest = status().and_then(|status| status["revision"].as_u64()).unwrap_or_default();
    let last = newest.saturating_sub(LAST - 1).max(1);
    (last..=newest).rev().map(|revision| CompletionCandidate::new(revision.to_string())).collect()
}

/// Both: whoever says something.
pub(super) fn sources() -> Vec<CompletionCandidate> {
    steps().into_iter().chain(services()).collect()
}

/// None where there is no good dev.toml: a shell that completes is no place for errors.
fn names(list: &str, of: impl Fn(&Plan) -> Vec<String>) -> Vec<CompletionCandidate> {
    let nodes = status().and_then(|status| status[list].as_array().cloned()).unwrap_or_default();
    let mut names: Vec<String> = nodes.iter().filter_map(|node| node["name"].as_str().map(str::to_owned)).collect();
    let loaded = config_file(None).ok().flatten().and_then(|file| config::read(&file).ok());
    for name in loaded.map(|loaded| of(&loaded.plan)).unwrap_or_default() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// What is going on in this project, if a devloop runs and answers at once.
fn status() -> Option<Value> {
    let here = environment::current_dir().ok()?;
    let root = config::find(&here).and_then(|file| file.parent().map(ToOwned::to_owned));
    let (_, socket) = control::find(&here, root.as_deref())?;
    let mut client = Client::connect(&socket).ok()?;
    client.limit(Some(PATIENCE));
    client.ask(&Ask::Status).ok().map(|mut answer| answer["status"].take())
}
