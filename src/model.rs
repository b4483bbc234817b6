//! Words: the small values every floor speaks about. No behaviour beyond showing and comparing them.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// A moment, counted from the start of devloop on a clock that never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(Duration);

impl Time {
    /// The moment devloop started.
    pub const ZERO: Time = Time(Duration::ZERO);

    /// The moment that lies `since_start` after the start of devloop.
    pub const fn from_start(since_start: Duration) -> Time {
        Time(since_start)
    }

    /// How long after the start of devloop this moment lies.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to this moment; zero if `earlier` is not earlier.
    pub fn since(self, earlier: Time) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Time;
    fn add(self, by: Duration) -> Time {
        Time(self.0.saturating_add(by))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A file as the plan names it: relative to the project's root (with leading `..` where it lies outside), never
/// normalised to UTF-8.
pub type FilePath = Arc<Path>;

/// Whose files are served as they are, so that pages are told when one changes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Provider {
    /// A service's.
    Service(Arc<str>),
    /// Those of a route's folder, as it was written.
    Folder(Arc<str>),
}

/// Whether HTTP is spoken inside TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// It is not.
    Http,
    /// It is.
    Https,
}

impl Scheme {
    /// As in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// One process, of a step or a service. Never reused while devloop runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

/// One settled batch of changes; only grows, over sessions too. The first one of a session is its start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The content of a file (or of several), told apart by hash: equal digests are taken for equal content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Digest(pub u128);

/// What a step wrote to `{out}` in one of its runs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Artifact {
    /// The step that made it.
    pub step: Arc<str>,
    /// The run that made it; names its folder.
    pub run: RunId,
    /// Its content.
    pub digest: Digest,
}

/// A program of a service that one can go back to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PastProgram {
    /// When it was live first.
    pub revision: Revision,
    /// What it is made of, in the order in which its command's steps stand in the plan.
    pub artifacts: Vec<Artifact>,
}

/// How a process ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It returned this exit code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It could not be started: the reason.
    NotStarted(String),
}

impl Exit {
    /// Whether the program says that it did what it was asked to do.
    pub fn is_success(&self) -> bool {
        *self == Exit::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(signal) => match nix::sys::signal::Signal::try_from(*signal) {
                Ok(known) => write!(f, "killed by {known}"),
                Err(_) => write!(f, "killed by signal {signal}"),
            },
            Exit::NotStarted(why) => write!(f, "not started: {why}"),
        }
    }
}

/// What the last words of a program that did not come up say about the reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clue {
    /// An address it wanted to listen on is taken.
    AddressInUse,
    /// A lock it wanted is held by another process.
    Locked,
}

/// Whether something is to be so or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// It is.
    #[default]
    On,
    /// It is not.
    Off,
}

/// A place in a source file that a message is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Place {
    /// As the program printed it; below the project's root, from there.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, where the program told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is wrong there.
    pub message: String,
}

/// A failure as people read it: on the terminal, on a page, in JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// One line: what failed and how, such as "step `build` failed: exit code 1".
    pub title: String,
    /// The last lines of output, without escape sequences.
    pub output: Vec<String>,
    /// The same lines with their colours; empty if they have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coloured: Vec<String>,
    /// The places in the output, first one first.
    pub places: Vec<Place>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Report {
    /// A report that has nothing to show but its title.
    pub fn new(title: impl Into<String>) -> Report {
        Report { title: title.into(), output: Vec::new(), coloured: Vec::new(), places: Vec::new(), hint: None }
    }

    /// The same with this hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Report {
        self.hint = Some(hint.into());
        self
    }
}

/// Which of its two streams a program wrote a line to. On a pty both are `Out`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One line of a program's output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The name of its step or service.
    pub source: Arc<str>,
    /// The process.
    pub run: RunId,
    /// Where it was written to.
    pub stream: Stream,
    /// Without its line end; escape sequences are kept; invalid UTF-8 is replaced.
    pub text: String,
}

/// The path `file` names on disk.
pub fn on_disk(root: &Path, file: &Path) -> PathBuf {
    root.join(file)
}

/// One service's share of the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Its name.
    pub service: Arc<str>,
    /// Requests waiting at its gate.
    pub held: u64,
    /// Requests, streams and tunnels that its instances are working on.
    pub in_flight: u64,
    /// Open tunnels among them.
    pub tunnels: u64,
    /// Requests that came in so far.
    pub requests: u64,
    /// Requests that were held so far.
    pub were_held: u64,
    /// Requests that were sent a second time because the first instance died without answering.
    pub replayed: u64,
    /// Answers of devloop's own: 502, 503, 504.
    pub refused: u64,
    /// Answers of programs that were out of date.
    pub stale: u64,
}
