//! The watcher's thread: takes events in their order and turns them into touches of paths that count.
//!
//! It sleeps until something comes; the only time-out is that of a cookie under way.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode},
};

use super::{
    backend::{Backend, In, Source, UNMOUNTED},
    baseline,
    fence::{Fences, Purpose},
    git::{self, Lock},
    ignore::Rules,
    locked,
    note::Note,
    paths::{Gone, What},
    roots::Roots,
    shared::Shared,
    survey,
};
use crate::{model::RunId, plan::Learned, sys::Clock};

/// If nothing at all has come for so long, a cookie that was written does not come any more.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the handle asks the thread for.
#[derive(Debug)]
pub(super) enum Ask {
    /// A fence for this run.
    Fence(RunId),
    /// A look with this number.
    Look(u64),
    /// The plan has changed: apply its rules.
    Rules,
    /// A tool chain said what something reads, and that is new.
    Learned(Arc<Learned>),
    /// The OS's events do not come: poll. (The thread finds that out by itself; tests ask for it.)
    #[cfg(test)]
    TrialFailed,
    /// End.
    Stop,
}

/// Owned by its thread.
pub(super) struct Engine {
    pub(super) shared: Arc<Shared>,
    pub(super) backend: Backend,
    pub(super) inbox: Receiver<In>,
    pub(super) fences: Fences,
    pub(super) roots: Roots,
    pub(super) lock: Option<Lock>,
    pub(super) clock: Clock,
    pub(super) writing: HashSet<PathBuf>,
    reading: Reading,
    told: Vec<Note>,
}

/// Whether the tree is to be read again, as soon as nothing else is to be done and no later than the next fence: what
/// comes together then costs one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Done,
    Due,
}

impl Engine {
    /// An engine for a tree that is watched already.
    pub(super) fn new(shared: Arc<Shared>, backend: Backend, inbox: Receiver<In>, fences: Fences) -> Engine {
        Engine {
            roots: Roots::default(),
            clock: Clock::start(),
            lock: None,
            writing: HashSet::new(),
            reading: Reading::Done,
            told: Vec::new(),
            shared,
            backend,
            inbox,
            fences,
        }
    }

    /// Watches what does not belong to the tree: the cookies and git's lock.
    pub(super) fn watch_apart(&mut self) {
        let folder = self.fences.folder().to_owned();
        self.watch_one(&folder);
        self.lock = git::find(self.shared.names.root()).map(|repository| Lock::new(&repository));
        if let Some(folder) = self.lock.as_ref().map(|lock| lock.folder().to_owned()) {
            self.watch_one(&folder);
        }
    }

