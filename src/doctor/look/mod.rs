//! Looks: reads files, asks tools and the system. Nothing is written, nothing is fetched from the network.

mod files;
mod go;
mod machine;
mod run;
mod speak;

use std::path::PathBuf;

use super::{
    finding::Fix,
    localhost,
    scene::{Scene, Text},
};
use crate::plan::Plan;

/// What is looked at.
#[derive(Debug)]
pub struct Project {
    /// The folder of dev.toml, else the current one; absolute.
    pub root: PathBuf,
    /// dev.toml, if there is a good one.
    pub plan: Option<Plan>,
    /// dev.toml, as it is to be shown.
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: Vec<(std::ffi::OsString, std::ffi::OsString)>,
}

/// Looks at everything that the checks want to know. Takes seconds: `go` is asked, and each program on a fixed port.
pub fn look(project: Project) -> Scene {
    let Project { root, plan, file, env } = project;
    let tools = run::Tools::new(env);
    let config = file.and_then(|file| {
        let text = std::fs::read_to_string(&file).ok()?;
        Some(Text { file, text })
    });
    let mut scene = Scene { root, plan, config, ..Scene::default() };
    files::look(&mut scene);
    go::look(&mut scene, &tools);
    let named = localhost::named_ports(&scene);
    machine::look(&mut scene, &named);
    speak::look(&mut scene);
    scene
}

/// Runs the command of a finding.
///
/// # Errors
/// One line: it cannot be started, or what it said last.
pub fn mend(fix: &Fix, env: Vec<(std::ffi::OsString, std::ffi::OsString)>) -> Result<(), String> {
    let words: Vec<&str> = fix.words.iter().map(String::as_str).collect();
    run::Tools::new(env).ask(&fix.cwd, &words, &[]).map(|_| ())
}
