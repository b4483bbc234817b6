//! Limits of time: what takes too long is ended, but time in which nothing could happen is counted against nobody.

use std::time::Duration;

use super::{
    Core,
    event::{Effect, StopHow},
    service::Next,
    step::{Activity, Stopping},
};
use crate::model::Time;

/// A wake-up that comes later than this after its deadline means that time has passed in which nothing could happen.
const LATE: Duration = Duration::from_millis(100);
/// After such a pause programs get at least this long to show what they have done.
const GRACE: Duration = Duration::from_secs(1);

impl Core {
    /// Whoever wakes us did not do so in time (the machine slept, Ctrl-Z): then programs could not answer either, and
    /// what they need is not counted against them.
    pub(super) fn oversleep(&mut self, now: Time) {
        let late = self.deadline().map_or(Duration::ZERO, |due| now.since(due));
        if late <= LATE {
            return;
        }
        let on = |since: Time| (since + late + GRACE).min(now);
        for step in &mut self.steps {
            if let Activity::Running { began, stopping: Stopping::No, .. } = &mut step.activity {
                *began = on(*began);
            }
        }
        for service in &mut self.services {
            if let Next::Starting(candidate) = &mut service.next
                && let Some((since, ..)) = &mut candidate.process
            {
                *since = on(*since);
            }
        }
    }

    /// Ends runs that have used up their time.
    pub(super) fn end_what_took_too_long(&mut self) -> bool {
        let mut moved = false;
        for index in 0..self.steps.len() {
            let step = &mut self.steps[index];
            let Some(limit) = step.plan.timeout else { continue };
            if let Activity::Running { run, began, stopping: stopping @ Stopping::No, .. } = &mut step.activity
                && self.now >= *began + limit
            {
                *stopping = Stopping::TimedOut;
                self.out.push(Effect::Stop { run: *run, how: StopHow::Ask });
                moved = true;
            }
        }
        for index in 0..self.services.len() {
            let service = &self.services[index];
            if let Next::Starting(candidate) = &service.next
                && let Some((since, ..)) = candidate.process
                && service.start_limit(candidate).is_some_and(|limit| self.now >= since + limit)
            {
                self.give_up_waiting(index);
                moved = true;
            }
        }
        moved
    }
}
