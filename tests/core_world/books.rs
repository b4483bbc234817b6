//! What has been asked, answered and told, and why: the protocol between the core and its shells.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use devloop::{
    core::{
        event::{Effect, Event, Program, StopHow, Verdict},
        fact::Fact,
    },
    model::{Digest, FilePath, RunId},
    plan::Plan,
};

/// One start of a step or service.
#[derive(Clone, Debug, Default)]
struct Start {
    /// Its run; none if it was a restart of something older.
    run: Option<RunId>,
    /// When, in events.
    at: u64,
    /// When it was told to have succeeded or failed by itself, or to be live.
    concluded: Option<(u64, u64)>,
    /// The artifacts it was given.
    artifacts: Vec<Digest>,
    /// It was started again, made of something older, or had to go before anything newer stood in its place: it takes
    /// no other reason to start what may be the same.
    is_old: bool,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    LookedFor,
    Spawned,
    Over,
}

#[derive(Debug, Default)]
pub struct Books {
    /// Counts events and effects.
    clock: u64,
    /// In ms.
    now: u64,
    phases: BTreeMap<RunId, Phase>,
    names: BTreeMap<RunId, Arc<str>>,
    asked: BTreeSet<(&'static str, u64)>,
    /// Drained but not told to stop.
    pub draining: BTreeSet<RunId>,
    /// `StepStarted` or `Starting` was told, and not yet what became of it.
    open: BTreeMap<RunId, Arc<str>>,
    restarts: BTreeMap<RunId, bool>,
    starts: BTreeMap<Arc<str>, Start>,
    /// When a file was last heard to have changed, and told.
    changed: BTreeMap<FilePath, u64>,
    heard: BTreeSet<FilePath>,
    judged: BTreeSet<FilePath>,
    /// Each touch of a file, and when in ms.
    touched: BTreeMap<FilePath, Vec<(u64, u64)>>,
    learned: BTreeMap<Arc<str>, u64>,
    asked_for: BTreeMap<Arc<str>, u64>,
    planned: u64,
    /// When a pause began, while it lasts.
    paused: Option<u64>,
    /// When the last pause that is over began and ended.
    pause: Option<(u64, u64)>,
    /// Services that cannot stand beside themselves.
    pub exclusive: BTreeSet<Arc<str>>,
    /// Steps whose runs have ended and are being looked at.
    at_work: BTreeSet<RunId>,
    live_at: BTreeMap<Arc<str>, u64>,
    /// When each service went live, in ms.
    pub lives: BTreeMap<Arc<str>, Vec<u64>>,
    pub spawned: usize,
}

/// What a start may be caused by.
pub struct Reasons {
    /// What it reads.
    pub files: Vec<FilePath>,
    /// The steps before it of whose doings nothing is known.
    pub blind: Vec<Arc<str>>,
}

impl Books {
    pub fn step_name(&self, run: RunId) -> Arc<str> {
        self.names[&run].clone()
    }

    pub fn steps_at_work(&self) -> bool {
        !self.at_work.is_empty()
    }

    /// Whether it has been live since the plan last changed.
    pub fn was_live(&self, name: &str) -> bool {
        self.live_at.get(name).is_some_and(|at| *at > self.planned)
    }

    /// Whether this run is a restart of something older.
    pub fn is_restart(&self, run: RunId) -> bool {
        self.restarts.contains_key(&run)
    }

    /// Whether this run is a restart after a crash.
    pub fn is_after_crash(&self, run: RunId) -> bool {
        self.restarts.get(&run) == Some(&true)
    }

    pub fn asked_for(&mut self, name: &Arc<str>) {
        self.clock += 1;
        self.asked_for.insert(name.clone(), self.clock);
    }

    pub fn paused(&mut self) {
        self.clock += 1;
        self.paused = self.paused.or(Some(self.clock));
    }

    pub fn resumed(&mut self) {
        self.clock += 1;
        self.pause = self.paused.take().map(|began| (began, self.clock)).or(self.pause);
    }

    pub fn new_plan(&mut self, old: &Plan, new: &Plan) {
        self.clock += 1;
        self.planned = self.clock;
        self.heard.clear();
        let same = |name: &Arc<str>| {
            let find = |plan: &Plan| plan.services.iter().find(|node| node.name == *name).map(|node| node.run.clone());
            find(old).is_some() && find(old) == find(new)
        };
        self.exclusive.retain(same);
        self.open.retain(|_, name| {
            new.steps.iter().any(|node| node.name == *name) || new.services.iter().any(|node| node.name == *name)
        });
        self.at_work.clear();
    }

