//! Read your saves: before a request passes an open gate, every save that the OS has reported so far must have had its
//! effect on that gate. Requests share looks, so that a load of them does not notice it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::sync::Mutex;

use super::settings::{Limits, Look};
use crate::model::Time;

/// Asks for looks, one at a time.
pub(super) struct Lookout {
    look: Option<Look>,
    age: Duration,
    wait: Duration,
    /// When the newest finished look began, in microseconds, and one more; zero if there was none.
    newest: AtomicU64,
    turn: Mutex<()>,
}

/// Which request of its connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nth {
    First,
    Later,
}

impl Lookout {
    pub(super) fn new(look: Option<Look>, limits: &Limits) -> Lookout {
        Lookout { look, age: limits.look_age, wait: limits.look_wait, newest: AtomicU64::new(0), turn: Mutex::new(()) }
    }

    /// Returns once a look is over that is good enough, or after `look_wait`: for the first request of a connection
    /// (a command in a script, right behind a save) one that began after it had come, for later ones one that began at
    /// most `look_age` before.
    pub(super) async fn look(&self, clock: impl Fn() -> Time, request: Nth) {
        let Some(look) = &self.look else { return };
        let now = clock();
        let age = match request {
            Nth::First => Duration::ZERO,
            Nth::Later => self.age,
        };
        if self.is_young(now, age) {
            return;
        }
        // Most requests never get here: they should not carry the room for it.
        Box::pin(self.look_anew(look, clock, now, age)).await;
    }

    async fn look_anew(&self, look: &Look, clock: impl Fn() -> Time, now: Time, age: Duration) {
        let _turn = self.turn.lock().await;
        if self.is_young(now, age) {
            return;
        }
        let began = clock();
        // A watcher that does not answer must not keep requests; they are then let in as if it had seen nothing.
        let _ = tokio::time::timeout(self.wait, look()).await;
        self.newest.store(micros(began) + 1, Ordering::Release);
    }

    fn is_young(&self, now: Time, age: Duration) -> bool {
        let newest = self.newest.load(Ordering::Acquire);
        newest > 0 && micros(now) < newest.saturating_add(u64::try_from(age.as_micros()).unwrap_or(u64::MAX))
    }
}

fn micros(time: Time) -> u64 {
    u64::try_from(time.since_start().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use super::*;

    fn lookout() -> (Lookout, Arc<AtomicUsize>) {
        let looks = Arc::new(AtomicUsize::new(0));
        let count = looks.clone();
        let look: Look = Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::ready(()))
        });
        (Lookout::new(Some(look), &Limits::default()), looks)
    }

    fn ms(count: u64) -> Time {
        Time::from_start(Duration::from_millis(count))
    }

    #[tokio::test]
    async fn a_request_after_a_pause_looks_and_those_close_behind_it_do_not() {
        let (lookout, looks) = lookout();
        lookout.look(|| ms(0), Nth::Later).await;
        lookout.look(|| ms(9), Nth::Later).await;
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        lookout.look(|| ms(11), Nth::Later).await;
        lookout.look(|| ms(12), Nth::Later).await;
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn the_first_request_of_a_connection_takes_no_look_from_before_it() {
        let (lookout, looks) = lookout();
        lookout.look(|| ms(0), Nth::Later).await;
        lookout.look(|| ms(1), Nth::First).await;
        lookout.look(|| ms(2), Nth::First).await;
        assert_eq!(looks.load(Ordering::Relaxed), 3);
        lookout.look(|| ms(3), Nth::Later).await;
        assert_eq!(looks.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watcher_that_does_not_answer_keeps_no_request() {
        let look: Look = Arc::new(|| Box::pin(std::future::pending()));
        Lookout::new(Some(look), &Limits::default()).look(|| ms(0), Nth::First).await;
    }
}
