//! The programs that one can go back to, over sessions: which artifacts each service was made of, and at which
//! revision. They are part of `state.json`; what is damaged there is forgotten with a note.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::Arc,
};

use serde_json::{Map, Value, json};

use super::{
    artifacts::Artifacts,
    digest::{self, Stamp},
    outs::{self, Outs},
    state::is_inside,
};
use crate::model::{Artifact, Digest, PastProgram, Revision, RunId};

/// The version of the format below.
const VERSION: u64 = 1;
/// At most so many bytes of earlier sessions.
const IN_ALL: u64 = 2 * 1024 * 1024 * 1024;

/// By service, oldest first.
#[derive(Debug, Default)]
pub(super) struct Programs {
    of: BTreeMap<Arc<str>, Vec<PastProgram>>,
    /// Of artifacts that were looked at.
    stamps: BTreeMap<RunId, Stamp>,
}

impl Programs {
    /// What an earlier session wrote, as far as its artifacts are there and nobody has touched them. With a note if
    /// something cannot be read.
    pub(super) fn read(value: Option<&Value>, artifacts: &mut Artifacts, outs: &Outs) -> (Programs, Option<String>) {
        let mut programs = Programs::default();
        let Some(value) = value else { return (programs, None) };
        if value["version"] != VERSION {
            let note = "the earlier programs of another devloop version are forgotten: one cannot go back to them";
            return (programs, Some(note.to_owned()));
        }
        let Some(services) = value["services"].as_object() else { return (programs, Some(unreadable(1))) };
        let mut damaged = 0;
        for (service, list) in services {
            for program in list.as_array().into_iter().flatten() {
                match Stored::read(program) {
                    Some(stored) => programs.add(service, stored, artifacts, outs),
                    None => damaged += 1,
                }
            }
            damaged += usize::from(!list.is_array());
        }
        programs.drop_what_is_too_much();
        (programs, (damaged > 0).then(|| unreadable(damaged)))
    }

    fn add(&mut self, service: &str, stored: Stored, artifacts: &mut Artifacts, outs: &Outs) {
        let is_there = |one: &StoredArtifact| {
            let path = outs::file_in(&outs.root().join(&one.folder), &one.step);
            digest::stamp(&path).is_ok_and(|now| now.mark == one.stamp.mark)
        };
        if !stored.artifacts.iter().all(is_there) {
            return;
        }
        let made = stored.artifacts.into_iter().map(|one| {
            let run = artifacts.earlier_in(outs.root().join(&one.folder));
            self.stamps.insert(run, one.stamp);
            Artifact { step: one.step.into(), run, digest: one.digest }
        });
        let program = PastProgram { revision: stored.revision, artifacts: made.collect() };
        self.of.entry(service.into()).or_default().push(program);
    }

    /// The oldest go first, whoever they belong to.
    fn drop_what_is_too_much(&mut self) {
        let mut revisions: Vec<Revision> = self.of.values().flatten().map(|program| program.revision).collect();
        revisions.sort_unstable();
        for revision in revisions {
            let runs: HashSet<RunId> = self.runs().into_iter().collect();
            let bytes = runs.iter().filter_map(|run| self.stamps.get(run)).map(|stamp| stamp.bytes);
            if bytes.fold(0_u64, u64::saturating_add) <= IN_ALL {
                return;
            }
            self.of.values_mut().for_each(|list| list.retain(|program| program.revision > revision));
        }
    }

    /// Those of each service.
    pub(super) fn all(&self) -> Vec<(Arc<str>, Vec<PastProgram>)> {
        self.of.iter().map(|(service, list)| (service.clone(), list.clone())).collect()
    }

    pub(super) fn set(&mut self, service: &str, programs: Vec<PastProgram>) {
        self.of.insert(service.into(), programs);
    }

    /// The runs whose artifacts they need.
    pub(super) fn runs(&self) -> Vec<RunId> {
        self.of.values().flatten().flat_map(|program| &program.artifacts).map(|artifact| artifact.run).collect()
    }

    /// The newest revision that one of them is from.
    pub(super) fn newest(&self) -> Revision {
        self.of.values().flatten().map(|program| program.revision).max().unwrap_or_default()
    }

    /// As `state.json` has them. What is not there any more is left out.
    pub(super) fn written(&mut self, artifacts: &Artifacts, outs: &Outs) -> Value {
        let mut services = Map::new();
        for (service, list) in &self.of {
            let written: Vec<Value> =
                list.iter().filter_map(|program| write(program, &mut self.stamps, artifacts, outs)).collect();
            if !written.is_empty() {
                services.insert(service.to_string(), written.into());
            }
        }
        let runs: HashSet<RunId> = self.runs().into_iter().collect();
        self.stamps.retain(|run, _| runs.contains(run));
        json!({ "version": VERSION, "services": services })
    }
}

fn unreadable(count: usize) -> String {
    let what = if count == 1 { "an earlier program is".to_owned() } else { format!("{count} earlier programs are") };
    format!("{what} forgotten: what `state.json` says of that cannot be read")
}

/// A program as it is written.
struct Stored {
    revision: Revision,
    artifacts: Vec<StoredArtifact>,
}

struct StoredArtifact {
    step: String,
    /// Relative to the folder of artifacts.
    folder: String,
    digest: Digest,
    stamp: Stamp,
}

impl Stored {
    fn read(value: &Value) -> Option<Stored> {
        let artifacts = value["artifacts"].as_array()?.iter().map(StoredArtifact::read);
        let artifacts = artifacts.collect::<Option<Vec<_>>>()?;
        let revision = Revision(value["revision"].as_u64()?);
        (!artifacts.is_empty()).then_some(Stored { revision, artifacts })
    }
}

impl StoredArtifact {
    fn read(value: &Value) -> Option<StoredArtifact> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let digest = |name: &str| u128::from_str_radix(&text(name)?, 16).ok().map(Digest);
        let folder = text("folder")?;
        let stamp = Stamp { mark: digest("mark")?, bytes: value["bytes"].as_u64()? };
        let one = StoredArtifact { step: text("step")?, digest: digest("digest")?, stamp, folder };
        is_inside(Path::new(&one.folder)).then_some(one)
    }
}

fn write(
    program: &PastProgram,
    stamps: &mut BTreeMap<RunId, Stamp>,
    artifacts: &Artifacts,
    outs: &Outs,
) -> Option<Value> {
    let mut written = Vec::new();
    for artifact in &program.artifacts {
        let folder = artifacts.folder_of(artifact.run).unwrap_or_else(|| outs.folder(&artifact.step, artifact.run));
        let stamp = match stamps.get(&artifact.run) {
            Some(stamp) => *stamp,
            None => {
                let stamp = digest::stamp(&outs::file_in(&folder, &artifact.step)).ok()?;
                stamps.insert(artifact.run, stamp);
                stamp
            }
        };
        let folder = super::text(folder.strip_prefix(outs.root()).ok()?.as_os_str())?;
        let hex = |digest: Digest| format!("{:032x}", digest.0);
        written.push(json!({
            "step": artifact.step, "folder": folder, "digest": hex(artifact.digest), "mark": hex(stamp.mark),
            "bytes": stamp.bytes,
        }));
    }
    Some(json!({ "revision": program.revision, "artifacts": written }))
}
