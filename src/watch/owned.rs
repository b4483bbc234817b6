//! Files that our own services keep open for writing: their writes are no saves.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Mutex,
};

use super::locked;
use crate::{
    model::FilePath,
    sys::{descendants, open_for_writing},
};

/// What is known about owners. Where the OS does not tell, nothing is owned.
#[derive(Debug, Default)]
pub(super) struct Owners {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    leaders: Vec<u32>,
    files: HashMap<FilePath, u32>,
    told: HashMap<FilePath, u32>,
}

/// What the processes of live services have open for writing at one moment.
#[derive(Debug)]
pub(super) struct Claims(Vec<(PathBuf, u32)>);

/// Whether a file was already told to be owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// No.
    FirstTime,
    /// Yes.
    Before,
}

impl Claims {
    /// Those of `leaders` and everything below them.
    pub(super) fn of(leaders: &[u32]) -> Claims {
        let pids = leaders.iter().flat_map(|leader| descendants(*leader));
        Claims(pids.flat_map(|pid| open_for_writing(pid).into_iter().map(move |file| (file, pid))).collect())
    }

    /// Who has `file` open; symlinks on the way to it do not matter.
    pub(super) fn owner(&self, file: &Path) -> Option<u32> {
        let same_name: Vec<_> = self.0.iter().filter(|(open, _)| open.file_name() == file.file_name()).collect();
        if same_name.is_empty() {
            return None;
        }
        let real = file.parent().and_then(|folder| folder.canonicalize().ok());
        let real = real.unwrap_or_default().join(file.file_name()?);
        same_name.into_iter().find(|(open, _)| *open == real).map(|(_, pid)| *pid)
    }
}

impl Owners {
    /// These lead the live services' processes.
    pub(super) fn set_leaders(&self, leaders: &[u32]) {
        let mut inside = locked(&self.inside);
        if inside.leaders != leaders {
            inside.leaders = leaders.to_vec();
        }
    }

    /// `pid` has `file` open: its events do not count until that ends.
    pub(super) fn own(&self, file: &FilePath, pid: u32) -> Told {
        let mut inside = locked(&self.inside);
        inside.files.insert(file.clone(), pid);
        if inside.told.insert(file.clone(), pid).is_none() { Told::FirstTime } else { Told::Before }
    }

    /// Whether `file` was owned when it was last looked at.
    pub(super) fn is_owned(&self, file: &Path) -> bool {
        let inside = locked(&self.inside);
        !inside.files.is_empty() && inside.files.contains_key(file)
    }

    /// Whether its owner (or another process of a live service) still has `file`, at `path`, open. If not, it is
    /// nobody's from now on.
    pub(super) fn still_owned(&self, file: &Path, path: &Path) -> bool {
        let (mut leaders, owner) = {
            let inside = locked(&self.inside);
            (inside.leaders.clone(), inside.files.get(file).copied())
        };
        leaders.extend(owner);
        let owned = Claims::of(&leaders).owner(path).is_some();
        if !owned {
            locked(&self.inside).files.remove(file);
        }
        owned
    }
}
