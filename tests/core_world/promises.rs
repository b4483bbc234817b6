//! The promises, checked after every event and at rest.

use std::{collections::BTreeMap, sync::Arc};

use devloop::{
    core::{
        event::{Effect, Event, Program, Spawn},
        fact::Fact,
        gate::Gate,
        status::InstanceStatus,
        status::{GateState, ServiceStatus, StepState, WatchingState},
    },
    model::{FilePath, RunId},
    plan::Swap,
};

use super::{
    books::{Books, Reasons},
    content::{Arrival, Content, Fate, GARBAGE, MISSING, arrival, fate, formatted},
    plans,
    programs::{Process, is_blind, is_formatter, outputs, service_result, step_result},
    world::World,
};

/// What the last look at a gate showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Open(RunId),
    Holding,
    Failed,
}

impl World {
    pub fn live_runs(&self) -> Vec<(Arc<str>, RunId)> {
        let gates = self.core.gates();
        let open = gates.services.iter().filter_map(|(name, gate)| match gate {
            Gate::Open { run, .. } => Some((name.clone(), *run)),
            Gate::Holding { .. } | Gate::Failed { .. } => None,
        });
        open.collect()
    }

    pub fn is_open_to(&self, run: RunId) -> bool {
        self.live_runs().iter().any(|(_, live)| *live == run)
    }

    /// An event is about to be given to the core.
    pub fn learn_of(&mut self, event: &Event) {
        self.books.heard(event, self.now);
        self.may_close = match event {
            Event::Exited { run, .. } => Some(*run),
            Event::NewPlan(_) => Some(RunId(0)),
            _ => None,
        };
    }

    /// The protocol, and promise 4.
    pub fn check_books(&mut self, effects: &[Effect]) {
        let mut books: Books = std::mem::take(&mut self.books);
        for effect in effects {
            if self.quit {
                let ends = matches!(effect, Effect::Stop { .. } | Effect::Leave | Effect::Tell(_));
                assert!(ends, "after quit: {effect:?}");
            }
            books.effect(effect, |name| self.reasons(name));
        }
        for service in &self.plan.services {
            let of = |run: &&RunId| {
                self.processes.get(run).and_then(|p| p.service()).is_some_and(|s| s.name == service.name)
            };
            assert!(books.draining.iter().filter(of).count() <= 2, "too many of `{}` drain", service.name);
        }
        self.books = books;
        if effects.iter().any(|effect| matches!(effect, Effect::Tell(Fact::Saved { .. }))) {
            let pinned = self.core.status().services.iter().any(|service| service.pinned.is_some());
            assert!(!pinned, "a save does not go forward again");
        }
    }

    fn reasons(&self, name: &str) -> Reasons {
        if let Some(index) = self.plan.steps.iter().position(|step| &*step.name == name) {
            let mut files = self.read_by_step(index);
            files.extend(outputs(&self.plan.steps[index]));
            return Reasons { files, blind: self.blind_before_step(index) };
        }
        let index = self.plan.services.iter().position(|node| &*node.name == name).expect("it is in the plan");
        Reasons { files: self.read_by_service(index), blind: self.blind_before_service(index) }
    }

    /// Promises 1, 2 and the meaning of `exclusive`.
    pub fn check_order(&self, spawn: &Spawn) {
        match &spawn.program {
            Program::Step(step) => {
                let index =
                    self.plan.steps.iter().position(|other| other.name == step.name).expect("it is in the plan");
                let running = self.running_steps();
                assert!(!running.contains(&step.name), "two runs of `{}` overlap", step.name);
                for process in self.processes.values() {
                    let Some(other) = process.step() else { continue };
                    let both = outputs(other).iter().any(|file| outputs(step).contains(file));
                    assert!(!both, "`{}` writes what `{}` is writing", step.name, other.name);
                }
                for (other, node) in self.plan.steps.iter().enumerate() {
                    let before = self.plan.before_step(index).contains(&other);
                    let after = self.plan.before_step(other).contains(&index);
                    let runs = (before || after) && running.contains(&node.name);
                    assert!(!runs, "`{}` starts while `{}` runs", step.name, node.name);
                }
            }
            Program::Service(service) => {
                let same = |process: &super::programs::Process| {
                    process.service().is_some_and(|other| other.name == service.name)
                };
                let others = self.processes.values().filter(|process| same(process)).count();
                let alone = service.swap == Swap::Exclusive || self.books.exclusive.contains(&service.name);
                assert!(!alone || others == 0, "two instances of exclusive `{}`", service.name);
                let index = self.plan.services.iter().position(|node| node.name == service.name);
                let before = self.plan.before_service(index.expect("it is in the plan"));
                let running = self.running_steps();
                let runs = before.iter().find(|step| running.contains(&self.plan.steps[**step].name));
                // What was live before, or has been cleared the way for, may start again.
                assert!(
                    runs.is_none() || alone || service.debugging.is_some() || self.books.is_restart(spawn.run),
                    "`{}` starts while a step before it runs",
                    service.name
                );
            }
        }
    }

