//! What was said in this session, as far as that is remembered: facts, and lines of output. The one place where that is
//! kept for others: for terminals, for programs, and for pages. (A pane keeps what it shows, as it is on the screen.)
//! Bounded; a reader that is slow misses the oldest and is told how many, and holds up nobody.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::LogsAsk;
use crate::{
    core::fact::Fact,
    model::{Line, Time},
};

/// At most so many facts …
const FACTS: usize = 1_000;
/// … and so many lines …
const LINES: usize = 50_000;
/// … of so many bytes in all.
const BYTES: usize = 16 * 1024 * 1024;

/// One thing that was said.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Grows by one with each.
    pub number: u64,
    /// When, since devloop started.
    pub at: Time,
    /// When, since 1970.
    pub unix: Duration,
    /// What.
    pub what: What,
}

/// What was said.
#[derive(Clone, Debug)]
pub enum What {
    /// By devloop.
    Fact(Arc<Fact>),
    /// By a program.
    Line(Arc<Line>),
}

impl Entry {
    /// Who said it.
    pub fn source(&self) -> &str {
        match &self.what {
            What::Fact(_) => "devloop",
            What::Line(line) => &line.source,
        }
    }

    fn is_wanted(&self, asked: &LogsAsk, now: Duration) -> bool {
        let since = asked.since_ms.map(|since| now.saturating_sub(Duration::from_millis(since)));
        since.is_none_or(|since| self.unix >= since)
            && (asked.sources.is_empty() || asked.sources.iter().any(|source| source == self.source()))
    }
}

/// Clones share what is remembered.
#[derive(Clone, Debug)]
pub struct Chronicle {
    known: Arc<Mutex<Known>>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    /// Facts are few and explain much: they are not pushed out by lines.
    facts: VecDeque<Entry>,
    lines: VecDeque<Entry>,
    bytes: usize,
    number: u64,
    /// The newest line that is forgotten.
    forgotten: u64,
}

impl Default for Chronicle {
    fn default() -> Chronicle {
        Chronicle { known: Arc::default(), newest: watch::Sender::new(0) }
    }
}

impl Chronicle {
    /// Remembers a fact.
    pub fn fact(&self, at: Time, unix: Duration, fact: &Fact) {
        let mut known = self.known();
        known.number += 1;
        let entry = Entry { number: known.number, at, unix, what: What::Fact(Arc::new(fact.clone())) };
        known.facts.push_back(entry);
        if known.facts.len() > FACTS {
            known.facts.pop_front();
        }
        self.tell(known);
    }

    /// Remembers a line.
    pub fn line(&self, at: Time, unix: Duration, line: &Line) {
        let mut known = self.known();
        known.number += 1;
        known.bytes += line.text.len();
        let entry = Entry { number: known.number, at, unix, what: What::Line(Arc::new(line.clone())) };
        known.lines.push_back(entry);
        while known.lines.len() > LINES || known.bytes > BYTES {
            let Some(oldest) = known.lines.pop_front() else { break };
            known.forgotten = oldest.number;
            if let What::Line(line) = &oldest.what {
                known.bytes = known.bytes.saturating_sub(line.text.len());
            }
        }
        self.tell(known);
    }

