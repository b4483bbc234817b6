//! `devloop init`: write down what `up` would assume, or what another tool's file says.
#![expect(
    clippy::disallowed_methods,
    reason = "the door to the dev.toml that it writes, and to who answers its questions"
)]

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{Exit, Terminal, complain, detected, environment, schema};
use crate::{
    config::{self, FILE_NAME},
    detect::{self, Finding, Reading, Tree, Value},
    error::{Colour, Problem, render},
};

const AFTER_HELP: &str = "\
Examples:
  devloop init                              what `devloop up` would assume here, with its reasons
  devloop init api web                      these programs, where there are several
  devloop init --stdout                     only print it
  devloop init --from .air.toml             what another tool's file says
  devloop init --from \"wgo run ./cmd/api\"   what a command line says

On a terminal it asks about what is not sure; Enter takes what was detected. A dev.toml that is
there is not overwritten without --force.";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct InitArgs {
    /// Which programs, where there are several
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Translate another tool's file (.air.toml, modd.conf, Procfile, nodemon.json, process-compose.yaml, Tiltfile)
    /// or command line (wgo, watchexec)
    #[arg(long, value_name = "FILE|CMD", conflicts_with = "names")]
    pub from: Option<String>,
    /// Write over a dev.toml that is there
    #[arg(long, conflicts_with = "stdout")]
    pub force: bool,
    /// Print it instead of writing a file
    #[arg(long)]
    pub stdout: bool,
}

/// Writes the file.
pub fn run(args: &InitArgs, file: Option<PathBuf>, terminal: &Terminal) -> Exit {
    let file = file.unwrap_or_else(|| PathBuf::from(FILE_NAME));
    match text(args, &file).and_then(|text| write(args, &file, &text)) {
        Ok(()) => Exit::Good,
        Err(problems) => complain(terminal, &problems),
    }
}

/// Who is there to answer questions.
enum Person {
    Asked,
    Away,
}

impl Person {
    fn look(args: &InitArgs) -> Person {
        let asked = io::stdin().is_terminal() && io::stderr().is_terminal() && !args.stdout;
        if asked { Person::Asked } else { Person::Away }
    }
}

fn text(args: &InitArgs, file: &Path) -> Result<String, Vec<Problem>> {
    if !args.stdout && !args.force {
        not_there(file)?;
    }
    let root = detected::root().map_err(|problem| vec![problem])?;
    let tree = detected::tree(&root);
    if let Some(from) = &args.from {
        return translated(&tree, from, &root);
    }
    let person = Person::look(args);
    let names = match person {
        Person::Asked if args.names.is_empty() => which(&tree).map_err(|problem| vec![problem])?,
        _ => args.names.clone(),
    };
    let mut finding = detect::find(&tree, &names).map_err(|problem| vec![problem.or_hint(NOTHING)])?;
    if let Person::Asked = person {
        ask(&mut finding, &root);
    }
    detected::load(&finding, &root)?;
    Ok(head(&finding) + &finding.draft.toml())
}

/// What another tool's file says. What has no counterpart is said here, too.
fn translated(tree: &Tree, from: &str, root: &Path) -> Result<String, Vec<Problem>> {
    let import = detect::import::import(tree, from).map_err(|problem| vec![problem])?;
    let line = schema::LINE;
    let text = format!("{line}# Translated from {} by `devloop init --from`.\n\n{}", shown(from), import.draft.toml());
    if let Err(problems) = config::load(&text, Path::new(FILE_NAME), root) {
        environment::to_stderr(&render(&problems, Colour::Never));
        environment::to_stderr("The translation has to be mended there.\n");
    }
    if !import.left.is_empty() {
        environment::to_stderr(&format!("Without a counterpart in dev.toml:\n  {}\n", import.left.join("\n  ")));
    }
    Ok(text)
}

/// A file's name or a command line, as a comment holds it.
fn shown(from: &str) -> String {
    let line: String = from.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("`{line}`")
}

const NOTHING: &str = "write a dev.toml by hand: docs/config.md has every key";

fn not_there(file: &Path) -> Result<(), Vec<Problem>> {
    if !file.exists() {
        return Ok(());
    }
    let problem = Problem::new(format!("`{}` is there already", file.display()));
    Err(vec![problem.hint("`--force` writes over it, `--stdout` only prints what would be written")])
}

