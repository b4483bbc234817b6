//! What pages are told: the state of each gate, once on connecting and then whenever it changes. A state has a key: a
//! page that shows another key is out of date. Pure, apart from the task that sends.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::shared::{Life, Shared};
use crate::core::gate::{Gate, Gates};

/// A comment this often keeps connections from looking dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Names the state of a gate: equal for equal states, another one after every swap or failure.
pub(super) fn key(gate: Option<&Gate>) -> String {
    match gate {
        None | Some(Gate::Holding { .. }) => "holding".to_owned(),
        Some(Gate::Open { run, .. }) => format!("open:{run}"),
        Some(Gate::Failed { report }) => {
            let mut hasher = DefaultHasher::new();
            (&report.title, &report.output, &report.hint).hash(&mut hasher);
            format!("failed:{:016x}", hasher.finish())
        }
    }
}

/// The event that tells of this state.
fn name(gate: &Gate) -> &'static str {
    match gate {
        Gate::Open { awaiting: Some(_), .. } => "saved",
        Gate::Open { stale: Some(_), .. } => "stale",
        Gate::Open { .. } => "live",
        Gate::Holding { .. } => "holding",
        Gate::Failed { .. } => "failed",
    }
}

/// The state of one gate as pages read it.
fn state(service: &str, gate: &Gate) -> Value {
    let key = key(Some(gate));
    let state = name(gate);
    match gate {
        Gate::Open { run, revision, awaiting, stale } => json!({
            "service": service, "state": state, "key": key, "run": run, "revision": revision,
            "stale": stale.as_deref(), "why": awaiting.as_ref().map(|awaiting| &*awaiting.why),
        }),
        Gate::Holding { why, working } => {
            json!({ "service": service, "state": state, "key": key, "why": &**why, "working": working })
        }
        Gate::Failed { report } => json!({ "service": service, "state": state, "key": key, "report": &**report }),
    }
}

/// The first event: everything. `revision`: the newest one that is live.
fn hello(gates: &Gates) -> Value {
    let live = gates.services.iter().filter_map(|(_, gate)| match gate {
        Gate::Open { revision, .. } => Some(*revision),
        Gate::Holding { .. } | Gate::Failed { .. } => None,
    });
    let services: Vec<Value> = gates.services.iter().map(|(name, gate)| state(name, gate)).collect();
    json!({ "revision": live.max(), "services": services })
}

/// One event for each gate that is not what it was.
fn changes(before: &Gates, after: &Gates) -> Vec<Bytes> {
    let changed = after.services.iter().filter(|(name, gate)| before.of(name) != Some(gate));
    changed.map(|(service, gate)| event(name(gate), &state(service, gate))).collect()
}

/// JSON has no line breaks of its own, so one line of data is enough.
fn event(name: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// Tells a page everything until it leaves or the proxy ends.
pub(super) async fn tell(shared: Arc<Shared>, to: mpsc::Sender<Bytes>) {
    let mut gates = shared.gates.clone();
    let mut life = shared.life.subscribe();
    let mut told = gates.borrow_and_update().clone();
    drop(shared);
    let mut next = vec![Bytes::from("retry: 500\n\n"), event("hello", &hello(&told))];
    loop {
        for piece in next.drain(..) {
            if to.send(piece).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = to.closed() => return,
            _ = life.wait_for(|life| *life == Life::Closing) => return,
            changed = gates.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = gates.borrow_and_update().clone();
                next = changes(&told, &now);
                told = now;
            }
            () = tokio::time::sleep(HEARTBEAT) => next.push(Bytes::from(": still here\n\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Report, Revision, RunId};

    fn open(run: u64, stale: Option<&str>) -> Gate {
        Gate::Open { run: RunId(run), revision: Revision(run), awaiting: None, stale: stale.map(Arc::from) }
    }

    fn gates(gate: Gate) -> Gates {
        Gates { services: vec![("api".into(), gate)] }
    }

    #[test]
    fn only_what_changed_is_told() {
        assert!(changes(&gates(open(1, None)), &gates(open(1, None))).is_empty());
        let told = changes(&gates(open(1, None)), &gates(open(2, Some("why\nso"))));
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with(b"event: stale\ndata: {"));
        assert_eq!(told[0].iter().filter(|byte| **byte == b'\n').count(), 3);
    }

    #[test]
    fn keys_differ_where_a_page_must_reload() {
        let failed = |title: &str| Gate::Failed { report: Arc::new(Report::new(title)) };
        assert_eq!(key(Some(&open(1, None))), key(Some(&open(1, Some("stale")))));
        assert_ne!(key(Some(&open(1, None))), key(Some(&open(2, None))));
        assert_ne!(key(Some(&failed("a"))), key(Some(&failed("b"))));
        assert_eq!(key(Some(&failed("a"))), key(Some(&failed("a"))));
    }
}
