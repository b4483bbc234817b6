//! A whole world around the core: files with versions, programs that read them while others write, a clock that jumps
//! from event to event. It keeps its own books and believes nothing that the core says of itself.

mod people;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    sync::Arc,
    time::Duration,
};

use devloop::{
    core::{
        Core,
        event::{Earlier, Effect, Event, Touch, Writer},
    },
    model::{Artifact, Exit, FilePath, PastProgram, Report, RunId, Time},
    plan::{Plan, Restart},
};

use super::{
    books::Books,
    content::{Content, GARBAGE, MISSING},
    plans,
    programs::Process,
    promises::Seen,
};

/// Runs of earlier sessions have numbers from here on.
const EARLIER: u64 = 1 << 48;

/// Something that is going to happen.
#[derive(Clone, Debug)]
pub enum Happening {
    ToCore(Event),
    /// The OS tells of a write; `Fenced` and these come in the order in which they were caused.
    Told {
        file: FilePath,
        writer: Writer,
    },
    WriteEnds {
        file: FilePath,
        content: Content,
    },
    Reads {
        run: RunId,
        file: FilePath,
    },
    Truncates {
        run: RunId,
        file: FilePath,
    },
    Ends {
        run: RunId,
    },
    Comes {
        run: RunId,
    },
    Dies {
        run: RunId,
        exit: Exit,
    },
    /// A tool chain looks at what a step reads.
    Asked {
        name: Arc<str>,
        run: RunId,
    },
    /// dev.toml is read again.
    Reloads,
}

/// The world.
pub struct World {
    pub core: Core,
    pub plan: Arc<Plan>,
    pub now: u64,
    seed: u64,
    queue: VecDeque<(u64, u64, Happening)>,
    order: u64,
    /// When the last event that is on its way arrives.
    last_told: u64,
    pub files: BTreeMap<FilePath, Content>,
    /// What the watcher saw last.
    pub known: BTreeMap<FilePath, Content>,
    pub processes: BTreeMap<RunId, Process>,
    /// What each live or once live instance was made of.
    pub made: BTreeMap<RunId, Content>,
    pub artifacts: BTreeMap<RunId, Content>,
    pub keys: BTreeMap<RunId, Content>,
    pub kept: BTreeMap<Content, Artifact>,
    /// What one can go back to in a later session.
    pub remembered: BTreeMap<Arc<str>, Vec<PastProgram>>,
    /// What steps without declared outputs left behind, somewhere.
    pub hidden: BTreeMap<Arc<str>, Content>,
    /// How many restarts after a crash come to nothing.
    pub curses: u64,
    /// Something ended that need not have: what would be the right outcome is not known until all is saved anew.
    pub tainted: bool,
    /// A person wants saves to start nothing.
    pub paused: bool,
    /// The OS does not tell whether a writer is done.
    pub unknown_writers: bool,
    /// Equal rewrites of each file since it changed, or since the last rest.
    rewrites: BTreeMap<FilePath, u8>,
    /// What another dev.toml will say.
    base: Arc<Plan>,
    /// The services that a person wants under their debuggers.
    debugged: BTreeSet<Arc<str>>,
    pub books: Books,
    pub seen: BTreeMap<Arc<str>, Seen>,
    /// The run whose end may close a gate; 0: any gate may close.
    pub may_close: Option<RunId>,
    /// The last answers that were given.
    answers: VecDeque<Event>,
    pub quit: bool,
    pub left: bool,
    pub trace: Vec<String>,
}

impl World {
    pub fn new(plan: Plan, seed: u64) -> World {
        let mut world = World::asleep(plan, seed);
        world.give(Event::Tick);
        world
    }

    /// Before anything has happened.
    fn asleep(plan: Plan, seed: u64) -> World {
        let plan = Arc::new(plan);
        let names = plans::SOURCES.iter().chain([&plans::CONFIG]);
        let files: BTreeMap<FilePath, Content> = names.map(|name| (Arc::from(Path::new(name)), 2)).collect();
        let mut world = World {
            core: Core::new(plan.clone(), &[]),
            base: plan.clone(),
            debugged: BTreeSet::new(),
            plan,
            now: 0,
            seed,
            queue: VecDeque::new(),
            order: 0,
            last_told: 0,
            known: files.clone(),
            files,
            processes: BTreeMap::new(),
            made: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            keys: BTreeMap::new(),
            kept: BTreeMap::new(),
            remembered: BTreeMap::new(),
            hidden: BTreeMap::new(),
            curses: 0,
            tainted: false,
            paused: false,
            unknown_writers: false,
            rewrites: BTreeMap::new(),
            books: Books::default(),
            seen: BTreeMap::new(),
            may_close: None,
            answers: VecDeque::new(),
            quit: false,
            left: false,
            trace: Vec::new(),
        };
        world.unknown_writers = world.random(6) == 0;
        world
    }

