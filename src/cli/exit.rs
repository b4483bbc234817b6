//! Exit codes: the one place that says what each means.

use std::process::ExitCode;

/// How devloop ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Good,
    /// Something has failed (`up --once`, `wait`, …), `doctor` found something wrong, or devloop could not go on.
    Failed,
    /// Wrong usage, or problems in dev.toml.
    Usage,
    /// Another devloop runs in this project.
    AlreadyRunning,
    /// No devloop runs in this project, and the command is for one that does.
    NotRunning,
    /// The time for it is over.
    TimedOut,
    /// A signal asked it to end: 128 and its number (SIGHUP 129, SIGINT 130, SIGTERM 143).
    Signal(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Good => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::AlreadyRunning => 3,
            Exit::NotRunning => 4,
            Exit::TimedOut => 5,
            Exit::Signal(signal) => 128_u8.saturating_add(signal),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
