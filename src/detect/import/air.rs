//! `.air.toml`: a build and the program it makes.

use toml::{Table as Toml, Value as Item};

use super::{
    super::{
        draft::{Kind, Table, Value},
        go,
        patterns::pattern,
    },
    Import, by_extension, name_of, path_pattern, tidy,
};
use crate::detect::tree::Tree;

/// What air watches where nothing else is said.
const EXTENSIONS: [&str; 4] = ["go", "tpl", "tmpl", "html"];
/// What nobody needs to have ignored: it never counts, or `inputs = "go"` does not read it.
const NEVER: &[&str] = &["tmp", "vendor", "testdata", "node_modules", ".git", "dist", "bin", "target"];

pub(super) fn import(tree: &Tree, text: &str) -> Result<Import, String> {
    let file: Toml = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut import = Import::default();
    note(&mut import, &file);
    let empty = Toml::new();
    let section = |name: &str| file.get(name).and_then(Item::as_table).unwrap_or(&empty);
    // `air init` writes all of the proxy's keys, with 0 where nothing is meant.
    let is_off = section("proxy").get("enabled").and_then(Item::as_bool) == Some(false);
    let (build, proxy) = (section("build"), if is_off { &empty } else { section("proxy") });
    let proxied = |key: &str| match proxy.get(key) {
        Some(Item::Integer(number)) if *number > 0 => Some(*number),
        _ => None,
    };
    let cwd = file.get("root").and_then(Item::as_str).map(tidy).filter(|root| !root.is_empty());
    let env_files = list(&file, "env_files");
    watch(&mut import, tree, build);
    if let Some(port) = proxied("proxy_port") {
        let listen = Table::new(Kind::Proxy).with("listen", u16::try_from(port).unwrap_or(3000));
        import.draft.tables.push(listen);
    }
    let common = |mut table: Table| {
        if let Some(cwd) = &cwd {
            table.set("cwd", Value::Text(cwd.clone()));
        }
        if !env_files.is_empty() {
            table.set("env_files", Value::List(env_files.clone()));
        }
        table
    };
    for rule in build.get("rules").and_then(Item::as_array).into_iter().flatten().filter_map(Item::as_table) {
        import.draft.tables.extend(rule_step(tree, rule).map(&common));
    }
    for command in list(build, "pre_cmd") {
        let step = Table::step(name_of(&command, "before"), &*command).with("inputs", sources(tree, build));
        let step = match outputs(&command) {
            Some(outputs) => step.with("outputs", [outputs]),
            None => step,
        };
        import.draft.tables.push(common(step));
    }
    let made = Made::of(build);
    import.draft.tables.push(common(made.step(tree, build)));
    let mut service = common(made.service(tree, build));
    if let Some(port) = proxied("app_port").and_then(|port| u16::try_from(port).ok()) {
        service = service.because(
            "port",
            port,
            "if the program reads $PORT, take this line out: two instances can overlap then",
        );
    } else if let Some((key, value)) = go::only_place(tree) {
        service.set(&key, value);
    }
    if let Some(limit) = proxied("app_start_timeout") {
        let limit = Value::Text(format!("{limit}ms"));
        service.set("health", Value::Inline(vec![("timeout".to_owned(), limit)]));
    }
    import.draft.tables.push(service);
    Ok(import)
}

/// Names what has no counterpart.
fn note(import: &mut Import, file: &Toml) {
    for (key, value) in file {
        match (key.as_str(), value) {
            ("build" | "misc" | "proxy", Item::Table(section)) => {
                for (inner, value) in section {
                    let whole = format!("{key}.{inner}");
                    import.note("air", &whole, &whole);
                    let rules = value.as_array().into_iter().flatten().filter_map(Item::as_table);
                    for name in rules.flat_map(Toml::keys).filter(|_| inner == "rules") {
                        let whole = format!("build.rules.{name}");
                        import.note("air", &whole, &whole);
                    }
                }
            }
            (key, _) => import.note("air", key, key),
        }
    }
}

