//! Places out of what real compilers and interpreters print on this machine.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

#[path = "support/folder.rs"]
mod folder;
#[path = "support/have.rs"]
mod have;

use std::process::Command;

use devloop::{
    model::{Clue, Place},
    problems::{clue, read},
};
use folder::Folder;
use have::have;

/// What this command prints, on both streams.
fn output_of(project: &Folder, command: &str) -> Vec<String> {
    let mut words = command.split(' ');
    let mut command = Command::new(words.next().unwrap());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_") && name != "CARGO_HOME" || name.starts_with("RUST_") {
            command.env_remove(&*name);
        }
    }
    let output = command.args(words).current_dir(&project.root).env("CGO_ENABLED", "0").output().unwrap();
    let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    lines.extend(String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned));
    lines
}

fn places_of(project: &Folder, command: &str) -> Vec<Place> {
    let lines = output_of(project, command);
    let places = read(&lines);
    eprintln!("{command}:\n{}\n{places:#?}", lines.join("\n"));
    places
}

fn path_in(project: &Folder, name: &str) -> String {
    project.root.join(name).to_str().unwrap().to_owned()
}

/// Columns differ between versions of a tool by where in an expression it points: only told or not told is compared.
#[track_caller]
fn is(place: &Place, file: &str, line: u32, column: Option<u32>, message: &str) {
    let found = place.file.strip_prefix("./").unwrap_or(&place.file);
    let file = file.strip_prefix("./").unwrap_or(file);
    assert_eq!((found, place.line, place.column.is_some()), (file, line, column.is_some()), "{place:?}");
    assert!(place.message.contains(message), "{place:?}");
}

const GO_MOD: (&str, &str) = ("go.mod", "module example.com/app\n\ngo 1.21\n");

#[test]
fn go_build_names_every_error() {
    if !have("go") {
        return;
    }
    let main = "package main\n\nimport \"example.com/app/sub\"\n\nfunc two(a, b int) {}\n\nfunc main() {\n\ttwo(1)\n\tundefined1()\n\tsub.F()\n}\n";
    let project = Folder::new(&[GO_MOD, ("main.go", main), ("sub/sub.go", "package sub\n\nfunc F() {\n\tx := 1\n}\n")]);
    let places = places_of(&project, "go build ./...");
    is(&places[0], "sub/sub.go", 4, Some(2), "declared and not used: x");
    let project = Folder::new(&[GO_MOD, ("main.go", main), ("sub/sub.go", "package sub\n\nfunc F() {}\n")]);
    let places = places_of(&project, "go build .");
    is(&places[0], "./main.go", 8, Some(7), "not enough arguments in call to two; have (number); want (int, int)");
    is(&places[1], "./main.go", 9, Some(2), "undefined: undefined1");
    assert_eq!(places.len(), 2);
}

#[test]
fn go_names_syntax_errors_and_missing_packages() {
    if !have("go") {
        return;
    }
    let project = Folder::new(&[GO_MOD, ("main.go", "package main\n\nfunc main( {\n}\n")]);
    is(&places_of(&project, "go build .")[0], "./main.go", 3, Some(12), "syntax error");
    let project = Folder::new(&[GO_MOD, ("main.go", "package main\n\nimport \"no/such/package\"\n\nfunc main() {}\n")]);
    is(&places_of(&project, "go build .")[0], "main.go", 3, Some(8), "is not in std");
}

#[test]
fn go_vet_and_go_test_name_their_places() {
    if !have("go") {
        return;
    }
    let test = "package app\n\nimport (\n\t\"fmt\"\n\t\"testing\"\n)\n\nfunc TestA(t *testing.T) {\n\tt.Errorf(\"got %d, want 2\", 1)\n}\n\nfunc f() { fmt.Printf(\"%d\\n\", \"x\") }\n";
    let project = Folder::new(&[GO_MOD, ("a.go", "package app\n"), ("a_test.go", test)]);
    is(&places_of(&project, "go vet ./...")[0], "./a_test.go", 12, Some(25), "Printf format %d");
    let places = places_of(&project, "go test -vet=off ./...");
    is(&places[0], "a_test.go", 9, None, "got 1, want 2");
    assert_eq!(places.len(), 1);
}

#[test]
fn a_go_panic_is_at_the_first_frame_of_the_users() {
    if !have("go") {
        return;
    }
    let main = "package main\n\nimport \"sort\"\n\nfunc main() {\n\tvar items []int\n\tsort.Slice(items[:0:0], nil)\n\tsort.Slice([]int{2, 1}, func(i, j int) bool {\n\t\treturn items[i] < 1\n\t})\n}\n";
    let project = Folder::new(&[GO_MOD, ("main.go", main)]);
    let places = places_of(&project, "go run .");
    is(&places[0], &path_in(&project, "main.go"), 9, None, "panic: runtime error: index out of range");
    assert_eq!(places.len(), 1);
}

