//! Finding and reading dev.toml. Nothing is written.

use std::path::{Path, PathBuf};

use super::{Loaded, load};
use crate::error::Problem;

/// How the file is called.
pub const FILE_NAME: &str = "dev.toml";

/// Larger files are not dev.tomls.
const LIMIT: u64 = 4 << 20;

/// The dev.toml in `from` or in the nearest folder above it. `from` is absolute.
pub fn find(from: &Path) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join(FILE_NAME)).find(|file| file.is_file())
}

/// Reads and checks `file`; messages name it as given here. The plan's root is its folder, without symlinks.
///
/// # Errors
/// It cannot be read, is not UTF-8 or too large (4 MiB), or all problems of its text.
pub fn read(file: &Path) -> Result<Loaded, Vec<Problem>> {
    let root = root_of(file)?;
    let text = text_of(file)?;
    let name = file.file_name().map_or_else(|| file.to_path_buf(), PathBuf::from);
    let mut loaded = load(&text, file, &root)?;
    loaded.plan.file = Some(name.into());
    Ok(loaded)
}

fn unreadable(file: &Path, why: impl ToString) -> Vec<Problem> {
    vec![Problem::new(format!("`{}` cannot be read", file.display())).caused_by(why)]
}

fn root_of(file: &Path) -> Result<PathBuf, Vec<Problem>> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    folder.canonicalize().map_err(|error| unreadable(file, error))
}

fn text_of(file: &Path) -> Result<String, Vec<Problem>> {
    let kind = std::fs::metadata(file).map_err(|error| unreadable(file, error))?;
    if !kind.is_file() {
        return Err(unreadable(file, "it is not a file"));
    }
    if kind.len() > LIMIT {
        return Err(unreadable(file, "it is larger than 4 MiB"));
    }
    let bytes = std::fs::read(file).map_err(|error| unreadable(file, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        vec![
            Problem::new(format!("`{}` is not UTF-8", file.display()))
                .caused_by(format!("byte {} in line {line} belongs to no character", good + 1))
                .hint("save it as UTF-8"),
        ]
    })
}
