//! What an expert tries first, beyond what the other tests of the proxy hold: odd line ends, bodies beside queries,
//! programs on `::1` alone, clients that read a byte at a time, a release while an old request drains, many heads that
//! never end.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod proxy_support;

use std::time::Duration;

use devloop::{model::RunId, plan::Protocol};
use proxy_support::{App, Rest, Stage, get, holding, ok, open, until, within};
use tokio::{io::AsyncReadExt, net::TcpListener};

#[tokio::test(flavor = "multi_thread")]
async fn bodies_with_a_query_beside_them_arrive_as_they_are() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let json = "{\"a\": [1, 2, \"\u{fc}\"], \"b\":null}";
    let part = "--x;y\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a b.bin\"\r\n\r\n\u{0}\u{1}\r\n\r\n--x;y--\r\n";
    for (kind, body) in [
        ("application/json", json),
        ("multipart/form-data; boundary=\"x;y\"", part),
        ("application/x-www-form-urlencoded", "a=1&a=2&b=%26"),
    ] {
        let length = body.len();
        let head = format!(
            "POST /form?a=1&a=2&q=%26 HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        assert_eq!(stage.ask(&format!("{head}{body}")).await.status(), 200, "{kind}");
        let seen = app.seen.lock().unwrap().pop().unwrap();
        assert_eq!(seen.start, "POST /form?a=1&a=2&q=%26 HTTP/1.1");
        assert_eq!((seen.header("content-type"), &seen.body[..]), (Some(kind), body.as_bytes()));
    }
}

