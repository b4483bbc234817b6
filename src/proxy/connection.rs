//! One client connection: HTTP/1.1 in front, and what is asked of every request before it may go anywhere.

use std::{fmt, sync::Arc, sync::atomic::Ordering};

use hyper::{
    Method, Request, Response, Version,
    body::Incoming,
    header::{self, HeaderValue},
    http::request::Parts,
    server::conn::http1::Builder,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::{
    body::Upload,
    client::Client,
    desk::Desk,
    download::Answer,
    events::key,
    forward::{Journey, Unanswered, forward},
    headers::{self, Local, MOST_HOPS, Origin, Upgrade, for_app, hops, origin_form, unsound},
    host::{Allowed, Name, Verdict, judge},
    own,
    records::Seen,
    refusal::{Refusal, Setting},
    route::route,
    shared::{Known, Shared},
    wire::ClientIo,
};

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

async fn answer(
    shared: Arc<Shared>,
    client: Arc<Client>,
    mut request: Request<Incoming>,
) -> Result<Response<Seen>, Drop> {
    let known = shared.known();
    let (local, name) = match check(&shared, &known, &request) {
        Ok(named) => named,
        Err(refusal) => return own_answer(refuse(&shared, &refusal, request.headers(), None)),
    };
    if request.uri().path().starts_with(own::PREFIX) {
        let answered = own::answer(&shared, request.method(), request.uri(), request.headers());
        return own_answer(answered.or_else(|refusal| refuse(&shared, &refusal, request.headers(), None)));
    }
    let Some(desk) = route(&known.routes, &name).map(|index| Arc::clone(&known.desks[index])) else {
        return own_answer(refuse(&shared, &Refusal::NoService, request.headers(), None));
    };
    let (recording, server_timing) = (known.recording, known.server_timing);
    drop(known);
    desk.tally.requests.fetch_add(1, Ordering::Relaxed);
    if request.version() == Version::HTTP_10 {
        client.speaks_http_10();
    }
    let asked = headers::upgrade(request.headers());
    let client_side = (asked != Upgrade::None).then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    prepare(&client, &mut head, &asked);
    let came = shared.clock.now();
    let mut trail = shared.records.begin(recording, came, (&desk.name, &head.method, &head.uri), None);
    let upload = Upload::new(body, &shared.budget, || trail.tap());
    let mut journey = Journey { head, upload, upgrade: (asked, client_side), local, client, came, held: None, trail };
    let arrival = match forward(&shared, &desk, &mut journey).await {
        Ok(response) => Ok(response),
        Err(Unanswered::Left) => Err(Drop),
        Err(Unanswered::Refused(refusal)) => {
            desk.tally.refused.fetch_add(1, Ordering::Relaxed);
            refuse(&shared, &refusal, &journey.head.headers, Some(&desk))
        }
    };
    let Journey { head, held, trail, .. } = journey;
    match arrival {
        Ok(mut response) => {
            if server_timing {
                headers::time(response.headers_mut(), held, shared.clock.now().since(came));
            }
            Ok(trail.answered(shared.clock, head.headers, response))
        }
        Err(dropped) => {
            trail.unanswered(shared.clock, head.headers);
            Err(dropped)
        }
    }
}

/// An answer of devloop's own: nobody keeps a record of it.
fn own_answer(response: Result<Response<Answer>, Drop>) -> Result<Response<Seen>, Drop> {
    response.map(|response| response.map(Seen::unrecorded))
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

/// Makes the head fit for the program.
fn prepare(client: &Client, head: &mut Parts, asked: &Upgrade) {
    if let Some(uri) = origin_form(&head.uri) {
        head.uri = uri;
    }
    // HTTP/1.0 allows to leave it out; the program is spoken to in HTTP/1.1, which does not.
    let host = head.headers.entry(header::HOST).or_insert_with(|| {
        HeaderValue::from_str(&client.local.to_string()).unwrap_or(HeaderValue::from_static("localhost"))
    });
    let host = host.clone();
    for_app(&mut head.headers, asked, Origin { peer: client.peer.ip(), port: client.local.port(), host: &host });
    head.version = Version::HTTP_11;
}

fn refuse(
    shared: &Shared,
    refusal: &Refusal,
    asking: &hyper::HeaderMap,
    desk: Option<&Arc<Desk>>,
) -> Result<Response<Answer>, Drop> {
    let key = desk.map(|desk| key(shared.gates.borrow().of(&desk.name)));
    let watched = desk.zip(key.as_deref()).map(|(desk, key)| (&*desk.name, key));
    let (project, token) = (shared.project.as_str(), shared.token.as_str());
    refusal.response(Setting { headers: asking, project, token, watched }).ok_or(Drop)
}
