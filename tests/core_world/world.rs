//! A whole world around the core: files with versions, programs that read them while others write, a clock that jumps
//! from event to event. It keeps its own books and believes nothing that the core says of itself.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    sync::Arc,
    time::Duration,
};

use devloop::{
    core::{
        Core,
        event::{Effect, Event, Program, Spawn, StopHow, Touch, Verdict, Writer},
        fact::Fact,
        gate::Gate,
    },
    model::{Artifact, Digest, Exit, FilePath, Report, RunId, Time},
    plan::{Plan, Swap},
};

/// What stands in a file: a version, or the middle of a write.
pub type Content = u64;
/// No program makes anything good of this.
const GARBAGE: Content = u64::MAX;

/// Mixes contents into a new one; garbage stays garbage.
fn mix(parts: impl IntoIterator<Item = Content>) -> Content {
    let mut all = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        if part == GARBAGE {
            return GARBAGE;
        }
        for byte in part.to_le_bytes() {
            all = (all ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    all >> 8
}

fn text_content(text: &str) -> Content {
    mix(text.bytes().map(u64::from))
}

/// Contents that do not compile, and programs that do not come up: known beforehand, so that the expected outcome is
/// a function of the sources.
fn breaks(what: &str, content: Content) -> bool {
    content == GARBAGE || mix([text_content(what), content]) % 8 == 0
}

#[derive(Clone, Debug)]
enum Happening {
    ToCore(Event),
    WriteBegins { file: FilePath, content: Content, takes: u64 },
    WriteEnds { file: FilePath, content: Content },
    Reads { run: RunId, file: FilePath },
    GeneratorTruncates { run: RunId, file: FilePath },
    Ends { run: RunId },
    Comes { run: RunId },
    Crashes { run: RunId },
}

/// A program of ours.
#[derive(Debug)]
struct Process {
    spawn: Spawn,
    read: Vec<Content>,
    ready: bool,
}

/// The world.
pub struct World {
    pub core: Core,
    plan: Arc<Plan>,
    now: u64,
    seed: u64,
    queue: VecDeque<(u64, u64, Happening)>,
    order: u64,
    files: BTreeMap<FilePath, Content>,
    known: BTreeMap<FilePath, Content>,
    processes: BTreeMap<RunId, Process>,
    /// What each live or once live instance was made of.
    made: BTreeMap<RunId, Content>,
    artifacts: BTreeMap<RunId, Content>,
    keys: BTreeMap<RunId, Content>,
    kept: BTreeMap<Content, Artifact>,
    quit: bool,
    left: bool,
    pub spawned: usize,
    pub crashes: usize,
    pub rewrites: usize,
    pub trace: Vec<String>,
}

impl World {
    pub fn new(plan: Plan, seed: u64) -> World {
        let plan = Arc::new(plan);
        let mut files = BTreeMap::new();
        for name in super::plans::SOURCES {
            files.insert(Arc::from(Path::new(name)), 1);
        }
        let mut world = World {
            core: Core::new(plan.clone(), &[]),
            plan,
            now: 0,
            seed,
            queue: VecDeque::new(),
            order: 0,
            known: files.clone(),
            files,
            processes: BTreeMap::new(),
            made: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            keys: BTreeMap::new(),
            kept: BTreeMap::new(),
            quit: false,
            left: false,
            spawned: 0,
            crashes: 0,
            rewrites: 0,
            trace: Vec::new(),
        };
        world.give(Event::Tick);
        world
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below.max(1)
    }

    fn later(&mut self, after: u64, what: Happening) {
        self.order += 1;
        self.queue.push_back((self.now + after, self.order, what));
    }

    fn time(&self) -> Time {
        Time::from_start(Duration::from_millis(self.now))
    }

    // ---- acts of people ----

    /// A person saves `file`; writing takes some milliseconds.
    pub fn save(&mut self, file: &str, content: Content, takes: u64) {
        let file: FilePath = Arc::from(Path::new(file));
        if self.files.get(&file) == Some(&content) {
            self.rewrites += 1;
        }
        self.happen(Happening::WriteBegins { file, content, takes });
    }

    pub fn adopt(&mut self, plan: Plan) {
        let plan = Arc::new(plan);
        self.plan = plan.clone();
        self.give(Event::NewPlan(plan));
    }

    pub fn crash_one(&mut self) {
        // One that is made of artifacts comes up again; one that reads sources may not, and is then tried for ever.
        let keeps = |name: &str| self.plan.services.iter().any(|node| &*node.name == name && !node.uses.is_empty());
        let live: Vec<RunId> =
            self.live_runs().into_iter().filter(|(name, _)| keeps(name)).map(|(_, run)| run).collect();
        if !live.is_empty() {
            let run = live[self.random(live.len() as u64) as usize];
            self.happen(Happening::Crashes { run });
        }
    }

    pub fn quit(&mut self) {
        self.quit = true;
        self.give(Event::Quit);
    }

    pub fn content(&self, file: &str) -> Content {
        self.files[Path::new(file)]
    }

    // ---- time ----

    /// Lets `ms` pass.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.step_until(end) {}
        self.now = end;
    }

    /// Lets time pass until nothing will happen any more. Panics if that never comes.
    pub fn rest(&mut self) {
        for _ in 0..5_000 {
            if !self.step_until(u64::MAX) {
                return;
            }
        }
        panic!("the world never comes to rest: {:?}", self.core.status());
    }

    fn step_until(&mut self, end: u64) -> bool {
        let next = self.queue.iter().enumerate().min_by_key(|(_, (at, order, _))| (*at, *order)).map(|(i, e)| (i, e.0));
        let deadline = self.core.deadline().map(|time| time.since_start().as_micros().div_ceil(1000) as u64);
        match (next, deadline) {
            (Some((index, at)), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                if at > end {
                    return false;
                }
                let (at, _, what) = self.queue.remove(index).expect("it was just found");
                self.now = self.now.max(at);
                self.happen(what);
            }
            (_, Some(deadline)) if deadline <= end => {
                self.now = self.now.max(deadline);
                let before = self.core.deadline();
                self.give(Event::Tick);
                assert_ne!(
                    before,
                    self.core.deadline(),
                    "a deadline that a tick does not move wakes the loop for ever"
                );
            }
            _ => return false,
        }
        true
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::ToCore(event) => self.give(event),
            Happening::WriteBegins { file, content, takes } => {
                self.files.insert(file.clone(), GARBAGE);
                self.event(&file, Writer::Writing);
                self.later(takes, Happening::WriteEnds { file, content });
            }
            Happening::WriteEnds { file, content } => {
                self.files.insert(file.clone(), content);
                self.event(&file, Writer::Done);
            }
            Happening::Reads { run, file } => {
                let content = self.files.get(&file).copied().unwrap_or(GARBAGE);
                if let Some(process) = self.processes.get_mut(&run) {
                    process.read.push(content);
                }
            }
            Happening::GeneratorTruncates { run, file } => {
                if self.processes.contains_key(&run) {
                    self.files.insert(file.clone(), GARBAGE);
                    self.event(&file, Writer::Writing);
                }
            }
            Happening::Ends { run } => self.end_of(run),
            Happening::Comes { run } => self.comes(run),
            Happening::Crashes { run } => {
                if self.processes.remove(&run).is_some() {
                    self.crashes += 1;
                    self.give(exited(run, Exit::Signal(11)));
                }
            }
        }
    }

    /// The OS reports a write, at once or a little later, in order.
    fn event(&mut self, file: &FilePath, writer: Writer) {
        let touch = Touch { path: file.clone(), writer };
        self.give(Event::Touched(vec![touch]));
    }

    // ---- programs ----

    fn end_of(&mut self, run: RunId) {
        let Some(process) = self.processes.remove(&run) else { return };
        let Program::Step(step) = &process.spawn.program else { return };
        let result = mix(sorted(&process.read).into_iter().chain([text_content(&step.run.text)]));
        let failed = breaks(&step.name, result);
        if !failed {
            if step.makes_artifact {
                self.artifacts.insert(run, result);
            }
            for output in step.outputs.patterns().to_vec() {
                let file: FilePath = Arc::from(Path::new(&output));
                self.files.insert(file.clone(), result);
                self.event(&file, Writer::Done);
            }
        }
        self.give(exited(run, Exit::Code(i32::from(failed))));
    }

    /// An instance has read what it reads: it is ready, or it is not going to be.
    fn comes(&mut self, run: RunId) {
        let Some(process) = self.processes.get_mut(&run) else { return };
        let Program::Service(service) = &process.spawn.program else { return };
        let result = mix(sorted(&process.read).into_iter().chain([text_content(&service.run.text)]));
        if breaks(&service.name, result) {
            let by_exit = result % 2 == 0;
            if by_exit {
                self.processes.remove(&run);
                self.give(exited(run, Exit::Code(1)));
            } else {
                self.give(Event::Unhealthy { run, report: Report::new("not healthy") });
            }
        } else {
            process.ready = true;
            self.made.insert(run, result);
            self.give(Event::Ready { run, warning: None, elsewhere: false });
        }
    }

    fn spawn(&mut self, spawn: Spawn) {
        assert!(!self.quit, "nothing starts after quit");
        self.spawned += 1;
        let run = spawn.run;
        self.check_order(&spawn);
        let from_artifacts = |world: &World| -> Vec<Content> {
            spawn.artifacts.iter().map(|artifact| world.artifacts[&artifact.run]).collect()
        };
        let read = from_artifacts(self);
        let (inputs, length) = match &spawn.program {
            Program::Step(step) => (self.read_by(step.name.clone()), 5 + self.random(400)),
            Program::Service(service) => (self.read_by(service.name.clone()), 5 + self.random(300)),
        };
        for file in inputs {
            let at = self.random(length);
            self.later(at, Happening::Reads { run, file });
        }
        match &spawn.program {
            Program::Step(step) => {
                for output in step.outputs.patterns() {
                    let at = self.random(length);
                    let file = Arc::from(Path::new(output));
                    self.later(at, Happening::GeneratorTruncates { run, file });
                }
                self.later(length, Happening::Ends { run });
            }
            Program::Service(_) => {
                self.later(0, Happening::ToCore(Event::Started { run, pid: 1, port: Some(20_000) }));
                self.later(length, Happening::Comes { run });
            }
        }
        self.processes.insert(run, Process { spawn, read, ready: false });
    }

    /// The files that a step or service reads, sorted.
    fn read_by(&self, name: Arc<str>) -> Vec<FilePath> {
        let all = super::plans::SOURCES.iter().copied().chain(["gen.go", "out.css"]);
        let reads = |file: &str| {
            let path = Path::new(file);
            let step = self.plan.steps.iter().position(|step| step.name == name);
            let service = self.plan.services.iter().position(|service| service.name == name);
            step.is_some_and(|index| self.plan.step_reads(index, path, None))
                || service.is_some_and(|index| self.plan.service_reads(index, path, None))
                || (service.is_some() && &*name == "web" && file == "out.css")
        };
        all.filter(|file| reads(file)).map(|file| Arc::from(Path::new(file))).collect()
    }

    // ---- the other side of the effects ----

    fn give(&mut self, event: Event) {
        if self.left {
            return;
        }
        self.note("", &format!("{event:?}"));
        let effects = self.core.handle(self.time(), event);
        self.check_gates(&effects);
        for effect in effects {
            if !matches!(effect, Effect::Tell(_)) {
                self.note("  -> ", &format!("{effect:?}"));
            }
            self.carry_out(effect);
        }
    }

    fn note(&mut self, sign: &str, text: &str) {
        let text: String = text.replace("Command { text: ", "").chars().take(150).collect();
        self.trace.push(format!("{:>6} {sign}{text}", self.now));
    }

    fn carry_out(&mut self, effect: Effect) {
        let soon = self.random(6);
        match effect {
            Effect::Spawn(spawn) => self.spawn(spawn),
            Effect::Digest { batch, paths } => {
                let verdicts = paths.into_iter().map(|path| self.look(path)).collect();
                self.later(soon, Happening::ToCore(Event::Digested { batch, verdicts }));
            }
            Effect::LookUp { run, step, artifacts, reuse } => {
                let inputs = self.read_by(step.name.clone());
                let key = mix(inputs.iter().map(|file| self.files.get(file).copied().unwrap_or(0)).chain(
                    artifacts.iter().map(|artifact| artifact.digest.0 as u64).chain([text_content(&step.run.text)]),
                ));
                self.keys.insert(run, key);
                let found = self.kept.get(&key).filter(|_| reuse && key != GARBAGE).cloned();
                self.later(soon, Happening::ToCore(Event::LookedUp { run, found }));
            }
            Effect::Keep { run } => {
                let content = self.artifacts[&run];
                let key = self.keys[&run];
                assert_ne!(content, GARBAGE, "a void run's artifact is kept");
                let step = self.plan.steps.iter().find(|step| step.makes_artifact).expect("a step makes it");
                self.kept.insert(key, Artifact { step: step.name.clone(), run, digest: Digest(content.into()) });
            }
            Effect::Fence { run } => self.later(soon, Happening::ToCore(Event::Fenced { run })),
            Effect::Examine { run, step, touched } => {
                let outputs: Vec<FilePath> =
                    step.outputs.patterns().iter().map(|output| Arc::from(Path::new(output))).collect();
                let all: BTreeSet<FilePath> = touched.into_iter().chain(outputs).collect();
                let looked: Vec<_> = all.into_iter().map(|path| self.look(path)).collect();
                let changed = looked.into_iter().filter(|(_, verdict)| *verdict != Verdict::Same).map(|(p, _)| p);
                let artifact = self.artifacts.get(&run).filter(|_| step.makes_artifact).map(|content| Artifact {
                    step: step.name.clone(),
                    run,
                    digest: Digest((*content).into()),
                });
                let event =
                    Event::Examined { run, changed: changed.collect(), foreign: Vec::new(), artifact, missing: None };
                self.later(soon, Happening::ToCore(event));
            }
            Effect::Stop { run, how } => self.stop(run, how),
            Effect::Drain { run, limit, .. } => {
                assert!(!self.is_open_to(run), "an instance is drained while the gate is open to it");
                let longest = (limit.as_millis() as u64).min(300);
                let takes = self.random(longest);
                self.later(takes, Happening::ToCore(Event::Drained { run }));
            }
            Effect::Leave => {
                assert!(self.quit && self.processes.is_empty(), "it leaves with programs behind");
                self.left = true;
            }
            Effect::Tell(Fact::Saved { .. }) | Effect::Tell(_) => {}
            Effect::AskInputs { .. }
            | Effect::Collect { .. }
            | Effect::Probe { .. }
            | Effect::RememberExclusive { .. }
            | Effect::Reload => {}
        }
    }

    fn look(&mut self, path: FilePath) -> (FilePath, Verdict) {
        let now = self.files.get(&path).copied();
        let before = self.known.get(&path).copied();
        let verdict = match (before, now) {
            (Some(before), Some(now)) if before == now => Verdict::Same,
            (Some(_), None) => Verdict::Gone,
            _ => Verdict::Changed,
        };
        match now {
            Some(content) => self.known.insert(path.clone(), content),
            None => self.known.remove(&path),
        };
        (path, verdict)
    }

    fn stop(&mut self, run: RunId, how: StopHow) {
        assert!(self.quit || !self.is_open_to(run), "an instance is stopped while the gate is open to it");
        if !self.processes.contains_key(&run) {
            return;
        }
        let takes = match how {
            StopHow::Ask => self.random(200),
            StopHow::Kill => 1,
        };
        if let Some(process) = self.processes.get_mut(&run) {
            process.ready = false;
        }
        self.later(takes, Happening::Crashes { run });
    }

    // ---- the promises ----

    fn live_runs(&self) -> Vec<(Arc<str>, RunId)> {
        let gates = self.core.gates();
        let open = gates.services.iter().filter_map(|(name, gate)| match gate {
            Gate::Open { run, .. } => Some((name.clone(), *run)),
            Gate::Holding { .. } | Gate::Failed { .. } => None,
        });
        open.collect()
    }

    fn is_open_to(&self, run: RunId) -> bool {
        self.live_runs().iter().any(|(_, live)| *live == run)
    }

    /// Promises 1, 2 and the meaning of `exclusive`.
    fn check_order(&self, spawn: &Spawn) {
        let active = |name: &str| {
            self.processes.values().any(|process| match &process.spawn.program {
                Program::Step(step) => &*step.name == name,
                Program::Service(service) => &*service.name == name,
            })
        };
        match &spawn.program {
            Program::Step(step) => {
                assert!(!active(&step.name), "two runs of `{}` overlap", step.name);
                let Some(index) = self.plan.steps.iter().position(|other| other.name == step.name) else { return };
                for (other, node) in self.plan.steps.iter().enumerate() {
                    let before = self.plan.before_step(index).contains(&other);
                    let after = self.plan.before_step(other).contains(&index);
                    assert!(
                        !((before || after) && active(&node.name)),
                        "`{}` starts while `{}` runs",
                        step.name,
                        node.name
                    );
                }
            }
            Program::Service(service) => {
                if service.swap == Swap::Exclusive {
                    assert!(!active(&service.name), "two instances of exclusive `{}`", service.name);
                }
            }
        }
    }

    /// Promises 5, 7 and 8, after every event.
    fn check_gates(&self, effects: &[Effect]) {
        if self.quit {
            return;
        }
        let crashed = |run: RunId| !self.processes.get(&run).is_some_and(|process| process.ready);
        for (name, gate) in &self.core.gates().services {
            let Gate::Open { run, awaiting, stale, .. } = gate else { continue };
            assert!(!crashed(*run), "the gate of `{name}` is open to {run}, which is not ready");
            if let Some(awaiting) = awaiting {
                assert!(self.time() < awaiting.until, "requests to `{name}` wait beyond the limit");
            }
            let writes_under_way = self.files.values().any(|content| *content == GARBAGE);
            if awaiting.is_none() && stale.is_none() && !writes_under_way {
                let expected = self.expected(name);
                assert_eq!(
                    Some(&self.made[run]),
                    expected.as_ref(),
                    "old answers of `{name}` pass unmarked; effects {effects:?}"
                );
            }
        }
    }

    /// What the service must be made of, as a function of the sources alone; none if that does not build or start.
    fn expected(&self, service: &str) -> Option<Content> {
        let mut files = self.files.clone();
        let mut artifacts: BTreeMap<Arc<str>, Content> = BTreeMap::new();
        let index = self.plan.services.iter().position(|node| &*node.name == service)?;
        let before = self.plan.before_service(index);
        for (at, step) in self.plan.steps.iter().enumerate() {
            if !before.contains(&at) {
                continue;
            }
            let used = self.plan.artifacts_named(&step.run);
            let used = used.iter().map(|step| artifacts[&self.plan.steps[*step].name]).collect::<Vec<_>>();
            let inputs = self.read_by(step.name.clone());
            let mut read: Vec<Content> = used;
            read.extend(inputs.iter().map(|file| files.get(file).copied().unwrap_or(GARBAGE)));
            read.sort_unstable();
            let result = mix(read.into_iter().chain([text_content(&step.run.text)]));
            if breaks(&step.name, result) {
                return None;
            }
            for output in step.outputs.patterns() {
                files.insert(Arc::from(Path::new(output)), result);
            }
            if step.makes_artifact {
                artifacts.insert(step.name.clone(), result);
            }
        }
        let node = &self.plan.services[index];
        let mut read: Vec<Content> = node.uses.iter().map(|step| artifacts[&self.plan.steps[*step].name]).collect();
        read.extend(self.read_by(node.name.clone()).iter().map(|file| files.get(file).copied().unwrap_or(GARBAGE)));
        read.sort_unstable();
        let result = mix(read.into_iter().chain([text_content(&node.run.text)]));
        (!breaks(&node.name, result)).then_some(result)
    }

    /// Promise 3, at rest: what answers was made from the last saved content, if that is good.
    pub fn check_at_rest(&self) {
        for (name, gate) in &self.core.gates().services {
            let expected = self.expected(name);
            if self.lacks_a_need(name) {
                assert!(!matches!(gate, Gate::Holding { .. }), "requests to `{name}` wait for nothing");
                continue;
            }
            match (gate, expected) {
                (Gate::Open { run, stale, .. }, Some(expected)) => {
                    assert_eq!(self.made[run], expected, "a save is lost: `{name}` is not made of the last content");
                    assert_eq!(*stale, None, "`{name}` is called stale and is not");
                }
                (Gate::Open { stale, .. }, None) => assert!(stale.is_some(), "`{name}` is stale and that is not said"),
                (Gate::Failed { .. }, None) => {}
                (gate, Some(_)) => panic!("`{name}` could be live and is {gate:?}"),
                (Gate::Holding { .. }, None) => panic!("requests to `{name}` wait for nothing"),
            }
        }
        assert!(self.core.status().at_rest);
    }

    fn lacks_a_need(&self, service: &str) -> bool {
        let node = self.plan.services.iter().find(|node| &*node.name == service).expect("it is in the plan");
        let live = self.live_runs();
        node.needs.iter().any(|needed| !live.iter().any(|(name, _)| *name == self.plan.services[*needed].name))
    }

    pub fn check_left(&self) {
        assert!(self.left, "it never leaves");
    }
}

fn exited(run: RunId, exit: Exit) -> Event {
    Event::Exited { run, exit, clue: None, report: Report::new("") }
}

fn sorted(read: &[Content]) -> Vec<Content> {
    let mut read = read.to_vec();
    read.sort_unstable();
    read
}
