//! Requests: let in, held, sent on, answered. It does not decide when a gate opens; it follows the gates it is told.
//!
//! A request's way: `listener` accepts, `speech` hears what is spoken (inside TLS: `tls`), `connection` checks (`host`,
//! `headers`, `own`), `passage` takes it along its route (`route`, `rules`, `forwarded`, `files`, `outgoing`, `pack`),
//! `desk` lets in or holds (`gate`, `queue`, `admission`), `forward` repeats what `attempt` sends (`journey`,
//! `instance`, `pool`, `road`, `trunk`, `upstream`, `wire`, `body`), and the answer comes back (`deliver`: `download`,
//! `sse`, `call`, `grpc`, `tunnel`, `frames`; a page with devloop's tag: `browser`) or is devloop's own (`refusal`,
//! `pages`, `events`). `records` remembers what went through.

pub mod attack;
mod settings;

mod connection;
mod listener;
mod shared;
mod speech;
mod tls;

mod forwarded;
mod headers;
mod host;

mod files;
mod outgoing;
mod pack;
mod passage;
mod route;
mod rules;

mod admission;
mod client;
mod desk;
mod gate;
mod lookout;
mod peers;
mod queue;

mod attempt;
mod bell;
mod body;
mod deliver;
mod forward;
mod instance;
mod journey;
mod pool;
mod road;
mod trunk;
mod upstream;
mod wire;

mod call;
mod download;
mod frames;
mod grpc;
mod sse;
mod tunnel;

mod browser;
mod records;

mod dashboard;
mod events;
mod inspect;
mod live;
mod own;
mod pages;
mod refusal;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::JoinSet;

pub use self::settings::{
    Browser, Caller, Certify, Clients, Feeds, Forwarded, Hear, Heard, Level, Limits, Look, Numbers, Recording, Rules,
    ServiceRoute, Settings, Since, Speaks, Stats, Tell, Told, WaitsFor, Written,
};
pub use self::tls::Https;
use self::{
    listener::{Bound, Connections},
    records::Overdue,
    shared::{Life, Shared},
};
use crate::{
    error::Problem,
    model::{Provider, RunId},
    plan::Listen,
};

/// How long an idle connection that a program has closed may go unnoticed, and a request that gets no answer.
const SWEEP: Duration = Duration::from_secs(2);

/// The proxy: listening sockets and everything behind them. Belongs to the tokio runtime it was started on; every
/// method may be called from any task. Dropping it ends it at once; `shutdown` ends it decently.
pub struct Proxy {
    shared: Arc<Shared>,
    doors: Mutex<Doors>,
    /// Whoever moves the doors has the turn.
    turn: tokio::sync::Mutex<()>,
    connections: Connections,
}

/// Where it listens.
#[derive(Default)]
struct Doors {
    addresses: Vec<SocketAddr>,
    notes: Vec<String>,
    accepting: JoinSet<()>,
}

/// An upload of which nothing has moved for so long does not hold up a swap any more.
const MOVING: Duration = Duration::from_secs(1);

impl Proxy {
    /// Listens and serves. Until gates say otherwise every request is held.
    ///
    /// # Errors
    ///
    /// As `listen`.
    pub async fn start(settings: Settings, feeds: Feeds) -> Result<Proxy, Problem> {
        let listen = settings.listen.clone();
        let proxy = Proxy::new(settings, feeds);
        proxy.listen(&listen).await?;
        Ok(proxy)
    }

    /// One that does not listen yet, but knows instances and gates already.
    pub fn new(settings: Settings, feeds: Feeds) -> Proxy {
        let shared = Arc::new(Shared::new(settings, feeds));
        tokio::spawn(sweep(Arc::clone(&shared)));
        Proxy {
            shared,
            doors: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            connections: Connections::default(),
        }
    }

    /// Listens there, and nowhere else any more. Connections that are open go on.
    ///
    /// # Errors
    ///
    /// The port is taken (and was written down, or the next hundred are taken, too), or the address is not of this
    /// machine. Then it goes on listening where it did.
    pub async fn listen(&self, listen: &Listen) -> Result<(), Problem> {
        let _turn = self.turn.lock().await;
        let before = self.addresses();
        let same_port = before.iter().any(|address| address.port() == listen.port);
        // Our own port is not one that is taken. If it cannot be had again like this, it is had as it was.
        if same_port {
            self.shut().await;
        }
        let bound = match listener::bind(listen).await {
            Ok(bound) => bound,
            Err(problem) if same_port => {
                let again = listener::bind_again(&before).await.map_err(|_| problem.clone())?;
                self.open(again);
                return Err(problem);
            }
            Err(problem) => return Err(problem),
        };
        self.shut().await;
        self.open(bound);
        Ok(())
    }

