//! A probe of a program that speaks HTTP/2: one request, and the head of one answer.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, client::conn::http2::handshake, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Front,
    http::{self, Answer, Read, Speech},
    judge::Observation,
};
use crate::model::Scheme;

/// What every client says first, and empty settings.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Whether what a client of HTTP/2 says first is answered in HTTP/2. A connection of its own, because one that fails
/// does not tell reliably what it was answered.
///
/// # Errors
///
/// It is not: what was observed instead.
pub(super) async fn greet(mut stream: TcpStream) -> Result<(), Observation> {
    // A server that does not like it may have closed already: what it said is still there to be read.
    let _ = stream.write_all(HELLO).await;
    let mut bytes = Vec::new();
    loop {
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return Err(Observation::Closed),
            Ok(_) => {}
        }
        match http::read(&bytes) {
            Read::More => {}
            Read::NotHttp(Speech::Http2) => return Ok(()),
            Read::NotHttp(Speech::Tls) => return Err(Observation::NotHttp(Speech::Tls)),
            Read::NotHttp(_) | Read::Answer(_) => return Err(Observation::NotHttp(Speech::NotHttp2)),
        }
    }
}

/// Asks for `path`, patiently.
pub(super) async fn ask<S>(stream: S, scheme: &str, path: &str, front: &Front) -> Observation
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut request = Request::get(format!("{scheme}://{}{path}", front.host))
        .header(header::USER_AGENT, "devloop-probe")
        .header(header::ACCEPT, "*/*");
    if front.scheme == Scheme::Https {
        request = request.header("x-forwarded-proto", "https");
    }
    let request = request.body(Empty::<Bytes>::new());
    // A path that is none in HTTP/2 cannot be asked for.
    let Ok(request) = request else { return Observation::NotHttp(Speech::NotHttp2) };
    let Ok((mut sender, connection)) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await else {
        return Observation::Closed;
    };
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    connection.abort();
    let Ok(response) = answer else { return Observation::Closed };
    let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let location = location.map(str::to_owned);
    Observation::Answer(Answer { status: response.status().as_u16(), location, wants_tls: false })
}