    /// Promises 5, 7 and 8, after every event.
    pub fn check_gates(&mut self) {
        let _ = self.core.status();
        let gates = self.core.gates();
        if self.quit {
            return;
        }
        let mut seen = BTreeMap::new();
        for (name, gate) in &gates.services {
            let now = match gate {
                Gate::Open { run, .. } => Seen::Open(*run),
                Gate::Holding { .. } => Seen::Holding,
                Gate::Failed { .. } => Seen::Failed,
            };
            if let (Some(Seen::Open(old)), Seen::Holding | Seen::Failed) = (self.seen.get(name), now) {
                let node = self.plan.services.iter().find(|node| node.name == *name).expect("it is in the plan");
                // Two debuggers cannot have the same port. (One may have become live and have to go again at once, for
                // saves that were put off.)
                let mut others = self.processes.values().filter_map(Process::service);
                let held = others.any(|other| other.name == *name && other.debugging.is_some());
                let debugged = node.debugging.is_some() && held;
                let alone = node.swap == Swap::Exclusive || self.books.exclusive.contains(name) || debugged;
                let excused = self.may_close == Some(*old) || self.may_close == Some(RunId(0));
                assert!(alone || excused, "the gate of `{name}` closes without a cause");
            }
            seen.insert(name.clone(), now);
        }
        self.seen = seen;
        for (name, gate) in &gates.services {
            let Gate::Open { run, awaiting, stale, .. } = gate else { continue };
            let ready = self.processes.get(run).is_some_and(|process| process.ready);
            assert!(ready, "the gate of `{name}` is open to {run}, which is not ready");
            assert!(awaiting.is_none() || !self.paused, "requests to `{name}` wait although watching is paused");
            if let Some(awaiting) = awaiting {
                assert!(self.time() < awaiting.until, "requests to `{name}` wait beyond the limit");
                assert!(awaiting.until <= awaiting.since + self.plan.proxy.fresh, "they wait longer than `fresh`");
            }
            assert!(stale.as_ref().is_none_or(|why| !why.is_empty()), "stale without a reason");
            if awaiting.is_none() && stale.is_none() && self.is_quiet() {
                assert_eq!(Some(self.made[run]), self.expected(name), "old answers of `{name}` pass unmarked");
            }
        }
    }

    /// Nobody is writing, and all that was written is known.
    fn is_quiet(&self) -> bool {
        let written = plans::SOURCES.iter().chain([&plans::CONFIG]).all(|file| self.content(file) != GARBAGE);
        written && self.is_told_all() && !self.tainted
    }

    /// What the service must be made of, as a function of the sources alone; none if that does not build or start.
    pub fn expected(&self, service: &str) -> Option<Content> {
        let mut files = self.files.clone();
        let mut artifacts: BTreeMap<Arc<str>, Content> = BTreeMap::new();
        let mut hidden: BTreeMap<Arc<str>, Content> = BTreeMap::new();
        let index = self.plan.services.iter().position(|node| &*node.name == service)?;
        let before = self.plan.before_service(index);
        let content = |files: &BTreeMap<FilePath, Content>, file: &FilePath| {
            (file.clone(), files.get(file).copied().unwrap_or(MISSING))
        };
        for (at, step) in self.plan.steps.iter().enumerate().filter(|(at, _)| before.contains(at)) {
            let used = self.plan.artifacts_named(&step.run);
            let mut others: Vec<Content> = used.iter().map(|step| artifacts[&self.plan.steps[*step].name]).collect();
            others.extend(self.blind_before_step(at).iter().map(|name| hidden[name]));
            loop {
                let read = self.read_by_step(at).iter().map(|file| content(&files, file)).collect();
                let result = step_result(step, &read, &others);
                if fate(&step.name, result, step.timeout.is_some()) != Fate::Good {
                    return None;
                }
                if step.makes_artifact {
                    artifacts.insert(step.name.clone(), result);
                }
                if is_blind(step) {
                    hidden.insert(step.name.clone(), result);
                }
                let mut again = false;
                for file in outputs(step) {
                    let new = if is_formatter(step) { formatted(read[&file]) } else { result };
                    again |= is_formatter(step) && new != read[&file];
                    files.insert(file, new);
                }
                if !again {
                    break;
                }
            }
        }
        let node = &self.plan.services[index];
        let mut others: Vec<Content> = node.uses.iter().map(|step| artifacts[&self.plan.steps[*step].name]).collect();
        others.extend(self.blind_before_service(index).iter().map(|name| hidden[name]));
        let read = self.read_by_service(index).iter().map(|file| content(&files, file)).collect();
        let result = service_result(node, &read, &others);
        (arrival(&node.name, result) == Arrival::Ready).then_some(result)
    }

