//! From text to what a person wrote: every value gets its type, and every mistake in one value becomes a problem.
//! Nothing here compares one key with another.

mod browser;
mod debug;
mod hook;
mod middleware;
mod route;
mod service;
mod tls;

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use self::middleware::MIDDLEWARE;
use super::{
    table::{Report, Table, Zero, kind, number, string_array},
    units::{self, Wrong},
    written::{At, Common, File, Inputs, Proxy, Run, Service, Step, Watch},
};
use crate::{
    error::Problem,
    plan::{Backend, Cache, HostPattern, Listen, Pattern, Restart, Settle, Swap, Tool},
};

const ROOT: &[&str] = &["watch", "step", "service", "proxy", "route", "hook", "notify"];
const WATCH: &[&str] = &["ignore", "settle", "backend"];
const PROXY: &[&str] = &[
    "listen",
    "hosts",
    "fresh",
    "hold",
    "reload",
    "editor",
    "waiting",
    "console",
    "tls",
    "client_certs",
    "record",
    "record_bodies",
    "server_timing",
    "trust_forwarded",
    "enabled",
];
const STEP: &[&str] = &[
    "name",
    "run",
    "shell",
    "inputs",
    "outputs",
    "after",
    "needs",
    "cwd",
    "env",
    "env_files",
    "pty",
    "problems",
    "cancel",
    "cache",
    "timeout",
    "generates",
];
const SERVICE: &[&str] = &[
    "name",
    "run",
    "shell",
    "cwd",
    "env",
    "env_files",
    "inputs",
    "after",
    "needs",
    "port",
    "listen_fds",
    "swap",
    "health",
    "stop",
    "drain",
    "restart",
    "pty",
    "problems",
    "protocol",
    "tls",
    "assets",
    "debug",
];

/// The keys of each table that has defaults.
#[cfg(test)]
pub(super) const KEYS: [(&str, &[&str]); 4] =
    [("[watch]", WATCH), ("[[step]]", STEP), ("[[service]]", SERVICE), ("[proxy]", PROXY)];

/// Whether the text is TOML at all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Good,
    /// Parts of it could not be read: what is missing may only be unread.
    Broken,
}

/// Reads the whole file.
pub(super) fn parse(report: &mut Report, text: &str) -> (File, Syntax) {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let syntax = if errors.is_empty() { Syntax::Good } else { Syntax::Broken };
    syntax_problems(report, text, &errors);
    let reader = Reader { syntax };
    let file = reader.file(report, &tree);
    (file, syntax)
}

/// One broken line makes the parser stumble over the lines after it: the first error of a line, at most three in all.
fn syntax_problems(report: &mut Report, text: &str, errors: &[toml::de::Error]) {
    let mut lines = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let line = text.as_bytes()[..span.start.min(text.len())].iter().filter(|byte| **byte == b'\n').count();
        if lines.contains(&line) || lines.len() == 3 {
            continue;
        }
        lines.push(line);
        report.problem(Problem::new(format!("not valid TOML: {}", error.message())), span);
    }
}

struct Reader {
    syntax: Syntax,
}

impl Reader {
    fn file(&self, report: &mut Report, tree: &Spanned<DeTable<'_>>) -> File {
        let root = Table::new(report, "dev.toml", tree.get_ref(), 0..0, ROOT);
        let mut file = File::default();
        if let Some(table) = root.table(report, "watch", "`[watch]`", WATCH) {
            file.watch = watch(report, &table);
        }
        if let Some(table) = root.table(report, "proxy", "`[proxy]`", &[PROXY, MIDDLEWARE].concat()) {
            file.proxy = proxy(report, &table);
        }
        for (entries, span) in tables(report, &root, "step") {
            let table = Table::new(report, title("step", entries), entries, span, STEP);
            file.steps.push(self.step(report, &table));
        }
        for (entries, span) in tables(report, &root, "service") {
            let table = Table::new(report, title("service", entries), entries, span, SERVICE);
            file.services.push(self.service(report, &table));
        }
        for (entries, span) in tables(report, &root, "route") {
            file.routes.push(route::route(report, entries, span));
        }
        for (entries, span) in tables(report, &root, "hook") {
            file.hooks.push(hook::hook(report, entries, span));
        }
        file.notify = hook::notify(report, &root);
        file
    }

