//! The programs of a world: what they read, what they make of it, how they come up and end; and the shells that carry
//! out what the core decides.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use devloop::{
    core::event::{Effect, Event, Program, Spawn, StopHow, Verdict, Writer},
    model::{Artifact, Clue, Digest, Exit, FilePath, Report, RunId},
    plan::{Inputs, Learned, Service, Step},
};

use super::{
    content::{Arrival, Content, Fate, GARBAGE, MISSING, arrival, coarse, fate, formatted, mix, text},
    plans,
    world::{Happening, World},
};

/// A program of ours.
#[derive(Debug)]
pub struct Process {
    pub spawn: Spawn,
    pub read: BTreeMap<FilePath, Content>,
    /// Artifacts and what steps left that declare no outputs.
    pub others: Vec<Content>,
    pub ready: bool,
    pub stopping: bool,
    /// Comes to nothing, whatever it is made of.
    pub cursed: bool,
}

impl Process {
    pub fn step(&self) -> Option<&Arc<Step>> {
        match &self.spawn.program {
            Program::Step(step) => Some(step),
            Program::Service(_) => None,
        }
    }

    pub fn service(&self) -> Option<&Arc<Service>> {
        match &self.spawn.program {
            Program::Service(service) => Some(service),
            Program::Step(_) => None,
        }
    }

    pub fn writes(&self, path: &Path) -> bool {
        self.step().is_some_and(|step| step.outputs.matches(path) || step.generates)
    }
}

pub fn path(name: &str) -> FilePath {
    Arc::from(Path::new(name))
}

/// The files a step writes.
pub fn outputs(step: &Step) -> Vec<FilePath> {
    let generated = step.generates.then(|| path("z_gen.go"));
    step.outputs.patterns().iter().map(|output| path(output)).chain(generated).collect()
}

/// Whether it writes what it reads.
pub fn is_formatter(step: &Step) -> bool {
    matches!(&step.inputs, Inputs::Globs(globs) if step.outputs.patterns().iter().any(|one| globs.matches(Path::new(one))))
}

/// Whether nothing is known of what it changes.
pub fn is_blind(step: &Step) -> bool {
    step.outputs.is_empty() && !step.makes_artifact && !step.generates
}

/// What a step makes of what it has read.
pub fn step_result(step: &Step, read: &BTreeMap<FilePath, Content>, others: &[Content]) -> Content {
    let is_source = |file: &Path| plans::SOURCES.iter().any(|source| Path::new(source) == file);
    let is_tool = matches!(step.inputs, Inputs::Tool(_));
    let with_note = read.get(Path::new("lib.rs")).is_some_and(|content| includes_note(*content));
    let seen = read.iter().filter(|(file, _)| !is_tool || with_note || ***file != *Path::new("note.txt"));
    let seen =
        seen.map(|(file, content)| if is_source(file) && !is_formatter(step) { coarse(*content) } else { *content });
    mix(seen.chain(others.iter().copied()).chain([text(&step.run.text)]))
}

/// Whether lib.rs has a line that includes note.txt.
fn includes_note(content: Content) -> bool {
    (content / 2).is_multiple_of(2)
}

pub fn service_result(service: &Service, read: &BTreeMap<FilePath, Content>, others: &[Content]) -> Content {
    mix(read.values().copied().chain(others.iter().copied()).chain([text(&service.run.text)]))
}

impl World {
    // ---- what is read ----

    fn all_files() -> impl Iterator<Item = FilePath> {
        plans::SOURCES.iter().chain(&plans::GENERATED).chain([&plans::CONFIG]).map(|name| path(name))
    }

    /// The files that the step at `index` reads.
    pub fn read_by_step(&self, index: usize) -> Vec<FilePath> {
        if matches!(self.plan.steps[index].inputs, Inputs::Tool(_)) {
            return vec![path("lib.rs"), path("note.txt")];
        }
        // Nobody includes extra.css, though everything is an input.
        let reads = |file: &FilePath| **file != *Path::new("extra.css") && self.plan.step_reads(index, file, None);
        World::all_files().filter(reads).collect()
    }

