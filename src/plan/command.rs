//! A command as dev.toml writes it, and what is really executed. Pure: no file, no environment.

use std::{collections::BTreeMap, ffi::OsString};

/// `run = …`, split into words or kept for a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// As written; an array is shown joined.
    pub text: String,
    pub(crate) kind: Kind,
}

/// How a command is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// These words, the first one is the program.
    Words(Vec<String>),
    /// This script, by this shell's `-c`.
    Shell { shell: String, script: String },
}

/// Values for `{name}` placeholders: `out`, `port`, and the names of steps with an artifact.
pub type Vars = BTreeMap<String, OsString>;

/// What is handed to `exec`: the program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The program: a name to be found in PATH, or a path.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
}
