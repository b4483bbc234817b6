//! Paths relative to the root, with `..` where they lie outside, and patterns of them.

use std::{
    ffi::OsStr,
    path::{Component, Path, PathBuf},
};

/// `path` (absolute) as seen from `root` (absolute); `..` and `.` in it are resolved by name only.
pub(super) fn relative(root: &Path, path: &Path) -> PathBuf {
    let (root, path) = (plain(root), plain(path));
    let mut ours = root.components().peekable();
    let mut theirs = path.components().peekable();
    while ours.peek().is_some() && ours.peek() == theirs.peek() {
        ours.next();
        theirs.next();
    }
    ours.map(|_| OsStr::new("..")).chain(theirs.map(Component::as_os_str)).collect()
}

/// Without `.` and, by name, without `..`.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                found.pop();
            }
            other => found.push(other),
        }
    }
    found
}

/// A pattern for what `rest` (itself a pattern) matches below `folder`, relative to `root`. None if the folder's name
/// is not UTF-8: its files are then only known one by one.
pub(super) fn pattern(root: &Path, folder: &Path, rest: &str) -> Option<String> {
    let folder = relative(root, folder);
    let folder = folder.to_str()?;
    Some(if folder.is_empty() { rest.to_owned() } else { format!("{}/{rest}", literal(folder)) })
}

/// A pattern that matches only this text.
pub(super) fn literal(text: &str) -> String {
    let mut found = String::new();
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!') {
            found.push('\\');
        }
        found.push(character);
    }
    found
}

/// The folders from `folder` up to `root`, both included; only `folder` if it is not below `root`.
pub(super) fn upward<'a>(root: &Path, folder: &'a Path) -> Vec<&'a Path> {
    if !folder.starts_with(root) {
        return vec![folder];
    }
    folder.ancestors().take_while(|above| above.starts_with(root)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Globs;

    #[test]
    fn paths_outside_the_root_go_up_first() {
        let root = Path::new("/work/app");
        assert_eq!(relative(root, Path::new("/work/app/a/b.go")), Path::new("a/b.go"));
        assert_eq!(relative(root, Path::new("/work/lib/./x/../y.go")), Path::new("../lib/y.go"));
        assert_eq!(relative(root, Path::new("/work/app")), Path::new(""));
    }

    #[test]
    fn a_folder_of_any_name_is_matched_only_by_itself() {
        for name in ["plain", "a b", "[x]", "{a,b}", "!not", "st*r", "back\\slash", "que?tion"] {
            let root = Path::new("/r");
            let pattern = pattern(root, &root.join(name), "*.go").expect("UTF-8");
            let globs = Globs::new(&[pattern]).expect(name);
            assert!(globs.matches(&Path::new(name).join("x.go")), "{name}");
            assert!(!globs.matches(Path::new("other/x.go")), "{name}");
            assert!(!globs.matches(&Path::new(name).join("deep/x.go")), "{name}");
        }
    }

    #[test]
    fn patterns_outside_the_root_match() {
        let pattern = pattern(Path::new("/work/app"), Path::new("/work/lib"), "*.go").expect("UTF-8");
        assert!(Globs::new(&[pattern]).expect("a pattern").matches(Path::new("../lib/x.go")));
    }
}
