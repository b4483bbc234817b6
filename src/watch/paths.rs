//! What happened to one path, and whether it counts: the events of the tree become touches here.

use std::{fs::Metadata, os::unix::fs::MetadataExt, path::Path};

use super::{backend::Source, engine::Engine, ignore::Rules, locked, survey, tree::For};
use crate::{core::event::Writer, model::FilePath};

/// What an event says happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It came to be here; `true` if it was created as a file, so that whoever created it may have it open.
    Came(bool),
    /// Its content is being written.
    Written,
    /// Someone who could write has closed it.
    Closed,
    /// Its mode, owner or times have changed.
    Labelled,
    /// It is not here any more.
    Went(Gone),
}

/// What went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// A folder.
    Folder,
    /// Not told.
    Anything,
}

impl Engine {
    /// Something happened in a watched folder.
    pub(super) fn happened(&mut self, path: &Path, what: What, source: Source) {
        match what {
            What::Went(gone) => self.went(path, gone, source),
            _ if source != Source::Exact => self.vague(path, source),
            What::Came(created) => self.came(path, created),
            What::Written => self.written(path),
            What::Closed => {
                self.writing.remove(path);
                self.touch(path, Writer::Done);
            }
            What::Labelled => self.labelled(path),
        }
        let is_list = path.file_name().is_some_and(Rules::is_list);
        if is_list && what != What::Labelled && !self.writing.contains(path) {
            self.list_changed(path);
        }
    }

    fn written(&mut self, path: &Path) {
        if !self.writing.contains(path) {
            self.writing.insert(path.to_owned());
        }
        self.touch(path, Writer::Writing);
    }

    /// Mode, owner or times have changed; whoever has it open goes on writing.
    fn labelled(&mut self, path: &Path) {
        if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            // It may be readable only now.
            if !locked(&self.shared.tree).is_known(path) {
                self.adopt(path);
            }
            return;
        }
        let writer = if self.writing.contains(path) { Writer::Writing } else { Writer::Done };
        self.touch(path, writer);
    }

    /// Something was created or moved here.
    fn came(&mut self, path: &Path, created: bool) {
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => self.adopt(path),
            Ok(found) if created && is_being_written(&found) => self.written(path),
            Ok(found) => {
                self.writing.remove(path);
                self.touch(path, Writer::Done);
                if found.is_symlink() && locked(&self.shared.tree).rules.passes(path) {
                    survey::survey(self);
                }
            }
            // Gone again; the event that says so is on its way.
            Err(_) => self.touch(path, Writer::Done),
        }
    }

    /// Something happened here, but the OS does not say what.
    fn vague(&mut self, path: &Path, source: Source) {
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => {
                if !locked(&self.shared.tree).holds(path) {
                    self.adopt(path);
                }
            }
            _ => self.touch_vaguely(path, source),
        }
    }

    fn touch_vaguely(&mut self, path: &Path, source: Source) {
        // Polling finds a difference late; it may have been looked at since.
        let file = self.shared.names.short(path);
        if source == Source::Exact || source == Source::Vague || self.shared.differs(&file) {
            self.touch(path, Writer::Unknown);
        }
    }

    /// A folder has come: it is watched before it is read, and what is in it counts as touched.
    pub(super) fn adopt(&mut self, folder: &Path) {
        let found = locked(&self.shared.tree).walk(folder, &mut self.backend, For::Files);
        self.take(found.notes);
        found.files.iter().for_each(|file| self.touch(file, Writer::Unknown));
    }

    /// Something was removed or moved away.
    fn went(&mut self, path: &Path, gone: Gone, source: Source) {
        self.writing.remove(path);
        let (was_watched, was_pruned, was_link) = {
            let mut tree = locked(&self.shared.tree);
            let (was_pruned, was_link) = (tree.is_pruned(path), tree.is_link(path));
            (tree.remove(path, &mut self.backend), was_pruned, was_link)
        };
        if was_link {
            return survey::survey(self);
        }
        if !was_watched {
            if !was_pruned && gone == Gone::Anything {
                match source {
                    Source::Exact => self.touch(path, Writer::Done),
                    _ => self.touch_vaguely(path, source),
                }
            }
            return;
        }
        self.touch_all_missing_below(path);
        // It may be back already, as another folder: then its watch is gone with the old one's.
        if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            self.adopt(path);
        }
    }

    /// Touches every known file in `folder` that is not there any more.
    pub(super) fn touch_all_missing_below(&mut self, folder: &Path) {
        let short = self.shared.names.short(folder);
        let files: Vec<_> = locked(&self.shared.ledger).below(&short).cloned().collect();
        for file in files {
            let path = self.shared.names.full(&file);
            if path.symlink_metadata().is_err() && !locked(&self.shared.ledger).is_known_missing(&file) {
                self.touch(&path, Writer::Done);
            }
        }
    }

    /// Tells of a touch, if the path counts.
    pub(super) fn touch(&mut self, path: &Path, writer: Writer) {
        let names = locked(&self.shared.tree).names_that_count(path);
        for name in names {
            let file = self.shared.names.short(&name);
            if self.shared.owners.is_owned(&file) && self.is_owners_write(&name, writer) {
                continue;
            }
            self.suspect(&file);
            if let Some(held) = self.lock.as_mut().and_then(|lock| lock.written(self.clock.now())) {
                self.shared.mailbox.git_lock(held);
            }
            self.shared.mailbox.touch(file, writer);
        }
    }

    /// Files that nothing reads are not remembered: there may be any number of them.
    fn suspect(&self, file: &FilePath) {
        let (is_suspect, is_held) = {
            let ledger = locked(&self.shared.ledger);
            (ledger.is_suspect(file), ledger.holds(file))
        };
        if !is_suspect && (is_held || self.shared.is_wanted(&self.shared.plan(), file)) {
            locked(&self.shared.ledger).suspect(file);
        }
    }

    /// A file that one of our services had open when it was looked at: while it is open, its writes do not count. What
    /// its owner leaves in it when closing it is no save either.
    fn is_owners_write(&self, path: &Path, writer: Writer) -> bool {
        if writer == Writer::Writing {
            return true;
        }
        let file = self.shared.names.short(path);
        if self.shared.owners.still_owned(&file, path) {
            return true;
        }
        if path.symlink_metadata().is_err() {
            return false;
        }
        let look = self.shared.look_in_earnest(&file);
        locked(&self.shared.ledger).settle(&file, &look);
        true
    }
}

/// A file with one name that was just created will be closed by whoever created it; a second name for a file, a
/// symlink or a FIFO is complete as it comes.
fn is_being_written(found: &Metadata) -> bool {
    found.is_file() && found.nlink() == 1
}
