//! What lives longer than an answer: WebSockets, other tunnels, event streams. A swap ends them as their kind expects.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

mod proxy_support;

use std::time::Duration;

use proxy_support::{App, Rest, Stage, Wire, awaiting, get, holding, ok, until, within};
use tokio::io::AsyncWriteExt;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const RAW: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: chat/2\r\n\r\n";
/// Close, 17 bytes, 1012 "service restart".
const RESTART: &[u8] = b"\x88\x11\x03\xf4service restart";

/// A program that switches and then does `talk`.
async fn switching<F>(protocol: &'static str, talk: impl Fn(Wire) -> F + Send + Sync + Clone + 'static) -> App
where
    F: Future<Output = ()> + Send + 'static,
{
    App::raw(move |mut wire, _| {
        let talk = talk.clone();
        async move {
            let Ok(request) = wire.message(Rest::None).await else { return };
            if request.header("upgrade").is_none() {
                return wire.send(ok("plain")).await;
            }
            assert_eq!((request.header("upgrade"), request.header("connection")), (Some(protocol), Some("Upgrade")));
            wire.send(format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
            ))
            .await;
            talk(wire).await;
        }
    })
    .await
}

async fn echo(mut wire: Wire) {
    loop {
        let bytes = std::mem::take(&mut wire.buffer);
        if wire.stream.write_all(&bytes).await.is_err() || !wire.more().await.unwrap_or(false) {
            return;
        }
    }
}

async fn switched(stage: &Stage, handshake: &str) -> Wire {
    let mut wire = stage.connect().await;
    wire.send(handshake).await;
    let head = within(wire.message_head()).await.unwrap();
    assert_eq!((head.status(), head.header("connection")), (101, Some("Upgrade")), "{head:?}");
    wire
}

