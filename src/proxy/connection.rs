//! One client connection, in HTTP/1.1 or HTTP/2, and what is asked of every request before it may go anywhere.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::{
    HeaderMap, Method, Request, Response, Uri, Version,
    body::Incoming,
    header,
    http::uri::PathAndQuery,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{
    browser::{Asks, is_watched, take_console},
    client::Client,
    download::Answer,
    headers::{Local, MOST_HOPS, from_http2, hops, unsound},
    host::{Allowed, Name, Reach, Verdict, judge},
    outgoing::Outgoing,
    own,
    passage::{Asked, Way, redirect, refuse, remember, take},
    records::Seen,
    refusal::Refusal,
    shared::{Known, Shared},
    speech::{LARGEST_HEAD, Opening, Speech, listen},
    tls::{Https, Shown},
    wire::ClientIo,
};
use crate::{model::Scheme, plan::Reload};

/// How many fields a head may have: in HTTP/1.1 that is hyper's own limit.
const MOST_FIELDS: usize = 100;
/// How many requests a client may have under way on one connection of HTTP/2.
const MOST_STREAMS: u32 = 256;
/// How many bytes of one request body, and of all on a connection of HTTP/2, a client may send ahead. A held request
/// keeps its share of the second, so that is large enough for others beside it.
const STREAM_AHEAD: u32 = 1024 * 1024;
const CONNECTION_AHEAD: u32 = 8 * 1024 * 1024;
/// A silent client of HTTP/2 is asked this often whether it is still there, and has as long to answer.
const PING: Duration = Duration::from_secs(30);

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
pub(super) async fn serve(shared: Arc<Shared>, reach: Reach, stream: TcpStream) {
    let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else { return };
    // Without it the connection works, only slower.
    let _ = stream.set_nodelay(true);
    shared.connections.fetch_add(1, Ordering::Relaxed);
    let stream = Arc::new(stream);
    let tls = shared.known().tls.clone();
    let client = |spoken, shown| Arc::new(Client::new(Arc::clone(&stream), (local, peer, reach), spoken, shown));
    match open(&shared, tls, &stream).await {
        None => {}
        Some(Opened::Plain(io, speech)) => converse(&shared, &client((speech, Scheme::Http), None), io).await,
        Some(Opened::Tls(io, speech, shown)) => {
            // Boxed, as HTTP/2 below: the thousands of connections in the clear should not carry the room for it.
            Box::pin(converse(&shared, &client((speech, Scheme::Https), shown), *io)).await;
        }
    }
    shared.connections.fetch_sub(1, Ordering::Relaxed);
}

/// A connection on which HTTP can begin.
enum Opened {
    Plain(ClientIo, Speech),
    Tls(Box<TlsStream<ClientIo>>, Speech, Option<Shown>),
}

/// Finds out what the client speaks, and shakes hands where that is TLS. None: it has left, it takes too long, or it
/// speaks something else.
async fn open(shared: &Shared, tls: Option<Https>, stream: &Arc<TcpStream>) -> Option<Opened> {
    let opened = async {
        let (opening, early) = listen(stream).await?;
        let io = ClientIo::new(Arc::clone(stream), early);
        match (opening, tls) {
            (Opening::Plain(speech), _) => Some(Opened::Plain(io, speech)),
            (Opening::Tls, Some(tls)) => {
                let (io, speech, shown) = tls.accept(io).await.ok()?;
                Some(Opened::Tls(Box::new(io), speech, shown))
            }
            // No HTTP can come of it; the answer is one that a person can read.
            (Opening::Tls, None) => Some(Opened::Plain(io, Speech::Http1)),
        }
    };
    tokio::select! {
        opened = tokio::time::timeout(shared.limits.head, opened) => opened.ok().flatten(),
        () = shared.closing() => None,
    }
}

