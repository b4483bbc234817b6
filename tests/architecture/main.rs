//! The house stands as ARCHITECTURE.md draws it: imports point down, rooms do not know each other, the core touches
//! nothing, doors are named.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod text;

use std::{
    fs,
    path::{Path, PathBuf},
};

use text::{paths, tokens};

/// The floors, from the ground up. Within one floor only [`STAIRS`] lead from one to another.
const FLOORS: [&[&str]; 7] = [
    &["model"],
    &["error", "escapes", "sys", "tls"],
    &["plan", "config"],
    &["core"],
    &[
        "certificates",
        "control",
        "detect",
        "doctor",
        "health",
        "hooks",
        "journal",
        "metrics",
        "problems",
        "process",
        "proxy",
        "store",
        "toolchain",
        "ui",
        "watch",
    ],
    &["app"],
    &["cli"],
];
/// Who may import whom on the same floor.
const STAIRS: [(&str, &str); 2] = [("config", "plan"), ("tls", "error")];
/// What neither the core nor anything below it that decides may touch.
const FORBIDDEN: [&str; 8] =
    ["std::fs", "std::net", "std::env", "std::process", "std::thread", "std::os", "tokio", "crate::sys"];
/// The rooms and floors that only think.
const PURE: [&str; 8] = ["model", "escapes", "plan", "core", "problems", "journal", "metrics", "hooks"];
/// Clocks.
const CLOCKS: [&str; 2] = ["Instant", "SystemTime"];
/// No fault.
const NOTHING: [String; 0] = [];
/// The one file with `unsafe` code.
const UNSAFE: &str = "src/process/guard.rs";
/// A file above this is named, as one that may hold two nouns ...
const LONG: usize = 450;
/// ... and one above this is not accepted.
const TOO_LONG: usize = 600;
/// As rustfmt.toml has it.
const WIDEST: usize = 120;

/// A source file: its path from the repository's root, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// The modules from the crate's root: `["watch", "fence"]` for src/watch/fence.rs, `["watch"]` for
    /// src/watch/mod.rs.
    fn module(&self) -> Vec<&str> {
        let path = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let path = path.strip_suffix(".rs").unwrap_or(path);
        let names = path.split('/').filter(|name| !matches!(*name, "mod" | "lib" | "main"));
        names.collect()
    }
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// What is wrong with a file's imports.
fn wrong_imports(source: &Source) -> Vec<String> {
    let Some(own) = source.module().first().copied() else { return Vec::new() };
    let Some(own_floor) = floor(own) else { return vec![format!("{}: `{own}` is on no floor", source.path)] };
    let mut wrong = Vec::new();
    for path in paths(source) {
        let names: Vec<&str> = path.split("::").collect();
        if names.last() == Some(&"*") && names[0] == "crate" && !names.contains(&"tests") && own != names[1] {
            wrong.push(format!("{}: `{path}` does not say what it imports", source.path));
        }
        let (Some(&"crate"), Some(other)) = (names.first(), names.get(1)) else { continue };
        let Some(other_floor) = floor(other) else { continue };
        let is_stair = STAIRS.contains(&(own, *other));
        if *other != own && other_floor >= own_floor && !is_stair {
            wrong.push(format!("{}: `{path}` does not point down from `{own}`", source.path));
        }
    }
    wrong
}

/// What a file that only thinks touches all the same.
fn impurities(source: &Source) -> Vec<String> {
    let is_pure = source.module().first().is_some_and(|own| PURE.contains(own));
    if !is_pure {
        return Vec::new();
    }
    let touches = |path: &String| {
        let forbidden = FORBIDDEN.iter().any(|name| path == name || path.starts_with(&format!("{name}::")));
        forbidden || path.split("::").any(|name| CLOCKS.contains(&name))
    };
    // Plain values.
    let values = ["std::process::ExitStatus", "std::net::IpAddr"];
    let allowed = |path: &String| path.starts_with("std::os::unix::ffi") || values.contains(&path.as_str());
    let found = paths(source).into_iter().filter(|path| touches(path) && !allowed(path));
    found.map(|path| format!("{}: `{path}` in a part that only thinks", source.path)).collect()
}

/// A door without a name.
fn unnamed_doors(source: &Source) -> Vec<String> {
    let opens = source.text.match_indices("clippy::disallowed_methods");
    let named = |at: usize| {
        let reason = source.text[at..].split(']').next().unwrap_or_default();
        ["the door to", "a test's own", "tests are outside the house"].iter().any(|name| reason.contains(name))
    };
    let unnamed = opens.filter(|(at, _)| !named(*at));
    unnamed.map(|_| format!("{}: opens a door without saying \"the door to\"", source.path)).collect()
}

fn beginning(source: &Source) -> Vec<String> {
    match source.text.starts_with("//! ") {
        true => Vec::new(),
        false => vec![format!("{}: does not begin with `//!` and what it is", source.path)],
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below this folder.
fn sources(folder: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(read(&path));
            }
        }
    }
    assert!(!sources.is_empty() || folder == "benches", "nothing in {folder}");
    sources
}

fn read(path: &Path) -> Source {
    let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
    Source::new(name, &fs::read_to_string(path).unwrap())
}

