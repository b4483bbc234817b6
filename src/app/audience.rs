//! Who else hears what is told and written, beside the printer and the log: the journal, for pages, the chronicle, for
//! other terminals, and the numbers.

use std::sync::Arc;

use tokio::sync::watch;

use super::stamp;
use crate::{
    control::Chronicle,
    core::{
        fact::Fact,
        status::{GateState, Status, StepState},
    },
    journal::Journal,
    metrics::{Metrics, Readings},
    model::{Line, Time},
    proxy::{Numbers, Since, Stats},
    store::Log,
    sys::{self, Clock},
    ui::{self, Stamp},
    watch::Watcher,
};

/// Clones hear the same.
#[derive(Clone, Debug)]
pub(super) struct Audience {
    journal: Arc<Journal>,
    chronicle: Chronicle,
    clock: watch::Sender<Clock>,
    /// How often the bell rang.
    rings: watch::Sender<u64>,
    metrics: Arc<Metrics>,
}

impl Audience {
    /// With its own beginning now; `clock` is the loop's.
    pub(super) fn new(clock: Clock) -> Audience {
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        metrics.plan_read(sys::unix_time().as_secs_f64());
        let clock = watch::Sender::new(clock);
        let (rings, metrics) = (watch::Sender::new(0), Arc::new(metrics));
        Audience { journal: Arc::default(), chronicle: Chronicle::default(), clock, rings, metrics }
    }

    /// A fact is told.
    pub(super) fn fact(&self, stamp: Stamp, fact: &Fact) {
        let said = ui::say(fact);
        self.journal.fact(stamp.unix, fact, &said.title, said.tone.name());
        self.chronicle.fact(stamp.at, stamp.unix, fact);
        self.metrics.fact(stamp.unix.as_secs_f64(), fact);
    }

    /// A program writes.
    pub(super) fn line(&self, line: &Line) {
        let stamp = stamp(self.now());
        self.journal.line(stamp.unix, line);
        self.chronicle.line(stamp.at, stamp.unix, line);
    }

    /// Rings the bell on every pane that is attached.
    pub(super) fn ring(&self) {
        self.rings.send_modify(|rings| *rings += 1);
    }

    /// How often that was.
    pub(super) fn rings(&self) -> watch::Receiver<u64> {
        self.rings.subscribe()
    }

    /// The time on the loop's clock.
    pub(super) fn now(&self) -> Time {
        self.clock.borrow().now()
    }

    /// Everything goes on, by this clock.
    pub(super) fn resume(&self, clock: Clock) {
        self.clock.send_replace(clock);
    }

    /// File events were lost.
    pub(super) fn overflow(&self) {
        self.metrics.overflow();
    }

    /// What was said, for the control socket.
    pub(super) fn chronicle(&self) -> Chronicle {
        self.chronicle.clone()
    }

    /// The journal, for the proxy.
    pub(super) fn since(&self) -> Since {
        let journal = self.journal.clone();
        Arc::new(move |version| journal.since(version))
    }

    /// The numbers, for the proxy.
    pub(super) fn numbers(&self, watcher: Watcher, log: Log, status: watch::Receiver<Arc<Status>>) -> Numbers {
        let metrics = self.metrics.clone();
        Arc::new(move |stats| {
            let status = status.borrow().clone();
            metrics.text(&readings(&watcher, &log, &status, stats))
        })
    }
}

fn readings(watcher: &Watcher, log: &Log, status: &Status, stats: &Stats) -> Readings {
    let watches = watcher.summary();
    let steps = status.steps.iter().filter(|step| step.state == StepState::Failed).map(|step| step.name.clone());
    let gates = status.services.iter().filter(|service| service.gate == GateState::Failed);
    let stale = status.services.iter().filter(|service| service.stale.is_some());
    Readings {
        revision: status.revision.0,
        watched: watches.watched as u64,
        polled: watches.polled as u64,
        memory: sys::resident_memory(),
        dropped_lines: log.dropped(),
        connections: stats.connections,
        traffic: stats.services.clone(),
        failed: steps.chain(gates.map(|service| service.name.clone())).collect(),
        stale: stale.map(|service| service.name.clone()).collect(),
    }
}