/// Answers what the client asks until one of the two has enough.
async fn converse<I>(shared: &Arc<Shared>, client: &Arc<Client>, io: I)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (of_requests, of_client) = (Arc::clone(shared), Arc::clone(client));
    let service = service_fn(move |request| answer(Arc::clone(&of_requests), Arc::clone(&of_client), request));
    let io = TokioIo::new(io);
    let result = match client.speech {
        Speech::Http1 => {
            let mut builder = http1::Builder::new();
            builder.preserve_header_case(true).max_header_size(LARGEST_HEAD as usize);
            builder.timer(TokioTimer::new()).header_read_timeout(shared.limits.head);
            let mut connection = std::pin::pin!(builder.serve_connection(io, service).with_upgrades());
            tokio::select! {
                result = connection.as_mut() => result,
                () = shared.closing() => {
                    connection.as_mut().graceful_shutdown();
                    connection.as_mut().await
                }
            }
        }
        Speech::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.max_header_list_size(LARGEST_HEAD).max_concurrent_streams(MOST_STREAMS);
            builder.initial_stream_window_size(STREAM_AHEAD).initial_connection_window_size(CONNECTION_AHEAD);
            builder.timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PING);
            let mut connection = Box::pin(builder.serve_connection(io, service));
            tokio::select! {
                result = connection.as_mut() => result,
                () = shared.closing() => {
                    connection.as_mut().graceful_shutdown();
                    connection.as_mut().await
                }
            }
        }
    };
    if result.is_err() {
        client.broke_off();
    }
}

/// Where pages send what they write to their console.
const CONSOLE: &str = "/.devloop/console";

async fn answer(
    shared: Arc<Shared>,
    client: Arc<Client>,
    mut request: Request<Incoming>,
) -> Result<Response<Outgoing>, Drop> {
    let known = shared.known();
    if request.version() == Version::HTTP_2 {
        let (mut head, body) = request.into_parts();
        from_http2(&mut head.headers, &head.uri);
        request = Request::from_parts(head, body);
    }
    if let Some(fields) = known.tls.as_ref().and_then(Https::fields) {
        fields.strip(request.headers_mut());
    }
    let came = shared.clock.now();
    // What never gets to a route is remembered like everything else.
    let lost = |request: &Request<Incoming>, answer| {
        let asked = Asked { came, request, lane: None };
        remember(&shared, known.recording, asked, answer).map(|response| response.map(Outgoing::new)).ok_or(Drop)
    };
    let (local, name) = match check(&client, &known, &request) {
        Ok(named) => named,
        Err(refusal) => return lost(&request, refuse(&shared, &refusal, request.headers(), None)),
    };
    if known.tls.is_some() && client.scheme == Scheme::Http {
        let address = https(request.headers(), request.uri());
        let answer = match *request.method() {
            Method::GET | Method::HEAD => Some(redirect(&address, 308)),
            _ => refuse(&shared, &Refusal::Plain(address), request.headers(), None),
        };
        return lost(&request, answer);
    }
    if request.uri().path() == CONSOLE {
        let (head, body) = request.into_parts();
        // Boxed: other requests should not carry the room for it.
        let taken = Box::pin(take_console(&shared, &head.method, &head.uri, &head.headers, body)).await;
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
        Err(refusal) => return lost(&request, refuse(&shared, &refusal, request.headers(), None)),
    };
    if request.version() == Version::HTTP_10 {
        client.speaks_http_10();
    }
    let asks = match known.browser.reload {
        Reload::Never => Asks::Other,
        Reload::Own | Reload::All => Asks::of(request.method(), request.headers()),
    };
    let patience = known.browser.waiting.filter(|_| is_watched(request.method(), request.headers()));
    let (recording, server_timing, said) = (known.recording, known.server_timing, known.forwarded);
    let way = Way { lane: &lane, local, recording, server_timing, said, asks, patience };
    drop(known);
    take(&shared, &client, way, request).await.ok_or(Drop)
}

/// The same address in HTTPS, which the same port speaks.
fn https(headers: &HeaderMap, uri: &Uri) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    format!("https://{host}{target}")
}

/// An answer about devloop itself: nobody keeps a record of it.
fn own_answer(response: Option<Response<Answer>>) -> Result<Response<Outgoing>, Drop> {
    response.map(|response| response.map(|answer| Outgoing::new(Seen::unrecorded(answer)))).ok_or(Drop)
}

/// Host first, then everything else that makes a request one that is not passed on.
fn check(client: &Client, known: &Known, request: &Request<Incoming>) -> Result<(Local, Name), Refusal> {
    let allowed = Allowed { hosts: &known.hosts, reach: client.reach };
    let name = match judge(request.version(), request.uri(), request.headers(), allowed) {
        Verdict::Allowed(name) => name,
        Verdict::Foreign(name) => return Err(Refusal::Foreign(name.to_string(), known.hosts.clone())),
        Verdict::Malformed(how) => return Err(Refusal::Malformed(how)),
    };
    if *request.method() == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    if request.headers().len() > MOST_FIELDS {
        return Err(Refusal::TooManyFields);
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
