//! Files: what the OS says about them, which of it counts, and what is in them. When a save is over is the core's
//! business.
//!
//! One thread takes events in the kernel's order and puts touched paths into the [`Mailbox`]; another reads the
//! baseline once; answers about content are given on tokio's blocking threads. Nothing wakes up when nothing happens
//! (but for polling, and for the debouncer of macOS).

mod backend;
mod baseline;
mod builtin;
mod digest;
mod engine;
mod fence;
mod filesystem;
mod git;
mod gitignore;
mod ignore;
#[cfg(target_os = "linux")]
mod inotify;
mod ledger;
mod mailbox;
mod names;
mod note;
mod outputs;
mod owned;
mod paths;
mod poller;
mod reach;
mod remembered;
mod roots;
mod shared;
mod survey;
mod tree;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use self::{
    backend::{Backend, In, Wanted},
    engine::{Ask, Engine},
    fence::{Fences, Purpose},
    filesystem::without_events,
    ignore::Rules,
    ledger::Ledger,
    names::Names,
    outputs::Members,
    owned::{Claims, Owners, Told},
    shared::Shared,
    tree::{Mounts, Tree},
};
pub use self::{
    mailbox::{Mail, Mailbox},
    note::Note,
    outputs::Examined,
};
use crate::{
    core::event::Verdict,
    error::Problem,
    model::{Digest, FilePath, RunId},
    plan::{self, Learned, Plan, Step},
};

/// So long an answer about inputs waits for the baseline.
const BASELINE: Duration = Duration::from_millis(100);

/// A handle on the watcher. Clones are handles on the same one; it ends when the last is dropped.
#[derive(Clone, Debug)]
pub struct Watcher {
    inside: Arc<Inside>,
}

#[derive(Debug)]
struct Inside {
    shared: Arc<Shared>,
    members: Members,
    asks: Mutex<Sender<In>>,
}

/// How the watcher is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// "inotify", "FSEvents", "polling", or one of the first two "and polling".
    pub backend: &'static str,
    /// Folders that are watched by the OS's events.
    pub watched: usize,
    /// Folders that are polled.
    pub polled: usize,
    /// Ignored folders that were met and not entered.
    pub ignored: usize,
    /// Files of which the content is or will be known: those that a step or service reads or writes.
    pub files: usize,
    /// Whether the baseline is complete.
    pub baseline: bool,
}

impl Watcher {
    /// Watches everything that `plan` reads. When it returns, no later write is missed. `state` is the `.devloop`
    /// folder, which exists. Must be called where tokio runs; blocks for as long as reading the names of all folders
    /// that are not ignored takes.
    ///
    /// # Errors
    /// The project's root cannot be read, `state` cannot be written, or the OS grants no event source and
    /// `backend = "native"` is asked for.
    pub fn start(plan: &Plan, state: &Path) -> Result<(Watcher, Arc<Mailbox>), Problem> {
        Watcher::start_with(plan, state, Wanted::native())
    }

    fn start_with(plan: &Plan, state: &Path, native: Wanted) -> Result<(Watcher, Arc<Mailbox>), Problem> {
        if let Err(error) = std::fs::read_dir(&plan.root) {
            return Err(Problem::new(format!("cannot read the folder `{}`", plan.root.display())).caused_by(error));
        }
        let fences = Fences::new(state).and_then(|fences| fences.time().map(|time| (fences, time)));
        let (fences, start) =
            fences.map_err(|error| Problem::new(format!("cannot write to `{}`", state.display())).caused_by(error))?;
        let (asks, inbox) = channel();
        let (backend, why_polling) = choose(plan, native, &asks)?;
        let tries = plan.watch.backend == plan::Backend::Auto && backend.is_ordered();
        let shared = share(plan, state);
        let mut engine = engine(&shared, backend, inbox, fences);
        if let Some(why) = why_polling {
            engine.note(Note::Polling { why });
        }
        engine.watch_apart();
        survey::set_out(&mut engine);
        if tries && engine.fences.bake(Purpose::Trial).is_err() {
            tracing::debug!("no cookie to try events with");
        }
        let thread = std::thread::Builder::new().name("watch".to_owned());
        thread.spawn(move || engine.run()).map_err(|error| Problem::new("cannot start a thread").caused_by(error))?;
        baseline::begin(&shared, start);
        let mailbox = shared.mailbox.clone();
        let inside = Inside { shared, members: Members::default(), asks: Mutex::new(asks) };
        Ok((Watcher { inside: Arc::new(inside) }, mailbox))
    }

