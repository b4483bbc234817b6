//! A folder without a dev.toml: what it is taken for, and the plan that follows.

use std::path::{Path, PathBuf};

use super::environment;
use crate::{
    app::Note,
    config::{self, FILE_NAME, Loaded},
    detect::{self, Finding, Machine, Tree},
    error::Problem,
};

/// A plan that nobody has written.
pub(super) struct Detected {
    /// What it says.
    pub(super) loaded: Loaded,
    /// What was assumed, why, and what is not sure: at most four lines.
    pub(super) assumed: Vec<String>,
}

/// The files of a folder, and this machine.
pub(super) fn tree(root: &Path) -> Tree {
    Tree::below(root, Machine::here())
}

/// The current folder, without symlinks.
pub(super) fn root() -> Result<PathBuf, Problem> {
    let here = environment::current_dir()?;
    Ok(here.canonicalize().unwrap_or(here))
}

/// What the current folder is to run; `names` say which of several programs.
///
/// # Errors
/// Nothing is found, or several things and nobody has said which.
pub(super) fn plan(names: &[String]) -> Result<Detected, Vec<Problem>> {
    let root = root().map_err(|problem| vec![problem])?;
    let finding = detect::find(&tree(&root), names).map_err(|problem| vec![nothing_there(problem, &root)])?;
    let loaded = load(&finding, &root)?;
    Ok(Detected { loaded, assumed: finding.lines() })
}

/// What was assumed, as it is told; the last line says how to write it down.
pub(super) fn notes(assumed: Vec<String>) -> Vec<Note> {
    let last = assumed.len();
    let hint =
        |line| (line == last).then(|| "`devloop init` writes this into dev.toml, to be changed there".to_owned());
    (1..).zip(assumed).map(|(line, text)| Note { text, hint: hint(line) }).collect()
}

/// A finding as a plan.
pub(super) fn load(finding: &Finding, root: &Path) -> Result<Loaded, Vec<Problem>> {
    let text = finding.draft.toml();
    config::load(&text, Path::new(FILE_NAME), root).map_err(|mut problems| {
        let unusual = Problem::new("what was detected here cannot be run as it is");
        problems.insert(0, unusual.hint("`devloop init --stdout > dev.toml` writes it down, to be mended"));
        problems
    })
}

/// The nearest folder above that is a project, and what says so: `devloop up` was typed in one of its folders.
fn above(root: &Path) -> Option<(&Path, &'static str)> {
    const MARKS: &[&str] =
        &["go.mod", "Cargo.toml", "package.json", "manage.py", "pyproject.toml", "Gemfile", "pom.xml"];
    root.ancestors().skip(1).find_map(|folder| {
        let mark = MARKS.iter().find(|mark| folder.join(mark).is_file())?;
        Some((folder, *mark))
    })
}

const NOTHING_HINT: &str = "\
`devloop up -- CMD` runs a command as it is; or write a dev.toml, for a server that learns its port from `$PORT`:

[[service]]
name = \"web\"
run = \"./server\"
";

/// Where a problem has no advice of its own: how to begin by hand.
fn nothing_there(problem: Problem, root: &Path) -> Problem {
    if problem.hint.is_some() {
        return problem;
    }
    let message = format!("no {FILE_NAME} in `{}` or a folder above it, and {}", root.display(), problem.message);
    let hint = match above(root) {
        Some((folder, file)) => {
            format!("`{file}` is in `{0}`: `devloop -C {0} up` looks there", folder.display())
        }
        None => NOTHING_HINT.to_owned(),
    };
    Problem::new(message).hint(hint)
}
