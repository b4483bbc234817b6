//! Where fuzzers come in: each function takes any bytes, and panics if a rule is broken. Nothing of devloop calls them.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Response, Uri, Version, body::Incoming, header, header::HeaderValue, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub use super::browser::attack::{coding, insertion, policy};
use super::{
    body::{Budget, Upload},
    frames::Frames,
    headers::unsound,
    host::{Allowed, Reach, Verdict, judge},
    sse::Events,
};

/// More than this is not kept of a body, here.
const KEPT: usize = 256;

/// `Host`: only names of this machine are let in, whatever is written.
pub fn host(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, value);
    let allowed = Allowed { hosts: &[], reach: Reach::Loopback };
    if let Verdict::Allowed(name) = judge(Version::HTTP_11, &Uri::from_static("/"), &headers, allowed) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        assert!(name.is_loopback(), "`{text}` was let in");
        assert!(!text.trim().contains(['/', '\\', '@', '#', '?', ' ']), "`{text}` was let in");
    }
}

/// `Origin`: what is taken for one has nothing in it that could be taken for a path, a user or a quotation.
pub fn origin(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(header::ORIGIN, value);
    if unsound(&headers).is_none() {
        let after = bytes.windows(3).position(|three| three == b"://").map_or(bytes, |at| &bytes[at + 3..]);
        assert!(!after.iter().any(|byte| b"/?#\\@<>\" ".contains(byte)), "{}", bytes.escape_ascii());
    }
}

/// WebSocket frames and event streams: fed in any pieces, they stand at the same place, and a boundary is one.
pub fn frames(bytes: &[u8]) {
    let Some((cut, data)) = bytes.split_first() else { return };
    let cut = usize::from(*cut).min(data.len());
    let (mut whole, mut halves) = (Frames::new(), Frames::new());
    whole.feed(data);
    halves.feed(&data[..cut]);
    halves.feed(&data[cut..]);
    assert_eq!((whole.at_boundary(), whole.closed()), (halves.at_boundary(), halves.closed()));
    let mut there = Frames::new();
    there.feed(&data[..cut]);
    let taken = there.feed_to_boundary(&data[cut..]);
    assert!(there.at_boundary() || cut + taken == data.len());
    let (mut whole, mut halves) = (Events::new(), Events::new());
    whole.feed(data);
    halves.feed(&data[..cut]);
    let taken = halves.feed_to_boundary(&data[cut..]);
    assert!(halves.at_boundary() || cut + taken == data.len());
    halves.feed(&data[cut + taken..]);
    assert_eq!(whole.at_boundary(), halves.at_boundary());
}

/// A chunked body, behind a head that is in order: as for `head`.
pub fn chunked(bytes: &[u8]) {
    head(&[&b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"[..], bytes].concat());
}

/// Bytes on a connection: whatever is a request for hyper is judged without a panic, and its body comes out the same
/// for a second attempt as for the first one, if it is kept at all.
pub fn head(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime of one thread");
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let service = service_fn(|request: Request<Incoming>| async move {
            taken_apart(request).await;
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        });
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
        let talking = async {
            _ = client.write_all(bytes).await;
            _ = client.shutdown().await;
            _ = client.read_to_end(&mut Vec::new()).await;
        };
        _ = tokio::join!(serving, talking);
    });
}

async fn taken_apart(request: Request<Incoming>) {
    let allowed = Allowed { hosts: &[], reach: Reach::Network };
    _ = judge(request.version(), request.uri(), request.headers(), allowed);
    let refused = unsound(request.headers()).is_some();
    crate::plan::canonical(request.uri().path());
    let upload = Upload::new(request.into_body(), &Arc::new(Budget::new(KEPT, KEPT)), None, || None);
    let first = whole(&upload).await;
    let second = whole(&upload).await;
    if let (Some(Some(first)), Some(Some(second)), false) = (first, second, refused) {
        assert_eq!(first, second, "the second attempt is another body");
    }
}

/// None: there is no further attempt; none inside: the client broke off.
async fn whole(upload: &Upload) -> Option<Option<Vec<u8>>> {
    let body = upload.attempt()?;
    Some(body.collect().await.ok().map(|body| body.to_bytes().to_vec()))
}
