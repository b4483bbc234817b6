//! Why something runs or restarts, as people read it.

use std::{fmt, sync::Arc};

use crate::model::{FilePath, Revision};

/// The reason of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// devloop has just started.
    Start,
    /// This file changed.
    File(FilePath),
    /// A step before changed this output.
    Output { step: Arc<str>, path: FilePath },
    /// A step before made another artifact.
    Artifact { step: Arc<str> },
    /// A step before ran and declares no outputs, so that what it changed is not known.
    Ran { step: Arc<str> },
    /// It is known now that it reads other files than those that a kept artifact was found by.
    Inputs,
    /// A kept artifact was found, and its tool chain cannot say whether it was made from all that counts.
    Untold,
    /// This file was written while the run read it.
    Void(FilePath),
    /// An output of the step is gone.
    Gone(FilePath),
    /// Its part of dev.toml changed.
    Config,
    /// A person wants its service under a debugger, or not any more.
    Debugger,
    /// The instance ended by itself.
    Crashed,
    /// The newer program did not start: the last good one is started again.
    LastGood,
    /// A person asked for it.
    Person,
    /// A person asked for the program of this earlier revision.
    Back(Revision),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Start => write!(f, "first run"),
            Why::File(path) => write!(f, "{} changed", path.display()),
            Why::Output { step, path } => write!(f, "{} changed by `{step}`", path.display()),
            Why::Artifact { step } => write!(f, "new artifact of `{step}`"),
            Why::Ran { step } => write!(f, "`{step}` ran"),
            Why::Inputs => write!(f, "it reads other files"),
            Why::Untold => write!(f, "its tool chain cannot say what it reads"),
            Why::Void(path) => write!(f, "{} was written during the run", path.display()),
            Why::Gone(path) => write!(f, "output {} is gone", path.display()),
            Why::Config => write!(f, "dev.toml changed"),
            Why::Debugger => write!(f, "another debugger was asked for, or none"),
            Why::Crashed => write!(f, "it ended by itself"),
            Why::LastGood => write!(f, "the newer one did not start"),
            Why::Person => write!(f, "asked for"),
            Why::Back(revision) => write!(f, "rolled back to revision {revision}"),
        }
    }
}
