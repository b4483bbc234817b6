//! What outlives a devloop: `state.json`. Fields it does not know are kept; a damaged file is set aside.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::{digest::Stamp, disk};
use crate::model::{Digest, Revision};

/// How many durations of each step and service are remembered.
const DURATIONS: usize = 10;

const EXCLUSIVE: &str = "exclusive";
const TOOK: &str = "took_ms";
const ARTIFACTS: &str = "artifacts";
const PROGRAMS: &str = "programs";
const REVISION: &str = "revision";

/// So many revisions are taken at a time, so that not each of them has to be written down at once. Who is killed leaves
/// a gap of less than this.
const AHEAD: u64 = 16;

/// An artifact that later sessions may use.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Remembered {
    pub(super) key: Digest,
    pub(super) step: String,
    /// Relative to the folder of artifacts.
    pub(super) folder: String,
    pub(super) digest: Digest,
    pub(super) stamp: Stamp,
}

/// Whether a revision is within what is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    AsWritten,
    ToBeWritten,
}

/// The file in memory.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    fields: Map<String, Value>,
    /// As the file has it, so that nothing is written twice.
    written: Option<String>,
}

impl State {
    /// Reads it; with a note if what was there had to be set aside.
    pub(super) fn read(path: &Path) -> (State, Option<String>) {
        let path = path.to_owned();
        let (fields, note) = match std::fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(Value::Object(fields)) => (fields, None),
                Ok(_) => (Map::new(), Some(set_aside(&path, "it is no JSON object"))),
                Err(error) => (Map::new(), Some(set_aside(&path, &error.to_string()))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Map::new(), None),
            Err(error) => (Map::new(), Some(format!("`{}` cannot be read: {error}", path.display()))),
        };
        (State { path, fields, written: None }, note)
    }

    /// What the file is to say, if it does not say that already.
    pub(super) fn text(&mut self, artifacts: &[Remembered], programs: Value) -> io::Result<Option<String>> {
        self.fields.insert(ARTIFACTS.to_owned(), artifacts.iter().map(to_value).collect());
        self.fields.insert(PROGRAMS.to_owned(), programs);
        let mut text = serde_json::to_string_pretty(&self.fields)?;
        text.push('\n');
        Ok((self.written.as_ref() != Some(&text)).then_some(text))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file says this now.
    pub(super) fn was_written(&mut self, text: String) {
        self.written = Some(text);
    }

    /// Only those that are written as they should be.
    pub(super) fn artifacts(&self) -> Vec<Remembered> {
        self.fields.get(ARTIFACTS).and_then(Value::as_array).into_iter().flatten().filter_map(from_value).collect()
    }

    /// See `Programs`.
    pub(super) fn programs(&self) -> Option<&Value> {
        self.fields.get(PROGRAMS)
    }

    /// No revision after this one was used so far.
    pub(super) fn revision(&self) -> Revision {
        Revision(self.fields.get(REVISION).and_then(Value::as_u64).unwrap_or_default())
    }

    /// This one is used. Whether that has to be written down now.
    #[must_use]
    pub(super) fn reach(&mut self, revision: Revision) -> Reached {
        if revision <= self.revision() {
            return Reached::AsWritten;
        }
        self.fields.insert(REVISION.to_owned(), json!(revision.0.saturating_add(AHEAD - 1)));
        Reached::ToBeWritten
    }

    /// This was the last one.
    pub(super) fn end_at(&mut self, revision: Revision) {
        self.fields.insert(REVISION.to_owned(), json!(revision));
    }

    pub(super) fn exclusive(&self) -> Vec<Arc<str>> {
        let names = self.fields.get(EXCLUSIVE).and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).map(Arc::from).collect()
    }

    pub(super) fn set_exclusive(&mut self, service: &str) {
        let mut names = self.exclusive();
        if !names.iter().any(|name| **name == *service) {
            names.push(service.into());
        }
        self.put_exclusive(&names);
    }

    pub(super) fn unset_exclusive(&mut self, service: &str) {
        let mut names = self.exclusive();
        names.retain(|name| **name != *service);
        self.put_exclusive(&names);
    }

    fn put_exclusive(&mut self, names: &[Arc<str>]) {
        let names = names.iter().map(|name| Value::from(&**name)).collect();
        self.fields.insert(EXCLUSIVE.to_owned(), names);
    }

    pub(super) fn took(&mut self, name: &str, time: Duration) {
        let mut all = self.durations();
        let times = all.entry(name.to_owned()).or_default();
        times.push(time.as_secs_f64() * 1000.0);
        times.drain(..times.len().saturating_sub(DURATIONS));
        self.fields.insert(TOOK.to_owned(), json!(all));
    }

    /// The median.
    pub(super) fn estimate(&self, name: &str) -> Option<Duration> {
        let mut times = self.durations().remove(name)?;
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2)?;
        Duration::try_from_secs_f64(median / 1000.0).ok()
    }

    fn durations(&self) -> BTreeMap<String, Vec<f64>> {
        let named = self.fields.get(TOOK).and_then(Value::as_object).into_iter().flatten();
        let numbers = |times: &Value| Some(times.as_array()?.iter().filter_map(Value::as_f64).collect());
        named.filter_map(|(name, times)| Some((name.clone(), numbers(times)?))).collect()
    }
}

/// A file somebody edited must not lead out of the folder of artifacts.
pub(super) fn is_inside(folder: &Path) -> bool {
    folder.components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

fn set_aside(path: &Path, why: &str) -> String {
    let aside = path.with_extension("damaged.json");
    match disk::rename(path, &aside) {
        Ok(()) => format!("`{}` is damaged ({why}): set aside as `{}`", path.display(), aside.display()),
        Err(_) => format!("`{}` is damaged ({why})", path.display()),
    }
}

/// Digests do not fit into JSON's numbers.
fn to_value(one: &Remembered) -> Value {
    let hex = |digest: Digest| format!("{:032x}", digest.0);
    json!({
        "key": hex(one.key), "step": one.step, "folder": one.folder, "digest": hex(one.digest),
        "mark": hex(one.stamp.mark), "bytes": one.stamp.bytes,
    })
}

fn from_value(value: &Value) -> Option<Remembered> {
    let text = |name: &str| value.get(name)?.as_str();
    let digest = |name: &str| u128::from_str_radix(text(name)?, 16).ok().map(Digest);
    let folder = text("folder")?.to_owned();
    let inside = is_inside(Path::new(&folder));
    let stamp = Stamp { mark: digest("mark")?, bytes: value.get("bytes")?.as_u64()? };
    let one =
        Remembered { key: digest("key")?, step: text("step")?.to_owned(), folder, digest: digest("digest")?, stamp };
    inside.then_some(one)
}