    /// The files that the service at `index` reads: its inputs, and what steps before it write that no step in between
    /// reads.
    pub fn read_by_service(&self, index: usize) -> Vec<FilePath> {
        let before = self.plan.before_service(index);
        let follows = self.plan.services[index].follows_steps();
        let is_read = |file: &FilePath| {
            let unread = |maker: &usize| {
                let reads = |reader: &usize| {
                    self.plan.before_step(*reader).contains(maker) && self.plan.step_reads(*reader, file, None)
                };
                outputs(&self.plan.steps[*maker]).contains(file) && !before.iter().any(reads)
            };
            self.plan.service_reads(index, file, None) || (follows && before.iter().any(unread))
        };
        World::all_files().filter(is_read).collect()
    }

    /// The blind steps whose doings the step at `index` sees.
    pub fn blind_before_step(&self, index: usize) -> Vec<Arc<str>> {
        let after = self.plan.steps[index].after.iter();
        let blind = after.map(|before| &self.plan.steps[*before]).filter(|step| is_blind(step));
        blind.map(|step| step.name.clone()).collect()
    }

    /// The blind steps whose doings the service at `index` sees.
    pub fn blind_before_service(&self, index: usize) -> Vec<Arc<str>> {
        let before = self.plan.before_service(index);
        let follows = self.plan.services[index].follows_steps();
        let seen = before.iter().filter(|maker| {
            let consumed = before.iter().any(|other| self.plan.before_step(*other).contains(maker));
            follows && !consumed && is_blind(&self.plan.steps[**maker])
        });
        seen.map(|step| self.plan.steps[*step].name.clone()).collect()
    }

    // ---- programs ----

    fn spawn(&mut self, spawn: Spawn) {
        assert!(!self.quit, "nothing starts after quit");
        self.check_order(&spawn);
        let run = spawn.run;
        let mut others: Vec<Content> = spawn.artifacts.iter().map(|artifact| self.artifacts[&artifact.run]).collect();
        let (files, blind, length) = match &spawn.program {
            Program::Step(step) => {
                let index =
                    self.plan.steps.iter().position(|other| other.name == step.name).expect("it is in the plan");
                (self.read_by_step(index), self.blind_before_step(index), 5 + self.random(400))
            }
            Program::Service(service) => {
                let index = self.plan.services.iter().position(|other| other.name == service.name);
                let index = index.expect("it is in the plan");
                let port = |service: &Service| service.debugging.as_ref().map(|debugging| debugging.port);
                let mut others = self.processes.values().filter_map(Process::service);
                let taken = others.any(|other| port(other) == port(service));
                assert!(port(service).is_none() || !taken, "two debuggers want the same port");
                (self.read_by_service(index), self.blind_before_service(index), 12 + self.random(300))
            }
        };
        others.extend(blind.iter().map(|name| self.hidden.get(name).copied().unwrap_or(MISSING)));
        let cursed = self.books.is_after_crash(run) && self.curses > 0;
        if cursed {
            self.curses -= 1;
        }
        for file in files {
            // What happens while an instance starts is told before it has started.
            let at = self.random(length.saturating_sub(6).max(1));
            self.later(at, Happening::Reads { run, file });
        }
        match &spawn.program {
            Program::Step(step) => {
                for output in outputs(step).into_iter().filter(|_| !is_formatter(step)) {
                    let at = self.random(length);
                    self.later(at, Happening::Truncates { run, file: output });
                }
                self.later(length, Happening::Ends { run });
            }
            Program::Service(_) => {
                self.later(0, Happening::ToCore(Event::Started { run, pid: 1, port: Some(20_000) }));
                self.later(length, Happening::Comes { run });
            }
        }
        let process = Process { spawn, read: BTreeMap::new(), others, ready: false, stopping: false, cursed };
        self.processes.insert(run, process);
    }

    /// A step's program has done all it does.
    pub fn ends(&mut self, run: RunId) {
        let Some(process) = self.processes.get(&run) else { return };
        let Some(step) = process.step().cloned() else { return };
        let result = step_result(&step, &process.read, &process.others);
        let read = process.read.clone();
        let fate = fate(&step.name, result, step.timeout.is_some());
        match fate {
            Fate::Hangs => return,
            Fate::Fails => {}
            Fate::Good => {
                if step.makes_artifact {
                    self.artifacts.insert(run, result);
                }
                if is_blind(&step) {
                    self.hidden.insert(step.name.clone(), result);
                }
                for file in outputs(&step) {
                    let content = if is_formatter(&step) { formatted(read[&file]) } else { result };
                    if !is_formatter(&step) || content != read[&file] {
                        self.files.insert(file.clone(), content);
                        self.event(&file, Writer::Done);
                    }
                }
            }
        }
        self.processes.remove(&run);
        self.give(exited(run, Exit::Code(i32::from(fate != Fate::Good)), None));
    }

