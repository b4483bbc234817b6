//! What devloop knows to be in the files: the state every verdict compares with. It does not read files itself.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use super::digest::{Age, Look, Print, missing};
use crate::{
    core::event::Verdict,
    model::{Digest, FilePath},
};

/// About 150 bytes for each file that a step or service reads.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<FilePath, Entry>,
    suspects: HashSet<FilePath>,
    baseline: Baseline,
    edition: u64,
}

/// Whether every file that is read has been looked at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Baseline {
    /// Not yet: what is not known may have been anything.
    #[default]
    Reading,
    /// Yes: what is not known was not there.
    Complete,
}

#[derive(Debug)]
struct Entry {
    content: Digest,
    print: Print,
    age: Age,
    known: Known,
}

/// What the last verdict was about.
#[derive(Debug)]
enum Known {
    /// `content`
    Content,
    /// Something older: `content` was only looked at in passing.
    Older(Box<Digest>),
    /// Nothing yet.
    Never,
}

impl Ledger {
    /// A write to `path` was noticed: nothing that was seen before the next look may be taken for its content.
    pub(super) fn suspect(&mut self, path: &FilePath) {
        if !self.suspects.contains(path) {
            self.suspects.insert(path.clone());
        }
    }

    /// Begins a look at `path`: writes noticed from now on make it suspect again.
    pub(super) fn begin(&mut self, path: &Path) {
        self.suspects.remove(path);
    }

    /// The content a file of this print is known to have.
    pub(super) fn by_print(&self, path: &Path, print: Print) -> Option<Digest> {
        let entry = self.entries.get(path)?;
        (entry.age == Age::Old && entry.print == print).then_some(entry.content)
    }

    /// What a verdict about `look` would be.
    pub(super) fn compare(&self, path: &Path, look: &Look) -> Verdict {
        let is_gone = look.content == missing();
        match self.known(path) {
            Some(known) if known == look.content => Verdict::Same,
            Some(_) if is_gone => Verdict::Gone,
            // Never looked at, but it was in a folder's list.
            None if is_gone && self.entries.contains_key(path) => Verdict::Gone,
            _ => Verdict::Changed,
        }
    }

    /// The verdict about `look`, which is what is known from now on.
    pub(super) fn settle(&mut self, path: &FilePath, look: &Look) -> Verdict {
        let verdict = self.compare(path, look);
        self.put(path, look, Known::Content);
        verdict
    }

    /// Remembers a look without a verdict: what was known stays known.
    pub(super) fn glance(&mut self, path: &FilePath, look: &Look) {
        let known = match self.known(path) {
            Some(known) if known == look.content => Known::Content,
            Some(known) => Known::Older(Box::new(known)),
            None => Known::Never,
        };
        self.put(path, look, known);
    }

    /// The baseline's look at `path`. It is what was known at the start only if it was written before `start`
    /// (nanoseconds since 1970); else it counts as unread.
    pub(super) fn baseline(&mut self, path: &FilePath, look: &Look, start: i64) {
        let unread = self.entries.get(path).is_none_or(|entry| matches!(entry.known, Known::Never));
        if unread && look.changed < start && !self.suspects.contains(path) {
            self.put(path, look, Known::Content);
        }
    }

    /// There is such a file, but nobody has looked at it yet.
    pub(super) fn expect(&mut self, path: FilePath) {
        let edition = &mut self.edition;
        self.entries.entry(path).or_insert_with(|| {
            *edition += 1;
            Entry { content: missing(), print: Print(0), age: Age::Young, known: Known::Never }
        });
    }

    fn put(&mut self, path: &FilePath, look: &Look, known: Known) {
        let gone = look.content == missing() && matches!(known, Known::Content) && self.baseline == Baseline::Complete;
        let Look { content, print, age, .. } = *look;
        match self.entries.get_mut(path) {
            Some(_) if gone => {
                self.entries.remove(path);
                self.edition += 1;
            }
            Some(entry) => *entry = Entry { content, print, age, known },
            None if gone => {}
            None => {
                self.entries.insert(path.clone(), Entry { content, print, age, known });
                self.edition += 1;
            }
        }
    }

    fn known(&self, path: &Path) -> Option<Digest> {
        match self.entries.get(path) {
            Some(Entry { known: Known::Content, content, .. }) => Some(*content),
            Some(Entry { known: Known::Older(known), .. }) => Some(**known),
            Some(Entry { known: Known::Never, .. }) => None,
            None => (self.baseline == Baseline::Complete).then(missing),
        }
    }

    /// Whether nobody has looked at `path` in earnest yet.
    pub(super) fn is_unread(&self, path: &Path) -> bool {
        self.known(path).is_none()
    }

    /// Whether it is known that nothing is at `path`.
    pub(super) fn is_known_missing(&self, path: &Path) -> bool {
        self.known(path) == Some(missing())
    }

    /// Whether `path` was written since the last look.
    pub(super) fn is_suspect(&self, path: &Path) -> bool {
        self.suspects.contains(path)
    }

    /// All paths that were written since the last look.
    pub(super) fn suspects(&self) -> impl Iterator<Item = &FilePath> {
        self.suspects.iter()
    }

