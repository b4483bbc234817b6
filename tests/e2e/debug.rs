//! Services under real debuggers: node's inspector, debugpy, dlv. Editors find them at the same port over swaps, and a
//! breakpoint fails nothing.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    sync::OnceLock,
    thread,
};

use serde_json::{Value, json};

use super::{
    have::have,
    support::{Answer, DEADLINE, Devloop, Project, get, is_alive, request, until},
};

/// The version of dlv that is installed where there is none.
const DELVE: &str = "github.com/go-delve/delve/cmd/dlv@v1.27.2";

/// Answers with the number in it, and ends at `/exit`.
fn node_server(version: u32) -> String {
    format!(
        "const http = require('node:http');\n\
         http.createServer((q, a) => {{ if (q.url === '/exit') process.exit(3); a.end('{version}'); }})\n\
         .listen(process.env.PORT, '127.0.0.1');\n"
    )
}

fn python_server(version: u32) -> String {
    format!(
        "import http.server, os\n\
         class Handler(http.server.BaseHTTPRequestHandler):\n\
         \x20   def do_GET(self):\n\
         \x20       self.send_response(200); self.send_header('Content-Length', '1'); self.end_headers(); self.wfile.write(b'{version}')\n\
         \x20   def log_message(self, *words): pass\n\
         http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()\n"
    )
}

/// Line 10 is where `/` is answered.
fn go_server(version: u32) -> String {
    format!(
        "package main\n\n\
         import (\n\t\"fmt\"\n\t\"net/http\"\n\t\"os\"\n)\n\n\
         func answer(w http.ResponseWriter, r *http.Request) {{\n\
         \tfmt.Fprint(w, {version})\n}}\n\n\
         func main() {{\n\
         \thttp.HandleFunc(\"/\", answer)\n\
         \thttp.HandleFunc(\"/exit\", func(http.ResponseWriter, *http.Request) {{ os.Exit(3) }})\n\
         \thttp.ListenAndServe(\"127.0.0.1:\"+os.Getenv(\"PORT\"), nil)\n}}\n"
    )
}

fn service(run: &str, more: &str) -> String {
    format!("[[service]]\nname = \"app\"\nrun = \"{run}\"\n{more}\n")
}

fn node_project(run: &str) -> Project {
    let project = Project::new();
    project.write("server.js", node_server(1));
    project.write("package.json", "{ \"scripts\": { \"dev\": \"node server.js\" } }");
    project.write("dev.toml", service(run, "inputs = [\"*.js\"]"));
    project
}

/// Where the debugger listens, and whether it was said how to attach.
fn debugger_of(devloop: &mut Devloop) -> (String, bool) {
    let event = devloop.event("debugging");
    (event["address"].as_str().expect("an address").to_owned(), event["attach"].is_array())
}

/// The programs that this inspector shows. It keeps connections open, whatever it is asked.
fn inspected(address: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("it is a socket");
    write!(stream, "GET /json/list HTTP/1.1\r\nhost: {address}\r\n\r\n").expect("it reads");
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("it answers");
        match line.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", number)) => length = number.parse().expect("a number"),
            Some(_) => {}
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("all of it comes");
    let list: Value = serde_json::from_slice(&body).expect("it is JSON");
    list.as_array().expect("a list").iter().map(|one| one["url"].as_str().unwrap_or_default().to_owned()).collect()
}

