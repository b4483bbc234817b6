//! Which artifact was made from what, and which ones have to go. Pure: whoever asks removes the files.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use super::{Keep, digest::Stamp, outs::Outs, state::Remembered, text};
use crate::model::{Artifact, Digest, RunId};

/// At most this many per step.
const PER_STEP: usize = 10;

/// At most this many bytes in all.
const IN_ALL: u64 = 2 * 1024 * 1024 * 1024;

/// Artifacts of earlier sessions get run ids from here on: no session has as many runs, and JSON can hold them.
const EARLIER: u64 = 1 << 48;

/// The kept artifacts and the runs that may have left one.
#[derive(Debug, Default)]
pub(super) struct Artifacts {
    kept: HashMap<Digest, Kept>,
    /// The folders of earlier sessions' artifacts.
    earlier: BTreeMap<RunId, PathBuf>,
    /// The runs of each step in this session whose folders may still be there, in order.
    runs: BTreeMap<Arc<str>, Vec<RunId>>,
    earlier_gone: Vec<PathBuf>,
    /// Grows with every use.
    uses: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    artifact: Artifact,
    stamp: Stamp,
    how: Keep,
    last_use: u64,
}

impl Artifacts {
    /// What earlier sessions kept for later ones.
    pub(super) fn from_earlier(remembered: Vec<Remembered>, outs: &Outs) -> Artifacts {
        let mut artifacts = Artifacts::default();
        for one in remembered {
            let folder = outs.root().join(&one.folder);
            if !folder.is_dir() {
                continue;
            }
            let run = artifacts.earlier_in(folder);
            artifacts.uses += 1;
            let artifact = Artifact { step: one.step.into(), run, digest: one.digest };
            let last_use = artifacts.uses;
            artifacts.kept.insert(one.key, Kept { artifact, stamp: one.stamp, how: Keep::Across, last_use });
        }
        artifacts
    }

    /// The run of an earlier session that wrote into this folder.
    pub(super) fn earlier_in(&mut self, folder: PathBuf) -> RunId {
        if let Some((run, _)) = self.earlier.iter().find(|(_, known)| **known == folder) {
            return *run;
        }
        let run = RunId(EARLIER + self.earlier.len() as u64);
        self.earlier.insert(run, folder);
        run
    }

    /// Those that later sessions may use, the longest unused first.
    pub(super) fn across(&self, outs: &Outs) -> Vec<Remembered> {
        let mut across: Vec<_> = self.kept.iter().filter(|(_, kept)| kept.how == Keep::Across).collect();
        across.sort_by_key(|(_, kept)| kept.last_use);
        let remember = |(key, kept): (&Digest, &Kept)| {
            let Artifact { step, run, digest } = &kept.artifact;
            let folder = self.earlier.get(run).cloned().unwrap_or_else(|| outs.folder(step, *run));
            let folder = text(folder.strip_prefix(outs.root()).ok()?.as_os_str())?;
            Some(Remembered { key: *key, step: step.to_string(), folder, digest: *digest, stamp: kept.stamp })
        };
        across.into_iter().filter_map(remember).collect()
    }

