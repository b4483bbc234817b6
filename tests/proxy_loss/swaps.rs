//! Swaps, slow ones and as many as possible: each request is answered, and once.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_closes_idle_connections_and_waits_for_the_busy_ones() {
    let app = App::http(|request| async move {
        if request.target() == "/slow" {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        ok("old")
    })
    .await;
    let new = App::named("new").await;
    let stage = Stage::new().await;
    let run = stage.open(app.addr);
    stage.get("/").await;
    let mut slow = stage.connect().await;
    slow.send("POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await;
    until(|| app.count() == 2).await;
    assert_eq!(app.open_connections(), 2);
    stage.open(new.addr);
    let started = std::time::Instant::now();
    within(stage.proxy.drain(run, Duration::from_secs(20))).await;
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(stage.proxy.in_flight(run), 0);
    assert_eq!(slow.reply().await.unwrap().text(), "old");
    assert_eq!(stage.get("/").await.text(), "new");
    until(|| app.open_connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_at_its_limit_and_a_request_that_can_be_repeated_is_taken_over() {
    let (old, new) = (mute().await, App::named("new").await);
    let stage = Stage::new().await;
    let run = stage.open(old.addr);
    let (mut reading, mut writing) = (stage.connect().await, stage.connect().await);
    reading.send(get("/")).await;
    writing.send(numbered("POST", 1)).await;
    until(|| old.count() == 2).await;
    stage.open(new.addr);
    within(stage.proxy.drain(run, Duration::from_millis(50))).await;
    assert_eq!(stage.proxy.in_flight(run), 2);
    old.kill();
    stage.proxy.gone(run);
    assert_eq!(reading.reply().await.unwrap().text(), "new");
    assert_eq!(writing.reply().await.unwrap().status(), 502);
    assert_eq!(new.count(), 1);
}

/// Swaps as fast as they can be told, under load: nobody may notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn swaps_as_fast_as_possible_cost_no_request() {
    let apps: Vec<App> = vec![App::named("a").await, App::named("b").await];
    let stage = Arc::new(Stage::new().await);
    let mut run = stage.open(apps[0].addr);
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for worker in 0..32 {
        let (stage, stop, answered) = (Arc::clone(&stage), Arc::clone(&stop), Arc::clone(&answered));
        workers.spawn(async move {
            let mut wire = stage.connect().await;
            while !stop.load(Ordering::Relaxed) {
                let request = if worker % 2 == 0 { get("/") } else { numbered("POST", worker) };
                let reply = wire.ask(&request).await;
                assert_eq!(reply.status(), 200, "{reply:?}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for swap in 1..300 {
        let old = run;
        if swap % 3 == 0 {
            stage.gate(holding());
        }
        run = stage.open(apps[swap % 2].addr);
        within(stage.proxy.drain(old, Duration::from_secs(30))).await;
        assert_eq!(stage.proxy.in_flight(old), 0);
        stage.proxy.gone(old);
    }
    until(|| answered.load(Ordering::Relaxed) > 1000).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(worker) = within(workers.join_next()).await {
        worker.unwrap();
    }
    assert_eq!(stage.stats().refused, 0);
}

/// Every instance is a program of its own that is really stopped after its drain.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn through_200_swaps_of_both_kinds_each_post_is_carried_out_exactly_once() {
    let done: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let app = |done: &Arc<Mutex<HashMap<String, usize>>>| {
        let done = Arc::clone(done);
        App::http(move |request| {
            let done = Arc::clone(&done);
            async move {
                if request.method() == "POST" {
                    *done.lock().unwrap().entry(request.target().to_owned()).or_default() += 1;
                }
                ok(request.target())
            }
        })
    };
    let stage = Arc::new(Stage::new().await);
    let mut live = app(&done).await;
    let mut run = stage.open(live.addr);
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for client in 0..16 {
        let (stage, stop) = (Arc::clone(&stage), Arc::clone(&stop));
        clients.spawn(async move {
            let mut sent = Vec::new();
            let mut wire = stage.connect().await;
            while !stop.load(Ordering::Relaxed) {
                let target = format!("/{client}/{}", sent.len());
                let reply = wire
                    .ask(&format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi"))
                    .await;
                assert_eq!((reply.status(), reply.text()), (200, target.clone()));
                sent.push(target);
                let reply = wire.ask(&get("/read")).await;
                assert_eq!((reply.status(), reply.text()), (200, "/read".to_owned()));
                if sent.len() % 5 == 0 {
                    wire = stage.connect().await;
                }
            }
            sent
        });
    }
    for swap in 0..200 {
        let before = done.lock().unwrap().len();
        until(|| done.lock().unwrap().len() > before + 8).await;
        let exclusive = swap % 2 == 1;
        if exclusive {
            stage.gate(holding());
            within(stage.proxy.drain(run, Duration::from_secs(30))).await;
            live.kill();
            stage.proxy.gone(run);
        }
        let next = app(&done).await;
        let old = std::mem::replace(&mut live, next);
        let before = std::mem::replace(&mut run, stage.open(live.addr));
        if !exclusive {
            within(stage.proxy.drain(before, Duration::from_secs(30))).await;
            old.kill();
            stage.proxy.gone(before);
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut sent = Vec::new();
    while let Some(client) = within(clients.join_next()).await {
        sent.extend(client.unwrap());
    }
    let done = done.lock().unwrap();
    assert!(sent.iter().all(|target| done.get(target) == Some(&1)));
    assert_eq!(done.len(), sent.len());
    assert!(sent.len() > 1600, "{}", sent.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_held_across_many_gates_is_sent_once() {
    let app = App::named("a").await;
    let stage = Stage::new().await;
    let mut wire = Wire::connect(stage.addr).await;
    wire.send(numbered("POST", 1)).await;
    stage.held(1).await;
    let dead = App::named("dead").await;
    dead.kill();
    until(|| std::net::TcpStream::connect(dead.addr).is_err()).await;
    for _ in 0..50 {
        let run = stage.open(dead.addr);
        stage.gate(holding());
        stage.proxy.drain(run, Duration::from_secs(1)).await;
    }
    let run = stage.add(app.addr);
    stage.gate(open(run));
    assert_eq!(wire.reply().await.unwrap().text(), "a");
    assert_eq!(app.count(), 1);
}

/// A program that reads one upload of `length` bytes, and tells once the first byte of it is there.
async fn uploaded_to(length: usize) -> (SocketAddr, tokio::sync::oneshot::Receiver<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    let (begun, first) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("the proxy connects");
        let mut read = vec![0; 64 * 1024];
        let mut all = stream.read(&mut read).await.expect("it sends");
        begun.send(()).expect("the test waits");
        while all < length {
            all += stream.read(&mut read).await.expect("it sends").max(1);
        }
        stream.write_all(&ok("old")).await.expect("it listens");
    });
    (addr, first)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_still_moves_may_go_on_after_the_limit_and_one_that_stands_still_may_not() {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    let (old, first) = uploaded_to(1_000_000).await;
    let (limit, uploads) = (Duration::from_secs(1), Duration::from_secs(60));
    let new = App::named("new").await;
    let stage = Stage::new().await;
    let run = stage.open(old);
    let mut upload = stage.connect().await;
    upload.send(HEAD).await;
    upload.send("x".repeat(100_000)).await;
    first.await.unwrap();
    stage.open(new.addr);
    let mut drained = std::pin::pin!(stage.proxy.drain_uploads(run, limit, uploads));
    for _ in 0..8 {
        upload.send("x".repeat(100_000)).await;
        tokio::select! {
            () = &mut drained => panic!("an upload that moves was given up"),
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
    upload.send("x".repeat(100_000)).await;
    within(drained).await;
    assert_eq!(stage.proxy.in_flight(run), 0);
    assert_eq!(upload.reply().await.unwrap().text(), "old");

    let (stuck, first) = uploaded_to(1_000_000).await;
    let run = stage.open(stuck);
    let mut upload = stage.connect().await;
    upload.send(HEAD).await;
    first.await.unwrap();
    stage.open(new.addr);
    within(stage.proxy.drain_uploads(run, limit, Duration::from_secs(600))).await;
    assert_eq!(stage.proxy.in_flight(run), 1);
}
