//! A running `devloop up --plain`, read as a person reads it: line by line.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Instant,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    ending::end,
    support::{Answer, DEADLINE, Project, get},
};

/// What it has said, and will say.
pub struct Plain {
    child: Child,
    lines: Receiver<String>,
    /// Every line so far.
    pub all: Vec<String>,
}

impl Plain {
    /// Starts it on a port of its own.
    pub fn up(project: &Project) -> Plain {
        let mut command = project.command(&["up", "--plain", "--listen", "0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("devloop starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (to, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                _ = to.send(line);
            }
        });
        Plain { child, lines, all: Vec::new() }
    }

    /// The next line that holds `text`.
    pub fn wait(&mut self, text: &str) -> String {
        let end = Instant::now() + DEADLINE;
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.all.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
        panic!("never came: {text}; devloop said:\n{}", self.all.join("\n"));
    }

    /// `127.0.0.1:PORT` of the proxy.
    pub fn address(&mut self) -> String {
        let known = self.all.iter().find(|line| line.contains("listening on http://")).cloned();
        let line = known.unwrap_or_else(|| self.wait("listening on http://"));
        format!("127.0.0.1:{}", number_after(&line, "localhost:"))
    }

    /// `GET path` through the proxy.
    pub fn get(&mut self, path: &str) -> Answer {
        get(&self.address(), path)
    }

    /// Ctrl-C, and everything is over.
    pub fn stop(&mut self) -> ExitStatus {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT).expect("it runs");
        self.wait("ending: Ctrl-C");
        self.child.wait().expect("it is our child")
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// The number that follows `text`.
pub fn number_after(line: &str, text: &str) -> u32 {
    let rest = line.split(text).nth(1).unwrap_or_else(|| panic!("no {text} in {line}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number after {text} in {line}"))
}