    /// What holds at rest whatever has happened.
    pub fn check_calm(&self) {
        let crashes = !self.core.status().at_rest && self.only_crashes();
        assert!(self.core.status().at_rest || crashes, "{:?}", self.core.status());
        for (name, gate) in &self.core.gates().services {
            assert!(!matches!(gate, Gate::Holding { .. }), "requests to `{name}` wait for nothing");
        }
        for service in self.core.status().services {
            let is_live = |live: &InstanceStatus| Some(live.revision) == service.pinned;
            let holds = service.pinned.is_none() || service.live.as_ref().is_none_or(is_live);
            assert!(holds, "`{}` is pinned to what is not live", service.name);
        }
        let live = self.live_runs();
        for run in self.processes.keys() {
            assert!(crashes || live.iter().any(|(_, open)| open == run), "{run} is left behind");
        }
        if !crashes {
            self.books.check_at_rest();
        }
    }

    /// Whether all that goes on is that services end again and again, whose requests are answered with the reason.
    pub fn only_crashes(&self) -> bool {
        let status = self.core.status();
        let crashes = |service: &ServiceStatus| service.gate == GateState::Failed;
        let rests = |service: &ServiceStatus| service.starting.is_none() && service.stopping + service.draining == 0;
        let paused = status.watching == WatchingState::Paused;
        let rest =
            |state| matches!(state, StepState::Clean | StepState::Failed) || (paused && state == StepState::Waiting);
        let steps = status.steps.iter().all(|step| rest(step.state));
        steps
            && !self.quit
            && (status.settling.is_empty() || paused)
            && status.services.iter().any(crashes)
            && status.services.iter().all(|service| crashes(service) || rests(service))
    }

    /// Promise 3, at rest: what answers was made from the last saved content, if that is good.
    pub fn check_at_rest(&self) {
        self.check_calm();
        if self.tainted {
            return;
        }
        for (name, gate) in &self.core.gates().services {
            if self.lacks_a_need(name) || self.is_let_be(name, gate) {
                continue;
            }
            match (gate, self.expected(name)) {
                (Gate::Open { run, stale, .. }, Some(expected)) => {
                    assert_eq!(self.made[run], expected, "a save is lost: `{name}` is not made of the last content");
                    assert_eq!(*stale, None, "`{name}` is called stale and is not");
                }
                (Gate::Open { stale, .. }, None) => assert!(stale.is_some(), "`{name}` is stale and that is not said"),
                (Gate::Failed { .. }, None) => {
                    assert!(!self.could_serve(name), "the last good `{name}` does not serve")
                }
                (gate, Some(_)) => panic!("`{name}` could be live and is {gate:?}"),
                (Gate::Holding { .. }, None) => unreachable!("it is calm"),
            }
        }
    }

    /// Whether a person wants old answers, which are marked.
    fn is_let_be(&self, name: &str, gate: &Gate) -> bool {
        let status = self.core.status();
        let pinned = status.services.iter().find(|service| *service.name == *name).is_some_and(|s| s.pinned.is_some());
        if let Gate::Open { run, stale, .. } = gate
            && (self.paused || pinned)
        {
            let is_newest = Some(self.made[run]) == self.expected(name);
            assert!(is_newest || stale.is_some(), "`{name}` is stale and that is not said");
        }
        self.paused || pinned
    }

    /// Whether an older program of this service is known to come up: one that was live under this plan, made of
    /// artifacts alone.
    fn could_serve(&self, name: &str) -> bool {
        self.is_pure(name) && self.books.was_live(name)
    }

    /// Whether it is made of artifacts alone.
    pub fn is_pure(&self, name: &str) -> bool {
        let index = self.plan.services.iter().position(|node| &*node.name == name).expect("it is in the plan");
        let reads_nothing = self.read_by_service(index).is_empty() && self.blind_before_service(index).is_empty();
        reads_nothing && !self.plan.services[index].uses.is_empty()
    }

    fn lacks_a_need(&self, service: &str) -> bool {
        let index = self.plan.services.iter().position(|node| &*node.name == service).expect("it is in the plan");
        let before = self.plan.before_service(index);
        let mut needs = self.plan.services[index].needs.clone();
        needs.extend(before.iter().flat_map(|step| self.plan.steps[*step].needs.clone()));
        let live = self.live_runs();
        needs.iter().any(|needed| !live.iter().any(|(name, _)| *name == self.plan.services[*needed].name))
    }

    pub fn check_left(&self) {
        assert!(self.left, "it never leaves");
    }
}
