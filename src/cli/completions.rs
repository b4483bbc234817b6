//! `devloop completions SHELL`: a script that completes devloop's command line, names of steps and services included.
//! The shell asks devloop itself (`DEVLOOP_COMPLETE`), so that the names are those of the dev.toml at hand.

use clap::{Args, CommandFactory};
use clap_complete::{CompleteEnv, CompletionCandidate, Shell, env::Shells};

use super::{Cli, Exit, config_file, environment};
use crate::{config, plan::Plan};

/// The variable by which the script asks for completions; it holds the shell's name.
const ASKED_BY: &str = "DEVLOOP_COMPLETE";

const AFTER_HELP: &str = "\
The script asks devloop for the names of steps and services, so it stays right when dev.toml changes.

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

/// The services of the dev.toml at hand.
pub(super) fn services() -> Vec<CompletionCandidate> {
    names(|plan| plan.services.iter().map(|service| service.name.to_string()).collect())
}

/// The steps of the dev.toml at hand.
pub(super) fn steps() -> Vec<CompletionCandidate> {
    names(|plan| plan.steps.iter().map(|step| step.name.to_string()).collect())
}

/// Both: whoever says something.
pub(super) fn sources() -> Vec<CompletionCandidate> {
    steps().into_iter().chain(services()).collect()
}

/// None where there is no good dev.toml: a shell that completes is no place for errors.
fn names(of: impl Fn(&Plan) -> Vec<String>) -> Vec<CompletionCandidate> {
    let loaded = config_file(None).ok().flatten().and_then(|file| config::read(&file).ok());
    let names = loaded.map(|loaded| of(&loaded.plan)).unwrap_or_default();
    names.into_iter().map(CompletionCandidate::new).collect()
}
