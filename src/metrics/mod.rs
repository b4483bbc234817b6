//! Numbers for machines, as OpenMetrics text: counted from facts as they are told, and asked of others when somebody
//! reads them. It decides nothing and opens nothing.

mod families;
mod readings;

use std::sync::{Mutex, PoisonError};

use prometheus_client::{encoding::text::encode, registry::Registry};

use self::families::{Counted, Read, of};
pub use self::readings::Readings;
use crate::core::fact::Fact;

/// All numbers. Every method may be called from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    counted: Counted,
    read: Read,
    /// Only one at a time may fill in readings and write them down.
    writing: Mutex<()>,
}

impl Metrics {
    /// All at zero. `version`: devloop's own.
    pub fn new(version: &'static str) -> Metrics {
        let mut registry = Registry::with_prefix("devloop");
        let (counted, read) = (Counted::register(&mut registry), Read::register(&mut registry, version));
        Metrics { registry, counted, read, writing: Mutex::default() }
    }

    /// A fact was told at this time of day, in seconds since 1970.
    pub fn fact(&self, unix: f64, fact: &Fact) {
        let counted = &self.counted;
        match fact {
            Fact::Saved { settle_ms, .. } => {
                counted.saves.get_or_create(&of([("result", "revision")])).inc();
                counted.phase("settle", "", *settle_ms);
            }
            Fact::Unchanged { .. } => drop(counted.saves.get_or_create(&of([("result", "unchanged")])).inc()),
            Fact::StepDone { step, took_ms, .. } => counted.step(step, "good", Some(*took_ms)),
            Fact::StepFailed { step, took_ms, .. } => counted.step(step, "failed", Some(*took_ms)),
            Fact::StepReused { step, .. } => counted.step(step, "reused", None),
            Fact::Void { step, .. } => counted.step(step, "void", None),
            Fact::Cancelled { name, .. } => counted.step(name, "cancelled", None),
            Fact::Live { service, times, .. } => {
                counted.starts.get_or_create(&of([("service", service), ("result", "live")])).inc();
                counted.phase("start", service, times.start_ms);
                counted.phase("ready", service, times.ready_ms);
                counted.phase("swap", service, times.swap_ms);
                counted.phase("total", service, times.total_ms);
            }
            Fact::StartFailed { service, .. } => {
                counted.starts.get_or_create(&of([("service", service), ("result", "failed")])).inc();
            }
            Fact::Crashed { service, .. } => drop(counted.crashes.get_or_create(&of([("service", service)])).inc()),
            Fact::Breaker { step, .. } => drop(counted.breaker.get_or_create(&of([("step", step)])).inc()),
            Fact::PlanChanged { .. } => {
                counted.reloads.get_or_create(&of([("result", "good")])).inc();
                self.plan_read(unix);
            }
            Fact::PlanInvalid { .. } => drop(counted.reloads.get_or_create(&of([("result", "invalid")])).inc()),
            _ => {}
        }
    }

    /// dev.toml was read and is good.
    pub fn plan_read(&self, unix: f64) {
        self.counted.last_reload.set(unix);
    }

    /// The system has lost file events: the tree was compared instead.
    pub fn overflow(&self) {
        self.counted.overflows.inc();
    }

    /// Everything, with what is asked for only now.
    pub fn text(&self, readings: &Readings) -> String {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.read.fill(readings);
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a string does not fail; an empty set of numbers is still a valid one.
            Err(_) => "# EOF\n".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
