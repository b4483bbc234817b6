//! A tiny process that knows how the terminal was, and makes it so again when devloop is gone without having done it:
//! after `kill -9`. It is devloop's own binary, executed again.
#![expect(clippy::disallowed_methods, reason = "the door to the process that keeps the terminal's modes")]

use std::{
    io::{self, Read, Write},
    process::{Child, Command, ExitCode, Stdio},
};

use nix::{
    sys::termios::{SetArg, tcgetattr, tcsetattr},
    unistd::setsid,
};

use super::{Window, screen::LEAVE};

/// The hidden first argument.
const MARK: &str = "--keep-terminal";
/// Said by the keeper when it knows the modes, and by devloop when it has restored them itself.
const DONE: &[u8] = b"!";

/// A keeper that waits. Dropped when the terminal has been given back.
pub(super) struct Keeper {
    child: Child,
}

impl Keeper {
    /// Starts one, while the terminal is still as it was.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start(window: Window) -> io::Result<Keeper> {
        let own = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
        let mut command = Command::new(own);
        command.arg(MARK).arg(window.word()).stdin(Stdio::piped()).stdout(Stdio::inherit()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(word) = &mut child.stderr {
            word.read_exact(&mut [0; DONE.len()])?;
        }
        Ok(Keeper { child })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(mut line) = self.child.stdin.take() {
            _ = line.write_all(DONE);
        }
        _ = self.child.wait();
    }
}

/// Is this process to be a keeper? Then it is one until its end, and its exit code is the answer.
pub fn maybe_keep() -> Option<ExitCode> {
    if std::env::args_os().nth(1)? != MARK {
        return None;
    }
    Some(keep().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

/// Until devloop says that all is well, or is gone.
fn keep() -> io::Result<()> {
    let mut terminal = io::stdout();
    let modes = tcgetattr(&terminal)?;
    // Out of reach of what is typed; and whoever is not in the terminal's session may set its modes at any time.
    _ = setsid();
    io::stderr().write_all(DONE)?;
    if io::stdin().read_exact(&mut [0; DONE.len()]).is_err() {
        let window = Window::from_word(&std::env::args().nth(2).unwrap_or_default());
        terminal.write_all((LEAVE.to_owned() + &window.leave()).as_bytes())?;
        terminal.flush()?;
        tcsetattr(&terminal, SetArg::TCSANOW, &modes)?;
    }
    Ok(())
}
