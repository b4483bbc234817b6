//! Command lines of `wgo` and `watchexec`.

use super::{
    super::draft::{Draft, Kind, Table, Value},
    Import, by_extension, line, name_of, pair, quoted, tidy, unknown_port,
};
use crate::error::Problem;

/// Options of wgo that take a value.
const WGO_VALUES: &[&str] = &["-file", "-xfile", "-dir", "-xdir", "-cd", "-root", "-debounce", "-poll"];
/// Flags of `go build` that `wgo run` hands on: those with a value ...
const BUILD_VALUES: &[&str] = &[
    "-p",
    "-asmflags",
    "-buildmode",
    "-compiler",
    "-gccgoflags",
    "-gcflags",
    "-installsuffix",
    "-ldflags",
    "-mod",
    "-modfile",
    "-overlay",
    "-pkgdir",
    "-tags",
    "-toolexec",
];
/// ... and those without.
const BUILD_FLAGS: &[&str] = &[
    "-a",
    "-n",
    "-race",
    "-msan",
    "-asan",
    "-v",
    "-work",
    "-x",
    "-buildvcs",
    "-linkshared",
    "-modcacherw",
    "-trimpath",
];
/// Options of watchexec: the short one, the long one, and whether a value follows.
const WATCHEXEC: &[(&str, &str, Takes)] = &[
    ("-w", "--watch", Takes::Value),
    ("-W", "--watch-non-recursive", Takes::Value),
    ("-F", "--watch-file", Takes::Value),
    ("-e", "--exts", Takes::Value),
    ("-f", "--filter", Takes::Value),
    ("-j", "--filter-prog", Takes::Value),
    ("-i", "--ignore", Takes::Value),
    ("-r", "--restart", Takes::Nothing),
    ("-s", "--signal", Takes::Value),
    ("-d", "--debounce", Takes::Value),
    ("-o", "--on-busy-update", Takes::Value),
    ("-E", "--env", Takes::Value),
    ("-n", "--shell=none", Takes::Nothing),
    ("-c", "--clear", Takes::Nothing),
    ("-q", "--quiet", Takes::Nothing),
    ("-Q", "--quote", Takes::Nothing),
    ("-N", "--notify", Takes::Nothing),
    ("-I", "--interactive", Takes::Nothing),
    ("-p", "--postpone", Takes::Nothing),
    ("-v", "--verbose", Takes::Nothing),
    ("", "--shell", Takes::Value),
    ("", "--stop-signal", Takes::Value),
    ("", "--stop-timeout", Takes::Value),
    ("", "--timeout", Takes::Value),
    ("", "--workdir", Takes::Value),
    ("", "--delay-run", Takes::Value),
    ("", "--poll", Takes::Nothing),
    ("", "--filter-file", Takes::Value),
    ("", "--ignore-file", Takes::Value),
    ("", "--fs-events", Takes::Value),
    ("", "--map-signal", Takes::Value),
    ("", "--emit-events-to", Takes::Value),
    ("", "--project-origin", Takes::Value),
    ("", "--wrap-process", Takes::Value),
    ("", "--socket", Takes::Value),
    ("", "--completions", Takes::Value),
    ("", "--color", Takes::Value),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Value,
    Nothing,
}

pub(super) fn import(text: &str) -> Result<Import, Problem> {
    let wrong = |why: String| Problem::new("this command line is not understood").caused_by(why);
    let words = shell_words::split(text).map_err(|error| wrong(error.to_string()))?;
    let (program, rest) = words.split_first().ok_or_else(|| wrong("it is empty".to_owned()))?;
    let import = match program.rsplit('/').next() {
        Some("wgo") => wgo(rest),
        _ => watchexec(rest),
    };
    Ok(import.map_err(wrong)?.finished())
}

/// `wgo [options] run ./cmd/api`, `wgo [options] make :: ./app`, several of them behind each other with `:: wgo`.
fn wgo(words: &[String]) -> Result<Import, String> {
    let mut import = Import::default();
    let mut parts: Vec<Vec<String>> = Vec::new();
    for part in words.split(|word| word == "::") {
        match part.first() {
            // Another wgo beside it.
            Some(first) if first == "wgo" => {
                wgo_once(&mut import, &parts)?;
                parts = vec![part[1..].to_vec()];
            }
            _ => parts.push(part.to_vec()),
        }
    }
    wgo_once(&mut import, &parts)?;
    Ok(import)
}

