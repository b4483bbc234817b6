//! Programs: started through a guard, stopped as a tree, their output read without end. It does not decide when.
//!
//! Reading order: `programs` (the handle), `run` (one program from start to end), `opening` and `spawn` (how it gets a
//! guard); `guard`, `vigil`, `tree` and `stop` (the process between); `output`, `lines`, `tail` and `queue` (what
//! programs say); then what a launch is made of.

mod helper;
mod opening;
mod programs;
mod run;
mod spawn;
mod wire;

pub mod guard;
mod search;
mod stop;
mod tree;
mod vigil;

mod lines;
mod output;
mod pty;
mod queue;
mod tail;

pub mod env;
mod ports;
mod signals;
mod strays;
mod taken;

use std::{ffi::OsString, os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

pub use self::{
    output::Output,
    ports::{Lease, Ports, listen_on},
    programs::{Programs, Setup},
    queue::{LineReader, LineSender, Mark, queue},
    search::find_program,
    signals::{Asked, Signals, stop_self},
    spawn::GuardBinary,
    strays::{Session, Stray},
    taken::{Taken, who_has, who_listens_on},
};
use crate::{
    model::{Exit, RunId},
    plan::Resolved,
};

/// A program to start.
#[derive(Debug)]
pub struct Launch {
    /// Its run; never used before.
    pub run: RunId,
    /// The name of its step or service: the source of its lines.
    pub name: Arc<str>,
    /// The program (looked for in the PATH of `env`) and its arguments.
    pub command: Resolved,
    /// Where it runs; absolute.
    pub cwd: PathBuf,
    /// Its whole environment (see `env::compose`); the marks by which its strays are found are added.
    pub env: Vec<(OsString, OsString)>,
    /// What its streams are.
    pub terminal: Terminal,
    /// When its run is over.
    pub kind: Kind,
    /// How it is ended.
    pub ending: Ending,
    /// A listening socket that it finds as descriptor 3, with `LISTEN_FDS` and `LISTEN_PID` set.
    pub listen: Option<OwnedFd>,
}

/// What a program's streams are. Its stdin is open and silent in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// A terminal of its own: colours, stdout and stderr in one.
    Pty,
    /// One pipe each for stdout and stderr.
    Pipes,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// When its leader has ended; what that leaves running lives until devloop ends (or until the run is stopped while
    /// the leader lives: then it is over when the whole tree is gone).
    Step,
    /// When its whole tree is gone. If the leader ends by itself, the rest is stopped as `Ending` says.
    Service,
}

/// How a program is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The signal that asks it to end, as `libc` numbers it.
    pub signal: i32,
    /// Then this long until SIGKILL.
    pub grace: Duration,
    /// A command that is run before the signal, in the same folder with the same environment, at most for `grace`:
    /// for what is no descendant (containers). If the program ends by itself, it is run at the end of devloop, unless
    /// the same service was started again.
    pub run: Option<Resolved>,
}

/// Something happened to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// Its program is executed.
    Started {
        /// The run.
        run: RunId,
        /// The process id, which is also that of its group.
        pid: u32,
    },
    /// It is over. Exactly one for every launch, and the last notice about it.
    Exited {
        /// The run.
        run: RunId,
        /// How its leader ended.
        exit: Exit,
        /// Its last lines (at most 50), as they were written.
        tail: Vec<String>,
        /// What did not even end by SIGKILL.
        survivors: Vec<Survivor>,
    },
}

/// A process that SIGKILL did not end: another user's, or stuck in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Its id.
    pub pid: u32,
    /// Its command line, as far as it is known.
    pub command: String,
}

/// Names the session of devloop that started a process, in that process's environment.
pub(crate) const SESSION_MARK: &str = "DEVLOOP_SESSION";
/// And its run in this session.
pub(crate) const RUN_MARK: &str = "DEVLOOP_RUN";
