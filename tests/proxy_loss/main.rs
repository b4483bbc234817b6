//! No request is lost: swaps, races on kept connections, programs that die. And none is sent twice that must not be.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

#[path = "../proxy_support/mod.rs"]
mod proxy_support;
mod swaps;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use proxy_support::{App, Rest, Stage, Wire, failed, get, holding, ok, open, until, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};

/// The second request on a connection is never answered; how it ends is the question.
#[derive(Clone, Copy)]
enum Ending {
    Reset,
    FinAfterRead,
    FinBeforeRead,
}

async fn one_request_a_connection(ending: Ending) -> App {
    App::raw(move |mut wire, _| async move {
        let Ok(request) = wire.message(Rest::None).await else { return };
        wire.send(ok(request.target())).await;
        match ending {
            Ending::FinBeforeRead => {}
            Ending::FinAfterRead => drop(wire.message(Rest::None).await),
            Ending::Reset => {
                let _ = wire.more().await;
                wire.stream.set_zero_linger().unwrap();
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_closes_under_a_request_costs_nobody_anything() {
    for ending in [Ending::Reset, Ending::FinAfterRead, Ending::FinBeforeRead] {
        let app = one_request_a_connection(ending).await;
        let stage = Stage::new().await;
        stage.open(app.addr);
        for number in 0..20 {
            let target = format!("/{number}");
            assert_eq!(stage.get(&target).await.text(), target);
            let post = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx");
            let reply = stage.ask(&post).await;
            assert_eq!((reply.status(), reply.text()), (200, target), "{}", reply.header("x-devloop").unwrap_or(""));
        }
    }
}

/// A program that reads requests and never answers.
async fn mute() -> App {
    App::http(|_| std::future::pending()).await
}

fn numbered(method: &str, number: usize) -> String {
    format!("{method} /{number} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi")
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_program_is_killed_gets_go_to_the_next_one_and_posts_fail_and_none_is_done_twice() {
    let (old, new) = (mute().await, App::http(|request| async move { ok(request.target()) }).await);
    let stage = Stage::new().await;
    let run = stage.open(old.addr);
    let (mut gets, mut posts) = (Vec::new(), Vec::new());
    for number in 0..10 {
        let (mut reading, mut writing) = (stage.connect().await, stage.connect().await);
        reading.send(get(&format!("/{number}"))).await;
        writing.send(numbered("POST", number)).await;
        gets.push(reading);
        posts.push(writing);
    }
    until(|| old.count() == 20).await;
    old.kill();
    for wire in &mut posts {
        let reply = wire.reply().await.unwrap();
        assert_eq!((reply.status(), reply.header("x-devloop")), (502, Some("upstream-died")));
    }
    stage.gate(holding());
    stage.proxy.gone(run);
    stage.held(10).await;
    stage.open(new.addr);
    for (number, wire) in gets.iter_mut().enumerate() {
        let reply = wire.reply().await.unwrap();
        assert_eq!((reply.status(), reply.text()), (200, format!("/{number}")));
    }
    let seen = new.seen.lock().unwrap();
    assert!(seen.len() == 10 && seen.iter().all(|seen| seen.method() == "GET"), "{seen:?}");
    assert_eq!(stage.stats().replayed, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_replayed_once_and_not_again() {
    let app = App::raw(|mut wire, _| async move {
        let _ = wire.message(Rest::None).await;
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let reply = stage.get("/").await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (502, Some("upstream-died")));
    assert_eq!(app.connections(), 2);
    let keyed = "POST / HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: 1\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(stage.ask(keyed).await.status(), 502);
    assert_eq!(app.connections(), 4);
    let plain = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(stage.ask(plain).await.status(), 502);
    assert_eq!(app.connections(), 5);
}

/// A program whose first connection ends unanswered after it has read a request; later ones are answered.
async fn dies_once() -> App {
    App::raw(|mut wire, connection| async move {
        while let Ok(request) = wire.message(Rest::None).await {
            if connection == 0 {
                return;
            }
            wire.send(ok(&request.body.len().to_string())).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_may_be_done_twice_is_sent_twice() {
    for (method, field, status) in [
        ("GET", "", 200),
        ("HEAD", "", 200),
        ("OPTIONS", "", 200),
        ("TRACE", "", 200),
        ("PUT", "Content-Length: 2\r\n", 200),
        ("DELETE", "", 200),
        ("POST", "Content-Length: 2\r\nIdempotency-Key: 1\r\n", 200),
        ("PATCH", "Content-Length: 2\r\nIdempotency-Key: 1\r\n", 200),
        ("POST", "Content-Length: 2\r\n", 502),
        ("PATCH", "Content-Length: 2\r\n", 502),
        ("PROPFIND", "", 502),
        ("get", "", 502),
    ] {
        let app = dies_once().await;
        let stage = Stage::new().await;
        stage.open(app.addr);
        let mut wire = stage.connect().await;
        let body = if field.is_empty() { "" } else { "hi" };
        wire.send(format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{field}\r\n{body}")).await;
        let head = within(wire.message_head()).await.unwrap();
        assert_eq!((head.status(), app.connections()), (status, if status == 200 { 2 } else { 1 }), "{method} {field}");
    }
}

/// What is kept of bodies is bounded in all: whoever finds no room is not sent twice, and room that is free again is
/// used.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_find_no_room_are_not_sent_twice() {
    const SIZE: usize = 40 * 1024;
    let (old, new) = (mute().await, App::http(|request| async move { ok(&request.body.len().to_string()) }).await);
    let stage = Stage::with(|settings| settings.limits.kept_all = 3 * SIZE).await;
    let mut request = format!("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIZE}\r\n\r\n").into_bytes();
    request.resize(request.len() + SIZE, b'x');
    for _ in 0..3 {
        let (seen, run) = (old.count(), stage.open(old.addr));
        let mut wires = Vec::new();
        for number in 0..5 {
            let mut wire = stage.connect().await;
            wire.send(&request).await;
            until(|| old.count() == seen + number + 1).await;
            wires.push(wire);
        }
        stage.open(new.addr);
        stage.proxy.gone(run);
        let mut good = 0;
        for wire in &mut wires {
            let reply = wire.reply().await.unwrap();
            match reply.status() {
                200 => good += usize::from(reply.text() == SIZE.to_string()),
                status => assert_eq!((status, reply.header("x-devloop")), (502, Some("upstream-died"))),
            }
        }
        assert_eq!(good, 3, "as many as there is room for");
    }
}

/// A PUT whose instance dies after it has read the whole body.
async fn put_to_a_dying_program(size: usize) -> (u16, usize) {
    let first = Arc::new(AtomicBool::new(true));
    let app = App::raw(move |mut wire, _| {
        let first = Arc::clone(&first);
        async move {
            let Ok(request) = wire.message(Rest::None).await else { return };
            if !first.swap(false, Ordering::SeqCst) {
                wire.send(ok(&request.body.len().to_string())).await;
            }
        }
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    let mut request = format!("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    request.resize(request.len() + size, b'x');
    wire.send(request).await;
    let reply = wire.reply().await.unwrap();
    (reply.status(), reply.text().parse().unwrap_or(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_64_kib_is_kept_for_a_second_try_and_one_byte_more_is_not() {
    assert_eq!(put_to_a_dying_program(64 * 1024).await, (200, 64 * 1024));
    assert_eq!(put_to_a_dying_program(64 * 1024 + 1).await, (502, 0));
    assert_eq!(put_to_a_dying_program(0).await, (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_begun_is_neither_replayed_nor_ended_cleanly() {
    for head in ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"] {
        let app = App::raw(move |mut wire, _| async move {
            let _ = wire.message(Rest::None).await;
            wire.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n5\r\nhello\r\n")).await;
        })
        .await;
        let stage = Stage::new().await;
        stage.open(app.addr);
        let mut wire = stage.connect().await;
        wire.send(get("/")).await;
        assert!(wire.reply().await.is_err(), "{head}");
        assert_eq!(app.connections(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_is_an_answer_that_has_begun() {
    let app = App::raw(|mut wire, _| async move {
        let _ = wire.message(Rest::None).await;
        wire.send("HTTP/1.1 200 OK\r\nContent-").await;
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let reply = stage.get("/").await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (502, Some("upstream-died")));
    assert_eq!(app.connections(), 1);
}

/// Where only the end of the connection ends the answer, a clean end would be a lie.
#[tokio::test(flavor = "multi_thread")]
async fn an_http_10_client_sees_a_reset_when_the_program_dies_in_its_answer() {
    let app = App::raw(move |mut wire, _| async move {
        let _ = wire.message(Rest::None).await;
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").await;
    assert!(within(wire.rest()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_answers_before_it_has_read_everything_is_heard() {
    let app = App::raw(|mut wire, _| async move {
        let _ = wire.message_head().await;
        wire.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig").await;
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    for _ in 0..20 {
        let wire = stage.connect().await;
        let (mut reader, mut writer) = wire.stream.into_split();
        let sending = tokio::spawn(async move {
            let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 8 << 20);
            let _ = writer.write_all(head.as_bytes()).await;
            let _ = writer.write_all(&vec![0; 8 << 20]).await;
            writer
        });
        let mut start = [0; 12];
        within(tokio::io::AsyncReadExt::read_exact(&mut reader, &mut start)).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 413");
        sending.abort();
    }
}

/// The process is gone, but something still holds its socket open.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_outlives_its_process_is_cut() {
    let (old, new) = (mute().await, App::named("new").await);
    let stage = Stage::with(|settings| settings.limits.silence = Duration::from_millis(50)).await;
    let run = stage.open(old.addr);
    let mut wire = stage.connect().await;
    wire.send(get("/")).await;
    until(|| old.count() == 1).await;
    stage.open(new.addr);
    stage.proxy.gone(run);
    assert_eq!(wire.reply().await.unwrap().text(), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_a_program_that_has_exited_is_delivered_to_its_last_byte() {
    const SIZE: usize = 4 * 1024 * 1024;
    let app = App::raw(|mut wire, _| async move {
        let _ = wire.message(Rest::None).await;
        let _ = wire.stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes()).await;
        let _ = wire.stream.write_all(&vec![b'x'; SIZE]).await;
    })
    .await;
    let stage = Stage::with(|settings| settings.limits.silence = Duration::from_millis(20)).await;
    let run = stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send(get("/")).await;
    within(wire.message_head()).await.unwrap();
    stage.gate(failed("gone"));
    stage.proxy.gone(run);
    // A client that does not read for a while must not lose what the OS still keeps for it.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(within(wire.exactly(SIZE)).await.unwrap().len(), SIZE);
}