    /// Listens nowhere any more. Connections that are open go on.
    pub async fn close_doors(&self) {
        let _turn = self.turn.lock().await;
        self.shut().await;
    }

    async fn shut(&self) {
        let mut accepting = {
            let mut doors = self.doors();
            (doors.addresses, doors.notes) = (Vec::new(), Vec::new());
            std::mem::take(&mut doors.accepting)
        };
        accepting.shutdown().await;
    }

    fn open(&self, bound: Bound) {
        let mut doors = self.doors();
        doors.addresses = bound.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        doors.notes = bound.notes;
        for listener in bound.listeners {
            let (shared, connections) = (Arc::clone(&self.shared), self.connections.clone());
            doors.accepting.spawn(listener::accept(listener, shared, bound.reach, connections));
        }
    }

    fn doors(&self) -> MutexGuard<'_, Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.doors().addresses.clone()
    }

    /// What a person should know about that: another port than usual, reachable from the network.
    pub fn notes(&self) -> Vec<String> {
        self.doors().notes.clone()
    }

    /// An instance listens at `addrs` (the first that takes connections is used). To be called before its gate opens;
    /// requests for an instance that is not known wait.
    pub fn add(&self, run: RunId, addrs: Vec<SocketAddr>, speaks: impl Into<Speaks>) {
        self.shared.instances.add(run, addrs, speaks.into());
    }

    /// Sends an instance nothing more: its idle connections close right now, its tunnels and event streams end within a
    /// second. Resolves when its last request has been answered, or after `limit`; what is left then goes on until it
    /// is done or its process ends. To be called after another gate has been told. An unknown run is drained.
    pub async fn drain(&self, run: RunId, limit: Duration) {
        self.drain_uploads(run, limit, limit).await;
    }

    /// As `drain`; but as long as bytes of an upload still move to the instance, it may go on until `uploads`.
    pub async fn drain_uploads(&self, run: RunId, limit: Duration, uploads: Duration) {
        let Some(instance) = self.shared.instances.get(run) else { return };
        instance.drain();
        let mut left = uploads.saturating_sub(limit);
        let mut wait = limit;
        let mut sent = instance.pool.sent();
        while tokio::time::timeout(wait, instance.emptied()).await.is_err() {
            let before = std::mem::replace(&mut sent, instance.pool.sent());
            wait = MOVING.min(left);
            left = left.saturating_sub(wait);
            // After the limit it counts as drained, whatever is left.
            if wait.is_zero() || before == sent {
                return;
            }
        }
    }

    /// An instance's process has exited. What it still sent is delivered; what it can no longer answer goes to the next
    /// instance if that is safe, and fails if not.
    pub fn gone(&self, run: RunId) {
        self.shared.instances.gone(run);
    }

    /// How many requests, tunnels and streams an instance still has.
    pub fn in_flight(&self, run: RunId) -> u64 {
        self.shared.instances.get(run).map_or(0, |instance| instance.in_flight())
    }

    /// Files that are served as they are have changed: pages exchange them. None: more than can be named.
    pub fn changed(&self, provider: Provider, files: Option<Vec<String>>) {
        self.shared.assets.send_modify(|assets| assets.change(provider, files));
    }

    /// Other hosts, certificates, hold limit or services from now on. Requests that are on their way keep theirs.
    pub fn configure(&self, rules: Rules) {
        self.shared.learn(rules);
    }

    /// The numbers now.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Stops accepting, refuses what is held, says `Connection: close`, ends tunnels, and waits for what is under way,
    /// at most `Limits::shutdown` (2 s). Then everything is cut.
    pub async fn shutdown(&self) {
        self.shared.life.send_replace(Life::Closing);
        let instances = self.shared.instances.all();
        instances.iter().for_each(|instance| instance.drain());
        self.close_doors().await;
        self.connections.end(self.shared.limits.shutdown).await;
        let limit = self.shared.limits.parting;
        // Tunnels are no part of the connections above; they end by themselves within this time.
        let ended = async {
            for instance in &instances {
                instance.emptied().await
            }
        };
        let _ = tokio::time::timeout(limit, ended).await;
        instances.iter().for_each(|instance| self.shared.instances.gone(instance.run));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.life.send_replace(Life::Closing);
    }
}

/// Lets go of idle connections that programs have closed, and tells of requests that they do not answer.
async fn sweep(shared: Arc<Shared>) {
    let limit = shared.limits.answer;
    let mut overdue = Overdue::default();
    let rounds = async {
        loop {
            tokio::time::sleep(SWEEP.min(limit)).await;
            shared.instances.all().iter().for_each(|instance| instance.pool.sweep());
            let notes = overdue.look(&shared.records, shared.clock.now(), limit);
            notes.into_iter().for_each(|note| (shared.tell)(note));
        }
    };
    tokio::select! {
        () = rounds => {}
        () = shared.closing() => {}
    }
}
