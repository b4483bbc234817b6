//! `devloop config`: every key that holds, and where its value comes from.

use std::{fmt::Write, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::{Exit, Terminal, complain, config_file, environment, no_config, schema, up};
use crate::{
    config::{self, Entry, Origin, Section, Value},
    error::Problem,
};

const AFTER_HELP: &str = "\
Prints dev.toml as it holds: with every key that is not written, and behind each value the line it stands in,
`default`, or `command line`. What dev.toml has no words for is a comment.

Editors that know JSON Schema complete and check dev.toml by its first line, which `devloop init` writes
(taplo, Even Better TOML, Tombi):
  #:schema ./.devloop/dev.schema.json
`devloop up` puts the schema there where a dev.toml has that line.";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ConfigArgs {
    /// Print one JSON object instead of text
    #[arg(long, conflicts_with = "schema")]
    pub json: bool,
    /// Print the JSON Schema of dev.toml
    #[arg(long)]
    pub schema: bool,
    /// As with `up`: where the proxy listens
    #[arg(long, value_name = "ADDR", conflicts_with = "schema")]
    pub listen: Option<String>,
}

/// Reads and prints.
pub fn run(args: &ConfigArgs, file: Option<PathBuf>, terminal: &Terminal) -> Exit {
    if args.schema {
        environment::to_stdout(schema::SCHEMA);
        return Exit::Good;
    }
    match sections(args, file) {
        Ok((shown, sections)) if args.json => {
            environment::to_stdout(&json(&shown, &sections));
            Exit::Good
        }
        Ok((shown, sections)) => {
            environment::to_stdout(&text(&shown, &sections));
            Exit::Good
        }
        Err(problems) => complain(terminal, &problems),
    }
}

/// The name of the file, and what it says.
fn sections(args: &ConfigArgs, file: Option<PathBuf>) -> Result<(String, Vec<Section>), Vec<Problem>> {
    let file = config_file(file).map_err(|problem| vec![problem])?.ok_or_else(|| vec![no_config()])?;
    let plan = config::read(&file)?.plan;
    let plan = up::narrowed(plan, &[], args.listen.as_deref()).map_err(|problem| vec![problem])?;
    let written = std::fs::read_to_string(&file);
    let written =
        written.map_err(|error| vec![Problem::new(format!("`{}` cannot be read", file.display())).caused_by(error)])?;
    let mut sections = config::effective(&written, &plan);
    if let Some(address) = &args.listen {
        let proxy = sections.iter_mut().find(|section| section.header == "[proxy]");
        let listen = proxy.and_then(|proxy| proxy.entries.iter_mut().find(|entry| entry.key == "listen"));
        if let Some(listen) = listen {
            let is_number = address.bytes().all(|byte| byte.is_ascii_digit());
            listen.value = Value::Toml(if is_number { address.clone() } else { format!("\"{address}\"") });
            listen.origin = Origin::CommandLine;
        }
    }
    Ok((file.display().to_string(), sections))
}

fn origin(entry: &Entry, file: &str) -> String {
    match entry.origin {
        Origin::Line(line) => format!("{file}:{line}"),
        Origin::CommandLine => "command line".to_owned(),
        Origin::Default => "default".to_owned(),
    }
}

fn text(file: &str, sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        if !text.is_empty() {
            text.push('\n');
        }
        // Writing to a string cannot fail.
        _ = writeln!(text, "{}", section.header);
        let origin_of = |entry| origin(entry, file);
        for entry in &section.entries {
            let line = match &entry.value {
                Value::Toml(value) => format!("{} = {value}", entry.key),
                Value::Words(words) => format!("# {}: {words}", entry.key),
            };
            let origin = origin_of(entry);
            // A value of several lines has its origin before it.
            _ = match line.contains('\n') {
                true => writeln!(text, "# {origin}\n{line}"),
                false => writeln!(text, "{line:<40} # {origin}"),
            };
        }
    }
    text
}

#[derive(Serialize)]
struct JsonSection<'a> {
    table: &'static str,
    keys: Vec<JsonEntry<'a>>,
}

#[derive(Serialize)]
struct JsonEntry<'a> {
    key: &'a str,
    /// The value; null where dev.toml has no words for it.
    value: Option<serde_json::Value>,
    /// What holds in words, where `value` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'a str>,
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

fn json(file: &str, sections: &[Section]) -> String {
    let entry = |entry: &'_ Entry| {
        let (origin, line) = match entry.origin {
            Origin::Line(line) => ("file", Some(line)),
            Origin::CommandLine => ("command line", None),
            Origin::Default => ("default", None),
        };
        (origin, line)
    };
    let sections = sections.iter().map(|section| JsonSection {
        table: section.header,
        keys: section
            .entries
            .iter()
            .map(|known| {
                let (origin, line) = entry(known);
                let (value, words) = match &known.value {
                    Value::Toml(value) => (parsed(value), None),
                    Value::Words(words) => (None, Some(&**words)),
                };
                JsonEntry { key: &known.key, value, words, origin, line }
            })
            .collect(),
    });
    let sections: Vec<JsonSection<'_>> = sections.collect();
    let all = serde_json::json!({ "file": file, "tables": sections });
    serde_json::to_string(&all).expect("strings and numbers always serialize") + "\n"
}

/// A value of TOML as JSON.
fn parsed(value: &str) -> Option<serde_json::Value> {
    let table: serde_json::Value = toml::from_str(&format!("x = {value}")).ok()?;
    table.get("x").cloned()
}
