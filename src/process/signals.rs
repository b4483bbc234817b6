//! Signals to devloop itself, as one stream; and standing still with everything else on Ctrl-Z.
//!
//! Ctrl-Z: `Asked::Suspend` comes; then `Programs::suspend`, give the terminal back, `stop_self`, and once that comes
//! back, take the terminal and `Programs::resume`.

use std::io;

use nix::sys::signal::{Signal, raise};
use tokio::signal::unix::{self, SignalKind};

/// What a signal asks of devloop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGINT, SIGTERM, SIGHUP or SIGQUIT: end everything and leave.
    Quit(Signal),
    /// SIGTSTP, Ctrl-Z: stand still.
    Suspend,
    /// SIGWINCH: the terminal has another size.
    Resized,
}

/// The stream of signals. While it exists, none of them has its usual effect.
#[derive(Debug)]
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
    quit: unix::Signal,
    suspend: unix::Signal,
    resized: unix::Signal,
}

impl Signals {
    /// To be called inside the runtime.
    ///
    /// # Errors
    /// If the OS refuses a handler.
    pub fn new() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            hang_up: unix::signal(SignalKind::hangup())?,
            quit: unix::signal(SignalKind::quit())?,
            suspend: unix::signal(SignalKind::from_raw(Signal::SIGTSTP as i32))?,
            resized: unix::signal(SignalKind::window_change())?,
        })
    }

    /// The next one. May be dropped while it waits.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Quit(Signal::SIGINT),
            _ = self.terminate.recv() => Asked::Quit(Signal::SIGTERM),
            _ = self.hang_up.recv() => Asked::Quit(Signal::SIGHUP),
            _ = self.quit.recv() => Asked::Quit(Signal::SIGQUIT),
            _ = self.suspend.recv() => Asked::Suspend,
            _ = self.resized.recv() => Asked::Resized,
        }
    }
}

/// Makes this process stand still, all threads, until somebody continues it (`fg`).
pub fn stop_self() {
    let _ = raise(Signal::SIGSTOP);
}
