//! Writing below `.devloop`: whole files or none, folders, removal, and what to say when the disk refuses.
#![expect(clippy::disallowed_methods, reason = "the door to writing below .devloop")]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::FOLDER;
use crate::error::Problem;

/// Makes this folder and those above it, but not the project: one that was deleted stays so.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let state = path.ancestors().find(|folder| folder.file_name() == Some(FOLDER.as_ref()));
    if let Some(project) = state.and_then(Path::parent) {
        fs::metadata(project)?;
    }
    fs::create_dir_all(path)
}

/// Replaces the file at once: whoever reads it finds the old content or the new one, never a piece.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_data()
    });
    let done = written.and_then(|()| fs::rename(&new, path));
    if done.is_err() {
        // a part of a file helps nobody; if it cannot be removed the next write replaces it
        let _ = fs::remove_file(&new);
    }
    done
}

/// Opens a file for reading and writing; makes it if it is missing, keeps its content.
pub(super) fn open_or_make(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Opens a file to write behind its end; makes it if it is missing.
pub(super) fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Gives a file another name; what had that name is gone.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Removes a file or a folder with everything in it, also one whose folders are read-only. What cannot be removed stays
/// for the next time.
pub(super) fn remove_quietly(path: &Path) {
    let Ok(info) = fs::symlink_metadata(path) else { return };
    if !info.is_dir() {
        let _ = fs::remove_file(path);
        return;
    }
    if fs::remove_dir_all(path).is_err() {
        make_writable(path);
        let _ = fs::remove_dir_all(path);
    }
}

/// Some tools write read-only folders (Go's module cache).
fn make_writable(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
        open.extend(folders_in(&folder));
    }
}

/// The folders directly in this one; links are none.
pub(super) fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.flatten().filter(is_folder).map(|entry| entry.path()).collect()
}

/// What to say when something could not be done to `path`.
pub(super) fn problem(what: &str, path: &Path, error: &io::Error) -> Problem {
    let problem = Problem::new(format!("cannot {what} `{}`", path.display())).caused_by(error);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            problem.hint("the disk is full: free some space, for example by removing `.devloop/artifacts`")
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            problem.hint("devloop keeps artifacts, logs and its lock there: the folder must be writable")
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            problem.hint("a file is in the way of a folder: move it")
        }
        _ => problem,
    }
}