fn all_of(folder: &str, rule: impl Fn(&Source) -> Vec<String>) {
    let wrong: Vec<String> = sources(folder).iter().flat_map(rule).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_import_points_down_the_floors() {
    all_of("src", wrong_imports);
}

#[test]
fn what_only_thinks_touches_no_clock_no_file_no_socket_and_no_environment() {
    all_of("src", impurities);
}

#[test]
fn every_door_has_a_name() {
    all_of("src", unnamed_doors);
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    for folder in ["src", "tests", "benches"] {
        all_of(folder, beginning);
    }
    // The example's generated file says so itself; its source is read here.
    assert_eq!(beginning(&read(&root().join("examples/hello/server.rs"))), NOTHING);
}

#[test]
fn only_the_guard_has_unsafe_code() {
    let has = |source: &Source| source.path != UNSAFE && tokens(&source.text).iter().any(|token| token == "unsafe");
    let wrong: Vec<String> = sources("src").into_iter().filter(has).map(|source| source.path).collect();
    assert_eq!(wrong, NOTHING);
}

#[test]
fn no_file_is_too_long() {
    for source in sources("src") {
        let lines = source.text.lines().count();
        assert!(lines <= TOO_LONG, "{} has {lines} lines: it holds more than one noun", source.path);
        if lines > LONG {
            println!("{} has {lines} lines", source.path);
        }
    }
}

/// The formatter leaves comments alone.
#[test]
fn no_comment_is_wider_than_a_line_of_code_may_be() {
    let wide = |source: &Source| -> Vec<String> {
        let is_wide = |line: &&str| line.trim_start().starts_with("//") && line.chars().count() > WIDEST;
        source.text.lines().filter(is_wide).map(|line| format!("{}: {line}", source.path)).collect()
    };
    for folder in ["src", "tests", "benches"] {
        all_of(folder, wide);
    }
}

#[test]
fn the_floors_are_those_of_lib_rs_and_in_its_order() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let floors: Vec<usize> = declared.iter().map(|name| floor(name).unwrap_or_else(|| panic!("{name}"))).collect();
    assert!(floors.is_sorted(), "{declared:?}");
    assert_eq!(declared.len(), FLOORS.iter().map(|floor| floor.len()).sum::<usize>());
}

#[test]
fn architecture_md_names_every_room_and_no_other() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for name in FLOORS.iter().copied().flatten() {
        let folder = root().join("src").join(name).is_dir();
        let written = if folder { format!("`{name}/`") } else { format!("`{name}.rs`") };
        assert!(text.contains(&written), "ARCHITECTURE.md does not name {written}");
    }
    for path in text.split('`').skip(1).step_by(2).filter(|path| path.ends_with(".rs") && path.contains('/')) {
        assert!(root().join(path).exists() || root().join("src").join(path).exists(), "there is no {path}");
    }
}

mod the_rules_find {
    use super::*;

    fn imports(path: &str, text: &str) -> usize {
        wrong_imports(&Source::new(path, text)).len()
    }

    #[test]
    fn an_import_that_points_up() {
        assert_eq!(imports("src/core/settle.rs", "use crate::app::App;"), 1);
        assert_eq!(imports("src/plan/mod.rs", "use crate::{model::RunId, core::{Core, event::Event}};"), 2);
        assert_eq!(imports("src/plan/mod.rs", "use crate::config::read;"), 1);
        assert_eq!(imports("src/model.rs", "fn f() { crate::error::render(&[]) }"), 1);
    }

    #[test]
    fn an_import_of_another_room() {
        assert_eq!(imports("src/watch/engine.rs", "use crate::store::Store;"), 1);
        assert_eq!(
            imports("src/watch/engine.rs", "use crate::{\n    model::X,\n    process::{self, Programs as P},\n};"),
            2
        );
        assert_eq!(imports("src/watch/mod.rs", "use super::proxy::Proxy;"), 1);
        assert_eq!(imports("src/watch/engine.rs", "use super::super::ui::Format;"), 1);
        assert_eq!(imports("src/watch/mod.rs", "mod tests { use super::super::ui; }"), 1);
        assert_eq!(imports("src/watch/mod.rs", "fn a() -> r#type { 'a'; '\"'; crate::ui::go::<u8>() }"), 1);
    }

    #[test]
    fn an_import_that_does_not_say_of_what() {
        assert_eq!(imports("src/watch/mod.rs", "use crate::core::event::*;"), 1);
    }

    #[test]
    fn a_core_that_touches_the_world() {
        let touches = |text: &str| impurities(&Source::new("src/core/mod.rs", text)).len();
        for text in [
            "use std::fs;",
            "use std::{sync::Arc, net::TcpStream};",
            "fn f() { std::env::var(\"X\"); }",
            "use tokio::sync::mpsc;",
            "use std::time::{Duration, Instant};",
            "use crate::sys::Clock;",
            "fn f() -> std::time::SystemTime {}",
        ] {
            assert_eq!(touches(text), 1, "{text}");
        }
    }

    #[test]
    fn a_door_without_a_name() {
        let doors = |text: &str| unnamed_doors(&Source::new("src/watch/mod.rs", text)).len();
        assert_eq!(doors("#![expect(clippy::disallowed_methods, reason = \"needed\")]"), 1);
        assert_eq!(doors("#![expect(clippy::disallowed_methods, reason = \"the door to x\")]"), 0);
    }

    #[test]
    fn nothing_where_nothing_is_wrong() {
        assert_eq!(
            imports("src/watch/engine.rs", "use super::fence::Fences; use crate::{core::event::{Touch, Writer}, sys};"),
            0
        );
        assert_eq!(imports("src/watch/mod.rs", "mod tests { use super::*; use crate::plan; }"), 0);
        assert_eq!(
            imports(
                "src/watch/mod.rs",
                "// crate::proxy\n/* crate::ui */ fn a() { b(\"crate::app\", r#\"crate::\"app\"#) }"
            ),
            0
        );
        assert_eq!(imports("src/config/check.rs", "use crate::plan::Plan;"), 0);
        assert_eq!(imports("src/app/mod.rs", "use crate::{watch::Watcher, proxy};"), 0);
    }
}
