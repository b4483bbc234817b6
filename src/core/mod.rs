//! What to do: pure decisions over settled saves, steps, services and time. No clock, no file, no socket, no
//! environment.
//!
//! `Core::handle` takes what happened and answers what is to be done; `Core::deadline` says when it wants to be woken.
//! A spurious tick is harmless, a late one moves every deadline on, and late answers about old runs change nothing. The
//! files: `settle` (when is a save over), `save` (what a settled save makes out of date), `void` (what was read in the
//! middle of a write), `learn` (what tool chains say is read), `pass` (what is let finish although it is out of date),
//! `pipeline` (steps), `swap` (services), `failure` (instances that do not come up, or end), `fresh` (what requests are
//! to wait for), `adopt` (a new plan), `asked` (what a person asks of the loop), `status` (what people see), `debug`
//! (services under their debuggers).

pub mod event;
pub mod fact;
pub mod gate;
pub mod status;

mod adopt;
mod asked;
mod breaker;
mod debug;
mod failure;
mod fresh;
mod graph;
mod learn;
mod leave;
mod limits;
mod pass;
mod pipeline;
pub mod readers;
mod rest;
mod save;
mod service;
mod settle;
mod step;
mod swap;
mod took;
mod void;
mod why;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use self::{
    event::{BatchId, Effect, Event, Verdict},
    fact::Fact,
    graph::Graph,
    leave::Leaving,
    service::ServiceNode,
    settle::{Pending, Settling},
    step::{StepNode, Stopping},
    why::Why,
};
use crate::{
    model::{FilePath, PastProgram, Provider, Report, Revision, RunId, Time},
    plan::{Learned, Plan},
};

/// The state of everything devloop looks after.
#[derive(Debug)]
pub struct Core {
    plan: Arc<Plan>,
    graph: Graph,
    now: Time,
    settling: Settling,
    /// Settled, being read.
    batches: BTreeMap<BatchId, Vec<Pending>>,
    /// Read, but put off so that constant saving does not starve what is under way.
    deferred: Vec<(Pending, Verdict)>,
    pass: Option<Pass>,
    /// Touched paths that nothing read at the time; what a tool chain says later may include them.
    unread: HashMap<FilePath, Time>,
    /// Paths that were touched when nothing read them, and have not been judged since.
    strangers: HashSet<FilePath>,
    /// Changed files that are served as they are, of which pages have not been told.
    assets: BTreeMap<Provider, BTreeSet<FilePath>>,
    learned: BTreeMap<Arc<str>, Arc<Learned>>,
    /// Runs whose artifacts have a key of exactly what they read, as the tool chain said afterwards.
    proven: BTreeSet<RunId>,
    revision: Revision,
    runs: u64,
    batch_ids: u64,
    steps: Vec<StepNode>,
    services: Vec<ServiceNode>,
    /// Runs of steps and services that are no longer in the plan.
    orphans: BTreeSet<RunId>,
    invalid_plan: Option<Arc<Report>>,
    reading: Reading,
    watching: Watching,
    journey: Journey,
    leaving: Leaving,
    resting: bool,
    out: Vec<Effect>,
}

/// Nodes that are let finish although something they read has changed.
#[derive(Debug)]
struct Pass {
    steps: BTreeSet<usize>,
    services: BTreeSet<usize>,
}

/// Whether dev.toml is being read again. `No => Asked (=> AskedAgain => Asked)* => No`: one read at a time, so that an
/// older one never comes after a newer one.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    No,
    Asked,
    /// It has changed once more since it was asked for.
    AskedAgain,
}

/// Whether saves count. `On => Paused => On`
#[derive(Debug, PartialEq, Eq)]
enum Watching {
    On,
    /// They are collected and start nothing.
    Paused,
}

/// Where the time has gone since everything was last at rest.
#[derive(Debug, Default)]
struct Journey {
    settle: Option<Duration>,
    steps: Vec<(Arc<str>, f64)>,
}

impl Core {
    /// The state before anything has happened. `exclusive` names the services that are known to be replaceable only
    /// exclusively. The first `Tick` starts what can start.
    pub fn new(plan: Arc<Plan>, exclusive: &[Arc<str>]) -> Core {
        let steps = plan.steps.iter().map(|step| StepNode::new(step.clone(), Why::Start, Time::ZERO)).collect();
        let services = plan.services.iter().map(|service| {
            let mut node = ServiceNode::new(service.clone(), Why::Start);
            node.exclusive = exclusive.contains(&service.name);
            node
        });
        Core {
            graph: Graph::new(&plan),
            now: Time::ZERO,
            settling: Settling::new(plan.watch.settle),
            batches: BTreeMap::new(),
            deferred: Vec::new(),
            pass: None,
            unread: HashMap::new(),
            strangers: HashSet::new(),
            assets: BTreeMap::new(),
            learned: BTreeMap::new(),
            proven: BTreeSet::new(),
            revision: Revision(1),
            runs: 0,
            batch_ids: 0,
            steps,
            services: services.collect(),
            orphans: BTreeSet::new(),
            invalid_plan: None,
            reading: Reading::No,
            watching: Watching::On,
            journey: Journey::default(),
            leaving: Leaving::No,
            resting: false,
            out: Vec::new(),
            plan,
        }
    }