    /// An instance has read what it reads: it is ready, or it is not going to be.
    pub fn comes(&mut self, run: RunId) {
        let Some(process) = self.processes.get(&run) else { return };
        let Some(service) = process.service().cloned() else { return };
        let result = service_result(&service, &process.read, &process.others);
        let is_sibling = |other: &Process| other.service().is_some_and(|node| node.name == service.name);
        let siblings = self.processes.values().filter(|other| is_sibling(other)).count() - 1;
        let locked = &*service.name == "locker" && siblings > 0;
        let cursed = process.cursed;
        match arrival(&service.name, result) {
            _ if locked => {
                self.processes.remove(&run);
                self.give(exited(run, Exit::Code(98), Some(Clue::AddressInUse)));
            }
            _ if cursed => self.dies(run, Exit::Code(3)),
            Arrival::Exits => self.dies(run, Exit::Code(1)),
            Arrival::Unhealthy => self.give(Event::Unhealthy { run, report: Report::new("not healthy") }),
            // A start under a debugger has no limit: without a word it would never be over.
            Arrival::Silent if service.debugging.is_some() => self.dies(run, Exit::Code(1)),
            Arrival::Silent => self.give(Event::Probing { run, seen: "connection refused".to_owned() }),
            Arrival::Ready => {
                let process = self.processes.get_mut(&run).expect("it is there");
                process.ready = !process.stopping;
                self.made.insert(run, result);
                self.give(Event::Ready { run, warning: None, elsewhere: false });
            }
        }
    }

    pub fn dies(&mut self, run: RunId, exit: Exit) {
        if self.processes.remove(&run).is_some() {
            self.give(exited(run, exit, None));
        }
    }

    fn stop(&mut self, run: RunId, how: StopHow) {
        assert!(self.quit || !self.is_open_to(run), "an instance is stopped while the gate is open to it");
        let slow = self.random(12) == 0;
        let takes = match how {
            StopHow::Ask if slow => 5_000,
            StopHow::Ask => self.random(200),
            StopHow::Kill => 1,
        };
        if let Some(process) = self.processes.get_mut(&run) {
            process.ready = false;
            process.stopping = true;
            // Some end well when they are told to stop, and some have just ended.
            let exit = if takes % 3 == 0 { Exit::Code(0) } else { Exit::Signal(15) };
            self.later(takes, Happening::Dies { run, exit });
        }
    }

    // ---- the other side of the effects ----

    pub fn carry_out(&mut self, effect: Effect) {
        let soon = self.random(6);
        match effect {
            Effect::Spawn(spawn) => self.spawn(spawn),
            Effect::Digest { batch, paths } => {
                let verdicts: Vec<_> = paths.into_iter().map(|path| self.look(path)).collect();
                self.later(soon, Happening::ToCore(Event::Digested { batch, verdicts }));
            }
            Effect::LookUp { run, step, artifacts, reuse } => self.look_up(run, &step, &artifacts, reuse, soon),
            Effect::Keep { run } => {
                let (content, key) = (self.artifacts[&run], self.keys[&run]);
                assert!(content != GARBAGE && key != GARBAGE, "a void run's artifact is kept");
                let step = self.books.step_name(run);
                self.kept.insert(key, Artifact { step, run, digest: Digest(content.into()) });
            }
            Effect::Fence { run } => self.in_order(soon, Happening::ToCore(Event::Fenced { run })),
            Effect::Examine { run, step, touched } => self.examine(run, &step, touched, soon),
            Effect::Stop { run, how } => self.stop(run, how),
            Effect::Drain { run, limit, .. } => {
                assert!(!self.is_open_to(run), "an instance is drained while the gate is open to it");
                let limit = limit.as_millis() as u64;
                let takes = if self.random(12) == 0 { limit } else { self.random(limit.min(300)) };
                self.later(takes, Happening::ToCore(Event::Drained { run }));
            }
            Effect::AskInputs { name, run } => {
                let takes = self.random(300);
                self.later(takes, Happening::Asked { name, run });
            }
            Effect::Reload => self.later(soon, Happening::Reloads),
            Effect::Leave => {
                assert!(self.quit && self.processes.is_empty(), "it leaves with programs behind");
                self.left = true;
            }
            Effect::Collect { used } => self.collect(&used),
            Effect::RememberPrograms { service, programs } => {
                // Nothing that one can go back to may be gone.
                for artifact in programs.iter().flat_map(|program| &program.artifacts) {
                    assert!(self.artifacts.contains_key(&artifact.run), "{artifact:?} is not kept");
                }
                self.remembered.insert(service, programs);
            }
            Effect::Tell(_) | Effect::Probe { .. } | Effect::RememberExclusive { .. } => {}
        }
    }

