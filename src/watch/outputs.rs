//! What a step has changed, and what it reads as one number: the answers the core asks for around a run.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::{BufRead, BufReader, Read},
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::Path,
    sync::Mutex,
};

use nix::libc;
use xxhash_rust::xxh3::Xxh3;

use super::{digest::missing, ledger::Baseline, locked, reach::literal_part, shared::Shared};
use crate::{
    core::event::Verdict,
    model::{Digest, FilePath},
    plan::{Learned, Plan, Step},
};

/// The marker must stand in the first part of a file.
const HEAD: u64 = 16 * 1024;

/// What a step did to the files it touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// Its outputs that are not what they were at the last look.
    pub changed: Vec<FilePath>,
    /// The touched files that are not its outputs.
    pub foreign: Vec<FilePath>,
}

/// Compares the outputs of `step`: those among `touched`, and those in folders that are not watched.
pub(super) fn examine(shared: &Shared, step: &Step, touched: Vec<FilePath>) -> Examined {
    let mut candidates: BTreeSet<FilePath> = BTreeSet::new();
    for folder in unwatched_folders(shared, step) {
        walk(shared, &folder, &mut candidates);
        let known = locked(&shared.ledger).below(&shared.names.short(&folder)).cloned().collect::<Vec<_>>();
        candidates.extend(known);
    }
    candidates.retain(|file| is_output(shared, step, file));
    let (outputs, foreign) = touched.into_iter().partition::<Vec<_>, _>(|file| is_output(shared, step, file));
    candidates.extend(outputs);
    let changed = |file: &FilePath| {
        let look = shared.look_in_earnest(file);
        locked(&shared.ledger).settle(file, &look) != Verdict::Same
    };
    Examined { changed: candidates.into_iter().filter(changed).collect(), foreign }
}

fn is_output(shared: &Shared, step: &Step, file: &FilePath) -> bool {
    if step.outputs.matches(file) {
        return true;
    }
    if !step.generates {
        return false;
    }
    let path = shared.names.full(file);
    if is_generated(&path) {
        locked(&shared.generated).insert(file.clone());
        return true;
    }
    path.symlink_metadata().is_err() && locked(&shared.generated).contains(file)
}

/// The ignored folders that the step's outputs may lie in.
fn unwatched_folders(shared: &Shared, step: &Step) -> Vec<std::path::PathBuf> {
    let tree = locked(&shared.tree);
    let mut folders = BTreeSet::new();
    for pattern in step.outputs.patterns().iter().filter(|pattern| !pattern.starts_with('!')) {
        let prefix = literal_part(pattern);
        // A pattern that names no folder means no ignored ones.
        if !prefix.as_os_str().is_empty() {
            folders.extend(tree.unwatched_below(&shared.names.full(&prefix)));
        }
    }
    folders.into_iter().collect()
}

fn walk(shared: &Shared, folder: &Path, files: &mut BTreeSet<FilePath>) {
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else { continue };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            } else {
                files.insert(shared.names.short(&entry.path()));
            }
        }
    }
}

/// Whether `path` is a Go file that says of itself, in a comment line before its first code, that it is generated.
pub(super) fn is_generated(path: &Path) -> bool {
    if path.extension().is_none_or(|extension| extension != "go") {
        return false;
    }
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    let Ok(file) = file else { return false };
    if !file.metadata().is_ok_and(|found| found.is_file()) {
        return false;
    }
    for line in BufReader::new(file.take(HEAD)).split(b'\n') {
        let Ok(line) = line else { return false };
        let line = line.trim_ascii_end();
        if line.starts_with(b"// Code generated ") && line.ends_with(b" DO NOT EDIT.") {
            return true;
        }
        if line.starts_with(b"package ") {
            return false;
        }
    }
    false
}

/// The files each step reads, as long as the ledger holds the same ones.
#[derive(Debug, Default)]
pub(super) struct Members(Mutex<HashMap<String, Listed>>);

#[derive(Debug)]
struct Listed {
    edition: u64,
    plan: usize,
    learned: usize,
    files: std::sync::Arc<BTreeSet<FilePath>>,
}

impl Members {
    /// One number for the names and contents of all files that the step called `name` reads now; none before the
    /// baseline is complete.
    pub(super) fn digest(
        &self,
        shared: &Shared,
        plan: &std::sync::Arc<Plan>,
        name: &str,
        learned: Option<&std::sync::Arc<Learned>>,
    ) -> Option<Digest> {
        let index = plan.steps.iter().position(|step| &*step.name == name)?;
        if locked(&shared.ledger).state() != Baseline::Complete {
            return None;
        }
        let reads = |file: &FilePath| plan.step_reads(index, file, learned.map(|reads| &**reads));
        let mut files = self.files(shared, plan, name, learned, &reads);
        let suspects: Vec<_> = locked(&shared.ledger).suspects().filter(|file| reads(file)).cloned().collect();
        let of_learned = learned.iter().flat_map(|reads| &reads.files);
        let extra: Vec<_> =
            suspects.into_iter().chain(of_learned.cloned()).filter(|file| !files.contains(file)).collect();
        if !extra.is_empty() {
            std::sync::Arc::make_mut(&mut files).extend(extra);
        }
        let mut hasher = Xxh3::new();
        for file in files.iter() {
            let content = self.content(shared, file);
            if content != missing() {
                let name = file.as_os_str().as_bytes();
                hasher.update(&(name.len() as u64).to_le_bytes());
                hasher.update(name);
                hasher.update(&content.0.to_le_bytes());
            }
        }
        Some(Digest(hasher.digest128()))
    }

    fn content(&self, shared: &Shared, file: &FilePath) -> Digest {
        {
            let ledger = locked(&shared.ledger);
            if let Some(content) = ledger.content(file).filter(|_| !ledger.is_suspect(file)) {
                return content;
            }
        }
        let look = shared.look(file);
        locked(&shared.ledger).glance(file, &look);
        look.content
    }

    fn files(
        &self,
        shared: &Shared,
        plan: &std::sync::Arc<Plan>,
        name: &str,
        learned: Option<&std::sync::Arc<Learned>>,
        reads: &dyn Fn(&FilePath) -> bool,
    ) -> std::sync::Arc<BTreeSet<FilePath>> {
        let ledger = locked(&shared.ledger);
        let (edition, plan) = (ledger.edition(), std::sync::Arc::as_ptr(plan) as usize);
        let learned = learned.map_or(0, |reads| std::sync::Arc::as_ptr(reads) as usize);
        let mut listed = locked(&self.0);
        let same = |known: &&Listed| (known.edition, known.plan, known.learned) == (edition, plan, learned);
        if let Some(known) = listed.get(name).filter(same) {
            return known.files.clone();
        }
        let files: BTreeSet<_> = ledger.contents().map(|(file, ..)| file).filter(|file| reads(file)).cloned().collect();
        let files = std::sync::Arc::new(files);
        listed.insert(name.to_owned(), Listed { edition, plan, learned, files: files.clone() });
        files
    }
}
