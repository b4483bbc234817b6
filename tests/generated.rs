//! Files in docs/ that are made from others are what those say now: the JSON Schema of dev.toml from the tables of
//! docs/config.md (which `config_docs` compares with the program), the man page from the command line.
//! `DEVLOOP_TEST_WRITE=1 cargo test --test generated` writes them.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::CommandFactory;
use clap_mangen::Man;
use devloop::{cli::Cli, config};
use serde_json::{Map, Value, json};

const CONFIG: &str = include_str!("../docs/config.md");

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a file of the repository with what it should be, or writes it.
fn compare(file: &str, wanted: &str) {
    let path = root().join(file);
    if std::env::var_os("DEVLOOP_TEST_WRITE").is_some() {
        fs::write(&path, wanted).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == wanted, "{file} is not up to date: DEVLOOP_TEST_WRITE=1 cargo test --test generated");
}

/// One row of a table of docs/config.md.
struct Row {
    keys: Vec<String>,
    kind: String,
    default: String,
    meaning: String,
}

/// The rows of the table below this heading.
fn rows(heading: &str) -> Vec<Row> {
    let section = CONFIG.split(&format!("{heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n##").next().unwrap();
    let table = section.split("| key |").nth(1).unwrap_or_else(|| panic!("no keys below {heading}"));
    let rows = table.split("\n\n").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_start_matches("| ").trim_end_matches('|').split(" | ").map(str::trim).collect();
        // `| key | | | meaning |`: cells that are empty have no text between their bars.
        let cells: Vec<&str> =
            cells.into_iter().flat_map(|cell| if cell == "|" { vec!["", ""] } else { vec![cell] }).collect();
        let cell = |index: usize| cells.get(index).copied().unwrap_or_default().trim_matches('|').trim().to_owned();
        let keys = cells[0].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Row { keys, kind: cell(1), default: cell(2), meaning: cells.last().unwrap().to_string() }
    })
    .collect()
}

fn time() -> Value {
    json!({ "type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$" })
}

fn strings() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

/// What a type of the tables is in a schema. A new one has to be added here.
fn kind(words: &str) -> Value {
    match words {
        "boolean" => json!({ "type": "boolean" }),
        "string" | "folder" | "path or URL" | "name of a service" | "host name" | "host" | "file"
        | "regular expression" => {
            json!({ "type": "string" })
        }
        "name" => json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]+$" }),
        "time" => time(),
        "number" => json!({ "type": "integer" }),
        "number, 0 to 10000" => json!({ "type": "integer", "minimum": 0, "maximum": 10_000 }),
        "patterns" | "files" | "host names" | "names of steps" | "names of services" => strings(),
        "string or array" => json!({ "anyOf": [{ "type": "string" }, strings()] }),
        "number or numbers" => {
            json!({ "anyOf": [{ "type": "integer" }, { "type": "array", "items": { "type": "integer" } }] })
        }
        "port or address" => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 65_535 }, { "type": "string" }] })
        }
        "table of strings" => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        "table" => json!({ "type": "object" }),
        "boolean or `\"all\"`" => json!({ "enum": [true, false, "all"] }),
        "time or `false`" => json!({ "anyOf": [time(), { "const": false }] }),
        "boolean or table" => json!({ "type": ["boolean", "object"] }),
        "number or table" => json!({ "type": ["number", "object"] }),
        "size" => json!({ "type": ["integer", "string"] }),
        "time or two times" => json!({ "anyOf": [time(), { "type": "array", "items": time() }] }),
        "string or table" => json!({ "anyOf": [{ "type": "string" }, object("### `debug`")] }),
        "path or table" => json!({ "anyOf": [{ "type": "string", "pattern": "^/" }, object("### `health`")] }),
        other => alternatives(other),
    }
}

/// `"auto"`, `"none"` and words beside them.
fn alternatives(words: &str) -> Value {
    let parts = words.split(" or ").flat_map(|part| part.split(", ")).map(str::trim);
    let (names, others): (Vec<&str>, Vec<&str>) = parts.partition(|part| part.starts_with("`\""));
    assert!(!names.is_empty(), "the type `{words}` of docs/config.md is unknown to tests/generated.rs");
    let names: Vec<&str> = names.iter().map(|name| name.trim_matches(['`', '"'])).collect();
    let mut kinds = vec![json!({ "enum": names })];
    kinds.extend(others.into_iter().map(|other| match other {
        "number" => json!({ "type": "integer", "minimum": 1, "maximum": 65_535 }),
        other => kind(other),
    }));
    if kinds.len() == 1 { kinds.remove(0) } else { json!({ "anyOf": kinds }) }
}

/// The schema of one table.
fn object(heading: &str) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for row in rows(heading) {
        for key in &row.keys {
            // "as for steps"
            let as_there = row.kind.is_empty().then(|| rows("## `[[step]]`")).into_iter().flatten();
            let there = as_there.into_iter().find(|step| step.keys.contains(key));
            let known = there.as_ref().unwrap_or(&row);
            let mut schema = match key.as_str() {
                "stop" => object("### `stop`"),
                _ => kind(known.kind.split(" in `").next().unwrap()),
            };
            let default =
                if known.default.is_empty() { String::new() } else { format!("\n\nDefault: {}", known.default) };
            schema["description"] = format!("{}{default}", known.meaning).into();
            if let Ok(value) = serde_json::from_str::<Value>(known.default.trim_matches('`'))
                && known.default.starts_with('`')
            {
                schema["default"] = value;
            }
            if known.default == "needed" {
                required.push(key.clone());
            }
            properties.insert(key.clone(), schema);
        }
    }
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn schema() -> Value {
    let array = |name: &str, heading: &str| {
        let description = CONFIG.split(&format!("{heading}\n\n")).nth(1).unwrap().split("\n\n").next().unwrap();
        let description =
            if description.starts_with('|') { format!("One `[[{name}]]`") } else { description.to_owned() };
        json!({ "type": "array", "description": description, "items": object(heading) })
    };
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "dev.toml",
        "description": "What devloop watches, runs and serves",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "watch": object("## `[watch]`"),
            "step": array("step", "## `[[step]]`"),
            "service": array("service", "## `[[service]]`"),
            "proxy": object("## `[proxy]`"),
            "route": array("route", "## `[[route]]`"),
            "hook": array("hook", "## `[[hook]]`"),
            "notify": object("## `[notify]`"),
        }
    })
}

