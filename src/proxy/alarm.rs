//! The timer of one client connection. hyper sets one for the head of every request and takes it back when the head is
//! there; each time the runtime would have to file it and to find it again. Here one is filed for all of them, and set
//! anew only when it rings.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use tokio::time;

/// A timer for hyper; of what it hands out, one is waited for at a time.
#[derive(Clone, Debug)]
pub(super) struct Alarm(Arc<Mutex<Pin<Box<time::Sleep>>>>);

impl Alarm {
    /// Its limits will mostly be of this length.
    pub(super) fn new(limit: Duration) -> Alarm {
        Alarm(Arc::new(Mutex::new(Box::pin(time::sleep(limit)))))
    }
}

impl Timer for Alarm {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Limit { alarm: self.clone(), deadline: deadline.into() })
    }

    fn now(&self) -> Instant {
        time::Instant::now().into_std()
    }
}

/// Resolves at its deadline.
struct Limit {
    alarm: Alarm,
    deadline: time::Instant,
}

impl Sleep for Limit {}

impl Future for Limit {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut filed = self.alarm.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match filed.as_mut().poll(cx) {
                // Whoever is woken too early comes again.
                Poll::Pending if filed.deadline() <= self.deadline => return Poll::Pending,
                Poll::Ready(()) if time::Instant::now() >= self.deadline => return Poll::Ready(()),
                _ => filed.as_mut().reset(self.deadline),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_limit_ends_when_it_should_whatever_was_set_before() {
        let (alarm, began) = (Alarm::new(LIMIT), time::Instant::now());
        let first = alarm.sleep(LIMIT);
        time::advance(Duration::from_secs(20)).await;
        drop(first);
        alarm.sleep(LIMIT).await;
        assert_eq!(began.elapsed().as_secs(), 50);
        alarm.sleep(Duration::from_secs(2)).await;
        assert_eq!(began.elapsed().as_secs(), 52);
        assert!(time::timeout(Duration::from_secs(29), alarm.sleep(LIMIT)).await.is_err());
        alarm.sleep(Duration::from_secs(2)).await;
        assert_eq!(began.elapsed().as_secs(), 83);
    }
}