#[test]
fn cargo_and_rustc_put_the_message_above_the_place() {
    if !have("cargo") {
        return;
    }
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    let main = "fn main() {\n    let unused = 1;\n    let x: u32 = \"text\";\n    missing();\n}\n";
    let project = Folder::new(&[("Cargo.toml", manifest), ("src/main.rs", main)]);
    for command in ["cargo build --offline", "cargo build --offline --color=always"] {
        let places = places_of(&project, command);
        let errors = |message: &str| places.iter().find(|place| place.message.contains(message)).unwrap();
        is(errors("mismatched types"), "src/main.rs", 3, Some(18), "");
        is(errors("cannot find function `missing`"), "src/main.rs", 4, Some(5), "");
    }
    let project =
        Folder::new(&[("x.rs", "fn main() {\n    let unused = 1;\n    let v: Vec<u32> = vec![];\n    v[3];\n}\n")]);
    let places = places_of(&project, "rustc x.rs");
    is(&places[0], "x.rs", 2, Some(9), "unused variable");
    is(&places_of(&project, "./x")[0], "x.rs", 4, Some(6), "index out of bounds");
}

#[test]
fn python_names_the_users_frame_and_the_exception() {
    if !have("python3") {
        return;
    }
    let project = Folder::new(&[
        ("app.py", "import json\n\ndef f():\n    return json.loads('{')\n\nf()\n"),
        ("broken.py", "def f(\n    x = 1\n"),
        ("chained.py", "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('second')\n"),
    ]);
    is(
        &places_of(&project, "python3 app.py")[0],
        &path_in(&project, "app.py"),
        4,
        None,
        "JSONDecodeError: Expecting property name",
    );
    is(
        &places_of(&project, "python3 broken.py")[0],
        &path_in(&project, "broken.py"),
        1,
        None,
        "SyntaxError: '(' was never closed",
    );
    let places = places_of(&project, "python3 chained.py");
    is(&places[0], &path_in(&project, "chained.py"), 2, None, "ZeroDivisionError: division by zero");
    is(&places[1], &path_in(&project, "chained.py"), 4, None, "ValueError: second");
}

#[test]
fn node_names_the_users_frame_and_the_error() {
    if !have("node") {
        return;
    }
    let project = Folder::new(&[
        ("app.js", "function f() {\n  JSON.parse('{');\n}\nf();\n"),
        ("broken.js", "let a = 1;\nlet x = ;\n"),
        ("esm.mjs", "import { nothing } from './other.mjs';\nconsole.log(nothing);\n"),
        ("other.mjs", "export const a = 1;\n"),
        ("late.mjs", "await Promise.resolve();\nthrow new TypeError('no');\n"),
    ]);
    is(&places_of(&project, "node app.js")[0], &path_in(&project, "app.js"), 2, Some(8), "SyntaxError");
    is(
        &places_of(&project, "node broken.js")[0],
        &path_in(&project, "broken.js"),
        2,
        Some(9),
        "SyntaxError: Unexpected token ';'",
    );
    is(&places_of(&project, "node esm.mjs")[0], &path_in(&project, "esm.mjs"), 1, Some(10), "SyntaxError");
    is(&places_of(&project, "node late.mjs")[0], &path_in(&project, "late.mjs"), 2, Some(7), "TypeError: no");
}

#[test]
fn a_taken_address_is_a_clue_in_every_language_here() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let python = format!("import socket\nsocket.create_server(('127.0.0.1', {port}))\n");
    let node = format!("require('http').createServer().listen({port}, '127.0.0.1')\n");
    let go = format!(
        "package main\n\nimport (\n\t\"log\"\n\t\"net\"\n)\n\nfunc main() {{\n\t_, err := net.Listen(\"tcp\", \"127.0.0.1:{port}\")\n\tlog.Fatal(err)\n}}\n"
    );
    let rust = format!("fn main() {{\n    std::net::TcpListener::bind((\"127.0.0.1\", {port})).unwrap();\n}}\n");
    let project = Folder::new(&[GO_MOD, ("main.go", &go), ("app.py", &python), ("app.js", &node), ("app.rs", &rust)]);
    for (tool, command) in [
        ("python3", "python3 app.py"),
        ("node", "node app.js"),
        ("go", "go run main.go"),
        ("rustc", "rustc app.rs -o app"),
    ] {
        if have(tool) {
            let mut lines = output_of(&project, command);
            if tool == "rustc" {
                lines = output_of(&project, "./app");
            }
            assert_eq!(clue(&lines), Some(Clue::AddressInUse), "{lines:#?}");
        }
    }
}

