//! What is typed: a thread that waits for the terminal, and leaves it alone as soon as it is told to.

use std::{
    io::{self, PipeWriter},
    os::fd::AsFd,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use crossterm::event::Event;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd,
};

use super::keys::Keys;

/// What came from the terminal.
#[derive(Clone, Debug)]
pub enum Typed {
    /// A key, the mouse, a paste.
    Event(Event),
    /// There is no terminal any more.
    Gone,
}

/// Reads until it is dropped: then nothing more is taken from the terminal.
pub struct Input {
    wake: Option<PipeWriter>,
    ended: Receiver<()>,
}

/// After this time a sequence that is not whole never will be.
const HALF: u16 = 50;
/// The thread is not waited for longer than this.
const PATIENCE: Duration = Duration::from_millis(200);

impl Input {
    /// Begins to read; `tell` gets everything, on a thread of its own.
    ///
    /// # Errors
    /// If the system has no pipe or no thread left.
    pub fn start(tell: impl Fn(Typed) + Send + 'static) -> io::Result<Input> {
        let (sleeper, wake) = io::pipe()?;
        let (end, ended) = channel();
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            read(&sleeper, tell);
            drop(end);
        })?;
        Ok(Input { wake: Some(wake), ended })
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        drop(self.wake.take());
        _ = self.ended.recv_timeout(PATIENCE);
    }
}

fn read(sleeper: &impl AsFd, tell: impl Fn(Typed)) {
    let stdin = io::stdin();
    let mut keys = Keys::default();
    let mut bytes = [0; 4096];
    let told = |event| tell(Typed::Event(event));
    loop {
        let mut waits =
            [PollFd::new(stdin.as_fd(), PollFlags::POLLIN), PollFd::new(sleeper.as_fd(), PollFlags::POLLIN)];
        let limit = if keys.is_half() { PollTimeout::from(HALF) } else { PollTimeout::NONE };
        match poll(&mut waits, limit) {
            Err(Errno::EINTR) => continue,
            Err(_) => return,
            Ok(0) => {
                keys.rest(told);
                continue;
            }
            Ok(_) => {}
        }
        let [terminal, woken] = waits.map(|wait| wait.revents().unwrap_or(PollFlags::empty()));
        if !woken.is_empty() {
            return;
        }
        if !terminal.contains(PollFlags::POLLIN) {
            return tell(Typed::Gone);
        }
        match unistd::read(stdin.as_fd(), &mut bytes) {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Ok(0) | Err(_) => return tell(Typed::Gone),
            Ok(length) => keys.push(&bytes[..length], told),
        }
    }
}