    /// devloop ends, and begins again with the same files: only what is on the disk is left.
    pub fn next_session(&self, seed: u64) -> World {
        let mut next = World::asleep((*self.plan).clone(), seed);
        next.files.clone_from(&self.files);
        next.known.clone_from(&self.files);
        next.hidden.clone_from(&self.hidden);
        next.core.continue_after(self.core.revision());
        for (service, programs) in &self.remembered {
            let mut programs = programs.clone();
            for artifact in programs.iter_mut().flat_map(|program| &mut program.artifacts) {
                let content = self.artifacts[&artifact.run];
                artifact.run = RunId(artifact.run.0 + EARLIER);
                next.artifacts.insert(artifact.run, content);
            }
            next.core.recall_programs(service, programs);
        }
        next.give(Event::Tick);
        next
    }

    pub fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below.max(1)
    }

    pub fn later(&mut self, after: u64, what: Happening) {
        self.order += 1;
        self.queue.push_back((self.now + after, self.order, what));
    }

    pub fn time(&self) -> Time {
        Time::from_start(Duration::from_millis(self.now))
    }

    /// What answers requests to this service is made of this.
    pub fn live_content(&self, name: &str) -> Option<Content> {
        let live = self.live_runs();
        live.iter().find(|(live, _)| &**live == name).map(|(_, run)| self.made[run])
    }

    pub fn quit(&mut self) {
        self.quit = true;
        self.give(Event::Quit);
    }

    pub fn content(&self, file: &str) -> Content {
        self.files.get(Path::new(file)).copied().unwrap_or(MISSING)
    }

    /// Saves every source with content that has never been there, and starts again what no save starts.
    pub fn save_all_anew(&mut self) {
        for file in plans::SOURCES {
            let content = 1_000 + 2 * self.random(1 << 30);
            self.save(file, content, 1);
            self.pass(2);
        }
        // No save helps what reads nothing.
        let reads_nothing =
            |index: &usize| self.read_by_service(*index).is_empty() && self.plan.services[*index].uses.is_empty();
        let idle: Vec<usize> = (0..self.plan.services.len()).filter(reads_nothing).collect();
        for index in idle {
            let name = self.plan.services[index].name.clone();
            self.books.asked_for(&name);
            self.give(Event::Restart(name));
        }
        self.tainted = false;
    }

    /// Old answers come once more. Nobody listens.
    pub fn echo(&mut self) {
        self.give(Event::Tick);
        for event in self.answers.clone() {
            let before = (self.core.gates(), self.core.status(), self.core.deadline());
            let effects = self.core.handle(self.time(), event.clone());
            assert!(effects.is_empty(), "a late answer does something: {event:?} => {effects:?}");
            let after = (self.core.gates(), self.core.status(), self.core.deadline());
            assert_eq!(before, after, "a late answer changes something: {event:?}");
        }
    }

    // ---- time ----

    /// Lets `ms` pass.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.step_until(end) {}
        self.now = self.now.max(end);
    }

    /// The machine sleeps: what was due meanwhile comes late.
    pub fn sleep(&mut self, ms: u64) {
        self.now += ms;
        // A wake-up that is a little late is as good as one in time.
        let due = self.core.deadline().map_or(0, |time| time.since_start().as_millis() as u64);
        if self.now >= due && self.now <= due + 100 {
            self.now = due + 101;
        }
        self.pass(0);
    }

    /// Lets time pass until nothing will happen any more, but that programs which never come up are started again for
    /// ever. Panics if that never comes.
    pub fn rest(&mut self) {
        for step in 0..8_000 {
            if !self.step_until(u64::MAX) || (step > 2_000 && self.only_crashes()) {
                self.rewrites.clear();
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
                let after = self.core.deadline();
                assert_ne!(before, after, "a deadline that a tick does not move wakes the loop for ever");
            }
            _ => return false,
        }
        true
    }

    pub fn happen(&mut self, what: Happening) {
        match what {
            Happening::ToCore(event) => self.give(event),
            Happening::Told { file, writer } => {
                self.give(Event::Touched(vec![Touch { path: file, writer }]));
            }
            Happening::WriteEnds { file, content } => {
                self.files.insert(file.clone(), content);
                self.event(&file, Writer::Done);
            }
            Happening::Reads { run, file } => {
                let content = self.files.get(&file).copied().unwrap_or(MISSING);
                if let Some(process) = self.processes.get_mut(&run) {
                    process.read.insert(file, content);
                }
            }
            Happening::Truncates { run, file } => {
                if self.processes.contains_key(&run) {
                    self.files.insert(file.clone(), GARBAGE);
                    self.event(&file, Writer::Writing);
                }
            }
            Happening::Ends { run } => self.ends(run),
            Happening::Comes { run } => self.comes(run),
            Happening::Dies { run, exit } => self.dies(run, exit),
            Happening::Asked { name, run } => self.answer_asked(name, run),
            Happening::Reloads => self.reload(),
        }
    }

    /// The OS reports a write, at once or a little later, in order.
    pub fn event(&mut self, file: &FilePath, writer: Writer) {
        let writer = if self.unknown_writers { Writer::Unknown } else { writer };
        let delay = if self.random(2) == 0 { 0 } else { self.random(5) };
        self.in_order(delay, Happening::Told { file: file.clone(), writer });
    }

    /// Happens after all file events that have been caused by now.
    pub fn in_order(&mut self, after: u64, what: Happening) {
        self.last_told = self.last_told.max(self.now + after);
        self.later(self.last_told - self.now, what);
    }

    /// Whether file events, an answer of a tool chain or a new plan are on their way.
    pub fn is_told_all(&self) -> bool {
        !self.queue.iter().any(|(.., what)| {
            matches!(what, Happening::Told { .. } | Happening::Asked { .. } | Happening::Reloads)
                || matches!(what, Happening::ToCore(Event::Learned { .. }))
        })
    }

    /// dev.toml says something else now, or nothing that makes sense.
    fn reload(&mut self) {
        let content = self.content(plans::CONFIG);
        if content == GARBAGE {
            return self.give(Event::BadPlan(Report::new("half a file")));
        }
        let plan = Arc::new(plans::debugged(&plans::changed(&self.base, content - 2), &self.debugged));
        self.books.new_plan(&self.plan, &plan);
        self.plan = plan.clone();
        self.give(Event::NewPlan(plan));
    }

    // ---- to the core and back ----

    pub fn give(&mut self, event: Event) {
        if self.left {
            return;
        }
        self.note("", &format!("{event:?}"));
        if is_answer(&event) {
            self.answers.push_back(event.clone());
            if self.answers.len() > 12 {
                self.answers.pop_front();
            }
        }
        self.learn_of(&event);
        let time = self.time();
        let effects = self.core.handle(time, event);
        self.check_books(&effects);
        self.check_gates();
        let deadline = self.core.deadline();
        assert!(deadline.is_none_or(|deadline| deadline > time), "a deadline lies in the past: {deadline:?}");
        if self.random(4) == 0 {
            let nothing = self.core.handle(time, Event::Tick);
            assert!(nothing.is_empty(), "a spurious tick does something: {nothing:?}");
            assert_eq!(deadline, self.core.deadline(), "a spurious tick moves the deadline");
        }
        for effect in effects {
            match &effect {
                Effect::Tell(fact) => self.note("     ", &format!("{fact:?}")),
                other => self.note("  -> ", &format!("{other:?}")),
            }
            self.carry_out(effect);
        }
    }

    fn note(&mut self, sign: &str, text: &str) {
        let text: String = text.replace("Command { text: ", "").chars().take(150).collect();
        self.trace.push(format!("{:>6} {sign}{text}", self.now));
    }

    /// The steps at work, by name.
    pub fn running_steps(&self) -> BTreeSet<Arc<str>> {
        self.processes.values().filter_map(|process| process.step().map(|step| step.name.clone())).collect()
    }
}

fn is_answer(event: &Event) -> bool {
    matches!(
        event,
        Event::Digested { .. }
            | Event::LookedUp { .. }
            | Event::Started { .. }
            | Event::Exited { .. }
            | Event::Fenced { .. }
            | Event::Examined { .. }
            | Event::Ready { .. }
            | Event::Unhealthy { .. }
            | Event::Drained { .. }
    )
}
