//! A guard's watch over its program: obeying devloop, telling it what happens, ending everything when devloop is gone.

use std::{
    io::{self, Read, Write},
    mem,
    os::{fd::AsFd, unix::net::UnixStream},
    time::Duration,
};

use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::Pid,
};

use super::{
    Kind, guard,
    stop::Stopping,
    tree::Tree,
    wire::{Order, Start, Word},
};
use crate::{core::event::StopHow, model::Time, sys::Clock};

/// Where devloop is gone, a guard leaves after this time of killing; what it cannot kill, nobody can.
const GIVE_UP: Duration = Duration::from_secs(10);
/// Where orphans are not adopted, their group is looked at this often after the leader's end.
const LOOK_AT_ORPHANS: Duration = Duration::from_secs(2);

/// The socket to devloop.
pub(super) struct Lifeline {
    control: UnixStream,
    heard: Vec<u8>,
}

impl Lifeline {
    pub(super) fn new(control: UnixStream) -> Lifeline {
        Lifeline { control, heard: Vec::new() }
    }

    /// Waits for the first order; none if devloop is gone.
    pub(super) fn first_order(&mut self) -> io::Result<Option<Order>> {
        loop {
            if let Some(order) = Order::take(&mut self.heard) {
                return Ok(Some(order));
            }
            if !self.hear()? {
                return Ok(None);
            }
        }
    }

    /// Reads once; `false` if devloop is gone.
    fn hear(&mut self) -> io::Result<bool> {
        let mut part = [0; 16 * 1024];
        match self.control.read(&mut part) {
            Ok(count) => {
                self.heard.extend_from_slice(&part[..count]);
                Ok(count > 0)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    pub(super) fn say(&mut self, word: &Word) -> io::Result<()> {
        self.control.write_all(&word.frame())
    }
}

/// Where a guarded program is.
// Running => (Lingering | Stopping); Lingering => Stopping; any => Lost
enum State {
    /// Its leader runs.
    Running,
    /// A step's leader has ended by itself; what it left behind runs on.
    Lingering,
    /// It is being ended.
    Stopping(Stopping),
    /// devloop is gone: it is being killed.
    Lost { since: Time, stopping: Stopping },
}

impl State {
    fn kill(self, now: Time) -> State {
        match self {
            State::Stopping(before) => State::Stopping(Stopping::kill(Some(before), now)),
            State::Lost { .. } => self,
            State::Running | State::Lingering => State::Stopping(Stopping::kill(None, now)),
        }
    }
}

/// A guard whose program runs.
pub(super) struct Vigil {
    line: Lifeline,
    wakes: UnixStream,
    clock: Clock,
    tree: Tree,
    start: Start,
    state: State,
}

impl Vigil {
    /// Over the program that `leader` leads. `wakes` becomes readable when a child ends.
    pub(super) fn new(line: Lifeline, wakes: UnixStream, leader: Pid, start: Start) -> Vigil {
        let (clock, tree) = (Clock::start(), Tree::new(leader));
        Vigil { line, wakes, clock, tree, start, state: State::Running }
    }

    /// Until the whole tree is gone.
    pub(super) fn keep(mut self) {
        self.obey(); // what came together with the first order
        loop {
            let reaped = self.tree.reap();
            if let Some(exit) = reaped.leader {
                let _ = self.line.say(&Word::Exited { exit, more: reaped.more });
                self.leader_has_ended();
            }
            if !reaped.more {
                let _ = self.line.say(&Word::Empty);
                return;
            }
            let now = self.clock.now();
            let wait = match &mut self.state {
                State::Lost { since, .. } if now.since(*since) > GIVE_UP => return,
                State::Lost { stopping, .. } => Some(stopping.proceed(&self.tree, now).wait),
                State::Stopping(stopping) => {
                    let next = stopping.proceed(&self.tree, now);
                    if let Some(survivors) = next.survivors {
                        let _ = self.line.say(&Word::Survivors(survivors));
                    }
                    Some(next.wait)
                }
                State::Lingering if !cfg!(target_os = "linux") => Some(LOOK_AT_ORPHANS),
                State::Running | State::Lingering => None,
            };
            self.sleep(wait);
        }
    }

    fn leader_has_ended(&mut self) {
        if matches!(self.state, State::Running) {
            self.state = match self.start.kind {
                Kind::Step => State::Lingering,
                Kind::Service => self.ask(),
            };
        }
    }

    fn ask(&self) -> State {
        State::Stopping(Stopping::ask(&self.tree, self.start.signal, self.start.grace, self.clock.now()))
    }

    /// Until a child ends, devloop says something or is gone, or `wait` is over.
    fn sleep(&mut self, wait: Option<Duration>) {
        let timeout = wait.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
        });
        let mut fds = vec![PollFd::new(self.wakes.as_fd(), PollFlags::POLLIN)];
        if !matches!(self.state, State::Lost { .. }) {
            fds.push(PollFd::new(self.line.control.as_fd(), PollFlags::POLLIN));
        }
        if poll(&mut fds, timeout).is_err() {
            return;
        }
        let spoken = fds.get(1).and_then(PollFd::any).unwrap_or(false);
        let mut ended = [0; 64];
        while matches!(self.wakes.read(&mut ended), Ok(1..)) {}
        if spoken && !self.line.hear().unwrap_or(false) {
            let since = self.clock.now();
            self.state = State::Lost { since, stopping: Stopping::kill(None, since) };
        }
        self.obey();
    }

    fn obey(&mut self) {
        while let Some(order) = Order::take(&mut self.line.heard) {
            match order {
                Order::Stop(StopHow::Ask) => {
                    if matches!(self.state, State::Running | State::Lingering) {
                        self.state = self.ask();
                    }
                }
                Order::Stop(StopHow::Kill) => {
                    self.state = mem::replace(&mut self.state, State::Running).kill(self.clock.now());
                }
                Order::Suspend if matches!(self.state, State::Running | State::Lingering) => {
                    self.tree.signal_everyone(libc::SIGSTOP);
                }
                Order::Resume => self.tree.signal_everyone(libc::SIGCONT),
                Order::Resize(window) => guard::resize(window),
                Order::Start(_) | Order::Suspend => {}
            }
        }
    }
}
