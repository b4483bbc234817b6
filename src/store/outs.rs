//! Where runs write: `.devloop/artifacts/<step>/<session>-<run>/<step>`, a fresh path for every run.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
};

use super::{disk, file_name};
use crate::{model::RunId, sys};

/// The folder of artifacts, and the name of this session in it.
#[derive(Debug)]
pub(super) struct Outs {
    root: PathBuf,
    session: String,
}

impl Outs {
    /// Run ids begin at 1 in every devloop; time (to the nanosecond: some live shorter than a millisecond) and pid tell
    /// the sessions apart.
    pub(super) fn new(root: PathBuf) -> Outs {
        let session = format!("{:x}-{}", sys::unix_time().as_nanos(), std::process::id());
        Outs { root, session }
    }

    pub(super) fn session(&self) -> &str {
        &self.session
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of one run of this session.
    pub(super) fn folder(&self, step: &str, run: RunId) -> PathBuf {
        self.root.join(file_name(step)).join(format!("{}-{run}", self.session))
    }

    pub(super) fn path(&self, step: &str, run: RunId) -> PathBuf {
        file_in(&self.folder(step, run), step)
    }

    /// Makes the folder that `path` is in; nothing is at `path` itself afterwards.
    pub(super) fn prepare(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            disk::make_folder(folder)?;
        }
        disk::remove_quietly(path);
        Ok(())
    }

    /// Removes every run folder that is there by now, but none of `kept`, in a thread of its own: opening does not wait
    /// for gigabytes.
    pub(super) fn sweep(&self, kept: Vec<PathBuf>) {
        let steps = disk::folders_in(&self.root);
        let dead: Vec<PathBuf> =
            steps.iter().flat_map(|step| disk::folders_in(step)).filter(|folder| !kept.contains(folder)).collect();
        if dead.is_empty() {
            return;
        }
        let remove = move || dead.iter().for_each(|folder| disk::remove_quietly(folder));
        // without a thread they stay until the next time
        let _ = thread::Builder::new().name("sweep artifacts".to_owned()).spawn(remove);
    }
}

/// The artifact in its run's folder. Its name is the step's, so that lists of processes are readable.
pub(super) fn file_in(folder: &Path, step: &str) -> PathBuf {
    folder.join(file_name(step))
}