/// The comments at the top: what was assumed, and what is not sure.
fn head(finding: &Finding) -> String {
    let mut head = String::from(schema::LINE);
    head.push_str("# Written by `devloop init`; `devloop check` says what devloop understands of it.\n");
    finding.what.iter().for_each(|what| head.push_str(&format!("# Taken for {what}.\n")));
    finding.doubts.iter().for_each(|doubt| head.push_str(&format!("# Unsure: {}.\n", doubt.text)));
    head + "\n"
}

/// Which of several programs are meant; none of these names: there is only one.
fn which(tree: &Tree) -> Result<Vec<String>, Problem> {
    let readings = detect::readings(tree);
    if detect::find(tree, &[]).is_ok() || readings.is_empty() {
        return Ok(Vec::new());
    }
    let first = readings.first().map(|reading: &Reading| reading.name.clone()).unwrap_or_default();
    let list: String = readings.iter().map(|reading| format!("  {}: {}\n", reading.name, reading.what)).collect();
    environment::to_stderr(&format!("There are several programs here:\n{list}"));
    loop {
        let answer = answer(&format!("Which, with spaces between? [{first}] "));
        let names: Vec<String> = answer.split_whitespace().map(str::to_owned).collect();
        let unknown = names.iter().find(|name| readings.iter().all(|reading| reading.name != **name));
        match unknown {
            _ if names.is_empty() => return Ok(vec![first]),
            None => return Ok(names),
            Some(name) => environment::to_stderr(&format!("`{name}` is none of them\n")),
        }
    }
}

/// Asks about every doubt that a key answers.
fn ask(finding: &mut Finding, root: &Path) {
    let doubts = finding.doubts.clone();
    for doubt in doubts {
        let Some(place) = &doubt.place else {
            environment::to_stderr(&format!("Note: {}\n", doubt.text));
            continue;
        };
        let Some(table) = finding.draft.table_mut(&place.table) else { continue };
        let known = table.get(place.key).cloned();
        let default = known.as_ref().map_or_else(|| default_of(place.key).to_owned(), Value::toml);
        environment::to_stderr(&format!("{}\n", doubt.text));
        loop {
            let typed = answer(&format!("  `{}` of `{}` [{default}] ", place.key, place.table));
            if typed.is_empty() {
                break;
            }
            let mut tried = finding.clone();
            if let Some(table) = tried.draft.table_mut(&place.table) {
                table.set(place.key, as_value(&typed));
            }
            match config::load(&tried.draft.toml(), Path::new(FILE_NAME), root) {
                Ok(_) => {
                    *finding = tried;
                    break;
                }
                Err(problems) => environment::to_stderr(&render(&problems, Colour::Never)),
            }
        }
    }
}

/// What holds where the key is not written.
fn default_of(key: &str) -> &'static str {
    match key {
        "port" => "\"auto\"",
        "swap" => "\"auto\"",
        _ => "",
    }
}

/// TOML as it is; everything else is a string.
fn as_value(typed: &str) -> Value {
    let is_toml = format!("x = {typed}").parse::<toml::Table>().is_ok();
    if is_toml { Value::Typed(typed.to_owned()) } else { Value::Text(typed.to_owned()) }
}

/// One line from the terminal; empty at its end.
fn answer(question: &str) -> String {
    environment::to_stderr(question);
    let mut line = String::new();
    _ = io::stdin().lock().read_line(&mut line);
    line.trim().to_owned()
}

fn write(args: &InitArgs, file: &Path, text: &str) -> Result<(), Vec<Problem>> {
    if args.stdout {
        environment::to_stdout(text);
        return Ok(());
    }
    let failed = |error: io::Error| vec![Problem::new(format!("cannot write `{}`", file.display())).caused_by(error)];
    if args.force {
        fs::write(file, text).map_err(failed)?;
    } else {
        let made = OpenOptions::new().write(true).create_new(true).open(file);
        made.and_then(|mut made| made.write_all(text.as_bytes())).map_err(failed)?;
    }
    if let Err(problem) = schema::put_beside(file) {
        environment::to_stderr(&render(&[problem.hint("only editors miss it")], Colour::Never));
    }
    environment::to_stderr(&format!("wrote {}: `devloop check` explains it, `devloop up` runs it\n", file.display()));
    Ok(())
}
