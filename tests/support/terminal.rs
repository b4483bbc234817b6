//! A terminal with a program in it: a pty whose screen is read, and whose keys are typed.

use std::{
    fs::File,
    io::{Read, Write},
    num::NonZeroU16,
    os::fd::AsFd,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, kill},
        termios::{Termios, tcgetattr},
    },
    unistd::{Pid, ttyname},
};

use crate::{ending::end, support::DEADLINE};

/// A terminal, what is on its screen, and the program that has it.
pub struct Terminal {
    child: Child,
    /// The end that a terminal emulator has; gone after `hang_up`.
    keys: Option<File>,
    /// The end that programs have: what the modes are read from, and what `stty` is told.
    theirs: File,
    shown: Arc<Shown>,
    reader: Option<JoinHandle<()>>,
    before: Termios,
}

/// Whether anybody looks at the screen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Eyes {
    Open,
    /// What comes is read, counted and forgotten.
    Closed,
}

struct Shown {
    screen: Mutex<Screen>,
    news: Condvar,
    over: AtomicBool,
}

struct Screen {
    parser: vt100::Parser,
    written: Vec<u8>,
    bytes: usize,
}

impl Terminal {
    /// A program on a terminal of this size.
    pub fn with(program: &Command, eyes: Eyes, columns: u16, rows: u16) -> Terminal {
        let (master, slave) = open();
        set_size(&slave, columns, rows);
        let before = tcgetattr(&slave).expect("it is a terminal");
        // `setsid -c` makes the pty the controlling terminal, as a terminal emulator does.
        let mut command = Command::new("setsid");
        command.arg("-c").arg(program.get_program()).args(program.get_args());
        command.env_remove("PORT").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env_remove("DEVLOOP_LOG").env_remove("VISUAL");
        for terminal in ["TERM_PROGRAM", "WT_SESSION", "ConEmuANSI"] {
            command.env_remove(terminal);
        }
        if let Some(folder) = program.get_current_dir() {
            command.current_dir(folder);
        }
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let stream = || Stdio::from(slave.try_clone().expect("it can be shared"));
        let child = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().expect("`setsid` starts");
        let parser = vt100::Parser::new(nonzero(rows), nonzero(columns), 0);
        let shown = Arc::new(Shown {
            screen: Mutex::new(Screen { parser, written: Vec::new(), bytes: 0 }),
            news: Condvar::new(),
            over: AtomicBool::new(false),
        });
        let (ours, to_show) = (master.try_clone().expect("it can be shared"), shown.clone());
        let reader = thread::spawn(move || read(ours, &to_show, eyes));
        Terminal { child, keys: Some(master), theirs: slave, shown, reader: Some(reader), before }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types these bytes.
    pub fn types(&mut self, keys: &str) {
        let terminal = self.keys.as_mut().expect("it has not hung up");
        terminal.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// What is on the screen now.
    pub fn text(&self) -> String {
        self.lock().parser.screen().contents()
    }

    /// Waits until the screen is as wanted.
    pub fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + DEADLINE;
        let mut screen = self.lock();
        loop {
            let text = screen.parser.screen().contents();
            if wanted(&text) {
                return text;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never on the screen: {what}; there is:\n{text}");
            screen = self.shown.news.wait_timeout(screen, left).expect("nobody panics").0;
        }
    }

    /// Waits until these words are on the screen.
    pub fn sees(&self, words: &str) -> String {
        self.until(words, |text| text.contains(words))
    }

    /// Waits until it is the usual screen, or the other one, that programs like a pane have.
    pub fn has_other_screen(&self, wanted: bool) {
        let end = Instant::now() + DEADLINE;
        while self.lock().parser.screen().alternate_screen() != wanted {
            assert!(Instant::now() < end, "never another screen: {wanted}; there is:\n{}", self.text());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// How much was written to the terminal so far.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Whether these bytes were written to the terminal.
    pub fn was_told(&self, bytes: &str) -> bool {
        self.lock().written.windows(bytes.len()).any(|part| part == bytes.as_bytes())
    }

    /// Waits until these bytes were written to the terminal, after so many.
    pub fn is_told(&self, bytes: &str, after: usize) {
        let end = Instant::now() + DEADLINE;
        let mut screen = self.lock();
        let is_there =
            |screen: &Screen| screen.written[after..].windows(bytes.len()).any(|part| part == bytes.as_bytes());
        while !is_there(&screen) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never written: {bytes:?}; there is:\n{}", screen.parser.screen().contents());
            screen = self.shown.news.wait_timeout(screen, left).expect("nobody panics").0;
        }
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.lock().parser.screen_mut().set_size(nonzero(rows), nonzero(columns));
        set_size(&self.theirs, columns, rows);
    }

    /// Whether the terminal's modes are what they were before devloop came.
    pub fn modes_are_restored(&self) -> bool {
        let now = tcgetattr(&self.theirs).expect("it is a terminal");
        let flags = |modes: &Termios| (modes.input_flags, modes.output_flags, modes.local_flags, modes.control_chars);
        flags(&now) == flags(&self.before)
    }

    /// Nothing of the pane is left in the terminal.
    pub fn is_as_before(&self) {
        let end = Instant::now() + DEADLINE;
        let is_as_before = || {
            let screen = self.lock();
            let screen = screen.parser.screen();
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        };
        while !(is_as_before() && self.modes_are_restored()) {
            assert!(Instant::now() < end, "the terminal is not as it was:\n{}", self.text());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The terminal is closed.
    pub fn hang_up(&mut self) {
        self.shown.over.store(true, Ordering::SeqCst);
        self.keys = None;
        self.reader.take().expect("it hangs up once").join().expect("it does not panic");
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }

    /// Waits until devloop has ended.
    pub fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < end, "devloop does not end:\n{}", self.text());
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Screen> {
        self.shown.screen.lock().expect("nobody panics")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        end(&mut self.child);
        self.shown.over.store(true, Ordering::SeqCst);
        if let Some(reader) = self.reader.take() {
            _ = reader.join();
        }
    }
}

/// Both ends of a pty that no other program inherits: a terminal hangs up when the last one has let go of it.
#[cfg(target_os = "linux")]
fn open() -> (File, File) {
    use nix::{
        fcntl::OFlag,
        pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
        sys::stat::Mode,
    };

    let private = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(private).expect("a pty");
    grantpt(&master).expect("a pty");
    unlockpt(&master).expect("a pty");
    let name = ptsname_r(&master).expect("it has a name");
    let slave = nix::fcntl::open(name.as_str(), private, Mode::empty()).expect("its other end");
    (File::from(std::os::fd::OwnedFd::from(master)), File::from(slave))
}

/// Both ends of a pty.
#[cfg(not(target_os = "linux"))]
fn open() -> (File, File) {
    let pair = nix::pty::openpty(None, None).expect("a pty");
    (File::from(pair.master), File::from(pair.slave))
}

fn set_size(terminal: &File, columns: u16, rows: u16) {
    let name = ttyname(terminal).expect("it has a name");
    let size = [("rows", rows), ("cols", columns)].map(|(word, count)| [word.to_owned(), count.to_string()]);
    let status = Command::new("stty").arg("-F").arg(name).args(size.concat()).status().expect("stty is there");
    assert!(status.success());
}

fn nonzero(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has some room")
}

/// Reads as a terminal emulator does, until nobody looks any more.
fn read(mut ours: File, shown: &Shown, eyes: Eyes) {
    let mut bytes = [0; 64 * 1024];
    while !shown.over.load(Ordering::SeqCst) {
        let mut wait = [PollFd::new(ours.as_fd(), PollFlags::POLLIN)];
        if poll(&mut wait, PollTimeout::from(20_u8)).unwrap_or_default() == 0 {
            continue;
        }
        let Ok(length) = ours.read(&mut bytes) else { return };
        let mut screen = shown.screen.lock().expect("nobody panics");
        screen.bytes += length;
        if eyes == Eyes::Open {
            screen.parser.process(&bytes[..length]);
            screen.written.extend_from_slice(&bytes[..length]);
            shown.news.notify_all();
        }
    }
}
