//! The watcher's thread: takes events in their order and turns them into touches of paths that count.
//!
//! It sleeps until something comes; the only time-out is that of a cookie under way.

use std::{
    collections::HashSet,
    fs::Metadata,
    os::unix::fs::MetadataExt,
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
    backend::{Backend, In, Source},
    baseline,
    fence::{Fences, Purpose},
    git::{self, Lock},
    ignore::Rules,
    locked,
    note::Note,
    roots::Roots,
    shared::Shared,
    survey,
    tree::For,
};
use crate::{core::event::Writer, model::RunId, plan::Learned, sys::Clock};

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
    clock: Clock,
    lock: Option<Lock>,
    writing: HashSet<PathBuf>,
    told: Vec<Note>,
}

impl Engine {
    /// An engine for a tree that is watched already.
    pub(super) fn new(shared: Arc<Shared>, backend: Backend, inbox: Receiver<In>, fences: Fences) -> Engine {
        Engine {
            roots: Roots::default(),
            clock: Clock::start(),
            lock: None,
            writing: HashSet::new(),
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
            let next = match self.fences.is_waiting() {
                true => self.inbox.recv_timeout(PATIENCE),
                false => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
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

    fn event(&mut self, event: &Event, source: Source) {
        if event.need_rescan() {
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
        match what {
            What::Came(_) | What::Written | What::Closed | What::Labelled if source != Source::Exact => {
                self.vague(path, source)
            }
            What::Came(created) => self.came(path, created),
            What::Written => self.written(path),
            What::Closed => {
                self.writing.remove(path);
                self.touch(path, Writer::Done);
            }
            What::Labelled => self.labelled(path),
            What::Went(gone) => self.went(path, gone, source),
        }
        if path.file_name().is_some_and(Rules::is_list) && !matches!(what, What::Labelled) {
            self.list_changed(path);
        }
    }

    fn is_cookie(&self, path: &Path) -> bool {
        path.parent() == Some(self.fences.folder())
    }

    fn written(&mut self, path: &Path) {
        if !self.writing.contains(path) {
            self.writing.insert(path.to_owned());
        }
        self.touch(path, Writer::Writing);
    }

    /// Mode, owner or times have changed; whoever has it open goes on writing.
    fn labelled(&mut self, path: &Path) {
        if locked(&self.shared.tree).holds(path) {
            return;
        }
        let writer = if self.writing.contains(path) { Writer::Writing } else { Writer::Done };
        self.touch(path, writer);
    }

    /// Something was created or moved here.
    fn came(&mut self, path: &Path, created: bool) {
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => self.adopt(path),
            Ok(found) if created && is_being_written(&found) => self.written(path),
            Ok(found) => {
                self.writing.remove(path);
                self.touch(path, Writer::Done);
                if found.is_symlink() && locked(&self.shared.tree).rules.passes(path) {
                    survey::survey(self);
                }
            }
            // Gone again; the event that says so is on its way.
            Err(_) => self.touch(path, Writer::Done),
        }
    }

    /// Something happened here, but the OS does not say what.
    fn vague(&mut self, path: &Path, source: Source) {
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => {
                if !locked(&self.shared.tree).holds(path) {
                    self.adopt(path);
                }
            }
            _ => self.touch_vaguely(path, source),
        }
    }

    fn touch_vaguely(&mut self, path: &Path, source: Source) {
        // Polling finds a difference late; it may have been looked at since.
        let file = self.shared.names.short(path);
        if source == Source::Exact || source == Source::Vague || self.shared.differs(&file) {
            self.touch(path, Writer::Unknown);
        }
    }

    /// A folder has come: it is watched before it is read, and what is in it counts as touched.
    pub(super) fn adopt(&mut self, folder: &Path) {
        let found = locked(&self.shared.tree).walk(folder, &mut self.backend, For::Files);
        self.take(found.notes);
        found.files.iter().for_each(|file| self.touch(file, Writer::Unknown));
    }

    /// Something was removed or moved away.
    fn went(&mut self, path: &Path, gone: Gone, source: Source) {
        self.writing.remove(path);
        let (was_watched, was_pruned) = {
            let mut tree = locked(&self.shared.tree);
            let was_pruned = tree.is_pruned(path);
            (tree.remove(path, &mut self.backend), was_pruned)
        };
        if !was_watched {
            if !was_pruned && gone == Gone::Anything {
                match source {
                    Source::Exact => self.touch(path, Writer::Done),
                    _ => self.touch_vaguely(path, source),
                }
            }
            return;
        }
        self.touch_all_missing_below(path);
        // It may be back already, as another folder: then its watch is gone with the old one's.
        if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            self.adopt(path);
        }
    }

    /// Touches every known file in `folder` that is not there any more.
    pub(super) fn touch_all_missing_below(&mut self, folder: &Path) {
        let short = self.shared.names.short(folder);
        let files: Vec<_> = locked(&self.shared.ledger).below(&short).cloned().collect();
        for file in files {
            let path = self.shared.names.full(&file);
            if path.symlink_metadata().is_err() && !locked(&self.shared.ledger).is_known_missing(&file) {
                self.touch(&path, Writer::Done);
            }
        }
    }

    /// Tells of a touch, if the path counts.
    pub(super) fn touch(&mut self, path: &Path, writer: Writer) {
        let names = locked(&self.shared.tree).names_that_count(path);
        for name in names {
            let file = self.shared.names.short(&name);
            if self.shared.owners.is_owned(&file) && self.is_owners_write(&name, writer) {
                continue;
            }
            locked(&self.shared.ledger).suspect(&file);
            if let Some(held) = self.lock.as_mut().and_then(|lock| lock.written(self.clock.now())) {
                self.shared.mailbox.git_lock(held);
            }
            self.shared.mailbox.touch(file, writer);
        }
    }

    /// A file that one of our services had open when it was looked at: while it is open, its writes do not count. What
    /// its owner leaves in it when closing it is no save either.
    fn is_owners_write(&self, path: &Path, writer: Writer) -> bool {
        if writer == Writer::Writing {
            return true;
        }
        let file = self.shared.names.short(path);
        if self.shared.owners.still_owned(&file, path) {
            return true;
        }
        if path.symlink_metadata().is_err() {
            return false;
        }
        let look = self.shared.look_in_earnest(&file);
        locked(&self.shared.ledger).settle(&file, &look);
        true
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

    /// A .gitignore or .ignore came, went or was written.
    fn list_changed(&mut self, path: &Path) {
        let Some(folder) = path.parent() else { return };
        {
            let mut tree = locked(&self.shared.tree);
            if !tree.holds(folder) {
                return;
            }
            tree.rules.read_lists(folder);
        }
        survey::survey(self);
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
        let mut ledger = locked(&self.shared.ledger);
        reads.files.iter().for_each(|file| ledger.expect(file.clone()));
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

/// What an event says happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It came to be here; `true` if it was created as a file, so that whoever created it may have it open.
    Came(bool),
    /// Its content is being written.
    Written,
    /// Someone who could write has closed it.
    Closed,
    /// Its mode, owner or times have changed.
    Labelled,
    /// It is not here any more.
    Went(Gone),
}

/// What went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// A folder.
    Folder,
    /// Not told.
    Anything,
}

/// A file with one name that was just created will be closed by whoever created it; a second name for a file, a
/// symlink or a FIFO is complete as it comes.
fn is_being_written(found: &Metadata) -> bool {
    found.is_file() && found.nlink() == 1
}
