//! Digests of earlier sessions, in `.devloop/digests`: a file whose print is the same need not be read at the next
//! start. Losing it costs time, nothing else.
#![expect(clippy::disallowed_methods, reason = "the door to the digests kept in .devloop")]

use std::{
    collections::HashMap,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::digest::Print;
use crate::model::Digest;

/// Names the format; another one is not read.
const HEAD: &[u8; 16] = b"devloop digests1";

/// Bytes for each file.
const RECORD: usize = 32;

/// No more than this many files are remembered: 8 MiB.
const MOST: usize = 256 * 1024;

/// What was remembered, by path and print.
#[derive(Debug, Default)]
pub(super) struct Remembered(HashMap<u128, Digest>);

impl Remembered {
    /// What an earlier session kept in `state`; empty if there is nothing, or nothing that can be read.
    pub(super) fn load(state: &Path) -> Remembered {
        let bytes = std::fs::read(file(state)).unwrap_or_default();
        let Some(records) = bytes.strip_prefix(HEAD) else { return Remembered::default() };
        let number = |bytes: &[u8]| bytes.try_into().map(u128::from_le_bytes).unwrap_or_default();
        let records = records.chunks_exact(RECORD).take(MOST);
        Remembered(records.map(|record| (number(&record[..16]), Digest(number(&record[16..])))).collect())
    }

    /// The content of `path` with this print.
    pub(super) fn content(&self, path: &Path, print: Print) -> Option<Digest> {
        self.0.get(&key(path, print)).copied()
    }
}

/// Keeps these for the next session. Failing is not worth a word: the next start is slower.
pub(super) fn save<'a>(state: &Path, files: impl Iterator<Item = (&'a Path, Print, Digest)>) {
    let mut bytes = HEAD.to_vec();
    for (path, print, content) in files.take(MOST) {
        bytes.extend(key(path, print).to_le_bytes());
        bytes.extend(content.0.to_le_bytes());
    }
    let new = state.join("digests.new");
    let written = std::fs::File::create(&new).and_then(|mut file| file.write_all(&bytes));
    if let Err(error) = written.and_then(|()| std::fs::rename(&new, file(state))) {
        tracing::debug!(%error, "digests are not kept");
    }
}

fn file(state: &Path) -> PathBuf {
    state.join("digests")
}

fn key(path: &Path, print: Print) -> u128 {
    xxh3_128_with_seed(path.as_os_str().as_bytes(), print.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_come_back_by_path_and_print_and_rubbish_is_not_read() {
        let state = tempfile::tempdir().unwrap();
        let path = Path::new("a b\n.go");
        save(state.path(), [(path, Print(7), Digest(42))].into_iter());
        let remembered = Remembered::load(state.path());
        assert_eq!(remembered.content(path, Print(7)), Some(Digest(42)));
        assert_eq!(remembered.content(path, Print(8)), None);
        assert_eq!(remembered.content(Path::new("other"), Print(7)), None);
        std::fs::write(file(state.path()), b"devloop digests9 and so on and so on and so on").unwrap();
        assert!(Remembered::load(state.path()).0.is_empty());
    }
}
