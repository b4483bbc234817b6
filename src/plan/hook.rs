//! `[[hook]]` and `[notify]`: what is started when something happens, and how a person is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Command;

/// One `[[hook]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// When it is started; not empty.
    pub on: Vec<Moment>,
    /// The command.
    pub run: Command,
    /// It is ended after this time.
    pub timeout: Duration,
}

/// What a hook can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// A step, a start or dev.toml has failed, or a live instance has ended by itself.
    Failed,
    /// All is well again after that.
    Recovered,
    /// A new instance is live.
    Live,
    /// The answers of a service are out of date.
    Stale,
    /// A save became a revision.
    Saved,
}

impl Moment {
    /// Every one, with its name in dev.toml.
    pub const ALL: [(&'static str, Moment); 5] = [
        ("failed", Moment::Failed),
        ("recovered", Moment::Recovered),
        ("live", Moment::Live),
        ("stale", Moment::Stale),
        ("saved", Moment::Saved),
    ];

    /// Its name in dev.toml.
    pub fn name(self) -> &'static str {
        Moment::ALL.iter().find(|(_, moment)| *moment == self).map_or("", |(name, _)| name)
    }
}

/// `[notify]`: how a person is told of failures, and that all is well again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// By a notification of the desktop.
    pub desktop: bool,
    /// By the terminal's bell.
    pub bell: bool,
    /// By what a terminal shows around the pane.
    pub window: WindowSigns,
}

/// Whether the terminal's window shows a title and a progress while the pane is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowSigns {
    /// Where the terminal is known to understand it.
    #[default]
    Auto,
    /// In any terminal that can show a pane.
    Always,
    /// Nowhere.
    Never,
}
