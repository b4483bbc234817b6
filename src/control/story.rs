//! What the facts of this session tell about one revision, and about one file.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Entry, What};
use crate::{
    core::fact::Fact,
    model::{Revision, RunId},
};

/// The facts about `revision`: those that name it, and those about its runs.
pub(super) fn of_revision(facts: Vec<Entry>, revision: Revision) -> Vec<Entry> {
    let mut runs: BTreeSet<RunId> = BTreeSet::new();
    let mut belongs = |entry: &Entry| {
        let What::Fact(fact) = &entry.what else { return false };
        match &**fact {
            Fact::AtRest { .. } => false,
            fact => {
                let named = revision_of(fact);
                if named == Some(revision) {
                    runs.extend(run_of(fact));
                }
                named == Some(revision) || (named.is_none() && run_of(fact).is_some_and(|run| runs.contains(&run)))
            }
        }
    };
    facts.into_iter().filter(|entry| belongs(entry)).collect()
}

/// The last save that changed `file`, by the facts.
pub(super) fn last_save(facts: &[Entry], file: &str) -> Option<Revision> {
    let saved = facts.iter().rev().filter_map(|entry| match &entry.what {
        What::Fact(fact) => Some(fact),
        What::Line(_) => None,
    });
    saved.into_iter().find_map(|fact| match &**fact {
        Fact::Saved { revision, files, .. } if files.iter().any(|known| known == file) => Some(*revision),
        _ => None,
    })
}

/// What was saved, in short: the revision, its files, what reads them.
pub(super) fn summary(facts: &[Entry], revision: Revision) -> Value {
    let saved = facts.iter().find_map(|entry| match &entry.what {
        What::Fact(fact) => match &**fact {
            Fact::Saved { files, count, reads, settle_ms, .. } => {
                Some(json!({ "files": files, "count": count, "reads": reads, "settle_ms": settle_ms }))
            }
            _ => None,
        },
        What::Line(_) => None,
    });
    json!({ "revision": revision, "saved": saved })
}

fn revision_of(fact: &Fact) -> Option<Revision> {
    match fact {
        Fact::Saved { revision, .. }
        | Fact::StepStarted { revision, .. }
        | Fact::StepDone { revision, .. }
        | Fact::StepReused { revision, .. }
        | Fact::StepFailed { revision, .. }
        | Fact::Starting { revision, .. }
        | Fact::Live { revision, .. }
        | Fact::Kept { revision, .. }
        | Fact::StartFailed { revision, .. }
        | Fact::Pinned { revision, .. } => Some(*revision),
        _ => None,
    }
}

fn run_of(fact: &Fact) -> Option<RunId> {
    match fact {
        Fact::StepStarted { run, .. }
        | Fact::StepDone { run, .. }
        | Fact::StepFailed { run, .. }
        | Fact::Cancelled { run, .. }
        | Fact::Void { run, .. }
        | Fact::Starting { run, .. }
        | Fact::Probing { run, .. }
        | Fact::Live { run, .. }
        | Fact::StartFailed { run, .. }
        | Fact::Crashed { run, .. }
        | Fact::Stopped { run, .. } => Some(*run),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::model::Time;

    fn entries(facts: Vec<Fact>) -> Vec<Entry> {
        let entry =
            |(number, fact)| Entry { number, at: Time::ZERO, unix: Duration::ZERO, what: What::Fact(Arc::new(fact)) };
        (1..).zip(facts).map(entry).collect()
    }

    #[test]
    fn a_revision_has_its_save_its_runs_and_their_ends() {
        let (run, step) = (RunId(7), Arc::<str>::from("build"));
        let saved = |revision, file: &str| Fact::Saved {
            revision: Revision(revision),
            files: vec![file.to_owned()],
            count: 1,
            settle_ms: 11.0,
            reads: vec![step.clone()],
        };
        let started = |revision, run| Fact::StepStarted {
            revision: Revision(revision),
            run,
            step: step.clone(),
            why: String::new(),
        };
        let facts = entries(vec![
            saved(2, "a.go"),
            started(2, run),
            saved(3, "b.go"),
            Fact::Cancelled { run, name: step.clone(), why: "b.go changed".to_owned() },
            started(3, RunId(8)),
            Fact::AtRest { ok: true, revision: Revision(2) },
        ]);
        let numbers: Vec<u64> = of_revision(facts.clone(), Revision(2)).iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, [1, 2, 4]);
        assert_eq!(last_save(&facts, "b.go"), Some(Revision(3)));
        assert_eq!(last_save(&facts, "c.go"), None);
        assert_eq!(summary(&facts, Revision(2))["saved"]["files"][0], "a.go");
    }
}