    /// What is known from earlier about how long a step's run or a service's start takes.
    pub fn recall(&mut self, name: &str, took: Duration) {
        for step in self.steps.iter_mut().filter(|step| &*step.plan.name == name) {
            step.took.note(took);
        }
        for service in self.services.iter_mut().filter(|service| &*service.plan.name == name) {
            service.took.note(took);
        }
    }

    /// The last revision of earlier sessions. This one goes on counting, so that no number means two things.
    pub fn continue_after(&mut self, last: Revision) {
        self.revision = Revision(last.0.saturating_add(1));
    }

    /// What earlier sessions left of a service to go back to, oldest first.
    pub fn recall_programs(&mut self, name: &str, programs: Vec<PastProgram>) {
        let Some(index) = self.services.iter().position(|service| &*service.plan.name == name) else { return };
        let uses = self.services[index].plan.uses.iter().map(|step| self.steps[*step].plan.name.clone());
        let named: Vec<Arc<str>> = uses.collect();
        let earlier = programs.into_iter().filter(|program| program.revision < self.revision);
        for program in earlier.collect::<Vec<_>>() {
            self.services[index].recall(program, &named);
        }
    }

    /// What a tool chain said last that this step or service reads.
    pub fn learned(&self, name: &str) -> Option<Arc<Learned>> {
        self.learned.get(name).cloned()
    }

    /// The plan in force.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What is to be done now that `event` has happened. `now` never goes back.
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Effect> {
        self.oversleep(now);
        self.now = self.now.max(now);
        if self.leaving != Leaving::No {
            return self.handle_leaving(&event);
        }
        match event {
            Event::Touched(touches) => self.touched(touches),
            Event::GitLock(held) => self.settling.git_lock(self.now, held),
            Event::Digested { batch, verdicts } => self.digested(batch, verdicts),
            Event::LookedUp { run, found } => self.looked_up(run, found),
            Event::Started { run, pid, port } => self.started(run, pid, port),
            Event::Exited { run, exit, clue, report } => self.exited(run, exit, clue, report),
            Event::Fenced { run } => self.fenced(run),
            Event::Examined { run, changed, foreign, artifact, missing } => {
                self.examined(run, changed, foreign, artifact, missing);
            }
            Event::Learned { name, run, reads } => self.learn(&name, run, reads),
            Event::Ready { run, warning, elsewhere } => self.ready(run, warning, elsewhere),
            Event::Unhealthy { run, report } => self.unhealthy(run, report),
            Event::Probing { run, seen } => self.probing(run, seen),
            Event::Drained { run } => self.drained(run),
            Event::NewPlan(plan) => self.adopt(plan),
            Event::BadPlan(report) => self.refuse_plan(report),
            Event::Debug(plan) => self.debug(plan),
            Event::Restart(name) => self.restart(&name),
            Event::Rebuild(step) => self.rebuild(step.as_deref()),
            Event::RollBack(earlier) => self.roll_back(earlier),
            Event::Pause => self.pause(),
            Event::Resume => self.resume(),
            Event::Quit => self.quit(),
            Event::Tick => {}
        }
        self.go_on();
        std::mem::take(&mut self.out)
    }

    /// When it wants a `Tick` at the latest; none if only events can change anything.
    pub fn deadline(&self) -> Option<Time> {
        if self.leaving != Leaving::No {
            return None;
        }
        let settle = self.settling_due();
        let steps = (0..self.steps.len()).filter_map(|index| self.step_deadline(index));
        let services = (0..self.services.len()).filter_map(|index| self.service_deadline(index));
        // What was due by now has been done: a moment that has passed changes nothing any more.
        settle.into_iter().chain(steps).chain(services).filter(|moment| *moment > self.now).min()
    }

    /// The newest revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Does everything that the state now allows.
    fn go_on(&mut self) {
        if self.leaving != Leaving::No {
            return;
        }
        loop {
            let mut moved = self.read_what_has_settled();
            moved |= self.end_what_took_too_long();
            moved |= self.conclude_steps();
            moved |= self.cancel_useless_runs();
            moved |= self.start_steps();
            moved |= self.move_services();
            moved |= self.end_pass();
            if !moved {
                break;
            }
        }
        self.tell_assets();
        self.note_unresolved();
        self.tell_rest();
    }

    fn tell(&mut self, fact: Fact) {
        self.out.push(Effect::Tell(fact));
    }

    fn new_run(&mut self) -> RunId {
        self.runs += 1;
        RunId(self.runs)
    }

    fn step_of(&self, run: RunId) -> Option<usize> {
        self.steps.iter().position(|step| step.run() == Some(run))
    }

    fn service_of(&self, run: RunId) -> Option<usize> {
        self.services.iter().position(|service| service.has(run))
    }

    fn started(&mut self, run: RunId, pid: u32, port: Option<u16>) {
        if let Some(index) = self.service_of(run) {
            self.instance_started(index, run, pid, port);
        }
    }

    fn exited(&mut self, run: RunId, exit: crate::model::Exit, clue: Option<crate::model::Clue>, report: Report) {
        if self.orphans.remove(&run) {
            return;
        }
        if let Some(index) = self.step_of(run) {
            self.step_exited(index, exit, report);
        } else if let Some(index) = self.service_of(run) {
            self.instance_exited(index, run, exit, clue, report);
        }
    }
}
