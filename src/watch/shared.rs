//! What the watcher's thread, the baseline and the answers about content have in common, and the looks at files that
//! they all take the same way.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use super::{
    digest::{Look, changed, look},
    ledger::{Baseline, Ledger},
    locked,
    mailbox::Mailbox,
    names::Names,
    owned::Owners,
    remembered::Remembered,
    tree::Tree,
};
use crate::{
    core::event::Verdict,
    model::FilePath,
    plan::{Learned, Plan},
};

/// Lock order: `tree`, then `ledger`; the others are taken alone.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) names: Names,
    pub(super) state: PathBuf,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) tree: Mutex<Tree>,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) owners: Owners,
    pub(super) plan: RwLock<Arc<Plan>>,
    /// Files that said of themselves that they were generated: that is forgotten when they are deleted.
    pub(super) generated: Mutex<HashSet<FilePath>>,
    pub(super) learned: Mutex<HashMap<Arc<str>, Arc<Learned>>>,
    /// Where events come from now, for people.
    pub(super) backend: Mutex<&'static str>,
    /// The number of the baseline that is being read; the older ones give up.
    pub(super) round: AtomicU64,
    /// Nanoseconds since 1970 on the project's file system: what was written before has been there from the start.
    pub(super) start: AtomicI64,
    pub(super) complete: watch::Sender<bool>,
}

impl Shared {
    /// The plan in force.
    pub(super) fn plan(&self) -> Arc<Plan> {
        self.plan.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Takes over another plan.
    pub(super) fn set_plan(&self, plan: Arc<Plan>) {
        *self.plan.write().unwrap_or_else(std::sync::PoisonError::into_inner) = plan;
    }

    /// The learned inputs of everything.
    pub(super) fn all_learned(&self) -> Vec<Arc<Learned>> {
        locked(&self.learned).values().cloned().collect()
    }

    /// Whether any step or service of `plan` reads or writes `path`, or it is dev.toml.
    pub(super) fn is_wanted(&self, plan: &Plan, path: &Path) -> bool {
        plan.file.as_deref() == Some(path)
            || plan.steps.iter().any(|step| step.outputs.matches(path))
            || plan.services.iter().any(|service| service.assets.matches(path))
            || plan.folders().any(|files| files.inside.matches(path))
            || (0..plan.steps.len()).any(|index| plan.step_reads(index, path, None))
            || (0..plan.services.len()).any(|index| plan.service_reads(index, path, None))
            || locked(&self.learned).values().any(|reads| reads.files.contains(path) || reads.globs.matches(path))
    }

    /// Looks at a file in earnest: writes that are noticed from now on make it suspect again.
    pub(super) fn look_in_earnest(&self, file: &FilePath) -> Look {
        locked(&self.ledger).begin(file);
        self.look(file)
    }

    /// Looks at a file; content is read only if its print is new.
    pub(super) fn look(&self, file: &Path) -> Look {
        look(&self.names.full(file), |print| locked(&self.ledger).by_print(file, print))
    }

    /// The same at the start of a session, with what earlier ones remembered.
    pub(super) fn look_remembering(&self, file: &Path, remembered: &Remembered) -> Look {
        look(&self.names.full(file), |print| {
            locked(&self.ledger).by_print(file, print).or_else(|| remembered.content(file, print))
        })
    }

    /// Whether a file that may have been written unnoticed has to be reported.
    pub(super) fn differs(&self, file: &Path) -> bool {
        {
            let ledger = locked(&self.ledger);
            if ledger.is_unread(file) {
                let start = self.start.load(Ordering::Relaxed);
                return ledger.state() == Baseline::Complete || changed(&self.names.full(file)) >= start;
            }
        }
        let look = self.look(file);
        locked(&self.ledger).compare(file, &look) != Verdict::Same
    }
}
