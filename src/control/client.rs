//! The asking end, for devloop's own commands. It blocks: a command has nothing else to do.

use std::{
    io::{BufRead, BufReader, Write},
    ops::ControlFlow,
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::Path,
    time::Duration,
};

use serde_json::Value;

use super::{Ask, Refused, Request};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nobody listens there.
    NotRunning,
    /// It has ended meanwhile.
    Ended,
    /// The time is over.
    TimedOut,
    /// It answers that it will not.
    Refused(Refused),
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// There are more.
    Line(Value),
    /// It is the last one.
    Answer(Value),
}

/// A connection to a running devloop.
#[derive(Debug)]
pub struct Client {
    reading: BufReader<UnixStream>,
    writing: UnixStream,
}

impl Client {
    /// Connects to the devloop that listens there.
    ///
    /// # Errors
    /// Nobody listens, or it is somebody else's socket.
    pub fn connect(socket: &Path) -> Result<Client, Silence> {
        // The path may come from a folder that somebody else has made.
        let owner = std::fs::symlink_metadata(socket).map_err(|_| Silence::NotRunning)?.uid();
        if owner != nix::unistd::getuid().as_raw() {
            return Err(Silence::NotRunning);
        }
        let stream = UnixStream::connect(socket).map_err(|_| Silence::NotRunning)?;
        let writing = stream.try_clone().map_err(|_| Silence::NotRunning)?;
        Ok(Client { reading: BufReader::new(stream), writing })
    }

    /// Answers have to come within this time; none: they may take for ever.
    pub fn limit(&self, time: Option<Duration>) {
        // It fails for no time at all only.
        _ = self.writing.set_read_timeout(time.map(|time| time.max(Duration::from_millis(1))));
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// It refuses, or does not answer.
    pub fn ask(&mut self, ask: &Ask) -> Result<Value, Silence> {
        self.stream(ask, |_| ControlFlow::Continue(()))
    }

    /// Asks; every line before the answer goes to `each`, until that has had enough: then nothing is returned.
    ///
    /// # Errors
    /// It refuses, or does not answer.
    pub fn stream(&mut self, ask: &Ask, mut each: impl FnMut(&Value) -> ControlFlow<()>) -> Result<Value, Silence> {
        self.begin(ask)?;
        loop {
            match self.next_line()? {
                Next::Answer(value) => return Ok(value),
                Next::Line(value) if each(&value).is_break() => return Ok(Value::Null),
                Next::Line(_) => {}
            }
        }
    }

    /// Asks, without waiting for anything.
    ///
    /// # Errors
    /// Nobody listens any more.
    pub fn begin(&mut self, ask: &Ask) -> Result<(), Silence> {
        let line = Request::line(ask) + "\n";
        self.writing.write_all(line.as_bytes()).map_err(|_| Silence::Ended)
    }

    /// What comes next of what was asked.
    ///
    /// # Errors
    /// It refuses, or does not answer.
    pub fn next_line(&mut self) -> Result<Next, Silence> {
        let value = self.line()?;
        match &value["ok"] {
            Value::Bool(true) => Ok(Next::Answer(value)),
            Value::Bool(false) => {
                let text = |key: &str| value[key].as_str().map(str::to_owned);
                let error = text("error").unwrap_or_default();
                Err(Silence::Refused(Refused { error, hint: text("hint") }))
            }
            _ => Ok(Next::Line(value)),
        }
    }

    /// Waits until it has closed the connection.
    pub fn wait_for_end(&mut self) -> Silence {
        loop {
            if let Err(silence) = self.line() {
                return silence;
            }
        }
    }

    fn line(&mut self) -> Result<Value, Silence> {
        let mut line = String::new();
        match self.reading.read_line(&mut line) {
            Ok(0) => Err(Silence::Ended),
            Ok(_) => serde_json::from_str(&line).map_err(|_| Silence::Ended),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                Err(Silence::TimedOut)
            }
            Err(_) => Err(Silence::Ended),
        }
    }
}
