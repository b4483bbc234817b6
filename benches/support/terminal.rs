//! A terminal with a program in it: what comes to its screen is read, and looked at where that is wanted.

use std::{
    fs::File,
    io::Read,
    num::NonZeroU16,
    process::{Child, Command},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{DEADLINE, installed};

const COLUMNS: u16 = 120;
const ROWS: u16 = 40;

pub struct Terminal {
    child: Child,
    seen: Arc<Seen>,
}

/// Whether anybody looks at the screen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Eyes {
    Open,
    /// What comes is read and forgotten.
    Closed,
}

struct Seen {
    screen: Mutex<Screen>,
    news: Condvar,
}

struct Screen {
    parser: vt100::Parser,
    bytes: usize,
}

impl Terminal {
    /// A program on a terminal of 120 columns and 40 rows; none where there is no `setsid`, which makes the terminal the
    /// program's own.
    pub fn with(command: &Command, eyes: Eyes) -> Option<Terminal> {
        installed("setsid")?;
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).expect("a pty");
        let mut outer = Command::new("setsid");
        outer.arg("-c").arg(command.get_program()).args(command.get_args());
        outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm-256color");
        if let Some(folder) = command.get_current_dir() {
            outer.current_dir(folder);
        }
        let theirs = File::from(pair.slave);
        let end = || theirs.try_clone().expect("a file");
        let child = outer.stdin(end()).stdout(end()).stderr(end()).spawn().expect("setsid starts");
        let screen = Screen { parser: vt100::Parser::new(nonzero(ROWS), nonzero(COLUMNS), 0), bytes: 0 };
        let seen = Arc::new(Seen { screen: Mutex::new(screen), news: Condvar::new() });
        let (ours, reader) = (File::from(pair.master), seen.clone());
        thread::spawn(move || read(ours, &reader, eyes));
        Some(Terminal { child, seen })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes that have come to the screen so far.
    pub fn bytes(&self) -> usize {
        self.seen.screen.lock().expect("nobody panics").bytes
    }

    /// When the screen showed this text.
    pub fn until_it_shows(&self, text: &str) -> Instant {
        let end = Instant::now() + DEADLINE;
        let mut screen = self.seen.screen.lock().expect("nobody panics");
        loop {
            let contents = screen.parser.screen().contents();
            if contents.contains(text) {
                return Instant::now();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the screen never shows `{text}`, but:\n{contents}");
            screen = self.seen.news.wait_timeout(screen, left).expect("nobody panics").0;
        }
    }

    /// Waits until nothing has come for so long.
    pub fn until_it_is_calm(&self, pause: Duration) {
        let mut before = self.bytes();
        loop {
            thread::sleep(pause);
            let now = self.bytes();
            if now == before {
                return;
            }
            before = now;
        }
    }
}

fn nonzero(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has some room")
}

fn read(mut ours: File, seen: &Seen, eyes: Eyes) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(count @ 1..) = ours.read(&mut bytes) {
        let mut screen = seen.screen.lock().expect("nobody panics");
        screen.bytes += count;
        if eyes == Eyes::Open {
            screen.parser.process(&bytes[..count]);
            seen.news.notify_all();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let end = Instant::now() + Duration::from_secs(15);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
