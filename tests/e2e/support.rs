//! A project in a temporary folder and a real `devloop up` in it, seen from outside: its JSON lines, its proxy, its
//! processes. Everything waits for facts under one deadline; nothing is waited for by time.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::ending::end;

/// Longer than anything here takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A folder with files in it.
pub struct Project {
    folder: TempDir,
    env: BTreeMap<String, String>,
}

impl Project {
    /// An empty folder.
    pub fn new() -> Project {
        Project { folder: TempDir::with_prefix("devloop e2e ").expect("a temporary folder"), env: BTreeMap::new() }
    }

    /// One service `app`, built by a step `build` out of `version` and `app` (how it is to behave; see `app.rs`).
    /// `service` is more of its table in dev.toml.
    pub fn with_app(service: &str) -> Project {
        let project = Project::new();
        project.write("version", "1");
        project.write("app", "");
        project.write("build.sh", build_script());
        project.write("dev.toml", app_toml(service));
        project
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("it is there")
    }

    pub fn path(&self, file: impl AsRef<Path>) -> PathBuf {
        self.root().join(file)
    }

    /// Writes a file as most editors do not: in place.
    pub fn write(&self, file: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().expect("it is below the root")).expect("folders can be made");
        std::fs::write(path, text).expect("the file can be written");
    }

    pub fn read(&self, file: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.path(file)).expect("the file can be read")
    }

    pub fn env(mut self, name: &str, value: &str) -> Project {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// `devloop` with these arguments, in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_devloop"));
        command.args(arguments).current_dir(self.root()).stdin(Stdio::null());
        command.env_remove("PORT").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command.envs(&self.env);
        command
    }

    /// Waits with `devloop wait` until what was saved is live.
    pub fn wait(&self) {
        let output = self.command(&["wait", "--timeout", "60s"]).output().expect("devloop starts");
        assert!(output.status.success(), "{output:?}");
    }

    /// `devloop up --json` on a port of its own.
    pub fn up(&self) -> Devloop {
        self.up_with(&[])
    }

    pub fn up_with(&self, more: &[&str]) -> Devloop {
        let arguments: Vec<&str> = ["up", "--json", "--listen", "0"].into_iter().chain(more.iter().copied()).collect();
        Devloop::start(self.command(&arguments))
    }
}

/// The step `build` and the service `app`.
pub fn app_toml(service: &str) -> String {
    format!(
        "[[step]]\nname = \"build\"\nrun = \"sh build.sh {{out}}\"\ninputs = [\"version\", \"app\", \"build.sh\"]\n\n\
         [[service]]\nname = \"app\"\nrun = \"{{build}}\"\n{service}\n"
    )
}

/// Makes a program that answers with what is in `version` now. A version that begins with `bad` does not compile.
pub fn build_script() -> String {
    format!(
        "version=$(cat version) || exit 1\ncase \"$version\" in bad*) echo \"build.sh:1:5: syntax error near $version\" >&2; exit 1;; esac\n{}",
        emit("$version", "$(cat app)")
    )
}

/// The part of a build script that writes to `$1` a program which answers with `version` and behaves as `app` says;
/// both are expanded by the shell.
pub fn emit(version: &str, app: &str) -> String {
    let binary = std::env::current_exe().expect("this binary has a path");
    format!(
        "{{ echo '#!/bin/sh'\n\
         case \" {app} \" in *' deaf '*) echo \"trap '' TERM\";; esac\n\
         echo \"{mark}=1 VERSION='{version}' APP='{app}' exec '{binary}' --exact the_app --nocapture\"\n\
         }} > \"$1\" && chmod +x \"$1\"\n",
        mark = super::app::MARK,
        binary = binary.display()
    )
}

/// A running `devloop`.
pub struct Devloop {
    child: Child,
    seen: Arc<Seen>,
    /// How many events have been waited past.
    at: usize,
    /// `127.0.0.1:PORT` of the proxy, once it was asked for.
    address: Option<String>,
}

#[derive(Default)]
struct Seen {
    events: Mutex<(Vec<Value>, bool)>,
    news: Condvar,
}

