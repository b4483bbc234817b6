//! One devloop per project: a file lock that ends with its process, however that ends.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use super::{Refusal, disk};
use crate::error::Problem;

/// Held while it lives. The file holds the pid, for whoever finds it locked.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock in `folder`; with a note where the file system knows no locks.
    ///
    /// # Errors
    /// Another process holds it, or the file cannot be made.
    pub(super) fn take(folder: &Path) -> Result<(Lock, Option<String>), Refusal> {
        let path = folder.join("lock");
        let mut file =
            disk::open_or_make(&path).map_err(|error| Refusal::Failed(disk::problem("open", &path, &error)))?;
        let note = match file.try_lock() {
            Ok(()) => None,
            Err(TryLockError::WouldBlock) => return Err(Refusal::Taken(held(&mut file))),
            Err(TryLockError::Error(error)) => {
                Some(format!("`{}` cannot be locked ({error}): a second devloop would not be noticed", path.display()))
            }
        };
        let pid = format!("{}\n", std::process::id());
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(pid.as_bytes()));
        written.map_err(|error| Refusal::Failed(disk::problem("write", &path, &error)))?;
        Ok((Lock { file }, note))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // the pid of a process that is gone would mislead
        let _ = self.file.set_len(0);
        // not left to the end of the file: a process that is being forked has it too, for a moment
        let _ = self.file.unlock();
    }
}

fn held(file: &mut File) -> Problem {
    let mut text = String::new();
    let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok());
    let (who, how) = match pid {
        Some(pid) => (format!(" (pid {pid})"), format!(", or with `kill {pid}`")),
        None => (String::new(), String::new()),
    };
    Problem::new(format!("devloop is already running in this project{who}"))
        .hint(format!(
            "`devloop attach` shows its pane here, `devloop logs -f` follows it; end it with `devloop stop`, with Ctrl-C where it runs{how}"
        ))
}
