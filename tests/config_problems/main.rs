//! Bad dev.tomls, and exactly what a person is told about each.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod addresses;
mod health;
mod hooks;
mod keys;
mod middleware;
mod names;
mod pages;
mod paths;
mod routes;
mod services;
mod times;
mod tls;
mod values;

use std::path::Path;

use devloop::{
    config,
    error::{Colour, render, render_warnings},
};

/// What a person is warned of, although it can be run.
fn warnings_of(toml: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    let loaded = config::load(&format!("{toml}\n"), Path::new("dev.toml"), &root);
    let warnings = loaded.unwrap_or_else(|problems| panic!("{problems:?}")).warnings;
    render_warnings(&warnings, Colour::Never).trim_end().to_owned()
}

/// All that is said about this dev.toml, in a folder with a folder `web` and a file `file`.
fn problem_of(toml: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("web")).unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    let toml = if toml.is_empty() { String::new() } else { format!("{toml}\n") };
    match config::load(&toml, Path::new("dev.toml"), &root) {
        Ok(loaded) => panic!("no problem was found: {:#?}", loaded.plan),
        Err(problems) => render(&problems, Colour::Never).trim_end().to_owned(),
    }
}
