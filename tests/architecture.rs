//! The house stands as ARCHITECTURE.md draws it: imports point down, rooms do not know each other, the core touches
//! nothing, doors are named.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

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

/// A source file: its path from the repository's root, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// The modules from the crate's root: `["watch", "fence"]` for src/watch/fence.rs, `["watch"]` for src/watch/mod.rs.
    fn module(&self) -> Vec<&str> {
        let path = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let path = path.strip_suffix(".rs").unwrap_or(path);
        let names = path.split('/').filter(|name| !matches!(*name, "mod" | "lib" | "main"));
        names.collect()
    }
}

/// Text without comments, and with empty strings and characters.
fn bare(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut bare = String::new();
    let mut at = 0;
    while at < letters.len() {
        let rest = &letters[at..];
        let previous = bare.chars().last().is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|letter| *letter == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => rest.windows(2).position(|pair| pair == ['*', '/']).map_or(rest.len(), |end| end + 2),
            ['r', '"' | '#', ..] if !previous => raw_string(rest),
            ['b', 'r', '"' | '#', ..] if !previous => 1 + raw_string(&rest[1..]),
            ['"', ..] => quoted(rest, '"'),
            ['\'', '\\', ..] => quoted(rest, '\''),
            ['\'', _, '\'', ..] => 3,
            _ => 0,
        };
        if length == 0 {
            bare.push(letters[at]);
            at += 1;
        } else {
            bare.push(' ');
            at += length;
        }
    }
    bare
}

/// The length of a string or character that begins here.
fn quoted(letters: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < letters.len() && letters[at] != quote {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a raw string that begins here; 0 if it is none (`r#type`).
fn raw_string(letters: &[char]) -> usize {
    let marks = letters[1..].iter().take_while(|letter| **letter == '#').count();
    if letters.get(1 + marks) != Some(&'"') {
        return 0;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', marks)).collect();
    let from = 2 + marks;
    letters[from..]
        .windows(end.len())
        .position(|part| part == end)
        .map_or(letters.len(), |found| from + found + end.len())
}

/// Names, `::`, and every other sign by itself.
fn tokens(text: &str) -> Vec<String> {
    let bare = bare(text);
    let mut tokens: Vec<String> = Vec::new();
    let mut glued = false;
    for letter in bare.chars() {
        let is_name = letter.is_alphanumeric() || letter == '_';
        match tokens.last_mut() {
            Some(last) if glued && is_name && last.chars().all(|old| old.is_alphanumeric() || old == '_') => {
                last.push(letter);
            }
            Some(last) if glued && letter == ':' && last == ":" => last.push(':'),
            _ if letter.is_whitespace() => {}
            _ => tokens.push(letter.to_string()),
        }
        glued = !letter.is_whitespace();
    }
    tokens
}

/// Every path in a file, with groups unfolded, as seen from the crate's root: `crate::watch::Mailbox`, `std::fs`.
fn paths(source: &Source) -> Vec<String> {
    let tokens = tokens(&source.text);
    let mut paths = Vec::new();
    // The modules that are open around the place: the file's own, and those written in it.
    let file: Vec<String> = source.module().into_iter().map(str::to_owned).collect();
    let mut inner: Vec<(usize, String)> = Vec::new();
    let mut braces = 0_usize;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => {
                if at >= 2 && tokens[at - 2] == "mod" {
                    inner.push((braces, tokens[at - 1].clone()));
                }
                braces += 1;
            }
            "}" => {
                braces = braces.saturating_sub(1);
                inner.retain(|(depth, _)| *depth < braces);
            }
            _ if tokens.get(at + 1).is_some_and(|next| next == "::") && (at == 0 || tokens[at - 1] != "::") => {
                let here: Vec<String> =
                    file.iter().cloned().chain(inner.iter().map(|(_, name)| name.clone())).collect();
                let mut found = Vec::new();
                let end = unfold(&tokens, at, &[], &mut found);
                paths.extend(found.into_iter().map(|path| absolute(&here, path)));
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    paths
}

/// Unfolds the path that begins at `at` into `found`; returns where it ends.
fn unfold(tokens: &[String], mut at: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") if at > 0 && tokens[at - 1] == "::" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = if tokens[at] == "," { at + 1 } else { unfold(tokens, at, &path, found) };
                }
                return at + 1;
            }
            Some(name) if name.chars().all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '*') => {
                path.push(name.to_owned());
                at += 1;
            }
            _ => at += 1,
        }
        if tokens.get(at).is_some_and(|token| token == "::") {
            at += 1;
        } else {
            break;
        }
    }
    found.push(path);
    while !before.is_empty() && tokens.get(at).is_some_and(|token| token != "," && token != "}") {
        at += 1; // `as name`
    }
    at
}

/// A path with `self` and `super` replaced by what they stand for in the module `here`.
fn absolute(here: &[String], path: Vec<String>) -> String {
    let ups = path.iter().take_while(|name| *name == "super").count();
    let path = match path[0].as_str() {
        "super" => {
            let left = here.len().saturating_sub(ups);
            [&["crate".to_owned()], &here[..left], &path[ups..]].concat()
        }
        "self" => [&["crate".to_owned()], here, &path[1..]].concat(),
        _ => path,
    };
    path.join("::")
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
