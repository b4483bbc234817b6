//! `devloop completions SHELL`: a script that completes devloop's command line.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{Cli, Exit, environment};

const AFTER_HELP: &str = "\
Examples:
  devloop completions bash > ~/.local/share/bash-completion/completions/devloop
  devloop completions zsh > \"${fpath[1]}/_devloop\"
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
    generate(args.shell, &mut Cli::command(), "devloop", &mut script);
    environment::to_stdout(&String::from_utf8_lossy(&script));
    Exit::Good
}
