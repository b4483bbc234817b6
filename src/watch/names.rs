//! One file, two names: relative to the project's root for everyone else, absolute for the OS. Purely lexical.

use std::path::{Component, Path, PathBuf};

use crate::model::FilePath;

/// Turns one kind of name into the other.
#[derive(Clone, Debug)]
pub(super) struct Names {
    root: PathBuf,
}

impl Names {
    /// Names relative to `root`, which is absolute.
    pub(super) fn new(root: &Path) -> Names {
        Names { root: root.to_owned() }
    }

    /// The project's root.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The name the plan uses, with leading `..` outside the root; empty for the root itself.
    pub(super) fn short(&self, absolute: &Path) -> FilePath {
        if let Ok(inside) = absolute.strip_prefix(&self.root) {
            return FilePath::from(inside);
        }
        let mut up = PathBuf::new();
        for ancestor in self.root.ancestors() {
            if let Ok(rest) = absolute.strip_prefix(ancestor) {
                return FilePath::from(up.join(rest));
            }
            up.push("..");
        }
        FilePath::from(absolute)
    }

    /// The absolute name, without `.` and `..`.
    pub(super) fn full(&self, file: &Path) -> PathBuf {
        let mut full = self.root.clone();
        for component in file.components() {
            match component {
                Component::ParentDir => {
                    full.pop();
                }
                Component::Normal(name) => full.push(name),
                Component::RootDir | Component::Prefix(_) => full = PathBuf::from("/"),
                Component::CurDir => {}
            }
        }
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_root_begin_with_dots_and_come_back() {
        let names = Names::new(Path::new("/home/me/shop"));
        for (absolute, short) in [
            ("/home/me/shop/cmd/main.go", "cmd/main.go"),
            ("/home/me/lib/a.go", "../lib/a.go"),
            ("/etc/hosts", "../../../etc/hosts"),
            ("/home/me/shopping/a.go", "../shopping/a.go"),
        ] {
            assert_eq!(&*names.short(Path::new(absolute)), Path::new(short));
            assert_eq!(names.full(Path::new(short)), Path::new(absolute));
        }
        assert_eq!(names.full(Path::new("./a/../b")), Path::new("/home/me/shop/b"));
    }
}
