//! A project in a temporary folder, and a real `devloop up` in it: its facts, its address, its end.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, mpsc},
    thread,
    time::Instant,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::chrome::DEADLINE;

/// A running devloop, which ends with this.
pub struct Project {
    folder: TempDir,
    child: Child,
    facts: Mutex<mpsc::Receiver<Value>>,
    said: Mutex<Vec<Value>>,
}

impl Project {
    /// `devloop up` in a folder with these files.
    pub fn up(files: &[(&str, &str)]) -> Project {
        let folder = TempDir::with_prefix("devloop browser ").expect("a temporary folder");
        for (file, text) in files {
            std::fs::write(folder.path().join(file), text).expect("the file can be written");
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_devloop"))
            .args(["up", "--json", "--listen", "0"])
            .current_dir(folder.path())
            .env_remove("PORT")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("devloop starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, facts) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let fact = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
                if sender.send(fact).is_err() {
                    return;
                }
            }
        });
        Project { folder, child, facts: Mutex::new(facts), said: Mutex::default() }
    }

    /// Writes a file in place.
    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).expect("the file can be written");
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The next fact of this kind.
    pub fn fact(&self, kind: &str) -> Value {
        let end = Instant::now() + DEADLINE;
        let facts = self.facts.lock().expect("nobody panics");
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(fact) = facts.recv_timeout(left) else {
                panic!("never came: {kind}; devloop said: {:#?}", self.said.lock().expect("nobody panics"));
            };
            self.said.lock().expect("nobody panics").push(fact.clone());
            if fact["event"] == kind {
                return fact;
            }
        }
    }

    /// The address of its proxy, which it tells first.
    pub fn address(&self) -> String {
        let listening = self.fact("listening");
        let addresses = listening["addresses"].as_array().expect("a list").iter().filter_map(Value::as_str);
        let port = addresses.filter_map(|address| address.rsplit_once(':')).map(|(_, port)| port).next();
        format!("http://localhost:{}/", port.expect("a port"))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let end = Instant::now() + DEADLINE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(std::time::Duration::from_millis(2));
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