fn wgo_once(import: &mut Import, parts: &[Vec<String>]) -> Result<(), String> {
    let Some((first, others)) = parts.split_first() else { return Err("it runs nothing".to_owned()) };
    let mut options = Options::default();
    let mut rest = options.wgo(import, first)?;
    let is_run = rest.first().is_some_and(|word| word == "run");
    let mut tables = Vec::new();
    if is_run {
        rest = options.wgo(import, &rest[1..])?;
        let flags: Vec<String> = std::mem::take(&mut options.build);
        let (package, arguments) = rest.split_first().ok_or("`wgo run` names no package")?;
        let flags = flags.iter().map(|flag| format!("{} ", quoted(flag))).collect::<String>();
        tables
            .push(Table::step("build", format!("go build {flags}-o {{out}} {}", quoted(package))).with("inputs", "go"));
        let name = match tidy(package).rsplit('/').next() {
            Some(last) if !last.is_empty() && !last.ends_with(".go") => super::as_name(last),
            _ => "app".to_owned(),
        };
        let run = std::iter::once("{build}".to_owned()).chain(arguments.iter().map(|word| quoted(word)));
        tables.push(Table::service(name, run.collect::<Vec<_>>().join(" ")));
    } else {
        let commands: Vec<&Vec<String>> =
            std::iter::once(&rest).chain(others).filter(|words| !words.is_empty()).collect();
        let (last, before) = commands.split_last().ok_or("it runs nothing")?;
        for words in before.iter().filter(|words| words[0] != "clear") {
            let run = line(words);
            tables.push(options.inputs(Table::step(name_of(&run, "step"), run)));
        }
        let run = line(last);
        let service = unknown_port(Table::service(name_of(&run, "app"), run));
        tables.push(if before.is_empty() { options.inputs(service) } else { service });
    }
    if is_run && !options.folders.is_empty() {
        import.leave("-dir", "`inputs = \"go\"` reads what the packages consist of");
    }
    if is_run && !options.extensions.is_empty() {
        // What the program reads when it starts restarts it.
        let service = tables.pop().map(|service| options.inputs(service));
        tables.extend(service);
    }
    options.finish(import, tables);
    Ok(())
}

/// `--poll` was given.
struct Polling;

/// `--restart` was given.
struct Restarting;

/// `.go`, `\\.go$` as `go`; none if it says more.
fn extension(regex: &str) -> Option<String> {
    let name = regex.trim_start_matches('\\').strip_prefix('.')?.trim_end_matches('$');
    name.chars().all(char::is_alphanumeric).then(|| name.to_owned()).filter(|name| !name.is_empty())
}

/// Whether a regular expression is only a path.
fn is_plain(regex: &str) -> bool {
    regex.chars().all(|letter| letter.is_alphanumeric() || "/_-".contains(letter))
}

/// What the options of a command line say.
#[derive(Default)]
struct Options {
    folders: Vec<String>,
    extensions: Vec<String>,
    patterns: Vec<String>,
    ignored: Vec<String>,
    cwd: Option<String>,
    shell: Option<String>,
    stop: Vec<(String, Value)>,
    env: Vec<(String, String)>,
    polling: Option<Polling>,
    restarting: Option<Restarting>,
    timeout: Option<String>,
    /// Flags of `go build`.
    build: Vec<String>,
}

