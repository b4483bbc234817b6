//! Projects without a dev.toml: they go live, and what was assumed is said.

use std::process::Output;

use crate::{have::have, support::Project};

const GO_SERVER: &str = "package main\n\nimport (\n\t\"fmt\"\n\t\"net/http\"\n\t\"os\"\n)\n\nfunc main() {\n\thttp.HandleFunc(\"/\", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, \"one\") })\n\thttp.ListenAndServe(\"127.0.0.1:\"+os.Getenv(\"PORT\"), nil)\n}\n";
const PYTHON_SERVER: &str = "import os\nfrom http.server import BaseHTTPRequestHandler, HTTPServer\n\nclass Answer(BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.send_header('content-length', '4')\n        self.end_headers()\n        self.wfile.write(b'one\\n')\n\nHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Answer).serve_forever()\n";
const NODE_SERVER: &str =
    "require('node:http').createServer((_, answer) => answer.end('one\\n')).listen(process.env.PORT, '127.0.0.1');\n";

fn run(project: &Project, arguments: &[&str]) -> Output {
    project.command(arguments).output().expect("devloop starts")
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn go_project() -> Project {
    let project = Project::new().env("GOFLAGS", "-buildvcs=false");
    project.write("go.mod", "module example.com/shop\n\ngo 1.21\n");
    project
}

/// It goes live as it is, says what it was taken for, and follows a save.
fn goes_live(project: &Project, taken_for: &str, file: &str) {
    let mut devloop = project.up();
    let note = devloop.event("note");
    assert!(note["text"].as_str().is_some_and(|text| text.contains(taken_for)), "{note}");
    let hint = devloop.wait("how to write it down", |event| event["event"] == "note" && event["hint"].is_string());
    assert!(hint.to_string().contains("devloop init"), "{hint}");
    devloop.answers("one");
    project.write(file, project.read(file).replace("one", "two"));
    devloop.answers("two");
}

#[test]
fn a_go_program_goes_live_without_a_dev_toml_and_follows_its_saves() {
    if !have("go") {
        return;
    }
    let project = go_project();
    project.write("cmd/api/main.go", GO_SERVER);
    project.write("cmd/seed/main.go", "package main\n\nfunc main() {}\n");
    goes_live(&project, "a Go program (package main in ./cmd/api)", "cmd/api/main.go");
}

#[test]
fn a_python_and_a_node_program_go_live_without_a_dev_toml() {
    if have("python3") {
        let project = Project::new();
        project.write("server.py", PYTHON_SERVER);
        goes_live(&project, "a Python program (server.py)", "server.py");
    }
    if have("node") {
        let project = Project::new();
        project.write("package.json", r#"{"name":"api","scripts":{"dev":"node --watch server.js"}}"#);
        project.write("server.js", NODE_SERVER);
        goes_live(&project, "a Node project (package.json, script `dev`: node --watch server.js)", "server.js");
    }
}

#[test]
fn a_dev_toml_that_is_written_while_it_runs_is_taken_over() {
    if !have("python3") {
        return;
    }
    let project = Project::new();
    project.write("server.py", PYTHON_SERVER);
    let mut devloop = project.up();
    devloop.answers("one");
    let wrote = run(&project, &["init"]);
    assert_eq!(wrote.status.code(), Some(0), "{}", err(&wrote));
    assert_eq!(devloop.event("plan_changed")["touched"], serde_json::json!([]));
    project.write("dev.toml", project.read("dev.toml") + "env = { A = \"b\" }\n");
    assert_eq!(devloop.event("plan_changed")["touched"], serde_json::json!(["app"]));
    devloop.answers("one");
}

#[test]
fn of_several_programs_none_is_chosen_and_all_are_named() {
    let project = go_project();
    project.write("cmd/api/main.go", GO_SERVER);
    project.write("cmd/admin/main.go", GO_SERVER);
    for arguments in [&["up", "--once"][..], &["init"], &["init", "--stdout"]] {
        let output = run(&project, arguments);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(
            err(&output).contains("devloop up api") && err(&output).contains("devloop up admin"),
            "{}",
            err(&output)
        );
    }
    assert!(!project.path("dev.toml").exists());
    let output = run(&project, &["init", "admin"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = project.read("dev.toml");
    assert!(text.contains("./cmd/admin") && !text.contains("./cmd/api"), "{text}");
    if have("go") {
        std::fs::remove_file(project.path("dev.toml")).expect("it is there");
        let output = run(&project, &["up", "--once", "--listen", "0", "api", "admin"]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    }
}

#[test]
fn in_a_folder_of_a_project_the_project_is_named() {
    let project = go_project();
    project.write("cmd/api/main.go", GO_SERVER);
    let inside = project.path("cmd/api");
    let output = project.command(&["up", "--once"]).current_dir(&inside).output().expect("devloop starts");
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    let wanted = format!("`go.mod` is in `{0}`: `devloop -C {0} up`", project.root().display());
    assert!(err(&output).contains(&wanted), "{}", err(&output));
}

#[test]
fn init_writes_a_good_file_once_and_over_another_only_by_force() {
    let project = go_project();
    project.write("main.go", GO_SERVER);
    let printed = run(&project, &["init", "--stdout"]);
    assert!(!project.path("dev.toml").exists());
    let wrote = run(&project, &["init"]);
    assert_eq!(wrote.status.code(), Some(0), "{}", err(&wrote));
    assert_eq!(project.read("dev.toml"), String::from_utf8_lossy(&printed.stdout));
    assert_eq!(run(&project, &["check"]).status.code(), Some(0));
    project.write("dev.toml", "mine");
    let refused = run(&project, &["init"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("--force") && project.read("dev.toml") == "mine", "{}", err(&refused));
    assert_eq!(run(&project, &["init", "--force"]).status.code(), Some(0));
    assert!(project.read("dev.toml").contains("[[service]]"));
}

#[test]
fn what_air_says_runs_and_what_has_no_counterpart_is_said() {
    if !have("go") {
        return;
    }
    let project = go_project();
    project.write("main.go", GO_SERVER);
    let air = "[build]\ncmd = \"go build -o ./tmp/main .\"\nbin = \"./tmp/main\"\ndelay = 1000\n";
    project.write(".air.toml", air);
    let wrote = run(&project, &["init", "--from", ".air.toml"]);
    assert_eq!(wrote.status.code(), Some(0), "{}", err(&wrote));
    assert!(err(&wrote).contains("`build.delay`: "), "{}", err(&wrote));
    let mut devloop = project.up();
    devloop.answers("one");
    assert!(!project.path("tmp").exists());
    let refused = run(&project, &["init", "--stdout", "--from", "nothing.ini"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("hint:"), "{}", err(&refused));
}
