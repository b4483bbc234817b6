//! What devloop and a guard say to each other: frames of bytes over a socket pair. It does not send or receive them.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
    time::Duration,
};

use super::{Kind, Terminal, WindowSize};
use crate::{core::event::StopHow, model::Exit};

/// devloop to guard.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Order {
    /// Start this; always the first one, and only once.
    Start(Box<Start>),
    /// End everything.
    Stop(StopHow),
    /// Everything is to stand still, because devloop is about to.
    Suspend,
    /// Everything is to go on.
    Resume,
    /// The terminal has another size.
    Resize(WindowSize),
}

/// What a guard has to know to start a program and to end it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Start {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) cwd: PathBuf,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) terminal: Terminal,
    pub(super) window: WindowSize,
    pub(super) kind: Kind,
    pub(super) signal: i32,
    pub(super) grace: Duration,
    /// How many files it may have open; none: as many as the guard.
    pub(super) open_files: Option<u64>,
}

/// Guard to devloop.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// The program runs.
    Started { pid: u32 },
    /// The program does not run: what failed, and the OS's error number. The guard leaves.
    NotStarted { stage: Stage, errno: i32 },
    /// The leader has ended; `more`: others of its tree have not.
    Exited { exit: Exit, more: bool },
    /// The whole tree is gone. The guard leaves.
    Empty,
    /// These did not even end by SIGKILL.
    Survivors(Vec<u32>),
}

/// How far the start of a program came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its streams, its terminal, the fork.
    Setup,
    /// Going to its folder.
    Folder,
    /// Becoming the program.
    Program,
}

const LENGTH: usize = size_of::<u64>();

impl Order {
    pub(super) fn frame(&self) -> Vec<u8> {
        let mut out = Writer::default();
        match self {
            Order::Start(start) => out.number(0).start(start),
            Order::Stop(StopHow::Ask) => out.number(1),
            Order::Stop(StopHow::Kill) => out.number(2),
            Order::Suspend => out.number(3),
            Order::Resume => out.number(4),
            Order::Resize(window) => out.number(5).window(*window),
        };
        out.0
    }

    /// The next order in `heard`, which it is taken out of; none if the frame is not complete (or not a known one).
    pub(super) fn take(heard: &mut Vec<u8>) -> Option<Order> {
        let frame = take_frame(heard)?;
        let mut frame = Reader(&frame);
        Some(match frame.number()? {
            0 => Order::Start(Box::new(frame.start()?)),
            1 => Order::Stop(StopHow::Ask),
            2 => Order::Stop(StopHow::Kill),
            3 => Order::Suspend,
            4 => Order::Resume,
            5 => Order::Resize(frame.window()?),
            _ => return None,
        })
    }
}

impl Word {
    pub(super) fn frame(&self) -> Vec<u8> {
        let mut out = Writer::default();
        match self {
            Word::Started { pid } => out.number(0).number(u64::from(*pid)),
            Word::NotStarted { stage, errno } => out.number(1).number(stage.code()).signed(*errno),
            Word::Exited { exit: Exit::Signal(signal), more } => out.number(2).number(u64::from(*more)).signed(*signal),
            Word::Exited { exit: Exit::Code(code), more } => out.number(3).number(u64::from(*more)).signed(*code),
            Word::Exited { exit: Exit::NotStarted(_), more } => out.number(3).number(u64::from(*more)).signed(127),
            Word::Empty => out.number(4),
            Word::Survivors(pids) => {
                out.number(5).number(pids.len() as u64);
                pids.iter().fold(&mut out, |out, pid| out.number(u64::from(*pid)))
            }
        };
        out.0
    }

    /// The next word in `heard`, which it is taken out of; none if the frame is not complete (or not a known one).
    pub(super) fn take(heard: &mut Vec<u8>) -> Option<Word> {
        let frame = take_frame(heard)?;
        let mut frame = Reader(&frame);
        Some(match frame.number()? {
            0 => Word::Started { pid: u32::try_from(frame.number()?).ok()? },
            1 => Word::NotStarted { stage: Stage::of(frame.number()?)?, errno: frame.signed()? },
            2 => Word::Exited { more: frame.number()? != 0, exit: Exit::Signal(frame.signed()?) },
            3 => Word::Exited { more: frame.number()? != 0, exit: Exit::Code(frame.signed()?) },
            4 => Word::Empty,
            5 => Word::Survivors(frame.list(|frame| u32::try_from(frame.number()?).ok())?),
            _ => return None,
        })
    }
}

impl Stage {
    pub(super) fn code(self) -> u64 {
        match self {
            Stage::Setup => 0,
            Stage::Folder => 1,
            Stage::Program => 2,
        }
    }

    pub(super) fn of(code: u64) -> Option<Stage> {
        [Stage::Setup, Stage::Folder, Stage::Program].into_iter().find(|stage| stage.code() == code)
    }
}

fn take_frame(heard: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::try_from(Reader(heard).number()?).ok()?;
    let end = length.checked_add(LENGTH)?;
    if heard.len() < end {
        return None;
    }
    let frame = heard[LENGTH..end].to_vec();
    heard.drain(..end);
    Some(frame)
}

