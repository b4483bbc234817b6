//! Clients that speak HTTP/2 to the proxy, without TLS and knowing it in advance, and programs that speak HTTP/1.1.

use devloop::proxy::Forwarded;
use hyper::Request;
use tokio::io::AsyncWriteExt;

use crate::{
    proxy_support::{self, App, Stage, Wire, failed, holding, ok, within},
    support::{Client, full, get, none, pieces, request},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http_2_is_answered_by_a_program_of_http_1() {
    let app =
        App::http(|_| async { b"HTTP/1.1 201 Created\r\nX-One: 1\r\nContent-Length: 2\r\n\r\nhi".to_vec() }).await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let client = Client::connect(stage.addr).await;
    let mut asked = request("POST", "/a;b=%2F?x=1&y", full("body"));
    asked.headers_mut().append("cookie", "a=1".parse().unwrap());
    asked.headers_mut().append("cookie", "b=2".parse().unwrap());
    asked.headers_mut().insert("te", "trailers".parse().unwrap());
    let reply = client.ask(asked).await;
    assert_eq!((reply.status, reply.header("x-one"), &*reply.text()), (201, Some("1"), "hi"));
    let seen = app.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.start, "POST /a;b=%2F?x=1&y HTTP/1.1");
    assert_eq!((seen.header("host"), seen.header("cookie")), (Some("localhost:3000"), Some("a=1; b=2")));
    assert_eq!(
        (seen.header("content-length"), seen.header("te"), &*seen.text()),
        (Some("4"), Some("trailers"), "body")
    );
    assert_eq!(seen.header("x-forwarded-host"), Some("localhost:3000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_of_http_2_says_about_its_way_is_kept_where_it_is_trusted() {
    let app = App::named("app").await;
    let stage = Stage::with(|settings| settings.rules.forwarded = Forwarded::Kept).await;
    stage.open(app.addr);
    let mut asked = get("/");
    asked.headers_mut().insert("x-forwarded-for", "6.6.6.6".parse().unwrap());
    asked.headers_mut().insert("x-forwarded-proto", "https".parse().unwrap());
    assert_eq!(Client::connect(stage.addr).await.ask(asked).await.status, 200);
    let seen = app.seen.lock().unwrap()[0].clone();
    let told =
        ["for", "proto", "host", "port"].map(|name| seen.header(&format!("x-forwarded-{name}")).unwrap().to_owned());
    assert_eq!(told, ["6.6.6.6, 127.0.0.1", "https", "localhost:3000", "3000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_is_sent_in_chunks_and_trailers_pass_both_ways() {
    let app = App::http(|_| async {
        b"HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"
            .to_vec()
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let client = Client::connect(stage.addr).await;
    let (sender, body) = pieces();
    let mut asked = request("PUT", "/", body);
    asked.headers_mut().insert("trailer", "x-check".parse().unwrap());
    for piece in ["one", "two"] {
        sender.send(hyper::body::Frame::data(piece.into())).await.unwrap();
    }
    let trailers = crate::support::fields(&[("x-check", "9")]);
    sender.send(hyper::body::Frame::trailers(trailers)).await.unwrap();
    drop(sender);
    let reply = client.ask(asked).await;
    assert_eq!((&*reply.text(), reply.trailer("x-sum")), ("hi", Some("7")));
    let seen = app.seen.lock().unwrap()[0].clone();
    assert_eq!((seen.header("transfer-encoding"), &*seen.text()), (Some("chunked"), "onetwo"));
    assert_eq!(seen.trailers, [("x-check".to_owned(), "9".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_come_in_on_one_port_however_slowly_they_begin() {
    let app = App::named("api").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    assert_eq!(Client::connect(stage.addr).await.get("/").await.text(), "api");
    // A request line that begins like HTTP/2's first words, a byte at a time.
    let mut wire = stage.connect().await;
    for byte in b"PRI * HTTP/1.1\r\nHost: localhost\r\n\r\n" {
        wire.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(wire.reply().await.unwrap().status(), 200);
    assert_eq!(app.seen.lock().unwrap()[1].start, "PRI * HTTP/1.1");
    // Who says nothing, or only half of it, and leaves, is no trouble.
    drop(stage.connect().await);
    let mut wire = stage.connect().await;
    wire.send("PRI * HT").await;
    wire.stream.shutdown().await.unwrap();
    let _ = wire.rest().await;
    assert_eq!(stage.get("/").await.text(), "api");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_held_and_released_and_a_slow_one_keeps_no_other() {
    let app = App::named("api").await;
    let stage = Stage::new().await;
    let run = stage.add(app.addr);
    stage.gate(holding());
    let client = Client::connect(stage.addr).await;
    let held: Vec<_> = (0..200)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.get(&format!("/{number}")).await.text() })
        })
        .collect();
    stage.held(200).await;
    // devloop's own pages are not held, on the same connection.
    assert_eq!(client.get("/.devloop/status").await.status, 200);
    stage.gate(proxy_support::open(run));
    for answer in held {
        assert_eq!(within(answer).await.unwrap(), "api");
    }
    assert_eq!(app.count(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_its_client_gives_up_while_held_never_reaches_the_program() {
    let app = App::named("api").await;
    let stage = Stage::new().await;
    let run = stage.add(app.addr);
    stage.gate(holding());
    let client = Client::connect(stage.addr).await;
    let (keep_open, body) = pieces();
    for asked in [request("POST", "/given-up", full(vec![b'x'; 900_000])), request("POST", "/given-up", body)] {
        let given_up = client.clone();
        let waiting = tokio::spawn(async move { given_up.send(asked).await });
        stage.held(1).await;
        waiting.abort();
        stage.held(0).await;
    }
    drop(keep_open);
    stage.gate(proxy_support::open(run));
    assert_eq!(client.get("/next").await.text(), "api");
    assert_eq!(app.seen.lock().unwrap()[0].target(), "/next");
}

#[tokio::test(flavor = "multi_thread")]
async fn devloops_own_answers_are_the_same_in_http_2() {
    let stage = Stage::new().await;
    stage.gate(failed("step `build` failed"));
    let client = Client::connect(stage.addr).await;
    let mut asked = get("/");
    asked.headers_mut().insert("accept", "text/html".parse().unwrap());
    let reply = client.ask(asked).await;
    assert_eq!((reply.status, reply.header("x-devloop")), (503, Some("failed")));
    assert!(reply.text().contains("step `build` failed") && reply.text().starts_with("<!doctype html>"));
    // The connection of an `EventSource` is not answered; others on it are.
    let mut asked = get("/events");
    asked.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
    assert!(client.send(asked).await.is_err());
    assert_eq!(client.get("/").await.status, 503);
    // The events of the page come from the same origin: the host stands in `:authority`.
    let mut asked = get("/.devloop/events?token=t0ken");
    asked.headers_mut().insert("origin", "http://localhost:3000".parse().unwrap());
    assert_eq!(client.send(asked).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_malformed_hosts_and_connect_are_refused() {
    let app = App::named("api").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let client = Client::connect(stage.addr).await;
    let to = |uri: &str| Request::builder().uri(uri).body(none()).unwrap();
    for (host, status) in [
        ("evil.test", 403),
        ("localhost.evil.test:3000", 403),
        ("127.0.0.1.nip.io", 403),
        ("192.168.0.1", 403),
        ("localhost:99999", 400),
        ("LOCALHOST.", 200),
        ("[::1]:3000", 200),
    ] {
        let before = app.count();
        assert_eq!(client.ask(to(&format!("http://{host}/"))).await.status, status, "{host}");
        assert_eq!(app.count() - before, usize::from(status == 200), "{host}");
    }
    let mut two = to("http://localhost/");
    two.headers_mut().insert("host", "evil.test".parse().unwrap());
    assert_eq!(client.ask(two).await.status, 400);
    let mut odd = to("http://localhost/");
    odd.headers_mut().insert("origin", "garbage".parse().unwrap());
    assert_eq!(client.ask(odd).await.status, 400);
    let mut many = to("http://localhost/");
    for number in 0..101 {
        let name: hyper::header::HeaderName = format!("x-{number}").parse().unwrap();
        many.headers_mut().insert(name, "1".parse().unwrap());
    }
    let reply = client.ask(many).await;
    assert_eq!((reply.status, reply.header("x-devloop")), (431, Some("head-too-large")));
    let connect = Request::builder().method("CONNECT").uri("localhost:3000").body(none()).unwrap();
    assert_eq!(client.send(connect).await.unwrap().status(), 405);
    assert_eq!(app.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_ends_between_two_events_at_a_swap() {
    let old = App::raw(|mut wire, _| async move {
        let _ = wire.message(proxy_support::Rest::None).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        wire.send(format!("{head}9\r\ndata: 1\n\n\r\n")).await;
        let _ = wire.rest().await;
    })
    .await;
    let new = App::named("new").await;
    let stage = Stage::new().await;
    let run = stage.open(old.addr);
    let client = Client::connect(stage.addr).await;
    let response = client.send(get("/events")).await.unwrap();
    stage.open(new.addr);
    within(stage.proxy.drain(run, proxy_support::DEADLINE)).await;
    // Completely: a reset would be an error.
    assert_eq!(crate::support::read(response).await.unwrap().text(), "data: 1\n\n");
    assert_eq!(client.get("/").await.text(), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_resets_its_stream_and_no_other() {
    let app = App::http(|request| async move {
        match request.target() {
            "/broken" => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec(),
            _ => ok("whole"),
        }
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let client = Client::connect(stage.addr).await;
    let response = client.send(get("/broken")).await.unwrap();
    let other = client.get("/").await;
    app.kill();
    assert!(crate::support::read(response).await.is_err());
    assert_eq!(other.text(), "whole");
    // The client's connection still is there.
    assert_eq!(client.get("/.devloop/status").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_clients_are_told_to_go_away_and_what_is_under_way_is_answered() {
    let (go, wait) = tokio::sync::watch::channel(());
    let app = App::http(move |_| {
        let mut wait = wait.clone();
        async move {
            wait.changed().await.unwrap();
            ok("late")
        }
    })
    .await;
    let stage = std::sync::Arc::new(Stage::new().await);
    stage.open(app.addr);
    let client = Client::connect(stage.addr).await;
    let asking = client.clone();
    let answer = tokio::spawn(async move { asking.get("/").await.text() });
    proxy_support::until(|| app.count() == 1).await;
    let ending = std::sync::Arc::clone(&stage);
    let end = tokio::spawn(async move { ending.proxy.shutdown().await });
    // New connections are not taken any more.
    proxy_support::until(|| std::net::TcpStream::connect(stage.addr).is_err()).await;
    go.send(()).unwrap();
    assert_eq!(within(answer).await.unwrap(), "late");
    within(end).await.unwrap();
    assert!(
        within(async {
            while !client.0.is_closed() {
                tokio::task::yield_now().await;
            }
            true
        })
        .await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_is_not_confused_by_a_proxy_that_speaks_http_2() {
    let app = App::named("api").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = Wire::connect(stage.addr).await;
    // Obsolete, and refused by staying with HTTP/1.1.
    let asked = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                 HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    assert_eq!(wire.ask(asked).await.text(), "api");
}
