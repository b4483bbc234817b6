//! The clock. Everything that decides gets its `Time` from here, once for each event.
#![expect(clippy::disallowed_methods, reason = "the door to the clock")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::Time;

/// Counts from its making.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that shows zero now.
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// A clock that shows `time` now. Where this machine has not run for so long, it shows what it can.
    pub fn showing(time: Time) -> Clock {
        let now = Instant::now();
        Clock { start: now.checked_sub(time.since_start()).unwrap_or(now) }
    }

    /// The time since it was made.
    pub fn now(&self) -> Time {
        Time::from_start(self.start.elapsed())
    }

    /// Takes `time` out again, as if it had not passed: devloop stood still (Ctrl-Z) and nothing could happen.
    pub fn forget(&mut self, time: Duration) {
        self.start += time;
    }

    /// The instant that shows `time`, for timers.
    pub fn instant(&self, time: Time) -> Instant {
        self.start + time.since_start()
    }
}

/// The time of day, as the time since 1970 in UTC. May jump; only for showing and for file names.
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
