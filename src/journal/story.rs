//! The last revisions: which phases each of them went through, when, and how they ended.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};

use super::millis;
use crate::{
    core::fact::Fact,
    model::{Revision, RunId},
};

/// So many revisions are kept ...
pub(super) const MOST: usize = 30;
/// ... with so many phases each: one that is repeated for ever does not fill the memory.
pub(super) const PHASES: usize = 200;

/// All of them.
#[derive(Debug, Default)]
pub struct Stories {
    /// The number of the newest fact that was told.
    told: u64,
    kept: VecDeque<Story>,
    /// The live instance of each service.
    live: HashMap<Arc<str>, RunId>,
}

/// One revision.
#[derive(Debug)]
struct Story {
    revision: Revision,
    version: u64,
    files: Vec<String>,
    count: usize,
    began: Duration,
    phases: Vec<Phase>,
}

/// One part of its way.
#[derive(Debug)]
struct Phase {
    kind: &'static str,
    name: Arc<str>,
    run: Option<RunId>,
    from: Duration,
    state: State,
    note: String,
}

/// Running => the others, at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Over(Duration, End),
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Good,
    Failed,
    Cancelled,
    Void,
    /// There was nothing to do.
    Kept,
}

impl Stories {
    /// The number of the newest fact that was told; 0: none was.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// The next fact, with its number, which only grows, and the time of day since 1970.
    pub fn tell(&mut self, version: u64, at: Duration, fact: &Fact) {
        self.told = version;
        match fact {
            Fact::Saved { revision, files, count, settle_ms, .. } => {
                let from = before(at, *settle_ms);
                let story = self.story(version, from, *revision);
                story.files.clone_from(files);
                story.count = *count;
                story.over("settle", &"settle".into(), (from, at), End::Good);
            }
            Fact::StepStarted { revision, run, step, why } => {
                self.story(version, at, *revision).begin("step", step, *run, at, why);
            }
            Fact::StepReused { revision, step, .. } => {
                self.story(version, at, *revision).over("step", step, (at, at), End::Kept);
            }
            Fact::Kept { revision, service, .. } => {
                self.story(version, at, *revision).over("start", service, (at, at), End::Kept);
            }
            Fact::StepDone { run, result, .. } => self.end(version, *run, at, End::Good, result),
            Fact::StepFailed { run, report, .. } => self.end(version, *run, at, End::Failed, &report.title),
            Fact::Cancelled { run, why, .. } => self.end(version, *run, at, End::Cancelled, why),
            Fact::Void { run, file, .. } => {
                self.end(version, *run, at, End::Void, &format!("{file} was written while it ran"));
            }
            Fact::Starting { revision, run, service, why, .. } => {
                self.story(version, at, *revision).begin("start", service, *run, at, why);
            }
            Fact::Probing { run, service, .. } => self.probing(version, *run, service, at),
            Fact::Live { revision, run, service, times, warning, .. } => {
                let opened = before(at, times.swap_ms);
                self.end(version, *run, opened, End::Good, warning.as_deref().unwrap_or_default());
                let old = self.live.insert(service.clone(), *run);
                let story = self.story(version, at, *revision);
                story.over("swap", service, (opened, at), End::Good);
                if let Some(old) = old.filter(|old| old != run) {
                    story.begin("drain", service, old, at, "the old instance finishes its requests and stops");
                }
            }
            Fact::StartFailed { run, report, .. } => self.end(version, *run, at, End::Failed, &report.title),
            Fact::Crashed { run, .. } | Fact::Stopped { run, .. } => {
                self.live.retain(|_, live| live != run);
                self.end(version, *run, at, End::Good, "");
            }
            _ => {}
        }
    }

    /// The story of a revision; a new one begins with the first thing that is told of it.
    fn story(&mut self, version: u64, began: Duration, revision: Revision) -> &mut Story {
        let known = self.kept.iter().rposition(|story| story.revision == revision);
        let index = known.unwrap_or_else(|| {
            if self.kept.len() == MOST {
                self.kept.pop_front();
            }
            let files = Vec::new();
            self.kept.push_back(Story { revision, version, files, count: 0, began, phases: Vec::new() });
            self.kept.len() - 1
        });
        let story = &mut self.kept[index];
        story.version = version;
        story
    }

    fn with_run(&mut self, run: RunId) -> Option<&mut Story> {
        let runs = |phase: &Phase| phase.run == Some(run) && phase.state == State::Running;
        self.kept.iter_mut().rev().find(|story| story.phases.iter().any(runs))
    }

    /// Whatever this run is in the middle of is over.
    fn end(&mut self, version: u64, run: RunId, at: Duration, end: End, note: &str) {
        let Some(story) = self.with_run(run) else { return };
        story.version = version;
        let running = story.phases.iter_mut().filter(|phase| phase.run == Some(run) && phase.state == State::Running);
        for phase in running {
            phase.state = State::Over(at.max(phase.from), end);
            if !note.is_empty() {
                note.clone_into(&mut phase.note);
            }
        }
    }

    fn probing(&mut self, version: u64, run: RunId, service: &Arc<str>, at: Duration) {
        let why = self.with_run(run).and_then(|story| story.phases.last()).map(|phase| phase.note.clone());
        self.end(version, run, at, End::Good, "");
        let ended = |story: &&mut Story| story.phases.iter().any(|phase| phase.run == Some(run));
        if let Some(story) = self.kept.iter_mut().rev().find(ended) {
            story.begin("ready", service, run, at, &why.unwrap_or_default());
        }
    }

    /// Those that changed after the fact with this number, oldest first.
    pub fn since(&self, version: u64) -> Vec<Value> {
        self.kept.iter().filter(|story| story.version > version).map(|story| story.json()).collect()
    }
}

impl Story {
    fn begin(&mut self, kind: &'static str, name: &Arc<str>, run: RunId, from: Duration, note: &str) {
        self.push(Phase {
            kind,
            name: name.clone(),
            run: Some(run),
            from,
            state: State::Running,
            note: note.to_owned(),
        });
    }

    fn over(&mut self, kind: &'static str, name: &Arc<str>, (from, to): (Duration, Duration), end: End) {
        let state = State::Over(to, end);
        self.push(Phase { kind, name: name.clone(), run: None, from, state, note: String::new() });
    }

    fn push(&mut self, phase: Phase) {
        if self.phases.len() == PHASES {
            self.phases.remove(0);
        }
        self.phases.push(phase);
    }

    fn json(&self) -> Value {
        let phases: Vec<Value> = self.phases.iter().map(|phase| phase.json()).collect();
        json!({
            "revision": self.revision, "files": self.files, "count": self.count,
            "began": millis(self.began), "phases": phases,
        })
    }
}

impl Phase {
    fn json(&self) -> Value {
        let (to, state) = match self.state {
            State::Running => (None, "running"),
            State::Over(at, End::Good) => (Some(millis(at)), "good"),
            State::Over(at, End::Failed) => (Some(millis(at)), "failed"),
            State::Over(at, End::Cancelled) => (Some(millis(at)), "cancelled"),
            State::Over(at, End::Void) => (Some(millis(at)), "void"),
            State::Over(at, End::Kept) => (Some(millis(at)), "kept"),
        };
        json!({
            "kind": self.kind, "name": &*self.name, "run": self.run,
            "from": millis(self.from), "to": to, "state": state, "note": self.note,
        })
    }
}

/// So many milliseconds earlier.
fn before(at: Duration, millis: f64) -> Duration {
    let earlier = Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or_default();
    at.saturating_sub(earlier)
}