    fn tell(&self, known: MutexGuard<'_, Known>) {
        let number = known.number;
        drop(known);
        // Nobody who waits: nothing is woken.
        if self.newest.receiver_count() > 0 {
            self.newest.send_replace(number);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The facts after `number`, oldest first. Number 0 is before everything.
    pub fn facts(&self, number: u64) -> Vec<Entry> {
        let known = self.known();
        let from = known.facts.partition_point(|entry| entry.number <= number);
        known.facts.range(from..).cloned().collect()
    }

    /// The last `most` of what came after `number`, oldest first, and the number to go on from.
    pub fn newest(&self, number: u64, most: usize) -> (Vec<Entry>, u64) {
        let known = self.known();
        (known.newest(number, most, |_| true), known.number)
    }

    /// The last `most` lines that programs wrote after `number` and after the newest save, oldest first, and the
    /// number to go on from.
    pub fn since_the_save(&self, number: u64, most: usize) -> (Vec<Arc<Line>>, u64) {
        let is_save = |entry: &&Entry| matches!(&entry.what, What::Fact(fact) if matches!(**fact, Fact::Saved { .. }));
        let known = self.known();
        let saved = known.facts.iter().rev().find(is_save).map_or(0, |entry| entry.number);
        let found = known.newest(number.max(saved), most, |entry| matches!(entry.what, What::Line(_)));
        let line = |entry: Entry| match entry.what {
            What::Line(line) => Some(line),
            What::Fact(_) => None,
        };
        (found.into_iter().filter_map(line).collect(), known.number)
    }

    /// The last of what was asked for, oldest first, and the number to go on from. `now` is since 1970.
    pub(super) fn last(&self, asked: &LogsAsk, now: Duration) -> (Vec<Entry>, u64) {
        let known = self.known();
        let most = asked.lines.unwrap_or(usize::MAX);
        (known.newest(0, most, |entry| entry.is_wanted(asked, now)), known.number)
    }

    /// At most `limit` of what came after `number`, the number to go on from, and how many lines between are
    /// forgotten.
    pub(super) fn after(&self, number: u64, asked: &LogsAsk, limit: usize) -> (Vec<Entry>, u64, u64) {
        let known = self.known();
        let wanted = LogsAsk { since_ms: None, ..asked.clone() };
        let found = known.after(number, limit, |entry| entry.is_wanted(&wanted, Duration::ZERO));
        let next =
            if found.len() < limit { known.number } else { found.last().map_or(known.number, |last| last.number) };
        (found, next, known.forgotten_between(number, next))
    }

    /// Is woken when more is said.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

impl Known {
    /// The first `limit` of what came after `number` and is wanted, in order. Not more of each is looked at: whoever
    /// is far behind must not keep those who write.
    fn after(&self, number: u64, limit: usize, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let newer = |entries: &VecDeque<Entry>| {
            let from = entries.partition_point(|entry| entry.number <= number);
            entries.range(from..).filter(|entry| wanted(entry)).take(limit).cloned().collect::<Vec<_>>()
        };
        let mut all = newer(&self.facts);
        all.extend(newer(&self.lines));
        all.sort_unstable_by_key(|entry| entry.number);
        all.truncate(limit);
        all
    }

    /// The last `most` of what came after `number` and is wanted, in order.
    fn newest(&self, number: u64, most: usize, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let newer = |entries: &VecDeque<Entry>| {
            let newest_first = entries.iter().rev().take_while(|entry| entry.number > number);
            newest_first.filter(|entry| wanted(entry)).take(most).cloned().collect::<Vec<_>>()
        };
        let mut all = newer(&self.facts);
        all.extend(newer(&self.lines));
        all.sort_unstable_by_key(|entry| entry.number);
        all.drain(..all.len().saturating_sub(most));
        all
    }

    /// How many lines after `number`, up to `next`, are forgotten.
    fn forgotten_between(&self, number: u64, next: u64) -> u64 {
        let last = self.forgotten.min(next);
        let up_to = |last: u64| self.facts.partition_point(|entry| entry.number <= last) as u64;
        let facts = up_to(last).saturating_sub(up_to(number));
        last.saturating_sub(number).saturating_sub(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Revision, RunId, Stream};

    fn line(source: &str, text: &str) -> Line {
        Line { source: source.into(), run: RunId(1), stream: Stream::Out, text: text.to_owned() }
    }

    fn texts(entries: &[Entry]) -> Vec<String> {
        let text = |entry: &Entry| match &entry.what {
            What::Fact(fact) => format!("{fact:?}"),
            What::Line(line) => line.text.clone(),
        };
        entries.iter().map(text).collect()
    }

    #[test]
    fn facts_and_lines_come_in_the_order_in_which_they_were_said() {
        let chronicle = Chronicle::default();
        chronicle.line(Time::ZERO, Duration::from_secs(1), &line("api", "a"));
        chronicle.fact(Time::ZERO, Duration::from_secs(2), &Fact::Paused);
        chronicle.line(Time::ZERO, Duration::from_secs(3), &line("build", "b"));
        let last = |asked: LogsAsk| texts(&chronicle.last(&asked, Duration::from_secs(3)).0);
        assert_eq!(last(LogsAsk::default()), ["a", "Paused", "b"]);
        assert_eq!(last(LogsAsk { lines: Some(2), ..LogsAsk::default() }), ["Paused", "b"]);
        assert_eq!(last(LogsAsk { since_ms: Some(1_000), ..LogsAsk::default() }), ["Paused", "b"]);
        assert_eq!(last(LogsAsk { sources: vec!["api".to_owned()], ..LogsAsk::default() }), ["a"]);
        let (more, next, lost) = chronicle.after(1, &LogsAsk::default(), 1);
        assert_eq!((texts(&more), next, lost), (vec!["Paused".to_owned()], 2, 0));
    }

    #[test]
    fn the_newest_are_the_last_ones_after_a_number() {
        let chronicle = Chronicle::default();
        let newest = |number, most| {
            let (found, next) = chronicle.newest(number, most);
            (texts(&found), next)
        };
        assert_eq!(newest(0, 2), (vec![], 0));
        chronicle.line(Time::ZERO, Duration::ZERO, &line("api", "a"));
        chronicle.fact(Time::ZERO, Duration::ZERO, &Fact::Paused);
        chronicle.line(Time::ZERO, Duration::ZERO, &line("api", "b"));
        assert_eq!(newest(0, 2), (vec!["Paused".to_owned(), "b".to_owned()], 3));
        assert_eq!(newest(2, 2), (vec!["b".to_owned()], 3));
        assert_eq!(newest(3, 2), (vec![], 3));
        let facts = |number| texts(&chronicle.facts(number));
        assert_eq!((facts(1), facts(2)), (vec!["Paused".to_owned()], vec![]));
    }

    #[test]
    fn what_was_written_before_the_newest_save_does_not_belong_to_it() {
        let chronicle = Chronicle::default();
        let (revision, files, reads) = (Revision(2), vec![], vec![]);
        let saved = Fact::Saved { revision, files, count: 1, settle_ms: 1.0, reads };
        chronicle.line(Time::ZERO, Duration::ZERO, &line("api", "a"));
        let written = |number| {
            let (found, next) = chronicle.since_the_save(number, 2);
            (found.iter().map(|line| line.text.as_str()).collect::<String>(), next)
        };
        assert_eq!(written(0), ("a".to_owned(), 1));
        chronicle.fact(Time::ZERO, Duration::ZERO, &saved);
        assert_eq!(written(0), (String::new(), 2));
        for text in ["b", "c", "d"] {
            chronicle.line(Time::ZERO, Duration::ZERO, &line("api", text));
            chronicle.fact(Time::ZERO, Duration::ZERO, &Fact::Paused);
        }
        assert_eq!(
            [written(0), written(5), written(8)],
            [("cd", 8), ("d", 8), ("", 8)].map(|(a, b)| (a.to_owned(), b))
        );
    }

    #[test]
    fn lines_push_out_lines_and_no_facts_and_that_is_known() {
        let chronicle = Chronicle::default();
        chronicle.fact(Time::ZERO, Duration::ZERO, &Fact::Paused);
        for number in 0..LINES + 10 {
            chronicle.line(Time::ZERO, Duration::ZERO, &line("api", &number.to_string()));
        }
        assert_eq!(chronicle.facts(0).len(), 1);
        let (found, ..) = chronicle.last(&LogsAsk::default(), Duration::ZERO);
        assert_eq!((found.len(), texts(&found)[1].as_str()), (LINES + 1, "10"));
        let lost = |number| chronicle.after(number, &LogsAsk::default(), 100).2;
        assert_eq!([lost(0), lost(1), lost(4), lost(500)], [10, 10, 7, 0]);
    }

    #[test]
    fn long_lines_count_by_their_bytes() {
        let chronicle = Chronicle::default();
        for _ in 0..20 {
            chronicle.line(Time::ZERO, Duration::ZERO, &line("api", &"x".repeat(BYTES / 10)));
        }
        assert!(chronicle.last(&LogsAsk::default(), Duration::ZERO).0.len() <= 10);
    }
}
