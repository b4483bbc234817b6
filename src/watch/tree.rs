//! The folders that are watched, and the walk that watches them: the watch is set before the folder is read, so that
//! whatever is written in between is seen by one of the two.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use notify::ErrorKind;

use super::{
    backend::{Backend, Means},
    filesystem::without_events,
    ignore::{Fate, Rule, Rules, Shut},
    names::Names,
    note::Note,
    reach::literal_part,
};
use crate::plan::Learned;

/// The watched folders of a plan, by their real paths.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) rules: Rules,
    folders: BTreeMap<PathBuf, Folder>,
    /// While it is found out anew what is to be watched: what was.
    former: BTreeMap<PathBuf, Folder>,
    pruned: BTreeMap<PathBuf, Rule>,
    links: Vec<Link>,
    mounts: Mounts,
}

#[derive(Clone, Debug)]
struct Folder {
    shut: Shut,
    means: Means,
}

/// A symlink to a folder that an explicit name leads through.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    at: PathBuf,
    to: PathBuf,
}

/// Whether file systems without events are polled by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mounts {
    /// Yes.
    Judge,
    /// No: a person decided.
    Trust,
}

/// What a walk is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Only the folders.
    Folders,
    /// Also the files that count.
    Files,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The files that count, if they were wanted.
    pub(super) files: Vec<PathBuf>,
    /// What went wrong.
    pub(super) notes: Vec<Note>,
}

/// How many folders are watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) native: usize,
    pub(super) polled: usize,
    pub(super) pruned: usize,
}

/// A folder to be visited: by the name that rules know it by, and where it really is.
struct Visit {
    name: PathBuf,
    real: PathBuf,
    shut: Shut,
}

impl Tree {
    /// Nothing is watched yet.
    pub(super) fn new(rules: Rules, mounts: Mounts) -> Tree {
        Tree {
            rules,
            folders: BTreeMap::new(),
            former: BTreeMap::new(),
            pruned: BTreeMap::new(),
            links: Vec::new(),
            mounts,
        }
    }

    /// Watches `folder` and what is below it, unless it is ignored; folders that are watched already are watched anew.
    pub(super) fn walk(&mut self, folder: &Path, backend: &mut Backend, what: For) -> Found {
        let mut found = Found::default();
        let mut open = Vec::new();
        for name in self.names_of(folder) {
            match self.rules.folder_from_above(&name) {
                Fate::Watched(shut) => open.push(Visit { name, real: folder.to_owned(), shut }),
                Fate::Pruned(rule) => self.prune(name, rule),
            }
        }
        while let Some(visit) = open.pop() {
            self.visit(visit, backend, what, &mut found, &mut open);
        }
        found
    }

    fn visit(&mut self, visit: Visit, backend: &mut Backend, what: For, found: &mut Found, open: &mut Vec<Visit>) {
        if !self.watch(&visit, backend, found) {
            return;
        }
        let entries = match std::fs::read_dir(&visit.real) {
            Ok(entries) => entries,
            Err(error) => return found.refused(&visit.real, &error),
        };
        let entries: Vec<_> = entries.flatten().map(|entry| (entry.file_name(), entry.file_type())).collect();
        if entries.iter().any(|(name, _)| Rules::is_list(name)) {
            self.rules.read_lists(&visit.name);
        }
        for (name, kind) in entries {
            let path = visit.name.join(&name);
            match kind {
                Ok(kind) if kind.is_dir() => self.meet_folder(&visit, path, name, open),
                Ok(kind) if kind.is_symlink() && self.rules.passes(&path) => {
                    self.follow(&path, open);
                    found.file(&self.rules, path, &visit.shut, what);
                }
                _ => found.file(&self.rules, path, &visit.shut, what),
            }
        }
    }

    fn meet_folder(&mut self, above: &Visit, path: PathBuf, name: OsString, open: &mut Vec<Visit>) {
        match self.rules.folder(&path, &above.shut) {
            Fate::Watched(shut) => open.push(Visit { real: above.real.join(name), name: path, shut }),
            Fate::Pruned(rule) => self.prune(path, rule),
        }
    }

    /// Strangers beside what is named outside of the project are not worth remembering.
    fn prune(&mut self, folder: PathBuf, rule: Rule) {
        if rule != Rule::Unnamed {
            self.pruned.insert(folder, rule);
        }
    }

