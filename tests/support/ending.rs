//! The end of a devloop that a test has started.

use std::{
    process::Child,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Ends it if it still runs: asked first, so that it ends what it has started, and killed if that takes too long.
pub fn end(child: &mut Child) {
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    let pid = Pid::from_raw(child.id() as i32);
    // A suspended one does not hear.
    _ = kill(pid, Signal::SIGCONT);
    _ = kill(pid, Signal::SIGTERM);
    let end = Instant::now() + Duration::from_secs(15);
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
        thread::sleep(Duration::from_millis(2));
    }
    _ = child.kill();
    _ = child.wait();
}