    /// The files in `folder`, at any depth; all of them for the empty path.
    pub(super) fn below<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a FilePath> {
        let from = self.entries.range::<Path, _>((std::ops::Bound::Included(folder), std::ops::Bound::Unbounded));
        from.map(|(path, _)| path)
            .take_while(move |path| path.starts_with(folder))
            .filter(move |path| ***path != *folder)
    }

    /// At most `count` files after `last` that nobody has looked at.
    pub(super) fn unread_after(&self, last: Option<&Path>, count: usize) -> Vec<FilePath> {
        let after = last.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let entries = self.entries.range::<Path, _>((after, std::ops::Bound::Unbounded));
        let unread = entries.filter(|(_, entry)| matches!(entry.known, Known::Never));
        unread.map(|(path, _)| path.clone()).take(count).collect()
    }

    /// All files, in the order of their names, with what was last seen in them and their prints, where those tell.
    pub(super) fn contents(&self) -> impl Iterator<Item = (&FilePath, Digest, Option<Print>)> {
        self.entries.iter().map(|(path, entry)| {
            let print = (entry.age == Age::Old).then_some(entry.print);
            (path, entry.content, print)
        })
    }

    /// What was last seen in `path`, if anyone looked.
    pub(super) fn content(&self, path: &Path) -> Option<Digest> {
        let entry = self.entries.get(path)?;
        (entry.print != Print(0) || !matches!(entry.known, Known::Never)).then_some(entry.content)
    }

    /// Whether anyone ever looked at `path`, or is to.
    pub(super) fn holds(&self, path: &Path) -> bool {
        self.entries.contains_key(path)
    }

    /// How many files are known.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Changes whenever a file is added or removed.
    pub(super) fn edition(&self) -> u64 {
        self.edition
    }

    /// Whether the baseline is complete.
    pub(super) fn state(&self) -> Baseline {
        self.baseline
    }

    /// The baseline begins (again) or is complete.
    pub(super) fn set_state(&mut self, baseline: Baseline) {
        self.baseline = baseline;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FilePath {
        FilePath::from(Path::new(text))
    }

    fn look(content: u128) -> Look {
        Look { content: Digest(content), print: Print(9), age: Age::Old, changed: 100 }
    }

    #[test]
    fn what_was_never_looked_at_counts_as_changed_and_then_as_what_it_was() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.settle(&path("a"), &look(1)), Verdict::Changed);
        assert_eq!(ledger.settle(&path("a"), &look(1)), Verdict::Same);
        assert_eq!(ledger.settle(&path("a"), &look(2)), Verdict::Changed);
    }

    #[test]
    fn after_the_baseline_an_unknown_file_was_not_there() {
        let mut ledger = Ledger::default();
        ledger.set_state(Baseline::Complete);
        let gone = Look { content: missing(), ..look(0) };
        assert_eq!(ledger.settle(&path("came-and-went"), &gone), Verdict::Same);
        assert_eq!(ledger.settle(&path("new"), &look(1)), Verdict::Changed);
        assert_eq!(ledger.settle(&path("new"), &gone), Verdict::Gone);
        assert_eq!(ledger.len(), 0);
    }

    #[test]
    fn the_baseline_does_not_swallow_a_save_that_came_before_it() {
        let mut ledger = Ledger::default();
        ledger.baseline(&path("young"), &look(1), 100);
        assert_eq!(ledger.settle(&path("young"), &look(1)), Verdict::Changed);
        ledger.suspect(&path("touched"));
        ledger.baseline(&path("touched"), &look(1), 101);
        assert_eq!(ledger.settle(&path("touched"), &look(1)), Verdict::Changed);
        ledger.baseline(&path("old"), &look(1), 101);
        assert_eq!(ledger.settle(&path("old"), &look(1)), Verdict::Same);
        ledger.baseline(&path("old"), &look(2), 101);
        assert_eq!(ledger.settle(&path("old"), &look(1)), Verdict::Same);
    }

    #[test]
    fn a_glance_changes_no_verdict() {
        let mut ledger = Ledger::default();
        ledger.settle(&path("a"), &look(1));
        ledger.glance(&path("a"), &look(2));
        ledger.glance(&path("a"), &look(3));
        assert_eq!(ledger.compare(&path("a"), &look(1)), Verdict::Same);
        assert_eq!(ledger.settle(&path("a"), &look(3)), Verdict::Changed);
        ledger.glance(&path("b"), &look(1));
        assert_eq!(ledger.settle(&path("b"), &look(1)), Verdict::Changed);
    }

    #[test]
    fn below_a_folder_are_its_files_and_no_neighbours() {
        let mut ledger = Ledger::default();
        for name in ["a", "a/b", "a/b/c", "a-b", "ab", "b"] {
            ledger.expect(path(name));
        }
        let below: Vec<_> = ledger.below(Path::new("a")).map(|found| found.to_str().unwrap()).collect();
        assert_eq!(below, ["a/b", "a/b/c"]);
        assert_eq!(ledger.below(Path::new("")).count(), 6);
    }
}
