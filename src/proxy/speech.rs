//! What a connection speaks, and how a client's first bytes tell. Apart from reading them, pure.

use std::io;

use bytes::Bytes;
use hyper::{HeaderMap, Version};
use tokio::net::TcpStream;

use super::headers::{Upgrade, is_grpc};
use crate::plan::Protocol;

/// What every HTTP/2 client says first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The type of the first record of TLS (RFC 8446 section 5.1); no method of HTTP begins with it.
const HANDSHAKE: u8 = 0x16;
/// The largest head of a message, in bytes.
pub(super) const LARGEST_HEAD: u32 = 64 * 1024;

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// One request at a time.
    Http1,
    /// Many at a time, each on a stream.
    Http2,
}

/// What a client's connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// HTTP in the clear.
    Plain(Speech),
    /// The handshake of TLS: what comes after that is not known yet.
    Tls,
}

/// Reads until it is clear what the client speaks; with what was read for that. None: it has left without a word.
pub(super) async fn listen(stream: &TcpStream) -> Option<(Opening, Bytes)> {
    let mut early = [0; PREFACE.len()];
    let mut count = 0;
    loop {
        stream.readable().await.ok()?;
        match stream.try_read(&mut early[count..]) {
            Ok(0) if count == 0 => return None,
            // The beginning of a preface and nothing more: whoever reads on says what is wrong with it.
            Ok(0) => return Some((Opening::Plain(Speech::Http1), Bytes::copy_from_slice(&early[..count]))),
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        if let Some(opening) = recognise(&early[..count]) {
            return Some((opening, Bytes::copy_from_slice(&early[..count])));
        }
    }
}

/// None: more bytes are needed to tell.
fn recognise(early: &[u8]) -> Option<Opening> {
    if early.first() == Some(&HANDSHAKE) {
        return Some(Opening::Tls);
    }
    if !PREFACE.starts_with(early) {
        return Some(Opening::Plain(Speech::Http1));
    }
    (early.len() == PREFACE.len()).then_some(Opening::Plain(Speech::Http2))
}

/// What a request is to be sent in. A service can say that it wants HTTP/2; gRPC does not exist without it; what wants
/// to become something else needs HTTP/1.1.
pub(super) fn to_app(protocol: Protocol, came_in: Version, headers: &HeaderMap, upgrade: &Upgrade) -> Speech {
    if *upgrade != Upgrade::None {
        return Speech::Http1;
    }
    match protocol {
        Protocol::H2c | Protocol::H2 => Speech::Http2,
        Protocol::Http if came_in == Version::HTTP_2 && is_grpc(headers) => Speech::Http2,
        Protocol::Http => Speech::Http1,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{self, HeaderValue};

    use super::*;

    #[test]
    fn only_the_whole_preface_is_http_2() {
        for cut in 1..PREFACE.len() {
            assert_eq!(recognise(&PREFACE[..cut]), None, "{cut}");
        }
        assert_eq!(recognise(PREFACE), Some(Opening::Plain(Speech::Http2)));
        assert_eq!(recognise(&[0x16, 3, 1]), Some(Opening::Tls));
        for other in ["G", "PO", "PRO", "PRI * HTTP/1.1\r\n", "\r\n"] {
            assert_eq!(recognise(other.as_bytes()), Some(Opening::Plain(Speech::Http1)), "{other}");
        }
    }

    #[test]
    fn grpc_is_sent_in_http_2_whatever_else_the_service_speaks() {
        let speech = |protocol, version, kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            to_app(protocol, version, &headers, &Upgrade::None)
        };
        assert_eq!(speech(Protocol::Http, Version::HTTP_2, "application/grpc"), Speech::Http2);
        assert_eq!(speech(Protocol::Http, Version::HTTP_2, "application/grpc+proto"), Speech::Http2);
        assert_eq!(speech(Protocol::Http, Version::HTTP_2, "application/grpc-web"), Speech::Http1);
        assert_eq!(speech(Protocol::Http, Version::HTTP_2, "text/plain"), Speech::Http1);
        assert_eq!(speech(Protocol::Http, Version::HTTP_11, "application/grpc"), Speech::Http1);
        assert_eq!(speech(Protocol::H2c, Version::HTTP_11, "text/plain"), Speech::Http2);
        let headers = HeaderMap::new();
        assert_eq!(to_app(Protocol::H2c, Version::HTTP_11, &headers, &Upgrade::WebSocket), Speech::Http1);
    }
}
