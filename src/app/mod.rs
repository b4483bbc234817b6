//! The loop: anything that happens becomes an `Event`, the core decides, and its `Effect`s are carried out. It decides
//! nothing itself, and it holds the core's only clock.
//!
//! `begin` opens the rooms, `doors` lets the proxy follow the plan, `carry` does what effects ask for, `launch` makes a
//! program out of a plan and a run, `tls` finds out whom it has to be, `report` makes a report out of last words,
//! `show` shows beside the loop: it prints, or runs the `pane`, which reads its `load` from the proxy; `attach` runs
//! that pane on another devloop; `audience` hears what is shown; `steer` does what the control socket asks for;
//! `steering` is what keys steer.

mod attach;
mod audience;
mod begin;
mod carry;
mod debug;
mod doors;
mod hooks;
mod launch;
mod load;
mod pane;
mod report;
mod show;
mod steer;
mod steering;
mod tls;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::sys::signal::Signal;
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender},
    oneshot, watch,
};

use self::{carry::Run, show::Showing};
use crate::{
    control::{About, Server, Wish},
    core::{
        Core,
        event::{Event, StopHow},
        fact::Fact,
        gate::Gates,
        status::Status,
    },
    error::Problem,
    model::{RunId, Time},
    plan::Plan,
    process::{self, Asked, Notice, Ports, Programs, Session, Signals},
    store::{self, Log, Store},
    sys::{self, Clock},
    watch::{self as files, Mailbox, Watcher},
};

pub use self::{
    attach::{Attach, Parting, attach},
    show::Picture,
};

/// What `devloop up` was asked for.
pub struct Options {
    /// What to run.
    pub plan: Plan,
    /// The services to start under their debuggers.
    pub debug: Vec<String>,
    /// Reads dev.toml again; none if there is none.
    pub reload: Option<Reload>,
    /// How to show what happens.
    pub picture: Picture,
    /// What a person should know from the start.
    pub notes: Vec<Note>,
    /// What programs write to unless they say otherwise.
    pub terminal: process::Terminal,
    /// When to end.
    pub until: Until,
}

/// Something to know, and what to do about it.
#[derive(Clone, Debug)]
pub struct Note {
    /// One line.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Reads and checks dev.toml. May block.
pub type Reload = Arc<dyn Fn() -> Result<Plan, Vec<Problem>> + Send + Sync>;

/// When `up` ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Never.
    Ended,
    /// Once nothing is left to do.
    Settled,
}

/// How it ended.
#[derive(Debug)]
pub enum Ending {
    /// Nothing was left to do, and all is well (only with `Until::Settled`).
    Good,
    /// Nothing was left to do, and something failed.
    Failed,
    /// A person asked for it, from another terminal.
    Stopped,
    /// A signal asked for it.
    Signal(i32),
    /// Another devloop runs in this project.
    AlreadyRunning(Problem),
    /// It could not begin.
    Refused(Problem),
}

/// Runs a plan until it is over. Returns when nothing that it started is left.
pub fn up(options: Options) -> Ending {
    sys::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Ending::Refused(Problem::new("cannot start the runtime").caused_by(error)),
    };
    let ending = runtime.block_on(async {
        let store = match Store::open(&options.plan.root) {
            Ok(store) => Arc::new(store),
            Err(store::Refusal::Taken(problem)) => return Ending::AlreadyRunning(problem),
            Err(store::Refusal::Failed(problem)) => return Ending::Refused(problem),
        };
        match App::start(options, store).await {
            Ok((app, signals)) => app.run(signals).await,
            Err(problem) => Ending::Refused(problem),
        }
    });
    // What still blocks (a tool chain that is being asked, a slow disk) is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ending
}

/// So long the end waits for attached panes that read slowly.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What comes into the loop beside touched files and signals.
enum Happening {
    Event(Event),
    Notice(Notice),
    /// Nothing is left to do, and this is how it stands.
    Settled {
        ok: bool,
    },
    /// The proxy has noticed something.
    Note {
        text: String,
        hint: String,
    },
    /// The proxy listens elsewhere, or cannot.
    Moved(Result<(), Problem>),
    /// A person wants to end, in order.
    Quit,
    /// A program under a debugger has ended, and its debugger has not.
    DebuggedEnded {
        run: RunId,
    },
    /// A request wants to be sure that every save so far has had its effect.
    Look(oneshot::Sender<()>),
    /// Somebody wants to be sure that what was decided has been told.
    Turn(oneshot::Sender<()>),
    /// Somebody asks over the control socket.
    Wish(Wish),
}

/// Who may not be held, for the proxy: the runs that each service's gate waits for.
type Awaited = Arc<Mutex<HashMap<String, Vec<RunId>>>>;

