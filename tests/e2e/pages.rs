//! What pages are told by a real `devloop up`: changed assets, failures, and nothing else.

use std::io::{BufRead, BufReader, Write};

use serde_json::{Value, json};

use crate::support::{DEADLINE, Devloop, Project, app_toml, get};

/// The events that a page of this devloop hears, from the first one on.
struct Page(BufReader<std::net::TcpStream>);

impl Page {
    fn open(devloop: &mut Devloop) -> Page {
        let address = devloop.address();
        let navigation = "GET / HTTP/1.1\r\nhost: localhost\r\nsec-fetch-mode: navigate\r\nconnection: close\r\n\r\n";
        let page = crate::support::request(&address, navigation).expect("the page comes").body;
        let token = page.split("data-token=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("it has the tag");
        let mut stream = std::net::TcpStream::connect(&address).expect("the proxy listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("an open socket");
        write!(stream, "GET /.devloop/events?token={token} HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("it reads");
        Page(BufReader::new(stream))
    }

    /// The next state of the gate that `wanted` accepts.
    fn hears(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.0.read_line(&mut line).expect("the stream goes on") > 0, "never heard: {what}");
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let told: Value = serde_json::from_str(data).expect("JSON");
            let states = told["services"].as_array().cloned().unwrap_or_else(|| vec![told]);
            if let Some(state) = states.into_iter().find(&wanted) {
                return state;
            }
        }
    }
}

/// A page with a head: what the app answers to `GET /` is text, and pages come from a program of their own.
const SERVER: &str = "import http.server, os, sys
version = open('version').read().strip()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ('<!doctype html><head><title>' + version + '</title></head>').encode()
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
";

#[test]
fn saved_assets_are_told_and_restart_nothing() {
    let project = Project::with_app("inputs = [\"conf/**\"]\nassets = [\"static/\", \"dist/*.css\", \"conf/*.css\"]");
    for file in ["static/site.css", "dist/app.css", "conf/a.css", "conf/a.txt"] {
        project.write(file, "1");
    }
    let mut devloop = project.up();
    devloop.rest();
    let starts = devloop.count("starting");
    for file in ["static/site.css", "static/deep/logo.svg", "dist/app.css", "conf/a.css"] {
        project.write(file, "2");
        let told = devloop.event("assets");
        assert_eq!((&told["service"], &told["files"], &told["count"]), (&json!("app"), &json!([file]), &json!(1)));
    }
    // What it reads and what it serves are told apart.
    project.write("conf/a.txt", "2");
    assert_eq!(devloop.event("saved")["files"], json!(["conf/a.txt"]));
    devloop.event("live");
    assert_eq!(devloop.count("starting"), starts + 1);
    assert_eq!(devloop.count("saved"), 1);
    // The same content is no news.
    project.write("static/site.css", "2");
    devloop.event("unchanged");
    assert_eq!(devloop.count("assets"), 4);
}

#[test]
fn an_asset_that_a_step_makes_is_told_and_restarts_nothing() {
    let project = Project::with_app("");
    project.write("site.scss", "1");
    let css = "[[step]]\nname = \"css\"\nrun = \"mkdir -p dist && cp site.scss dist/site.css\"\ninputs = [\"site.scss\"]\n\
               outputs = [\"dist/site.css\"]\n\n";
    project.write("dev.toml", format!("{css}{}", app_toml("assets = [\"dist/\"]")));
    let mut devloop = project.up();
    devloop.rest();
    let (starts, told) = (devloop.count("starting"), devloop.count("assets"));
    project.write("site.scss", "2");
    assert_eq!(devloop.event("assets")["files"], json!(["dist/site.css"]));
    devloop.rest_now();
    assert_eq!((devloop.count("starting"), devloop.count("assets")), (starts, told + 1));
}

#[test]
fn saved_files_of_a_route_are_told_wherever_its_folder_is_and_start_nothing() {
    let project = Project::new();
    let outer = tempfile::tempdir().expect("a folder");
    let outside = outer.path().join("site [1]");
    std::fs::create_dir(&outside).expect("a folder");
    std::fs::write(outside.join("index.html"), "1").expect("a file");
    project.write(".gitignore", "dist/\n");
    project.write("dist/deep/a.css", "1");
    project.write("page.scss", "1");
    let step = "[[step]]\nname = \"css\"\nrun = \"mkdir -p made && cp page.scss made/page.css\"\ninputs = [\"page.scss\"]\n\
                outputs = [\"made/\"]\n\n";
    let route = |path: &str, files: &str| format!("[[route]]\npath = \"{path}\"\nfiles = \"{files}\"\n\n");
    let shown = outside.display().to_string();
    project.write("dev.toml", [step, &route("/", "dist"), &route("/made", "made"), &route("/site", &shown)].concat());
    let mut devloop = project.up();
    devloop.rest();
    let runs = devloop.count("step_started");
    let told = |devloop: &mut Devloop| {
        let fact = devloop.event("files");
        (fact["folder"].clone(), fact["files"][0].as_str().unwrap_or_default().to_owned())
    };
    project.write("dist/deep/a.css", "2");
    assert_eq!(told(&mut devloop), (json!("dist"), "dist/deep/a.css".to_owned()));
    project.write("dist/new/b.html", "2");
    assert_eq!(told(&mut devloop), (json!("dist"), "dist/new/b.html".to_owned()));
    std::fs::write(outside.join("index.html"), "2").expect("the file");
    let (folder, file) = told(&mut devloop);
    assert!(folder == json!(shown) && file.ends_with("/site [1]/index.html"), "{folder} {file}");
    assert_eq!(devloop.count("step_started"), runs);
    project.write("page.scss", "2");
    assert_eq!(told(&mut devloop), (json!("made"), "made/page.css".to_owned()));
    // The same content is no news.
    let count = devloop.count("files");
    project.write("dist/deep/a.css", "2");
    devloop.event("unchanged");
    assert_eq!(devloop.count("files"), count);
    // A folder that a changed dev.toml names counts from then on.
    project.write("later/c.html", "1");
    project.write("dev.toml", format!("{step}{}", route("/", "later")));
    devloop.event("plan_changed");
    devloop.rest_now();
    project.write("later/c.html", "2");
    assert_eq!(told(&mut devloop), (json!("later"), "later/c.html".to_owned()));
}

#[test]
fn a_page_hears_of_the_failure_of_a_save_and_of_its_end() {
    if !crate::have::have("python3") {
        return;
    }
    let project = Project::new();
    project.write("version", "1");
    project.write("server.py", SERVER);
    let step = "[[step]]\nname = \"check\"\nrun = \"sh check.sh\"\ninputs = [\"version\", \"check.sh\"]\n\n";
    let service = "[[service]]\nname = \"web\"\nrun = \"python3 server.py\"\ninputs = [\"version\", \"server.py\"]\n";
    project.write(
        "check.sh",
        "case $(cat version) in bad*) printf 'check.sh:1:7: \\033[31mbad version\\033[0m\\n'; exit 1; esac",
    );
    project.write("dev.toml", format!("[proxy]\neditor = \"zed\"\n\n{step}{service}"));
    let mut devloop = project.up();
    devloop.rest();
    let mut page = Page::open(&mut devloop);
    assert_eq!(page.hears("the start", |state| state["service"] == "web")["state"], "live");
    project.write("version", "bad");
    let state = page.hears("the failure", |state| state["report"].is_object());
    assert_eq!((&state["state"], &state["stale"]), (&json!("stale"), &json!("step `check` failed: exit code 1")));
    assert_eq!(state["report"]["output"], json!(["check.sh:1:7: bad version"]));
    assert_eq!(state["report"]["coloured"], json!(["check.sh:1:7: \u{1b}[31mbad version\u{1b}[0m"]));
    let link = format!("zed://file{}/check.sh:1:7", project.root().display().to_string().replace(' ', "%20"));
    assert_eq!(state["report"]["places"][0]["link"], link.as_str());
    project.write("version", "3");
    let state = page.hears("the next success", |state| state["state"] == "live" && state["revision"] != 1);
    assert_eq!(state["report"], Value::Null);
    let address = devloop.address();
    assert!(get(&address, "/").body.contains("<title>3</title>"));
}
