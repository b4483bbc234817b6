//! The processes below a guard: who they are, how they are signalled, and when they are gone. It decides nothing.
//!
//! On Linux the guard adopts every orphan below it, so "no children" means that the whole tree is gone. Elsewhere only
//! the group of the leader is known: what left it is not found.

use nix::{
    errno::Errno,
    libc,
    unistd::{Pid, getpgid, getpid},
};

use super::guard::{collect_child, send_signal};
use crate::{model::Exit, sys};

/// A program and everything it started.
pub(super) struct Tree {
    leader: Pid,
    leader_is_reaped: bool,
}

/// What `Tree::reap` found.
pub(super) struct Reaped {
    /// How the leader ended, if it did since the last time.
    pub(super) leader: Option<Exit>,
    /// Whether anything is left of the tree.
    pub(super) more: bool,
}

impl Tree {
    pub(super) fn new(leader: Pid) -> Tree {
        Tree { leader, leader_is_reaped: false }
    }

    /// Collects every child that has ended.
    pub(super) fn reap(&mut self) -> Reaped {
        let mut exit = None;
        loop {
            let (pid, how) = match collect_child() {
                Ok(Some(ended)) => ended,
                Ok(None) => return Reaped { leader: exit, more: true },
                Err(Errno::EINTR) => continue,
                Err(_) => return Reaped { leader: exit, more: !self.group_is_empty() },
            };
            if pid == self.leader && !self.leader_is_reaped {
                self.leader_is_reaped = true;
                exit = Some(how);
            }
        }
    }

    /// Everything below this process, parents first.
    pub(super) fn everyone(&self) -> Vec<Pid> {
        let me = getpid();
        let known = sys::descendants(std::process::id());
        known
            .into_iter()
            .filter_map(|pid| i32::try_from(pid).ok())
            .map(Pid::from_raw)
            .filter(|pid| *pid != me)
            .collect()
    }

    /// Whether nobody is left in the leader's group.
    pub(super) fn group_is_empty(&self) -> bool {
        if !self.leader_is_reaped {
            return false;
        }
        match cfg!(target_os = "linux") {
            true => !self.everyone().into_iter().any(|pid| getpgid(Some(pid)) == Ok(self.leader)),
            false => nix::sys::signal::killpg(self.leader, None).is_err(),
        }
    }

    /// Sends `signal` to the leader's group, unless that is empty (its number may belong to others by now).
    pub(super) fn signal_group(&self, signal: i32) {
        if !self.group_is_empty() {
            send_signal(-self.leader.as_raw(), signal);
        }
    }

    /// Sends `signal` to the leader's group and to every single process outside of it.
    pub(super) fn signal_everyone(&self, signal: i32) {
        self.signal_group(signal);
        for pid in self.everyone() {
            if getpgid(Some(pid)) != Ok(self.leader) {
                send_signal(pid.as_raw(), signal);
            }
        }
    }

    /// SIGKILL to all, by group too: that also hits what is being forked this very moment.
    pub(super) fn kill_everyone(&self) {
        self.signal_group(libc::SIGKILL);
        let own_group = getpgid(None).ok();
        for pid in self.everyone() {
            if let Ok(group) = getpgid(Some(pid))
                && Some(group) != own_group
            {
                send_signal(-group.as_raw(), libc::SIGKILL);
            }
            send_signal(pid.as_raw(), libc::SIGKILL);
        }
    }
}
