//! A program on a terminal, and when there is peace on its screen.

use std::{process::Command, thread, time::Duration};

use super::installed;
use crate::terminal::{Eyes, Terminal};

/// A program on a terminal of 120 columns and 40 rows; none where there is no `setsid`, which makes the terminal the
/// program's own.
pub fn on_a_terminal(program: &Command, eyes: Eyes) -> Option<Terminal> {
    installed("setsid")?;
    Some(Terminal::with(program, eyes, 120, 40))
}

/// Waits until nothing has come for so long.
pub fn until_it_is_calm(terminal: &Terminal, pause: Duration) {
    let mut before = terminal.bytes();
    loop {
        thread::sleep(pause);
        let now = terminal.bytes();
        if now == before {
            return;
        }
        before = now;
    }
}