/// A swap to another program; resolves when the old one is drained.
async fn swap(stage: &Stage, old: devloop::model::RunId, new: &App) {
    stage.open(new.addr);
    within(stage.proxy.drain(old, Duration::from_secs(20))).await;
    assert_eq!(stage.proxy.in_flight(old), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_passes_and_its_handshake_is_held() {
    let app = switching("websocket", echo).await;
    let stage = Stage::new().await;
    let run = stage.add(app.addr);
    stage.gate(holding());
    let mut wire = stage.connect().await;
    wire.send(HANDSHAKE).await;
    stage.held(1).await;
    stage.gate(awaiting(run));
    stage.gate(proxy_support::open(run));
    assert_eq!(within(wire.message_head()).await.unwrap().status(), 101);
    wire.send(b"\x81\x85\0\0\0\0hello").await;
    assert_eq!(within(wire.exactly(11)).await.unwrap(), b"\x81\x85\0\0\0\0hello");
    assert_eq!(stage.stats().tunnels, 1);
    drop(wire);
    until(|| stage.stats().tunnels == 0 && app.open_connections() == 0).await;
}

/// Sends back the first eight bytes after the handshake, then collects what comes until the end.
fn collecting() -> (impl Fn(Wire) -> Talk + Clone, tokio::sync::mpsc::Receiver<Vec<u8>>) {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let talk = move |mut wire: Wire| -> Talk {
        let sender = sender.clone();
        Box::pin(async move {
            let first = wire.exactly(8).await.unwrap();
            wire.send(first).await;
            let all = wire.rest().await.unwrap_or_default();
            let _ = sender.send(all).await;
        })
    };
    (talk, receiver)
}

type Talk = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

#[tokio::test(flavor = "multi_thread")]
async fn at_a_swap_both_ends_of_a_websocket_get_a_close() {
    let (talk, mut got) = collecting();
    let (old, new) = (switching("websocket", talk).await, App::named("new").await);
    let stage = Stage::new().await;
    let run = stage.open(old.addr);
    let mut wire = switched(&stage, HANDSHAKE).await;
    wire.send(b"\x81\x82\0\0\0\0hi").await;
    assert_eq!(within(wire.exactly(8)).await.unwrap(), b"\x81\x82\0\0\0\0hi");
    swap(&stage, run, &new).await;
    assert_eq!(within(wire.rest()).await.unwrap(), RESTART);
    let all = within(got.recv()).await.unwrap();
    // A masked Close with status 1001.
    assert_eq!(all[..2], [0x88, 0x82]);
    let (mask, status) = (&all[2..6], &all[6..]);
    let plain: Vec<u8> = status.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    assert_eq!(plain, 1001u16.to_be_bytes());
}

/// A swap in the middle of a frame that is part of a fragmented message: the frame is completed, the message is not.
#[tokio::test(flavor = "multi_thread")]
async fn the_close_comes_between_two_frames_also_in_a_fragmented_message() {
    let (half, mut at_half) = tokio::sync::mpsc::channel(1);
    let old = switching("websocket", move |mut wire| {
        let half = half.clone();
        async move {
            wire.send(b"\x01\x03abc").await;
            wire.send(b"\x00\x06de").await;
            half.send(()).await.unwrap();
            // The client's side goes first, so that this is known to be behind the swap.
            let close = wire.exactly(8).await.unwrap();
            assert_eq!(close[..2], [0x88, 0x82], "the close from the client's side");
            let _ = wire.stream.write_all(b"fghi\x80\x01z").await;
        }
    })
    .await;
    let new = App::named("new").await;
    let stage = Stage::with(|settings| settings.limits.parting = Duration::from_secs(10)).await;
    let run = stage.open(old.addr);
    let mut wire = switched(&stage, HANDSHAKE).await;
    within(at_half.recv()).await.unwrap();
    assert_eq!(within(wire.exactly(9)).await.unwrap(), b"\x01\x03abc\x00\x06de");
    stage.open(new.addr);
    let draining = stage.proxy.drain(run, Duration::from_secs(20));
    let reading = async {
        let all = within(wire.until(RESTART)).await.unwrap();
        // The frame behind it may have been on its way already.
        assert!(all == [b"fghi", RESTART].concat() || all == [b"fghi\x80\x01z", RESTART].concat(), "{all:?}");
        // The client answers the Close as it should.
        wire.send(b"\x88\x82\0\0\0\0\x03\xf4").await;
        assert!(within(wire.rest()).await.unwrap().is_empty());
    };
    tokio::join!(draining, reading);
    assert_eq!(stage.proxy.in_flight(run), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_that_never_comes_to_a_boundary_ends_all_the_same() {
    let old = switching("websocket", |mut wire| async move {
        wire.send(b"\x82\x7f\0\0\0\0\xff\xff\xff\xff").await;
        while wire.more().await.unwrap_or(false) {}
    })
    .await;
    let new = App::named("new").await;
    let stage = Stage::with(|settings| settings.limits.parting = Duration::from_millis(100)).await;
    let run = stage.open(old.addr);
    let mut wire = switched(&stage, HANDSHAKE).await;
    assert_eq!(within(wire.exactly(10)).await.unwrap().len(), 10);
    swap(&stage, run, &new).await;
    assert!(within(wire.rest()).await.unwrap_or_default().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_with_one_closed_side_carries_the_rest_of_the_other() {
    const TAIL: usize = 3 * 1024 * 1024;
    let app = switching("chat/2", |mut wire| async move {
        assert_eq!(wire.rest().await.unwrap(), b"question");
        let _ = wire.stream.write_all(&vec![7; TAIL]).await;
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = switched(&stage, RAW).await;
    wire.send("question").await;
    wire.stream.shutdown().await.unwrap();
    assert_eq!(within(wire.rest()).await.unwrap().len(), TAIL);
    until(|| stage.stats().tunnels == 0 && app.open_connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_with_one_closed_side_and_nothing_to_carry_ends() {
    let app = switching("chat/2", |mut wire| async move {
        wire.stream.shutdown().await.unwrap();
        while wire.more().await.unwrap_or(false) {}
    })
    .await;
    let stage = Stage::with(|settings| settings.limits.half_close = Duration::from_millis(50)).await;
    stage.open(app.addr);
    let mut wire = switched(&stage, RAW).await;
    assert!(within(wire.rest()).await.unwrap().is_empty());
    until(|| stage.stats().tunnels == 0 && app.open_connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tunnels_are_closed_at_a_swap() {
    let (old, new) = (switching("chat/2", echo).await, App::named("new").await);
    let stage = Stage::new().await;
    let run = stage.open(old.addr);
    let mut wire = switched(&stage, RAW).await;
    wire.send("abc").await;
    assert_eq!(within(wire.exactly(3)).await.unwrap(), b"abc");
    swap(&stage, run, &new).await;
    assert!(within(wire.rest()).await.unwrap().is_empty());
    until(|| old.open_connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_handshake_is_a_plain_answer() {
    let app = App::http(|_| async { b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec() }).await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    assert_eq!(wire.ask(HANDSHAKE).await.status(), 403);
    assert_eq!(wire.ask(&get("/")).await.status(), 403);
    assert_eq!(stage.stats().tunnels, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tunnels_come_and_go_and_do_not_use_up_what_requests_need() {
    let (old, new) = (switching("chat/2", echo).await, App::named("new").await);
    let stage = Stage::with(|settings| settings.limits.upstream = 8).await;
    let run = stage.open(old.addr);
    let mut wires = Vec::new();
    // Two sockets of ours for each of theirs, all in this process: as many as it may open.
    let many = if nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap().0 > 5000 {
        1000
    } else {
        200
    };
    for _ in 0..many {
        wires.push(switched(&stage, RAW).await);
    }
    assert_eq!(stage.stats().tunnels, many);
    assert_eq!(stage.get("/").await.text(), "plain");
    for wire in wires.drain(..wires.len() / 2) {
        drop(wire);
    }
    until(|| stage.stats().tunnels == many / 2 && stage.proxy.stats().connections == 0).await;
    swap(&stage, run, &new).await;
    assert_eq!(stage.stats().tunnels, 0);
    until(|| old.open_connections() == 0).await;
    drop(wires);
    until(|| half_closed(&[stage.addr.port(), old.addr.port()]) == 0).await;
}

/// Sockets in CLOSE_WAIT with one of these ports at our end or theirs: closed by the other side, and held by nobody's
/// will.
fn half_closed(ports: &[u16]) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let port = |end: &str| end.rsplit(':').next().and_then(|port| u16::from_str_radix(port, 16).ok());
    let is_ours = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = |index: usize| words.get(index).and_then(|end| port(end)).is_some_and(|port| ports.contains(&port));
        words.get(3) == Some(&"08") && (at(1) || at(2))
    };
    table.lines().filter(is_ours).count()
}

/// Sends what it is told, as an event stream.
async fn streaming(name: &'static str) -> (App, tokio::sync::broadcast::Sender<String>) {
    let (say, _) = tokio::sync::broadcast::channel::<String>(16);
    let said = say.clone();
    let app = App::raw(move |mut wire, _| {
        let mut said = said.subscribe();
        async move {
            let Ok(_) = wire.message(Rest::None).await else { return };
            wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let mut next = format!("data: hello from {name}\n\n");
            loop {
                let chunk = format!("{:x}\r\n{next}\r\n", next.len());
                if wire.stream.write_all(chunk.as_bytes()).await.is_err() {
                    return;
                }
                tokio::select! {
                    said = said.recv() => match said {
                        Ok(text) => next = text,
                        Err(_) => return,
                    },
                    more = wire.more() => if !more.unwrap_or(false) { return },
                }
            }
        }
    })
    .await;
    (app, say)
}

async fn subscribe(stage: &Stage) -> Wire {
    let mut wire = stage.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n").await;
    wire
}

async fn event(wire: &mut Wire) -> String {
    let chunk = within(wire.until(b"\n\n\r\n")).await.unwrap();
    String::from_utf8(chunk).unwrap().split_once("\r\n").unwrap().1.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_ends_cleanly_at_each_of_ten_swaps_and_is_held_in_between() {
    let stage = Stage::new().await;
    let (mut app, mut say) = streaming("a").await;
    let mut run = stage.open(app.addr);
    let mut wire = subscribe(&stage).await;
    for swap in 0..10 {
        assert_eq!(within(wire.message_head()).await.unwrap().status(), 200);
        assert_eq!(event(&mut wire).await, "data: hello from a");
        say.send("data: more\n\n".into()).unwrap();
        assert_eq!(event(&mut wire).await, "data: more");
        if swap % 2 == 0 {
            stage.gate(holding());
        }
        let old = run;
        let next = streaming("a").await;
        run = stage.add(next.0.addr);
        if swap % 2 == 1 {
            stage.gate(proxy_support::open(run));
        }
        within(stage.proxy.drain(old, Duration::from_secs(20))).await;
        assert_eq!(within(wire.until(b"0\r\n\r\n")).await.unwrap(), b"0\r\n\r\n");
        // The page connects again, at once, on the same connection.
        wire.send("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n").await;
        stage.gate(proxy_support::open(run));
        drop(std::mem::replace(&mut app, next.0));
        say = next.1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_under_way_is_finished_before_the_stream_ends() {
    let stage = Stage::with(|settings| settings.limits.parting = Duration::from_secs(20)).await;
    let ((old, say), new) = (streaming("a").await, App::named("new").await);
    let run = stage.open(old.addr);
    let mut wire = subscribe(&stage).await;
    within(wire.message_head()).await.unwrap();
    event(&mut wire).await;
    say.send("data: be".into()).unwrap();
    within(wire.until(b"data: be\r\n")).await.unwrap();
    stage.open(new.addr);
    let ending = async {
        say.send("gun\n\ndata: next".into()).unwrap();
        assert_eq!(within(wire.rest_of_chunks()).await.unwrap(), b"gun\n\n");
    };
    tokio::join!(stage.proxy.drain(run, Duration::from_secs(20)), async {
        // Only now it is certain that the swap came in the middle of the event.
        until(|| stage.proxy.in_flight(run) == 1).await;
        ending.await;
    });
    assert_eq!(stage.proxy.in_flight(run), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_whose_event_never_ends_is_cut_and_not_ended() {
    let stage = Stage::with(|settings| settings.limits.parting = Duration::from_millis(100)).await;
    let ((old, say), new) = (streaming("a").await, App::named("new").await);
    let run = stage.open(old.addr);
    let mut wire = subscribe(&stage).await;
    within(wire.message_head()).await.unwrap();
    event(&mut wire).await;
    say.send("data: be".into()).unwrap();
    within(wire.until(b"data: be\r\n")).await.unwrap();
    swap(&stage, run, &new).await;
    assert!(!within(wire.rest()).await.unwrap_or_default().ends_with(b"0\r\n\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn event_streams_do_not_use_up_what_requests_need() {
    let (app, _say) = streaming("a").await;
    let stage = Stage::with(|settings| settings.limits.upstream = 2).await;
    stage.open(app.addr);
    let mut wires = Vec::new();
    for _ in 0..20 {
        let mut wire = subscribe(&stage).await;
        assert_eq!(within(wire.message_head()).await.unwrap().status(), 200);
        wires.push(wire);
    }
}
