//! The `.devloop` folder: artifacts by key, remembered state, the lock, the log files. Blocking: the loop calls it from
//! threads where waiting is allowed.

mod artifacts;
mod digest;
mod disk;
mod key;
mod lock;
mod log;
mod outs;
mod programs;
mod state;

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::{
    artifacts::Artifacts,
    lock::Lock,
    outs::Outs,
    programs::Programs,
    state::{Reached, State},
};
pub use self::{
    digest::artifact_digest,
    key::{Ingredients, environment_that_matters, inputs_digest, key},
    log::Log,
};
use crate::{
    error::Problem,
    model::{Artifact, Digest, PastProgram, Revision, RunId},
};

/// The folder's name below the project's root.
pub const FOLDER: &str = ".devloop";

/// Why `.devloop` cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Another devloop runs in this project.
    Taken(Problem),
    /// It cannot be made or written.
    Failed(Problem),
}

impl Refusal {
    /// What to tell a person.
    pub fn problem(&self) -> &Problem {
        match self {
            Refusal::Taken(problem) | Refusal::Failed(problem) => problem,
        }
    }
}

/// How long a kept artifact may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// While this devloop runs.
    Session,
    /// Also by later ones.
    Across,
}

/// The open `.devloop` folder of one project. Only one process has it open; may be shared between threads.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    outs: Outs,
    inner: Mutex<Inner>,
    /// Held while the state is written: one at a time, so that an older one never comes after a newer one.
    writing: Mutex<()>,
    notes: Vec<String>,
    _lock: Lock,
}

#[derive(Debug)]
struct Inner {
    artifacts: Artifacts,
    programs: Programs,
    state: State,
}

impl Store {
    /// Makes `.devloop` below `root` where it is missing, takes its lock, reads what earlier ones remembered, and
    /// begins to remove what they left (in a thread of its own).
    ///
    /// # Errors
    /// Another devloop has it open (with its pid and how to reach it), or the folder cannot be written.
    pub fn open(root: &Path) -> Result<Store, Refusal> {
        let folder = root.join(FOLDER);
        prepare(&folder).map_err(Refusal::Failed)?;
        let (lock, lock_note) = Lock::take(&folder)?;
        let (state, state_note) = State::read(&folder.join("state.json"));
        let outs = Outs::new(folder.join("artifacts"));
        let mut artifacts = Artifacts::from_earlier(state.artifacts(), &outs);
        let (programs, programs_note) = Programs::read(state.programs(), &mut artifacts, &outs);
        outs.sweep(artifacts.folders());
        let notes = [lock_note, state_note, programs_note].into_iter().flatten().collect();
        let inner = Mutex::new(Inner { artifacts, programs, state });
        Ok(Store { folder, outs, inner, writing: Mutex::new(()), notes, _lock: lock })
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a person should know about its opening: one line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Names this session; no other devloop of this project has or had the same.
    pub fn session(&self) -> &str {
        self.outs.session()
    }

    /// Where `run` of `step` is to write its artifact: does not exist, but its folder does. The path's last part is the
    /// step's name.
    ///
    /// # Errors
    /// The folder cannot be made: full, read-only, removed.
    pub fn prepare_out(&self, step: &str, run: RunId) -> Result<PathBuf, Problem> {
        let path = self.outs.path(step, run);
        self.inner().artifacts.began(step, run);
        self.outs.prepare(&path).map_err(|error| disk::problem("make a folder for", &path, &error))?;
        Ok(path)
    }

    /// Where `run` of `step` writes its artifact; makes nothing.
    pub fn artifact_path(&self, step: &str, run: RunId) -> PathBuf {
        match self.inner().artifacts.folder_of(run) {
            Some(folder) => outs::file_in(&folder, step),
            None => self.outs.path(step, run),
        }
    }

    /// Where this artifact is; also of one that an earlier devloop made.
    pub fn path_of(&self, artifact: &Artifact) -> PathBuf {
        self.artifact_path(&artifact.step, artifact.run)
    }

    /// What `run` of `step` wrote to its `{out}`: none if nothing is there.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn made(&self, step: &Arc<str>, run: RunId) -> io::Result<Option<Artifact>> {
        let digest = artifact_digest(&self.artifact_path(step, run))?;
        Ok(digest.map(|digest| Artifact { step: step.clone(), run, digest }))
    }

