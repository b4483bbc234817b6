//! What another tool's file or command line says, as a dev.toml: every key is translated, or named with the reason why
//! it has no counterpart.
//!
//! `keys` says what becomes of each key; then one file per tool.

mod air;
mod command;
mod keys;
mod modd;
mod nodemon;
mod process_compose;
mod starlark;
mod tilt;

use super::{
    draft::{Draft, Kind, Table, Value, as_name},
    procfile,
    tree::Tree,
};
use crate::error::Problem;

pub use self::keys::{Fate, Known, tools};

/// A translation.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// What it becomes; what has no counterpart is in its remarks.
    pub draft: Draft,
    /// What has no counterpart, and why: one line each.
    pub left: Vec<String>,
}

impl Import {
    /// Notes a key that has no counterpart.
    fn leave(&mut self, key: &str, why: &str) {
        let line = format!("`{key}`: {why}");
        if !self.left.contains(&line) {
            self.left.push(line);
        }
    }

    /// Notes a key according to what the tool's table says about it. Translated ones are not noted.
    fn note(&mut self, tool: &str, key: &str, shown: &str) {
        match keys::fate(tool, key) {
            Some(Fate::To(_)) => {}
            Some(Fate::None(why)) => self.leave(shown, why),
            None => self.leave(shown, "not known here: see what it does, and docs/config.md"),
        }
    }

    /// The remarks at the end of the file.
    fn finished(mut self) -> Import {
        if !self.left.is_empty() {
            self.draft.remarks.push("Without a counterpart:".to_owned());
            self.draft.remarks.extend(self.left.iter().cloned());
        }
        let tables = std::mem::take(&mut self.draft);
        self.draft = Draft::default().and(tables);
        self
    }
}

/// Translates `from`: the name of a file in the tree, or a command line.
///
/// # Errors
/// The file is not there, is none that is known, or cannot be read.
pub fn import(tree: &Tree, from: &str) -> Result<Import, Problem> {
    let first = from.split_whitespace().next().unwrap_or_default();
    if matches!(first.rsplit('/').next(), Some("wgo" | "watchexec")) && !tree.has(from) {
        return command::import(from);
    }
    let text = tree.text(from).ok_or_else(|| {
        let problem = Problem::new(format!("`{from}` cannot be read"));
        problem.hint("name a file here or below, or a command line that begins with `wgo` or `watchexec`")
    })?;
    let name = from.rsplit('/').next().unwrap_or(from);
    let import = match name {
        ".air.toml" | "air.toml" | ".air.conf" => air::import(tree, &text),
        "modd.conf" => modd::import(&text),
        "nodemon.json" => nodemon::import(tree, &text),
        "Tiltfile" => tilt::import(tree, &text),
        _ if name.starts_with("Procfile") => Ok(of_procfile(&text)),
        _ if name.starts_with("process-compose") || name.starts_with("process_compose") => {
            process_compose::import(&text)
        }
        _ if name.ends_with(".toml") && text.contains("[build]") => air::import(tree, &text),
        _ if name.ends_with(".conf") && (text.contains("prep") || text.contains("daemon")) => modd::import(&text),
        _ => {
            let problem = Problem::new(format!("`{name}` is no file that is known here"));
            let known = "`.air.toml`, `modd.conf`, `Procfile`, `nodemon.json`, `process-compose.yaml`, `Tiltfile`";
            return Err(problem.hint(format!("known are {known}, and command lines of `wgo` and `watchexec`")));
        }
    };
    let import = import.map_err(|why| Problem::new(format!("`{from}` is not understood")).caused_by(why))?.finished();
    let runs = import.draft.tables.iter().any(|table| matches!(table.kind, Kind::Step | Kind::Service));
    if runs {
        return Ok(import);
    }
    Err(Problem::new(format!("`{from}` runs nothing that a dev.toml could run")).hint(import.left.join("\n")))
}