    /// The folders of earlier sessions that must stay.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        self.earlier.values().cloned().collect()
    }

    /// The folder of a run of an earlier session.
    pub(super) fn folder_of(&self, run: RunId) -> Option<PathBuf> {
        self.earlier.get(&run).cloned()
    }

    /// A run of this session will write.
    pub(super) fn began(&mut self, step: &str, run: RunId) {
        let runs = self.runs.entry(step.into()).or_default();
        if !runs.contains(&run) {
            runs.push(run);
        }
    }

    pub(super) fn keep(&mut self, key: Digest, artifact: Artifact, stamp: Stamp, how: Keep) {
        self.began(&artifact.step.clone(), artifact.run);
        self.uses += 1;
        self.kept.insert(key, Kept { artifact, stamp, how, last_use: self.uses });
    }

    pub(super) fn find(&self, key: Digest) -> Option<(Artifact, Stamp)> {
        self.kept.get(&key).map(|kept| (kept.artifact.clone(), kept.stamp))
    }

    pub(super) fn used(&mut self, key: Digest) {
        self.uses += 1;
        let uses = self.uses;
        if let Some(kept) = self.kept.get_mut(&key) {
            kept.last_use = uses;
        }
    }

    pub(super) fn forget(&mut self, key: Digest) {
        self.kept.remove(&key);
    }

    pub(super) fn forget_step(&mut self, step: &str) {
        self.kept.retain(|_, kept| *kept.artifact.step != *step);
    }

    /// Forgets what is too old or too much, and returns every run of this session whose folder is not needed.
    pub(super) fn collect(&mut self, used: &[RunId]) -> Vec<(Arc<str>, RunId)> {
        let used: HashSet<RunId> = used.iter().copied().collect();
        for key in self.too_much(&used) {
            self.kept.remove(&key);
        }
        let kept: HashSet<RunId> = self.kept.values().map(|kept| kept.artifact.run).chain(used).collect();
        let mut gone = Vec::new();
        for (step, runs) in &mut self.runs {
            // the newest may still be writing
            let newest = runs.last().copied();
            let is_gone = |run: &RunId| !kept.contains(run) && Some(*run) != newest;
            gone.extend(runs.iter().copied().filter(is_gone).map(|run| (step.clone(), run)));
            runs.retain(|run| !is_gone(run));
        }
        let earlier: Vec<RunId> = self.earlier.keys().copied().filter(|run| !kept.contains(run)).collect();
        self.earlier_gone.extend(earlier.iter().filter_map(|run| self.earlier.remove(run)));
        gone
    }

    /// The folders of earlier sessions that `collect` found not to be needed.
    pub(super) fn take_earlier_gone(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.earlier_gone)
    }

    fn too_much(&self, used: &HashSet<RunId>) -> Vec<Digest> {
        let mut newest_first: Vec<_> = self.kept.iter().collect();
        newest_first.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.last_use));
        let mut count: HashMap<&str, usize> = HashMap::new();
        let mut bytes: u64 = 0;
        for (_, kept) in newest_first.iter().filter(|(_, kept)| used.contains(&kept.artifact.run)) {
            *count.entry(&kept.artifact.step).or_default() += 1;
            bytes = bytes.saturating_add(kept.stamp.bytes);
        }
        let mut gone = Vec::new();
        for (key, kept) in newest_first.iter().filter(|(_, kept)| !used.contains(&kept.artifact.run)) {
            let count = count.entry(&kept.artifact.step).or_default();
            let with = bytes.saturating_add(kept.stamp.bytes);
            if *count >= PER_STEP || with > IN_ALL {
                gone.push(**key);
                continue;
            }
            *count += 1;
            bytes = with;
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(step: &str, run: u64) -> Artifact {
        Artifact { step: step.into(), run: RunId(run), digest: Digest(u128::from(run)) }
    }

    fn keep(artifacts: &mut Artifacts, step: &str, run: u64, bytes: u64) {
        let stamp = Stamp { mark: Digest(0), bytes };
        artifacts.keep(Digest(u128::from(run)), artifact(step, run), stamp, Keep::Session);
    }

    fn is_kept(artifacts: &Artifacts, run: u64) -> bool {
        artifacts.find(Digest(u128::from(run))).is_some()
    }

    #[test]
    fn ten_of_each_step_stay_and_the_longest_unused_go() {
        let mut artifacts = Artifacts::default();
        (1..=12).for_each(|run| keep(&mut artifacts, "build", run, 1));
        keep(&mut artifacts, "other", 13, 1);
        artifacts.used(Digest(1));
        let gone = artifacts.collect(&[]);
        assert_eq!(gone, [("build".into(), RunId(2)), ("build".into(), RunId(3))]);
        assert!(is_kept(&artifacts, 1) && is_kept(&artifacts, 13));
    }

    #[test]
    fn two_gibibytes_stay_in_all() {
        let mut artifacts = Artifacts::default();
        (1..=5).for_each(|run| keep(&mut artifacts, "build", run, IN_ALL / 2));
        let _ = artifacts.collect(&[]);
        let kept: Vec<u64> = (1..=5).filter(|run| is_kept(&artifacts, *run)).collect();
        assert_eq!(kept, [4, 5]);
    }

    #[test]
    fn used_ones_stay_whatever_the_limits_say() {
        let mut artifacts = Artifacts::default();
        (1..=5).for_each(|run| keep(&mut artifacts, "build", run, IN_ALL));
        let gone = artifacts.collect(&[RunId(1), RunId(2)]);
        assert!(is_kept(&artifacts, 1) && is_kept(&artifacts, 2) && !is_kept(&artifacts, 4));
        assert!(!gone.contains(&("build".into(), RunId(1))));
    }

    #[test]
    fn what_was_never_kept_goes_but_not_from_a_steps_newest_run() {
        let mut artifacts = Artifacts::default();
        (1..=3).for_each(|run| artifacts.began("build", RunId(run)));
        assert_eq!(artifacts.collect(&[RunId(1)]), [("build".into(), RunId(2))]);
        assert_eq!(artifacts.collect(&[]), [("build".into(), RunId(1))]);
        assert_eq!(artifacts.collect(&[]), []);
    }

    #[test]
    fn a_newer_artifact_of_the_same_key_replaces_the_older() {
        let mut artifacts = Artifacts::default();
        let stamp = Stamp { mark: Digest(0), bytes: 1 };
        artifacts.keep(Digest(9), artifact("build", 1), stamp, Keep::Session);
        artifacts.keep(Digest(9), artifact("build", 2), stamp, Keep::Session);
        assert_eq!(artifacts.find(Digest(9)).map(|(artifact, _)| artifact.run), Some(RunId(2)));
        assert_eq!(artifacts.collect(&[]), [("build".into(), RunId(1))]);
    }
}
