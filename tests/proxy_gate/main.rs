//! Waiting at the gate: who waits, for what, how long, and what he is told if it was in vain.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

#[path = "../proxy_support/mod.rs"]
mod proxy_support;
mod refused;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use devloop::{
    core::gate::Gate,
    model::{Place, Report, RunId},
    proxy::Caller,
};
use proxy_support::{
    App, Message, Rest, Stage, Wire, awaiting, failed, get, holding, ok, open, rules, until, within, working,
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

const PAGE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Mode: navigate\r\nAccept: text/html\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_held_until_the_gate_opens_and_go_in_the_order_they_came() {
    let (arrived, _) = tokio::sync::watch::channel(0);
    let app = App::http(move |request| {
        arrived.send_modify(|count| *count += 1);
        let mut arrived = arrived.subscribe();
        async move {
            // The first ones are answered once there are eight of them: so many are sent at a time.
            let _ = arrived.wait_for(|count| *count >= 8).await;
            ok(request.target())
        }
    })
    .await;
    let stage = Stage::new().await;
    let mut waiting = Vec::new();
    for number in 0..30 {
        let mut wire = stage.connect().await;
        wire.send(get(&format!("/{number}"))).await;
        stage.held(number + 1).await;
        waiting.push(wire);
    }
    stage.gate(holding());
    stage.gate(working());
    assert_eq!(app.count(), 0);
    stage.open(app.addr);
    for (number, wire) in waiting.iter_mut().enumerate() {
        assert_eq!(wire.reply().await.unwrap().text(), format!("/{number}"));
    }
    // On their way to the program they may overtake each other; but the first eight that are let go are those that came
    // first, and nobody is forgotten.
    let mut seen: Vec<usize> =
        app.seen.lock().unwrap().iter().map(|seen| seen.target()[1..].parse().unwrap()).collect();
    seen[..8].sort_unstable();
    assert_eq!(seen[..8], [0, 1, 2, 3, 4, 5, 6, 7]);
    seen.sort_unstable();
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_limit_a_held_request_gets_504_and_knows_why() {
    let stage = Stage::with(|settings| settings.rules.hold = Duration::from_millis(50)).await;
    stage.gate(holding());
    let reply = stage.get("/").await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (504, Some("holding-limit")));
    assert!(reply.text().contains("step `build`"), "{}", reply.text());
    assert_eq!(stage.stats().held, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_stands_still_while_a_build_is_running_but_not_beyond_the_cap() {
    let stage = Stage::with(|settings| {
        settings.rules.hold = Duration::from_millis(20);
        settings.limits.hold_cap = Duration::from_millis(400);
    })
    .await;
    stage.gate(working());
    let started = Instant::now();
    assert_eq!(stage.get("/").await.status(), 504);
    assert!(started.elapsed() >= Duration::from_millis(400));
    let app = App::named("a").await;
    let mut wire = stage.connect().await;
    wire.send(get("/")).await;
    stage.held(1).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    stage.open(app.addr);
    assert_eq!(wire.reply().await.unwrap().text(), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_1025th_held_request_gets_503_and_the_others_are_answered() {
    // Both ends of each are in this process, and then one to the program for each that is let go.
    let (open_files, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    let many: usize = if open_files > 4000 { 1024 } else { 100 };
    let app = App::named("a").await;
    let stage = Stage::with(|settings| {
        assert_eq!(settings.limits.held, 1024);
        settings.limits.held = many;
    })
    .await;
    let mut waiting = Vec::new();
    for _ in 0..many {
        let mut wire = stage.connect().await;
        wire.send(get("/")).await;
        waiting.push(wire);
    }
    stage.held(many as u64).await;
    let reply = stage.get("/").await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (503, Some("too-many-held")));
    assert_eq!(reply.header("retry-after"), Some("1"));
    drop(waiting.pop());
    stage.held(many as u64 - 1).await;
    let mut wire = stage.connect().await;
    wire.send(get("/")).await;
    stage.held(many as u64).await;
    assert_eq!(stage.get("/").await.status(), 503);
    stage.open(app.addr);
    for wire in waiting.iter_mut().chain([&mut wire]) {
        assert_eq!(wire.reply().await.unwrap().text(), "a");
    }
}

/// 400 held requests and a program with a backlog of 5 that answers one at a time.
#[tokio::test(flavor = "multi_thread")]
async fn a_herd_does_not_run_over_a_program_with_a_short_backlog() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(5).unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let mut wire = Wire::new(stream);
            let Ok(request) = wire.message(Rest::None).await else { continue };
            tokio::time::sleep(Duration::from_millis(1)).await;
            let answer =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", &request.text());
            wire.send(answer).await;
        }
    });
    let stage = Stage::new().await;
    let mut waiting = Vec::new();
    for _ in 0..400 {
        let mut wire = stage.connect().await;
        wire.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nok").await;
        waiting.push(wire);
    }
    stage.held(400).await;
    stage.open(addr);
    for wire in &mut waiting {
        assert_eq!(wire.reply().await.unwrap().text(), "ok");
    }
    serving.abort();
}

async fn leaves(request: Vec<u8>, leave: impl AsyncFnOnce(Wire)) {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.gate(holding());
    let mut wire = stage.connect().await;
    // A body that nobody reads fills the sockets: then the client is stuck and leaves in the middle.
    let _ = tokio::time::timeout(Duration::from_millis(300), wire.stream.write_all(&request)).await;
    stage.held(1).await;
    leave(wire).await;
    stage.held(0).await;
    stage.open(app.addr);
    assert_eq!(stage.get("/after").await.status(), 200);
    let seen: Vec<String> = app.seen.lock().unwrap().iter().map(|seen| seen.start.clone()).collect();
    assert_eq!((seen, app.connections()), (vec!["GET /after HTTP/1.1".to_owned()], 1));
}

fn upload(size: usize, more: &str) -> Vec<u8> {
    let mut request =
        format!("POST / HTTP/1.1\r\nHost: localhost\r\n{more}Content-Length: {size}\r\n\r\n").into_bytes();
    request.resize(request.len() + size, b'x');
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_it_is_held_never_reaches_the_program() {
    leaves(get("/").into_bytes(), async |wire| drop(wire)).await;
    leaves(upload(1024, ""), async |wire| drop(wire)).await;
    leaves(upload(16 * 1024 * 1024, ""), async |wire| wire.stream.set_zero_linger().unwrap()).await;
    let mut expecting = upload(1024, "Expect: 100-continue\r\n");
    expecting.truncate(expecting.len() - 1024);
    leaves(expecting, async |wire| drop(wire)).await;
    let pipelined = [get("/"), get("/second")].concat().into_bytes();
    leaves(pipelined, async |wire| drop(wire)).await;
}

/// The end of such a connection stands behind data that nobody reads: only the OS's tables know.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_behind_an_unread_upload_never_reaches_the_program() {
    leaves(upload(1024 * 1024, ""), async |wire| drop(wire)).await;
    leaves(upload(16 * 1024 * 1024, ""), async |wire| drop(wire)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_save_is_awaited_requests_wait_and_then_get_the_new_program() {
    let (old, new) = (App::named("old").await, App::named("new").await);
    let stage = Stage::new().await;
    let run = stage.open(old.addr);
    assert_eq!(stage.get("/").await.text(), "old");
    stage.gate(awaiting(run));
    let mut wire = stage.connect().await;
    wire.send(get("/")).await;
    stage.held(1).await;
    stage.open(new.addr);
    let reply = wire.reply().await.unwrap();
    assert_eq!((reply.text().as_str(), reply.header("x-devloop-stale")), ("new", None));
    assert_eq!(old.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_outcome_is_bad_the_old_program_answers_and_says_so() {
    let old = App::named("old").await;
    let stage = Stage::new().await;
    let run = stage.open(old.addr);
    stage.gate(awaiting(run));
    let mut wire = stage.connect().await;
    wire.send(get("/")).await;
    stage.held(1).await;
    let stale = Some(Arc::from("step `build` failed\nmain.go:3"));
    stage.gate(Gate::Open { run, revision: devloop::model::Revision(1), awaiting: None, stale });
    let reply = wire.reply().await.unwrap();
    assert_eq!(
        (reply.text().as_str(), reply.header("x-devloop-stale")),
        ("old", Some("step `build` failed?main.go:3"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn background_requests_of_a_page_wait_for_a_save_only_shortly() {
    let old = App::named("old").await;
    let stage = Stage::with(|settings| settings.limits.background = Duration::from_millis(50)).await;
    let run = stage.open(old.addr);
    stage.gate(awaiting(run));
    let background = "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Mode: cors\r\nReferer: http://localhost/\r\n\r\n";
    let reply = stage.ask(background).await;
    assert_eq!((reply.text().as_str(), reply.header("x-devloop-stale")), ("old", Some("main.go was saved")));
    let mut page = stage.connect().await;
    page.send(PAGE).await;
    stage.held(1).await;
    assert_eq!(stage.ask(background).await.text(), "old");
    stage.gate(open(run));
    assert_eq!(page.reply().await.unwrap().header("x-devloop-stale"), None);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_himself() {
    let asked: Arc<Mutex<Vec<(u32, String)>>> = Arc::default();
    let log = Arc::clone(&asked);
    let waits_for = move |pid: u32, service: &str| {
        log.lock().unwrap().push((pid, service.to_owned()));
        Caller::AwaitedByThisGate
    };
    let app = App::named("a").await;
    let stage = Stage::knowing(|settings| settings.rules = rules(&["api"]), Arc::new(waits_for)).await;
    let run = stage.open(app.addr);
    assert_eq!(stage.get("/").await.text(), "a");
    assert!(asked.lock().unwrap().is_empty(), "nobody is looked up who need not wait");
    stage.gate(awaiting(run));
    let reply = stage.get("/").await;
    assert_eq!((reply.text().as_str(), reply.header("x-devloop-stale")), ("a", Some("main.go was saved")));
    stage.gate(working());
    let reply = stage.get("/").await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (503, Some("waits-for-itself")));
    assert!(asked.lock().unwrap().iter().all(|seen| *seen == (std::process::id(), "api".to_owned())));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn our_own_programs_wait_for_a_program_but_not_for_a_save() {
    let app = App::named("a").await;
    let stage = Stage::knowing(|_| {}, Arc::new(|_, _| Caller::Ours)).await;
    let run = stage.add(app.addr);
    stage.gate(awaiting(run));
    assert_eq!(stage.get("/").await.text(), "a");
    stage.gate(holding());
    let mut wire = stage.connect().await;
    wire.send(get("/")).await;
    stage.held(1).await;
    stage.gate(open(run));
    assert_eq!(wire.reply().await.unwrap().text(), "a");
}

fn report() -> Report {
    Report {
        title: "step `build` failed: exit code 1".into(),
        output: vec!["<main.go>:3: undefined: x".into()],
        coloured: Vec::new(),
        places: vec![Place { file: "main.go".into(), line: 3, column: Some(5), message: "undefined: x".into() }],
        hint: Some("fix it".into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_to_everybody_in_his_own_language() {
    let stage = Stage::new().await;
    let mut early = stage.connect().await;
    early.send(get("/")).await;
    stage.held(1).await;
    stage.gate(Gate::Failed { report: Arc::new(report()) });
    let reply = early.reply().await.unwrap();
    assert_eq!((reply.status(), reply.header("x-devloop")), (503, Some("failed")));

    let curl = stage.ask("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n").await;
    assert_eq!(curl.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(curl.text().contains("main.go:3:5: undefined: x") && curl.text().contains("hint: fix it"));

    let page = stage.ask(PAGE).await;
    assert_eq!((page.status(), page.header("content-type")), (503, Some("text/html; charset=utf-8")));
    let html = page.text();
    for part in ["main.go:3:5", "&lt;main.go&gt;", "fix it", "data-service=\"api\"", "data-token=\"t0ken\"", "failed:"]
    {
        assert!(html.contains(part), "{part}: {html}");
    }

    let json =
        stage.ask("POST / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(json.header("content-type"), Some("application/problem+json"));
    let json: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!((json["status"].as_u64(), json["places"][0]["line"].as_u64()), (Some(503), Some(3)));

    let grpc = "POST /a.B/C HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n";
    let grpc = stage.ask(grpc).await;
    assert_eq!((grpc.status(), grpc.header("grpc-status")), (200, Some("14")));

    let mut head = stage.connect().await;
    head.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(head.head().await.status(), 503);
    assert!(within(tokio::time::timeout(Duration::from_millis(50), head.more())).await.is_err(), "no body");

    let mut events = stage.connect().await;
    events.send("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n").await;
    assert!(within(events.rest()).await.unwrap_or_default().is_empty(), "dropped without a status");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_event_stream_is_dropped_at_its_limit() {
    let stage = Stage::with(|settings| settings.rules.hold = Duration::from_millis(30)).await;
    let mut events = stage.connect().await;
    events.send("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n").await;
    assert!(within(events.rest()).await.unwrap_or_default().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_the_next_save_holds_again() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.gate(failed("no"));
    assert_eq!(stage.get("/").await.status(), 503);
    stage.gate(working());
    let mut wire = stage.connect().await;
    wire.send(get("/")).await;
    stage.held(1).await;
    stage.open(app.addr);
    assert_eq!(wire.reply().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_gate_to_an_instance_that_is_not_known_yet_holds() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.gate(open(RunId(99)));
    let mut wire = stage.connect().await;
    wire.send(get("/")).await;
    stage.held(1).await;
    stage.proxy.add(RunId(99), vec![app.addr], devloop::plan::Protocol::Http);
    assert_eq!(wire.reply().await.unwrap().text(), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_gets_at_most_64_requests_at_a_time_and_the_others_in_turn() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, seen) = (Arc::clone(&now), Arc::clone(&most));
    let app = App::http(move |_: Message| {
        let (inside, seen) = (Arc::clone(&inside), Arc::clone(&seen));
        async move {
            seen.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
            inside.fetch_sub(1, Ordering::SeqCst);
            ok("x")
        }
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wires = Vec::new();
    for _ in 0..200 {
        let mut wire = stage.connect().await;
        wire.send(get("/")).await;
        wires.push(wire);
    }
    for wire in &mut wires {
        assert_eq!(wire.reply().await.unwrap().status(), 200);
    }
    assert!(most.load(Ordering::SeqCst) <= 64, "{most:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_refuses_the_held_and_lets_the_others_finish() {
    let app = App::http(|_| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        ok("late")
    })
    .await;
    let stage = Arc::new(Stage::with(|settings| settings.rules = rules(&["api", "web"])).await);
    stage.open(app.addr);
    let mut running = stage.connect().await;
    running.send(get("/")).await;
    until(|| app.count() == 1).await;
    let mut held = stage.connect().await;
    held.send("GET / HTTP/1.1\r\nHost: web.localhost\r\n\r\n").await;
    until(|| stage.proxy.stats().services[1].held == 1).await;
    let idle = stage.connect().await;
    let closing = Arc::clone(&stage);
    let closing = tokio::spawn(async move { closing.proxy.shutdown().await });
    let reply = held.reply().await.unwrap();
    assert_eq!((reply.status(), reply.header("x-devloop")), (503, Some("closing")));
    let reply = running.reply().await.unwrap();
    assert_eq!((reply.text().as_str(), reply.header("connection")), ("late", Some("close")));
    within(closing).await.unwrap();
    drop(idle);
    assert!(TcpStream::connect(stage.addr).await.is_err());
}
