//! The last line against a step that keeps starting itself: it is slowed down and named, never stopped.
//!
//! Only changes that arrive while our own programs are at work count, for a person's saves come at other times too;
//! one such save lets go at once.

use std::{collections::VecDeque, time::Duration};

use crate::model::{FilePath, Time};

/// More runs than this ...
const RUNS: usize = 10;
/// ... within this time, from the same file.
const WINDOW: Duration = Duration::from_secs(60);
/// The first wait; doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The breaker of one step.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    file: Option<FilePath>,
    hits: VecDeque<Time>,
    trips: u32,
    until: Option<Time>,
    /// The run that is due has been counted.
    counted: bool,
}

impl Breaker {
    /// Notes that `file` changed while a program of ours was at work, and a run is due for it. Returns the wait if that
    /// was once too often. Runs count, not changes: any number of changes before the run begins is one.
    pub(super) fn hit(&mut self, now: Time, file: &FilePath) -> Option<Duration> {
        if self.file.as_ref() != Some(file) {
            *self = Breaker { file: Some(file.clone()), ..Breaker::default() };
        }
        if std::mem::replace(&mut self.counted, true) {
            return None;
        }
        while self.hits.front().is_some_and(|first| now.since(*first) > WINDOW) {
            self.hits.pop_front();
        }
        self.hits.push_back(now);
        if self.hits.len() <= RUNS {
            return None;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.trips.min(6)).min(LONGEST_WAIT);
        self.trips += 1;
        self.until = Some(now + wait);
        Some(wait)
    }

    /// The run that was due begins.
    pub(super) fn begins(&mut self) {
        self.counted = false;
    }

    /// Notes that `file` was touched while nothing of ours was at work: a person's save.
    pub(super) fn person(&mut self, file: &FilePath) {
        if self.file.as_ref() == Some(file) {
            *self = Breaker::default();
        }
    }

    /// Until when the step has to wait.
    pub(super) fn until(&self) -> Option<Time> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_start(Duration::from_secs(seconds))
    }

    fn file(name: &str) -> FilePath {
        Arc::from(Path::new(name))
    }

    /// A change, and the run that comes of it.
    fn run(breaker: &mut Breaker, now: Time, name: &str) -> Option<Duration> {
        let wait = breaker.hit(now, &file(name));
        breaker.begins();
        wait
    }

    #[test]
    fn the_eleventh_run_in_a_minute_waits_and_the_next_ones_wait_longer() {
        let mut breaker = Breaker::default();
        for second in 0..10 {
            assert_eq!(run(&mut breaker, at(second), "gen.go"), None);
        }
        assert_eq!(run(&mut breaker, at(10), "gen.go"), Some(Duration::from_secs(1)));
        assert_eq!(breaker.until(), Some(at(11)));
        assert_eq!(run(&mut breaker, at(11), "gen.go"), Some(Duration::from_secs(2)));
    }

    #[test]
    fn any_number_of_changes_before_a_run_begins_is_one() {
        let mut breaker = Breaker::default();
        for second in 0..50 {
            assert_eq!(breaker.hit(at(second), &file("gen.go")), None);
        }
    }

    #[test]
    fn runs_that_are_spread_out_or_come_from_other_files_do_not_count() {
        let mut breaker = Breaker::default();
        for number in 0..50 {
            assert_eq!(run(&mut breaker, at(number * 7), "gen.go"), None);
        }
        for number in 0..50 {
            assert_eq!(run(&mut breaker, at(400), &format!("{number}.go")), None);
        }
    }

    #[test]
    fn a_persons_save_lets_go_at_once() {
        let mut breaker = Breaker::default();
        for _ in 0..11 {
            let _ = run(&mut breaker, at(0), "gen.go");
        }
        assert!(breaker.until().is_some());
        breaker.person(&file("gen.go"));
        assert_eq!(breaker.until(), None);
    }
}
