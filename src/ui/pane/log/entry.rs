//! One line of the log.

use std::{cell::OnceCell, sync::Arc};

use super::{level::Level, structured::Record};
use crate::{
    escapes::strip_escapes,
    ui::{Stamp, wording::Tone},
};

/// A line, when it came, and from whom.
#[derive(Clone, Debug)]
pub(in super::super) struct Entry {
    pub(in super::super) at: Stamp,
    pub(in super::super) source: Source,
    /// As it was written, escape sequences and all.
    pub(in super::super) text: Box<str>,
    /// Found out when somebody asks: a flood is never asked about.
    level: OnceCell<Level>,
}

/// Who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Source {
    /// devloop.
    Own(Tone),
    /// A step or a service.
    Program(Arc<str>),
}

impl Entry {
    pub(in super::super) fn new(at: Stamp, source: Source, text: impl Into<Box<str>>) -> Entry {
        Entry { at, source, text: text.into(), level: OnceCell::new() }
    }

    /// How serious it is; what does not say counts as information.
    pub(in super::super) fn level(&self) -> Level {
        *self.level.get_or_init(|| match self.source {
            Source::Own(Tone::Bad) => Level::Error,
            Source::Own(Tone::Attention) => Level::Warning,
            Source::Own(Tone::Neutral | Tone::Good) => Level::Info,
            Source::Program(_) => {
                let plain = self.plain();
                let structured = Record::read(&plain).and_then(|record| record.level);
                structured.or_else(|| Level::of(&plain)).unwrap_or(Level::Info)
            }
        })
    }

    /// Whether it tells of an error; what belongs to a fact of devloop's is set in, and is no error of its own.
    pub(in super::super) fn begins_error(&self) -> bool {
        let belongs = matches!(self.source, Source::Own(_)) && self.text.starts_with("  ");
        self.level() == Level::Error && !belongs
    }

    /// Its text without escape sequences.
    pub(in super::super) fn plain(&self) -> String {
        strip_escapes(&self.text)
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + size_of::<Entry>()
    }
}