    fn common(&self, report: &mut Report, table: &Table<'_, '_>, what: &str) -> Common {
        if self.syntax == Syntax::Good {
            for key in ["name", "run"] {
                if !table.has(key) {
                    let problem = Problem::new(format!("{} has no `{key}`", table.title));
                    let hint = match (key, what) {
                        ("name", "step") => "name = \"build\"",
                        ("name", _) => "name = \"api\"",
                        (_, "step") => "run = \"go build -o {out} ./cmd/api\"",
                        (_, _) => "run = \"go run ./cmd/api\"",
                    };
                    report.problem(problem.hint(format!("such as `{hint}`")), table.span.clone());
                }
            }
        }
        Common {
            header: table.span.clone(),
            name: table.string(report, "name"),
            run: run(report, table),
            shell: table.string(report, "shell"),
            cwd: table.string(report, "cwd"),
            env: env(report, table),
            env_files: table.strings(report, "env_files"),
            inputs: inputs(report, table),
            after: table.strings(report, "after"),
            needs: table.strings(report, "needs"),
            pty: table.boolean(report, "pty"),
            problems: problems(report, table),
        }
    }

    fn step(&self, report: &mut Report, table: &Table<'_, '_>) -> Step {
        Step {
            common: self.common(report, table, "step"),
            outputs: table.strings(report, "outputs"),
            cancel: table.boolean(report, "cancel"),
            cache: table.boolean(report, "cache").map(|kept| if kept { Cache::Kept } else { Cache::Off }),
            timeout: table.time(report, "timeout", Zero::Meaningless).map(|time| time.value),
            generates: table.boolean(report, "generates"),
        }
    }

    fn service(&self, report: &mut Report, table: &Table<'_, '_>) -> Service {
        let swaps = [("auto", Swap::Auto), ("overlap", Swap::Overlap), ("exclusive", Swap::Exclusive)];
        let restarts = [("on-exit", Restart::OnExit), ("no", Restart::No)];
        Service {
            common: self.common(report, table, "service"),
            port: service::port(report, table),
            listen_fds: service::listen_fds(report, table),
            protocol: service::protocol(report, table),
            tls: tls::of_service(report, table),
            swap: table.choice(report, "swap", &swaps),
            health: service::health(report, table),
            stop: service::stop(report, table),
            drain: table.time(report, "drain", Zero::Allowed).map(|time| time.value),
            restart: table.choice(report, "restart", &restarts).map(|restart| restart.value),
            assets: table.strings(report, "assets"),
            debug: debug::debug(report, table),
        }
    }
}

/// "step `build`", or "`[[step]]`" while it has no name.
fn title(what: &str, entries: &DeTable<'_>) -> String {
    match entries.get("name").and_then(|name| name.get_ref().as_str()) {
        Some(name) => format!("{what} `{name}`"),
        None => format!("`[[{what}]]`"),
    }
}

/// The tables of `[[key]]`.
fn tables<'t, 'i>(report: &mut Report, root: &Table<'t, 'i>, key: &str) -> Vec<(&'t DeTable<'i>, Range<usize>)> {
    let Some(value) = root.get(key) else { return Vec::new() };
    let hint = format!("each {key} is a table of its own: `[[{key}]]`");
    let DeValue::Array(elements) = value.get_ref() else {
        let message = format!("`{key}` must be an array of tables, not {}", kind(value.get_ref()));
        report.problem(Problem::new(message).hint(hint), value.span());
        return Vec::new();
    };
    let mut tables = Vec::new();
    for element in elements.iter() {
        match element.get_ref() {
            DeValue::Table(entries) => tables.push((entries, element.span())),
            other => {
                let message = format!("`{key}` must hold tables, not {}", kind(other));
                report.problem(Problem::new(message).hint(hint.clone()), element.span());
            }
        }
    }
    tables
}

fn watch(report: &mut Report, table: &Table<'_, '_>) -> Watch {
    let backends = [("auto", Backend::Auto), ("native", Backend::Native), ("poll", Backend::Poll)];
    let settle = match table.get("settle").and_then(|value| value.get_ref().as_str()) {
        Some("auto") => Some(Settle::Auto),
        _ => table.time(report, "settle", Zero::Allowed).map(|time| Settle::Fixed(time.value)),
    };
    Watch {
        ignore: table.strings(report, "ignore"),
        settle,
        backend: table.choice(report, "backend", &backends).map(|backend| backend.value),
    }
}

fn proxy(report: &mut Report, table: &Table<'_, '_>) -> Proxy {
    let hosts = table.strings(report, "hosts");
    for host in hosts.iter().flat_map(|hosts| &hosts.value) {
        if HostPattern::new(&host.value).is_none() {
            report.wrong(units::no_host(&host.value), host.span.clone());
        }
    }
    let mut proxy = Proxy {
        listen: listen(report, table),
        hosts,
        fresh: table.time(report, "fresh", Zero::Allowed).map(|time| time.value),
        hold: table.time(report, "hold", Zero::Allowed).map(|time| time.value),
        tls: table.boolean(report, "tls"),
        client_certs: tls::client_certs(report, table),
        record: record(report, table),
        record_bodies: table
            .boolean(report, "record_bodies")
            .map(|wanted| At::new(wanted, table.key_span("record_bodies"))),
        server_timing: table.boolean(report, "server_timing"),
        trust_forwarded: table.boolean(report, "trust_forwarded"),
        enabled: table.boolean(report, "enabled"),
        middleware: middleware::middleware(report, table),
        ..Proxy::default()
    };
    browser::pages(report, table, &mut proxy);
    proxy
}

