//! The line at a gate: tickets in the order of arrival, and a release that starts small, so that a herd does not run
//! over the program's listen backlog. It does not know why anybody waits.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

const FEWEST: usize = 8;
const MOST: usize = 256;
/// An answer that took this many times as long as the quickest one says that the program is busy enough.
const SLOWER: u32 = 2;

/// The requests that wait for one service.
#[derive(Debug, Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Line {
    next: u64,
    waiting: BTreeMap<u64, Arc<Notify>>,
    /// Released and not answered yet.
    out: usize,
    release: Release,
}

/// How many released requests may be unanswered at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Release {
    allowance: usize,
    quickest: Option<Duration>,
    /// Answers in a row that came about as quickly as that.
    quick: usize,
}

/// A place in the line. Dropping it leaves the line.
#[derive(Debug)]
pub(super) struct Ticket {
    queue: Arc<Queue>,
    number: u64,
    bell: Arc<Notify>,
}

/// Where a request stood, to come back to after a refused connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

/// A released request that has not been answered yet. Dropping it makes room for the next.
#[derive(Debug)]
pub(super) struct Permit {
    queue: Arc<Queue>,
    place: Place,
}

impl Default for Release {
    fn default() -> Release {
        Release { allowance: FEWEST, quickest: None, quick: 0 }
    }
}

impl Release {
    /// Grows by half when as many answers as it allows have come about as quickly as the quickest one, in a row: then
    /// the program works on all of them at once. One that answers them one by one, with a short backlog, never does.
    fn answered(&mut self, took: Duration) {
        let quickest = self.quickest.map_or(took, |quickest| quickest.min(took));
        self.quickest = Some(quickest);
        self.quick = if took <= quickest * SLOWER { self.quick + 1 } else { 0 };
        if self.quick >= self.allowance {
            self.allowance = (self.allowance + self.allowance / 2).min(MOST);
            self.quick = 0;
        }
    }
}

impl Queue {
    /// How many wait. Zero is certain only in the sense that nobody has joined before.
    pub(super) fn len(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Joins at the end, or where it stood before.
    pub(super) fn join(self: &Arc<Queue>, place: Option<Place>) -> Ticket {
        let mut line = self.line();
        let number = match place {
            Some(Place(number)) if !line.waiting.contains_key(&number) => number,
            _ => {
                line.next += 1;
                line.next
            }
        };
        let bell = Arc::new(Notify::new());
        line.waiting.insert(number, Arc::clone(&bell));
        self.waiting.store(line.waiting.len(), Ordering::Release);
        Ticket { queue: Arc::clone(self), number, bell }
    }

    /// A connection was refused: the program cannot take as many.
    pub(super) fn refused(&self) {
        self.line().release = Release::default();
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, number: u64) {
        let mut line = self.line();
        if line.waiting.remove(&number).is_some() {
            self.waiting.store(line.waiting.len(), Ordering::Release);
            line.call_next();
        }
    }
}

impl Line {
    fn free(&self) -> usize {
        self.release.allowance.saturating_sub(self.out)
    }

    fn call_next(&mut self) {
        if self.waiting.is_empty() && self.out == 0 {
            self.release = Release::default();
        }
        self.waiting.values().take(self.free()).for_each(|bell| bell.notify_one());
    }
}

impl Ticket {
    /// Resolves when it may be its turn.
    pub(super) async fn called(&self) {
        self.bell.notified().await;
    }

    /// The permit, if it is its turn.
    pub(super) fn take_turn(&self) -> Option<Permit> {
        let mut line = self.queue.line();
        let free = line.free();
        if !line.waiting.keys().take(free).any(|number| *number == self.number) {
            return None;
        }
        line.waiting.remove(&self.number);
        self.queue.waiting.store(line.waiting.len(), Ordering::Release);
        line.out += 1;
        Some(Permit { queue: Arc::clone(&self.queue), place: Place(self.number) })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.leave(self.number);
    }
}

impl Permit {
    /// The place it had in the line.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// An answer came, so long after the release.
    pub(super) fn answered(self, took: Duration) {
        self.queue.line().release.answered(took);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        line.out -= 1;
        line.call_next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue_of(tickets: usize) -> (Arc<Queue>, Vec<Ticket>) {
        let queue = Arc::new(Queue::default());
        let tickets = (0..tickets).map(|_| queue.join(None)).collect();
        (queue, tickets)
    }

    #[test]
    fn the_first_eight_go_first_and_each_answer_lets_the_next_ones_go() {
        let (queue, tickets) = queue_of(20);
        assert!(tickets[8].take_turn().is_none());
        let mut permits: Vec<Permit> = tickets[..8].iter().map(|ticket| ticket.take_turn().unwrap()).collect();
        assert!(tickets[8].take_turn().is_none());
        permits.pop().unwrap().answered(Duration::from_millis(1));
        let _ninth = tickets[8].take_turn().unwrap();
        assert!(tickets[9].take_turn().is_none());
        assert_eq!(queue.len(), 11);
    }

    #[test]
    fn who_leaves_makes_room_and_who_comes_back_gets_his_place() {
        let (queue, mut tickets) = queue_of(10);
        drop(tickets.remove(0));
        let permit = tickets[0].take_turn().unwrap();
        assert!(tickets[7].take_turn().is_some());
        let place = permit.place();
        drop(permit);
        let again = queue.join(Some(place));
        assert!(again.take_turn().is_some());
    }

    #[test]
    fn a_program_that_slows_down_gets_no_more_and_a_refusal_starts_over() {
        let mut release = Release::default();
        for _ in 0..1000 {
            release.answered(Duration::from_millis(1));
            release.answered(Duration::from_millis(9));
        }
        assert_eq!(release.allowance, FEWEST);
        (0..1000).for_each(|_| release.answered(Duration::from_millis(1)));
        assert_eq!(release.allowance, MOST);
        let (queue, _tickets) = queue_of(1);
        queue.line().release = release;
        queue.refused();
        assert_eq!(queue.line().release, Release::default());
    }
}
