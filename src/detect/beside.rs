//! What stands beside a program: the other lines of a Procfile, the databases of a compose file, `.env`.

use std::path::Path;

use super::{
    compose,
    draft::{Kind, Table, Value},
    procfile,
    reading::{Doubt, Finding},
    tree::Tree,
};
use crate::config::dotenv;

/// Puts it into the draft.
pub(super) fn put(tree: &Tree, finding: &mut Finding) {
    if !tree.has("Procfile.dev") && finding.draft.of(Kind::Service).count() == 1 {
        workers(tree, finding);
    }
    env_file(tree, finding);
    // First: without it the program often does not come up at all.
    finding.doubts.splice(..0, sample(tree));
    let needed = compose::needed(tree);
    finding.doubts.extend(needed.doubts);
    if !needed.services.is_empty() {
        compose::put(needed.services, &mut finding.draft);
    }
}

/// The lines of a Procfile but `web`, which is the program itself.
fn workers(tree: &Tree, finding: &mut Finding) {
    let known: Vec<String> = finding.draft.tables.iter().map(|table| table.name().to_owned()).collect();
    let (services, doubts) = procfile::beside(tree);
    finding.doubts.extend(doubts);
    for worker in services.into_iter().filter(|worker| !known.contains(&worker.name().to_owned())) {
        finding.draft.tables.push(worker.why("of Procfile"));
    }
}

/// A file that everybody has to make for himself, out of one that is in the repository.
fn sample(tree: &Tree) -> Option<Doubt> {
    const ENDS: &[&str] = &[".example", ".sample", ".dist", ".template", "-example", "-sample"];
    let made = |path: &str| {
        let end = ENDS.iter().find(|end| path.ends_with(**end))?;
        let name = path.strip_suffix(end)?;
        // What is nested deeply belongs to something else.
        let is_near = path.matches('/').count() <= 1 && !name.ends_with(".md") && !name.contains("docker");
        (is_near && !tree.has(name)).then(|| (path.to_owned(), name.to_owned()))
    };
    let mut found: Vec<(String, String)> = tree.paths().filter_map(made).collect();
    found.sort_by_key(|(path, name)| (!name.ends_with(".env"), path.matches('/').count()));
    let (path, name) = found.into_iter().next()?;
    Some(Doubt::new(format!("`{path}` is there and `{name}` is not, which the program may read: `cp {path} {name}`")))
}

/// `.env` is read where devloop understands it and the program's own server does not read it anyway.
fn env_file(tree: &Tree, finding: &mut Finding) {
    let Some(text) = tree.text(".env") else { return };
    if dotenv::parse(&text, Path::new(".env")).is_err() {
        finding.doubts.push(Doubt::new("`.env` is left out: not all of it is understood".to_owned()));
        return;
    }
    let reloads = |table: &Table| matches!(table.get("inputs"), Some(Value::List(list)) if list.is_empty());
    let services =
        finding.draft.tables.iter_mut().filter(|table| table.kind == Kind::Service && table.get("cwd").is_none());
    services
        .filter(|table| !reloads(table))
        .for_each(|table| table.set("env_files", Value::List(vec![".env".to_owned()])));
}