/// The loop and all its rooms.
struct App {
    clock: Clock,
    core: Core,
    /// The plan in force, and the same as it was read: with nobody under a debugger.
    plan: Arc<Plan>,
    base: Arc<Plan>,
    debuggers: debug::Debuggers,
    reload: Option<Reload>,
    until: Until,
    terminal: process::Terminal,
    colours: process::env::Colours,
    os_env: Arc<Vec<(std::ffi::OsString, std::ffi::OsString)>>,
    session: Session,
    store: Arc<Store>,
    log: Log,
    watcher: Watcher,
    mailbox: Arc<Mailbox>,
    programs: Programs,
    ports: Ports,
    doors: doors::Doors,
    gates: watch::Sender<Gates>,
    /// What is going on, for whoever shows it, and the same as `/.devloop/status` answers it.
    status: watch::Sender<Arc<Status>>,
    status_json: watch::Sender<Arc<serde_json::Value>>,
    awaited: Awaited,
    ears: show::Ears,
    audience: audience::Audience,
    calls: hooks::Calls,
    runs: HashMap<RunId, Run>,
    keys: carry::Keys,
    inbox: UnboundedSender<Happening>,
    happenings: UnboundedReceiver<Happening>,
    showing: Showing,
    control: Option<Server>,
    about: watch::Sender<Arc<About>>,
    /// Requests that wait until the watcher has told everything, by number, and the newest number.
    looks: HashMap<u64, oneshot::Sender<()>>,
    look: u64,
    leaving: Leaving,
}

/// `No => Asked(how) => Left(how)`
enum Leaving {
    No,
    Asked(Ending, Option<tokio::task::JoinHandle<()>>),
    Left(Ending, Option<tokio::task::JoinHandle<()>>),
}

impl App {
    /// The loop.
    async fn run(mut self, mut signals: Signals) -> Ending {
        self.handle(Event::Tick);
        loop {
            let deadline = self.core.deadline().map(|time| self.clock.instant(time));
            tokio::select! {
                asked = signals.next() => self.asked(asked).await,
                happening = self.happenings.recv() => {
                    // What a program wrote before it ended or was ready comes before that.
                    self.open_mail();
                    if let Some(happening) = happening {
                        self.happened(happening);
                    }
                }
                () = self.mailbox.changed() => {}
                () = sleep_until(deadline) => self.handle(Event::Tick),
            }
            while let Ok(happening) = self.happenings.try_recv() {
                self.happened(happening);
            }
            self.open_mail();
            if matches!(self.leaving, Leaving::Left(..)) {
                return self.leave(signals).await;
            }
        }
    }

    /// Touched paths first, fences last: a fence says that everything before it is in.
    fn open_mail(&mut self) {
        let mail = self.mailbox.drain();
        if mail.git_lock == Some(true) {
            self.handle(Event::GitLock(true));
        }
        if !mail.touches.is_empty() {
            self.handle(Event::Touched(mail.touches));
        }
        if mail.git_lock == Some(false) {
            self.handle(Event::GitLock(false));
        }
        for number in mail.looks {
            if let Some(look) = self.looks.remove(&number) {
                _ = look.send(());
            }
        }
        for run in mail.fences {
            self.handle(Event::Fenced { run });
        }
        for note in mail.notes {
            if note == files::Note::Rescanned {
                self.audience.overflow();
            }
            self.note(files::Note::text(&note), note.hint());
        }
    }

    fn happened(&mut self, happening: Happening) {
        match happening {
            Happening::Event(event) => self.handle(event),
            Happening::Notice(Notice::Started { run, .. }) if self.is_hook(run) => {}
            Happening::Notice(Notice::Exited { run, exit, tail, .. }) if self.is_hook(run) => {
                self.hook_ended(run, &exit, &tail);
            }
            Happening::Notice(Notice::Started { run, pid }) => {
                let port = self.runs.get(&run).and_then(|known| known.port);
                self.handle(Event::Started { run, pid, port });
                self.watch_debugged(run);
            }
            Happening::Notice(Notice::Exited { run, exit, tail, survivors }) => {
                for survivor in survivors {
                    self.note(
                        format!("`{}` (pid {}) does not end, not even by SIGKILL", survivor.command, survivor.pid),
                        None,
                    );
                }
                self.seal(run);
                let (report, clue) = self.last_words(run, tail);
                self.handle(Event::Exited { run, exit, clue, report });
                self.over(run);
            }
            Happening::Note { text, hint } => self.note(text, Some(hint)),
            Happening::Moved(moved) => self.proxy_moved(moved),
            Happening::Quit => self.ask_to_leave(Ending::Good, "q"),
            Happening::DebuggedEnded { run } => self.debugged_ended(run),
            Happening::Look(look) => {
                self.look += 1;
                self.looks.insert(self.look, look);
                self.watcher.look(self.look);
            }
            Happening::Turn(turn) => _ = turn.send(()),
            Happening::Wish(wish) => self.wish(wish),
            Happening::Settled { ok } => {
                let ending = if ok { Ending::Good } else { Ending::Failed };
                self.ask_to_leave(ending, if ok { "everything is live" } else { "something has failed" });
            }
        }
    }

