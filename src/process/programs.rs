//! The handle to all running programs. Each has a task of its own (`run`); here is only who is there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nix::unistd::{Pid, getsid};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
};

use super::{
    GuardBinary, Launch, Notice, Output, Survivor, WindowSize,
    helper::Helper,
    output::Sink,
    run::{self, Command},
};
use crate::{
    core::event::StopHow,
    model::{Exit, RunId},
    sys,
};

/// What all programs have in common.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program file of the guards.
    pub guard: GuardBinary,
    /// This session's id (`Session::id`): by it strays are found after a crash.
    pub session: String,
    /// The size of terminals that programs get.
    pub window: WindowSize,
}

/// Starts and ends programs. Clones are handles to the same programs. When the last one and the runtime are gone, or
/// this process ends in any way, every program is killed.
#[derive(Clone)]
pub struct Programs(Arc<Shared>);

/// What the handle and the tasks of the runs share.
pub(super) struct Shared {
    pub(super) guard: GuardBinary,
    pub(super) session: String,
    pub(super) lines: Sink,
    notices: Box<dyn Fn(Notice) + Send + Sync>,
    runtime: Handle,
    registry: Mutex<Registry>,
    alive: watch::Sender<usize>,
}

struct Registry {
    runs: HashMap<RunId, Entry>,
    window: WindowSize,
    door: Door,
    /// The commands that end what services left outside, and that no stop has run yet.
    owed: HashMap<Arc<str>, Helper>,
    /// Survivors of runs whose end was told before.
    untold: Vec<Survivor>,
}

struct Entry {
    commands: mpsc::UnboundedSender<Command>,
    guard: Option<u32>,
    leader: Option<u32>,
}

/// Whether programs are started.
#[derive(PartialEq)]
enum Door {
    Open,
    Closed,
}

impl Programs {
    /// To be called inside a tokio runtime with I/O and time, on which everything then happens. `notices` and `lines`
    /// are called on its tasks: they must return at once and neither wait nor panic. The lines of one
    /// program come in order; a `queue` keeps what it gets for a slow reader.
    pub fn new(
        setup: Setup,
        notices: impl Fn(Notice) + Send + Sync + 'static,
        lines: impl Fn(Output) + Send + Sync + 'static,
    ) -> Programs {
        let registry = Registry {
            runs: HashMap::new(),
            window: setup.window,
            door: Door::Open,
            owed: HashMap::new(),
            untold: Vec::new(),
        };
        Programs(Arc::new(Shared {
            guard: setup.guard,
            session: setup.session,
            lines: Arc::new(lines),
            notices: Box::new(notices),
            runtime: Handle::current(),
            registry: Mutex::new(registry),
            alive: watch::Sender::new(0),
        }))
    }

    /// Starts a program; does not wait. Answered by `Notice::Started`, if it comes that far, and by exactly one
    /// `Notice::Exited`.
    pub fn launch(&self, launch: Launch) {
        let mut registry = self.0.lock();
        if registry.door == Door::Closed {
            let (shared, run) = (self.0.clone(), launch.run);
            self.0.runtime.spawn(async move { shared.refuse(run, "devloop is ending".to_owned()) });
            return;
        }
        registry.owed.remove(&launch.name);
        let (commands, orders) = mpsc::unbounded_channel();
        registry.runs.insert(launch.run, Entry { commands, guard: None, leader: None });
        self.0.alive.send_replace(registry.runs.len());
        let window = registry.window;
        self.0.runtime.spawn(run::drive(self.0.clone(), launch, window, orders));
    }

    /// Ends a run as its `Ending` says, or by SIGKILL at once; does not wait. Again, or for a run that is over: nothing
    /// happens. `Kill` after `Ask` hurries.
    pub fn stop(&self, run: RunId, how: StopHow) {
        if let Some(entry) = self.0.lock().runs.get(&run) {
            let _ = entry.commands.send(Command::Stop(how));
        }
    }

    /// The process id of the program of this run (and of its group), while it runs.
    pub fn leader(&self, run: RunId) -> Option<u32> {
        self.0.lock().runs.get(&run)?.leader
    }

