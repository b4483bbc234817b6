//! HTTP/1.1 through the proxy: what arrives on one side leaves on the other, and what must not pass does not.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod proxy_support;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use proxy_support::{App, Rest, Stage, Wire, get, ok, rules, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread")]
async fn targets_and_header_names_arrive_byte_for_byte() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    for target in [
        "/",
        "/?",
        "/a;b=c/%2F%2f/%ff%FE?x=%zz&y=1;2&&=",
        "//double//slash/../.",
        "/q?a?b?c",
        "/{curly}|pipe^caret",
        "/caf\u{e9}",
        "/%",
        "/a%00b",
    ] {
        let mut wire = stage.connect().await;
        wire.send(format!("GET {target} HTTP/1.1\r\nhOsT: LocalHost:1\r\nX-CamelCase: V a\tl\r\n\r\n")).await;
        assert_eq!(wire.reply().await.unwrap().status(), 200, "{target}");
        let seen = app.seen.lock().unwrap().pop().unwrap();
        let target: String = target.bytes().map(char::from).collect();
        assert_eq!(seen.start, format!("GET {target} HTTP/1.1"));
        assert!(seen.headers.contains(&("X-CamelCase".into(), "V a\tl".into())), "{seen:?}");
        assert!(seen.headers.contains(&("hOsT".into(), "LocalHost:1".into())), "{seen:?}");
    }
}

