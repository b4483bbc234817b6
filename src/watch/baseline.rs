//! The baseline: everything that the plan reads is read once, behind the first step, one file at a time.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use super::{
    digest::missing,
    ledger::Baseline,
    locked,
    remembered::{Remembered, save},
    shared::Shared,
};
use crate::model::FilePath;

/// So many names are taken out of the ledger at a time.
const CHUNK: usize = 256;

/// Begins to read in a thread of its own; a baseline that is being read gives up. What was written after `start`
/// (nanoseconds since 1970) is not taken for what was there.
pub(super) fn begin(shared: &Arc<Shared>, start: i64) {
    let round = shared.round.fetch_add(1, Ordering::Relaxed) + 1;
    shared.start.store(start, Ordering::Relaxed);
    locked(&shared.ledger).set_state(Baseline::Reading);
    shared.complete.send_replace(false);
    let shared = shared.clone();
    let thread = std::thread::Builder::new().name("watch-baseline".to_owned());
    let spawned = thread.spawn(move || Reader { shared, round, start }.run());
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread for the baseline: every first touch counts as a change");
    }
}

/// Keeps what is known for the next session.
pub(super) fn keep(shared: &Shared) {
    let ledger = locked(&shared.ledger);
    let known = ledger.contents().filter(|(_, content, _)| *content != missing());
    save(&shared.state, known.filter_map(|(path, content, print)| Some((&**path, print?, content))));
}

struct Reader {
    shared: Arc<Shared>,
    round: u64,
    start: i64,
}

impl Reader {
    fn run(&self) {
        let folders = locked(&self.shared.tree).folder_names();
        for folder in &folders {
            if self.is_outdated() {
                return;
            }
            self.list(folder);
        }
        self.expect_learned();
        drop(folders);
        let remembered = Remembered::load(&self.shared.state);
        let mut last: Option<FilePath> = None;
        loop {
            let files = locked(&self.shared.ledger).unread_after(last.as_deref(), CHUNK);
            let Some(newest) = files.last() else { break };
            last = Some(newest.clone());
            for file in &files {
                if self.is_outdated() {
                    return;
                }
                let look = self.shared.look_remembering(file, &remembered);
                locked(&self.shared.ledger).baseline(file, &look, self.start);
            }
        }
        drop(remembered);
        let mut ledger = locked(&self.shared.ledger);
        if !self.is_outdated() {
            ledger.set_state(Baseline::Complete);
            drop(ledger);
            self.shared.complete.send_replace(true);
            keep(&self.shared);
        }
    }

    /// Notes the names of the files in `folder` that count and are read by something.
    fn list(&self, folder: &Path) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        let plan = self.shared.plan();
        let names = entries.flatten().filter(|entry| !entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let paths: Vec<_> = names.map(|entry| entry.path()).collect();
        let counting: Vec<_> = {
            let tree = locked(&self.shared.tree);
            paths.iter().flat_map(|path| tree.names_that_count(path)).collect()
        };
        for path in counting {
            let file = self.shared.names.short(&path);
            if self.shared.is_wanted(&plan, &file) {
                locked(&self.shared.ledger).expect(file);
            }
        }
    }

    fn expect_learned(&self) {
        for reads in self.shared.all_learned() {
            let mut ledger = locked(&self.shared.ledger);
            reads.files.iter().for_each(|file| ledger.expect(file.clone()));
        }
    }

    fn is_outdated(&self) -> bool {
        self.shared.round.load(Ordering::Relaxed) != self.round
    }
}