    /// Another plan is in force: its ignore rules, its names outside the project. Files that count from now on come as
    /// touches. The root and the backend stay.
    pub fn replan(&self, plan: &Plan) {
        self.shared().set_plan(Arc::new(plan.clone()));
        self.ask(Ask::Rules);
    }

    /// A tool chain said what the step or service called `name` reads: it is watched wherever it lies, also outside of
    /// the project and in folders that are ignored otherwise.
    pub fn learned(&self, name: Arc<str>, reads: Arc<Learned>) {
        let before = locked(&self.shared().learned).insert(name, reads.clone());
        if before.as_ref() != Some(&reads) {
            self.ask(Ask::Learned(reads));
        }
    }

    /// Puts `run` into the mail's `fences` as soon as every touch that was made before this call is in the mail, too.
    pub fn fence(&self, run: RunId) {
        self.ask(Ask::Fence(run));
    }

    /// Puts `number` into the mail's `looks` as soon as every event that the OS had for us before this call is in the
    /// mail, too. Where events have no order (polling), at once: nothing can be promised there.
    pub fn look(&self, number: u64) {
        self.ask(Ask::Look(number));
    }

    /// Reads `paths` and says which are not what they were at the last look. `owners` are the leaders of the live
    /// services' processes: what these have open for writing is theirs.
    pub async fn digest(&self, paths: Vec<FilePath>, owners: Vec<u32>) -> Vec<(FilePath, Verdict)> {
        let shared = self.shared().clone();
        blocking(move || {
            shared.owners.set_leaders(&owners);
            let mut claims = None;
            paths.into_iter().map(|path| (path.clone(), verdict(&shared, &path, &owners, &mut claims))).collect()
        })
        .await
        .unwrap_or_default()
    }

    /// Says which of a step's outputs are not what they were at the last look: among `touched`, and among all files in
    /// folders that its outputs name but that are not watched. Deleted ones count. What is reported is known from now
    /// on. For `generates = true`, Go files that say that they are generated are outputs, too.
    pub async fn examine(&self, step: Arc<Step>, touched: Vec<FilePath>) -> Examined {
        let shared = self.shared().clone();
        blocking(move || outputs::examine(&shared, &step, touched)).await.unwrap_or_default()
    }

    /// One digest of the names and contents of all files that the step called `step` reads, as they are now. None
    /// if the baseline is not complete within 100 ms, and if there is no such step.
    pub async fn inputs_digest(
        &self,
        plan: Arc<Plan>,
        step: Arc<str>,
        learned: Option<Arc<Learned>>,
    ) -> Option<Digest> {
        // In a small project the first step's look-up comes only moments before the end of the baseline.
        let _ = tokio::time::timeout(BASELINE, self.baseline()).await;
        let inside = self.inside.clone();
        blocking(move || inside.members.digest(&inside.shared, &plan, &step, learned.as_ref())).await.flatten()
    }

    /// Whether `path` is a Go file that says of itself that it is generated. Reads at most its first 16 KiB.
    pub fn is_generated(&self, path: &Path) -> bool {
        outputs::is_generated(&self.shared().names.full(path))
    }

