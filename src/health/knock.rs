//! Carries out what the judge wants to know: connects, asks, looks up owners.
#![expect(clippy::disallowed_methods, reason = "the door to probing instances")]

use std::{future::Future, net::SocketAddr, pin::Pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    Front,
    http::{self, Read, Speech},
    http2,
    judge::{Observation, Work},
    owner,
};
use crate::{
    plan::Protocol,
    tls::{Alpn, Failure, Handshake},
};

/// A loopback connection that is not accepted by then has met a full queue.
const CONNECT: Duration = Duration::from_secs(1);

/// A connection that may be used for the next request.
type Streams = Vec<(SocketAddr, TcpStream)>;

/// One piece of work; what it observed, and connections it leaves open.
pub(super) type Working = Pin<Box<dyn Future<Output = (Observation, Streams)> + Send>>;

/// What probing needs beside the judge's words.
pub(super) struct Hands {
    leader: u32,
    front: Front,
    speaks: Speaks,
    streams: Streams,
}

/// What is spoken to the instance.
#[derive(Clone)]
pub(super) struct Speaks {
    pub(super) protocol: Protocol,
    pub(super) tls: Option<Handshake>,
}

impl Hands {
    pub(super) fn new(leader: u32, front: Front, speaks: Speaks) -> Hands {
        Hands { leader, front, speaks, streams: Streams::new() }
    }

    /// Keeps connections for the request that may follow.
    pub(super) fn keep(&mut self, streams: Streams) {
        self.streams.extend(streams);
    }

    /// Begins this work. What was begun before is to be dropped.
    pub(super) fn begin(&mut self, work: Work) -> Working {
        match work {
            Work::Rest => Box::pin(std::future::pending()),
            Work::Knock { at, after } => {
                self.streams.clear();
                Box::pin(knock(at, after))
            }
            Work::Owner { open } => {
                let leader = self.leader;
                Box::pin(async move { (Observation::Owner(owner::of(open, leader).await), Streams::new()) })
            }
            Work::Ask { addr, path, limit } => {
                let open = std::mem::take(&mut self.streams).into_iter().find(|(at, _)| *at == addr);
                let (front, speaks) = (self.front.clone(), self.speaks.clone());
                Box::pin(async move {
                    let asking = ask(addr, open.map(|(_, stream)| stream), &speaks, &path, &front);
                    let observation = match limit {
                        Some(limit) => timeout(limit, asking).await.unwrap_or(Observation::NoAnswer),
                        None => asking.await,
                    };
                    (observation, Streams::new())
                })
            }
        }
    }
}

async fn knock(at: Vec<SocketAddr>, after: Duration) -> (Observation, Streams) {
    if !after.is_zero() {
        sleep(after).await;
    }
    let (first, second) = tokio::join!(connect(at.first().copied()), connect(at.get(1).copied()));
    let streams: Streams = first.into_iter().chain(second).collect();
    if streams.is_empty() {
        return (Observation::Refused, streams);
    }
    (Observation::Open(streams.iter().map(|(addr, _)| *addr).collect()), streams)
}

async fn connect(addr: Option<SocketAddr>) -> Option<(SocketAddr, TcpStream)> {
    let addr = addr?;
    let stream = timeout(CONNECT, TcpStream::connect(addr)).await.ok()?.ok()?;
    // a port nobody listens on may be chosen for our own end: then we would have met ourselves
    (stream.local_addr().ok() != stream.peer_addr().ok()).then_some((addr, stream))
}

/// One request, patiently.
async fn ask(addr: SocketAddr, open: Option<TcpStream>, speaks: &Speaks, path: &str, front: &Front) -> Observation {
    let stream = match open {
        Some(stream) => Some(stream),
        None => connect(Some(addr)).await.map(|(_, stream)| stream),
    };
    let Some(stream) = stream else { return Observation::Refused };
    match (&speaks.tls, speaks.protocol) {
        (None, Protocol::Http) => ask_in_http1(stream, path, front).await,
        (None, Protocol::H2c | Protocol::H2) => {
            if let Err(observation) = http2::greet(stream).await {
                return observation;
            }
            match connect(Some(addr)).await {
                Some((_, stream)) => http2::ask(stream, "http", path, front).await,
                None => Observation::Refused,
            }
        }
        (Some(tls), Protocol::Http) => match tls.shake(stream, Alpn::Http1).await {
            Ok(stream) => ask_in_http1(stream, path, front).await,
            Err(failure) => no_tls(failure),
        },
        (Some(tls), Protocol::H2c | Protocol::H2) => match tls.shake(stream, Alpn::Http2).await {
            Ok(stream) => http2::ask(stream, "https", path, front).await,
            Err(failure) => no_tls(failure),
        },
    }
}

fn no_tls(failure: Failure) -> Observation {
    match failure {
        Failure::Refused { why, hint } => Observation::NotTrusted { why, hint },
        Failure::NotTls => Observation::NotHttp(Speech::NotTls),
        Failure::NotOffered(Alpn::Http1) => Observation::NotHttp(Speech::Http2),
        Failure::NotOffered(Alpn::Http2) => Observation::NotHttp(Speech::NoOffer),
        Failure::Closed(_) => Observation::Closed,
    }
}

async fn ask_in_http1(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str, front: &Front) -> Observation {
    let request = http::request(path, front);
    // a server that talks first may have closed already: what it said is still there to be read
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.flush().await;
    let mut bytes = Vec::new();
    let mut piece = vec![0; 8 * 1024];
    loop {
        let length = match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return Observation::Closed,
            Ok(length) => length,
        };
        bytes.extend_from_slice(&piece[..length]);
        match http::read(&bytes) {
            Read::More => {}
            Read::Answer(answer) => return Observation::Answer(answer),
            Read::NotHttp(speech) => return Observation::NotHttp(speech),
        }
    }
}
