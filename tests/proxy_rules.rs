//! What dev.toml says about requests and answers on their way, over real sockets.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod proxy_support;

use std::{sync::Arc, time::Duration};

use async_compression::tokio::write::{BrotliDecoder, GzipDecoder};
use devloop::{
    plan::{Cors, Fail, Field, HostHeader, Latency, Middleware, Origins, Prefix, RateLimit, Route, Target},
    proxy::Told,
};
use proptest::prelude::*;
use proxy_support::{App, Reply, Stage, get, ok, within};
use tokio::io::AsyncWriteExt;

async fn stage(middleware: Middleware) -> Stage {
    Stage::with(|settings| settings.rules.middleware = Arc::new(middleware)).await
}

async fn ask(stage: &Stage, method: &str, target: &str, fields: &str) -> Reply {
    stage.ask(&format!("{method} {target} HTTP/1.1\r\nHost: localhost:77\r\n{fields}\r\n")).await
}

fn cors(origins: Origins) -> Option<Cors> {
    let credentials = origins != Origins::All;
    Some(Cors { origins, credentials, methods: vec![], headers: vec![], expose: vec![], max_age: None })
}

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_set_and_removed_both_ways() {
    let app = App::http(|_| async { answer("Server: old\r\nX-Kept: 1\r\n", "hi") }).await;
    let set = |name: &str, value: &str| (name.to_owned(), Field::Set(value.to_owned()));
    let stage = stage(Middleware {
        request_headers: [set("x-env", "dev"), ("cookie".to_owned(), Field::Removed)].into(),
        response_headers: [set("x-served-by", "devloop"), ("server".to_owned(), Field::Removed)].into(),
        ..Middleware::default()
    })
    .await;
    stage.open(app.addr);
    let reply = ask(&stage, "GET", "/", "Cookie: a=b\r\nX-Env: prod\r\n").await;
    assert_eq!((reply.header("x-served-by"), reply.header("server")), (Some("devloop"), None));
    assert_eq!((reply.header("x-kept"), reply.text().as_str()), (Some("1"), "hi"));
    let seen = app.seen.lock().unwrap()[0].clone();
    assert_eq!((seen.header("x-env"), seen.header("cookie")), (Some("dev"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_dev_toml_lets_the_tag_of_a_page_pass() {
    let page = "<!doctype html><head></head>";
    let app = App::http(move |_| async move {
        answer("Content-Type: text/html\r\nContent-Security-Policy: script-src 'nonce-theirs'\r\n", page)
    })
    .await;
    let set = |name: &str, value: &str| (name.to_owned(), Field::Set(value.to_owned()));
    let policy = set("content-security-policy", "default-src 'none'; script-src 'nonce-ours'");
    let reported = set("content-security-policy-report-only", "script-src 'none'");
    let stage = stage(Middleware { response_headers: [policy, reported].into(), ..Middleware::default() }).await;
    stage.open(app.addr);
    let reply = ask(&stage, "GET", "/", "Sec-Fetch-Mode: navigate\r\n").await;
    assert!(reply.text().contains("nonce=\"ours\""), "{}", reply.text());
    let widened = "default-src 'none'; script-src 'nonce-ours'; connect-src http://localhost:77/.devloop/";
    assert_eq!(reply.header("content-security-policy"), Some(widened));
    let reported = reply.header("content-security-policy-report-only");
    assert_eq!(reported, Some("script-src 'nonce-ours'"));
    // What gets no tag gets the policy as it was written.
    let reply = ask(&stage, "GET", "/", "Sec-Fetch-Mode: cors\r\n").await;
    let written = "default-src 'none'; script-src 'nonce-ours'";
    assert_eq!((reply.header("content-security-policy"), reply.text().as_str()), (Some(written), page));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_kept_or_that_of_the_instance_or_a_fixed_one() {
    let app = App::named("a").await;
    for (policy, wanted) in [
        (HostHeader::Keep, "localhost:77".to_owned()),
        (HostHeader::Upstream, app.addr.to_string()),
        (HostHeader::Name("app.test:8".to_owned()), "app.test:8".to_owned()),
    ] {
        let stage = stage(Middleware { host_header: policy, access_log: true, ..Middleware::default() }).await;
        stage.open(app.addr);
        ask(&stage, "GET", "/", "").await;
        let seen = app.seen.lock().unwrap().pop().unwrap();
        assert_eq!(seen.header("host"), Some(wanted.as_str()));
        assert_eq!(seen.header("x-forwarded-host"), Some("localhost:77"));
        ask(&stage, "GET", "/.well-known/acme-challenge/x", "").await;
        let seen = app.seen.lock().unwrap().pop().unwrap();
        assert_eq!(seen.header("host"), Some("localhost:77"), "a challenge passes untouched");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_password_is_not_let_in() {
    let app = App::named("a").await;
    let basic_auth = [("ann".to_owned(), "secret".to_owned())].into();
    let stage = stage(Middleware { basic_auth, security_headers: true, ..Middleware::default() }).await;
    stage.open(app.addr);
    let refused = ask(&stage, "GET", "/", "Authorization: Basic YW5uOndyb25n\r\n").await;
    assert_eq!((refused.status(), refused.header("x-devloop")), (401, Some("not-let-in")));
    assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"devloop\", charset=\"UTF-8\""));
    assert_eq!(refused.header("referrer-policy"), Some("strict-origin-when-cross-origin"));
    assert_eq!(app.count(), 0);
    let let_in = ask(&stage, "GET", "/", "Authorization: Basic YW5uOnNlY3JldA==\r\n").await;
    assert_eq!((let_in.status(), let_in.text().as_str()), (200, "a"));
    assert_eq!(app.seen.lock().unwrap()[0].header("authorization"), None);
    assert_eq!(ask(&stage, "GET", "/.well-known/acme-challenge/x", "").await.status(), 200);
    assert_eq!(ask(&stage, "GET", "/.devloop/status", "").await.status(), 200, "devloop's own pages are its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_too_long_and_too_large_are_refused() {
    let app = App::http(|request| async move { ok(&request.body.len().to_string()) }).await;
    let stage = stage(Middleware {
        rate_limit: Some(RateLimit { requests: 1, per: Duration::from_secs(600), burst: 5 }),
        max_body: Some(10),
        max_headers: Some(200),
        ..Middleware::default()
    })
    .await;
    stage.open(app.addr);
    let large = ask(&stage, "GET", "/", &format!("X-Large: {}\r\n", "x".repeat(200))).await;
    assert_eq!((large.status(), large.header("x-devloop")), (431, Some("head-too-large")));
    let announced = ask(&stage, "POST", "/", "Content-Length: 11\r\n\r\n01234567890").await;
    assert_eq!((announced.status(), announced.header("x-devloop")), (413, Some("body-too-long")));
    let chunks = "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n67890\r\n0\r\n";
    let streamed = ask(&stage, "POST", "/", chunks).await;
    assert_eq!((streamed.status(), streamed.header("x-devloop")), (413, Some("body-too-long")));
    let fits = "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n4\r\n6789\r\n0\r\n";
    assert_eq!(ask(&stage, "POST", "/", fits).await.text(), "10");
    assert_eq!(ask(&stage, "POST", "/", "Content-Length: 10\r\n\r\n0123456789").await.text(), "10");
    assert_eq!(ask(&stage, "GET", "/", "").await.status(), 200);
    let refused = ask(&stage, "GET", "/", "").await;
    assert_eq!((refused.status(), refused.header("x-devloop")), (429, Some("rate-limit")));
    assert!(refused.header("retry-after").is_some_and(|wait| (500..=600).contains(&wait.parse::<u32>().unwrap())));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_made_slow_and_made_to_fail() {
    let app = App::named("a").await;
    let slow = Duration::from_millis(50);
    let latency = Some(Latency { least: slow, most: slow });
    let stage =
        stage(Middleware { latency, fail: Some(Fail { rate: 0.5, status: 500 }), ..Middleware::default() }).await;
    stage.open(app.addr);
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let before = tokio::time::Instant::now();
        let reply = stage.get("/").await;
        assert!(before.elapsed() >= slow);
        if reply.status() == 500 {
            assert_eq!(reply.header("x-devloop"), Some("made-to-fail"));
        }
        statuses.push(reply.status());
    }
    let count = |status: u16| statuses.iter().filter(|known| **known == status).count();
    assert_eq!(count(200) + count(500), 20);
    assert!(count(200) > 0 && count(500) > 0);
    assert_eq!(app.count(), count(200), "what is made to fail does not reach the program");
}

#[tokio::test(flavor = "multi_thread")]
async fn devloop_answers_for_the_program_whose_pages_may_read() {
    let app = App::http(|_| async { answer("Access-Control-Allow-Origin: *\r\nVary: Cookie\r\n", "data") }).await;
    let stage = stage(Middleware { cors: cors(Origins::ThisMachine), ..Middleware::default() }).await;
    let ours = "Origin: http://localhost:5173\r\n";
    let preflight = format!("{ours}Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a\r\n");
    // No program runs yet: a preflight needs none.
    let allowed = ask(&stage, "OPTIONS", "/", &preflight).await;
    assert_eq!((allowed.status(), allowed.header("access-control-allow-methods")), (204, Some("PUT")));
    let evil = ask(&stage, "OPTIONS", "/", &preflight.replace("localhost", "evil.test")).await;
    assert_eq!((evil.status(), evil.header("access-control-allow-origin")), (403, None));
    assert!(evil.text().contains("`http://evil.test:5173`"));
    stage.open(app.addr);
    let reply = ask(&stage, "GET", "/", ours).await;
    assert_eq!(reply.header("access-control-allow-origin"), Some("http://localhost:5173"));
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
    let varies: Vec<&str> = reply
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("vary"))
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(varies, ["Cookie", "Origin"]);
    let evil = ask(&stage, "GET", "/", "Origin: http://evil.test\r\n").await;
    assert_eq!((evil.status(), evil.header("access-control-allow-origin")), (200, None));
    // A failure of devloop's own can be read by the page, too.
    stage.gate(proxy_support::failed("step `build` failed"));
    let failed = ask(&stage, "GET", "/", ours).await;
    assert_eq!((failed.status(), failed.header("access-control-allow-origin")), (503, Some("http://localhost:5173")));
    let told = stage.told.lock().unwrap().clone();
    let [Told::Note { text, .. }] = &told[..] else { panic!("{told:?}") };
    assert!(text.contains("service api") && text.contains("`cors` of dev.toml"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_was_allowed_twice_is_allowed_once_and_told_once() {
    let twice = "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Origin: http://localhost:1\r\n";
    let app = App::http(move |_| async move { answer(twice, "data") }).await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    for _ in 0..3 {
        let reply = stage.get("/").await;
        let allowed = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("access-control-allow-origin"));
        assert_eq!(allowed.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["*"]);
    }
    let told = stage.told.lock().unwrap().clone();
    let [Told::Note { text, .. }] = &told[..] else { panic!("{told:?}") };
    assert!(text.contains("`*`") && text.contains("`http://localhost:1`"), "{text}");
}

/// Everything that is there is decoded; the rest may still come.
async fn unpacked(coding: &str, packed: &[u8]) -> String {
    match coding {
        "br" => {
            let mut decoder = BrotliDecoder::new(Vec::new());
            decoder.write_all(packed).await.expect("good bytes");
            decoder.flush().await.expect("good bytes");
            String::from_utf8(decoder.into_inner()).expect("text")
        }
        _ => {
            let mut decoder = GzipDecoder::new(Vec::new());
            decoder.write_all(packed).await.expect("good bytes");
            decoder.flush().await.expect("good bytes");
            String::from_utf8(decoder.into_inner()).expect("text")
        }
    }
}

fn words() -> String {
    (0..5_000).map(|number| format!("word {number}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compressed_for_those_who_ask_for_it() {
    let app = App::http(|request| async move {
        let head = match request.target() {
            "/png" => "Content-Type: image/png\r\n",
            "/no" => "Content-Type: text/plain\r\nCache-Control: no-transform\r\n",
            _ => "Content-Type: text/plain\r\nETag: \"x\"\r\n",
        };
        answer(head, &words())
    })
    .await;
    let stage = stage(Middleware { compress: true, ..Middleware::default() }).await;
    stage.open(app.addr);
    for (accepts, coding) in [("gzip", "gzip"), ("gzip, deflate, br", "br")] {
        let reply = ask(&stage, "GET", "/", &format!("Accept-Encoding: {accepts}\r\n")).await;
        assert_eq!((reply.header("content-encoding"), reply.header("etag")), (Some(coding), Some("W/\"x\"")));
        assert_eq!((reply.header("content-length"), reply.header("vary")), (None, Some("Accept-Encoding")));
        assert!(reply.body.len() < words().len() / 3, "{}", reply.body.len());
        assert_eq!(unpacked(coding, &reply.body).await, words());
    }
    for (target, accepts) in [("/", "identity"), ("/png", "gzip"), ("/no", "gzip")] {
        let reply = ask(&stage, "GET", target, &format!("Accept-Encoding: {accepts}\r\n")).await;
        assert_eq!((reply.header("content-encoding"), reply.text()), (None, words()), "{target}");
    }
}

/// A page that is written piece by piece is read piece by piece; event streams are not touched at all.
#[tokio::test(flavor = "multi_thread")]
async fn compression_holds_nothing_back() {
    let app = App::raw(|mut wire, _| async move {
        let request = wire.message_head().await.expect("a request");
        let kind = if request.target() == "/events" { "text/event-stream" } else { "text/html" };
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n")).await;
        wire.send("7\r\ndata: 1\r\n").await;
        // The second piece comes only when the client has the first one.
        wire.until(b"go on").await.expect("the client has read");
        wire.send("2\r\n\n\n\r\n0\r\n\r\n").await;
    })
    .await;
    let stage = stage(Middleware { compress: true, ..Middleware::default() }).await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let head = within(wire.message_head()).await.expect("a head");
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    let size = within(wire.until(b"\r\n")).await.expect("a chunk");
    let size = usize::from_str_radix(String::from_utf8_lossy(&size).trim(), 16).expect("a size");
    let first = within(wire.exactly(size + 2)).await.expect("a chunk");
    assert_eq!(unpacked("gzip", &first[..size]).await, "data: 1");
    wire.send("5\r\ngo on\r\n0\r\n\r\n").await;
    let rest = within(wire.rest_of_chunks()).await.expect("the rest");
    assert_eq!(unpacked("gzip", &[&first[..size], &rest].concat()).await, "data: 1\n\n");
    let mut events = stage.connect().await;
    events.send("GET /events HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n").await;
    let head = within(events.message_head()).await.expect("a head");
    assert_eq!((head.header("content-encoding"), head.header("vary")), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_a_line_of_the_access_log() {
    let app = App::http(|_| async { answer("", "hello") }).await;
    let stage = stage(Middleware { access_log: true, ..Middleware::default() }).await;
    stage.open(app.addr);
    ask(&stage, "GET", "/a?b=c", "").await;
    stage.gate(proxy_support::failed("it failed"));
    ask(&stage, "POST", "/d", "Content-Length: 0\r\n").await;
    proxy_support::until(|| stage.told.lock().unwrap().len() == 2).await;
    let told = stage.told.lock().unwrap().clone();
    let [Told::Request(first), Told::Request(second)] = &told[..] else { panic!("{told:?}") };
    assert!(
        first.starts_with("GET localhost:77/a?b=c 200, 5 bytes in ") && first.ends_with(" ms (service api)"),
        "{first}"
    );
    assert!(second.starts_with("POST localhost:77/d 503, "), "{second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_has_rules_of_its_own_and_new_ones_hold_from_the_next_request_on() {
    let app = App::named("a").await;
    let target = || Target::Service { name: "api".into(), prefix: Prefix::Kept };
    let route = |path: &str, middleware: Middleware| {
        Arc::new(Route { host: None, path: path.to_owned(), target: target(), middleware: Arc::new(middleware) })
    };
    let failing = Middleware { fail: Some(Fail { rate: 1.0, status: 418 }), ..Middleware::default() };
    let routes = vec![route("", Middleware::default()), route("/broken", failing)];
    let stage = Stage::with(|settings| settings.rules.routes = routes).await;
    stage.open(app.addr);
    assert_eq!((stage.get("/").await.status(), stage.get("/broken/x").await.status()), (200, 418));
    let rules = proxy_support::rules(&["api"]);
    stage.proxy.configure(devloop::proxy::Rules { routes: vec![route("", Middleware::default())], ..rules });
    assert_eq!(stage.get("/broken/x").await.status(), 200);
    assert_eq!(stage.ask(&get("/")).await.status(), 200);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Pieces of any size, with pauses anywhere, come out as they went in.
    #[test]
    fn what_is_compressed_is_the_same_when_it_is_decompressed(
        pieces in proptest::collection::vec(("[a-z<>/ \\n]{1,400}", any::<bool>()), 1..20),
        brotli in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let sent: Vec<(String, bool)> = pieces.clone();
            let app = App::raw(move |mut wire, _| {
                let pieces = sent.clone();
                async move {
                    wire.message_head().await.expect("a request");
                    wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n").await;
                    for (piece, pause) in pieces {
                        wire.send(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
                        if pause {
                            tokio::task::yield_now().await;
                        }
                    }
                    wire.send("0\r\n\r\n").await;
                }
            })
            .await;
            let stage = stage(Middleware { compress: true, ..Middleware::default() }).await;
            stage.open(app.addr);
            let coding = if brotli { "br" } else { "gzip" };
            let reply = ask(&stage, "GET", "/", &format!("Accept-Encoding: {coding}\r\n")).await;
            let whole: String = pieces.iter().map(|(piece, _)| piece.as_str()).collect();
            assert_eq!(reply.header("content-encoding"), Some(coding));
            assert_eq!(unpacked(coding, &reply.body).await, whole);
        });
    }
}
