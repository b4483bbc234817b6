//! From what follows a route's path to a file in its folder, and never out of it: not by `..`, not by links, not to
//! hidden files.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use std::os::unix::fs::MetadataExt;

/// The page of a folder.
const INDEX: &str = "index.html";
/// The one hidden folder that is there to be asked for (RFC 8615).
const WELL_KNOWN: &[u8] = b".well-known";

/// What is asked for: a path below the folder, without `.` and `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    path: PathBuf,
    ends: Ends,
}

/// How its address ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// With a name: a file's.
    InName,
    /// With a `/`: a folder's.
    InSlash,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Found {
    File(File),
    /// A folder that was asked for without a `/` at the end.
    Folder,
}

/// An open file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) file: fs::File,
    pub(super) path: PathBuf,
    /// In bytes.
    pub(super) length: u64,
    pub(super) modified: SystemTime,
    pub(super) inode: u64,
}

/// Why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// No such file that may be shown.
    File,
    /// The whole folder is not there.
    Folder,
    /// It is there and cannot be read; why.
    Unreadable(String),
}

impl Asked {
    /// Percent-codes are decoded once. None where no file can be meant: `..`, a name with `/` in it, a hidden name.
    pub(super) fn new(below: &str) -> Option<Asked> {
        let mut path = PathBuf::new();
        for segment in below.split('/').filter(|segment| !segment.is_empty()) {
            let name = decode(segment);
            if name.contains(&b'/') || name.contains(&0) || is_hidden(&name) {
                return None;
            }
            path.push(OsStr::from_bytes(&name));
        }
        let ends = if below.ends_with('/') || below.is_empty() { Ends::InSlash } else { Ends::InName };
        Some(Asked { path, ends })
    }
}

fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") && name != WELL_KNOWN
}

fn decode(segment: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = match after {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match code {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Looks for it on disk. May block.
pub(super) fn find(folder: &Path, asked: &Asked) -> Result<Found, Missing> {
    let root = fs::canonicalize(folder).map_err(|_| Missing::Folder)?;
    let mut path = root.join(&asked.path);
    if fs::metadata(&path).is_ok_and(|meta| meta.is_dir()) {
        if asked.ends == Ends::InName {
            // Whether it may be shown at all comes first.
            return inside(&root, &path).map(|_| Found::Folder);
        }
        path.push(INDEX);
    } else if asked.ends == Ends::InSlash {
        return Err(Missing::File);
    }
    let path = inside(&root, &path)?;
    let meta = fs::metadata(&path).map_err(|error| missing(&error))?;
    // Opening anything but a file may wait for ever.
    if !meta.is_file() {
        return Err(Missing::File);
    }
    let file = fs::File::open(&path).map_err(|error| missing(&error))?;
    let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(Found::File(File { file, path, length: meta.len(), modified, inode: meta.ino() }))
}

/// Where it really is, if that is in the folder and not hidden.
fn inside(root: &Path, path: &Path) -> Result<PathBuf, Missing> {
    let real = fs::canonicalize(path).map_err(|error| missing(&error))?;
    let below = real.strip_prefix(root).map_err(|_| Missing::File)?;
    let hidden = |part: Component<'_>| is_hidden(part.as_os_str().as_bytes());
    if below.components().any(hidden) { Err(Missing::File) } else { Ok(real) }
}

fn missing(error: &io::Error) -> Missing {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Missing::Unreadable(error.to_string()),
        _ => Missing::File,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's own files")]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("public/docs")).unwrap();
        fs::create_dir_all(at("public/.git")).unwrap();
        fs::create_dir_all(at("public/.well-known")).unwrap();
        for file in
            ["secret", "public/a b.txt", "public/docs/index.html", "public/.env", "public/.git/config", "public/100%"]
        {
            fs::write(at(file), file).unwrap();
        }
        fs::write(at("public/.well-known/x"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", at("public/out")).unwrap();
        std::os::unix::fs::symlink(".env", at("public/env")).unwrap();
        std::os::unix::fs::symlink("a b.txt", at("public/in")).unwrap();
        std::os::unix::fs::symlink("..", at("public/up")).unwrap();
        nix::unistd::mkfifo(&at("public/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        folder
    }

    fn found(folder: &tempfile::TempDir, below: &str) -> Result<String, Missing> {
        let asked = Asked::new(below).ok_or(Missing::File)?;
        find(&folder.path().join("public"), &asked).map(|found| match found {
            Found::File(file) => file.path.file_name().unwrap().to_string_lossy().into_owned(),
            Found::Folder => "a folder".to_owned(),
        })
    }

    #[test]
    fn files_and_the_pages_of_folders_are_found() {
        let folder = folder();
        for (below, name) in [
            ("/a%20b.txt", "a b.txt"),
            ("//a b.txt", "a b.txt"),
            ("/docs/", "index.html"),
            ("/docs", "a folder"),
            ("/in", "a b.txt"),
            ("/100%", "100%"),
            ("/100%25", "100%"),
            ("/.well-known/x", "x"),
        ] {
            assert_eq!(found(&folder, below).as_deref(), Ok(name), "{below}");
        }
    }

    #[test]
    fn nothing_outside_and_nothing_hidden_is_found() {
        let folder = folder();
        for below in [
            "/../secret",
            "/%2e%2e/secret",
            "/..%2Fsecret",
            "/docs/../../secret",
            "/out",
            "/up/secret",
            "/up",
            "/.env",
            "/%2Eenv",
            "/env",
            "/.git/config",
            "/.git/",
            "/a b.txt/",
            "/a%2520b.txt",
            "/a b.txt%00",
            "/pipe",
            "/none",
            "/",
        ] {
            assert_eq!(found(&folder, below), Err(Missing::File), "{below}");
        }
        assert_eq!(find(&folder.path().join("none"), &Asked::new("/").unwrap()).err(), Some(Missing::Folder));
    }
}
