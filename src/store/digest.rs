//! The content of an artifact, which may be a file or a folder, and a cheaper mark that tells whether it was touched.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::Xxh3;

use crate::model::Digest;

/// Read at a time, in bytes.
const PIECE: usize = 64 * 1024;

/// A mark of an artifact and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Over sizes, times and inodes.
    pub(super) mark: Digest,
    /// In all, in bytes.
    pub(super) bytes: u64,
}

/// The content at `path`; none if nothing is there. Of a file: its bytes and whether it is executable, not its name. Of
/// a folder: the same of everything below it, with names; links by where they lead to. Neither times nor owners count.
/// A large file is streamed.
///
/// # Errors
/// It is there and cannot be read.
pub fn artifact_digest(path: &Path) -> io::Result<Option<Digest>> {
    let mut hash = Xxh3::new();
    match walk(path, &mut |entry| content(&entry, &mut hash)) {
        Ok(()) => Ok(Some(Digest(hash.digest128()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What tells whether somebody touched the artifact, without reading it.
pub(super) fn stamp(path: &Path) -> io::Result<Stamp> {
    let mut hash = Xxh3::new();
    let mut bytes = 0;
    walk(path, &mut |entry| {
        name(&entry, &mut hash);
        let info = &entry.info;
        let numbers = [info.len(), info.ino(), info.mode().into()];
        let times = [info.mtime(), info.mtime_nsec()];
        numbers.iter().for_each(|number| hash.update(&number.to_le_bytes()));
        times.iter().for_each(|time| hash.update(&time.to_le_bytes()));
        bytes += if info.is_file() { info.len() } else { 0 };
        Ok(())
    })?;
    Ok(Stamp { mark: Digest(hash.digest128()), bytes })
}

struct Entry {
    path: PathBuf,
    /// Relative to the artifact; empty for itself.
    name: PathBuf,
    info: Metadata,
}

/// Everything at and below `path`, parents first, in the order of names. The artifact itself may be a link.
fn walk(path: &Path, each: &mut impl FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
    let mut open = vec![(path.to_owned(), PathBuf::new(), fs::metadata(path)?)];
    while let Some((path, name, info)) = open.pop() {
        if info.is_dir() {
            let mut names: Vec<OsString> =
                fs::read_dir(&path)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<_>>()?;
            names.sort();
            for below in names.into_iter().rev() {
                let path = path.join(&below);
                let info = fs::symlink_metadata(&path)?;
                open.push((path, name.join(below), info));
            }
        }
        each(Entry { path, name, info })?;
    }
    Ok(())
}

/// Every part is preceded by its length or has a fixed one, so that no two trees read the same.
fn content(entry: &Entry, hash: &mut Xxh3) -> io::Result<()> {
    name(entry, hash);
    let kind = entry.info.file_type();
    if kind.is_dir() {
        hash.update(b"d");
    } else if kind.is_symlink() {
        let target = fs::read_link(&entry.path)?;
        hash.update(b"l");
        hash.update(&(target.as_os_str().len() as u64).to_le_bytes());
        hash.update(target.as_os_str().as_bytes());
    } else if kind.is_file() {
        let executable = entry.info.mode() & 0o111 != 0;
        hash.update(if executable { b"x" } else { b"f" });
        let length = stream(&entry.path, hash)?;
        hash.update(&length.to_le_bytes());
    } else {
        // a socket or a pipe has no content and reading it may never end
        hash.update(b"o");
    }
    Ok(())
}

fn name(entry: &Entry, hash: &mut Xxh3) {
    let name = entry.name.as_os_str().as_bytes();
    hash.update(&(name.len() as u64).to_le_bytes());
    hash.update(name);
}

fn stream(path: &Path, hash: &mut Xxh3) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; PIECE];
    let mut length = 0;
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(length),
            Ok(read) => {
                hash.update(&piece[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
