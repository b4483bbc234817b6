//! How long something takes, from its last two runs: a single one may have been a cold start and says nothing.

use std::time::Duration;

/// The last two durations.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    last: Option<Duration>,
    before: Option<Duration>,
}

impl Took {
    /// Notes a run.
    pub(super) fn note(&mut self, time: Duration) {
        self.before = self.last.replace(time);
    }

    /// The newest one.
    pub(super) fn last(self) -> Option<Duration> {
        self.last
    }

    /// How long the next one will take at least; none if that is not known.
    pub(super) fn expected(self) -> Option<Duration> {
        Some(self.last?.min(self.before?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_first_run_says_nothing_about_the_next() {
        let mut took = Took::default();
        took.note(Duration::from_secs(9));
        assert_eq!(took.expected(), None);
        took.note(Duration::from_secs(1));
        assert_eq!(took.expected(), Some(Duration::from_secs(1)));
        took.note(Duration::from_secs(2));
        assert_eq!((took.expected(), took.last()), (Some(Duration::from_secs(1)), Some(Duration::from_secs(2))));
    }
}
