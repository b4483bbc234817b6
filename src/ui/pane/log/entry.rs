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
    /// What it says about itself. Found out when somebody asks: a flood is never asked about.
    own: OnceCell<Option<Level>>,
    /// That of the line which it continues, if it does.
    inherited: Option<Level>,
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
        Entry { at, source, text: text.into(), own: OnceCell::new(), inherited: None }
    }

    /// The same, as a further line of what a line of this level began.
    pub(super) fn continuing(mut self, level: Level) -> Entry {
        self.inherited = Some(level);
        self
    }

    /// How serious it is: as it says itself, else as the line is that it continues, else information.
    pub(in super::super) fn level(&self) -> Level {
        self.own_level().or(self.inherited).unwrap_or(Level::Info)
    }

    fn own_level(&self) -> Option<Level> {
        *self.own.get_or_init(|| match self.source {
            Source::Own(Tone::Bad) => Some(Level::Error),
            Source::Own(Tone::Attention) => Some(Level::Warning),
            Source::Own(Tone::Neutral | Tone::Good) => Some(Level::Info),
            Source::Program(_) => {
                let plain = self.plain();
                match Record::read(&plain) {
                    // Some say that a handler has panicked for information only.
                    Some(record) => record.level.max(Level::of_phrase(&record.message)),
                    None => Level::of(&plain),
                }
            }
        })
    }

    /// Whether it tells of an error; what belongs to a fact of devloop's is set in, and is no error of its own.
    pub(in super::super) fn begins_error(&self) -> bool {
        let belongs = matches!(self.source, Source::Own(_)) && self.text.starts_with("  ");
        self.own_level() == Some(Level::Error) && !belongs
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
