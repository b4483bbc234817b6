//! Who else hears what is told and written, beside the printer and the log: the chronicle, for other terminals and for
//! pages, and the numbers.

use std::sync::{Arc, Mutex};

use serde_json::json;

use tokio::sync::watch;

use super::{lock, stamp};
use crate::{
    control::{Chronicle, Entry, What},
    core::{
        fact::Fact,
        status::{GateState, Status, StepState},
    },
    journal::{self, Said, Stories, Voice},
    metrics::{Metrics, Readings},
    model::{Line, Time},
    proxy::{Numbers, Since, Stats, Written},
    store::Log,
    sys::{self, Clock},
    ui::{self, Stamp},
    watch::Watcher,
};

/// Clones hear the same.
#[derive(Clone, Debug)]
pub(super) struct Audience {
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
        Audience { chronicle: Chronicle::default(), clock, rings, metrics }
    }

    /// A fact is told.
    pub(super) fn fact(&self, stamp: Stamp, fact: &Fact) {
        self.chronicle.fact(stamp.at, stamp.unix, fact);
        self.metrics.fact(stamp.unix.as_secs_f64(), fact);
    }

    /// A program writes.
    pub(super) fn line(&self, line: &Line) {
        let stamp = stamp(self.now());
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

    /// What happened lately, for the proxy. A page that is not open costs nothing.
    pub(super) fn since(&self) -> Since {
        let (chronicle, stories) = (self.chronicle.clone(), Mutex::new(Stories::default()));
        Arc::new(move |version| {
            let (entries, newest) = chronicle.newest(version, journal::MOST);
            if newest == version {
                return None;
            }
            let mut stories = lock(&stories);
            for entry in chronicle.facts(stories.told()) {
                if let What::Fact(fact) = &entry.what {
                    stories.tell(entry.number, entry.unix, fact);
                }
            }
            let lines = journal::shown(entries.iter().map(said));
            Some(json!({ "version": newest, "revisions": stories.since(version), "lines": lines }))
        })
    }

    /// What programs have written since the last save, for the proxy.
    pub(super) fn written(&self) -> Written {
        let chronicle = self.chronicle.clone();
        Arc::new(move |number, most| chronicle.since_the_save(number, most))
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

fn said(entry: &Entry) -> Said<'_> {
    let voice = match &entry.what {
        What::Line(line) => Voice::Program(line),
        What::Fact(fact) => {
            let said = ui::say(fact);
            Voice::Own(said.title, said.tone.name())
        }
    };
    Said { number: entry.number, at: entry.unix, voice }
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
