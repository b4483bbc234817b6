//! .gitignore, .ignore, info/exclude and the global excludes, nested as git nests them: the deepest list that says
//! anything about a path decides, and .ignore goes before .gitignore.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use super::git;

/// What the lists say about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    /// Nothing.
    None,
    /// It is ignored.
    Ignore,
    /// It is not (`!pattern`).
    Keep,
}

/// All lists that were read.
#[derive(Debug)]
pub(super) struct Lists {
    folders: HashMap<PathBuf, Pair>,
    exclude: Gitignore,
    global: Gitignore,
}

#[derive(Debug)]
struct Pair {
    ignore: Gitignore,
    gitignore: Gitignore,
}

impl Lists {
    /// The lists in `root`, in the folders above it up to the work tree's top, and git's own two.
    pub(super) fn above(root: &Path) -> Lists {
        let repository = git::find(root);
        let top = repository.as_ref().map_or(root, |found| &found.top);
        let exclude = repository.as_ref().map(|found| one_list(top, &found.common.join("info/exclude")));
        let mut lists = Lists {
            folders: HashMap::new(),
            exclude: exclude.unwrap_or_else(Gitignore::empty),
            global: GitignoreBuilder::new(top).build_global().0,
        };
        for folder in root.ancestors().take_while(|folder| folder.starts_with(top)) {
            lists.read(folder);
        }
        lists
    }

    /// Reads the lists in `folder` (again). Lines that are no patterns are skipped, as git does.
    pub(super) fn read(&mut self, folder: &Path) {
        let pair = Pair {
            ignore: one_list(folder, &folder.join(".ignore")),
            gitignore: one_list(folder, &folder.join(".gitignore")),
        };
        if pair.ignore.is_empty() && pair.gitignore.is_empty() {
            self.folders.remove(folder);
        } else {
            self.folders.insert(folder.to_owned(), pair);
        }
    }

    /// What they say about this very path; the folders around it are not looked at.
    pub(super) fn opinion(&self, path: &Path, is_folder: bool) -> Opinion {
        let mut git = Opinion::None;
        for folder in path.ancestors().skip(1) {
            let Some(pair) = self.folders.get(folder) else { continue };
            match opinion_of(&pair.ignore, path, is_folder) {
                Opinion::None => {}
                said => return said,
            }
            if git == Opinion::None {
                git = opinion_of(&pair.gitignore, path, is_folder);
            }
        }
        for list in [&self.exclude, &self.global] {
            if git == Opinion::None && path.starts_with(list.path()) {
                git = opinion_of(list, path, is_folder);
            }
        }
        git
    }
}

fn one_list(folder: &Path, file: &Path) -> Gitignore {
    if !std::fs::metadata(file).is_ok_and(|found| found.is_file()) {
        return Gitignore::empty();
    }
    let mut builder = GitignoreBuilder::new(folder);
    builder.add(file);
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

fn opinion_of(list: &Gitignore, path: &Path, is_folder: bool) -> Opinion {
    match list.matched(path, is_folder) {
        Match::None => Opinion::None,
        Match::Ignore(_) => Opinion::Ignore,
        Match::Whitelist(_) => Opinion::Keep,
    }
}