    /// The core decides; what it decides about requests holds before anything else is done.
    fn handle(&mut self, event: Event) {
        let event = match event {
            Event::NewPlan(plan) => {
                let debugged = self.with_debuggers(&plan);
                self.base = plan;
                Event::NewPlan(debugged)
            }
            other => other,
        };
        if let Event::NewPlan(plan) | Event::Debug(plan) = &event {
            self.adopt(plan.clone());
        }
        if let Event::Learned { name, reads: Some(reads), .. } = &event {
            self.watcher.learned(name.clone(), Arc::new(reads.clone()));
        }
        let effects = self.core.handle(self.clock.now(), event);
        // First of all: who is told of something, by the gates or by a fact, finds it in the status.
        self.publish_status();
        let gates = self.core.gates();
        *lock(&self.awaited) = self.core.awaited();
        self.gates.send_if_modified(|known| {
            let differs = *known != gates;
            *known = gates;
            differs
        });
        for effect in effects {
            self.carry_out(effect);
        }
    }

    fn publish_status(&mut self) {
        let status = self.core.status();
        if **self.status.borrow() == status {
            return;
        }
        self.status_json.send_replace(Arc::new(serde_json::to_value(&status).unwrap_or_default()));
        self.status.send_replace(Arc::new(status));
    }

    /// The rooms follow a plan that the core is about to take over.
    fn adopt(&mut self, plan: Arc<Plan>) {
        self.watcher.replan(&plan);
        self.adopt_proxy(&plan);
        doors::keep_off(&self.ports, &plan, &self.doors.proxy);
        self.calls.hooks.adopt(&plan.hooks, plan.notify);
        self.plan = plan;
    }

    async fn asked(&mut self, asked: Asked) {
        match asked {
            // It is meant for what has the terminal.
            Asked::Quit(Signal::SIGINT | Signal::SIGQUIT) if self.showing.has_guest() => {}
            Asked::Quit(signal) => self.ask_to_leave(Ending::Signal(signal as i32), signal_name(signal)),
            Asked::Resized => {
                self.programs.resize(begin::window());
                self.showing.resized();
            }
            Asked::Suspend => {
                self.programs.suspend().await;
                self.showing.suspend().await;
                let before = self.clock.now();
                process::stop_self();
                self.programs.resume();
                self.clock.forget(self.clock.now().since(before));
                self.audience.resume(self.clock);
                self.showing.resume(self.clock);
            }
        }
    }

    /// The first time in order, the second time at once.
    fn ask_to_leave(&mut self, ending: Ending, why: &str) {
        if matches!(self.leaving, Leaving::No) {
            self.tell(Fact::Quitting { why: why.to_owned() });
            let proxy = Arc::clone(&self.doors.proxy);
            let shutdown = tokio::spawn(async move { proxy.shutdown().await });
            self.leaving = Leaving::Asked(ending, Some(shutdown));
        }
        self.handle(Event::Quit);
    }

    /// Every run is over: ends what steps have left running, and everything of devloop's own.
    async fn leave(mut self, mut signals: Signals) -> Ending {
        let Leaving::Left(ending, shutdown) = std::mem::replace(&mut self.leaving, Leaving::No) else {
            return Ending::Failed;
        };
        let ended = self.programs.end_all(StopHow::Ask);
        let survivors = tokio::select! {
            survivors = ended => survivors,
            () = asked_to_quit(&mut signals) => self.programs.end_all(StopHow::Kill).await,
        };
        for survivor in survivors {
            self.note(format!("`{}` (pid {}) does not end, not even by SIGKILL", survivor.command, survivor.pid), None);
        }
        if let Some(shutdown) = shutdown {
            tokio::select! {
                _ = shutdown => {}
                () = asked_to_quit(&mut signals) => {}
            }
        }
        self.session.end();
        self.store.end_at(self.core.revision());
        _ = self.store.save();
        self.log.close();
        // No new devloop may find our socket when we have let go of the project.
        if let Some(control) = self.control.take() {
            control.end(LAST_WORDS).await;
        }
        drop(self.showing);
        ending
    }
}

async fn asked_to_quit(signals: &mut Signals) {
    while !matches!(signals.next().await, Asked::Quit(_)) {}
}

async fn sleep_until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::SIGINT => "Ctrl-C",
        other => other.as_str(),
    }
}

/// Locks; whoever panicked while holding it left whole values behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The moment of a fact, on both clocks.
fn stamp(at: Time) -> crate::ui::Stamp {
    crate::ui::Stamp { at, unix: sys::unix_time() }
}