impl Devloop {
    /// Starts it and reads its JSON lines.
    pub fn start(mut command: Command) -> Devloop {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("devloop starts");
        let seen = Arc::new(Seen::default());
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut stderr = child.stderr.take().expect("it is piped");
        let reader = seen.clone();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
                reader.events.lock().expect("nobody panics").0.push(event);
                reader.news.notify_all();
            }
            reader.events.lock().expect("nobody panics").1 = true;
            reader.news.notify_all();
        });
        thread::spawn(move || {
            let mut text = String::new();
            _ = stderr.read_to_string(&mut text);
            eprint!("{text}");
        });
        Devloop { child, seen, at: 0, address: None }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next event after the last one waited for that `wanted` accepts.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        let mut events = self.seen.events.lock().expect("nobody panics");
        let mut from = self.at;
        loop {
            if let Some(index) = events.0[from..].iter().position(&wanted) {
                self.at = from + index + 1;
                return events.0[from + index].clone();
            }
            from = events.0.len();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || events.1 {
                let all: Vec<String> = events.0.iter().map(ToString::to_string).collect();
                panic!("never came: {what}; devloop said:\n{}", all.join("\n"));
            }
            events = self.seen.news.wait_timeout(events, left).expect("nobody panics").0;
        }
    }

    /// The next event of this kind.
    pub fn event(&mut self, kind: &str) -> Value {
        self.wait(kind, |event| event["event"] == kind)
    }

    /// Waits until nothing is left to do.
    pub fn rest(&mut self) -> Value {
        self.event("at_rest")
    }

    /// Takes everything that devloop has said so far as waited for.
    pub fn skip(&mut self) {
        self.at = self.seen.events.lock().expect("nobody panics").0.len();
    }

    /// Every event so far.
    pub fn events(&self) -> Vec<Value> {
        self.seen.events.lock().expect("nobody panics").0.clone()
    }

    /// Waits until the last thing that devloop has said is that nothing is left to do.
    pub fn rest_now(&mut self) {
        let seen = self.seen.clone();
        let aside = ["output", "stopped", "note", "listening"];
        let end = Instant::now() + DEADLINE;
        let is_at_rest = || {
            let events = seen.events.lock().expect("nobody panics");
            let last = events.0.iter().rfind(|event| event["event"].as_str().is_none_or(|kind| !aside.contains(&kind)));
            last.is_some_and(|event| event["event"] == "at_rest")
        };
        while !is_at_rest() {
            assert!(Instant::now() < end, "never at rest; devloop said: {:#?}", self.events());
            thread::sleep(Duration::from_millis(2));
        }
        self.skip();
    }

    /// How many runs of this step have started so far.
    pub fn started(&self, step: &str) -> usize {
        self.events().iter().filter(|event| event["event"] == "step_started" && event["step"] == step).count()
    }

    /// How many events of this kind there were so far.
    pub fn count(&self, kind: &str) -> usize {
        self.events().iter().filter(|event| event["event"] == kind).count()
    }

    /// `127.0.0.1:PORT` of the proxy.
    pub fn address(&mut self) -> String {
        if let Some(address) = &self.address {
            return address.clone();
        }
        let find = |event: &Value| {
            let addresses = event["addresses"].as_array()?;
            addresses.iter().filter_map(Value::as_str).find(|address| address.starts_with("127.")).map(str::to_owned)
        };
        let known = self.events().iter().find_map(find);
        let address = known.unwrap_or_else(|| {
            let event = self.event("listening");
            find(&event).expect("it listens on IPv4")
        });
        self.address.insert(address).clone()
    }

    /// `GET path` through the proxy.
    pub fn get(&mut self, path: &str) -> Answer {
        let address = self.address();
        get(&address, path)
    }

    /// Waits until the proxy's answer to `GET /` is this text.
    pub fn answers(&mut self, text: &str) {
        let end = Instant::now() + DEADLINE;
        loop {
            let answer = self.get("/");
            if answer.body.trim() == text {
                return;
            }
            assert!(Instant::now() < end, "it never answers {text}: {answer:?}; devloop said: {:#?}", self.events());
            thread::yield_now();
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }

    /// Waits until the process has ended and everything it has said is here.
    pub fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                until("everything it said is read", || self.seen.events.lock().expect("nobody panics").1);
                return status;
            }
            assert!(Instant::now() < end, "devloop does not end: {:#?}", self.events());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ctrl-C, and everything is over.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGINT);
        self.ended()
    }
}

impl Drop for Devloop {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// One `GET` on a connection of its own.
pub fn get(address: &str, path: &str) -> Answer {
    request(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
        .expect("the proxy answers")
}

/// Sends these bytes and reads until the other side closes.
pub fn request(address: &str, bytes: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.write_all(bytes.as_bytes()).ok()?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).ok()?;
    let text = String::from_utf8_lossy(&all);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// Whether a process is there (and not only waiting to be reaped).
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Waits for a fact outside of devloop.
pub fn until(what: &str, mut fact: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !fact() {
        assert!(Instant::now() < end, "never came true: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A port that nobody has now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}
