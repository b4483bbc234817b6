//! Who has a port: said in words that tell what to do. It ends nobody.

use std::fmt;

use super::{Programs, SESSION_MARK};
use crate::{error::Problem, model::RunId, sys};

/// Who listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A program of this devloop.
    Ours {
        /// The run.
        run: RunId,
        /// The process.
        pid: u32,
        /// Its command line, as far as it is known.
        command: String,
    },
    /// A program that another devloop has started.
    AnotherDevloop {
        /// The process.
        pid: u32,
        /// Its command line, as far as it is known.
        command: String,
    },
    /// Another program.
    Foreign {
        /// The process.
        pid: u32,
        /// Its command line, as far as it is known.
        command: String,
    },
    /// Somebody who is not ours to see: another user, a container.
    Unseen,
}

/// Who listens on `port`; none if nobody does, or if the OS does not tell.
pub fn who_has(port: u16, programs: &Programs) -> Option<Taken> {
    who_listens_on(port, |pid| programs.owner_of(pid))
}

/// The same where another knows which processes are ours.
pub fn who_listens_on(port: u16, owner: impl Fn(u32) -> Option<RunId>) -> Option<Taken> {
    let listeners = sys::listeners_on(port);
    let Some(pid) = listeners.iter().find_map(|listener| listener.pid) else {
        return (!listeners.is_empty()).then_some(Taken::Unseen);
    };
    let command = sys::command_line(pid).unwrap_or_default();
    Some(match owner(pid) {
        Some(run) => Taken::Ours { run, pid, command },
        None if sys::variable_of(pid, SESSION_MARK).is_some() => Taken::AnotherDevloop { pid, command },
        None => Taken::Foreign { pid, command },
    })
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Taken::Ours { pid, command, .. } => write!(f, "`{command}` (pid {pid}), started by this devloop"),
            Taken::AnotherDevloop { pid, command } => write!(f, "`{command}` (pid {pid}), started by another devloop"),
            Taken::Foreign { pid, command } => write!(f, "`{command}` (pid {pid})"),
            Taken::Unseen => write!(f, "a program of another user or in a container"),
        }
    }
}

impl Taken {
    /// What a person is told, and what they can do.
    pub fn problem(&self, port: u16) -> Problem {
        let problem = Problem::new(format!("port {port} is taken by {self}"));
        match self {
            Taken::Ours { .. } => {
                problem.hint("two services cannot have the same port: give one of them another `port`")
            }
            Taken::AnotherDevloop { .. } => problem.hint("end that devloop, or set another `port`"),
            Taken::Foreign { pid, .. } => problem.hint(format!("end it with `kill {pid}`, or set another `port`")),
            Taken::Unseen => problem.hint("look for a container that publishes it, or set another `port`"),
        }
    }
}
