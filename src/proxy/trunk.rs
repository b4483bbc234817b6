//! The one HTTP/2 connection to an instance, which all its requests share. It does not connect by itself.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hyper::client::conn::http2::SendRequest;
use tokio::sync;

use super::{body::UploadBody, upstream::Upstream, wire::Counts};

/// Where shares are taken from.
#[derive(Default)]
pub(super) struct Trunk {
    state: Mutex<State>,
    turn: sync::Mutex<()>,
    made: std::sync::atomic::AtomicU64,
}

/// Absent => Open => (Absent | Closed).
#[derive(Default)]
enum State {
    /// The next request makes one.
    #[default]
    Absent,
    /// There is one.
    Open { sender: SendRequest<UploadBody>, counts: Arc<Counts>, number: u64 },
    /// None is kept any more.
    Closed,
}

impl Trunk {
    /// A share in the connection that is there.
    pub(super) fn share(&self) -> Option<Upstream> {
        match &*self.state() {
            State::Open { sender, counts, number } if !sender.is_closed() => {
                Some(Upstream::of_http2(sender.clone(), Arc::clone(counts), *number))
            }
            _ => None,
        }
    }

    /// Waits until nobody else is making a connection: then there may be one to share.
    pub(super) async fn turn(&self) -> sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// A new connection; a share in it.
    pub(super) fn keep(&self, sender: SendRequest<UploadBody>, counts: Arc<Counts>) -> Upstream {
        let number = self.made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut state = self.state();
        if !matches!(*state, State::Closed) {
            *state = State::Open { sender: sender.clone(), counts: Arc::clone(&counts), number };
        }
        Upstream::of_http2(sender, counts, number)
    }

    /// The connection with this number takes nothing more; what is on it goes on.
    pub(super) fn retire(&self, number: u64) {
        let mut state = self.state();
        if matches!(*state, State::Open { number: open, .. } if open == number) {
            *state = State::Absent;
        }
    }

    /// Closes the connection as soon as nothing is on it, and those to come.
    pub(super) fn close(&self) {
        *self.state() = State::Closed;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Trunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.state() {
            State::Absent => "absent",
            State::Open { .. } => "open",
            State::Closed => "closed",
        };
        f.debug_tuple("Trunk").field(&state).finish()
    }
}