fn listens(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

fn asked(project: &Project, arguments: &[&str]) -> (Option<i32>, String) {
    let output = project.command(arguments).output().expect("devloop starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

#[test]
fn nodes_inspector_keeps_its_port_over_swaps_and_sessions() {
    if !have("node") {
        return;
    }
    let project = node_project("node server.js");
    let mut devloop = project.up_with(&["--debug", "app"]);
    let (address, said) = debugger_of(&mut devloop);
    assert!(said, "it is not said how to attach");
    devloop.event("live");
    devloop.answers("1");
    assert!(inspected(&address)[0].ends_with("/server.js"));
    for version in 2..4 {
        project.write("server.js", node_server(version));
        let starting = devloop.event("starting");
        assert_eq!(starting["swap"], "exclusive", "two inspectors cannot share a port");
        assert_eq!(debugger_of(&mut devloop), (address.clone(), false));
        devloop.event("live");
        devloop.answers(&version.to_string());
        assert!(inspected(&address)[0].ends_with("/server.js"));
    }
    let (code, text) = asked(&project, &["debug", "app", "--off"]);
    assert_eq!(code, Some(0), "{text}");
    devloop.event("debugging_over");
    assert_eq!(devloop.event("starting")["swap"], "overlap", "the debugged program serves until the other is ready");
    devloop.event("live");
    until("the inspector lets go of its port", || !listens(&address));
    let (code, text) = asked(&project, &["debug"]);
    assert!(code == Some(0) && text.contains(&format!("attach to {address}")), "{text}");
    assert_eq!(debugger_of(&mut devloop), (address.clone(), true));
    devloop.answers("3");
    assert!(devloop.stop().code().is_some_and(|code| code == 130));
    until("nothing of it is left", || !listens(&address));
}

#[test]
fn the_inspector_opens_in_the_program_that_npm_starts() {
    if !have("node") || !have("npm") {
        return;
    }
    let project = node_project("npm run dev");
    let mut devloop = project.up_with(&["--debug", "app"]);
    let (address, _) = debugger_of(&mut devloop);
    devloop.event("live");
    let programs = inspected(&address);
    assert!(programs.len() == 1 && programs[0].ends_with("/server.js"), "{programs:?}");
}

#[test]
fn a_program_that_waits_for_its_editor_lets_the_old_one_serve() {
    if !have("node") {
        return;
    }
    let project = node_project("node server.js");
    project.write("dev.toml", service("node server.js", "inputs = [\"*.js\"]\ndebug = { wait = true }"));
    let mut devloop = project.up();
    devloop.rest();
    let (code, text) = asked(&project, &["debug", "app"]);
    assert!(code == Some(0) && text.contains("waits for that before its first line"), "{text}");
    let (address, _) = debugger_of(&mut devloop);
    until("the inspector can be asked", || listens(&address));
    devloop.answers("1");
    let (_, status) = asked(&project, &["status"]);
    assert!(status.contains(&format!("starting `app` under node at {address}")), "{status}");
}

#[test]
fn what_cannot_be_debugged_is_an_error_before_anything_starts() {
    let project = Project::with_app("");
    let (code, text) = asked(&project, &["up", "--debug", "app"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("devloop knows no debugger for `{build}`") && text.contains("debug = \"gdbserver"), "{text}");
    let (code, text) = asked(&project, &["up", "--debug", "ap"]);
    assert!(code == Some(2) && text.contains("did you mean `app`?"), "{text}");
    let mut devloop = project.up();
    devloop.rest();
    let (code, text) = asked(&project, &["debug", "app", "--off"]);
    assert!(code == Some(1) && text.contains("service `app` is not debugged"), "{text}");
}

#[test]
fn a_missing_debugger_is_said_with_the_command_that_installs_it() {
    let project = go_project(1).env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent").env("GOPATH", "/nonexistent");
    if Command::new("/usr/bin/dlv").arg("version").output().is_ok() {
        eprintln!("skipped: dlv is in /usr/bin");
        return;
    }
    let (code, text) = asked(&project, &["up", "--debug", "app", "--listen", "0"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("`dlv` is not installed") && text.contains("go install github.com/go-delve/"), "{text}");
}

#[test]
fn a_port_that_is_taken_is_said_with_who_has_it() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("it has one").port();
    let project = node_project("node server.js");
    project.write("dev.toml", service("node server.js", &format!("debug = {{ port = {port} }}")));
    let (code, text) = asked(&project, &["up", "--debug", "app", "--listen", "0"]);
    assert_eq!(code, Some(1), "{text}");
    let wanted = format!("port {port}, for the debugger of `app`, is taken by");
    assert!(text.contains(&wanted) && text.contains(&format!("pid {}", std::process::id())), "{text}");
}

#[test]
fn a_debugger_that_is_not_there_leaves_the_old_program_serving() {
    if !have("python3") {
        return;
    }
    let project = Project::new();
    project.write("server.py", python_server(1));
    // `-S`: without any installed package.
    project.write("dev.toml", service("python3 -S server.py", "swap = \"exclusive\""));
    let mut devloop = project.up();
    devloop.rest();
    let (code, text) = asked(&project, &["debug", "app"]);
    assert!(code == Some(1) && text.contains("pip install debugpy"), "{text}");
    let failed = devloop.event("start_failed");
    assert_eq!(failed["serving"], "revision 1 is started again");
    devloop.answers("1");
    // The wish stays: the next save tries it again.
    project.write("server.py", python_server(2));
    devloop.event("start_failed");
    let (code, text) = asked(&project, &["debug", "app", "--off"]);
    assert_eq!(code, Some(0), "{text}");
    devloop.answers("2");
}

#[test]
fn debugpy_listens_at_the_same_port_after_a_swap() {
    let Some(python) = debugpy() else { return };
    let project = Project::new();
    project.write("server.py", python_server(1));
    project.write("dev.toml", service(&format!("'{}' server.py", python.display()), "inputs = [\"*.py\"]"));
    let mut devloop = project.up_with(&["--debug", "app"]);
    let (address, _) = debugger_of(&mut devloop);
    devloop.event("live");
    assert!(speaks_dap(&address));
    project.write("server.py", python_server(2));
    assert_eq!(debugger_of(&mut devloop).0, address);
    devloop.event("live");
    devloop.answers("2");
    assert!(speaks_dap(&address));
    assert!(devloop.stop().code().is_some());
    until("debugpy's own process is gone, too", || !listens(&address));
}

/// An interpreter that has debugpy: asks PyPI through pip.
fn debugpy() -> Option<PathBuf> {
    if !have("python3") {
        return None;
    }
    let venv = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("debugpy");
    let python = venv.join("bin/python");
    let has_it = || Command::new(&python).args(["-c", "import debugpy"]).output().is_ok_and(|out| out.status.success());
    if !has_it() {
        let made =
            Command::new("python3").args(["-m", "venv"]).arg(&venv).output().is_ok_and(|out| out.status.success());
        if made {
            _ = Command::new(&python).args(["-m", "pip", "install", "--quiet", "debugpy"]).status();
        }
    }
    if !has_it() {
        eprintln!("skipped: debugpy cannot be installed (no venv, or PyPI cannot be reached)");
        return None;
    }
    Some(python)
}

/// Whether a debug adapter answers there.
fn speaks_dap(address: &str) -> bool {
    let ask = r#"{"seq":1,"type":"request","command":"initialize","arguments":{"adapterID":"test"}}"#;
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(DEADLINE)).expect("it is a socket");
    write!(stream, "Content-Length: {}\r\n\r\n{ask}", ask.len()).expect("it can be written to");
    let mut head = String::new();
    BufReader::new(stream).read_line(&mut head).is_ok() && head.starts_with("Content-Length: ")
}

/// A port for the debugger that no other test takes: which one is free is decided before the debugger is there to take
/// it.
fn own_port() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    format!("debug = {{ port = {} }}", free.port())
}

fn go_project(version: u32) -> Project {
    let project = Project::new();
    project.write("go.mod", "module example.com/app\n\ngo 1.21\n");
    project.write("main.go", go_server(version));
    project.write(
        "dev.toml",
        format!(
            "[[step]]\nname = \"build\"\nrun = \"go build -o {{out}} .\"\ninputs = [\"*.go\", \"go.mod\"]\n\n{}",
            service("{build}", &own_port())
        ),
    );
    project
}

/// A Go project whose PATH has a dlv: asks the Go module proxy for it where there is none.
fn go_project_with_delve() -> Option<Project> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    if !have("go") {
        return None;
    }
    let folder = FOLDER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("delve");
        let works = |dlv: PathBuf| Command::new(dlv).arg("version").output().is_ok_and(|out| out.status.success());
        if works("dlv".into()) || works(folder.join("dlv")) {
            return Some(folder);
        }
        _ = Command::new("go").args(["install", DELVE]).env("GOBIN", &folder).env_remove("GOFLAGS").status();
        works(folder.join("dlv")).then_some(folder)
    });
    let Some(folder) = folder else {
        eprintln!("skipped: dlv is not installed, and the Go module proxy cannot be asked for it");
        return None;
    };
    let path = std::env::var("PATH").unwrap_or_default();
    Some(go_project(1).env("PATH", &format!("{path}:{}", folder.display())))
}

