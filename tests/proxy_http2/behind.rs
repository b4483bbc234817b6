//! Programs that speak HTTP/2.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use devloop::plan::Protocol;
use http_body_util::BodyExt;
use hyper::{HeaderMap, Request, Response, StatusCode, body::Frame};

use crate::{
    proxy_support::{self, Stage, get, until, within},
    support::{self, App, Client, fields, full, none, pieces, request, whole},
};

pub async fn stage() -> Stage {
    speaking(Stage::new().await)
}

fn speaking(mut stage: Stage) -> Stage {
    stage.protocol = Protocol::H2c;
    stage
}

fn answer(body: impl Into<Bytes>) -> Response<support::Sent> {
    Response::new(full(body))
}

fn with_trailers(body: &'static str, trailers: HeaderMap) -> support::Sent {
    let (sender, sent) = pieces();
    sender.try_send(Frame::data(body.into())).unwrap();
    sender.try_send(Frame::trailers(trailers)).unwrap();
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_can_be_spoken_to_in_http_2() {
    let app = App::new(|request| async move { answer(whole(request.into_body()).await) }).await;
    let stage = stage().await;
    stage.open(app.addr);
    let asked = "POST /a?b=%2f HTTP/1.1\r\nHost: LocalHost:3000\r\nTransfer-Encoding: chunked\r\nConnection: x-secret\r\n\
                 X-Secret: 1\r\nExpect: 100-continue\r\nTE: trailers, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let mut wire = stage.connect().await;
    wire.send(asked).await;
    // The body was asked for.
    assert_eq!(within(wire.message_head()).await.unwrap().status(), 100);
    let reply = wire.reply().await.unwrap();
    assert_eq!((&*reply.start, &*reply.text()), ("HTTP/1.1 200 OK", "hello"));
    let seen = app.last();
    assert_eq!((&*seen.method, &*seen.uri), ("POST", "http://LocalHost:3000/a?b=%2f"));
    assert_eq!(seen.headers["te"], "trailers");
    assert_eq!(seen.headers["x-forwarded-host"], "LocalHost:3000");
    for gone in ["host", "connection", "x-secret", "transfer-encoding", "expect"] {
        assert!(!seen.headers.contains_key(gone), "{gone}");
    }
    let client = Client::connect(stage.addr).await;
    assert_eq!(client.ask(request("POST", "/", full("both"))).await.text(), "both");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_all_requests_and_a_swap_closes_it() {
    let app = App::new(|_| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        answer("old")
    })
    .await;
    let stage = Arc::new(stage().await);
    let run = stage.open(app.addr);
    let asking: Vec<_> = (0..100)
        .map(|number| {
            let stage = Arc::clone(&stage);
            let method = if number % 2 == 0 { "GET" } else { "POST" };
            tokio::spawn(async move {
                stage.ask(&format!("{method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")).await.text()
            })
        })
        .collect();
    for asked in asking {
        assert_eq!(within(asked).await.unwrap(), "old");
    }
    assert_eq!(app.connections.load(std::sync::atomic::Ordering::SeqCst), 1);
    let new = App::new(|_| async { answer("new") }).await;
    stage.open(new.addr);
    within(stage.proxy.drain(run, proxy_support::DEADLINE)).await;
    assert_eq!(stage.get("/").await.text(), "new");
    // The connection to the old program is closed although the program is still there.
    until(|| app.open_connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_goes_in_http_2_by_itself_and_its_trailers_pass() {
    let app = App::new(|request| async move {
        let body = whole(request.into_body()).await;
        let mut response = match &body[5..] {
            b"only" => {
                let mut response = Response::new(none());
                response.headers_mut().extend(fields(&[("grpc-status", "5"), ("grpc-message", "no such thing")]));
                response
            }
            _ => Response::new(with_trailers("\0\0\0\0\x02hi", fields(&[("grpc-status", "0")]))),
        };
        response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        response
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let client = Client::connect(stage.addr).await;
    let call = |message: &'static str| {
        let mut asked = request("POST", "/demo.Greeter/Hello", full([b"\0\0\0\0\x04", message.as_bytes()].concat()));
        asked.headers_mut().extend(fields(&[("content-type", "application/grpc+proto"), ("te", "trailers")]));
        asked
    };
    let reply = client.ask(call("name")).await;
    assert_eq!((reply.status, &*reply.text(), reply.trailer("grpc-status")), (200, "\0\0\0\0\x02hi", Some("0")));
    // Trailers only: the head is the end.
    let response = client.send(call("only")).await.unwrap();
    assert!(hyper::body::Body::is_end_stream(response.body()));
    let reply = support::read(response).await.unwrap();
    assert_eq!((reply.header("grpc-status"), reply.header("grpc-message")), (Some("5"), Some("no such thing")));
    assert!(reply.trailers.is_none());
    assert_eq!(app.last().uri, "http://localhost:3000/demo.Greeter/Hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_asked_for_in_http_1_whatever_the_service_speaks() {
    let app = proxy_support::App::raw(|mut wire, _| async move {
        let asked = wire.message(proxy_support::Rest::None).await.unwrap();
        assert_eq!(asked.start, "GET /ws HTTP/1.1");
        wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x01\x02")
            .await;
        let _ = wire.rest().await;
    })
    .await;
    let stage = stage().await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send("GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert_eq!(within(wire.message_head()).await.unwrap().status(), 101);
    assert_eq!(within(wire.exactly(2)).await.unwrap(), b"\x01\x02");
}

/// A program that resets the first stream with this reason, and answers those that come later.
async fn refusing(reason: h2::Reason) -> App {
    let before = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    App::raw(move |stream| {
        let before = Arc::clone(&before);
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                match before.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                    0 => respond.send_reset(reason),
                    _ => drop(respond.send_response(Response::new(()), true)),
                }
            }
        }
    })
    .await
}

const POST: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stream_is_sent_again_even_if_it_is_a_post() {
    let app = refusing(h2::Reason::REFUSED_STREAM).await;
    let stage = stage().await;
    stage.open(app.addr);
    assert_eq!(stage.ask(POST).await.status(), 200);
    assert_eq!(stage.stats().replayed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_the_program_gives_up_is_an_error_with_its_reason() {
    let app = refusing(h2::Reason::ENHANCE_YOUR_CALM).await;
    let stage = stage().await;
    stage.open(app.addr);
    let reply = stage.ask(POST).await;
    assert_eq!(reply.status(), 502);
    assert!(reply.text().contains("reset its stream"), "{}", reply.text());
    // The connection is as good as before.
    assert_eq!(stage.ask(POST).await.status(), 200);
    assert_eq!(app.connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}

/// Frames by hand: SETTINGS, then GOAWAY that names no stream, once a request's HEADERS are here.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_above_the_last_one_of_a_goaway_is_sent_again_on_a_new_connection() {
    let before = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&before);
    let app = App::raw(move |stream| {
        let count = Arc::clone(&count);
        async move {
            if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0 {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let _ = respond.send_response(Response::new(()), true);
                }
                return;
            }
            let mut wire = crate::raw::Frames::of_server(stream).await;
            wire.until(crate::raw::HEADERS).await;
            wire.send(crate::raw::GOAWAY, 0, 0, &[0; 8]).await;
            wire.until_closed().await;
        }
    })
    .await;
    let stage = stage().await;
    stage.open(app.addr);
    assert_eq!(stage.ask(POST).await.status(), 200);
    assert_eq!(before.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_program_dies_its_gets_go_to_the_next_one_and_no_post_is_sent_twice() {
    let silent = || App::new(|_| std::future::pending());
    let (old, new) = (silent().await, App::new(|_| async { answer("new") }).await);
    let stage = Arc::new(stage().await);
    let run = stage.open(old.addr);
    let ask = |request: String| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { stage.ask(&request).await })
    };
    let gets: Vec<_> = (0..10).map(|_| ask(get("/"))).collect();
    let posts: Vec<_> = (0..10).map(|_| ask(POST.to_owned())).collect();
    until(|| old.count() == 20).await;
    stage.gate(proxy_support::holding());
    old.kill();
    stage.proxy.gone(run);
    stage.open(new.addr);
    for reply in gets {
        let reply = within(reply).await.unwrap();
        assert_eq!((reply.status(), &*reply.text()), (200, "new"));
    }
    for reply in posts {
        let reply = within(reply).await.unwrap();
        assert_eq!((reply.status(), reply.header("x-devloop")), (502, Some("upstream-died")));
    }
    assert_eq!((new.count(), stage.stats().replayed), (10, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_gone_but_whose_socket_lives_on_is_given_up() {
    let old = App::new(|_| std::future::pending()).await;
    let stage = Stage::with(|settings| settings.limits.silence = Duration::from_millis(20)).await;
    let stage = Arc::new(speaking(stage));
    let run = stage.open(old.addr);
    let asking = Arc::clone(&stage);
    let reply = tokio::spawn(async move { asking.ask(POST).await });
    until(|| old.count() == 1).await;
    stage.proxy.gone(run);
    assert_eq!(within(reply).await.unwrap().status(), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_answers_in_http_1_is_named() {
    let app = proxy_support::App::raw(|mut wire, _| async move {
        // As Go's server does on the first words of HTTP/2.
        let _ = wire.until(b"\r\n\r\n").await;
        wire.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await;
    let stage = stage().await;
    stage.open(app.addr);
    let reply = stage.get("/").await;
    assert_eq!(reply.status(), 502);
    assert!(reply.text().contains("HTTP/2 without TLS"), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_pass_both_ways_at_once() {
    let app = App::new(|request| async move { Response::new(unchanged(request)) }).await;
    let stage = stage().await;
    stage.open(app.addr);
    let client = Client::connect(stage.addr).await;
    let big = Bytes::from((0..8_000_000u32).map(|number| number as u8).collect::<Vec<u8>>());
    let reply = client.ask(request("POST", "/", full(big.clone()))).await;
    assert!(reply.body == big);
}

fn unchanged(request: Request<hyper::body::Incoming>) -> support::Sent {
    let (sender, sent) = pieces();
    tokio::spawn(async move {
        let mut body = request.into_body();
        while let Some(Ok(frame)) = body.frame().await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_before_the_body_is_read_is_passed_on() {
    let app = App::new(|_| async {
        let mut response = answer("too large");
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        response
    })
    .await;
    let stage = stage().await;
    stage.open(app.addr);
    let client = Client::connect(stage.addr).await;
    let (kept, body) = pieces();
    let reply = client.ask(request("POST", "/", body)).await;
    assert_eq!((reply.status, &*reply.text()), (413, "too large"));
    drop(kept);
}
