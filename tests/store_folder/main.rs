//! `.devloop` on real disks: what it keeps, what it removes, and what it says when it cannot.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

mod artifacts;
mod disks;
mod keys;
mod lock;
mod log;
mod programs;
mod state;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    os::unix::{
        ffi::OsStringExt,
        fs::{PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use devloop::{
    model::{Artifact, Digest, Line, PastProgram, Revision, RunId, Stream},
    plan::Resolved,
    store::{Ingredients, Keep, Store, artifact_digest, inputs_digest, key},
};

/// A temporary project.
struct Project {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Project {
    fn new() -> Project {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        Project { _folder: folder, root }
    }

    fn open(&self) -> Store {
        Store::open(&self.root).unwrap()
    }

    fn state(&self) -> PathBuf {
        self.root.join(".devloop/state.json")
    }
}

/// Builds `content` as `run` of `step` would.
fn build(store: &Store, step: &str, run: u64, content: &str) -> Artifact {
    let path = store.prepare_out(step, RunId(run)).unwrap();
    fs::write(path, content).unwrap();
    store.made(&step.into(), RunId(run)).unwrap().unwrap()
}

fn wait_for(look: impl Fn() -> bool) {
    for _ in 0..3000 {
        if look() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited 30 s in vain")
}

#[test]
fn the_folder_ignores_itself_in_git() {
    let project = Project::new();
    let _store = project.open();
    assert_eq!(fs::read_to_string(project.root.join(".devloop/.gitignore")).unwrap(), "*\n");
}