    /// A name leads through this symlink: what is behind it is watched where it really is, since the kernel keeps one
    /// watch for each folder, whatever way it was reached.
    fn follow(&mut self, at: &Path, open: &mut Vec<Visit>) {
        let Ok(to) = at.canonicalize() else { return };
        if !to.is_dir() || at.starts_with(&to) {
            return;
        }
        let Fate::Watched(shut) = self.rules.folder_from_above(at) else { return };
        let link = Link { at: at.to_owned(), to: to.clone() };
        if !self.links.contains(&link) {
            self.links.retain(|known| known.at != link.at);
            self.links.push(link);
        }
        open.push(Visit { name: at.to_owned(), real: to, shut });
    }

    fn watch(&mut self, visit: &Visit, backend: &mut Backend, found: &mut Found) -> bool {
        let known = self.folders.get(&visit.real).or_else(|| self.former.get(&visit.real)).map(|folder| folder.means);
        let result = match known {
            // The poller knows folders by their names: it need not be told of another one of the same name.
            Some(Means::Polled) => Ok(Means::Polled),
            Some(Means::Native) => backend.watch(&visit.real),
            None if self.is_mute(&visit.real) => backend.poll(&visit.real),
            None => backend.watch(&visit.real),
        };
        match result {
            Ok(means) => {
                if known.is_none() && means == Means::Polled && backend.is_ordered() && !self.is_mute(&visit.real) {
                    found.notes.push(Note::OutOfWatches { folder: visit.real.clone() });
                }
                // In the tree by its real name and through a link: its real name decides.
                let shut = if visit.name == visit.real { visit.shut.clone() } else { self.shut_by_name(&visit.real) };
                self.folders.insert(visit.real.clone(), Folder { shut, means });
                true
            }
            // Gone already: the event that says so is on its way.
            Err(error) if is_gone(&error) => false,
            Err(error) => {
                found.refused(&visit.real, &error);
                false
            }
        }
    }

    fn shut_by_name(&self, folder: &Path) -> Shut {
        match self.rules.folder_from_above(folder) {
            Fate::Watched(shut) => shut,
            Fate::Pruned(_) => Some(folder.into()),
        }
    }

    /// Whether `folder` begins a file system without events.
    fn is_mute(&self, folder: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        if self.mounts == Mounts::Trust {
            return false;
        }
        let parent = folder.parent().filter(|parent| self.folders.contains_key(*parent));
        let device = |path: &Path| std::fs::metadata(path).ok().map(|found| found.dev());
        match parent {
            Some(parent) if device(parent) == device(folder) => self.is_polled(parent),
            _ => without_events(folder).is_some(),
        }
    }

    fn is_polled(&self, folder: &Path) -> bool {
        self.folders.get(folder).is_some_and(|folder| folder.means == Means::Polled)
    }

    /// Forgets `folder` and everything below it; says whether it was watched.
    pub(super) fn remove(&mut self, folder: &Path, backend: &mut Backend) -> bool {
        let was_there = self.folders.contains_key(folder);
        for gone in below(&self.folders, folder) {
            if let Some(known) = self.folders.remove(&gone) {
                backend.forget(&gone, known.means);
            }
        }
        for gone in below(&self.pruned, folder) {
            self.pruned.remove(&gone);
        }
        self.links.retain(|link| !link.at.starts_with(folder) && !link.to.starts_with(folder));
        was_there
    }

    /// Begins to find out anew what is to be watched; the walks that follow do.
    pub(super) fn begin_anew(&mut self) {
        self.pruned.clear();
        self.links.clear();
        self.former = std::mem::take(&mut self.folders);
    }

    /// After the walks: what is not to be watched any more.
    pub(super) fn end_anew(&mut self) -> Vec<(PathBuf, Means)> {
        let former = std::mem::take(&mut self.former).into_iter();
        former.filter(|(path, _)| !self.folders.contains_key(path)).map(|(path, known)| (path, known.means)).collect()
    }

    /// Whether `folder` is watched.
    pub(super) fn holds(&self, folder: &Path) -> bool {
        self.folders.contains_key(folder)
    }

    /// Whether `folder` is watched, or was met and is not to be.
    pub(super) fn is_known(&self, folder: &Path) -> bool {
        self.holds(folder) || self.is_pruned(folder)
    }

