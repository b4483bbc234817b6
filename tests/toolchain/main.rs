//! What a build reads, asked of real tool chains.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

mod cargo;
#[path = "../support/folder.rs"]
mod folder;
mod go;
#[path = "../support/have.rs"]
mod have;

use std::{ffi::OsString, path::Path};

use devloop::{
    plan::{Learned, Tool},
    toolchain::Question,
};
use folder::Folder;

/// What is asked about this command in this folder of a project.
fn question(project: &Folder, tool: Tool, root: &str, command: &str, env: Vec<(OsString, OsString)>) -> Question {
    let root = project.root.join(root).canonicalize().unwrap();
    let command = command.split(' ').map(str::to_owned).collect();
    Question { tool, cwd: root.clone(), root, command, env }
}

fn reads(learned: &Learned, path: &str) -> bool {
    learned.files.contains(Path::new(path)) || learned.globs.matches(Path::new(path))
}

#[track_caller]
fn all_read(learned: &Learned, paths: &[&str]) {
    for path in paths {
        assert!(reads(learned, path), "{path} must be read: {learned:#?}");
    }
}

#[track_caller]
fn none_read(learned: &Learned, paths: &[&str]) {
    for path in paths {
        assert!(!reads(learned, path), "{path} must not be read: {learned:#?}");
    }
}