/// A client of dlv, as an editor has one.
struct Editor(BufReader<TcpStream>);

impl Editor {
    fn attach(address: &str) -> Editor {
        let stream = TcpStream::connect(address).expect("dlv listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("it is a socket");
        Editor(BufReader::new(stream))
    }

    fn ask(&mut self, method: &str, what: Value) -> Value {
        self.tell(method, what);
        let mut line = String::new();
        self.0.read_line(&mut line).expect("dlv answers");
        let answer: Value = serde_json::from_str(&line).expect("it is JSON");
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn tell(&mut self, method: &str, what: Value) {
        let ask = json!({ "method": format!("RPCServer.{method}"), "params": [what], "id": 1 });
        writeln!(self.0.get_mut(), "{ask}").expect("dlv listens");
    }
}

/// Sends a request that a breakpoint in `answer` holds, and waits until it does.
fn hold_a_request(devloop: &mut Devloop, editor: &mut Editor, file: PathBuf) -> thread::JoinHandle<Option<Answer>> {
    editor.ask("Command", json!({ "name": "halt" }));
    editor.ask("CreateBreakpoint", json!({ "Breakpoint": { "file": file, "line": 10 } }));
    editor.tell("Command", json!({ "name": "continue" }));
    let address = devloop.address();
    let held =
        thread::spawn(move || request(&address, "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
    // The answer to `continue` comes when the program stands at the breakpoint.
    let mut line = String::new();
    editor.0.read_line(&mut line).expect("dlv answers");
    let stopped: Value = serde_json::from_str(&line).expect("it is JSON");
    let place = &stopped["result"]["State"]["currentThread"];
    assert_eq!((place["line"].as_u64(), &place["function"]["name"]), (Some(10), &json!("main.answer")), "{stopped}");
    held
}

#[test]
fn a_save_waits_for_the_request_that_a_breakpoint_holds() {
    let Some(project) = go_project_with_delve() else { return };
    let mut devloop = project.up_with(&["--debug", "app"]);
    let (address, said) = debugger_of(&mut devloop);
    assert!(said);
    devloop.event("live");
    let mut editor = Editor::attach(&address);
    let held = hold_a_request(&mut devloop, &mut editor, project.path("main.go"));
    project.write("main.go", go_server(2));
    devloop.event("step_done");
    until("the swap waits for the request", || {
        asked(&project, &["status"]).1.contains("a breakpoint may hold its last requests")
    });
    let later = thread::spawn({
        let address = devloop.address();
        move || get(&address, "/")
    });
    editor.ask("ClearBreakpoint", json!({ "Id": 1 }));
    editor.tell("Command", json!({ "name": "continue" }));
    let answer = held.join().expect("it does not panic").expect("it is answered");
    assert_eq!(
        (answer.status, answer.body.trim()),
        (200, "1"),
        "the request at the breakpoint is answered by its program"
    );
    assert_eq!(debugger_of(&mut devloop), (address.clone(), false), "the port is the same");
    devloop.event("live");
    let answer = later.join().expect("it does not panic");
    assert_eq!((answer.status, answer.body.trim()), (200, "2"), "who came after the save gets the new program");
    let mut editor = Editor::attach(&address);
    assert_eq!(editor.ask("State", json!({ "NonBlocking": true }))["State"]["exited"], false);
}

#[test]
fn who_asks_for_a_restart_does_not_wait_for_a_breakpoint() {
    let Some(project) = go_project_with_delve() else { return };
    let mut devloop = project.up_with(&["--debug", "app"]);
    let (address, _) = debugger_of(&mut devloop);
    devloop.event("live");
    let mut editor = Editor::attach(&address);
    let held = hold_a_request(&mut devloop, &mut editor, project.path("main.go"));
    project.write("main.go", go_server(2));
    devloop.event("step_done");
    until("the swap waits", || asked(&project, &["status"]).1.contains("a breakpoint may hold"));
    let (code, text) = asked(&project, &["restart", "app"]);
    assert_eq!(code, Some(0), "{text}");
    devloop.answers("2");
    // A GET that was not answered may be sent again: the new program answers it.
    let answer = held.join().expect("it does not panic").expect("it is answered");
    assert_eq!(answer.body.trim(), "2", "{answer:?}");
}

#[test]
fn a_go_program_that_ends_under_its_debugger_is_noticed() {
    let Some(project) = go_project_with_delve() else { return };
    let mut devloop = project.up_with(&["--debug", "app"]);
    let pid = devloop.event("probing")["pid"].as_u64().expect("a pid") as u32;
    devloop.event("live");
    let address = devloop.address();
    _ = request(&address, "POST /exit HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    devloop.event("crashed");
    devloop.event("live");
    devloop.answers("1");
    assert!(!is_alive(pid), "the debugger of the ended program is still there");
}

#[test]
fn go_run_is_debugged_and_what_it_builds_stays_out_of_the_tree() {
    let Some(project) = go_project_with_delve() else { return };
    project.write("dev.toml", service("go run .", &format!("inputs = [\"*.go\"]\n{}", own_port())));
    let mut devloop = project.up_with(&["--debug", "app"]);
    let (address, _) = debugger_of(&mut devloop);
    devloop.event("live");
    devloop.answers("1");
    assert_eq!(Editor::attach(&address).ask("State", json!({ "NonBlocking": true }))["State"]["Running"], true);
    project.write("main.go", go_server(2));
    devloop.event("live");
    devloop.answers("2");
    let files: Vec<String> = std::fs::read_dir(project.root())
        .expect("it is a folder")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
}
