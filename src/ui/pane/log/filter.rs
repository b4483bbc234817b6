//! Which lines of the log are shown.

use std::sync::Arc;

use super::{
    entry::{Entry, Source},
    level::Level,
};

/// What a line must be to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Filter {
    /// Only this step or service. None: all, and devloop's own words.
    pub(in super::super) source: Option<Arc<str>>,
    pub(in super::super) least: Least,
}

/// The least serious lines that are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum Least {
    #[default]
    Everything,
    Information,
    Warnings,
    Errors,
}

impl Filter {
    pub(in super::super) fn shows(&self, entry: &Entry) -> bool {
        let from = match (&self.source, &entry.source) {
            (None, _) => true,
            (Some(wanted), Source::Program(name)) => wanted == name,
            (Some(_), Source::Own(_)) => false,
        };
        from && match self.least {
            Least::Everything => true,
            Least::Information => entry.level() >= Level::Info,
            Least::Warnings => entry.level() >= Level::Warning,
            Least::Errors => entry.level() >= Level::Error,
        }
    }
}

impl Least {
    /// Every one, from all to few.
    pub(in super::super) const ALL: [Least; 4] =
        [Least::Everything, Least::Information, Least::Warnings, Least::Errors];

    /// Fewer; after the fewest, everything again.
    pub(in super::super) fn next(self) -> Least {
        let at = Least::ALL.iter().position(|least| *least == self).unwrap_or_default();
        Least::ALL[(at + 1) % Least::ALL.len()]
    }

    pub(in super::super) fn words(self) -> &'static str {
        match self {
            Least::Everything => "every level",
            Least::Information => "no debug lines",
            Least::Warnings => "warnings and errors",
            Least::Errors => "errors only",
        }
    }
}