/// What generators that are known write into the tree.
fn outputs(command: &str) -> Option<&'static str> {
    let known = [("templ", "**/*_templ.go"), ("wire", "**/wire_gen.go"), ("swag", "docs/**"), ("sqlc", "**/*.sql.go")];
    let words: Vec<&str> = command.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word)).collect();
    let is_there = |name: &str| words.iter().any(|word| word.split('@').next() == Some(name));
    known.iter().find(|(name, _)| is_there(name)).map(|(_, outputs)| *outputs)
}

/// What is built and what is run.
struct Made {
    command: String,
    /// The program that the build makes, as air is told to start it.
    program: String,
    /// What is started: the program, or a line of its own, and its arguments.
    line: String,
    arguments: Vec<String>,
}

impl Made {
    fn of(build: &Toml) -> Made {
        let text =
            |key: &str| build.get(key).and_then(Item::as_str).filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let command = text("cmd").unwrap_or_else(|| "go build -o ./tmp/main .".to_owned());
        let mut entry = list(build, "entrypoint").into_iter();
        let program = entry.next().or_else(|| text("bin")).unwrap_or_else(|| "./tmp/main".to_owned());
        let program = program.replace('\\', "/");
        let line = text("full_bin").unwrap_or_else(|| program.clone());
        let arguments = entry.chain(list(build, "args_bin")).collect();
        Made { command, program, line, arguments }
    }