    /// Why a save of `path` does not count, if it does not.
    pub fn why_ignored(&self, path: &Path) -> Option<&'static str> {
        let full = self.shared().names.full(path);
        locked(&self.shared().tree).why_ignored(&full).map(ignore::Rule::words)
    }

    /// Waits until every file that the plan reads has been read once. Nothing needs to wait for it: until then an
    /// unread file counts as changed at its first touch.
    pub fn baseline(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut complete = self.shared().complete.subscribe();
        async move {
            // It is never closed: whoever waits holds a receiver of a sender that lives in the watcher; if that is
            // dropped, nobody cares any more.
            let _ = complete.wait_for(|complete| *complete).await;
        }
    }

    /// How the watcher is doing.
    pub fn summary(&self) -> Summary {
        let counts = locked(&self.shared().tree).counts_of_folders();
        Summary {
            backend: *locked(&self.shared().backend),
            watched: counts.native,
            polled: counts.polled,
            ignored: counts.pruned,
            files: locked(&self.shared().ledger).len(),
            baseline: *self.shared().complete.borrow(),
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.inside.shared
    }

    fn ask(&self, ask: Ask) {
        self.inside.ask(ask);
    }
}

impl Inside {
    fn ask(&self, ask: Ask) {
        if locked(&self.asks).send(In::Ask(ask)).is_err() {
            tracing::error!("the watcher's thread has ended");
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.shared.round.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.ask(Ask::Stop);
    }
}

/// The event source, and why it is polling, if nobody asked for that.
fn choose(plan: &Plan, native: Wanted, out: &Sender<In>) -> Result<(Backend, Option<String>), Problem> {
    let polling = |why| Backend::new(Wanted::Polling, out.clone()).map(|backend| (backend, Some(why)));
    match plan.watch.backend {
        plan::Backend::Poll => Ok((Backend::new(Wanted::Polling, out.clone())?, None)),
        plan::Backend::Native => Ok((Backend::new(native, out.clone())?, None)),
        plan::Backend::Auto => match without_events(&plan.root) {
            Some(name) => polling(format!("the project is on {name}, where changes come without events")),
            None => match Backend::new(native, out.clone()) {
                Ok(backend) => Ok((backend, None)),
                Err(problem) => {
                    let hint = problem.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                    polling(format!("{}{hint}", problem.message))
                }
            },
        },
    }
}

fn share(plan: &Plan, state: &Path) -> Arc<Shared> {
    let mounts = match plan.watch.backend {
        plan::Backend::Auto => Mounts::Judge,
        plan::Backend::Native | plan::Backend::Poll => Mounts::Trust,
    };
    Arc::new(Shared {
        names: Names::new(&plan.root),
        state: state.to_owned(),
        mailbox: Arc::default(),
        tree: Mutex::new(Tree::new(Rules::new(plan, std::iter::empty()), mounts)),
        ledger: Mutex::new(Ledger::default()),
        owners: Owners::default(),
        plan: RwLock::new(Arc::new(plan.clone())),
        generated: Mutex::default(),
        learned: Mutex::new(HashMap::new()),
        backend: Mutex::new("none"),
        round: AtomicU64::new(0),
        start: AtomicI64::new(i64::MAX),
        complete: tokio::sync::watch::Sender::new(false),
    })
}

fn engine(shared: &Arc<Shared>, backend: Backend, inbox: Receiver<In>, fences: Fences) -> Engine {
    *locked(&shared.backend) = backend.name();
    Engine::new(shared.clone(), backend, inbox, fences)
}

fn verdict(shared: &Shared, file: &FilePath, owners: &[u32], claims: &mut Option<Claims>) -> Verdict {
    let look = shared.look_in_earnest(file);
    if owners.is_empty() || locked(&shared.ledger).compare(file, &look) != Verdict::Changed {
        return locked(&shared.ledger).settle(file, &look);
    }
    let path = shared.names.full(file);
    let claims = claims.get_or_insert_with(|| Claims::of(owners));
    if let Some(pid) = claims.owner(&path) {
        let told = shared.owners.own(file, pid);
        // Only if it is still open now, its closing will be noticed.
        if shared.owners.still_owned(file, &path) {
            if told == Told::FirstTime {
                shared.mailbox.note(Note::Owned { path: file.clone(), pid });
            }
            return Verdict::Owned;
        }
    }
    locked(&shared.ledger).settle(file, &look)
}

/// Runs what reads files where it may block. None only if the runtime is being shut down.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// Locks; what a panicking thread left behind is used as it is: no invariant spans two statements.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
