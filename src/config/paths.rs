//! Files and folders named in dev.toml: patterns, where something runs, files with variables.

use std::path::{Component, Path, PathBuf};

use super::{
    table::Report,
    written::{At, Common, Strings},
};
use crate::{error::Problem, model::FilePath, plan::Globs};

/// Patterns of files: the bare name of a folder matches none.
pub(super) fn file_globs(report: &mut Report, root: &Path, written: Option<&Strings>) -> Globs {
    for pattern in written.iter().flat_map(|patterns| &patterns.value) {
        let text = pattern.value.strip_prefix('!').unwrap_or(&pattern.value);
        if !text.is_empty() && !text.ends_with('/') && root.join(text).is_dir() {
            let warning = Problem::new(format!("`{}` is a folder: the pattern matches no file in it", pattern.value));
            report.warning(
                warning.hint(format!("write `{}/` for everything below it", pattern.value)),
                pattern.span.clone(),
            );
        }
    }
    globs(report, written)
}

/// Patterns; each one that is none is a problem at its own place.
pub(super) fn globs(report: &mut Report, written: Option<&Strings>) -> Globs {
    let Some(written) = written else { return Globs::default() };
    let mut good = Vec::new();
    for pattern in &written.value {
        let text = pattern.value.strip_prefix('!').unwrap_or(&pattern.value);
        let problem = if text.trim().is_empty() {
            Some(Problem::new("an empty pattern matches nothing"))
        } else if text.starts_with('/') || text.starts_with('~') {
            let problem = Problem::new(format!("the pattern `{}` is not relative", pattern.value));
            Some(problem.hint("patterns are relative to the folder of dev.toml; `../lib/**` reaches outside of it"))
        } else {
            let compiled = Globs::new(std::slice::from_ref(&pattern.value));
            compiled.err().map(|(_, why)| Problem::new(format!("`{}` is not a pattern: {why}", pattern.value)))
        };
        match problem {
            Some(problem) => report.problem(problem, pattern.span.clone()),
            None => good.push(pattern.value.clone()),
        }
    }
    if !good.is_empty() && good.len() == written.value.len() && good.iter().all(|pattern| pattern.starts_with('!')) {
        let problem = Problem::new("these patterns only take paths out: nothing matches");
        report.problem(problem.hint("put `\"**\"` before them for everything else"), written.span.clone());
    }
    Globs::new(&good).unwrap_or_default()
}

/// Where it runs; a folder that is none is a problem.
pub(super) fn cwd(report: &mut Report, root: &Path, common: &Common) -> PathBuf {
    let Some(cwd) = &common.cwd else { return root.to_path_buf() };
    let folder = tidy(&root.join(&cwd.value));
    if !folder.is_dir() {
        let problem = match folder.exists() {
            true => Problem::new(format!("`{}` is not a folder", cwd.value)),
            false => Problem::new(format!("the folder `{}` does not exist", cwd.value)),
        };
        report.problem(problem.hint("`cwd` is relative to the folder of dev.toml"), cwd.span.clone());
    }
    folder
}

/// Files with variables, as the plan names them.
pub(super) fn env_files(report: &mut Report, root: &Path, common: &Common) -> Vec<FilePath> {
    let mut files = Vec::new();
    for written in common.env_files.iter().flat_map(|files| &files.value) {
        files.extend(file(report, root, written));
    }
    files
}

/// A file that is read, as the plan names it; it may come later.
pub(super) fn file(report: &mut Report, root: &Path, file: &At<String>) -> Option<FilePath> {
    let path = tidy(&root.join(&file.value));
    if file.value.is_empty() {
        report.problem(Problem::new("the name of this file is empty"), file.span.clone());
        return None;
    }
    if path.is_dir() {
        report.problem(Problem::new(format!("`{}` is a folder, not a file", file.value)), file.span.clone());
        return None;
    }
    if !path.exists() {
        let warning = Problem::new(format!("`{}` does not exist", file.value));
        report.warning(warning.hint("it is read as soon as it does"), file.span.clone());
    }
    Some(relative(root, &path).into())
}

/// `path` as the plan names it: below `root`, or with leading `..`, or absolute where they share nothing.
pub(super) fn relative(root: &Path, path: &Path) -> PathBuf {
    if let Ok(inside) = path.strip_prefix(root) {
        return inside.to_path_buf();
    }
    let shared = root.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    if shared <= 1 {
        return path.to_path_buf();
    }
    let ups = root.components().skip(shared).map(|_| Component::ParentDir);
    ups.chain(path.components().skip(shared)).collect()
}

/// Without `.` and `..`, as far as names tell.
pub(super) fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => _ = tidy.pop(),
            other => tidy.push(other),
        }
    }
    tidy
}
