//! What devloop answers itself, on the proxy's port.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

mod proxy_support;

use std::{sync::Arc, time::Duration};

use devloop::{
    core::fact::Fact,
    model::{Line, Revision, RunId, Stream, Time},
};
use proxy_support::{Stage, Wire, awaiting, failed, get, open, within, working};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_waits_asks_for_the_output_that_it_has_not_seen() {
    let stage = Stage::new().await;
    let write = |text: &str| {
        let line = Line { source: "build".into(), run: RunId(1), stream: Stream::Out, text: text.to_owned() };
        stage.chronicle.line(Time::ZERO, Duration::ZERO, &line);
    };
    let output = async |after: u64| -> Value {
        let answer = stage.get(&format!("/.devloop/output?token=t0ken&after={after}")).await;
        assert_eq!(answer.status(), 200);
        serde_json::from_slice(&answer.body).unwrap()
    };
    write("of the save before");
    let (revision, files, reads) = (Revision(2), vec!["main.go".to_owned()], vec!["build".into()]);
    let saved = Fact::Saved { revision, files, count: 1, settle_ms: 10.0, reads };
    stage.chronicle.fact(Time::ZERO, Duration::ZERO, &saved);
    write("\u{1b}[1ma");
    write(&"ü".repeat(2_000));
    let long = json!({ "source": "build", "text": "ü".repeat(1_000) });
    let both = json!([{ "source": "build", "text": "\u{1b}[1ma" }, long]);
    assert_eq!(output(0).await, json!({ "next": 4, "lines": both }));
    assert_eq!(output(3).await, json!({ "next": 4, "lines": [long] }));
    assert_eq!(output(4).await, json!({ "next": 4, "lines": [] }));
    for _ in 0..1_000 {
        write("b");
    }
    assert_eq!(output(4).await["lines"].as_array().unwrap().len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_events_are_there_and_nothing_else() {
    let stage = Stage::new().await;
    stage.gate(failed("no"));
    stage.status.send_replace(Arc::new(serde_json::json!({ "revision": 5 })));
    let status = stage.get("/.devloop/status").await;
    assert_eq!((status.status(), status.header("x-devloop")), (200, Some("own")));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&status.body).unwrap()["revision"], 5);
    assert_eq!(status.header("access-control-allow-origin"), None);
    assert_eq!(stage.get("/.devloop/other").await.status(), 404);
    let post = "POST /.devloop/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(stage.ask(post).await.status(), 405);
    assert_eq!(stage.get("/.devloop/events").await.status(), 403);
    assert_eq!(stage.get("/.devloop/events?token=wrong").await.status(), 403);
    let foreign = "GET /.devloop/events?token=t0ken HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.test\r\n\r\n";
    assert_eq!(stage.ask(foreign).await.status(), 403);
}

async fn next_event(wire: &mut Wire) -> (String, serde_json::Value) {
    loop {
        let text = within(wire.until(b"\n\n")).await.unwrap();
        let text = String::from_utf8(text).unwrap();
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start).map(str::to_owned));
        if let (Some(event), Some(data)) = (line("event: "), line("data: ")) {
            return (event, serde_json::from_str(&data).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_every_change_of_a_gate() {
    let stage = Stage::new().await;
    stage.gate(failed("no"));
    let mut wire = stage.connect().await;
    wire.send(get("/.devloop/events?token=t0ken")).await;
    assert_eq!(within(wire.message_head()).await.unwrap().header("content-type"), Some("text/event-stream"));
    let (event, data) = next_event(&mut wire).await;
    assert_eq!((event.as_str(), &data["services"][0]["state"]), ("hello", &"failed".into()));
    let key = data["services"][0]["key"].clone();
    stage.gate(working());
    assert_eq!(next_event(&mut wire).await.0, "holding");
    stage.gate(open(RunId(7)));
    let (event, data) = next_event(&mut wire).await;
    assert_eq!((event.as_str(), data["revision"].as_u64()), ("live", Some(7)));
    assert_ne!(data["key"], key);
    stage.gate(awaiting(RunId(7)));
    assert_eq!(next_event(&mut wire).await.0, "saved");
    stage.gate(failed("again"));
    assert_eq!(next_event(&mut wire).await.1["report"]["title"], "again");
}
