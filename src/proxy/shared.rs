//! What all tasks of the proxy share.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{
    body::Budget,
    browser::{Allowance, Assets},
    desk::Desk,
    instance::Instances,
    lookout::Lookout,
    peers::Peers,
    records::{Records, replay::Armed},
    route::Lanes,
    settings::{
        Browser, Feeds, Forwarded, Hear, Limits, Numbers, Recording, Rules, ServiceRoute, Settings, Since, Stats, Tell,
        WaitsFor, Written,
    },
    tls::Https,
};
use crate::{
    core::gate::Gates,
    sys::{Clock, unix_time},
};

/// Whether the proxy goes on. Open => Closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It does.
    Open,
    /// It ends.
    Closing,
}

/// What all tasks of the proxy share.
pub(super) struct Shared {
    pub(super) project: String,
    pub(super) token: String,
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) instances: Instances,
    pub(super) gates: watch::Receiver<Gates>,
    pub(super) status: watch::Receiver<Arc<serde_json::Value>>,
    pub(super) assets: watch::Sender<Assets>,
    pub(super) written: Written,
    pub(super) hear: Hear,
    pub(super) allowance: Allowance,
    pub(super) lookout: Lookout,
    pub(super) waits_for: WaitsFor,
    pub(super) tell: Tell,
    pub(super) since: Since,
    pub(super) numbers: Numbers,
    pub(super) peers: Peers,
    pub(super) budget: Arc<Budget>,
    pub(super) held: AtomicUsize,
    pub(super) connections: AtomicU64,
    pub(super) life: watch::Sender<Life>,
    pub(super) records: Arc<Records>,
    pub(super) armed: Armed,
    known: RwLock<Arc<Known>>,
}

/// The rules in force, with what belongs to them.
#[derive(Debug)]
pub(super) struct Known {
    /// What clients are to speak HTTPS with.
    pub(super) tls: Option<Https>,
    pub(super) hosts: Vec<String>,
    pub(super) hold: Duration,
    pub(super) recording: Recording,
    pub(super) server_timing: bool,
    pub(super) forwarded: Forwarded,
    pub(super) browser: Arc<Browser>,
    services: Vec<ServiceRoute>,
    /// One for each service.
    pub(super) desks: Vec<Arc<Desk>>,
    /// Where requests go.
    pub(super) lanes: Lanes,
}

impl Shared {
    /// Of a proxy that is about to listen.
    pub(super) fn new(settings: Settings, feeds: Feeds) -> Shared {
        let limits = settings.limits;
        Shared {
            project: settings.project,
            token: settings.token,
            limits,
            clock: Clock::start(),
            instances: Instances::new(limits.upstream),
            gates: feeds.gates,
            status: feeds.status,
            assets: watch::Sender::new(Assets::default()),
            written: feeds.written,
            hear: feeds.hear,
            allowance: Allowance::default(),
            lookout: Lookout::new(feeds.look, &limits),
            waits_for: feeds.waits_for,
            tell: feeds.tell,
            since: feeds.since,
            numbers: feeds.numbers,
            peers: Peers::start(),
            budget: Arc::new(Budget::new(limits.kept_each, limits.kept_all)),
            held: AtomicUsize::new(0),
            connections: AtomicU64::new(0),
            life: watch::Sender::new(Life::Open),
            records: Arc::new(Records::new(unix_time())),
            armed: Armed::default(),
            known: RwLock::new(Arc::new(Known::new(settings.rules, &[]))),
        }
    }

    /// The rules in force.
    pub(super) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// New rules; a service that stays keeps its line.
    pub(super) fn learn(&self, rules: Rules) {
        if rules.recording.keep == 0 {
            self.records.clear();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(Known::new(rules, &known.desks));
    }

    /// Resolves when the proxy ends.
    pub(super) async fn closing(&self) {
        let mut life = self.life.subscribe();
        // If nobody can end it any more it is over as well.
        let _ = life.wait_for(|life| *life == Life::Closing).await;
    }

    /// The numbers now.
    pub(super) fn stats(&self) -> Stats {
        let known = self.known();
        let desks = known.services.iter().zip(&known.desks).filter(|(service, _)| service.has_port);
        Stats {
            connections: self.connections.load(std::sync::atomic::Ordering::Relaxed),
            services: desks.map(|(_, desk)| desk.stats()).collect(),
        }
    }
}

impl Known {
    fn new(rules: Rules, before: &[Arc<Desk>]) -> Known {
        let desk = |service: &ServiceRoute| {
            let kept = before.iter().find(|desk| desk.name == service.name).cloned();
            kept.unwrap_or_else(|| Arc::new(Desk::new(Arc::clone(&service.name))))
        };
        let desks: Vec<Arc<Desk>> = rules.services.iter().map(desk).collect();
        Known {
            lanes: Lanes::new(&rules, &desks),
            tls: rules.tls,
            hosts: rules.hosts,
            hold: rules.hold,
            recording: rules.recording,
            server_timing: rules.server_timing,
            forwarded: rules.forwarded,
            browser: Arc::new(rules.browser),
            services: rules.services,
            desks,
        }
    }
}
