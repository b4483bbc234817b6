//! The timer of one client connection. There are limits for the head of every request and for what it waits for, and
//! nearly all are taken back; each time the runtime would have to file one and to find it again. Here one is filed for
//! all of them, and set anew only when it rings.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use tokio::time;

/// A timer, for hyper, too. Of the limits that it hands out, one is waited for at a time.
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
        // Only asked for its deadline: it is never filed.
        let deadline = time::sleep(duration).deadline();
        self.sleep_until(deadline.into_std())
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Limit { alarm: self.clone(), deadline: deadline.into() })
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
                Poll::Ready(()) if filed.deadline() >= self.deadline => return Poll::Ready(()),
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
        let (alarm, began) = (Alarm::new(LIMIT), time::sleep(Duration::ZERO).deadline());
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
