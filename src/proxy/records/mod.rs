//! The last requests that went through: what they were, what became of them, and how long that took. Bounded in number
//! and in bytes, in memory only. It watches; it changes nothing about a request.
//!
//! `record` is one request with its `head`s, `trail` what a request leaves behind on its way, `seen` counts the bodies,
//! `shown` says what may be shown of it, `replay` sends one again, `overdue` tells of those that get no answer.

mod head;
mod overdue;
mod record;
pub(super) mod replay;
mod seen;
pub(super) mod shown;
mod trail;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub(super) use self::{
    overdue::Overdue,
    record::{Record, To, What},
    seen::Seen,
    trail::{Tap, Trail},
};
use super::settings::Recording;
use crate::model::Time;

/// Of each body, so many bytes are kept where bodies are kept at all.
const BODY: usize = 64 * 1024;
/// Heads and bodies of all records take no more than this, beside those of requests that are under way.
const BYTES: usize = 32 * 1024 * 1024;

/// All records.
pub(super) struct Records {
    /// The time of day at the proxy's zero.
    zero: Duration,
    /// Grows with every change of any record.
    version: AtomicU64,
    book: Mutex<Book>,
}

/// The records in the order in which the requests came.
#[derive(Default)]
struct Book {
    records: VecDeque<Arc<Record>>,
    last: u64,
    bytes: usize,
}

impl Records {
    /// None yet. `zero`: the time of day at the proxy's zero, since 1970.
    pub(super) fn new(zero: Duration) -> Records {
        Records { zero, version: AtomicU64::new(0), book: Mutex::default() }
    }

    /// A request has come; `replays`: the number of the record that it repeats.
    pub(super) fn begin(
        self: &Arc<Records>,
        rule: Recording,
        now: Time,
        what: What<'_>,
        replays: Option<u64>,
    ) -> Trail {
        if rule.keep == 0 {
            return Trail::none();
        }
        let mut book = self.book();
        book.last += 1;
        let record = Arc::new(Record::new(book.last, now, what, replays));
        book.records.push_back(Arc::clone(&record));
        while book.records.len() > usize::from(rule.keep) {
            book.forget_oldest();
        }
        drop(book);
        self.touch(&record);
        Trail::new(Arc::clone(self), record, if rule.bodies { BODY } else { 0 })
    }

    /// The newest change of any record.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The records that have changed after `version`, oldest first.
    pub(super) fn since(&self, version: u64) -> Vec<Arc<Record>> {
        self.book().records.iter().filter(|record| record.version() > version).cloned().collect()
    }

    /// The number of the oldest record that is kept.
    pub(super) fn oldest(&self) -> u64 {
        self.book().records.front().map_or(0, |record| record.number)
    }

    /// The record with this number, if it is still kept.
    pub(super) fn get(&self, number: u64) -> Option<Arc<Record>> {
        self.book().records.iter().find(|record| record.number == number).cloned()
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        let mut book = self.book();
        book.records.clear();
        book.bytes = 0;
    }

    /// The record has changed.
    fn touch(&self, record: &Record) {
        record.changed(self.version.fetch_add(1, Ordering::AcqRel) + 1);
    }

    /// The record is complete: what it holds counts from now on, unless it is forgotten already.
    fn complete(&self, record: &Record) {
        let mut book = self.book();
        if book.records.front().is_none_or(|oldest| oldest.number > record.number) {
            return;
        }
        book.bytes += record.weigh();
        while book.bytes > BYTES && book.records.len() > 1 {
            book.forget_oldest();
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn forget_oldest(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes -= record.weight();
        }
    }
}

#[cfg(test)]
mod tests;