    /// Whether `path` is a symlink to a folder that is watched through it.
    pub(super) fn is_link(&self, path: &Path) -> bool {
        self.links.iter().any(|link| link.at == path)
    }

    /// Whether `folder` was met and is not watched.
    pub(super) fn is_pruned(&self, folder: &Path) -> bool {
        self.pruned.contains_key(folder)
    }

    /// Whether all that `reads` names counts already, wherever it comes to be, without being named.
    pub(super) fn covers(&self, reads: &Learned, names: &Names) -> bool {
        let is_open = |folder: &Path| self.holds(folder) || self.rules.is_open(folder);
        let patterns = reads.globs.patterns().iter().filter(|pattern| !pattern.starts_with('!'));
        let mut folders = patterns.map(|pattern| names.full(&literal_part(pattern)));
        let mut files = reads.files.iter().map(|file| names.full(file));
        folders.all(|folder| is_open(&folder))
            && files.all(|file| file.parent().is_some_and(is_open) && self.counts(&file))
    }

    /// The names of `path` under which it counts: its own, and those through symlinks that are named.
    pub(super) fn names_that_count(&self, path: &Path) -> Vec<PathBuf> {
        let mut names = self.names_of(path);
        names.retain(|name| self.counts(name));
        names
    }

    /// Its own name, and those through symlinks that are named.
    fn names_of(&self, path: &Path) -> Vec<PathBuf> {
        let behind = self.links.iter().filter_map(|link| Some(link.at.join(path.strip_prefix(&link.to).ok()?)));
        std::iter::once(path.to_owned()).chain(behind).collect()
    }

    /// Whether `path` counts, as a file.
    fn counts(&self, path: &Path) -> bool {
        let folder = path.parent().unwrap_or(Path::new("/"));
        match self.folders.get(folder) {
            Some(known) => self.rules.file(path, &known.shut).is_ok(),
            None => match self.rules.folder_from_above(folder) {
                Fate::Watched(shut) => self.rules.file(path, &shut).is_ok(),
                Fate::Pruned(_) => false,
            },
        }
    }

    /// The rule by which `path`, a file, does not count.
    pub(super) fn why_ignored(&self, path: &Path) -> Option<Rule> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        match self.rules.folder_from_above(folder) {
            Fate::Watched(shut) => self.rules.file(path, &shut).err(),
            Fate::Pruned(rule) => Some(rule),
        }
    }

    /// All watched folders by the names that rules know them by.
    pub(super) fn folder_names(&self) -> Vec<PathBuf> {
        let mut names: Vec<PathBuf> = self.folders.keys().cloned().collect();
        for link in &self.links {
            let behind = below(&self.folders, &link.to);
            names.extend(behind.iter().filter_map(|real| Some(link.at.join(real.strip_prefix(&link.to).ok()?))));
        }
        names
    }

    /// The folders below `folder` (or itself) that are not watched because of a list or of `ignore`; those of the
    /// built-in list are nobody's outputs.
    pub(super) fn unwatched_below(&self, folder: &Path) -> Vec<PathBuf> {
        let pruned = below(&self.pruned, folder).into_iter();
        pruned.filter(|path| matches!(self.pruned.get(path), Some(Rule::Git | Rule::Own))).collect()
    }

    /// How many folders are watched, and how.
    pub(super) fn counts_of_folders(&self) -> Counts {
        let polled = self.folders.values().filter(|folder| folder.means == Means::Polled).count();
        Counts { native: self.folders.len() - polled, polled, pruned: self.pruned.len() }
    }
}

impl Found {
    fn file(&mut self, rules: &Rules, path: PathBuf, shut: &Shut, what: For) {
        if what == For::Files && rules.file(&path, shut).is_ok() {
            self.files.push(path);
        }
    }

    fn refused(&mut self, folder: &Path, error: &dyn std::error::Error) {
        self.notes.push(Note::Unreadable { folder: folder.to_owned(), why: error.to_string() });
    }
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(io) => matches!(io.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory),
        _ => false,
    }
}

fn below<T>(map: &BTreeMap<PathBuf, T>, folder: &Path) -> Vec<PathBuf> {
    let from = map.range::<Path, _>((std::ops::Bound::Included(folder), std::ops::Bound::Unbounded));
    from.map(|(path, _)| path).take_while(|path| path.starts_with(folder)).cloned().collect()
}