    fn watch_one(&mut self, folder: &Path) {
        let watched = self.backend.watch_root(folder).and_then(|()| self.backend.watch(folder));
        if let Err(error) = watched {
            self.note(Note::Unreadable { folder: folder.to_owned(), why: error.to_string() });
        }
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        loop {
            match self.next() {
                Ok(In::Event(event)) => self.event(&event, Source::Exact),
                Ok(In::Batch(source, mut events)) => {
                    // Within a batch the order is lost: what is no cookie goes first.
                    events.sort_by_key(|event| event.paths.iter().any(|path| self.is_cookie(path)));
                    events.iter().for_each(|event| self.event(event, source));
                }
                Ok(In::Trouble(errors)) => self.trouble(&errors),
                Ok(In::Ask(Ask::Fence(run))) => self.fence(run),
                Ok(In::Ask(Ask::Look(number))) => self.look(number),
                Ok(In::Ask(Ask::Rules)) => self.rules_changed(),
                Ok(In::Ask(Ask::Learned(reads))) => self.learned(&reads),
                #[cfg(test)]
                Ok(In::Ask(Ask::TrialFailed)) => self.give_up_on_events(),
                Err(RecvTimeoutError::Timeout) => self.out_of_patience(),
                Ok(In::Ask(Ask::Stop)) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        baseline::keep(&self.shared);
    }

    /// What is to be done next; waits for it.
    fn next(&mut self) -> Result<In, RecvTimeoutError> {
        if self.reading == Reading::Due {
            match self.inbox.try_recv() {
                Ok(message) => return Ok(message),
                Err(_) => self.read_if_due(),
            }
        }
        match self.fences.is_waiting() {
            true => self.inbox.recv_timeout(PATIENCE),
            false => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn event(&mut self, event: &Event, source: Source) {
        if event.need_rescan() {
            // Every folder of what was unmounted tells so.
            if event.info() == Some(UNMOUNTED) {
                self.reading = Reading::Due;
                return;
            }
            self.note(Note::Rescanned);
            return survey::survey(self);
        }
        let Some(path) = event.paths.first() else { return };
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => self.place(path, What::Closed, source),
            // Reading is nobody's business.
            EventKind::Access(_) => {}
            EventKind::Create(kind) => self.place(path, What::Came(kind == CreateKind::File), source),
            EventKind::Modify(ModifyKind::Metadata(_)) => self.place(path, What::Labelled, source),
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
                // Without a partner it is told by a watched folder about itself.
                let gone = if event.tracker().is_none() { Gone::Folder } else { Gone::Anything };
                self.place(path, What::Went(gone), source);
            }
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => self.place(path, What::Came(false), source),
            // inotify tells both halves, too; a debouncer only this.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) if source == Source::Exact => {}
            EventKind::Modify(ModifyKind::Name(_)) => {
                event.paths.iter().for_each(|path| self.look_what_happened(path, source))
            }
            EventKind::Remove(RemoveKind::Folder) => self.place(path, What::Went(Gone::Folder), source),
            EventKind::Remove(_) => self.place(path, What::Went(Gone::Anything), source),
            EventKind::Modify(_) if source == Source::Exact => self.place(path, What::Written, source),
            EventKind::Modify(_) | EventKind::Any => self.look_what_happened(path, source),
            EventKind::Other => {}
        }
    }

    /// Where kinds of events cannot be trusted: it is there or it is not.
    fn look_what_happened(&mut self, path: &Path, source: Source) {
        match path.symlink_metadata() {
            Ok(_) => self.place(path, What::Came(false), source),
            Err(_) => self.place(path, What::Went(Gone::Anything), source),
        }
    }

    /// Whose event it is: the fence's, git's, a root's or the tree's.
    fn place(&mut self, path: &Path, what: What, source: Source) {
        if self.is_cookie(path) {
            let passed = self.fences.seen(path);
            return self.pass(passed);
        }
        if self.lock.as_ref().is_some_and(|lock| lock.concerns(path)) {
            return self.git(path, what);
        }
        if self.roots.concerns(path) && survey::root_event(self, path, &what) {
            return;
        }
        if !path.parent().is_some_and(|folder| locked(&self.shared.tree).holds(folder)) {
            return;
        }
        self.happened(path, what, source);
    }

    fn is_cookie(&self, path: &Path) -> bool {
        path.parent() == Some(self.fences.folder())
    }

    fn git(&mut self, path: &Path, what: What) {
        let now = self.clock.now();
        let Some(lock) = &mut self.lock else { return };
        let news = match what {
            What::Came(_) => lock.came(path, now),
            What::Went(_) => lock.went(path),
            What::Written | What::Closed | What::Labelled => None,
        };
        if let Some(held) = news {
            self.shared.mailbox.git_lock(held);
        }
    }

    /// A .gitignore or .ignore came, went or was written: what follows from it can wait until nothing else is to be
    /// done (a checkout brings many at once), but no longer than to the next fence.
    pub(super) fn list_changed(&mut self, path: &Path) {
        let Some(folder) = path.parent() else { return };
        locked(&self.shared.tree).rules.read_lists(folder);
        self.reading = Reading::Due;
    }

    fn read_if_due(&mut self) {
        if std::mem::replace(&mut self.reading, Reading::Done) == Reading::Due {
            survey::survey(self);
        }
    }

    fn rules_changed(&mut self) {
        let plan = self.shared.plan();
        let learned = self.shared.all_learned();
        locked(&self.shared.tree).rules = Rules::new(&plan, learned.iter());
        survey::survey(self);
        let start = self.fences.time().unwrap_or(i64::MIN);
        baseline::begin(&self.shared, start);
    }

    /// Mostly it names what is watched anyway; then there is nothing to be walked and compared.
    fn learned(&mut self, reads: &Learned) {
        let names = &self.shared.names;
        let (plan, learned) = (self.shared.plan(), self.shared.all_learned());
        let is_covered = {
            let mut tree = locked(&self.shared.tree);
            let before = tree.covers(reads, names);
            tree.rules.name(&plan, learned.iter());
            before
        };
        if !is_covered {
            return self.rules_changed();
        }
        // A tool chain names files, too, that would matter if they came: there is nothing to look at yet.
        let there = reads.files.iter().filter(|file| names.full(file).exists());
        let mut ledger = locked(&self.shared.ledger);
        there.for_each(|file| ledger.expect(file.clone()));
    }

    fn fence(&mut self, run: RunId) {
        if !self.backend.is_ordered() {
            survey::survey(self);
            return self.pass(vec![Purpose::Run(run)]);
        }
        if self.fences.mend() {
            let folder = self.fences.folder().to_owned();
            self.watch_one(&folder);
        }
        if locked(&self.shared.tree).counts_of_folders().polled > 0 {
            survey::survey(self);
        }
        if let Err(error) = self.fences.bake(Purpose::Run(run)) {
            tracing::debug!(%error, "no cookie; comparing instead");
            survey::survey(self);
            self.pass(vec![Purpose::Run(run)]);
        }
    }

    fn look(&mut self, number: u64) {
        if !self.backend.is_ordered() || self.fences.bake(Purpose::Look(number)).is_err() {
            self.pass(vec![Purpose::Look(number)]);
        }
    }

    fn pass(&mut self, passed: Vec<Purpose>) {
        self.read_if_due();
        for purpose in passed {
            match purpose {
                Purpose::Run(run) => self.shared.mailbox.fence(run),
                Purpose::Look(number) => self.shared.mailbox.look(number),
                Purpose::Trial => {}
            }
        }
    }

    /// A cookie does not come. At the start that means that events do not come at all.
    fn out_of_patience(&mut self) {
        let waiting = self.fences.give_up();
        if waiting.contains(&Purpose::Trial) {
            self.give_up_on_events();
        } else {
            survey::survey(self);
        }
        self.pass(waiting);
    }

    fn give_up_on_events(&mut self) {
        self.backend.give_up_on_events();
        self.note(Note::Polling { why: "no event came for a file that was written to try".to_owned() });
        self.watch_apart();
        survey::survey(self);
    }

    fn trouble(&mut self, errors: &[notify::Error]) {
        for error in errors {
            // A path that is gone by the time the source looks at it is no trouble.
            let gone = matches!(&error.kind, notify::ErrorKind::PathNotFound)
                || matches!(&error.kind, notify::ErrorKind::Io(io) if io.kind() == std::io::ErrorKind::NotFound);
            if !gone {
                self.note(Note::Trouble { why: error.to_string() });
            }
        }
    }

    pub(super) fn take(&mut self, notes: Vec<Note>) {
        notes.into_iter().for_each(|note| self.note(note));
        *locked(&self.shared.backend) = self.backend.name();
    }

    /// Tells a person; that watches ran out or that a folder cannot be read, only once.
    pub(super) fn note(&mut self, note: Note) {
        let once = matches!(note, Note::OutOfWatches { .. } | Note::Unreadable { .. } | Note::Trouble { .. });
        let before = |told: &Note| match (told, &note) {
            (Note::OutOfWatches { .. }, Note::OutOfWatches { .. }) => true,
            (told, note) => told == note,
        };
        if once && self.told.iter().any(before) {
            return;
        }
        if once {
            self.told.push(note.clone());
        }
        *locked(&self.shared.backend) = self.backend.name();
        self.shared.mailbox.note(note);
    }
}
