//! What happened lately, for whoever opens a page in the middle of it: the last revisions with their phases, and the
//! last lines. Bounded. It is fed beside the loop, with times from outside, and decides nothing.

mod lines;
mod story;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use self::{lines::Lines, story::Stories};
use crate::{
    core::fact::Fact,
    model::{Line, Time},
};

/// The journal. Every method may be called from any thread and is quick.
#[derive(Debug)]
pub struct Journal {
    /// The time of day at the start of devloop.
    zero: Duration,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// Grows with every change.
    version: u64,
    stories: Stories,
    lines: Lines,
}

impl Journal {
    /// An empty one. `zero`: the time of day at the start of devloop, since 1970.
    pub fn new(zero: Duration) -> Journal {
        Journal { zero, book: Mutex::default() }
    }

    /// A fact was told; `words`: how, and in which tone.
    pub fn fact(&self, at: Time, fact: &Fact, words: &str, tone: &'static str) {
        let mut book = self.book();
        book.version += 1;
        let version = book.version;
        book.stories.tell(version, at, fact);
        book.lines.say(version, at, words, tone);
    }

    /// A program wrote a line.
    pub fn line(&self, at: Time, line: &Line) {
        let mut book = self.book();
        book.version += 1;
        let version = book.version;
        book.lines.add(version, at, line);
    }

    /// What has changed after `version`, oldest first; none if nothing has. Version 0 is before everything. Fields:
    /// `version` to ask with the next time, `revisions`, `lines`.
    pub fn since(&self, version: u64) -> Option<Value> {
        let book = self.book();
        if book.version == version {
            return None;
        }
        let clock = |at: Time| ((self.zero + at.since_start()).as_secs_f64() * 1_000_000.0).round() / 1_000.0;
        Some(json!({
            "version": book.version,
            "revisions": book.stories.since(version, clock),
            "lines": book.lines.since(version, clock),
        }))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
