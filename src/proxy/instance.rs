//! One instance as the proxy sees it: who is inside, whether it drains, and its connections.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::{Notify, Semaphore, watch};

use super::{
    admission::{Entry, Rest, Word},
    pool::Pool,
    settings::Speaks,
};
use crate::{
    model::{RunId, Scheme},
    plan::Protocol,
};

/// How far it has come. Serving => Draining => Gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Takes requests.
    Serving,
    /// Finishes what it has.
    Draining,
    /// Its process has exited.
    Gone,
}

/// One instance.
#[derive(Debug)]
pub(super) struct Instance {
    /// Its run.
    pub(super) run: RunId,
    /// What it speaks.
    pub(super) protocol: Protocol,
    /// Whether inside TLS.
    pub(super) scheme: Scheme,
    /// Its connections.
    pub(super) pool: Pool,
    /// One permit for each connection that requests may use.
    pub(super) slots: Arc<Semaphore>,
    word: Word,
    phase: watch::Sender<Phase>,
    emptied: Notify,
}

impl Instance {
    fn new(run: RunId, addrs: Vec<SocketAddr>, speaks: Speaks, slots: usize) -> Instance {
        let scheme = if speaks.tls.is_some() { Scheme::Https } else { Scheme::Http };
        Instance {
            run,
            protocol: speaks.protocol,
            scheme,
            pool: Pool::new(addrs, speaks.tls),
            slots: Arc::new(Semaphore::new(slots)),
            word: Word::default(),
            phase: watch::Sender::new(Phase::Serving),
            emptied: Notify::new(),
        }
    }

    /// Counts a request in; `leave` must follow.
    pub(super) fn enter(&self) -> Entry {
        self.word.enter()
    }

    /// Counts it out.
    pub(super) fn leave(&self) {
        if self.word.leave() == Rest::Drained {
            self.emptied.notify_waiters();
        }
    }

    /// How many are inside.
    pub(super) fn in_flight(&self) -> u64 {
        self.word.in_flight()
    }

    /// Follows how far it has come.
    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Nobody gets in from now on; idle connections close; tunnels and streams are told.
    pub(super) fn drain(&self) {
        if self.word.drain() == Rest::Drained {
            self.emptied.notify_waiters();
        }
        self.pool.close();
        self.advance(Phase::Draining);
    }

    /// Resolves when it drains and nobody is left inside.
    pub(super) async fn emptied(&self) {
        let mut notified = std::pin::pin!(self.emptied.notified());
        loop {
            notified.as_mut().enable();
            if self.word.rest() == Rest::Drained {
                return;
            }
            notified.as_mut().await;
            notified.set(self.emptied.notified());
        }
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let further = to > *phase;
            *phase = to.max(*phase);
            further
        });
    }
}

/// Resolves when the instance drains or is gone.
pub(super) async fn draining(mut phase: watch::Receiver<Phase>) {
    // An instance that nobody holds any more cannot be said to serve.
    let _ = phase.wait_for(|phase| *phase >= Phase::Draining).await;
}

/// All instances that requests may still be in or go to.
#[derive(Debug)]
pub(super) struct Instances {
    by_run: RwLock<HashMap<RunId, Arc<Instance>>>,
    /// Counts additions, for those who wait for one.
    added: watch::Sender<u64>,
    slots: usize,
}

impl Instances {
    /// None yet; each will have this many connections for requests.
    pub(super) fn new(slots: usize) -> Instances {
        Instances { by_run: RwLock::default(), added: watch::Sender::new(0), slots }
    }

    /// Adds one. A run that is there already stays what it is.
    pub(super) fn add(&self, run: RunId, addrs: Vec<SocketAddr>, speaks: Speaks) {
        let mut by_run = self.by_run.write().unwrap_or_else(PoisonError::into_inner);
        by_run.entry(run).or_insert_with(|| Arc::new(Instance::new(run, addrs, speaks, self.slots)));
        drop(by_run);
        self.added.send_modify(|count| *count += 1);
    }

    /// The instance of this run.
    pub(super) fn get(&self, run: RunId) -> Option<Arc<Instance>> {
        self.by_run.read().unwrap_or_else(PoisonError::into_inner).get(&run).cloned()
    }

    /// Its process has exited: nothing new goes there, what is left may read what the OS still has.
    pub(super) fn gone(&self, run: RunId) {
        let removed = self.by_run.write().unwrap_or_else(PoisonError::into_inner).remove(&run);
        if let Some(instance) = removed {
            instance.drain();
            instance.advance(Phase::Gone);
        }
    }

    /// Changes whenever one is added.
    pub(super) fn added(&self) -> watch::Receiver<u64> {
        self.added.subscribe()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Instance>> {
        self.by_run.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
