//! Projects as their generators make them, and examples without their dev.toml: `devloop up --once` makes them live.
//! Package registries are asked through the ordinary clients; without a tool a test says so and passes.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/have.rs"]
mod have;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use have::have;
use tempfile::TempDir;

/// Compilers take the whole machine: one project at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a generator in a folder; says so if that does not work here.
fn generate(folder: &Path, line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let output = Command::new(words[0]).args(&words[1..]).current_dir(folder).stdin(Stdio::null()).output();
    let worked = output.as_ref().is_ok_and(|output| output.status.success());
    if !worked {
        eprintln!("skipped: `{line}` does not work here: {output:?}");
    }
    worked
}

/// `devloop up --once` makes it live, and says that it took it for this.
fn goes_live(folder: &Path, taken_for: &str) {
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_devloop"))
        .args(["up", "--once", "--plain", "--listen", "0"])
        .current_dir(folder)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("VIRTUAL_ENV")
        .env("GOFLAGS", "-buildvcs=false")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    drop(turn);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(taken_for), "{taken_for}: {said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        match name.to_str() {
            Some("dev.toml" | "node_modules" | "target" | ".devloop" | ".venv") => {}
            _ if entry.path().is_dir() => copy(&entry.path(), &to.join(name)),
            _ => _ = fs::copy(entry.path(), to.join(name)).unwrap(),
        }
    }
}

/// An example of this repository without its dev.toml.
fn example(name: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name), folder.path());
    folder
}

#[test]
fn a_new_cargo_package_that_listens_goes_live() {
    if !have("cargo") {
        return;
    }
    let folder = TempDir::new().unwrap();
    if !generate(folder.path(), "cargo new --quiet --vcs none hello") {
        return;
    }
    let folder = folder.path().join("hello");
    let main = "use std::io::{Read, Write};\n\nfn main() {\n    let port = std::env::var(\"PORT\").unwrap();\n    let listener = std::net::TcpListener::bind(format!(\"127.0.0.1:{port}\")).unwrap();\n    for stream in listener.incoming() {\n        let mut stream = stream.unwrap();\n        _ = stream.read(&mut [0; 4096]);\n        _ = stream.write_all(b\"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\nconnection: close\\r\\n\\r\\nok\");\n    }\n}\n";
    fs::write(folder.join("src/main.rs"), main).unwrap();
    goes_live(&folder, "a Rust program (binary `hello` of Cargo.toml)");
}

#[test]
fn a_new_django_project_goes_live() {
    if !have("python3") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let made = [
        "python3 -m venv .venv",
        ".venv/bin/python -m pip install -q django",
        ".venv/bin/python -m django startproject shop .",
    ];
    if made.iter().all(|line| generate(folder.path(), line)) {
        goes_live(folder.path(), "a Django project (manage.py)");
    }
}

#[test]
fn a_new_vite_project_goes_live() {
    if !(have("node") && have("npm")) {
        return;
    }
    let folder = TempDir::new().unwrap();
    if generate(folder.path(), "npm create --yes vite@latest page -- --template vanilla --no-interactive") {
        goes_live(&folder.path().join("page"), "a Vite project (package.json, script `dev`: vite)");
    }
}

#[test]
fn a_go_program_with_wire_goes_live_with_its_generator_before_the_build() {
    if !have("go") {
        return;
    }
    let folder = example("go-wire");
    fs::remove_file(folder.path().join("wire_gen.go")).ok();
    goes_live(folder.path(), "assumed: `wire`, `build`, then service");
    assert!(folder.path().join("wire_gen.go").exists());
}

#[test]
fn a_program_with_a_port_of_its_own_goes_live() {
    if !have("node") {
        return;
    }
    let folder = example("fixed-port");
    // A port that nothing else has, here and now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = fs::read_to_string(folder.path().join("server.js")).unwrap().replace("8081", &port.to_string());
    fs::write(folder.path().join("server.js"), server).unwrap();
    goes_live(folder.path(), "a Node project (server.js)");
}
