//! Asks a program: runs it to its end, with nothing to read, for a limited time.
#![expect(clippy::disallowed_methods, reason = "the door to asking go, git and touch")]

use std::{
    ffi::OsString,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Then it is killed.
const LIMIT: Duration = Duration::from_secs(30);

/// The environment in which programs are found and asked.
pub(super) struct Tools {
    env: Vec<(OsString, OsString)>,
}

impl Tools {
    pub(super) fn new(env: Vec<(OsString, OsString)>) -> Tools {
        Tools { env }
    }

    /// A variable, if it is text.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_string_lossy().into_owned())
    }

    /// The file of a program in PATH.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        let path = self.env.iter().find(|(known, _)| known == "PATH").map(|(_, value)| value)?;
        std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| file.is_file())
    }

    /// Its standard output. `more` is added to the environment.
    ///
    /// # Errors
    /// One line: it cannot be started, failed (with the last line it wrote), or took too long.
    pub(super) fn ask(&self, cwd: &Path, words: &[&str], more: &[(String, String)]) -> Result<String, String> {
        let (program, args) = words.split_first().ok_or("no program")?;
        let found = self.find(program).ok_or_else(|| format!("`{program}` is not in PATH"))?;
        let mut command = Command::new(found);
        command.args(args).current_dir(cwd).env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        command.envs(more.iter().map(|(name, value)| (name, value))).env("PWD", cwd).stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("cannot start `{program}`: {error}"))?;
        let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
        // Its streams end when it ends; what holds them open longer is not waited for.
        let text = out.recv_timeout(LIMIT);
        if text.is_err() {
            // it may have ended by itself just now
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| format!("`{program}` is lost: {error}"))?;
        let text = text.map_err(|_| format!("`{program}` did not answer within {} s", LIMIT.as_secs()))?;
        if status.success() {
            return Ok(text);
        }
        let err = err.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        let last = err.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message");
        Err(format!("`{program}` failed: {last}"))
    }
}

/// Reads a stream in a thread of its own, so that neither of two fills up.
fn collect(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // a part is still worth something: the caller parses it
            let _ = stream.read_to_end(&mut bytes);
        }
        // nobody may be waiting any more
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}
