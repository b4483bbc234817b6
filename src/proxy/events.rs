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

use super::{
    browser::{Assets, link},
    settings::Browser,
    shared::{Life, Shared},
};
use crate::{
    core::gate::{Gate, Gates},
    model::Provider,
};

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

/// Everything that pages are told of, at one moment.
struct Scene {
    gates: Gates,
    status: Arc<Value>,
    assets: Assets,
    browser: Arc<Browser>,
}

impl Scene {
    /// The states of all gates, by service.
    fn states(&self) -> Vec<(Arc<str>, &'static str, Value)> {
        let services = self.gates.services.iter();
        services.map(|(service, gate)| (Arc::clone(service), name(gate), self.state(service, gate))).collect()
    }

    /// The state of one gate as pages read it.
    fn state(&self, service: &Arc<str>, gate: &Gate) -> Value {
        let (key, state, assets) = (key(Some(gate)), name(gate), self.assets.of(&Provider::Service(service.clone())));
        match gate {
            Gate::Open { run, revision, awaiting, stale } => json!({
                "service": &**service, "state": state, "key": key, "run": run, "revision": revision, "assets": assets,
                "stale": stale.as_deref(), "why": awaiting.as_ref().map(|awaiting| &*awaiting.why),
                "report": stale.as_ref().and_then(|_| self.report(service)),
            }),
            Gate::Holding { why, working } => json!({
                "service": &**service, "state": state, "key": key, "assets": assets, "why": &**why, "working": working,
            }),
            Gate::Failed { report } => {
                let report = serde_json::to_value(&**report).ok().map(|report| self.linked(report));
                json!({ "service": &**service, "state": state, "key": key, "assets": assets, "report": report })
            }
        }
    }

    /// What has changed in the folders of routes.
    fn folders(&self) -> Vec<Value> {
        self.assets.folders().map(|(folder, assets)| json!({ "folder": folder, "assets": assets })).collect()
    }

    /// The failure that keeps a service's newest content from being live.
    fn report(&self, service: &str) -> Option<Value> {
        let services = self.status["services"].as_array()?;
        let status = services.iter().find(|known| known["name"] == service)?;
        status.get("report").cloned().map(|report| self.linked(report))
    }

    /// With the addresses of its places.
    fn linked(&self, mut report: Value) -> Value {
        for place in report["places"].as_array_mut().into_iter().flatten() {
            let file = place["file"].as_str().unwrap_or_default();
            let line = place["line"].as_u64().unwrap_or(1);
            if let Some(link) = link(&self.browser, file, line, place["column"].as_u64()) {
                place["link"] = Value::from(link);
            }
        }
        report
    }

    /// The first event: everything. `revision`: the newest one that is live.
    fn hello(&self) -> Value {
        let live = self.gates.services.iter().filter_map(|(_, gate)| match gate {
            Gate::Open { revision, .. } => Some(*revision),
            Gate::Holding { .. } | Gate::Failed { .. } => None,
        });
        let services: Vec<Value> = self.states().into_iter().map(|(_, _, state)| state).collect();
        json!({ "revision": live.max(), "services": services, "folders": self.folders() })
    }

    /// One event for each gate and each folder of which something else is to be told than before.
    fn changes(&self, before: &Scene) -> Vec<Bytes> {
        let old = before.states();
        let states = self.states().into_iter();
        let new =
            states.filter(|(service, _, state)| !old.iter().any(|(known, _, was)| known == service && was == state));
        let mut events: Vec<Bytes> = new.map(|(_, name, state)| event(name, &state)).collect();
        let old = before.folders();
        events
            .extend(self.folders().iter().filter(|folder| !old.contains(folder)).map(|folder| event("files", folder)));
        events
    }
}

/// JSON has no line breaks of its own, so one line of data is enough.
fn event(name: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// Tells a page everything until it leaves or the proxy ends.
pub(super) async fn tell(shared: Arc<Shared>, to: mpsc::Sender<Bytes>) {
    let (mut gates, mut status, mut assets) = (shared.gates.clone(), shared.status.clone(), shared.assets.subscribe());
    let mut life = shared.life.subscribe();
    let browser = Arc::clone(&shared.known().browser);
    drop(shared);
    let mut scene = Scene {
        // The status is told before the gates: what explains a gate is there when the gate is seen.
        gates: gates.borrow_and_update().clone(),
        status: status.borrow_and_update().clone(),
        assets: assets.borrow_and_update().clone(),
        browser,
    };
    let mut next = vec![Bytes::from("retry: 500\n\n"), event("hello", &scene.hello())];
    loop {
        for piece in next.drain(..) {
            if to.send(piece).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = to.closed() => return,
            _ = life.wait_for(|life| *life == Life::Closing) => return,
            Ok(()) = gates.changed() => {}
            Ok(()) = status.changed() => {}
            Ok(()) = assets.changed() => {}
            () = tokio::time::sleep(HEARTBEAT) => next.push(Bytes::from(": still here\n\n")),
            else => return,
        }
        let now = Scene {
            gates: gates.borrow_and_update().clone(),
            status: status.borrow_and_update().clone(),
            assets: assets.borrow_and_update().clone(),
            browser: Arc::clone(&scene.browser),
        };
        next.extend(now.changes(&scene));
        scene = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Report, Revision, RunId};

    fn open(run: u64, stale: Option<&str>) -> Gate {
        Gate::Open { run: RunId(run), revision: Revision(run), awaiting: None, stale: stale.map(Arc::from) }
    }

    fn scene(gate: Gate) -> Scene {
        let status = json!({ "services": [{ "name": "api", "report": { "title": "t", "places": [] } }] });
        let gates = Gates { services: vec![("api".into(), gate)] };
        Scene { gates, status: Arc::new(status), assets: Assets::default(), browser: Arc::default() }
    }

    #[test]
    fn only_what_changed_is_told() {
        assert!(scene(open(1, None)).changes(&scene(open(1, None))).is_empty());
        let told = scene(open(2, Some("why\nso"))).changes(&scene(open(1, None)));
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with(b"event: stale\ndata: {"));
        assert_eq!(told[0].iter().filter(|byte| **byte == b'\n').count(), 3);
    }

    #[test]
    fn a_report_belongs_to_stale_answers_and_a_new_one_is_told() {
        assert_eq!(scene(open(1, None)).hello()["services"][0]["report"], Value::Null);
        let stale = scene(open(1, Some("why")));
        assert_eq!(stale.hello()["services"][0]["report"]["title"], "t");
        let mut next = scene(open(1, Some("why")));
        next.status = Arc::new(json!({ "services": [{ "name": "api", "report": { "title": "u", "places": [] } }] }));
        assert_eq!(next.changes(&stale).len(), 1);
        next.assets.change(Provider::Service("api".into()), Some(vec!["a.css".into()]));
        assert_eq!(next.changes(&stale).len(), 1);
    }

    #[test]
    fn a_folder_is_told_of_once_for_each_change() {
        let before = scene(open(1, None));
        assert_eq!(before.hello()["folders"], json!([]));
        let mut next = scene(open(1, None));
        next.assets.change(Provider::Folder("public".into()), Some(vec!["public/a.css".into()]));
        let told = next.changes(&before);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with(b"event: files\ndata: {"));
        assert!(next.changes(&next).is_empty());
        assert_eq!(next.hello()["folders"][0]["folder"], "public");
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
