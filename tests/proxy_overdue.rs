//! Programs that do not answer: nothing is done about it, and people are told.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod proxy_support;

use std::time::Duration;

use devloop::proxy::{Recording, Told};
use proxy_support::{App, Rest, Stage, get, holding, ok, open, rules, until, within};
use tokio::sync::watch;

/// One for which little is much.
async fn impatient() -> Stage {
    Stage::with(|settings| {
        settings.rules = rules(&["api", "web"]);
        settings.rules.recording = Recording { keep: 100, bodies: false };
        settings.limits.answer = Duration::from_millis(200);
    })
    .await
}

fn notes(stage: &Stage) -> Vec<String> {
    let told = stage.told.lock().unwrap();
    let texts = told.iter().filter_map(|told| match told {
        Told::Note { text, .. } => Some(text.clone()),
        Told::Request(_) => None,
    });
    texts.collect()
}

/// Answers nothing until it is told to.
async fn stuck() -> (App, watch::Sender<bool>) {
    let (go, wait) = watch::channel(false);
    let app = App::http(move |_| {
        let mut wait = wait.clone();
        async move {
            _ = wait.wait_for(|go| *go).await;
            ok("late")
        }
    })
    .await;
    (app, go)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_no_answer_is_told_of_once_and_may_still_get_one() {
    let (app, go) = stuck().await;
    let stage = impatient().await;
    stage.open(app.addr);
    let (mut first, mut second) = (stage.connect().await, stage.connect().await);
    first.send(get("/slow?key=secret")).await;
    until(|| notes(&stage).len() == 1).await;
    second.send(get("/slower")).await;
    until(|| notes(&stage).len() > 1).await;
    let notes = notes(&stage);
    assert!(notes[0].starts_with("`GET /slow` has had no answer from service api for "), "{notes:?}");
    assert!(notes[1].starts_with("`GET /slower` has had no answer from service api for "), "{notes:?}");
    assert!(notes.len() == 2 && notes.iter().all(|note| note.ends_with(" s") || note.ends_with(" ms")), "{notes:?}");
    go.send_replace(true);
    assert_eq!(first.reply().await.unwrap().text(), "late");
    assert_eq!(second.reply().await.unwrap().text(), "late");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_held_is_not_told_of() {
    let (app, _go) = stuck().await;
    let stage = impatient().await;
    stage.gate(holding());
    stage.gate_of("web", open(stage.add(app.addr)));
    let mut held = stage.connect().await;
    held.send(get("/held")).await;
    stage.held(1).await;
    let mut sent = stage.connect().await;
    sent.send("GET /sent HTTP/1.1\r\nHost: web.localhost\r\n\r\n").await;
    until(|| !notes(&stage).is_empty()).await;
    assert!(notes(&stage)[0].starts_with("`GET /sent` has had no answer from service web for "), "{:?}", notes(&stage));
    assert_eq!(notes(&stage).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_an_answer_that_has_begun() {
    let app = App::raw(|mut wire, _| async move {
        let request = wire.message(Rest::None).await.unwrap();
        let head: &[u8] = match request.target() {
            "/ws" => b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "/events" => b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
            _ => b"",
        };
        wire.send(head).await;
        std::future::pending::<()>().await;
    })
    .await;
    let stage = impatient().await;
    stage.open(app.addr);
    let mut open = Vec::new();
    for (target, fields) in [("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n"), ("/events", "")] {
        let mut wire = stage.connect().await;
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")).await;
        within(wire.message_head()).await.unwrap();
        open.push(wire);
    }
    let mut slow = stage.connect().await;
    slow.send(get("/slow")).await;
    until(|| !notes(&stage).is_empty()).await;
    let notes = notes(&stage);
    assert!(notes.len() == 1 && notes[0].starts_with("`GET /slow` has") && !notes[0].contains("other"), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_not_taken_and_is_held_again_is_not_told_of() {
    let (app, _go) = stuck().await;
    let stage = impatient().await;
    let nobody = App::named("gone").await;
    nobody.kill();
    until(|| std::net::TcpStream::connect(nobody.addr).is_err()).await;
    stage.open(nobody.addr);
    stage.gate_of("web", open(stage.add(app.addr)));
    let mut held = stage.connect().await;
    held.send(get("/held")).await;
    // It was let in, and let in again.
    within(async {
        loop {
            let list = stage.get("/.devloop/requests?token=t0ken").await.text();
            if list.contains("\"attempts\":") && !list.contains("\"attempts\":0") {
                return;
            }
        }
    })
    .await;
    stage.gate(holding());
    stage.held(1).await;
    let mut sent = stage.connect().await;
    sent.send("GET /sent HTTP/1.1\r\nHost: web.localhost\r\n\r\n").await;
    until(|| !notes(&stage).is_empty()).await;
    assert!(notes(&stage)[0].starts_with("`GET /sent` has"), "{:?}", notes(&stage));
    assert_eq!(notes(&stage).len(), 1);
}
