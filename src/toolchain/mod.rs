//! What does a build read? Asks the tool chain itself. Slow (a process or two), so never on the way from a save to its
//! program; until an answer is there, `Tool::broad` decides.

mod cargo;
mod cargo_words;
mod go;
mod go_words;
mod paths;
mod run;
mod words;

use std::{ffi::OsString, path::PathBuf};

use crate::plan::{Learned, Tool};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Which tool chain.
    pub tool: Tool,
    /// Where the step runs; absolute.
    pub cwd: PathBuf,
    /// The project's root; absolute, no symlinks. Answers are relative to it.
    pub root: PathBuf,
    /// The step's command as words; a script for a shell, split into words. Packages and flags are read from it.
    pub command: Vec<String>,
    /// The whole environment the step gets.
    pub env: Vec<(OsString, OsString)>,
}

/// What the step reads. Files outside the root that it reads come as `../lib/x.go`; whoever watches has to watch them
/// too. The answer is rather too much than too little, with what is said in `go` and `cargo`. Ask again when go.mod,
/// Cargo.toml or any of the files has changed.
///
/// Dropping the future ends the processes it has started.
///
/// # Errors
/// The tool cannot be started, fails, does not answer within 60 s, or answers something unknown: one line.
pub async fn ask(question: Question) -> Result<Learned, String> {
    match question.tool {
        Tool::Go => go::ask(&question).await,
        Tool::Cargo => cargo::ask(&question).await,
    }
}
