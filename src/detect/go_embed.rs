//! Go: folders that a program embeds and that are in no repository, because a front end's build makes them. Without
//! them `go build` fails: "pattern dist: no matching files found".

use std::collections::BTreeSet;

use super::{
    draft::{Draft, Table, Value, as_name},
    go::{Code, Program},
    go_tools::Generated,
    node,
    patterns::pattern,
    reading::Doubt,
    tree::{Tree, folder_of},
};

/// What a front end is built from.
const SOURCES: &[&str] = &["**/*.{js,jsx,mjs,ts,mts,tsx,vue,svelte,css,scss,less,html,json,svg}"];

/// Puts the steps that make them before the build.
pub(super) fn put(code: &Code, program: &Program, generated: &mut Generated) {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for (base, file) in embedded(code, program) {
        if is_in_the_repository(code.tree, &base) {
            continue;
        }
        match front_end(code.tree, &base) {
            Some(folder) if known.insert(folder.clone()) => build(code.tree, &folder, &base, generated),
            Some(_) => {}
            None if code.tree.has(&base) => {}
            None => generated.doubts.push(Doubt::new(format!(
                "{file} embeds `{base}`, which is not here: go cannot build it before something has made that"
            ))),
        }
    }
}

/// What the program's packages embed, up to the first wildcard, and the file that says so.
fn embedded<'t>(code: &Code<'t>, program: &Program) -> Vec<(String, &'t str)> {
    let line = pattern(r"(?m)^//go:embed\s+(.+)$");
    let own = |path: &&str| program.packages.contains(&folder_of(path)) && !path.ends_with("_test.go");
    let mut found = Vec::new();
    for path in code.tree.ending(&[".go"]).filter(own) {
        let text = code.tree.text(path).unwrap_or_default();
        for words in line.captures_iter(&text) {
            for word in words[1].split_whitespace() {
                let word = word.trim_matches(['"', '`']).trim_start_matches("all:");
                let fixed: Vec<&str> =
                    word.split('/').take_while(|part| !part.contains(['*', '?', '[', '{'])).collect();
                let folder = folder_of(path);
                let base = if folder == "." { fixed.join("/") } else { format!("{folder}/{}", fixed.join("/")) };
                let base = base.trim_end_matches('/').to_owned();
                if !fixed.is_empty() && !found.iter().any(|(known, _)| *known == base) {
                    found.push((base, path));
                }
            }
        }
    }
    found
}

/// Whether git has something there, other than a mark that keeps the folder.
fn is_in_the_repository(tree: &Tree, base: &str) -> bool {
    let below = format!("{base}/");
    let kept = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
    tree.paths().any(|path| path == base || path.starts_with(&below) && !kept(path))
}

/// The nearest folder around it whose package.json knows how to build.
fn front_end(tree: &Tree, base: &str) -> Option<String> {
    let mut folder = folder_of(base);
    loop {
        let file = if folder == "." { "package.json".to_owned() } else { format!("{folder}/package.json") };
        if tree.json(&file).is_some_and(|package| package["scripts"]["build"].is_string()) {
            return Some(folder.to_owned());
        }
        if folder == "." {
            return None;
        }
        folder = folder_of(folder);
    }
}

fn build(tree: &Tree, folder: &str, base: &str, generated: &mut Generated) {
    let (inside, moved, name) = match folder {
        "." => (tree.clone(), String::new(), "web".to_owned()),
        folder => (tree.inside(folder), format!("{folder}/"), as_name(folder.rsplit('/').next().unwrap_or(folder))),
    };
    let made = base.strip_prefix(&moved).unwrap_or(base);
    let Some((mut install, run, doubt)) = node::to_build(&inside) else { return };
    install.set("name", Value::Text(format!("install-{name}")));
    let step = Table::step(format!("build-{name}"), run)
        .with("inputs", [SOURCES, &[&*format!("!{made}/**")]].concat().as_slice())
        .with("outputs", vec![format!("{made}/**")])
        .why(format!("the program embeds {base}, which this makes"));
    generated.steps.extend(Draft::new(vec![install, step]).moved(&moved).tables);
    generated.doubts.extend(doubt);
}
