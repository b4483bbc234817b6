//! One client connection: HTTP/1.1 in front, and what is asked of every request before it may go anywhere.

use std::{fmt, sync::Arc, sync::atomic::Ordering};

use hyper::{Method, Request, Response, Version, body::Incoming, server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::{
    browser::{Asks, is_watched, take_console},
    client::Client,
    download::Answer,
    headers::{Local, MOST_HOPS, hops, unsound},
    host::{Allowed, Name, Verdict, judge},
    own,
    passage::{Way, refuse, take},
    records::Seen,
    refusal::Refusal,
    shared::{Known, Shared},
    wire::ClientIo,
};
use crate::plan::Reload;

/// The largest request head, in bytes. It may have at most 100 fields: hyper's own limit.
const LARGEST_HEAD: usize = 64 * 1024;

/// The connection is to be dropped without an answer.
#[derive(Debug)]
struct Drop;

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is dropped without an answer")
    }
}

impl std::error::Error for Drop {}

/// Serves one connection until it ends.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else { return };
    // Without it the connection works, only slower.
    let _ = stream.set_nodelay(true);
    shared.connections.fetch_add(1, Ordering::Relaxed);
    let stream = Arc::new(stream);
    let client = Arc::new(Client::new(Arc::clone(&stream), local, peer));
    let (of_requests, of_client) = (Arc::clone(&shared), Arc::clone(&client));
    let service = service_fn(move |request| answer(Arc::clone(&of_requests), Arc::clone(&of_client), request));
    let mut connection = std::pin::pin!(
        Builder::new()
            .preserve_header_case(true)
            .max_header_size(LARGEST_HEAD)
            .timer(TokioTimer::new())
            .header_read_timeout(shared.limits.head)
            .serve_connection(TokioIo::new(ClientIo(stream)), service)
            .with_upgrades()
    );
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shared.closing() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if result.is_err() {
        client.broke_off();
    }
    shared.connections.fetch_sub(1, Ordering::Relaxed);
}

/// Where pages send what they write to their console.
const CONSOLE: &str = "/.devloop/console";

async fn answer(shared: Arc<Shared>, client: Arc<Client>, request: Request<Incoming>) -> Result<Response<Seen>, Drop> {
    let known = shared.known();
    let (local, name) = match check(&shared, &known, &request) {
        Ok(named) => named,
        Err(refusal) => return own_answer(refuse(&shared, &refusal, request.headers(), None)),
    };
    if request.uri().path() == CONSOLE {
        let (head, body) = request.into_parts();
        let taken = take_console(&shared, &head.method, &head.uri, &head.headers, body).await;
        return own_answer(match taken {
            Ok(response) => Some(response),
            Err(refusal) => refuse(&shared, &refusal, &head.headers, None),
        });
    }
    if request.uri().path().starts_with(own::PREFIX) {
        let answered = own::answer(&shared, request.method(), request.uri(), request.headers());
        return own_answer(match answered {
            Ok(response) => Some(response),
            Err(refusal) => refuse(&shared, &refusal, request.headers(), None),
        });
    }
    let lane = match known.lanes.find(&name, request.uri().path()) {
        Ok(lane) => lane,
        Err(refusal) => return own_answer(refuse(&shared, &refusal, request.headers(), None)),
    };
    if request.version() == Version::HTTP_10 {
        client.speaks_http_10();
    }
    let asks = match known.browser.reload {
        Reload::Never => Asks::Other,
        Reload::Own | Reload::All => Asks::of(request.method(), request.headers()),
    };
    let patience = known.browser.waiting.filter(|_| is_watched(request.method(), request.headers()));
    let way =
        Way { lane: &lane, local, recording: known.recording, server_timing: known.server_timing, asks, patience };
    drop(known);
    take(&shared, &client, way, request).await.ok_or(Drop)
}

/// An answer of devloop's own: nobody keeps a record of it.
fn own_answer(response: Option<Response<Answer>>) -> Result<Response<Seen>, Drop> {
    response.map(|response| response.map(Seen::unrecorded)).ok_or(Drop)
}

/// Host first, then everything else that makes a request one that is not passed on.
fn check(shared: &Shared, known: &Known, request: &Request<Incoming>) -> Result<(Local, Name), Refusal> {
    let allowed = Allowed { hosts: &known.hosts, reach: shared.reach };
    let name = match judge(request.version(), request.uri(), request.headers(), allowed) {
        Verdict::Allowed(name) => name,
        Verdict::Foreign(name) => return Err(Refusal::Foreign(name.to_string(), known.hosts.clone())),
        Verdict::Malformed(how) => return Err(Refusal::Malformed(how)),
    };
    if *request.method() == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    if let Some(how) = unsound(request.headers()) {
        return Err(Refusal::Malformed(how));
    }
    if hops(request.headers()) >= MOST_HOPS {
        return Err(Refusal::Loop);
    }
    let local = if name.is_loopback() { Local::Loopback } else { Local::Network };
    Ok((local, name))
}
