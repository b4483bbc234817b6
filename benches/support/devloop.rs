//! A running `devloop up --json`, and what it says.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{DEADLINE, project::Project};

pub struct Devloop {
    child: Child,
    seen: Arc<Seen>,
    at: usize,
}

#[derive(Default)]
struct Seen {
    events: Mutex<Vec<(Instant, Value)>>,
    news: Condvar,
}

impl Devloop {
    pub fn start(project: &Project) -> Devloop {
        Devloop::start_with(project, &[])
    }

    /// With these variables in its environment.
    pub fn start_with(project: &Project, env: &[(&str, &str)]) -> Devloop {
        let mut command = Command::new(env!("CARGO_BIN_EXE_devloop"));
        command.args(["up", "--json", "--listen", "0"]).current_dir(project.root()).stdin(Stdio::null());
        command.env_remove("PORT").envs(env.iter().copied());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("devloop starts");
        let seen = Arc::new(Seen::default());
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let reader = seen.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let at = Instant::now();
                let event = serde_json::from_str(&line).expect("it prints JSON");
                reader.events.lock().expect("nobody panics").push((at, event));
                reader.news.notify_all();
            }
        });
        Devloop { child, seen, at: 0 }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next event after the last one waited for that `wanted` accepts, and when it was read.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> (Instant, Value) {
        let end = Instant::now() + DEADLINE;
        let mut events = self.seen.events.lock().expect("nobody panics");
        let mut from = self.at;
        loop {
            if let Some(index) = events[from..].iter().position(|(_, event)| wanted(event)) {
                self.at = from + index + 1;
                return events[from + index].clone();
            }
            from = events.len();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let all: Vec<String> = events.iter().map(|(_, event)| event.to_string()).collect();
                panic!("never came: {what}; devloop said:\n{}", all.join("\n"));
            }
            events = self.seen.news.wait_timeout(events, left).expect("nobody panics").0;
        }
    }

    /// The next event of this kind.
    pub fn event(&mut self, kind: &str) -> Value {
        self.wait(kind, |event| event["event"] == kind).1
    }

    /// How many events of this kind there were so far.
    pub fn count(&self, kind: &str) -> usize {
        let events = self.seen.events.lock().expect("nobody panics");
        events.iter().filter(|(_, event)| event["event"] == kind).count()
    }

    /// Where the proxy listens. To be asked first of all.
    pub fn address(&mut self) -> SocketAddr {
        let event = self.event("listening");
        let addresses = event["addresses"].as_array().expect("a list");
        let address = addresses.iter().filter_map(Value::as_str).find(|address| address.starts_with("127."));
        address.expect("it listens on IPv4").parse().expect("an address")
    }

    /// Ctrl-C, and everything is over.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT);
            let end = Instant::now() + Duration::from_secs(15);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
                thread::sleep(Duration::from_millis(2));
            }
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }
}

impl Drop for Devloop {
    fn drop(&mut self) {
        self.end();
    }
}