fn record(report: &mut Report, table: &Table<'_, '_>) -> Option<u16> {
    let value = table.get("record")?;
    match value.get_ref() {
        DeValue::Integer(_) => number(report, "record", value, 0..10_001),
        other => {
            let problem = Problem::new(format!("`record` must be a number, not {}", kind(other)));
            let hint = "so many of the last requests are remembered, such as `500`; `0`: none";
            report.problem(problem.hint(hint), value.span());
            None
        }
    }
}

fn listen(report: &mut Report, table: &Table<'_, '_>) -> Option<At<Listen>> {
    let value = table.get("listen")?;
    let checked = match value.get_ref() {
        DeValue::Integer(_) => {
            let port = number(report, "listen", value, 0..65_536)?;
            Ok(Listen { host: None, port, written: true })
        }
        DeValue::String(text) => units::listen(text),
        other => {
            let hint = "such as `3000` or `\"127.0.0.1:3000\"`";
            Err(Wrong::new(format!("`listen` must be a port or an address, not {}", kind(other)), hint))
        }
    };
    keep(report, checked, value.span())
}

fn keep<T>(report: &mut Report, checked: Result<T, Wrong>, span: Range<usize>) -> Option<At<T>> {
    match checked {
        Ok(value) => Some(At::new(value, span)),
        Err(wrong) => {
            report.wrong(wrong, span);
            None
        }
    }
}

fn run(report: &mut Report, table: &Table<'_, '_>) -> Option<Run> {
    let value = table.get("run")?;
    match value.get_ref() {
        DeValue::String(text) => Some(Run::Text(At::new(text.to_string(), value.span()))),
        DeValue::Array(_) => string_array(report, "run", value).map(Run::Words),
        other => {
            let message = format!("`run` must be a string or an array of strings, not {}", kind(other));
            report.problem(Problem::new(message), value.span());
            None
        }
    }
}

fn inputs(report: &mut Report, table: &Table<'_, '_>) -> Option<Inputs> {
    let value = table.get("inputs")?;
    match value.get_ref() {
        DeValue::String(text) => match &**text {
            "go" => Some(Inputs::Tool(Tool::Go)),
            "cargo" => Some(Inputs::Tool(Tool::Cargo)),
            other => {
                let problem = Problem::new(format!("`{other}` is not a tool chain that `inputs` can be asked of"));
                let hint = format!("write `inputs = [\"{other}\"]` for a pattern, or one of `\"go\"` and `\"cargo\"`");
                report.problem(problem.hint(hint), value.span());
                None
            }
        },
        DeValue::Array(_) => string_array(report, "inputs", value).map(Inputs::Globs),
        other => {
            let message =
                format!("`inputs` must be an array of patterns, `\"go\"` or `\"cargo\"`, not {}", kind(other));
            report.problem(Problem::new(message), value.span());
            None
        }
    }
}

fn problems(report: &mut Report, table: &Table<'_, '_>) -> Option<Pattern> {
    let text = table.string(report, "problems")?;
    match Pattern::new(&text.value) {
        Ok(pattern) => Some(pattern),
        Err(why) => {
            let hint =
                r"such as `'^(?P<file>\S+):(?P<line>\d+): (?P<message>.*)$'`; `column` and `level` are known, too";
            report.problem(Problem::new(why).hint(hint), text.span);
            None
        }
    }
}

fn env(report: &mut Report, table: &Table<'_, '_>) -> Vec<(At<String>, String)> {
    let Some(value) = table.get("env") else { return Vec::new() };
    let DeValue::Table(entries) = value.get_ref() else {
        let problem = Problem::new(format!("`env` must be a table, not {}", kind(value.get_ref())));
        report.problem(problem.hint("write `env = { NAME = \"value\" }`"), value.span());
        return Vec::new();
    };
    // Every name is known here: each is the person's own.
    let names: Vec<&str> = entries.keys().map(|key| &**key.get_ref()).collect();
    let variables = Table::new(report, "`env`", entries, value.span(), &names);
    let mut env = Vec::new();
    for (name, _) in variables.entries() {
        if name.value.is_empty() || name.value.contains(['=', '\0']) {
            report.problem(Problem::new(format!("`{}` is not the name of a variable", name.value)), name.span.clone());
        } else if let Some(text) = variables.string(report, &name.value) {
            if text.value.contains('\0') {
                report.problem(Problem::new("a variable cannot hold a NUL character"), text.span);
            } else {
                env.push((name, text.value));
            }
        }
    }
    env
}