/// Builds a frame; its first number is the count of the bytes after it.
struct Writer(Vec<u8>);

impl Default for Writer {
    fn default() -> Writer {
        Writer(vec![0; LENGTH])
    }
}

impl Writer {
    fn raw(&mut self, bytes: &[u8]) -> &mut Writer {
        self.0.extend_from_slice(bytes);
        let length = (self.0.len() - LENGTH) as u64;
        self.0[..LENGTH].copy_from_slice(&length.to_le_bytes());
        self
    }

    fn number(&mut self, number: u64) -> &mut Writer {
        self.raw(&number.to_le_bytes())
    }

    fn signed(&mut self, number: i32) -> &mut Writer {
        self.raw(&i64::from(number).to_le_bytes())
    }

    fn text(&mut self, text: &OsStr) -> &mut Writer {
        self.number(text.len() as u64).raw(text.as_bytes())
    }

    fn window(&mut self, window: WindowSize) -> &mut Writer {
        self.number(u64::from(window.rows)).number(u64::from(window.columns))
    }

    fn start(&mut self, start: &Start) -> &mut Writer {
        self.text(&start.program).number(start.args.len() as u64);
        for arg in &start.args {
            self.text(arg);
        }
        self.text(start.cwd.as_os_str()).number(start.env.len() as u64);
        for (name, value) in &start.env {
            self.text(name).text(value);
        }
        self.number(u64::from(start.terminal == Terminal::Pty)).window(start.window);
        self.number(u64::from(start.kind == Kind::Service)).signed(start.signal);
        self.number(u64::try_from(start.grace.as_millis()).unwrap_or(u64::MAX)).number(start.open_files.unwrap_or(0))
    }
}

/// Reads a frame; everything is none once it is too short.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn word(&mut self) -> Option<[u8; LENGTH]> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*word)
    }

    fn number(&mut self) -> Option<u64> {
        self.word().map(u64::from_le_bytes)
    }

    fn signed(&mut self) -> Option<i32> {
        self.word().and_then(|word| i32::try_from(i64::from_le_bytes(word)).ok())
    }

    fn text(&mut self) -> Option<OsString> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(OsString::from_vec(text.to_vec()))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| item(self)).collect()
    }

    fn window(&mut self) -> Option<WindowSize> {
        let mut side = || self.number().and_then(|side| u16::try_from(side).ok());
        Some(WindowSize { rows: side()?, columns: side()? })
    }

    fn start(&mut self) -> Option<Start> {
        Some(Start {
            program: self.text()?,
            args: self.list(Reader::text)?,
            cwd: PathBuf::from(self.text()?),
            env: self.list(|frame| Some((frame.text()?, frame.text()?)))?,
            terminal: if self.number()? == 0 { Terminal::Pipes } else { Terminal::Pty },
            window: self.window()?,
            kind: if self.number()? == 0 { Kind::Step } else { Kind::Service },
            signal: self.signed()?,
            grace: Duration::from_millis(self.number()?),
            open_files: Some(self.number()?).filter(|limit| *limit > 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Order {
        Order::Start(Box::new(Start {
            program: "sh".into(),
            args: vec!["-c".into(), OsString::from_vec(vec![b'a', 0xff, b'\n'])],
            cwd: "/a b".into(),
            env: vec![("A".into(), "".into()), ("B".into(), "x=y".into())],
            terminal: Terminal::Pty,
            window: WindowSize { rows: 24, columns: 80 },
            kind: Kind::Service,
            signal: 15,
            grace: Duration::from_secs(5),
            open_files: Some(1024),
        }))
    }

    #[test]
    fn orders_arrive_as_they_were_sent_however_they_are_cut() {
        let orders = [start(), Order::Stop(StopHow::Ask), Order::Stop(StopHow::Kill), Order::Suspend, Order::Resume];
        let bytes: Vec<u8> = orders.iter().flat_map(Order::frame).collect();
        let (mut heard, mut got) = (Vec::new(), Vec::new());
        for byte in bytes {
            heard.push(byte);
            got.extend(Order::take(&mut heard));
        }
        assert_eq!(got, orders);
    }

    #[test]
    fn words_arrive_as_they_were_sent() {
        let words = [
            Word::Started { pid: 7 },
            Word::NotStarted { stage: Stage::Folder, errno: 2 },
            Word::Exited { exit: Exit::Code(-3), more: true },
            Word::Exited { exit: Exit::Signal(9), more: false },
            Word::Survivors(vec![1, 2]),
            Word::Empty,
        ];
        let mut heard: Vec<u8> = words.iter().flat_map(Word::frame).collect();
        let got: Vec<Word> = std::iter::from_fn(|| Word::take(&mut heard)).collect();
        assert_eq!(got, words);
    }

    #[test]
    fn nonsense_is_no_order_and_no_panic() {
        assert_eq!(Order::take(&mut vec![0xff; 64]), None);
        assert_eq!(Order::take(&mut vec![1, 0, 0, 0, 0, 0, 0, 0, 9]), None);
    }
}
