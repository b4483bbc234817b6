//! What is in a file, as one number: never waits for a FIFO, never reads more than 16 MiB, follows no symlink.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::Path,
    time::Duration,
};

use nix::libc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

use crate::{model::Digest, sys::unix_time};

/// Files above this size are told apart by size, time and inode.
pub(super) const READ_LIMIT: u64 = 16 * 1024 * 1024;

/// A file whose time is not older than this when it is looked at may be written again within the same tick of its
/// file system's clock (2 s on FAT, 10 ms on ext4).
const MARGIN: Duration = Duration::from_secs(2);

/// What a look at a path showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// What is in it; `MISSING`'s if it is not there.
    pub(super) content: Digest,
    /// What the file system says about it.
    pub(super) print: Print,
    /// Whether an equal print later on means equal content.
    pub(super) age: Age,
    /// Nanoseconds since 1970 of its newest change, on the file system's clock; `i64::MIN` if it is not there.
    pub(super) changed: i64,
}

/// Times, size, inode and mode of a file in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print(pub(super) u64);

/// Whether the file was old enough when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Its print tells its content.
    Old,
    /// It was just written: a later write may leave the same print.
    Young,
}

/// The digest of a path where nothing is.
pub(super) fn missing() -> Digest {
    Digest(xxh3_128(b"missing"))
}

/// Looks at `path`. Content is taken from `known` if the print is the same.
pub(super) fn look(path: &Path, known: impl FnOnce(Print) -> Option<Digest>) -> Look {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return Look { content: missing(), print: Print(0), age: Age::Old, changed: i64::MIN };
    };
    let print = Print::of(&metadata);
    let mut changed = changed_at(&metadata);
    let age = if changed.saturating_add(nanos(MARGIN)) < nanos(unix_time()) { Age::Old } else { Age::Young };
    let content = known(print).unwrap_or_else(|| {
        let content = content(path, &metadata);
        // A write that came after the first look at its time may be in what was read.
        changed = changed.max(self::changed(path));
        content
    });
    Look { content, print, age, changed }
}

/// When `path` was changed last, in nanoseconds since 1970; `i64::MIN` if it is not there.
pub(super) fn changed(path: &Path) -> i64 {
    std::fs::symlink_metadata(path).map_or(i64::MIN, |metadata| changed_at(&metadata))
}

/// The nanoseconds in `time`.
pub(super) fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// When content, name or mode changed last, whichever is newer.
fn changed_at(metadata: &Metadata) -> i64 {
    let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    nanos(metadata.mtime(), metadata.mtime_nsec()).max(nanos(metadata.ctime(), metadata.ctime_nsec()))
}

impl Print {
    /// That of a file with this metadata. A folder's says only which folder it is.
    pub(super) fn of(metadata: &Metadata) -> Print {
        let mut bytes = [0; 56];
        let folder = metadata.is_dir();
        let numbers = [
            metadata.ino(),
            u64::from(metadata.mode()),
            metadata.size(),
            metadata.mtime().cast_unsigned(),
            metadata.mtime_nsec().cast_unsigned(),
            metadata.ctime().cast_unsigned(),
            metadata.ctime_nsec().cast_unsigned(),
        ];
        let numbers = if folder { &numbers[..1] } else { &numbers[..] };
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        Print(xxh3_64(&bytes))
    }
}

fn content(path: &Path, metadata: &Metadata) -> Digest {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = std::fs::read_link(path).unwrap_or_default();
        return tagged(b"link", target.as_os_str().as_bytes());
    }
    if kind.is_dir() {
        return tagged(b"folder", b"");
    }
    if !kind.is_file() {
        let what = [kind.is_fifo(), kind.is_socket(), kind.is_char_device(), kind.is_block_device()].map(u8::from);
        return tagged(b"special", &what);
    }
    if metadata.size() > READ_LIMIT {
        return by_print(b"large", metadata);
    }
    match read(path) {
        Ok(digest) => digest,
        Err(error) if error.kind() == io::ErrorKind::NotFound => missing(),
        Err(_) => by_print(b"unreadable", metadata),
    }
}

fn by_print(tag: &[u8], metadata: &Metadata) -> Digest {
    let numbers = [metadata.size(), metadata.ino(), u64::from(metadata.mode() & 0o111 != 0)];
    let times = [metadata.mtime(), metadata.mtime_nsec()];
    let numbers = numbers.into_iter().chain(times.map(i64::cast_unsigned));
    tagged(tag, &numbers.flat_map(u64::to_ne_bytes).collect::<Vec<u8>>())
}

fn tagged(tag: &[u8], bytes: &[u8]) -> Digest {
    let mut hasher = Xxh3::new();
    hasher.update(tag);
    hasher.update(&[0]);
    hasher.update(bytes);
    Digest(hasher.digest128())
}

/// Reads a regular file. It may have become something else since it was looked at: hence the flags and the second look.
fn read(path: &Path) -> io::Result<Digest> {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_CLOEXEC;
    let mut file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut hasher = Xxh3::new();
    hasher.update(if metadata.mode() & 0o111 == 0 { b"file\0" } else { b"exec\0" });
    let mut buffer = [0; 32 * 1024];
    let mut total = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest(hasher.digest128())),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if total > READ_LIMIT {
            return Ok(by_print(b"large", &file.metadata()?));
        }
    }
}