fn of_procfile(text: &str) -> Import {
    let mut import = Import::default();
    for line in procfile::lines(text) {
        match procfile::service(&line) {
            Some(service) => import.draft.tables.push(service),
            None => import.note("Procfile", "release", &line.name),
        }
    }
    import
}

/// Patterns of files with one of these extensions, below these folders.
fn by_extension(folders: &[String], extensions: &[String]) -> Vec<String> {
    let extensions: Vec<&str> = extensions.iter().map(|extension| extension.trim_start_matches(['.', '*'])).collect();
    let all = extensions.iter().any(|extension| extension.is_empty());
    let files = match &extensions[..] {
        _ if all => "*".to_owned(),
        [] => "*".to_owned(),
        [only] => format!("*.{only}"),
        several => format!("*.{{{}}}", several.join(",")),
    };
    if folders.is_empty() {
        return vec![format!("**/{files}")];
    }
    let below = |folder: &String| match tidy(folder).as_str() {
        "" => format!("**/{files}"),
        folder => format!("{folder}/**/{files}"),
    };
    folders.iter().map(below).collect()
}

/// `./web/` as `web`; the folder itself as nothing.
fn tidy(path: &str) -> String {
    let path = path.trim().trim_start_matches("./").trim_end_matches('/');
    if path == "." { String::new() } else { path.to_owned() }
}

/// A file as it is, a folder with all that is in it.
fn path_pattern(tree: &Tree, path: &str) -> String {
    let path = tidy(path);
    let last = path.rsplit('/').next().unwrap_or(&path);
    let is_file = tree.text(&path).is_some() || last.contains('*') || (last.contains('.') && !last.starts_with('.'));
    match path.as_str() {
        "" => "**".to_owned(),
        path if is_file => path.to_owned(),
        path => format!("{path}/**"),
    }
}

/// A name for a command: its program, or what its package manager runs.
fn name_of(command: &str, otherwise: &str) -> String {
    let words: Vec<&str> =
        command.split_whitespace().filter(|word| !word.contains('=') && !word.starts_with('-')).collect();
    let word = match words[..] {
        ["go", "tool" | "run", tool, ..] => {
            tool.split('@').next().and_then(|tool| tool.rsplit('/').find(|part| !part.is_empty() && *part != "."))
        }
        ["npm" | "pnpm" | "yarn" | "bun", "run", what, ..] => Some(what),
        ["go" | "cargo" | "npm" | "pnpm" | "yarn" | "make" | "just" | "task", what, ..] => Some(what),
        ["npx" | "bunx", what, ..] => Some(what),
        [program, ..] => program.rsplit('/').next(),
        [] => None,
    };
    match word.map(as_name) {
        Some(name) if !matches!(name.as_str(), "app" | "cd" | "sh" | "bash" | "env") && !name.starts_with('-') => name,
        _ => otherwise.to_owned(),
    }
}

/// Words as a command line, quoted only where it must be.
fn line(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./=,:+@%{}".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { shell_words::quote(word).into_owned() }
}

/// Seconds as a time.
fn seconds(value: &serde_json::Value) -> Option<String> {
    value.as_u64().filter(|seconds| *seconds > 0).map(|seconds| format!("{seconds}s"))
}

/// `env = { A = "b" }` out of pairs.
fn env(pairs: Vec<(String, String)>) -> Value {
    Value::Inline(pairs.into_iter().map(|(name, value)| (name, Value::Text(value))).collect())
}

/// `A=b` as its two halves.
fn pair(text: &str) -> Option<(String, String)> {
    text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// A service of which nothing says whether it listens.
fn unknown_port(service: Table) -> Table {
    match service.text("run").and_then(procfile::with_port) {
        Some(run) => {
            let mut service = service;
            service.set("run", Value::Text(run));
            service
        }
        None => service.because("port", "none", "if it serves HTTP on $PORT, take this line out"),
    }
}