/// Raw bytes that are no UTF-8 cannot be kept exactly, so they are refused instead of changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_cannot_pass_unchanged_does_not_pass() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send(b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(wire.reply().await.unwrap().status(), 400);
    assert_eq!(app.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_target_becomes_a_path() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    assert_eq!(stage.ask("GET http://localhost:9/x?y HTTP/1.1\r\nHost: localhost:9\r\n\r\n").await.status(), 200);
    assert_eq!(app.seen.lock().unwrap()[0].start, "GET /x?y HTTP/1.1");
    let other = stage.ask("GET http://evil.test/ HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!((other.status(), other.header("x-devloop")), (400, Some("bad-request")));
    assert_eq!(stage.ask("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").await.status(), 200);
    assert_eq!(app.seen.lock().unwrap()[1].start, "OPTIONS * HTTP/1.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_program_is_told_about_the_client_is_true() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    stage
        .ask("GET / HTTP/1.1\r\nHost: localhost:77\r\nX-Forwarded-For: 1.1.1.1\r\nConnection: X-Gone\r\nX-Gone: 1\r\n\r\n")
        .await;
    let seen = app.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-host"), Some("localhost:77"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-port"), Some(stage.addr.port().to_string().as_str()));
    assert_eq!(seen.header("x-gone"), None);
    assert_eq!(seen.header("host"), Some("localhost:77"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_pass_unchanged_but_for_what_belongs_to_the_connection() {
    let app = App::http(|_| async {
        b"HTTP/1.1 299 Very Fine\r\nX-OddCase: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nAlt-Svc: h3=\":1\"\r\n\
          Strict-Transport-Security: max-age=9\r\nConnection: X-Hop\r\nX-Hop: 1\r\nx-devloop: forged\r\n\
          Content-Length: 2\r\n\r\nhi"
            .to_vec()
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let reply = stage.get("/").await;
    assert_eq!(reply.start, "HTTP/1.1 299 Very Fine");
    assert_eq!(reply.text(), "hi");
    assert!(reply.headers.contains(&("X-OddCase".into(), "1".into())), "{reply:?}");
    assert_eq!(reply.headers.iter().filter(|(name, _)| name == "Set-Cookie").count(), 2);
    for gone in ["alt-svc", "strict-transport-security", "x-hop", "x-devloop", "access-control-allow-origin"] {
        assert_eq!(reply.header(gone), None, "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_bodiless_answers_have_no_body_and_keep_the_connection() {
    let app = App::http(|request| async move {
        match request.target() {
            "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            "/304" => b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n".to_vec(),
            "/chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n".to_vec(),
        }
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(wire.head().await.header("content-length"), Some("1234"));
    wire.send("HEAD /chunked HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(wire.head().await.header("content-length"), None);
    assert_eq!(wire.ask(&get("/204")).await.status(), 204);
    let unmodified = wire.ask(&get("/304")).await;
    assert_eq!((unmodified.status(), unmodified.header("etag")), (304, Some("\"x\"")));
    assert_eq!(app.connections(), 1, "the connection to the program is used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_10_clients_and_programs_are_understood() {
    let app = App::raw(|mut wire, _| async move {
        let request = wire.message(Rest::None).await.unwrap();
        assert!(request.start.ends_with("HTTP/1.1"));
        assert!(request.header("host").is_some());
        wire.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end").await;
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let old = stage.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!((old.start.as_str(), old.text().as_str()), ("HTTP/1.0 200 OK", "until the end"));
    assert_eq!(old.header("transfer-encoding"), None);
    let new = stage.get("/").await;
    assert_eq!((new.start.as_str(), new.text().as_str()), ("HTTP/1.1 200 OK", "until the end"));
    assert_eq!(new.header("transfer-encoding"), Some("chunked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_and_trailers_pass_both_ways() {
    let app = App::http(|request| async move {
        assert_eq!(request.text(), "hello world");
        assert_eq!(request.header("content-length"), None);
        assert_eq!(request.header("te"), Some("trailers"));
        assert_eq!(request.trailers, [("x-sum".to_owned(), "1".to_owned())]);
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Out\r\n\r\n3\r\nabc\r\n0\r\nX-Out: 2\r\n\r\n"
            .to_vec()
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    for method in ["POST", "GET"] {
        let reply = stage
            .ask(&format!(
                "{method} / HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\
                 Trailer: x-sum\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nx-sum: 1\r\n\r\n"
            ))
            .await;
        assert_eq!(reply.text(), "abc");
        assert_eq!(reply.trailers.len(), 1, "{reply:?}");
        assert!(reply.trailers[0].0.eq_ignore_ascii_case("x-out") && reply.trailers[0].1 == "2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_expects_100_gets_it_only_when_somebody_reads() {
    let app = App::http(|request| async move {
        assert_eq!(request.header("expect"), None);
        ok(&request.text())
    })
    .await;
    let stage = Stage::new().await;
    let mut wire = stage.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    stage.held(1).await;
    assert!(wire.buffer.is_empty());
    stage.open(app.addr);
    assert_eq!(wire.head().await.start, "HTTP/1.1 100 Continue");
    wire.send("hi").await;
    assert_eq!(wire.reply().await.unwrap().text(), "hi");
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_is_refused() {
    let stage = Stage::new().await;
    let reply = stage.ask("CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n").await;
    assert_eq!(reply.status(), 405);
    let foreign = stage.ask("CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n").await;
    assert_eq!(foreign.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_known_hosts_are_answered_and_nothing_reaches_the_program() {
    let app = App::named("a").await;
    let stage = Stage::with(|settings| settings.rules.hosts = vec!["app.test".into()]).await;
    stage.open(app.addr);
    for (host, status) in [
        ("localhost", 200),
        ("LOCALHOST.", 200),
        ("a.b.localhost:1", 200),
        ("[::1]:3000", 200),
        ("127.0.0.1", 200),
        ("app.test:3000", 200),
        ("evil.test", 403),
        ("localhost.evil.test", 403),
        ("127.0.0.1.nip.io", 403),
        ("192.168.0.1", 403),
        ("a b", 400),
        ("", 400),
        ("[::1", 400),
        ("localhost:99999", 400),
    ] {
        let before = app.count();
        let reply = stage.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(reply.status(), status, "{host}");
        assert_eq!(app.count() - before, usize::from(status == 200), "{host}");
    }
    let page = stage.ask("GET / HTTP/1.1\r\nHost: new.test\r\nSec-Fetch-Mode: navigate\r\n\r\n").await;
    assert_eq!(page.header("x-devloop"), Some("host-not-allowed"));
    assert!(page.text().contains("hosts = [&quot;app.test&quot;, &quot;new.test&quot;]"), "{}", page.text());
    let upgrade = "GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(stage.ask(upgrade).await.status(), 403);
    assert_eq!(stage.ask("GET / HTTP/1.1\r\n\r\n").await.status(), 400);
    assert_eq!(stage.ask("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n").await.status(), 400);
    assert_eq!(stage.ask("GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: garbage\r\n\r\n").await.status(), 400);
    stage.proxy.configure(rules(&["api"]));
    assert_eq!(stage.ask("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_two_readers_could_read_differently_do_not_pass() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    for head in [
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length: +3\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "X: a\r\n b\r\n",
        "X: a\rb\r\n",
        "X : a\r\n",
    ] {
        let mut wire = stage.connect().await;
        wire.send(format!("POST / HTTP/1.1\r\nHost: localhost\r\n{head}\r\n3\r\nabc\r\n0\r\n\r\n")).await;
        assert_eq!(wire.reply().await.unwrap().status(), 400, "{head:?}");
    }
    assert_eq!(app.count(), 0);
    for both in ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"] {
        let mut wire = stage.connect().await;
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
        wire.send(format!("POST / HTTP/1.1\r\nHost: localhost\r\n{both}\r\n\r\n0\r\n\r\n{smuggled}")).await;
        let reply = wire.reply().await.unwrap();
        assert_eq!((reply.status(), reply.header("connection")), (200, Some("close")));
        assert!(within(wire.rest()).await.unwrap_or_default().is_empty(), "closed after the answer");
        let seen = app.seen.lock().unwrap().pop().unwrap();
        assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (None, Some("chunked")));
        assert_eq!(app.count(), 0, "the second request was not read");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_behind_an_answer_do_not_answer_the_next_request() {
    let app = App::raw(|mut wire, _| async move {
        while let Ok(request) = wire.message(Rest::None).await {
            let mut answer = ok(request.target());
            answer.extend(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
            if wire.stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    for number in 0..20 {
        let target = format!("/{number}");
        assert_eq!(stage.get(&target).await.text(), target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_http_is_a_502() {
    let app = App::raw(|mut wire, _| async move {
        let _ = wire.message(Rest::None).await;
        wire.send("SSH-2.0-OpenSSH\r\n\r\n").await;
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let reply = stage.get("/").await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (502, Some("bad-gateway")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_ends_with_508() {
    let stage = Stage::new().await;
    stage.open(stage.addr);
    let reply = stage.get("/").await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (508, None));
    let reply = stage.ask("GET / HTTP/1.1\r\nHost: localhost\r\nx-devloop-hops: 5\r\n\r\n").await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (508, Some("loop")));
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_limits_in_size_number_and_time() {
    let app = App::named("a").await;
    let stage = Stage::with(|settings| settings.limits.head = std::time::Duration::from_millis(300)).await;
    stage.open(app.addr);
    let large = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(66 * 1024));
    assert_eq!(stage.ask(&large).await.status(), 431);
    let fields: String = (0..101).map(|number| format!("X-{number}: 1\r\n")).collect();
    assert_eq!(stage.ask(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")).await.status(), 431);
    let mut slow = stage.connect().await;
    slow.send("GET / HTTP/1.1\r\n").await;
    within(async {
        for byte in b"X-Slow: ".iter().cycle() {
            if slow.stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            let mut end = [0];
            let wait = std::time::Duration::from_millis(20);
            match tokio::time::timeout(wait, slow.stream.read(&mut end)).await {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(_)) => panic!("an answer to half a request"),
                Err(_) => {}
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_upload_never_looks_complete_to_the_program() {
    let app = App::raw(|mut wire, _| async move {
        let result = wire.message(Rest::None).await;
        assert!(result.is_err(), "{result:?}");
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n").await;
    let _ = within(wire.rest()).await;
    let mut wire = stage.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc").await;
    drop(wire);
    proxy_support::until(|| app.connections() == 2 && app.open_connections() == 0).await;
}

/// 256 MiB each way through a program and a client that stop reading for a while: what is on the way in between must
/// stay far below that.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_flow_with_back_pressure_both_ways() {
    const SIZE: usize = 256 * 1024 * 1024;
    let read = Arc::new(AtomicU64::new(0));
    let (go, gate) = tokio::sync::watch::channel(());
    let counted = Arc::clone(&read);
    let app = App::raw(move |mut wire, _| {
        let (read, mut gate) = (Arc::clone(&counted), gate.clone());
        async move {
            wire.message_head().await.unwrap();
            gate.changed().await.unwrap();
            let mut left = SIZE - wire.buffer.len();
            let mut piece = vec![0; 256 * 1024];
            while left > 0 {
                let count = wire.stream.read(&mut piece).await.unwrap();
                assert!(count > 0);
                left -= count;
                read.fetch_add(count as u64, Ordering::Relaxed);
            }
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n")).await;
            let piece = vec![7; 256 * 1024];
            for _ in 0..SIZE / piece.len() {
                if wire.stream.write_all(&piece).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let wire = stage.connect().await;
    let (mut reader, mut writer) = wire.stream.into_split();
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let sending = tokio::spawn(async move {
        let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIZE}\r\n\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![1; 256 * 1024];
        for _ in 0..SIZE / piece.len() {
            writer.write_all(&piece).await.unwrap();
            counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        writer
    });
    // The program does not read: the client gets stuck.
    within(async {
        let mut before = u64::MAX;
        while before != sent.load(Ordering::Relaxed) {
            before = sent.load(Ordering::Relaxed);
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    })
    .await;
    assert!(sent.load(Ordering::Relaxed) < 32 * 1024 * 1024, "back-pressure");
    go.send(()).unwrap();
    let _writer = within(sending).await.unwrap();
    let mut total = 0;
    let mut piece = vec![0; 256 * 1024];
    while total < SIZE {
        let count = within(reader.read(&mut piece)).await.unwrap();
        assert!(count > 0, "cut after {total}");
        total += count;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let app = App::http(|request| async move { ok(request.target()) }).await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send((0..50).map(|number| get(&format!("/{number}"))).collect::<String>()).await;
    for number in 0..50 {
        assert_eq!(wire.reply().await.unwrap().text(), format!("/{number}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_found_by_name_below_localhost() {
    let (web, api) = (App::named("web").await, App::named("api").await);
    let stage = Stage::with(|settings| settings.rules = rules(&["web", "api"])).await;
    for (name, app) in [("web", &web), ("api", &api)] {
        let run = stage.add(app.addr);
        stage.gate_of(name, proxy_support::open(run));
    }
    assert_eq!(stage.get("/").await.text(), "web");
    assert_eq!(stage.ask("GET / HTTP/1.1\r\nHost: api.localhost:3000\r\n\r\n").await.text(), "api");
    assert_eq!(stage.ask("GET / HTTP/1.1\r\nHost: other.localhost\r\n\r\n").await.text(), "web");
    // The swap of one holds no request for the other.
    stage.gate_of("api", proxy_support::holding());
    let mut waiting = stage.connect().await;
    waiting.send("GET / HTTP/1.1\r\nHost: api.localhost\r\n\r\n").await;
    proxy_support::until(|| stage.proxy.stats().services[1].held == 1).await;
    assert_eq!(stage.get("/").await.text(), "web");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_at_one_byte_at_a_time_arrives_whole() {
    let app = App::http(|request| async move { ok(&request.text()) }).await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = Wire::connect(stage.addr).await;
    wire.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 64\r\n\r\n").await;
    for _ in 0..64 {
        wire.send("x").await;
        tokio::task::yield_now().await;
    }
    assert_eq!(wire.reply().await.unwrap().text(), "x".repeat(64));
}
