//! What kind of project is this? Readings of a folder's files, each of them a dev.toml with its reasons and its doubts.
//! Runs nothing, writes nothing, asks nobody.
//!
//! `tree` is what is looked at, `draft` what comes out, `reading` one way to read it; then one file per language, and
//! `beside` for what stands beside a program.

mod beside;
mod cargo;
mod compose;
mod draft;
mod frameworks;
mod go;
mod go_embed;
mod go_port;
mod go_tools;
pub mod import;
mod machine;
mod node;
mod node_script;
mod patterns;
mod procfile;
mod python;
mod reading;
mod tree;
mod yaml;

use crate::error::Problem;

pub use self::{
    draft::{Draft, Kind, Table, Value, as_name},
    reading::{Doubt, Finding, Place, Rank, Reading},
    tree::{Machine, Taken, Tree},
};

/// Folders that hold programs, one in each.
const SHELVES: &[&str] = &["apps", "services", "packages", "projects", "src", "crates"];
/// Folders below which nothing is looked for.
const NO_PROJECT: &[&str] = &[
    ".github",
    ".vscode",
    "benchmark",
    "benchmarks",
    "ci",
    "deploy",
    "docs",
    "e2e",
    "example",
    "examples",
    "scripts",
    "test",
    "tests",
    "tools",
    "website",
];

/// What a folder is to run: the reading of these names (`devloop up api`); without names, the only likely one. With it
/// comes what stands beside it: the other lines of a Procfile, the databases of a compose file, `.env`.
///
/// # Errors
/// It can be read in no way, or in several and nobody has said which: all of them, and how to say it.
pub fn find(tree: &Tree, names: &[String]) -> Result<Finding, Problem> {
    let mut finding = reading::choose(readings(tree), names)?;
    beside::put(tree, &mut finding);
    Ok(finding)
}

/// Everything that a folder can be read as.
pub fn readings(tree: &Tree) -> Vec<Reading> {
    let mut readings = here(tree);
    let has_likely = readings.iter().any(|reading| reading.rank == Rank::Likely);
    let mut below = below(tree);
    // A workspace has named its members already.
    below.retain(|reading| readings.iter().all(|known| known.what != reading.what));
    if has_likely {
        let pages = below.into_iter().filter(|reading| reading.what.contains("package.json"));
        readings.extend(pages.map(Reading::aside));
    } else {
        readings.extend(below);
    }
    tell_apart(&mut readings);
    readings
}

/// What the folder itself can be read as.
fn here(tree: &Tree) -> Vec<Reading> {
    let frameworks = [frameworks::ruby, frameworks::php, frameworks::elixir, frameworks::jvm, frameworks::deno];
    let conventional: Vec<Reading> = frameworks.iter().filter_map(|read| read(tree)).collect();
    let python = python::readings(tree);
    let owns_pages = !conventional.is_empty() || tree.has("manage.py");
    let mut readings = go::readings(tree);
    readings.extend(cargo::readings(tree));
    readings.extend(conventional);
    readings.extend(frameworks::dotnet(tree));
    let node = node::readings(tree).into_iter();
    readings.extend(node.map(|reading| match owns_pages {
        // A framework's own bundler is no second `web`.
        true if reading.name == "web" => reading.named("assets").aside(),
        true => reading.aside(),
        false => reading,
    }));
    // A script beside a program in another language is seldom what is meant.
    let known = readings.iter().any(|reading| reading.rank == Rank::Likely);
    let is_script = |reading: &Reading| reading.what.starts_with("a Python program");
    readings
        .extend(python.into_iter().map(|reading| if known && is_script(&reading) { reading.aside() } else { reading }));
    with_procfile(tree, serving_first(readings))
}

/// What listens is what a project is there for; what does not is its tools, if something else does.
fn serving_first(readings: Vec<Reading>) -> Vec<Reading> {
    let listens = |reading: &Reading| {
        let none = |table: &Table| matches!(table.get("port"), Some(Value::Text(none)) if none == "none");
        reading.draft.of(Kind::Service).any(|table| !none(table))
    };
    let some = readings.iter().any(|reading| reading.rank == Rank::Likely && listens(reading));
    readings.into_iter().map(|reading| if some && !listens(&reading) { reading.aside() } else { reading }).collect()
}

/// What a Procfile.dev says is meant; a Procfile speaks of a deployment, and counts where nothing else is known.
fn with_procfile(tree: &Tree, readings: Vec<Reading>) -> Vec<Reading> {
    if let Some(said) = procfile::reading(tree, "Procfile.dev") {
        let name = said.name.clone();
        let others = readings.into_iter().map(Reading::aside).filter(|other| other.name != name);
        return std::iter::once(said).chain(others).collect();
    }
    match procfile::reading(tree, "Procfile") {
        Some(said) if readings.is_empty() => vec![said],
        _ => readings,
    }
}

/// What the folders below can be read as: those right here, and those on a shelf such as `apps/`.
fn below(tree: &Tree) -> Vec<Reading> {
    let mut readings = Vec::new();
    for folder in tree.folders() {
        if NO_PROJECT.contains(&folder) {
            continue;
        }
        let inside = tree.inside(folder);
        let found = here(&inside);
        if found.is_empty() && SHELVES.contains(&folder) {
            let names: Vec<String> = inside.folders().into_iter().map(str::to_owned).collect();
            for name in names {
                let found = here(&inside.inside(&name));
                readings.extend(named_by(found, &name).map(|reading| reading.moved(&format!("{folder}/{name}/"))));
            }
        } else {
            readings.extend(named_by(found, folder).map(|reading| reading.moved(&format!("{folder}/"))));
        }
    }
    readings
}

/// The only program of a folder is called as the folder is.
fn named_by(readings: Vec<Reading>, folder: &str) -> impl Iterator<Item = Reading> {
    let only = readings.iter().filter(|reading| reading.rank == Rank::Likely).count() == 1;
    let folder = as_name(folder);
    readings.into_iter().map(move |reading| {
        let services = reading.draft.of(Kind::Service).count();
        if only && reading.rank == Rank::Likely && services == 1 { reading.named(&folder) } else { reading }
    })
}

/// No two have the same name.
fn tell_apart(readings: &mut [Reading]) {
    for index in 1..readings.len() {
        let (before, rest) = readings.split_at_mut(index);
        let name = rest[0].name.clone();
        let taken = |name: &String| before.iter().any(|other| other.name == *name);
        if taken(&name) {
            let free = (2..).map(|number| format!("{name}-{number}")).find(|name| !taken(name)).unwrap_or_default();
            rest[0] = rest[0].clone().named(&free);
        }
    }
}
