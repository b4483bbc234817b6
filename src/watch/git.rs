//! Where git keeps its things, and its `index.lock`: while git changes the work tree, a batch of files is not over.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::model::Time;

/// A lock that was there this long before a save has nothing to do with it (`git commit` waits in an editor).
const STALE: Duration = Duration::from_secs(10);

/// A repository, seen from a folder in its work tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repository {
    /// The work tree's top folder.
    pub(super) top: PathBuf,
    /// Where `index` and `index.lock` are.
    pub(super) own: PathBuf,
    /// Where `info/exclude` is; the same as `own` but in linked work trees.
    pub(super) common: PathBuf,
}

/// The repository around `folder`, which must be absolute.
pub(super) fn find(folder: &Path) -> Option<Repository> {
    folder.ancestors().find_map(|top| {
        let entry = top.join(".git");
        let kind = std::fs::metadata(&entry).ok()?;
        let own = if kind.is_dir() { entry } else { linked(top, &entry)? };
        let common = std::fs::read_to_string(own.join("commondir"));
        let common = common.map_or_else(|_| own.clone(), |path| own.join(path.trim_end()));
        Some(Repository { top: top.to_owned(), own, common })
    })
}

/// `.git` is a file in linked work trees and submodules: `gitdir: <path>`.
fn linked(top: &Path, file: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(file).ok()?;
    let target = top.join(text.strip_prefix("gitdir:")?.trim());
    target.canonicalize().ok()
}

/// The lock's story as the events tell it.
#[derive(Debug)]
pub(super) struct Lock {
    file: PathBuf,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Not there, or there since before devloop started.
    Free,
    /// There; the time is that of the last sign of life: its coming, or a write to the work tree after it.
    Held(Time),
    /// There, but too old to count.
    Stale,
}

impl Lock {
    /// The lock of this repository. One that is there already is stale.
    pub(super) fn new(repository: &Repository) -> Lock {
        Lock { file: repository.own.join("index.lock"), state: State::Free }
    }

    /// The folder in which it comes and goes.
    pub(super) fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// Whether an event for `path` is about git's own folder.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        path.parent() == Some(self.folder()) || path == self.folder()
    }

    /// It came. Says what to report.
    // Free | Stale => Held
    pub(super) fn came(&mut self, path: &Path, now: Time) -> Option<bool> {
        if path != self.file || matches!(self.state, State::Held(_)) {
            return None;
        }
        self.state = State::Held(now);
        Some(true)
    }

    /// It went. Says what to report.
    // Held | Stale => Free
    pub(super) fn went(&mut self, path: &Path) -> Option<bool> {
        if path != self.file && path != self.folder() {
            return None;
        }
        let was = std::mem::replace(&mut self.state, State::Free);
        matches!(was, State::Held(_)).then_some(false)
    }

    /// A file of the work tree was written. Says what to report.
    // Held => (Held | Stale)
    pub(super) fn written(&mut self, now: Time) -> Option<bool> {
        let State::Held(seen) = self.state else { return None };
        if now.since(seen) > STALE {
            self.state = State::Stale;
            return Some(false);
        }
        self.state = State::Held(now);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_start(Duration::from_secs(seconds))
    }

    fn lock() -> (Lock, PathBuf) {
        let own = PathBuf::from("/r/.git");
        let lock = Lock::new(&Repository { top: "/r".into(), common: own.clone(), own });
        let file = lock.file.clone();
        (lock, file)
    }

    #[test]
    fn a_lock_is_reported_when_it_comes_and_when_it_goes() {
        let (mut lock, file) = lock();
        assert_eq!(lock.came(Path::new("/r/.git/HEAD"), at(1)), None);
        assert_eq!(lock.came(&file, at(1)), Some(true));
        assert_eq!(lock.came(&file, at(1)), None);
        assert_eq!(lock.went(&file), Some(false));
        assert_eq!(lock.went(&file), None);
    }

    #[test]
    fn a_lock_that_is_older_than_the_save_by_ten_seconds_is_stale_but_a_long_checkout_is_not() {
        let (mut lock, file) = lock();
        lock.came(&file, at(1));
        assert_eq!(lock.written(at(9)), None);
        assert_eq!(lock.written(at(18)), None);
        assert_eq!(lock.written(at(29)), Some(false));
        assert_eq!(lock.written(at(30)), None);
        assert_eq!(lock.went(&file), None);
        assert_eq!(lock.came(&file, at(40)), Some(true));
    }
}