/// RFC 9112 section 2.2 lets a server take a bare line feed for the end of a line. Then whoever is behind it must not
/// see one.
#[tokio::test(flavor = "multi_thread")]
async fn bare_line_feeds_are_refused_or_mended_and_never_passed_on() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send("GET /lf HTTP/1.1\nHost: localhost\nX-A: b\n\n").await;
    let status = wire.reply().await.unwrap().status();
    assert!(matches!(status, 200 | 400), "{status}");
    if let Some(seen) = app.seen.lock().unwrap().pop() {
        // `App` reads lines that end with CRLF only: it has understood every one of them.
        assert_eq!((seen.start.as_str(), seen.header("x-a")), ("GET /lf HTTP/1.1", Some("b")));
    }
    // In the framing of a body there is nothing to be generous about: two readers would disagree about its end.
    for chunks in ["3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3;x=\n\r\nabc\r\n0\r\n\r\n"] {
        let mut wire = stage.connect().await;
        let head = "POST /chunks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        wire.send(format!("{head}{chunks}{}", get("/smuggled"))).await;
        let _ = within(wire.rest()).await;
        let seen: Vec<String> = app.seen.lock().unwrap().drain(..).map(|seen| seen.start).collect();
        assert!(!seen.iter().any(|start| start.contains("smuggled")), "{chunks:?}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn white_space_around_a_coding_hides_nothing() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    for (coding, good) in
        [("chunked\t", true), ("\tchunked", true), (" chunked ", true), ("chunked\u{b}", false), ("\"chunked\"", false)]
    {
        let mut wire = stage.connect().await;
        let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {coding}\r\n\r\n");
        wire.send(format!("{head}3\r\nabc\r\n0\r\n\r\n")).await;
        let status = wire.reply().await.unwrap().status();
        let seen = app.seen.lock().unwrap().pop();
        assert_eq!(status, if good { 200 } else { 400 }, "{coding:?}");
        assert_eq!(seen.map(|seen| seen.body), good.then(|| b"abc".to_vec()), "{coding:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_to_be_closed_are_closed_on_both_sides() {
    let app = App::http(|request| async move {
        let close = if request.target() == "/close" { "Connection: close\r\n" } else { "" };
        format!("HTTP/1.1 200 OK\r\n{close}Content-Length: 2\r\n\r\nhi").into_bytes()
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    let reply = wire.ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(within(wire.rest()).await.unwrap().is_empty());
    // The client's wish is about its own connection: the program's goes on.
    let mut wire = stage.connect().await;
    for _ in 0..3 {
        assert_eq!(wire.ask(&get("/")).await.text(), "hi");
    }
    assert_eq!(app.connections(), 1);
    // And the program's is about its own.
    let reply = wire.ask(&get("/close")).await;
    assert_eq!((reply.header("connection"), reply.text().as_str()), (None, "hi"));
    assert_eq!(wire.ask(&get("/")).await.text(), "hi");
    assert_eq!(app.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_one_loopback_address_is_found_whichever_it_is() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        return eprintln!("skipped: this machine has no IPv6");
    };
    let addr = listener.local_addr().unwrap();
    let _six = App::on(listener, |mut wire, _| async move {
        while wire.message(Rest::None).await.is_ok() {
            wire.send(ok("six")).await;
        }
    });
    let stage = Stage::new().await;
    let run = RunId(77);
    stage.proxy.add(run, vec![([127, 0, 0, 1], addr.port()).into(), addr], Protocol::Http);
    stage.gate(open(run));
    for _ in 0..3 {
        assert_eq!(stage.get("/").await.text(), "six");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_a_byte_at_a_time_gets_all_of_it_and_keeps_nobody_waiting() {
    let app = App::http(|_| async { ok(&"x".repeat(3 * 1024 * 1024)) }).await;
    let stage = Stage::with(|settings| settings.limits.upstream = 2).await;
    stage.open(app.addr);
    let mut slow = stage.connect().await;
    slow.send(get("/")).await;
    for _ in 0..2_000 {
        within(slow.stream.read_u8()).await.unwrap();
    }
    assert_eq!(stage.get("/").await.body.len(), 3 * 1024 * 1024);
    let rest = within(async {
        let mut piece = vec![0; 64 * 1024];
        let mut all = 0;
        while all < 3 * 1024 * 1024 - 2_000 {
            all += slow.stream.read(&mut piece).await.unwrap();
        }
        all
    })
    .await;
    assert!(rest >= 3 * 1024 * 1024 - 2_000, "{rest}");
}

/// Twenty requests are held while one is under way to an instance that drains; then the next instance comes.
#[tokio::test(flavor = "multi_thread")]
async fn those_that_are_held_are_let_go_while_an_old_request_drains() {
    let (finish, finished) = tokio::sync::watch::channel(0);
    let old = App::http(move |request| {
        let mut finished = finished.clone();
        async move {
            let round: usize = request.target()[1..].parse().unwrap();
            finished.wait_for(|until| *until > round).await.unwrap();
            ok("old")
        }
    })
    .await;
    let new = App::named("new").await;
    let stage = Stage::new().await;
    for round in 0..10 {
        let run = stage.open(old.addr);
        let mut slow = stage.connect().await;
        slow.send(format!("POST /{round} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi")).await;
        until(|| old.count() == round + 1).await;
        stage.gate(holding());
        let mut held = Vec::new();
        for number in 0..20 {
            let mut wire = stage.connect().await;
            let post = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
            wire.send(if number % 2 == 0 { get("/") } else { post.to_owned() }).await;
            held.push(wire);
        }
        stage.held(20).await;
        let drained = stage.proxy.drain(run, Duration::from_secs(60));
        let releasing = async {
            stage.open(new.addr);
            for wire in &mut held {
                let reply = wire.reply().await.unwrap();
                assert_eq!((reply.status(), reply.text().as_str()), (200, "new"));
            }
            assert_eq!(stage.proxy.in_flight(run), 1, "the old one has not been answered meanwhile");
            finish.send_replace(round + 1);
            assert_eq!(slow.reply().await.unwrap().text(), "old");
        };
        within(async { tokio::join!(drained, releasing) }).await;
        stage.proxy.gone(run);
    }
    assert_eq!((old.count(), new.count(), stage.stats().refused), (10, 200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_never_end_keep_nobody_else_waiting_and_are_ended() {
    let app = App::named("a").await;
    let stage = Stage::with(|settings| settings.limits.head = Duration::from_secs(2)).await;
    stage.open(app.addr);
    let mut slow = Vec::new();
    for number in 0..400 {
        let mut wire = stage.connect().await;
        wire.send(format!("GET /{number} HTTP/1.1\r\nHost: localhost\r\nX-")).await;
        slow.push(wire);
    }
    for _ in 0..20 {
        assert_eq!(stage.get("/").await.status(), 200);
    }
    for wire in &mut slow {
        _ = within(wire.rest()).await;
    }
    until(|| stage.proxy.stats().connections == 0).await;
    assert_eq!(app.count(), 20);
}