    /// Where `-o` writes, if that is what is started.
    fn output(&self) -> Option<String> {
        let found = pattern(r#"\s-o[ =]?["']?([^\s"']+)"#).captures(&self.command)?[1].to_owned();
        (tidy(&found) == tidy(&self.program) || tidy(&found).trim_end_matches(".exe") == tidy(&self.program))
            .then_some(found)
    }

    fn is_go(&self) -> bool {
        pattern(r"(^|&&\s*|\s)go build\b").is_match(&self.command)
    }

    fn step(&self, tree: &Tree, build: &Toml) -> Table {
        let run = match self.output() {
            Some(output) => {
                self.command.replacen(&output, "{out}", 1).replace("\"{out}\"", "{out}").replace("'{out}'", "{out}")
            }
            None => self.command.clone(),
        };
        let step = Table::step("build", run);
        let step = if self.is_go() && !self.command.contains("&&") && !self.command.contains(';') {
            step.because("inputs", "go", "what the packages really consist of, embedded files too; no tests")
        } else {
            step.with("inputs", sources(tree, build))
        };
        if self.output().is_some() { step } else { step.with("outputs", vec![tidy(&self.program)]) }
    }

    fn service(&self, tree: &Tree, build: &Toml) -> Table {
        let program = tidy(&self.program);
        let mut run = match self.output() {
            Some(_) if self.line.contains(&format!("./{program}")) => {
                self.line.replace(&format!("./{program}"), "{build}")
            }
            Some(_) => self.line.replace(&program, "{build}"),
            None if self.line == self.program && !program.contains('/') => format!("./{program}"),
            None => self.line.clone(),
        };
        for argument in &self.arguments {
            run.push(' ');
            run.push_str(&super::quoted(argument));
        }
        let mut service = Table::service("app", run);
        let others = others(tree, build);
        if self.is_go() && !others.is_empty() {
            service = service.because(
                "inputs",
                others,
                "what the program reads when it starts; files that are embedded are known to go",
            );
        }
        stop(service, build)
    }
}

/// The files beside Go's that air restarts for, as far as there are any.
fn others(tree: &Tree, build: &Toml) -> Vec<String> {
    let extensions = extensions(build).into_iter().filter(|extension| extension != "go" && extension != "mod");
    let there = |extension: &String| tree.paths().any(|path| path.ends_with(&format!(".{extension}")));
    let extensions: Vec<String> = extensions.filter(there).collect();
    if extensions.is_empty() { Vec::new() } else { by_extension(&list(build, "include_dir"), &extensions) }
}

fn extensions(build: &Toml) -> Vec<String> {
    let written = list(build, "include_ext");
    if written.is_empty() { EXTENSIONS.map(str::to_owned).to_vec() } else { written }
}

fn sources(tree: &Tree, build: &Toml) -> Vec<String> {
    let mut inputs = by_extension(&list(build, "include_dir"), &extensions(build));
    inputs.extend(list(build, "include_file").iter().map(|file| path_pattern(tree, file)));
    inputs
}

fn stop(mut service: Table, build: &Toml) -> Table {
    let mut stop = Vec::new();
    if build.get("send_interrupt").and_then(Item::as_bool) == Some(true) {
        stop.push(("signal".to_owned(), Value::Text("SIGINT".to_owned())));
    }
    let grace = match build.get("kill_delay") {
        Some(Item::String(time)) if pattern(r"^\d+(\.\d+)?(ms|s|m)$").is_match(time) => Some(time.clone()),
        Some(Item::Integer(nanoseconds)) if *nanoseconds >= 1_000_000 => Some(format!("{}ms", nanoseconds / 1_000_000)),
        // What the example file calls nanoseconds, air reads as milliseconds (`killDelay` in its config.go).
        Some(Item::Integer(milliseconds)) if *milliseconds > 0 => Some(format!("{milliseconds}ms")),
        _ => None,
    };
    if let Some(grace) = grace.filter(|grace| grace != "0s" && grace != "0ms") {
        stop.push(("grace".to_owned(), Value::Text(grace)));
    }
    if !stop.is_empty() {
        service.set("stop", Value::Inline(stop));
    }
    if build.get("rerun").and_then(Item::as_bool) == Some(true) {
        service.set("restart", Value::Text("on-exit".to_owned()));
    }
    service
}

fn rule_step(tree: &Tree, rule: &Toml) -> Option<Table> {
    let command = rule.get("cmd").and_then(Item::as_str)?;
    let name = rule.get("name").and_then(Item::as_str).map_or_else(|| name_of(command, "rule"), super::as_name);
    let mut inputs = Vec::new();
    let (folders, extensions) = (list(rule, "include_dir"), list(rule, "include_ext"));
    if !folders.is_empty() || !extensions.is_empty() {
        inputs.extend(by_extension(&folders, &extensions));
    }
    inputs.extend(list(rule, "include_file").iter().map(|file| path_pattern(tree, file)));
    Some(Table::step(name, command).with("inputs", inputs))
}

fn watch(import: &mut Import, tree: &Tree, build: &Toml) {
    let folders = list(build, "exclude_dir").into_iter().map(|folder| tidy(&folder));
    let rules = build.get("rules").and_then(Item::as_array).into_iter().flatten().filter_map(Item::as_table);
    let ruled: Vec<String> = rules.flat_map(|rule| list(rule, "include_dir")).map(|folder| tidy(&folder)).collect();
    let counts = |folder: &String| {
        !folder.is_empty() && !ruled.contains(folder) && folder.split('/').all(|part| !NEVER.contains(&part))
    };
    let mut ignore: Vec<String> = folders.filter(counts).map(|folder| format!("{folder}/**")).collect();
    ignore.extend(list(build, "exclude_file").iter().map(|file| path_pattern(tree, file)));
    let polls = build.get("poll").and_then(Item::as_bool) == Some(true);
    let mut watch = Table::new(Kind::Watch);
    if !ignore.is_empty() {
        watch.set("ignore", Value::List(ignore.clone()));
    }
    if polls {
        watch.set("backend", Value::Text("poll".to_owned()));
    }
    if !ignore.is_empty() || polls {
        import.draft.tables.push(watch);
    }
}

/// A list of strings, or one string.
fn list(table: &Toml, key: &str) -> Vec<String> {
    match table.get(key) {
        Some(Item::Array(list)) => list.iter().filter_map(Item::as_str).map(str::to_owned).collect(),
        Some(Item::String(text)) if !text.is_empty() => vec![text.clone()],
        _ => Vec::new(),
    }
}