impl Options {
    /// Takes wgo's options off; what is left is the command.
    fn wgo(&mut self, import: &mut Import, words: &[String]) -> Result<Vec<String>, String> {
        let mut at = 0;
        while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
            let flag = word.replacen("--", "-", 1);
            let (name, given) = flag
                .split_once('=')
                .map_or((flag.clone(), None), |(name, value)| (name.to_owned(), Some(value.to_owned())));
            at += 1;
            let value = match given {
                Some(value) => value,
                None if WGO_VALUES.contains(&name.as_str()) || BUILD_VALUES.contains(&name.as_str()) => {
                    at += 1;
                    words.get(at - 1).cloned().ok_or(format!("`{name}` has no value"))?
                }
                None => String::new(),
            };
            match name.as_str() {
                "-root" => self.folders.push(tidy(&value)),
                "-dir" if is_plain(&value) => self.folders.push(tidy(&value)),
                "-xdir" if is_plain(&value) => self.ignored.push(format!("{}/**", tidy(&value))),
                "-file" if extension(&value).is_some() => self.extensions.extend(extension(&value)),
                "-xfile" if extension(&value).is_some() => {
                    self.ignored.extend(extension(&value).map(|extension| format!("**/*.{extension}")));
                }
                "-file" | "-xfile" | "-dir" | "-xdir" => {
                    import.leave(&format!("{name} {value}"), "a regular expression: write a pattern into `inputs`");
                }
                "-cd" => self.cwd = Some(tidy(&value)),
                "-poll" => self.polling = Some(Polling),
                flag if BUILD_VALUES.contains(&flag) => self.build.push(format!("{flag}={value}")),
                flag if BUILD_FLAGS.contains(&flag) => self.build.push(flag.to_owned()),
                other => import.note("wgo", other, format!("{other} {value}").trim_end()),
            }
        }
        Ok(words[at..].to_vec())
    }

    fn watchexec(&mut self, import: &mut Import, words: &[String]) -> Result<Vec<String>, String> {
        let mut at = 0;
        while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
            at += 1;
            if word == "--" {
                break;
            }
            let (name, given) =
                word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
            let (short, attached) = if name.starts_with("--") || name.len() <= 2 {
                (name, None)
            } else {
                (&name[..2], Some(name[2..].to_owned()))
            };
            let known =
                WATCHEXEC.iter().find(|(known, long, _)| *long == name || (!known.is_empty() && *known == short));
            let (long, takes) = known.map_or((name, Takes::Nothing), |(_, long, takes)| (*long, *takes));
            let value = match given.or(attached) {
                Some(value) => value,
                None if takes == Takes::Value => {
                    at += 1;
                    words.get(at - 1).cloned().ok_or(format!("`{name}` has no value"))?
                }
                None => String::new(),
            };
            self.take(import, long, &value);
        }
        Ok(words[at.min(words.len())..].to_vec())
    }

    fn take(&mut self, import: &mut Import, long: &str, value: &str) {
        match long {
            "--watch" => self.folders.push(tidy(value)),
            "--exts" => self.extensions.extend(value.split(',').map(|part| part.trim().to_owned())),
            "--filter" => self.patterns.push(value.to_owned()),
            "--ignore" => self.ignored.push(value.to_owned()),
            "--restart" => self.restarting = Some(Restarting),
            "--signal" | "--stop-signal" => {
                let name = value.to_uppercase();
                let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
                self.stop.retain(|(key, _)| key != "signal");
                self.stop.push(("signal".to_owned(), Value::Text(name)));
            }
            "--stop-timeout" => self.stop.push(("grace".to_owned(), Value::Text(value.to_owned()))),
            "--env" => self.env.extend(pair(value)),
            "--workdir" => self.cwd = Some(tidy(value)),
            "--shell=none" => {}
            "--shell" if value == "none" => {}
            "--timeout" => self.timeout = Some(value.to_owned()),
            "--shell" => self.shell = Some(value.to_owned()),
            "--poll" => self.polling = Some(Polling),
            other => import.note("watchexec", other, format!("{other} {value}").trim_end()),
        }
    }

    /// The table with the files that start it.
    fn inputs(&self, table: Table) -> Table {
        let mut inputs = Vec::new();
        if !self.folders.is_empty() || !self.extensions.is_empty() {
            inputs.extend(by_extension(&self.folders, &self.extensions));
        }
        inputs.extend(
            self.patterns
                .iter()
                .map(|pattern| if pattern.contains('/') { pattern.clone() } else { format!("**/{pattern}") }),
        );
        if inputs.is_empty() { table } else { table.with("inputs", inputs) }
    }

    fn finish(self, import: &mut Import, tables: Vec<Table>) {
        let mut watch = Table::new(Kind::Watch);
        if !self.ignored.is_empty() {
            watch.set("ignore", Value::List(self.ignored));
        }
        if self.polling.is_some() {
            watch.set("backend", Value::Text("poll".to_owned()));
        }
        let mut all = Vec::new();
        if watch != Table::new(Kind::Watch) {
            all.push(watch);
        }
        for mut table in tables {
            if let Some(cwd) = &self.cwd {
                table.set("cwd", Value::Text(cwd.clone()));
            }
            if let Some(shell) = &self.shell {
                table.set("shell", Value::Text(shell.clone()));
            }
            if !self.env.is_empty() {
                table.set("env", super::env(self.env.clone()));
            }
            if let Some(timeout) = self.timeout.as_ref().filter(|_| table.kind == Kind::Step) {
                table.set("timeout", Value::Text(timeout.clone()));
            }
            if !self.stop.is_empty() && table.kind == Kind::Service {
                table.set("stop", Value::Inline(self.stop.clone()));
            }
            all.push(table);
        }
        import.draft = std::mem::take(&mut import.draft).and(Draft::new(all));
    }
}

/// `watchexec [options] [--] command`: a service with `--restart`, a step without.
fn watchexec(words: &[String]) -> Result<Import, String> {
    let mut import = Import::default();
    let mut options = Options::default();
    let command = options.watchexec(&mut import, words)?;
    if command.is_empty() {
        return Err("it runs nothing".to_owned());
    }
    // watchexec hands one word to a shell as it is.
    let run = if let [only] = &command[..] { only.clone() } else { line(&command) };
    let name = name_of(&run, "app");
    let table =
        if options.restarting.is_some() { unknown_port(Table::service(name, run)) } else { Table::step(name, run) };
    let table = options.inputs(table);
    options.finish(&mut import, vec![table]);
    Ok(import)
}
