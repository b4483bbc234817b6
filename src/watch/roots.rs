//! The folders where watching begins, and those that are not there at the moment. It only remembers.

use std::path::{Path, PathBuf};

/// The project's root and the folders outside of it that are named.
#[derive(Debug, Default)]
pub(super) struct Roots {
    roots: Vec<Root>,
}

#[derive(Debug)]
struct Root {
    path: PathBuf,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Here,
    /// The nearest folder above it that is there is watched until it comes back.
    Awaited {
        from: PathBuf,
    },
}

impl Roots {
    /// These are the roots from now on; all of them are taken to be here.
    pub(super) fn set(&mut self, paths: impl Iterator<Item = PathBuf>) {
        self.roots = paths.map(|path| Root { path, state: State::Here }).collect();
    }

    /// The roots.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.roots.iter().map(|root| root.path.clone()).collect()
    }

    /// Whether an event for `path` may be about a root: its going, its coming, or that of a folder on the way to it.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| match &root.state {
            State::Here => root.path == path,
            State::Awaited { .. } => root.path.starts_with(path),
        })
    }

    /// Whether `folder` is watched for a root's sake, to see it come or go.
    pub(super) fn is_parent(&self, folder: &Path) -> bool {
        self.roots.iter().any(|root| match &root.state {
            State::Here => root.path.parent() == Some(folder),
            State::Awaited { from } => from == folder || root.path.parent() == Some(folder),
        })
    }

    /// Whether `path` is a root that is here.
    pub(super) fn is_here(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| root.path == path && root.state == State::Here)
    }

    /// The roots that are not here.
    pub(super) fn awaited(&self) -> Vec<PathBuf> {
        self.roots.iter().filter(|root| root.state != State::Here).map(|root| root.path.clone()).collect()
    }

    /// A root is awaited; its coming will show in `from`.
    // (Here | Awaited) => Awaited
    pub(super) fn set_awaited(&mut self, path: &Path, from: PathBuf) {
        for root in self.roots.iter_mut().filter(|root| root.path == path) {
            root.state = State::Awaited { from: from.clone() };
        }
    }

    /// A root is here.
    // (Here | Awaited) => Here
    pub(super) fn set_here(&mut self, path: &Path) {
        for root in self.roots.iter_mut().filter(|root| root.path == path) {
            root.state = State::Here;
        }
    }
}