    /// Remembers that `key` leads to `artifact`, in place of what it led to before.
    ///
    /// # Errors
    /// The artifact cannot be read any more, or (with `Across`) the state cannot be written; then it is kept for this
    /// session only.
    pub fn keep(&self, key: Digest, artifact: &Artifact, how: Keep) -> io::Result<()> {
        let path = self.path_of(artifact);
        let stamp = digest::stamp(&path)?;
        self.inner().artifacts.keep(key, artifact.clone(), stamp, how);
        match how {
            Keep::Session => Ok(()),
            Keep::Across => self.save(),
        }
    }

    /// The artifact that was kept under `key`, if it is still there and nobody has touched it (by size, time and
    /// inode).
    pub fn lookup(&self, key: Digest) -> Option<Artifact> {
        let (artifact, stamp) = self.inner().artifacts.find(key)?;
        let path = self.path_of(&artifact);
        let same = digest::stamp(&path).is_ok_and(|now| now.mark == stamp.mark);
        let mut inner = self.inner();
        if !same {
            inner.artifacts.forget(key);
            return None;
        }
        inner.artifacts.used(key);
        Some(artifact)
    }

    /// Forgets every kept artifact of `step`, as `rebuild` asks.
    pub fn forget(&self, step: &str) {
        self.inner().artifacts.forget_step(step);
    }

    /// Removes artifacts, the longest unused first, until each step has at most 10 and all have at most 2 GiB together;
    /// and what earlier runs of a step wrote that was never kept. Never those of `used` runs, of programs that one can
    /// go back to, nor of a step's newest run.
    pub fn collect(&self, used: &[RunId]) {
        let gone = {
            let mut inner = self.inner();
            let used: Vec<RunId> = used.iter().copied().chain(inner.programs.runs()).collect();
            inner.artifacts.collect(&used)
        };
        for (step, run) in gone {
            disk::remove_quietly(&self.outs.folder(&step, run));
        }
        let gone = self.inner().artifacts.take_earlier_gone();
        for folder in gone {
            disk::remove_quietly(&folder);
        }
    }

    /// Where something for debuggers may be written, such as the program that `service` is debugged as. Its folder may
    /// not be there.
    pub fn debug_file(&self, service: &str) -> PathBuf {
        self.folder.join("debug").join(file_name(service))
    }