    /// The store removes what neither is in use nor kept by a key.
    fn collect(&mut self, used: &[RunId]) {
        let kept: BTreeSet<RunId> = self.kept.values().map(|artifact| artifact.run).collect();
        self.artifacts.retain(|run, _| used.contains(run) || kept.contains(run));
    }

    fn look_up(&mut self, run: RunId, step: &Step, artifacts: &[Artifact], reuse: bool, soon: u64) {
        let Some(index) = self.plan.steps.iter().position(|other| other.name == step.name) else { return };
        let learned = self.core.learned(&step.name);
        // The store reads what the plan and the tool chain say, as it is at this moment.
        let reads = |file: &FilePath| self.plan.step_reads(index, file, learned.as_deref());
        let inputs = World::all_files().filter(reads);
        let needed = self.read_by_step(index);
        let contents = inputs.flat_map(|file| {
            let content = self.files.get(&file).copied().unwrap_or(MISSING);
            // Half a file that it does not really read does no harm.
            let content = if needed.contains(&file) { content } else { content >> 1 };
            [text(&file.to_string_lossy()), content]
        });
        let artifacts = artifacts.iter().map(|artifact| artifact.digest.0 as u64);
        let key = mix(contents.chain(artifacts).chain([text(&step.run.text)]));
        self.keys.insert(run, key);
        let found = self.kept.get(&key).filter(|_| reuse && key != GARBAGE).cloned();
        self.later(soon, Happening::ToCore(Event::LookedUp { run, found }));
    }

    fn examine(&mut self, run: RunId, step: &Arc<Step>, touched: Vec<FilePath>, soon: u64) {
        let own: BTreeSet<FilePath> = outputs(step).into_iter().collect();
        let foreign = touched.into_iter().filter(|file| !own.contains(file)).collect();
        let looked: Vec<_> = own.into_iter().map(|path| self.look(path)).collect();
        let changed =
            looked.into_iter().filter(|(_, verdict)| *verdict != Verdict::Same).map(|(path, _)| path).collect();
        let artifact = self.artifacts.get(&run).filter(|_| step.makes_artifact).map(|content| Artifact {
            step: step.name.clone(),
            run,
            digest: Digest((*content).into()),
        });
        let event = Event::Examined { run, changed, foreign, artifact, missing: None };
        self.later(soon, Happening::ToCore(event));
    }

    fn look(&mut self, path: FilePath) -> (FilePath, Verdict) {
        if *path == *Path::new(plans::OWNED) {
            return (path, Verdict::Owned);
        }
        let now = self.files.get(&path).copied();
        let before = self.known.get(&path).copied();
        let verdict = match (before, now) {
            (before, now) if before == now => Verdict::Same,
            (Some(_), None) => Verdict::Gone,
            _ => Verdict::Changed,
        };
        match now {
            Some(content) => self.known.insert(path.clone(), content),
            None => self.known.remove(&path),
        };
        (path, verdict)
    }

    /// A tool chain looks, and its answer is a little under way. One that meets half a file is asked again.
    pub fn answer_asked(&mut self, name: Arc<str>, run: RunId) {
        let lib = self.content("lib.rs");
        let delay = self.random(40);
        if lib == GARBAGE {
            return self.later(delay + 1, Happening::Asked { name, run });
        }
        let mut files: BTreeSet<FilePath> = [path("lib.rs")].into();
        if includes_note(lib) {
            files.insert(path("note.txt"));
        }
        // Now and then it cannot say, where a guess is good enough.
        let can_say = includes_note(lib) || self.random(6) > 0;
        let reads = can_say.then(|| Learned { files, globs: Default::default() });
        self.later(delay, Happening::ToCore(Event::Learned { name, run, reads }));
    }
}

fn exited(run: RunId, exit: Exit, clue: Option<Clue>) -> Event {
    Event::Exited { run, exit, clue, report: Report::new("") }
}
