//! What holds, key by key, and where it comes from: what `devloop config` prints. What is written is shown as it is
//! written; what is not, as the plan has it.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::plan::{
    Backend, Cache, Globs, Inputs, Plan, Port, Protocol, Reload, Restart, Settle, Swap, Tool, show_time,
};

/// One table: `[watch]`, one `[[step]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its header: `[[step]]`.
    pub header: &'static str,
    /// Its keys, in the order of the reference.
    pub entries: Vec<Entry>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// What holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// As dev.toml writes it.
    Toml(String),
    /// What dev.toml has no words for: "what it reads is not limited".
    Words(String),
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written in this line of dev.toml.
    Line(usize),
    /// A flag of the command line.
    CommandLine,
    /// Nobody said anything.
    Default,
}

/// Every table and key that holds for `plan`. `text` is the dev.toml that it was made from, a good one.
pub fn effective(text: &str, plan: &Plan) -> Vec<Section> {
    let (tree, _) = DeTable::parse_recoverable(text);
    let written = Written { text, tree: tree.get_ref() };
    let mut sections = vec![written.section("[watch]", written.table("watch"), watch(plan))];
    for (index, step) in plan.steps.iter().enumerate() {
        sections.push(written.section("[[step]]", written.named("step", &step.name), self::step(plan, index)));
    }
    for (index, service) in plan.services.iter().enumerate() {
        sections.push(written.section(
            "[[service]]",
            written.named("service", &service.name),
            self::service(plan, index),
        ));
    }
    sections.push(written.section("[proxy]", written.table("proxy"), proxy(plan)));
    // These have no defaults worth a line: what is written is all there is.
    for (key, header) in [("route", "[[route]]"), ("hook", "[[hook]]")] {
        let tables = written.tables(key).into_iter();
        sections.extend(tables.map(|table| written.section(header, Some(table), Vec::new())));
    }
    if let Some(notify) = written.table("notify") {
        sections.push(written.section("[notify]", Some(notify), Vec::new()));
    }
    sections
}

struct Written<'t, 'i> {
    text: &'t str,
    tree: &'t DeTable<'i>,
}

impl<'t, 'i> Written<'t, 'i> {
    fn table(&self, key: &str) -> Option<&'t DeTable<'i>> {
        self.tree.get(key)?.get_ref().as_table()
    }

    fn tables(&self, key: &str) -> Vec<&'t DeTable<'i>> {
        let array = self.tree.get(key).and_then(|value| value.get_ref().as_array());
        array.into_iter().flat_map(|array| array.iter()).filter_map(|element| element.get_ref().as_table()).collect()
    }

    fn named(&self, key: &str, name: &str) -> Option<&'t DeTable<'i>> {
        let is_it = |table: &&DeTable<'i>| table.get("name").and_then(|name| name.get_ref().as_str()) == Some(name);
        self.tables(key).into_iter().find(is_it)
    }

    /// The keys of `defaults` in their order, then others that are written.
    fn section(&self, header: &'static str, table: Option<&DeTable<'_>>, defaults: Vec<(&str, Value)>) -> Section {
        let mut entries = Vec::new();
        for (key, value) in &defaults {
            let entry = match table.and_then(|table| self.written(table, key)) {
                Some(entry) => entry,
                None => Entry { key: (*key).to_owned(), value: value.clone(), origin: Origin::Default },
            };
            entries.push(entry);
        }
        let others = table.into_iter().flat_map(|table| table.iter());
        let known = |name: &str| defaults.iter().any(|(key, _)| key.split('.').next() == Some(name));
        let others = others.filter(|(name, _)| !known(name.get_ref()));
        entries.extend(others.map(|(name, written)| self.entry(name.get_ref(), name.span(), written)));
        Section { header, entries }
    }

    /// What is written for `key`, or for `health.path`; a string `health` is its `path`.
    fn written(&self, table: &DeTable<'_>, key: &str) -> Option<Entry> {
        let (outer, inner) = key.split_once('.').unwrap_or((key, ""));
        let (name, written) = table.get_key_value(outer)?;
        match (written.get_ref(), inner) {
            (_, "") | (DeValue::String(_), "path") | (DeValue::String(_) | DeValue::Array(_), "run") => {
                Some(self.entry(key, name.span(), written))
            }
            (DeValue::Table(inside), inner) => {
                let (name, written) = inside.get_key_value(inner)?;
                Some(self.entry(key, name.span(), written))
            }
            _ => None,
        }
    }

    fn entry(&self, key: &str, place: std::ops::Range<usize>, written: &Spanned<DeValue<'_>>) -> Entry {
        let line = self.text[..place.start.min(self.text.len())].matches('\n').count() + 1;
        // `[service.health]`: a table of its own has no value in one place.
        let is_header = self.text[written.span()].starts_with('[') && matches!(written.get_ref(), DeValue::Table(_));
        let value = match is_header {
            true => inline(self.text, written.get_ref()),
            false => self.text[written.span()].to_owned(),
        };
        Entry { key: key.to_owned(), value: Value::Toml(value), origin: Origin::Line(line) }
    }
}

