//! An example in a temporary folder, and a real `devloop up` in it: its JSON lines, its proxy, its end.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use ignore::WalkBuilder;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::have::usable;

/// A first build with an empty cache, on a machine that is busy: sqlc alone is a minute of two idle cores.
const DEADLINE: Duration = Duration::from_secs(600);

/// The compilers take the whole machine: one example at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A copy of an example, with devloop running in it.
pub struct Example {
    folder: TempDir,
    child: Child,
    events: mpsc::Receiver<Value>,
    said: VecDeque<String>,
    proxy: u16,
    _turn: MutexGuard<'static, ()>,
}

impl Example {
    /// Copies `examples/NAME` as git has it, and starts devloop there. Ports written in its files are `ports`: each is
    /// replaced by a free one, and so is the proxy's.
    pub fn up(name: &str, ports: &[u16]) -> Example {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = TempDir::with_prefix(format!("devloop-{name}-")).expect("a temporary folder");
        open_to_all(folder.path());
        let proxy = free_port();
        let mut replaced = vec![("3000".to_owned(), proxy.to_string())];
        replaced.extend(ports.iter().map(|port| (port.to_string(), free_port().to_string())));
        copy(&root().join("examples").join(name), folder.path(), &replaced);
        let mut child = Command::new(env!("CARGO_BIN_EXE_devloop"))
            .args(["up", "--json", "--listen", &proxy.to_string()])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("devloop starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        Example { folder, child, events, said: VecDeque::new(), proxy, _turn: turn }
    }

    /// Waits until devloop is at rest, and everything is good.
    pub fn rest(&mut self) {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else { panic!("never at rest; it said:\n{}", self.said()) };
            self.said.push_back(event.to_string());
            match event["event"].as_str() {
                Some("at_rest") if event["ok"] == true => return,
                Some("at_rest") => panic!("it failed; it said:\n{}", self.said()),
                _ => {}
            }
        }
    }

    fn said(&self) -> String {
        let lines: Vec<&str> = self.said.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    /// Of its proxy.
    pub fn address(&self) -> String {
        format!("http://localhost:{}/", self.proxy)
    }

    /// Runs another `devloop` in its folder.
    pub fn devloop(&self, arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_devloop"));
        let status = command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).status();
        assert!(status.expect("devloop starts").success(), "devloop {arguments:?}");
    }

    /// Replaces `old` by `new` in one of its files.
    pub fn edit(&self, file: &str, old: &str, new: &str) {
        let path = self.folder.path().join(file);
        let text = std::fs::read_to_string(&path).expect("the file is there");
        assert!(text.contains(old), "no `{old}` in {file}");
        std::fs::write(&path, text.replace(old, new)).expect("it can be written");
    }

    /// Writes a new file.
    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(file), text).expect("it can be written");
    }

    /// The body of the proxy's answer to `GET path`.
    pub fn get(&self, path: &str) -> String {
        self.request("GET", "localhost", path)
    }

    /// The body of the proxy's answer to this request.
    pub fn request(&self, method: &str, host: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.proxy)).expect("the proxy listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a limit can be set");
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the proxy reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the proxy answers");
        answer
    }

    /// Waits until `GET path` answers with `text`.
    pub fn answers(&mut self, path: &str, text: &str) {
        let end = Instant::now() + DEADLINE;
        loop {
            let answer = self.get(path);
            if answer.contains(text) {
                return;
            }
            while let Ok(event) = self.events.try_recv() {
                self.said.push_back(event.to_string());
            }
            assert!(Instant::now() < end, "it never answers `{text}` but {answer}; it said:\n{}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let end = Instant::now() + Duration::from_secs(30);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A database server that is another user must reach its folder.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    listener.local_addr().expect("it is bound").port()
}

/// What is not ignored, with ports replaced in texts.
fn copy(from: &Path, to: &Path, replaced: &[(String, String)]) {
    let walk = WalkBuilder::new(from).hidden(false).require_git(false).parents(false).build();
    for entry in walk.map(|entry| entry.expect("it can be read")) {
        let target = to.join(entry.path().strip_prefix(from).expect("it lies below"));
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("folders can be made");
            continue;
        }
        let mut text = std::fs::read_to_string(entry.path()).expect("examples are texts");
        let is_lock =
            ["go.sum", "go.mod", "Cargo.lock", "package-lock.json"].iter().any(|name| entry.path().ends_with(name));
        for (old, new) in replaced.iter().filter(|_| !is_lock) {
            text = text.replace(old, new);
        }
        std::fs::write(target, text).expect("files can be written");
    }
}

/// Whether every one of these tools can be used. Says so if not; fails if `DEVLOOP_TEST_REQUIRE` names it.
pub fn have(tools: &[&str]) -> bool {
    tools.iter().all(|tool| {
        let works = match *tool {
            "go" => output("go", &["version"]).is_some_and(|text| go_has_tools(&text)),
            "postgres" => {
                let debian = std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut folders| folders.next().is_some());
                debian || output("postgres", &["--version"]).is_some()
            }
            "python3-venv" => output("python3", &["-c", "import venv, ensurepip"]).is_some(),
            tool => output(tool, &["--version"]).is_some(),
        };
        // That is what its package on Debian has on the path.
        let other = (*tool == "postgres").then_some("pg_ctlcluster");
        other.into_iter().for_each(|name| _ = usable(name, works));
        usable(tool, works)
    })
}

/// `go tool NAME` of go.mod came with Go 1.24; a Go from 1.21 on fetches the version that go.mod asks for.
fn go_has_tools(version: &str) -> bool {
    let minor = version.split("go1.").nth(1).and_then(|rest| rest.split(['.', ' ']).next()?.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= 21)
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
