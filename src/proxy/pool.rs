//! Connections to one instance: new ones, idle ones to use again, and shares in the one of HTTP/2. What is sent over
//! them is decided elsewhere.
#![expect(clippy::disallowed_methods, reason = "the door to the programs: connections to their ports")]

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::{
    client::conn::{http1, http2},
    header::HeaderValue,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    sync::{oneshot, watch},
};

use super::{
    bell::Bell,
    instance::Phase,
    road::Road,
    speech::LARGEST_HEAD,
    trunk::Trunk,
    upstream::{Driver, Upstream},
    wire::{CountedIo, Counts},
};
use crate::tls::{Alpn, Handshake};

/// Idle connections kept; more are closed.
const MOST_IDLE: usize = 64;
/// Streams that have been given up and may still be answered.
const MOST_RESET: usize = 256;

/// Idle connections and the way to new ones.
#[derive(Debug)]
pub(super) struct Pool {
    addrs: Vec<SocketAddr>,
    tls: Option<Handshake>,
    good: AtomicUsize,
    sent: Arc<AtomicU64>,
    idle: Mutex<Idle>,
    trunk: Trunk,
}

#[derive(Debug)]
enum Idle {
    Kept(Vec<Upstream>),
    Closed,
}

impl Pool {
    /// For an instance that listens at any of these addresses; `tls`: that speaks it.
    pub(super) fn new(addrs: Vec<SocketAddr>, tls: Option<Handshake>) -> Pool {
        let idle = Mutex::new(Idle::Kept(Vec::new()));
        Pool { addrs, tls, good: AtomicUsize::new(0), sent: Arc::default(), idle, trunk: Trunk::default() }
    }

    /// An idle connection that is ready for a request.
    pub(super) fn take(&self) -> Option<Upstream> {
        loop {
            // Others may take one, while this one is looked at.
            let mut upstream = match &mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner) {
                Idle::Kept(kept) => kept.pop()?,
                Idle::Closed => return None,
            };
            if upstream.is_ready() {
                return Some(upstream);
            }
        }
    }

    /// Takes back a connection whose answer has been read.
    pub(super) fn give_back(&self, upstream: Upstream) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let Idle::Kept(kept) = &mut *idle else { return };
        if kept.len() < MOST_IDLE && upstream.can_be_kept() {
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
        self.trunk.close();
    }

    /// Nothing more is sent over the connection that this is a share in; what is on it goes on.
    pub(super) fn retire(&self, upstream: &Upstream) {
        if let Some(number) = upstream.shared() {
            self.trunk.retire(number);
        }
    }

    /// A new connection. It ends by itself when the program is gone and silent for `silence`.
    pub(super) async fn connect(
        &self,
        limit: Duration,
        silence: Duration,
        phase: watch::Receiver<Phase>,
    ) -> io::Result<Upstream> {
        let stream = self.reach_within(limit, Alpn::Http1).await?;
        let counts = Arc::new(Counts::of(Arc::clone(&self.sent)));
        let io = TokioIo::new(CountedIo::new(stream, Arc::clone(&counts)));
        let mut builder = http1::Builder::new();
        builder.preserve_header_case(true);
        let (sender, connection) = builder.handshake(io).await.map_err(io::Error::other)?;
        let connection = async { _ = connection.with_upgrades().await };
        let abandoned = Box::pin(abandoned(phase, Arc::clone(&counts), silence));
        let driver = Driver { connection: Box::pin(connection), abandoned, bell: Bell::default() };
        Ok(Upstream::of_http1(sender, counts, driver))
    }

    /// A share in the connection of HTTP/2; makes it if there is none. It ends by itself as others do.
    pub(super) async fn share(
        &self,
        limit: Duration,
        silence: Duration,
        phase: watch::Receiver<Phase>,
    ) -> io::Result<Upstream> {
        if let Some(share) = self.trunk.share() {
            return Ok(share);
        }
        let _turn = self.trunk.turn().await;
        if let Some(share) = self.trunk.share() {
            return Ok(share);
        }
        let stream = self.reach_within(limit, Alpn::Http2).await?;
        let counts = Arc::new(Counts::of(Arc::clone(&self.sent)));
        let (cut, severed) = oneshot::channel();
        let io = TokioIo::new(CountedIo::new(stream, Arc::clone(&counts)).until(severed));
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_header_list_size(LARGEST_HEAD).max_concurrent_reset_streams(MOST_RESET);
        let (sender, connection) = builder.handshake(io).await.map_err(io::Error::other)?;
        // How it ends is told to everybody who waits for an answer.
        tokio::spawn(connection);
        tokio::spawn(sever(cut, phase, Arc::clone(&counts), silence));
        Ok(self.trunk.keep(sender, counts))
    }

    async fn reach_within(&self, limit: Duration, wanted: Alpn) -> io::Result<Road> {
        let reaching = async {
            let stream = self.reach().await?;
            stream.set_nodelay(true)?;
            match &self.tls {
                None => Ok(Road::Plain(stream)),
                Some(tls) => {
                    tls.shake(stream, wanted).await.map(|stream| Road::Tls(Box::new(stream))).map_err(io::Error::other)
                }
            }
        };
        match tokio::time::timeout(limit, reaching).await {
            Ok(reached) => reached,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "connecting took too long")),
        }
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

/// Cuts a shared connection when it is abandoned: requests hold it by their streams, not by a driver that could be
/// dropped.
async fn sever(mut cut: oneshot::Sender<()>, phase: watch::Receiver<Phase>, counts: Arc<Counts>, silence: Duration) {
    tokio::select! {
        () = abandoned(phase, counts, silence) => drop(cut.send(())),
        () = cut.closed() => {}
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