/// A table in one line.
fn inline(text: &str, value: &DeValue<'_>) -> String {
    match value {
        DeValue::Table(table) => {
            let entries: Vec<String> = table
                .iter()
                .map(|(key, value)| {
                    let value = match value.get_ref() {
                        inner @ DeValue::Table(_) => inline(text, inner),
                        _ => text[value.span()].to_owned(),
                    };
                    format!("{} = {value}", key.get_ref())
                })
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        _ => String::new(),
    }
}

fn toml(value: impl ToString) -> Value {
    Value::Toml(value.to_string())
}

fn string(text: &str) -> Value {
    Value::Toml(format!("\"{}\"", text.escape_default()))
}

fn words(text: impl Into<String>) -> Value {
    Value::Words(text.into())
}

fn strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    let texts: Vec<String> = texts.into_iter().map(|text| format!("\"{}\"", text.escape_default())).collect();
    Value::Toml(format!("[{}]", texts.join(", ")))
}

fn globs(globs: &Globs) -> Value {
    strings(globs.patterns().iter().map(String::as_str))
}

fn watch(plan: &Plan) -> Vec<(&'static str, Value)> {
    let settle = match plan.watch.settle {
        Settle::Auto => string("auto"),
        Settle::Fixed(time) => string(&show_time(time)),
    };
    let backend = match plan.watch.backend {
        Backend::Auto => "auto",
        Backend::Native => "native",
        Backend::Poll => "poll",
    };
    vec![("ignore", globs(&plan.watch.ignore)), ("settle", settle), ("backend", string(backend))]
}

fn proxy(plan: &Plan) -> Vec<(&'static str, Value)> {
    let proxy = &plan.proxy;
    let listen = match &proxy.listen.host {
        None => toml(proxy.listen.port),
        Some(host) if host.contains(':') => string(&format!("[{host}]:{}", proxy.listen.port)),
        Some(host) => string(&format!("{host}:{}", proxy.listen.port)),
    };
    let reload = match proxy.reload {
        Reload::Never => toml(false),
        Reload::Own => toml(true),
        Reload::All => string("all"),
    };
    vec![
        ("listen", listen),
        ("hosts", strings(proxy.hosts.iter().map(|host| &**host))),
        ("fresh", string(&show_time(proxy.fresh))),
        ("hold", string(&show_time(proxy.hold))),
        ("reload", reload),
        ("editor", proxy.editor.as_deref().map_or_else(|| words("nothing"), string)),
        ("waiting", proxy.waiting.map_or_else(|| toml(false), |time| string(&show_time(time)))),
        ("console", toml(proxy.console)),
        ("tls", toml(proxy.tls)),
        ("client_certs", words("none are asked for")),
        ("record", toml(proxy.record)),
        ("record_bodies", toml(proxy.record_bodies)),
        ("server_timing", toml(proxy.server_timing)),
        ("trust_forwarded", toml(proxy.trust_forwarded)),
        ("enabled", toml(proxy.enabled)),
    ]
}

fn inputs(inputs: &Inputs) -> Value {
    match inputs {
        Inputs::None => words("nothing of its own"),
        Inputs::Everything => words("everything that is not ignored and no output of this step or a later one"),
        Inputs::Tool(Tool::Go) => string("go"),
        Inputs::Tool(Tool::Cargo) => string("cargo"),
        Inputs::Globs(patterns) => globs(patterns),
    }
}

fn names(plan: &Plan, steps: &[usize]) -> Value {
    strings(steps.iter().map(|index| &*plan.steps[*index].name))
}

fn needed(plan: &Plan, services: &[usize]) -> Value {
    strings(services.iter().map(|index| &*plan.services[*index].name))
}

fn pty(pty: Option<bool>) -> Value {
    pty.map_or_else(|| words("whether `up` runs on a terminal"), toml)
}

fn step(plan: &Plan, index: usize) -> Vec<(&'static str, Value)> {
    let step = &plan.steps[index];
    let cache = match step.cache {
        Cache::Session => words("while devloop runs"),
        Cache::Kept => toml(true),
        Cache::Off => toml(false),
    };
    vec![
        ("name", string(&step.name)),
        ("run", string(&step.run.text)),
        ("shell", words("`sh`, where one is needed")),
        ("inputs", inputs(&step.inputs)),
        ("outputs", globs(&step.outputs)),
        ("after", names(plan, &step.after)),
        ("needs", needed(plan, &step.needs)),
        ("cwd", string(".")),
        ("env", toml("{}")),
        ("env_files", toml("[]")),
        ("pty", pty(step.pty)),
        ("cancel", toml(step.cancel)),
        ("cache", cache),
        ("timeout", step.timeout.map_or_else(|| words("none"), |time| string(&show_time(time)))),
        ("generates", toml(step.generates)),
        ("problems", words("what devloop knows by itself")),
    ]
}

