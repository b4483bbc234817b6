//! Connections to one instance: new ones, and idle ones to use again. What is sent over them is decided elsewhere.
//!
//! A connection has no task of its own: whoever sends a request drives it along until the answer has been read. That
//! saves the way through the scheduler, there and back, for every request.
#![expect(clippy::disallowed_methods, reason = "the door to the programs: connections to their ports")]

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use hyper::{
    client::conn::http1::{Builder, SendRequest},
    header::HeaderValue,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::watch};

use super::{
    body::UploadBody,
    instance::Phase,
    wire::{CountedIo, Counts},
};

/// Idle connections kept; more are closed.
const MOST_IDLE: usize = 64;

/// A connection to a program.
pub(super) struct Upstream {
    /// Sends requests.
    pub(super) sender: SendRequest<UploadBody>,
    /// What has gone over it.
    pub(super) counts: Arc<Counts>,
    drive: Drive,
}

/// Who reads and writes. ByUser => (ByTask | Over).
enum Drive {
    /// Whoever uses the connection.
    ByUser(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// A task of its own.
    ByTask,
    /// Nobody: it is closed.
    Over,
}

impl Upstream {
    /// Reads and writes what can be read and written now; the caller is woken when there is more.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Drive::ByUser(driver) = &mut self.drive
            && driver.as_mut().poll(cx).is_ready()
        {
            self.drive = Drive::Over;
        }
    }

    /// The waker for what only `drive` can make ready: none, if the caller drives and looks again himself. A task that
    /// wakes itself costs the scheduler as much as one that wakes another.
    pub(super) fn waker<'a>(&self, cx: &Context<'a>) -> &'a Waker {
        match self.drive {
            Drive::ByUser(_) => Waker::noop(),
            Drive::ByTask | Drive::Over => cx.waker(),
        }
    }

    /// From now on it is driven by itself: its user may be busy with something else for long.
    pub(super) fn set_free(&mut self) {
        if let Drive::ByUser(driver) = std::mem::replace(&mut self.drive, Drive::ByTask) {
            tokio::spawn(driver);
        }
    }

    /// Whether it can take a request. An idle one hears here that the program has closed it.
    fn is_ready(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.sender.is_ready()
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// Idle connections and the way to new ones.
#[derive(Debug)]
pub(super) struct Pool {
    addrs: Vec<SocketAddr>,
    good: AtomicUsize,
    sent: Arc<AtomicU64>,
    idle: Mutex<Idle>,
}

#[derive(Debug)]
enum Idle {
    Kept(Vec<Upstream>),
    Closed,
}

impl Pool {
    /// For an instance that listens at any of these addresses.
    pub(super) fn new(addrs: Vec<SocketAddr>) -> Pool {
        Pool { addrs, good: AtomicUsize::new(0), sent: Arc::default(), idle: Mutex::new(Idle::Kept(Vec::new())) }
    }

    /// An idle connection that is ready for a request.
    pub(super) fn take(&self) -> Option<Upstream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let Idle::Kept(kept) = &mut *idle else { return None };
        while let Some(mut upstream) = kept.pop() {
            if upstream.is_ready() {
                return Some(upstream);
            }
        }
        None
    }

    /// Takes back a connection whose answer has been read.
    pub(super) fn give_back(&self, upstream: Upstream) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let Idle::Kept(kept) = &mut *idle else { return };
        if kept.len() < MOST_IDLE && !upstream.sender.is_closed() {
            kept.push(upstream);
        }
    }

    /// Its address as `Host` names it.
    pub(super) fn host(&self) -> Option<HeaderValue> {
        let addr = self.addrs.get(self.good.load(Ordering::Relaxed))?;
        HeaderValue::from_str(&addr.to_string()).ok()
    }

    /// How many bytes have been sent over all connections so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Lets go of idle connections that the program has closed.
    pub(super) fn sweep(&self) {
        if let Idle::Kept(kept) = &mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner) {
            kept.retain_mut(Upstream::is_ready);
        }
    }

    /// Closes what is idle now, and what will be given back.
    pub(super) fn close(&self) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Idle::Closed;
    }

    /// A new connection. It ends by itself when the program is gone and silent for `silence`.
    pub(super) async fn connect(
        &self,
        limit: Duration,
        silence: Duration,
        phase: watch::Receiver<Phase>,
    ) -> io::Result<Upstream> {
        let stream = match tokio::time::timeout(limit, self.reach()).await {
            Ok(reached) => reached?,
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "connecting took too long")),
        };
        stream.set_nodelay(true)?;
        let counts = Arc::new(Counts::of(Arc::clone(&self.sent)));
        let io = TokioIo::new(CountedIo::new(stream, Arc::clone(&counts)));
        let mut builder = Builder::new();
        builder.preserve_header_case(true);
        let (sender, connection) = builder.handshake(io).await.map_err(io::Error::other)?;
        let watched = Arc::clone(&counts);
        let driver = async move {
            tokio::select! {
                biased;
                // How it ends is told to whoever waits for an answer.
                _ = connection.with_upgrades() => {}
                () = abandoned(phase, watched, silence) => {}
            }
        };
        Ok(Upstream { sender, counts, drive: Drive::ByUser(Box::pin(driver)) })
    }

    async fn reach(&self) -> io::Result<TcpStream> {
        let good = self.good.load(Ordering::Relaxed);
        let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, "the program has no address");
        for step in 0..self.addrs.len() {
            let index = (good + step) % self.addrs.len();
            match TcpStream::connect(self.addrs[index]).await {
                Ok(stream) => {
                    self.good.store(index, Ordering::Relaxed);
                    return Ok(stream);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// Resolves when the program is gone and its connection does not deliver what is left in it either.
async fn abandoned(mut phase: watch::Receiver<Phase>, counts: Arc<Counts>, silence: Duration) {
    if phase.wait_for(|phase| *phase == Phase::Gone).await.is_err() {
        return std::future::pending().await;
    }
    loop {
        let before = counts.mark();
        tokio::time::sleep(silence).await;
        if counts.unanswered_since(before) && counts.is_silent() {
            return;
        }
    }
}
