//! The fence: a cookie file in a folder of ours whose event says that every earlier event is through. It also tells,
//! at the start, whether events come at all.
#![expect(clippy::disallowed_methods, reason = "the door to the fence's cookies")]

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
};

use crate::model::RunId;

/// The cookies that are under way, oldest first.
#[derive(Debug)]
pub(super) struct Fences {
    folder: PathBuf,
    waiting: VecDeque<Cookie>,
    baked: u64,
}

#[derive(Debug)]
struct Cookie {
    file: PathBuf,
    purpose: Purpose,
}

/// What a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The fence of this run.
    Run(RunId),
    /// Somebody wants to be sure that everything is in.
    Look(u64),
    /// To see whether events come.
    Trial,
}

impl Fences {
    /// Cookies in `state/cookies`, which is made, and emptied of what an earlier devloop left.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub(super) fn new(state: &Path) -> io::Result<Fences> {
        let folder = state.join("cookies");
        std::fs::create_dir_all(&folder)?;
        for left in std::fs::read_dir(&folder)?.flatten() {
            remove(&left.path());
        }
        Ok(Fences { folder, waiting: VecDeque::new(), baked: 0 })
    }

    /// What time it is by the clock of the file system the cookies are on, in nanoseconds since 1970.
    ///
    /// # Errors
    /// No file can be written there.
    pub(super) fn time(&self) -> io::Result<i64> {
        use std::os::unix::fs::MetadataExt;
        let file = self.folder.join(format!("{}-clock", std::process::id()));
        std::fs::write(&file, b"")?;
        let written = std::fs::metadata(&file)?;
        remove(&file);
        Ok(written.mtime().saturating_mul(1_000_000_000).saturating_add(written.mtime_nsec()))
    }

    /// Where the cookies are written.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a cookie.
    ///
    /// # Errors
    /// It cannot be written; nothing is awaited then.
    pub(super) fn bake(&mut self, purpose: Purpose) -> io::Result<()> {
        self.baked += 1;
        let file = self.folder.join(format!("{}-{}", std::process::id(), self.baked));
        std::fs::write(&file, b"")?;
        self.waiting.push_back(Cookie { file, purpose });
        Ok(())
    }

    /// Makes the folder again, if someone removed it (but not the project around it). Says whether it was gone and is
    /// back.
    pub(super) fn mend(&self) -> bool {
        if self.folder.is_dir() {
            return false;
        }
        let state = self.folder.parent().unwrap_or(&self.folder);
        // It may be there: then the next one succeeds.
        let _ = std::fs::create_dir(state);
        std::fs::create_dir(&self.folder).is_ok()
    }

    /// An event for `path` in the folder has come: what has passed with it. Older cookies have passed, too.
    pub(super) fn seen(&mut self, path: &Path) -> Vec<Purpose> {
        match self.waiting.iter().position(|cookie| cookie.file == path) {
            Some(place) => self.take(place + 1),
            None => Vec::new(),
        }
    }

    /// Gives up waiting: everything that was awaited.
    pub(super) fn give_up(&mut self) -> Vec<Purpose> {
        self.take(self.waiting.len())
    }

    fn take(&mut self, count: usize) -> Vec<Purpose> {
        let passed: Vec<Cookie> = self.waiting.drain(..count).collect();
        passed.iter().for_each(|cookie| remove(&cookie.file));
        passed.into_iter().map(|cookie| cookie.purpose).collect()
    }

    /// Whether any cookie is under way.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// A cookie that stays is removed at the next start.
fn remove(cookie: &Path) {
    if let Err(error) = std::fs::remove_file(cookie) {
        tracing::debug!(cookie = %cookie.display(), %error, "cookie stays");
    }
}
