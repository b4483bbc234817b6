//! What the page at `/.devloop/` is told while it is open: the status, what is new in the journal and in the records,
//! and the numbers. Each when it has changed, a few times a second at most; a page that is not open costs nothing.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    inspect::list,
    settings::Stats,
    shared::{Life, Shared},
};
use crate::{model::Time, sys::unix_time};

/// Between two looks.
const ROUND: Duration = Duration::from_millis(250);
/// The numbers are told this often while they change: rates over shorter times jump.
const NUMBERS: Duration = Duration::from_secs(1);
/// A comment this often keeps the connection from looking dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a page has been told.
struct Told {
    status: Option<Arc<Value>>,
    journal: u64,
    records: u64,
    stats: Option<(Time, Stats)>,
    last: Time,
}

/// Tells a page everything until it leaves or the proxy ends.
pub(super) async fn tell(shared: Arc<Shared>, to: mpsc::Sender<Bytes>) {
    let mut life = shared.life.subscribe();
    let recording = shared.known().recording.keep > 0;
    let hello = json!({ "now": (unix_time().as_secs_f64() * 1_000.0).round(), "records": recording });
    let mut next = vec![Bytes::from("retry: 1000\n\n"), event("hello", &hello)];
    let mut told = Told { status: None, journal: 0, records: 0, stats: None, last: shared.clock.now() };
    loop {
        news(&shared, &mut told, &mut next);
        for piece in next.drain(..) {
            if to.send(piece).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = to.closed() => return,
            _ = life.wait_for(|life| *life == Life::Closing) => return,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

fn news(shared: &Shared, told: &mut Told, next: &mut Vec<Bytes>) {
    let now = shared.clock.now();
    let before = next.len();
    let status = shared.status.borrow().clone();
    if told.status.as_ref() != Some(&status) {
        next.push(event("status", &status));
        told.status = Some(status);
    }
    if let Some(news) = (shared.since)(told.journal) {
        told.journal = news["version"].as_u64().unwrap_or(told.journal);
        next.push(event("journal", &news));
    }
    if shared.records.version() != told.records {
        let news = list(&shared.records, told.records);
        told.records = news["version"].as_u64().unwrap_or(told.records);
        next.push(event("requests", &news));
    }
    numbers(shared, now, told, next);
    if next.len() > before {
        told.last = now;
    } else if now.since(told.last) >= HEARTBEAT {
        told.last = now;
        next.push(Bytes::from(": still here\n\n"));
    }
}

fn numbers(shared: &Shared, now: Time, told: &mut Told, next: &mut Vec<Bytes>) {
    let since = told.stats.as_ref().map(|(at, _)| now.since(*at));
    if since.is_some_and(|since| since < NUMBERS) {
        return;
    }
    let stats = shared.stats();
    let changed = told.stats.as_ref().is_none_or(|(_, known)| *known != stats);
    if changed {
        let mut shown = serde_json::to_value(&stats).unwrap_or_default();
        shown["seconds"] = json!(since.unwrap_or(NUMBERS).as_secs_f64());
        next.push(event("stats", &shown));
    }
    // Also where nothing is told: a rate is over the time since the last look, not since the last change.
    told.stats = Some((now, stats));
}

/// JSON has no line breaks of its own, so one line of data is enough.
fn event(name: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
