//! Whether an instance takes one more request: one atomic word, so that no request slips in behind "draining" and none
//! is forgotten by a drain. It does not wait.

use std::sync::atomic::{AtomicU64, Ordering};

const DRAINING: u64 = 1 << 63;

/// Bit 63: draining; the rest: how many are in flight.
#[derive(Debug, Default)]
pub(super) struct Word(AtomicU64);

/// What came of `enter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Entry {
    /// Counted in; `leave` must follow.
    In,
    /// Not counted: back to the gate.
    Draining,
}

/// What `leave` and `drain` leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// It goes on.
    Busy,
    /// It drains and nothing is left.
    Drained,
}

impl Word {
    /// Counts one in, unless it drains.
    pub(super) fn enter(&self) -> Entry {
        let one_more = |word| (word & DRAINING == 0).then_some(word + 1);
        match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more) {
            Ok(_) => Entry::In,
            Err(_) => Entry::Draining,
        }
    }

    /// Counts one out.
    pub(super) fn leave(&self) -> Rest {
        rest(self.0.fetch_sub(1, Ordering::SeqCst) - 1)
    }

    /// From now on nobody gets in.
    pub(super) fn drain(&self) -> Rest {
        rest(self.0.fetch_or(DRAINING, Ordering::SeqCst) | DRAINING)
    }

    /// Whether it drains and nothing is left.
    pub(super) fn rest(&self) -> Rest {
        rest(self.0.load(Ordering::SeqCst))
    }

    /// How many are in.
    pub(super) fn in_flight(&self) -> u64 {
        self.0.load(Ordering::SeqCst) & !DRAINING
    }
}

fn rest(word: u64) -> Rest {
    if word == DRAINING { Rest::Drained } else { Rest::Busy }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nobody_enters_what_drains_and_the_last_one_out_is_told() {
        let word = Word::default();
        assert_eq!(word.enter(), Entry::In);
        assert_eq!(word.drain(), Rest::Busy);
        assert_eq!(word.enter(), Entry::Draining);
        assert_eq!(word.in_flight(), 1);
        assert_eq!(word.leave(), Rest::Drained);
        assert_eq!(word.enter(), Entry::Draining);
        assert_eq!(word.rest(), Rest::Drained);
    }

    /// One step of one of the actors in the model below, in any order the scheduler likes.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        /// A request takes its next atomic step.
        Request(usize),
        /// The setter takes its next: store the gate, drain the old one, start the next one.
        Setter,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum At {
        Gate,
        Entering(usize),
        Inside(usize),
        Done(usize),
    }

    proptest! {
        /// The gate is a number (the live instance); instances are words. Whatever the order: no request ends without
        /// an instance, none is inside an instance that was reported as drained, none is turned away for good.
        #[test]
        fn every_request_is_admitted_once_by_an_instance_that_is_not_yet_drained(
            acts in prop::collection::vec(prop_oneof![4 => (0usize..6).prop_map(Act::Request), 1 => Just(Act::Setter)], 1..200)
        ) {
            let words: Vec<Word> = (0..=acts.len()).map(|_| Word::default()).collect();
            let mut drained = vec![false; words.len()];
            let (mut gate, mut to_drain) = (0, None);
            let mut requests = [At::Gate; 6];
            for act in acts {
                match act {
                    Act::Setter => match to_drain.take() {
                        None => { to_drain = Some(gate); gate += 1; }
                        Some(old) => { drained[old] |= words[old].drain() == Rest::Drained; }
                    },
                    Act::Request(who) => requests[who] = match requests[who] {
                        At::Gate => At::Entering(gate),
                        At::Entering(run) => match words[run].enter() {
                            Entry::In => { prop_assert!(!drained[run]); At::Inside(run) }
                            Entry::Draining => { prop_assert!(run < gate); At::Gate }
                        },
                        At::Inside(run) => {
                            prop_assert!(!drained[run]);
                            drained[run] |= words[run].leave() == Rest::Drained;
                            At::Done(run)
                        }
                        At::Done(_) => At::Gate,
                    },
                }
            }
        }
    }
}