#[test]
fn the_schema_is_what_the_reference_says() {
    compare("docs/dev.schema.json", &(serde_json::to_string_pretty(&schema()).unwrap() + "\n"));
}

/// Whether the schema accepts it, and whether devloop does.
fn judged(toml: &str) -> (bool, bool) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "").unwrap();
    let root = folder.path().canonicalize().unwrap();
    let value: Value = toml::from_str(toml).unwrap_or_else(|error| panic!("{toml}\n{error}"));
    let validator = jsonschema::validator_for(&schema()).unwrap();
    (validator.is_valid(&value), config::load(toml, Path::new("dev.toml"), &root).is_ok())
}

#[test]
fn the_schema_accepts_what_devloop_accepts() {
    let mut seen = 0;
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.push(root());
    let files = folders.iter().filter_map(|folder| fs::read_to_string(folder.join("dev.toml")).ok());
    let documents = ["README.md", "docs/config.md"].map(|file| fs::read_to_string(root().join(file)).unwrap());
    let blocks = documents
        .iter()
        .flat_map(|text| text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()));
    for toml in files.chain(blocks) {
        let value: Value = toml::from_str(&toml).unwrap();
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{toml}\n{errors:?}");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn the_schema_refuses_what_devloop_refuses() {
    let step = "[[step]]\nname = \"a\"\nrun = \"x\"\n";
    let service = "[[service]]\nname = \"a\"\nrun = \"x\"\n";
    assert_eq!(judged(step), (true, true));
    for wrong in [
        "[[step]]\nname = \"a\"\n".to_owned(),
        "[[step]]\nname = \"a b\"\nrun = \"x\"\n".to_owned(),
        format!("{step}imputs = []\n"),
        format!("{step}inputs = \"*.go\"\n"),
        format!("{step}timeout = 5\n"),
        format!("{step}timeout = \"5 parsecs\"\n"),
        format!("{step}cancel = \"no\"\n"),
        format!("{service}port = \"8080\"\n"),
        format!("{service}port = 70000\n"),
        format!("{service}swap = \"rolling\"\n"),
        format!("{service}health = \"health\"\n"),
        format!("{service}health = {{ pth = \"/\" }}\n"),
        format!("{service}stop = \"SIGINT\"\n"),
        format!("{service}env = {{ A = 1 }}\n"),
        format!("{service}[watch]\nbackend = \"kqueue\"\n"),
        format!("{service}[proxi]\nlisten = 3000\n"),
    ] {
        assert_eq!(judged(&wrong), (false, false), "{wrong}");
    }
}

/// What follows the options (examples, exit codes) has lines of its own, which must not flow together.
fn as_it_stands(part: &str, heading: &str) -> String {
    let Some((before, extra)) = part.trim_end().split_once(heading) else { return part.to_owned() + "\n" };
    format!("{before}.PP\n.nf{extra}\n.fi\n")
}

#[test]
fn the_man_page_is_what_the_command_line_says() {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone()).source(format!("devloop {}", env!("CARGO_PKG_VERSION")));
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        page.extend(format!(".SH \"DEVLOOP {}\"\n", sub.get_name().to_uppercase().replace('-', "\\-")).bytes());
        let man = Man::new(sub.clone());
        // The sections of one command stand below its name.
        let mut part = Vec::new();
        man.render_description_section(&mut part).unwrap();
        man.render_synopsis_section(&mut part).unwrap();
        man.render_options_section(&mut part).unwrap();
        man.render_extra_section(&mut part).unwrap();
        let part = String::from_utf8(part).unwrap();
        let lines = part.lines().filter(|line| *line != ".SH DESCRIPTION");
        let lines: Vec<String> = lines.map(|line| line.replace(".SH ", ".SS ")).collect();
        page.extend(as_it_stands(&lines.join("\n"), ".SS EXTRA").into_bytes());
    }
    let mut extra = Vec::new();
    man.render_extra_section(&mut extra).unwrap();
    page.extend(as_it_stands(&String::from_utf8(extra).unwrap(), ".SH EXTRA").into_bytes());
    compare("docs/devloop.1", &String::from_utf8(page).unwrap());
}

#[test]
fn the_completions_that_packages_carry_are_what_devloop_prints() {
    for shell in ["bash", "zsh", "fish"] {
        let output = Command::new(env!("CARGO_BIN_EXE_devloop")).args(["completions", shell]).output().unwrap();
        compare(&format!("packaging/completions/devloop.{shell}"), &String::from_utf8(output.stdout).unwrap());
    }
}

#[test]
fn the_version_is_that_of_the_package_and_may_name_the_commit() {
    let version = Cli::command().render_version();
    let rest = version.strip_prefix(concat!("devloop ", env!("CARGO_PKG_VERSION"))).unwrap().trim_end();
    assert!(rest.is_empty() || rest.starts_with(" (") && rest.ends_with(')'), "{version}");
}