    /// An event is given to the core.
    pub fn heard(&mut self, event: &Event, now: u64) {
        self.clock += 1;
        self.now = now;
        match event {
            Event::Touched(touches) => {
                for touch in touches {
                    self.touched.entry(touch.path.clone()).or_default().push((self.clock, now));
                }
            }
            Event::Digested { verdicts, .. } => {
                let new = verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Changed | Verdict::Gone));
                self.heard.extend(new.map(|(path, _)| path.clone()));
                self.judged.extend(verdicts.iter().map(|(path, _)| path.clone()));
            }
            Event::Examined { changed, .. } => {
                for path in changed {
                    self.changed.insert(path.clone(), self.clock);
                }
            }
            Event::Learned { name, .. } => {
                self.learned.insert(name.clone(), self.clock);
            }
            Event::Exited { run, .. } => {
                self.phases.insert(*run, Phase::Over);
                self.draining.remove(run);
            }
            Event::Drained { run } => {
                self.draining.remove(run);
            }
            _ => {}
        }
    }

    /// The core answers. `reasons` says what a step or service may be started for.
    pub fn effect(&mut self, effect: &Effect, reasons: impl Fn(&str) -> Reasons) {
        self.clock += 1;
        match effect {
            Effect::LookUp { run, step, artifacts, .. } => {
                self.once("looked up", run.0);
                assert!(self.phases.insert(*run, Phase::LookedFor).is_none(), "{run} is not new");
                self.names.insert(*run, step.name.clone());
                let digests = artifacts.iter().map(|artifact| artifact.digest).collect();
                self.begins(*run, &step.name, digests, reasons(&step.name));
            }
            Effect::Spawn(spawn) => {
                self.once("spawned", spawn.run.0);
                self.spawned += 1;
                let before = self.phases.insert(spawn.run, Phase::Spawned);
                assert!(before.is_none_or(|phase| phase == Phase::LookedFor), "{} is not new", spawn.run);
                let (name, told) = match &spawn.program {
                    Program::Step(step) => (&step.name, before.is_none()),
                    Program::Service(service) => (&service.name, true),
                };
                self.names.insert(spawn.run, name.clone());
                let digests = spawn.artifacts.iter().map(|artifact| artifact.digest).collect();
                if self.restarts.contains_key(&spawn.run) {
                    // What was a reason before to start something newer still is.
                    let start = self.starts.entry(name.clone()).or_default();
                    (start.run, start.artifacts, start.concluded, start.is_old) = (None, digests, None, true);
                } else if told {
                    self.begins(spawn.run, name, digests, reasons(name));
                }
                assert!(self.open.contains_key(&spawn.run), "{} starts and that is not told", spawn.run);
                if matches!(spawn.program, Program::Step(_)) {
                    self.at_work.insert(spawn.run);
                }
            }
            Effect::Stop { run, how } => {
                self.is(*run, Phase::Spawned, "stopped");
                self.draining.remove(run);
                if *how == StopHow::Kill {
                    self.once("killed", run.0);
                }
            }
            Effect::Fence { run } => {
                self.is(*run, Phase::Over, "fenced");
                self.once("fenced", run.0);
            }
            Effect::Examine { run, .. } => {
                self.is(*run, Phase::Over, "examined");
                self.once("examined", run.0);
            }
            Effect::Keep { run } => {
                self.is(*run, Phase::Over, "kept");
                self.once("kept", run.0);
            }
            Effect::Probe { run, .. } => {
                self.is(*run, Phase::Spawned, "probed");
                self.once("probed", run.0);
            }
            Effect::Drain { run, .. } => {
                self.is(*run, Phase::Spawned, "drained");
                self.once("drained", run.0);
                self.draining.insert(*run);
                if let Some(start) = self.starts.get_mut(&self.names[run])
                    && start.run == Some(*run)
                {
                    start.is_old = true;
                }
            }
            Effect::Digest { batch, paths } => {
                self.once("digested", batch.0);
                assert!(!paths.is_empty(), "nothing is to be read");
            }
            Effect::RememberExclusive { service } => {
                assert!(self.exclusive.insert(service.clone()), "`{service}` is known to be exclusive");
            }
            Effect::Tell(fact) => self.told(fact),
            Effect::AskInputs { .. }
            | Effect::Collect { .. }
            | Effect::RememberPrograms { .. }
            | Effect::Reload
            | Effect::Leave => {}
        }
    }

    fn once(&mut self, what: &'static str, id: u64) {
        assert!(self.asked.insert((what, id)), "{id} is {what} twice");
    }

    fn is(&self, run: RunId, phase: Phase, what: &str) {
        assert_eq!(self.phases.get(&run), Some(&phase), "{run} is {what}");
    }

    /// A step or service starts: something must have made that necessary (promise 4).
    fn begins(&mut self, run: RunId, name: &Arc<str>, artifacts: Vec<Digest>, reasons: Reasons) {
        let start = Start { run: Some(run), at: self.clock, concluded: None, artifacts, is_old: false };
        let Some(last) = self.starts.insert(name.clone(), start) else { return };
        let Some((_, concluded)) = last.concluded else { return };
        let since = |when: Option<&u64>| when.is_some_and(|when| *when > last.at);
        let during = |when: Option<&Vec<(u64, u64)>>| {
            // What is written in a pause starts nothing before it is over.
            let counts = |at: &u64| self.paused.is_none_or(|paused| *at < paused);
            let mut touches = when.into_iter().flatten().filter(|(at, _)| counts(at));
            // Of touches in a pause only the first and the last are known: what has started between them may be void.
            let between = |at: &u64| self.pause.is_some_and(|(began, ended)| last.at < ended && *at > began);
            touches.any(|(at, ms)| (*at > last.at && *ms <= concluded) || between(at))
        };
        let because = last.is_old
            || self.planned > last.at
            || last.artifacts != self.starts[name].artifacts
            || since(self.learned.get(name))
            || since(self.asked_for.get(name))
            || reasons.files.iter().any(|file| since(self.changed.get(file)) || during(self.touched.get(file)))
            || reasons
                .blind
                .iter()
                .filter_map(|step| self.starts.get(step))
                .any(|blind| blind.at > last.at || blind.concluded.is_some_and(|(at, _)| at > last.at));
        assert!(because, "`{name}` starts again and nothing that it reads has changed");
    }

    fn told(&mut self, fact: &Fact) {
        match fact {
            Fact::Saved { files, .. } => {
                for file in files {
                    let path: FilePath = Arc::from(Path::new(file));
                    // One that nothing read for a while may have been something else meanwhile.
                    assert!(self.judged.contains(&path), "{file} was not judged");
                    self.heard.remove(&path);
                    self.changed.insert(path, self.clock);
                }
            }
            Fact::StepStarted { run, step, .. } => self.opens(*run, step),
            Fact::Starting { run, service, why, .. } => {
                self.opens(*run, service);
                let is_back = why.starts_with("rolled back to ");
                if why == "it ended by itself" || why == "the newer one did not start" || is_back {
                    self.restarts.insert(*run, why == "it ended by itself");
                }
            }
            Fact::StepDone { run, step, .. } | Fact::StepFailed { run, step, .. } => {
                self.closes(*run);
                self.at_work.remove(run);
                self.concludes(step);
            }
            Fact::StepReused { step, .. } => self.concludes(step),
            Fact::Kept { service, .. } => {
                // What is live is the newest again: what was tried in vain meanwhile is no measure for the next save.
                let live_at = self.live_at.get(service).copied().unwrap_or(0);
                if let Some(start) = self.starts.get_mut(service)
                    && start.at > live_at
                {
                    start.is_old = true;
                }
            }
            Fact::Void { run, .. } | Fact::Cancelled { run, .. } => {
                self.at_work.remove(run);
                self.closes(*run);
            }
            Fact::StartFailed { run, service, .. } => {
                self.closes(*run);
                self.concludes(service);
                self.allow_late(service);
            }
            Fact::Live { run, service, .. } => {
                self.closes(*run);
                self.concludes(service);
                self.allow_late(service);
                self.live_at.insert(service.clone(), self.starts[service].at);
                self.lives.entry(service.clone()).or_default().push(self.now);
            }
            Fact::Exclusive { service, .. } => {
                let run = self.open.iter().find(|(_, name)| *name == service).map(|(run, _)| *run);
                self.closes(run.expect("one of it was starting"));
            }
            Fact::Stale { why, .. } => assert!(!why.is_empty(), "stale without a reason"),
            _ => {}
        }
    }

    fn opens(&mut self, run: RunId, name: &Arc<str>) {
        let old = self.open.insert(run, name.clone());
        assert!(old.is_none(), "{run} of `{name}` is told to start twice");
    }

    fn closes(&mut self, run: RunId) {
        assert!(self.open.remove(&run).is_some(), "the end of {run} is told twice, or it never began");
    }

    fn concludes(&mut self, name: &Arc<str>) {
        if let Some(start) = self.starts.get_mut(name) {
            start.concluded = Some((self.clock, self.now));
        }
    }

    /// A write may be told a second after it has made an instance fail.
    fn allow_late(&mut self, service: &Arc<str>) {
        if let Some((_, ms)) = self.starts.get_mut(service).and_then(|start| start.concluded.as_mut()) {
            *ms += 1_000;
        }
    }

    /// At rest all has been told.
    pub fn check_at_rest(&self) {
        assert!(self.open.is_empty(), "it is never told what became of {:?}", self.open);
        assert!(self.heard.is_empty(), "changes of {:?} were never told", self.heard);
        assert!(self.draining.is_empty(), "{:?} drain for ever", self.draining);
    }
}
