//! A client's connection beside HTTP: who is at the other end, and whether he is still there.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{net::TcpStream, sync::OnceCell};

use super::{forwarded::Origin, host::Reach, lookout::Nth, peers::Peers, speech::Speech, tls::Shown, wire::hung_up};
use crate::model::Scheme;

/// A client's connection.
#[derive(Debug)]
pub(super) struct Client {
    /// None: devloop itself asks, and waits.
    stream: Option<Arc<TcpStream>>,
    /// Our end.
    pub(super) local: SocketAddr,
    /// Its end.
    pub(super) peer: SocketAddr,
    /// From how far our end can be reached.
    pub(super) reach: Reach,
    /// Who it has shown to be.
    pub(super) shown: Option<Shown>,
    /// Which HTTP it speaks, and how.
    pub(super) speech: Speech,
    pub(super) scheme: Scheme,
    /// What programs are told of it.
    pub(super) origin: Origin,
    pid: OnceCell<Option<u32>>,
    http_10: AtomicBool,
    has_asked: AtomicBool,
}

/// Whether the end of the connection can be seen on the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It can.
    Clear,
    /// It may stand behind data that nobody reads.
    Blocked,
}

impl Client {
    /// Of an accepted connection.
    pub(super) fn new(
        stream: Arc<TcpStream>,
        (local, peer, reach): (SocketAddr, SocketAddr, Reach),
        (speech, scheme): (Speech, Scheme),
        shown: Option<Shown>,
    ) -> Client {
        Client {
            stream: Some(stream),
            local,
            peer,
            reach,
            shown,
            speech,
            scheme,
            origin: Origin::new(peer.ip(), scheme, local.port()),
            pid: OnceCell::new(),
            http_10: AtomicBool::new(false),
            has_asked: AtomicBool::new(false),
        }
    }

    /// devloop itself, sending a request again.
    pub(super) fn nobody() -> Client {
        let none = SocketAddr::from(([0, 0, 0, 0], 0));
        Client {
            stream: None,
            local: none,
            peer: none,
            reach: Reach::Loopback,
            shown: None,
            speech: Speech::Http1,
            scheme: Scheme::Http,
            origin: Origin::new(none.ip(), Scheme::Http, none.port()),
            pid: OnceCell::new_with(Some(None)),
            http_10: AtomicBool::new(false),
            has_asked: AtomicBool::new(false),
        }
    }

    /// The process at the other end; looked up once.
    pub(super) async fn pid(&self, peers: &Peers) -> Option<u32> {
        *self.pid.get_or_init(|| peers.pid((self.local, self.peer))).await
    }

    /// Whether it has left behind data that nobody has read.
    pub(super) async fn has_left(&self, peers: &Peers) -> bool {
        peers.has_left((self.local, self.peer)).await
    }

    /// Resolves when it has left.
    pub(super) async fn left(&self, peers: &Peers, sight: Sight) {
        let Some(stream) = &self.stream else { return std::future::pending().await };
        let hidden = async {
            match sight {
                Sight::Clear => std::future::pending().await,
                Sight::Blocked => while !peers.has_left_by_now((self.local, self.peer)).await {},
            }
        };
        tokio::select! {
            () = hung_up(stream) => {}
            () = hidden => {}
        }
    }

    /// It asks: which of its requests it is.
    pub(super) fn asks(&self) -> Nth {
        if self.has_asked.swap(true, Ordering::Relaxed) { Nth::Later } else { Nth::First }
    }

    /// It has sent an HTTP/1.0 request: the end of the connection may be the end of an answer.
    pub(super) fn speaks_http_10(&self) {
        self.http_10.store(true, Ordering::Relaxed);
    }

    /// The connection has failed. Where its end would look like the end of an answer it is reset.
    pub(super) fn broke_off(&self) {
        if let (true, Some(stream)) = (self.http_10.load(Ordering::Relaxed), &self.stream) {
            // Where it cannot be set the connection is over already.
            let _ = stream.set_zero_linger();
        }
    }
}
