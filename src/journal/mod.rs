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
use crate::{core::fact::Fact, model::Line};

/// The journal. Every method may be called from any thread and is quick.
#[derive(Debug, Default)]
pub struct Journal {
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
    /// A fact was told at this time of day, since 1970; `words`: how, and in which tone.
    pub fn fact(&self, at: Duration, fact: &Fact, words: &str, tone: &'static str) {
        let mut book = self.book();
        book.version += 1;
        let version = book.version;
        book.stories.tell(version, at, fact);
        book.lines.say(version, at, words, tone);
    }

    /// A program wrote a line at this time of day, since 1970.
    pub fn line(&self, at: Duration, line: &Line) {
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
        Some(json!({
            "version": book.version,
            "revisions": book.stories.since(version),
            "lines": book.lines.since(version),
        }))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As JSON tells it: milliseconds since 1970.
fn millis(at: Duration) -> f64 {
    (at.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests;