    /// Writes a file for debuggers.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn write_debug_file(&self, name: &str, content: &str) -> Result<PathBuf, Problem> {
        let path = self.debug_file(name);
        if let Some(folder) = path.parent() {
            disk::make_folder(folder).map_err(|error| disk::problem("make", folder, &error))?;
        }
        disk::write_whole(&path, content.as_bytes()).map_err(|error| disk::problem("write", &path, &error))?;
        Ok(path)
    }

    /// The last revision that earlier sessions came to, as far as that is known: at least the newest one that something
    /// is kept of. 0 if there were none.
    pub fn revision(&self) -> Revision {
        let inner = self.inner();
        inner.state.revision().max(inner.programs.newest())
    }

    /// A revision is used from now on, and must not mean something else in a later session.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn reach(&self, revision: Revision) -> io::Result<()> {
        let reached = self.inner().state.reach(revision);
        match reached {
            Reached::AsWritten => Ok(()),
            Reached::ToBeWritten => self.save(),
        }
    }

    /// The session ends at this revision. Written with the next `save`.
    pub fn end_at(&self, revision: Revision) {
        self.inner().state.end_at(revision);
    }

    /// The programs of each service that one can go back to, oldest first, as earlier sessions left them.
    pub fn programs(&self) -> Vec<(Arc<str>, Vec<PastProgram>)> {
        self.inner().programs.all()
    }

    /// From now on one can go back to these programs of `service`, oldest first. Their artifacts stay. Written with the
    /// next `save`.
    pub fn set_programs(&self, service: &str, programs: Vec<PastProgram>) {
        self.inner().programs.set(service, programs);
    }

    /// The services that were learned to be replaceable only exclusively.
    pub fn exclusive(&self) -> Vec<Arc<str>> {
        self.inner().state.exclusive()
    }

    /// Remembers that `service` can only be replaced exclusively.
    ///
    /// # Errors
    /// The state cannot be written; it is remembered until this devloop ends.
    pub fn remember_exclusive(&self, service: &str) -> io::Result<()> {
        self.inner().state.set_exclusive(service);
        self.save()
    }

    /// Forgets that, as a changed configuration asks.
    ///
    /// # Errors
    /// As `remember_exclusive`.
    pub fn forget_exclusive(&self, service: &str) -> io::Result<()> {
        self.inner().state.unset_exclusive(service);
        self.save()
    }

    /// Remembers how long a successful run of a step, or a service's start, took. Written with the next `save`.
    pub fn took(&self, name: &str, time: Duration) {
        self.inner().state.took(name, time);
    }

    /// How long the next one will probably take: the median of the last ones. None if there were none.
    pub fn estimate(&self, name: &str) -> Option<Duration> {
        self.inner().state.estimate(name)
    }

    /// Writes what is remembered. Dropping the store does so too.
    ///
    /// # Errors
    /// The system's; the old file is then untouched.
    pub fn save(&self) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Disks are slow: nobody is kept from what is in memory meanwhile.
        let (path, text) = {
            let mut inner = self.inner();
            let Some(text) = inner.text(&self.outs)? else { return Ok(()) };
            (inner.state.path().to_owned(), text)
        };
        disk::write_whole(&path, text.as_bytes())?;
        self.inner().state.was_written(text);
        Ok(())
    }

    /// A log below this folder, at most 64 MiB in all; `notice` is told once when it cannot be written, and once when
    /// it can again.
    pub fn log(&self, notice: impl Fn(String) + Send + 'static) -> Log {
        Log::begin(self.folder.join("log"), log::SIZE, notice)
    }

    /// A panic while it was locked leaves it as true as before: every change is one assignment.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn text(&mut self, outs: &Outs) -> io::Result<Option<String>> {
        let kept = self.artifacts.across(outs);
        let programs = self.programs.written(&self.artifacts, outs);
        self.state.text(&kept, programs)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // nobody is left to be told; the old file is still good
        let _ = self.save();
    }
}

/// Makes the folder, and makes git ignore it. Puts a file for editors beside what the store keeps, in the folder of a
/// project that no devloop need have open. One that is there with the same content is left alone.
///
/// # Errors
/// The folder or the file cannot be written.
pub fn put(root: &Path, name: &str, content: &str) -> Result<(), Problem> {
    let folder = root.join(FOLDER);
    let path = folder.join(name);
    if std::fs::read_to_string(&path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    prepare(&folder)?;
    disk::write_whole(&path, content.as_bytes()).map_err(|error| disk::problem("write", &path, &error))
}

fn prepare(folder: &Path) -> Result<(), Problem> {
    disk::make_folder(folder).map_err(|error| disk::problem("make", folder, &error))?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        disk::write_whole(&ignore, b"*\n").map_err(|error| disk::problem("write", &ignore, &error))?;
    }
    Ok(())
}

/// A file name for a step of any name: what is not plain is written as `%` and hexadecimal digits.
fn file_name(step: &str) -> String {
    let mut name = String::new();
    for byte in step.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            b'.' if !name.is_empty() => name.push('.'),
            other => name.push_str(&format!("%{other:02x}")),
        }
    }
    if name.is_empty() || name.len() > LONGEST_NAME {
        let whole = xxhash_rust::xxh3::xxh3_64(step.as_bytes());
        name.truncate(LONGEST_NAME - 17);
        name.push_str(&format!("-{whole:016x}"));
    }
    name
}

/// Of a step's file name, in bytes; file systems take 255.
const LONGEST_NAME: usize = 100;

/// As `path` is stored in files of text: none if it is not UTF-8.
fn text(path: &OsStr) -> Option<String> {
    path.to_str().map(str::to_owned)
}
