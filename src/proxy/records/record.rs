//! One request that went through, or is on its way. Only its progress changes.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::{Method, StatusCode, Uri};
use tokio::task::AbortHandle;

use super::{head::Head, trail::Tap};
use crate::model::{Revision, RunId, Time};

/// One request.
pub(in crate::proxy) struct Record {
    /// From 1, in the order in which they came.
    pub(in crate::proxy) number: u64,
    /// Whose gate it came to; none: devloop answered it before any gate.
    pub(in crate::proxy) service: Option<Arc<str>>,
    /// Where its route leads; none: there is no route for it.
    pub(super) route: Option<String>,
    pub(super) method: Method,
    /// A copy of its own, as heads are.
    pub(super) target: Box<str>,
    pub(super) came: Time,
    /// The record that it repeats.
    pub(super) replays: Option<u64>,
    version: AtomicU64,
    weight: AtomicUsize,
    /// Counts its body, as long as it is on its way.
    upload: OnceLock<Weak<Tap>>,
    progress: Mutex<Progress>,
    /// The task that sends it again after every swap.
    again: Mutex<Option<AbortHandle>>,
}

/// What a record begins with.
pub(in crate::proxy) struct What<'a> {
    pub(in crate::proxy) to: To<'a>,
    pub(in crate::proxy) method: &'a Method,
    pub(in crate::proxy) target: &'a Uri,
}

/// Who answers a request.
pub(in crate::proxy) enum To<'a> {
    /// The program behind this service's gate, or devloop in its place.
    Gate(&'a Arc<str>),
    /// devloop, whatever is behind any gate.
    Devloop {
        /// Where its route leads, in words; none: there is none.
        route: Option<String>,
    },
}

/// How far it has come. Waiting => Working => (Waiting | Answering | Open) => (Done | BrokenOff).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::proxy) enum Stage {
    /// At the gate.
    #[default]
    Waiting,
    /// An instance has it.
    Working {
        /// It was let in to it.
        since: Time,
    },
    /// The head of the answer has passed.
    Answering,
    /// It has become a tunnel.
    Open,
    /// It has been answered completely.
    Done,
    /// It has not; why.
    BrokenOff(&'static str),
}

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct Progress {
    pub(in crate::proxy) stage: Stage,
    /// From its arrival until it was let in for the first time; until its end if it was not.
    pub(super) held: Option<Duration>,
    /// From its arrival until the head of its answer.
    pub(super) first: Option<Duration>,
    /// From its arrival until its end.
    pub(super) took: Option<Duration>,
    /// How often it was let in to an instance.
    pub(super) attempts: u32,
    /// Whether its answer may begin as late as it likes.
    pub(super) may_be_silent: bool,
    /// The last of these instances.
    pub(in crate::proxy) run: Option<RunId>,
    pub(super) revision: Option<Revision>,
    pub(super) stale: Option<Arc<str>>,
    pub(in crate::proxy) status: Option<StatusCode>,
    /// The request's head as the program got it.
    pub(super) asked: Head,
    pub(super) answered: Head,
    /// The status of a WebSocket's Close.
    pub(super) close: Option<u16>,
    /// Bytes of the client that went through a tunnel.
    pub(super) tunnelled: Option<u64>,
    pub(super) asked_body: Kept,
    pub(super) answered_body: Kept,
}

/// What is known of a body.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Its length so far.
    pub(super) bytes: u64,
    /// Its first bytes, where they are kept.
    pub(super) start: Vec<u8>,
}

impl Kept {
    /// Whether all of it is kept.
    pub(super) fn is_whole(&self) -> bool {
        self.bytes == self.start.len() as u64
    }

    /// One more piece, of which at most `limit` bytes in all are kept.
    pub(super) fn add(&mut self, piece: &[u8], limit: usize) {
        self.bytes += piece.len() as u64;
        let room = limit.saturating_sub(self.start.len()).min(piece.len());
        self.start.extend_from_slice(&piece[..room]);
    }
}

impl Record {
    pub(super) fn new(number: u64, came: Time, what: What<'_>, replays: Option<u64>) -> Record {
        let What { to, method, target } = what;
        let (service, route) = match to {
            To::Gate(service) => (Some(Arc::clone(service)), None),
            To::Devloop { route } => (None, route),
        };
        Record {
            number,
            service,
            route,
            method: method.clone(),
            target: written(target),
            came,
            replays,
            version: AtomicU64::new(0),
            weight: AtomicUsize::new(0),
            upload: OnceLock::new(),
            progress: Mutex::default(),
            again: Mutex::default(),
        }
    }

    /// How far it has come.
    pub(in crate::proxy) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn changed(&self, version: u64) {
        self.version.store(version, Ordering::Release);
    }

    /// Bytes in memory that it holds beside itself, as they were weighed; 0 before.
    pub(super) fn weight(&self) -> usize {
        self.weight.load(Ordering::Acquire)
    }

    /// Weighs it.
    pub(super) fn weigh(&self) -> usize {
        let weight = self.bytes();
        self.weight.store(weight, Ordering::Release);
        weight
    }

    fn bytes(&self) -> usize {
        let progress = self.progress();
        let heads = self.target.len() + progress.asked.weight() + progress.answered.weight();
        heads + progress.asked_body.start.len() + progress.answered_body.start.len()
    }

    /// Its body is counted there.
    pub(super) fn uploads(&self, tap: &Arc<Tap>) {
        _ = self.upload.set(Arc::downgrade(tap));
    }

    /// How much of its body has passed; 0 if that is not counted (any more).
    pub(super) fn uploaded(&self) -> u64 {
        self.upload.get().and_then(Weak::upgrade).map_or(0, |tap| tap.bytes())
    }

    pub(super) fn again(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.again.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is sent again after every swap.
    pub(super) fn is_armed(&self) -> bool {
        self.again().as_ref().is_some_and(|task| !task.is_finished())
    }
}

fn written(target: &Uri) -> Box<str> {
    match target.path_and_query() {
        Some(path) if target.scheme().is_none() && target.authority().is_none() => path.as_str().into(),
        _ => target.to_string().into(),
    }
}
