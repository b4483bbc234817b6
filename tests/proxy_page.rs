//! The page at `/.devloop/`: who gets it, and what it is told while it is open.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod proxy_support;

use std::sync::Arc;

use devloop::proxy::Recording;
use proxy_support::{App, Stage, Wire, get, within};
use serde_json::{Value, json};

/// What is told under this name, once it fits.
async fn told(wire: &mut Wire, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let wanted = format!("event: {name}");
    within(async {
        loop {
            let event = wire.until(b"\n\n").await.expect("an open stream");
            let event = String::from_utf8_lossy(&event).into_owned();
            if event.lines().any(|line| line == wanted) {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
                let data = serde_json::from_str(data).unwrap();
                if fits(&data) {
                    return data;
                }
            }
        }
    })
    .await
}

async fn live(stage: &Stage) -> Wire {
    let mut wire = stage.connect().await;
    wire.send(get("/.devloop/live?token=t0ken")).await;
    let head = wire.message_head().await.unwrap();
    assert_eq!((head.status(), head.header("content-type")), (200, Some("text/event-stream")));
    wire
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_complete_and_allows_nothing_that_it_does_not_need() {
    let stage = Stage::new().await;
    let page = stage.get("/.devloop/").await;
    assert_eq!((page.status(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!((page.header("x-frame-options"), page.header("cache-control")), (Some("DENY"), Some("no-store")));
    let policy = page.header("content-security-policy").unwrap();
    for rule in ["default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for (file, kind) in [("page.css", "text/css; charset=utf-8"), ("page.js", "text/javascript; charset=utf-8")] {
        assert!(page.text().contains(&format!("/.devloop/{file}")));
        let part = stage.get(&format!("/.devloop/{file}")).await;
        assert_eq!((part.status(), part.header("content-type")), (200, Some(kind)));
        assert!(!part.text().contains("t0ken"), "a file that every origin may load holds the token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_the_programs_own_pages_does_not_get_the_page() {
    let stage = Stage::new().await;
    let ask = |dest: &str| {
        format!(
            "GET /.devloop/ HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: {dest}\r\n\r\n"
        )
    };
    for dest in ["empty", "iframe", "script", "embed"] {
        assert_eq!(stage.ask(&ask(dest)).await.status(), 403, "{dest}");
    }
    assert_eq!(stage.ask(&ask("document")).await.status(), 200);
    assert_eq!(
        stage.ask("POST /.devloop/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await.status(),
        405
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_our_own_page_is_told_what_goes_on() {
    let stage = Stage::new().await;
    assert_eq!(stage.get("/.devloop/live").await.status(), 403);
    assert_eq!(stage.get("/.devloop/live?token=wrong").await.status(), 403);
    let foreign = "GET /.devloop/live?token=t0ken HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.test\r\n\r\n";
    assert_eq!(stage.ask(foreign).await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_told_everything_at_first_and_then_what_changes() {
    let app = App::named("a").await;
    let stage = Stage::with(|settings| settings.rules.recording = Recording { keep: 10, bodies: false }).await;
    stage.open(app.addr);
    stage.get("/before").await;
    let mut wire = live(&stage).await;
    let hello = told(&mut wire, "hello", |_| true).await;
    assert_eq!(hello["records"], true);
    assert_eq!(told(&mut wire, "status", |_| true).await, json!({ "ok": true }));
    let first = told(&mut wire, "requests", |news| news["requests"][0]["state"] == "done").await;
    assert_eq!(first["requests"][0]["target"], "/before");
    stage.get("/after").await;
    let next = told(&mut wire, "requests", |news| news["requests"][0]["state"] == "done").await;
    assert_eq!((&next["requests"][0]["target"], &next["requests"][1]), (&"/after".into(), &Value::Null));
    let counted = |stats: &Value| stats["services"][0]["requests"] == 2;
    told(&mut wire, "stats", counted).await;
    stage.status.send_replace(Arc::new(json!({ "ok": false })));
    told(&mut wire, "status", |status| status["ok"] == false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_pages_do_not_hold_up_the_end() {
    let stage = Stage::new().await;
    let mut wire = live(&stage).await;
    told(&mut wire, "status", |_| true).await;
    within(stage.proxy.shutdown()).await;
    let rest = within(wire.rest()).await.expect("an end");
    assert!(rest.ends_with(b"0\r\n\r\n"), "the stream does not end in order");
}
