//! What never or seldom counts, by name alone: the built-in list.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

/// Folders that nothing can bring back: git's own and ours.
pub(super) fn is_hard(name: &OsStr) -> bool {
    matches!(name.as_bytes(), b".git" | b".devloop")
}

/// Folders of dependencies, outputs and caches.
pub(super) fn is_folder(name: &OsStr) -> bool {
    matches!(
        name.as_bytes(),
        b"node_modules" | b"target" | b"dist" | b".next" | b"coverage" | b"__pycache__" | b".venv"
    )
}

/// Files that programs keep writing: logs, databases and their journals, sockets.
pub(super) fn is_file(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let ends = [&b".log"[..], b".pid", b".sock", b".db", b"-wal", b"-shm", b"-journal"];
    ends.iter().any(|end| name.ends_with(end)) || contains(name, b".sqlite")
}

/// What editors put beside the file they save: swap, backup, lock and temporary files.
pub(super) fn is_litter(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.ends_with(b"~")
        || name == b"4913"
        || name.starts_with(b".#")
        || (name.len() > 1 && name.starts_with(b"#") && name.ends_with(b"#"))
        || is_vim_swap(name)
        || contains(name, b".tmp.")
        || name.ends_with(b"___jb_tmp___")
        || name.ends_with(b"___jb_old___")
        || name.starts_with(b".goutputstream-")
        || name.ends_with(b".kate-swp")
        || name.ends_with(b".bck")
}

/// `.*.sw?`
fn is_vim_swap(name: &[u8]) -> bool {
    let Some(start) = name.len().checked_sub(4) else { return false };
    name.starts_with(b".") && start > 0 && name[start..].starts_with(b".sw")
}

fn contains(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn litter_of_editors_is_known_by_name_and_sources_are_not() {
        for litter in [
            "main.go~",
            ".main.go.swp",
            ".main.go.swx",
            "4913",
            ".#main.go",
            "#main.go#",
            "x.tmp.123",
            "a.go___jb_tmp___",
            "a.go___jb_old___",
            ".goutputstream-AB12",
            ".a.go.kate-swp",
            "main.goXy12.bck",
        ] {
            assert!(is_litter(OsStr::new(litter)), "{litter}");
        }
        for source in ["main.go", "sw", ".swp", "#", "a.swift", "tmp.go", ".env", "4913.go", "~a"] {
            assert!(!is_litter(OsStr::new(source)), "{source}");
        }
        for file in ["a.log", "x.db", "x.sqlite", "x.sqlite3-wal", "app.sock", "x.db-journal"] {
            assert!(is_file(OsStr::new(file)), "{file}");
        }
        for source in ["dblog.go", "log", "db.go", "catalog"] {
            assert!(!is_file(OsStr::new(source)), "{source}");
        }
    }
}
