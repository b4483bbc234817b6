//! What the proxy remembers of requests, who may see it, and sending one again.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod proxy_support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use devloop::{
    plan::{Cors, Middleware, Origins, Prefix, RateLimit, Route, Target},
    proxy::Recording,
};
use proxy_support::{App, Reply, Stage, awaiting, failed, files_in, get, holding, ok, open, until, within};
use serde_json::Value;

async fn recording() -> Stage {
    Stage::with(|settings| settings.rules.recording = Recording { keep: 100, bodies: true }).await
}

async fn show(stage: &Stage, what: &str) -> Value {
    let reply = stage.get(&format!("/.devloop/{what}?token=t0ken")).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    serde_json::from_str(&reply.text()).unwrap()
}

/// All of them, once they are so.
async fn requests(stage: &Stage, fits: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    within(async {
        loop {
            let Value::Array(found) = show(stage, "requests").await["requests"].take() else { panic!("no list") };
            if fits(&found) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn done(row: &Value) -> bool {
    row["state"] == "done"
}

async fn act(stage: &Stage, what: &str, more: &str) -> Reply {
    stage
        .ask(&format!("POST /.devloop/requests/{what} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{more}\r\n"))
        .await
}

const TOKEN: &str = "X-Devloop-Token: t0ken\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_remembered_with_its_answer_its_instance_and_its_bodies() {
    let app = App::http(|_| async { ok("pong") }).await;
    let stage = recording().await;
    let run = stage.open(app.addr);
    let post = "POST /a?b=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nCookie: id=s3cr3t\r\n\r\nping";
    assert_eq!(stage.ask(post).await.text(), "pong");
    let row = requests(&stage, |rows| rows.len() == 1 && done(&rows[0])).await.remove(0);
    assert_eq!((&row["method"], &row["target"], &row["status"]), (&"POST".into(), &"/a?b=1".into(), &200.into()));
    assert_eq!((&row["run"], &row["revision"]), (&run.0.into(), &run.0.into()));
    assert_eq!((&row["request_bytes"], &row["response_bytes"], &row["attempts"]), (&4.into(), &4.into(), &1.into()));
    assert!(row["held_ms"].as_f64().unwrap() <= row["first_ms"].as_f64().unwrap());
    assert!(row["first_ms"].as_f64().unwrap() <= row["took_ms"].as_f64().unwrap());
    let detail = show(&stage, "requests/1").await;
    assert_eq!((&detail["request_body"]["text"], &detail["response_body"]["text"]), (&"ping".into(), &"pong".into()));
    assert!(!detail.to_string().contains("s3cr3t"), "{detail}");
    assert_eq!(detail["cannot_replay"], Value::Null);
    let all = show(&stage, "requests").await;
    let reply = stage.get(&format!("/.devloop/requests?token=t0ken&after={}", all["version"])).await;
    let newer: Value = serde_json::from_str(&reply.text()).unwrap();
    assert_eq!((&newer["requests"], &newer["oldest"]), (&serde_json::json!([]), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_of_the_proxy_nothing_is_remembered() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    stage.get("/").await;
    assert_eq!(show(&stage, "requests").await["requests"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_is_seen_while_it_is_held_and_a_refused_one_says_why() {
    let app = App::named("a").await;
    let stage = recording().await;
    stage.gate(holding());
    let mut wire = stage.connect().await;
    wire.send(get("/held")).await;
    stage.held(1).await;
    let rows = requests(&stage, |rows| rows.len() == 1).await;
    assert_eq!((&rows[0]["state"], &rows[0]["status"]), (&"held".into(), &Value::Null));
    stage.open(app.addr);
    assert_eq!(wire.reply().await.unwrap().status(), 200);
    requests(&stage, |rows| done(&rows[0])).await;
    stage.gate(failed("step `build` failed"));
    assert_eq!(stage.get("/refused").await.status(), 503);
    let rows = requests(&stage, |rows| rows.len() == 2 && done(&rows[0])).await;
    assert_eq!(
        (&rows[0]["status"], &rows[0]["reason"], &rows[0]["run"]),
        (&503.into(), &"failed".into(), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_counted_whole_and_kept_in_part() {
    let app = App::http(|_| async { ok(&"x".repeat(200_000)) }).await;
    let stage = recording().await;
    stage.open(app.addr);
    assert_eq!(stage.get("/").await.body.len(), 200_000);
    requests(&stage, |rows| done(&rows[0])).await;
    let body = show(&stage, "requests/1").await["response_body"].take();
    assert_eq!((&body["bytes"], &body["kept"]), (&200_000.into(), &(64 * 1024).into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_shown_to_our_own_page_only() {
    let stage = recording().await;
    for target in ["/.devloop/requests", "/.devloop/requests?token=wrong", "/.devloop/requests/1?token="] {
        assert_eq!(stage.get(target).await.status(), 403, "{target}");
    }
    for field in ["Origin: http://evil.test", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"] {
        let reply = stage
            .ask(&format!("GET /.devloop/requests?token=t0ken HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n"))
            .await;
        assert_eq!(reply.status(), 403, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_our_own_page_makes_devloop_send_a_request_again() {
    let app = App::named("a").await;
    let stage = recording().await;
    stage.open(app.addr);
    stage.get("/").await;
    requests(&stage, |rows| done(&rows[0])).await;
    assert_eq!(stage.get("/.devloop/requests/1/replay?token=t0ken").await.status(), 405);
    for more in [
        "",
        "X-Devloop-Token: wrong\r\n",
        "X-Devloop-Token: t0ken\r\nOrigin: http://evil.test\r\n",
        "X-Devloop-Token: t0ken\r\nSec-Fetch-Site: cross-site\r\n",
        "X-Devloop-Token: t0ken\r\nSec-Fetch-Site: same-site\r\n",
    ] {
        assert_eq!(act(&stage, "1/replay", more).await.status(), 403, "{more}");
    }
    // A token in the address can be put there by a link or a form of any page: it does not count for actions.
    let in_address =
        "POST /.devloop/requests/1/replay?token=t0ken HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(stage.ask(in_address).await.status(), 403);
    // What a browser asks before it sends such a header for another origin is not granted.
    let asks = "OPTIONS /.devloop/requests/1/replay HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.test\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-devloop-token\r\n\r\n";
    let asked = stage.ask(asks).await;
    assert_eq!((asked.status(), asked.header("access-control-allow-origin")), (405, None));
    assert_eq!(app.count(), 1);
    assert_eq!(act(&stage, "1/replay", TOKEN).await.status(), 202);
    until(|| app.count() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_again_is_the_same_request() {
    let app = App::http(|_| async { ok("pong") }).await;
    let stage = recording().await;
    stage.open(app.addr);
    let post = "POST /a?b=%2F HTTP/1.1\r\nHost: api.localhost:77\r\nContent-Length: 4\r\nCookie: id=s3cr3t\r\nX-A: 1\r\n\r\nping";
    stage.ask(post).await;
    requests(&stage, |rows| done(&rows[0])).await;
    act(&stage, "1/replay", TOKEN).await;
    let rows = requests(&stage, |rows| rows.len() == 2 && done(&rows[0])).await;
    assert_eq!((&rows[0]["replays"], &rows[0]["status"]), (&1.into(), &200.into()));
    let seen = app.seen.lock().unwrap();
    assert_eq!((&seen[1].start, &seen[1].body), (&seen[0].start, &seen[0].body));
    for name in ["host", "cookie", "x-a", "content-length", "x-forwarded-for"] {
        assert_eq!(seen[1].header(name), seen[0].header(name), "{name}");
    }
    assert_eq!((seen[0].header("x-devloop-replay"), seen[1].header("x-devloop-replay")), (None, Some("1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_kept_is_not_sent_again() {
    let app = App::named("a").await;
    let stage = Stage::with(|settings| settings.rules.recording = Recording { keep: 10, bodies: false }).await;
    stage.open(app.addr);
    stage.ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nping").await;
    requests(&stage, |rows| done(&rows[0])).await;
    let reply = act(&stage, "1/replay", TOKEN).await;
    assert_eq!(reply.status(), 409);
    assert!(reply.text().contains("record_bodies = true"), "{}", reply.text());
    assert_eq!(act(&stage, "99/replay", TOKEN).await.status(), 404);
}

/// The request that just failed is usually the one being fixed.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_is_sent_to_every_new_instance_until_it_succeeds() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let answer = move |_| {
        let status = if count.fetch_add(1, Ordering::SeqCst) < 2 { "500 Oops" } else { "200 OK" };
        async move { format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes() }
    };
    let app = App::http(answer).await;
    let stage = recording().await;
    let first = stage.open(app.addr);
    assert_eq!(stage.get("/x").await.status(), 500);
    requests(&stage, |rows| done(&rows[0])).await;
    assert_eq!(act(&stage, "1/replay-until-success", TOKEN).await.status(), 202);
    let replaying = |rows: &[Value], wanted: bool| rows.last().unwrap()["replaying"] == wanted;
    requests(&stage, |rows| replaying(rows, true)).await;
    // A save that is awaited is no swap.
    stage.gate(awaiting(first));
    stage.gate(open(first));
    stage.open(app.addr);
    let rows = requests(&stage, |rows| rows.len() == 2 && done(&rows[0])).await;
    assert_eq!((&rows[0]["status"], &rows[0]["replays"], replaying(&rows, true)), (&500.into(), &1.into(), true));
    stage.open(app.addr);
    let rows = requests(&stage, |rows| rows.len() == 3 && done(&rows[0]) && replaying(rows, false)).await;
    assert_eq!(rows[0]["status"], 200);
    stage.open(app.addr);
    stage.get("/last").await;
    assert_eq!(tries.load(Ordering::SeqCst), 4, "it was sent again although it had succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_again_can_be_stopped() {
    let app = App::http(|_| async { b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec() }).await;
    let stage = recording().await;
    stage.open(app.addr);
    stage.get("/x").await;
    requests(&stage, |rows| done(&rows[0])).await;
    act(&stage, "1/replay-until-success", TOKEN).await;
    act(&stage, "1/replay-stop", TOKEN).await;
    requests(&stage, |rows| rows[0]["replaying"] == false).await;
    stage.open(app.addr);
    stage.get("/y").await;
    assert_eq!(app.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_say_where_their_time_went_if_they_are_asked_to() {
    let app =
        App::http(|_| async { b"HTTP/1.1 200 OK\r\nServer-Timing: db;dur=2\r\nContent-Length: 0\r\n\r\n".to_vec() })
            .await;
    let stage = Stage::with(|settings| settings.rules.server_timing = true).await;
    stage.open(app.addr);
    let reply = stage.get("/").await;
    let told: Vec<&str> = reply
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("server-timing"))
        .map(|(_, v)| &**v)
        .collect();
    assert_eq!(told[0], "db;dur=2");
    assert!(told[1].starts_with("devloop-held;dur=") && told[1].contains(", devloop-app;dur="), "{told:?}");
    let silent = Stage::new().await;
    silent.open(app.addr);
    assert_eq!(silent.get("/").await.header("server-timing"), Some("db;dur=2"));
}

/// Everything about routes that devloop answers itself, before any gate.
#[tokio::test(flavor = "multi_thread")]
async fn what_devloop_answers_itself_is_remembered_with_its_reason_and_its_route() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "file").unwrap();
    let strict = Middleware {
        cors: Some(Cors {
            origins: Origins::ThisMachine,
            credentials: true,
            methods: vec![],
            headers: vec![],
            expose: vec![],
            max_age: None,
        }),
        basic_auth: [("ann".to_owned(), "secret".to_owned())].into(),
        ..Middleware::default()
    };
    let tight = Middleware { max_body: Some(1), max_headers: Some(100), ..Middleware::default() };
    let slow = RateLimit { requests: 1, per: std::time::Duration::from_secs(600), burst: 1 };
    let limited = Middleware { rate_limit: Some(slow), ..Middleware::default() };
    let service = || Target::Service { name: "api".into(), prefix: Prefix::Kept };
    let route = |path: &str, target, middleware| {
        Arc::new(Route { host: None, path: path.to_owned(), target, middleware: Arc::new(middleware) })
    };
    let stage = Stage::with(|settings| {
        settings.rules.recording = Recording { keep: 100, bodies: false };
        settings.rules.routes = vec![
            route("/old", Target::Redirect { to: "/new/{path}".to_owned(), status: 308 }, Middleware::default()),
            route("/files", files_in(folder.path(), None), Middleware::default()),
            route("/strict", service(), strict),
            route("/tight", service(), tight),
            route("/limited", service(), limited),
        ];
    })
    .await;
    let app = App::named("api").await;
    stage.open(app.addr);
    let fields = "Origin: http://localhost:5173\r\nAccess-Control-Request-Method: PUT\r\n";
    for (method, target, host, more, status, reason, route) in [
        ("GET", "/old/x?y", "localhost", "", 308, Some("redirect"), Some("redirect to /new/{path} (308)")),
        ("GET", "/files/a.txt", "localhost", "", 200, Some("files"), Some("files in public")),
        ("GET", "/files/b.txt", "localhost", "", 404, Some("no-file"), Some("files in public")),
        ("OPTIONS", "/strict", "localhost", fields, 204, Some("cors"), Some("service api")),
        ("GET", "/strict", "localhost", "", 401, Some("not-let-in"), Some("service api")),
        ("POST", "/tight", "localhost", "Content-Length: 2\r\n", 413, Some("body-too-long"), Some("service api")),
        (
            "GET",
            &format!("/tight?{}", "x"),
            "localhost",
            &format!("X-Long: {}\r\n", "y".repeat(99)),
            431,
            Some("head-too-large"),
            Some("service api"),
        ),
        ("GET", "/limited", "localhost", "", 200, None, None),
        ("GET", "/limited", "localhost", "", 429, Some("rate-limit"), Some("service api")),
        ("GET", "/nowhere", "localhost", "", 404, Some("no-route"), None),
        ("GET", "/", "evil.test", "", 403, Some("host-not-allowed"), None),
        ("GET", "/", "a b", "", 400, Some("bad-request"), None),
    ] {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n");
        assert_eq!(stage.ask(&request).await.status(), status, "{method} {target}");
        let row = requests(&stage, |rows| rows.first().is_some_and(|row| row["target"] == target && done(row)))
            .await
            .remove(0);
        assert_eq!((row["status"].as_u64(), row["reason"].as_str()), (Some(status.into()), reason), "{row}");
        assert_eq!(row["service"].as_str().is_some(), reason.is_none(), "{row}");
        if route.is_some() {
            assert_eq!(row["route"].as_str(), route, "{row}");
        }
        assert_eq!(row["method"], method);
    }
    // No program can get again what none has got.
    let rows = requests(&stage, |_| true).await;
    let file = rows.iter().find(|row| row["target"] == "/files/a.txt").unwrap();
    assert_eq!(file["response_bytes"], 4);
    let reply = act(&stage, &format!("{}/replay", file["number"]), TOKEN).await;
    assert_eq!(reply.status(), 409);
    assert!(reply.text().contains("devloop answers it itself"), "{}", reply.text());
    // What is devloop's own is not a request of anybody's.
    assert!(!rows.iter().any(|row| row["target"].as_str().unwrap().starts_with("/.devloop")), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_remembered_until_its_end_with_what_went_through_and_how_it_closed() {
    let app = App::raw(|mut wire, _| async move {
        wire.message(proxy_support::Rest::None).await.unwrap();
        wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
        let frame = wire.exactly(8).await.unwrap();
        wire.send([&frame[..], b"\x81\x03abc"].concat()).await;
        let _ = wire.rest().await;
    })
    .await;
    let stage = recording().await;
    let run = stage.open(app.addr);
    let handshake = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for close in [&b"\x88\x82\x01\x02\x03\x04\x02\xeb"[..], b""] {
        let mut wire = stage.connect().await;
        wire.send(handshake).await;
        assert_eq!(wire.head().await.status(), 101);
        wire.send(b"\x81\x82\0\0\0\0hi").await;
        within(wire.exactly(13)).await.unwrap();
        let rows = requests(&stage, |rows| rows[0]["state"] == "open").await;
        assert_eq!((&rows[0]["took_ms"], &rows[0]["close"]), (&Value::Null, &Value::Null));
        // The client says that it goes away with 1001; or a swap ends it.
        match close {
            [] => within(stage.proxy.drain(run, proxy_support::DEADLINE)).await,
            close => {
                wire.send(close).await;
                drop(wire);
            }
        }
        let rows = requests(&stage, |rows| done(&rows[0])).await;
        let (row, status) = (&rows[0], if close.is_empty() { 1012 } else { 1001 });
        assert_eq!((&row["close"], &row["status"]), (&status.into(), &101.into()), "{row}");
        assert_eq!(row["request_bytes"], 8 + close.len());
        assert_eq!(row["response_bytes"], 13);
        assert!(row["took_ms"].as_f64().is_some());
    }
}