fn service(plan: &Plan, index: usize) -> Vec<(&'static str, Value)> {
    let service = &plan.services[index];
    let port = match service.port {
        Port::Auto => string("auto"),
        Port::Fixed(port) => toml(port),
        Port::None => string("none"),
    };
    let swap = match service.swap {
        Swap::Auto => "auto",
        Swap::Overlap => "overlap",
        Swap::Exclusive => "exclusive",
    };
    let protocol = match service.protocol {
        Protocol::Http => "http",
        Protocol::H2c => "h2c",
        Protocol::H2 => "h2",
    };
    let restart = match service.restart {
        Restart::OnExit => "on-exit",
        Restart::No => "no",
    };
    let health = &service.health;
    let path = match service.port {
        Port::None => words("none: it has to be alive for 500 ms"),
        _ => words("none: any HTTP answer counts"),
    };
    let interval = words("1 ms for 0.1 s, 5 ms to 1 s, 20 ms to 5 s, then 100 ms");
    let signal = nix::sys::signal::Signal::try_from(service.stop.signal);
    let signal = signal.map_or_else(|_| service.stop.signal.to_string(), |signal| signal.to_string());
    vec![
        ("name", string(&service.name)),
        ("run", string(&service.run.text)),
        ("shell", words("`sh`, where one is needed")),
        ("inputs", inputs(&service.inputs)),
        ("after", names(plan, &service.after)),
        ("needs", needed(plan, &service.needs)),
        ("cwd", string(".")),
        ("env", toml("{}")),
        ("env_files", toml("[]")),
        ("pty", pty(service.pty)),
        ("port", port),
        ("listen_fds", toml(service.listen_fds)),
        ("swap", string(swap)),
        ("health.path", path),
        ("health.status", words("200 to 399")),
        ("health.log", words("none")),
        ("health.tcp", toml(health.tcp)),
        ("health.timeout", string(&show_time(health.timeout))),
        ("health.interval", interval),
        ("stop.signal", string(&signal)),
        ("stop.grace", string(&show_time(service.stop.grace))),
        ("stop.run", words("none")),
        ("drain", string(&show_time(service.drain))),
        ("restart", string(restart)),
        ("problems", words("what devloop knows by itself")),
        ("protocol", string(protocol)),
        ("tls", toml(service.tls.is_some())),
        ("assets", globs(&service.assets)),
        ("debug.run", words("what fits its command")),
        ("debug.port", words("the usual one of the debugger")),
        ("debug.wait", toml(false)),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    const TOML: &str = "[[step]]\nname = \"build\"\nrun = \"x {out}\"\n\n[[service]]\nname = \"api\"\nrun = [\"{build}\", \"-v\"]\n\
        drain = \"90s\" # long\n\n[service.health]\npath = \"/health\"\n\n[[route]]\npath = \"/api\"\nservice = \"api\"\n";

    fn sections(text: &str) -> Vec<Section> {
        let loaded = config::load(text, Path::new("dev.toml"), Path::new("/"));
        effective(text, &loaded.unwrap_or_else(|problems| panic!("{problems:?}")).plan)
    }

    fn entry(header: &str, key: &str) -> Entry {
        let sections = sections(TOML);
        let section = sections.iter().find(|section| section.header == header).unwrap();
        section.entries.iter().find(|entry| entry.key == key).unwrap_or_else(|| panic!("no {key}")).clone()
    }

    #[test]
    fn what_is_written_is_shown_as_written_with_its_line() {
        let drain = entry("[[service]]", "drain");
        assert_eq!((drain.value, drain.origin), (toml("\"90s\""), Origin::Line(8)));
        assert_eq!(entry("[[service]]", "run").value, toml("[\"{build}\", \"-v\"]"));
        let health = entry("[[service]]", "health.path");
        assert_eq!((health.value, health.origin), (toml("\"/health\""), Origin::Line(11)));
        assert_eq!(entry("[[service]]", "health.timeout").origin, Origin::Default);
        assert_eq!(entry("[[route]]", "service").origin, Origin::Line(15));
    }

    #[test]
    fn what_is_not_written_is_what_holds() {
        let fresh = entry("[proxy]", "fresh");
        assert_eq!((fresh.value, fresh.origin), (toml("\"5s\""), Origin::Default));
        assert_eq!(entry("[[service]]", "after").value, toml("[\"build\"]"));
        assert_eq!(entry("[[step]]", "cache").value, words("while devloop runs"));
    }

    /// A new key that stands in no list here would be missing where nobody has written it.
    #[test]
    fn every_key_is_shown() {
        for (header, known) in config::keys() {
            let sections = sections(TOML);
            let section = sections.iter().find(|section| section.header == header).unwrap();
            for key in known {
                let shown = section.entries.iter().any(|entry| entry.key.split('.').next() == Some(key));
                assert!(shown, "{header} does not show `{key}`: add it to src/config/effective.rs");
            }
        }
    }
}
