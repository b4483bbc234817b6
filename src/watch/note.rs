//! What the watcher wants a person to know.

use std::path::PathBuf;

use crate::model::FilePath;

/// One thing worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The tree is read again and again, because the OS's events do not come (or were not wanted).
    Polling {
        /// Why.
        why: String,
    },
    /// The kernel grants no more watches; the folders beyond are polled. Told once.
    OutOfWatches {
        /// The first folder without one.
        folder: PathBuf,
    },
    /// Events were lost (the queue was full); the tree was compared with what was known instead.
    Rescanned,
    /// A watched root is gone: nothing can be noticed there until it is back.
    Gone {
        /// The root.
        root: PathBuf,
    },
    /// It is back and watched again.
    Back {
        /// The root.
        root: PathBuf,
    },
    /// A service of ours writes this file: its writes are no saves. Told once for each file.
    Owned {
        /// The file.
        path: FilePath,
        /// The process that has it open.
        pid: u32,
    },
    /// A folder cannot be watched or read.
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// What the OS says.
        why: String,
    },
    /// The OS's event source reports an error of its own.
    Trouble {
        /// What it says.
        why: String,
    },
}

impl Note {
    /// One line, a lowercase fragment.
    pub fn text(&self) -> String {
        match self {
            Note::Polling { why } => format!("watching by polling: {why}"),
            Note::OutOfWatches { folder } => {
                format!(
                    "the kernel grants no more file watches; polling `{}` and what comes after it",
                    folder.display()
                )
            }
            Note::Rescanned => "more file events than the kernel keeps; the tree was read again instead".to_owned(),
            Note::Gone { root } => format!("`{}` is gone; waiting until it is back", root.display()),
            Note::Back { root } => format!("`{}` is back and watched again", root.display()),
            Note::Owned { path, pid } => {
                format!("`{}` is written by a service (pid {pid}); its writes are no saves", path.display())
            }
            Note::Unreadable { folder, why } => format!("cannot watch `{}`: {why}", folder.display()),
            Note::Trouble { why } => format!("file events: {why}"),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Note::Polling { .. } => {
                Some("`backend = \"native\"` under `[watch]` insists on the OS's events".to_owned())
            }
            Note::OutOfWatches { .. } => Some(
                "raise the limit: `sudo sysctl fs.inotify.max_user_watches=524288` (and put it into /etc/sysctl.d), \
                 or ignore folders with `ignore` under `[watch]`"
                    .to_owned(),
            ),
            Note::Rescanned => Some("a larger `fs.inotify.max_queued_events` keeps more of them".to_owned()),
            Note::Gone { .. } | Note::Back { .. } | Note::Owned { .. } => None,
            Note::Unreadable { .. } => Some("check its permissions, or ignore it under `[watch]`".to_owned()),
            Note::Trouble { .. } => None,
        }
    }
}