#[test]
fn a_locked_database_is_a_clue() {
    if !have("python3") {
        return;
    }
    let program = "import sqlite3\na = sqlite3.connect('x.db', timeout=0, isolation_level=None)\na.execute('begin exclusive')\nb = sqlite3.connect('x.db', timeout=0)\nb.execute('create table t (x)')\n";
    let project = Folder::new(&[("app.py", program)]);
    let lines = output_of(&project, "python3 app.py");
    // a Python without SQLite says something else
    if !lines.iter().any(|line| line.contains("ModuleNotFoundError")) {
        assert_eq!(clue(&lines), Some(Clue::Locked), "{lines:#?}");
    }
}

#[test]
fn cargos_json_names_every_error() {
    if !have("cargo") {
        return;
    }
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n";
    let main = "fn main() {\n    let x: u32 = \"one\";\n    nothing();\n}\n";
    let project = Folder::new(&[("Cargo.toml", manifest), ("src/main.rs", main)]);
    let places = places_of(&project, "cargo check --offline --message-format=json --target-dir target");
    assert!(places.iter().any(|place| place.line == 3 && place.message.contains("cannot find function `nothing`")));
    assert!(places.iter().all(|place| place.file == "src/main.rs" && place.column.is_some()), "{places:?}");
}

#[test]
fn a_race_of_go_names_both_accesses() {
    if !have("go") || !have("gcc") {
        return;
    }
    let test = "package app\n\nimport \"testing\"\n\nfunc TestRace(t *testing.T) {\n\tn := 0\n\tdone := make(chan bool)\n\t\
        go func() {\n\t\tn++\n\t\tdone <- true\n\t}()\n\tn++\n\t<-done\n\t_ = n\n}\n";
    let project = Folder::new(&[GO_MOD, ("race_test.go", test)]);
    // The race detector needs cgo.
    let lines = output_of(&project, "env CGO_ENABLED=1 go test -race .");
    if lines.iter().any(|line| line.contains("-race is not supported") || line.contains("-race requires")) {
        eprintln!("skipped: no race detector here");
        return;
    }
    let places = read(&lines);
    eprintln!("{}\n{places:#?}", lines.join("\n"));
    assert_eq!(places.len(), 1);
    assert!(places[0].file.ends_with("race_test.go") && [9, 12].contains(&places[0].line), "{places:?}");
    assert!(places[0].message.starts_with("data race: ") && places[0].message.contains("race_test.go:"), "{places:?}");
}

#[test]
fn a_failed_test_of_go_names_its_line() {
    if !have("go") {
        return;
    }
    let test =
        "package app\n\nimport \"testing\"\n\nfunc TestAdd(t *testing.T) {\n\tt.Errorf(\"got %d, want 3\", 2)\n}\n";
    let project = Folder::new(&[GO_MOD, ("add_test.go", test)]);
    let places = places_of(&project, "go test .");
    is(&places[0], "add_test.go", 6, None, "got 2, want 3");
    assert_eq!(places.len(), 1);
}

#[test]
fn protoc_names_every_error() {
    if !have("protoc") {
        return;
    }
    let proto = "syntax = \"proto3\";\n\nmessage A {\n  strin name = 1;\n}\n";
    let project = Folder::new(&[("a.proto", proto)]);
    let places = places_of(&project, "protoc --descriptor_set_out=out a.proto");
    is(&places[0], "a.proto", 4, Some(3), "\"strin\" is not defined");
}

#[test]
fn tsc_esbuild_and_vite_name_their_places() {
    if !have("npm") {
        return;
    }
    let project = Folder::new(&[
        ("package.json", "{ \"private\": true, \"type\": \"module\" }"),
        ("index.html", "<script type=\"module\" src=\"/src/page.js\"></script>"),
        ("src/main.ts", "const few: number = \"a\";\nimport \"./missing\";\nexport const more = few;\n"),
        ("src/page.js", "import \"./lost.js\";\n"),
        ("src/broken.ts", "const x = ;\n"),
    ]);
    output_of(&project, "npm install --no-audit --no-fund --save-dev typescript@5 esbuild vite@6");
    for form in ["false", "true"] {
        let places = places_of(&project, &format!("npx tsc --noEmit --pretty {form} src/main.ts"));
        is(&places[0], "src/main.ts", 1, Some(7), "Type 'string' is not assignable to type 'number'.");
    }
    let places = places_of(&project, "npx esbuild --bundle src/main.ts --outfile=out.js");
    is(&places[0], "src/main.ts", 2, Some(7), "Could not resolve \"./missing\"");
    let places = places_of(&project, "npx esbuild src/broken.ts --outfile=out.js");
    is(&places[0], "src/broken.ts", 1, Some(10), "Unexpected \";\"");
    let places = places_of(&project, "npx vite build");
    is(&places[0], &path_in(&project, "src/page.js"), 1, None, "Could not resolve \"./lost.js\"");
}