    /// The run to whose tree a process belongs, double-forked and `setsid` ones included (those not where the OS does
    /// not tell parents).
    pub fn owner_of(&self, pid: u32) -> Option<RunId> {
        let guards: Vec<(u32, RunId)> =
            self.0.lock().runs.iter().filter_map(|(run, entry)| Some((entry.guard?, *run))).collect();
        let run_of = |guard: u32| guards.iter().find(|(known, _)| *known == guard).map(|(_, run)| *run);
        // The guard leads the session of its program.
        let session = getsid(Some(Pid::from_raw(i32::try_from(pid).ok()?))).ok()?;
        run_of(session.as_raw().cast_unsigned()).or_else(|| {
            let parents = std::iter::successors(sys::parent(pid), |pid| sys::parent(*pid)).take(1000);
            parents.filter_map(run_of).next()
        })
    }

    /// Our terminal has another size: programs on terminals get it too.
    pub fn resize(&self, window: WindowSize) {
        let mut registry = self.0.lock();
        registry.window = window;
        for entry in registry.runs.values() {
            let _ = entry.commands.send(Command::Resize(window));
        }
    }

    /// Makes every program stand still, because devloop is about to (Ctrl-Z: then `stop_self`, then `resume`). Comes
    /// back when all of them were told to. Programs that are being ended go on ending.
    pub async fn suspend(&self) {
        let told: Vec<oneshot::Receiver<()>> = {
            let registry = self.0.lock();
            let tell = |entry: &Entry| {
                let (done, told) = oneshot::channel();
                let _ = entry.commands.send(Command::Suspend(done));
                told
            };
            registry.runs.values().map(tell).collect()
        };
        for told in told {
            let _ = told.await;
        }
    }

    /// Lets every program go on.
    pub fn resume(&self) {
        for entry in self.0.lock().runs.values() {
            let _ = entry.commands.send(Command::Resume);
        }
    }

    /// Ends everything, what steps have left running included; nothing is left when it returns, but the survivors of
    /// SIGKILL that no `Notice` has told. No program is started from now on. May be called again, with `Kill`, while
    /// it waits.
    pub async fn end_all(&self, how: StopHow) -> Vec<Survivor> {
        {
            let mut registry = self.0.lock();
            registry.door = Door::Closed;
            for entry in registry.runs.values() {
                let _ = entry.commands.send(Command::Stop(how));
            }
        }
        let _ = self.0.alive.subscribe().wait_for(|alive| *alive == 0).await;
        let owed = std::mem::take(&mut self.0.lock().owed);
        if how == StopHow::Ask {
            let owed: Vec<_> = owed
                .into_values()
                .map(|helper| self.0.runtime.spawn(helper.run(self.0.clone(), Arc::default())))
                .collect();
            for helper in owed {
                let _ = helper.await;
            }
        }
        std::mem::take(&mut self.0.lock().untold)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, notice: Notice) {
        (self.notices)(notice);
    }

    /// Answers a launch that came to nothing.
    pub(super) fn refuse(&self, run: RunId, why: String) {
        self.tell(Notice::Exited { run, exit: Exit::NotStarted(why), tail: Vec::new(), survivors: Vec::new() });
    }

    pub(super) fn guarded_by(&self, run: RunId, guard: Option<u32>) {
        if let Some(entry) = self.lock().runs.get_mut(&run) {
            entry.guard = guard;
        }
    }

    pub(super) fn led_by(&self, run: RunId, leader: Option<u32>) {
        if let Some(entry) = self.lock().runs.get_mut(&run) {
            entry.leader = leader;
        }
    }

    pub(super) fn owe(&self, name: Arc<str>, helper: Helper) {
        self.lock().owed.insert(name, helper);
    }

    pub(super) fn remember(&self, survivors: Vec<Survivor>) {
        self.lock().untold.extend(survivors);
    }

    pub(super) fn forget(&self, run: RunId) {
        let mut registry = self.lock();
        registry.runs.remove(&run);
        self.alive.send_replace(registry.runs.len());
    }
}
