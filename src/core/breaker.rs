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
}

impl Breaker {
    /// Notes that `file` changed while a program of ours was at work. Returns the wait if that was once too often.
    pub(super) fn hit(&mut self, now: Time, file: &FilePath) -> Option<Duration> {
        if self.file.as_ref() != Some(file) {
            *self = Breaker { file: Some(file.clone()), ..Breaker::default() };
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

    #[test]
    fn the_eleventh_run_in_a_minute_waits_and_the_next_ones_wait_longer() {
        let mut breaker = Breaker::default();
        for second in 0..10 {
            assert_eq!(breaker.hit(at(second), &file("gen.go")), None);
        }
        assert_eq!(breaker.hit(at(10), &file("gen.go")), Some(Duration::from_secs(1)));
        assert_eq!(breaker.until(), Some(at(11)));
        assert_eq!(breaker.hit(at(11), &file("gen.go")), Some(Duration::from_secs(2)));
    }

    #[test]
    fn runs_that_are_spread_out_or_come_from_other_files_do_not_count() {
        let mut breaker = Breaker::default();
        for run in 0..50 {
            assert_eq!(breaker.hit(at(run * 7), &file("gen.go")), None);
        }
        for run in 0..50 {
            assert_eq!(breaker.hit(at(400), &file(&format!("{run}.go"))), None);
        }
    }

    #[test]
    fn a_persons_save_lets_go_at_once() {
        let mut breaker = Breaker::default();
        for _ in 0..11 {
            let _ = breaker.hit(at(0), &file("gen.go"));
        }
        assert!(breaker.until().is_some());
        breaker.person(&file("gen.go"));
        assert_eq!(breaker.until(), None);
    }
}
