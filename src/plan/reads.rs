//! Which path concerns which step or service, and what has to be clean before it.

use std::{collections::BTreeSet, path::Path};

use super::{Command, Files, Globs, Inputs, Plan, Service, Step, Target, Tool, Trust};
use crate::model::FilePath;

/// What a tool chain said a step or service reads. Replaces `Inputs::Tool` once it is known.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Learned {
    /// Exactly these files.
    pub files: BTreeSet<FilePath>,
    /// And these patterns (new files in package folders, embed patterns).
    pub globs: Globs,
}

impl Inputs {
    /// Whether `path` is among them, apart from the rules about outputs.
    fn matches(&self, path: &Path, learned: Option<&Learned>) -> bool {
        match self {
            Inputs::None => false,
            Inputs::Everything => true,
            Inputs::Globs(globs) => globs.matches(path),
            Inputs::Tool(tool) => match learned {
                Some(known) => known.files.contains(path) || known.globs.matches(path),
                None => tool.broad(path),
            },
        }
    }
}

impl Tool {
    /// What a build of this tool chain might read, while it has not been asked: rather too much than too little.
    pub fn broad(self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        match self {
            Tool::Go => !name.ends_with("_test.go"),
            Tool::Cargo => {
                name.ends_with(".rs")
                    || matches!(name, "Cargo.toml" | "Cargo.lock" | "config.toml" | "rust-toolchain.toml")
            }
        }
    }
}

impl Step {
    /// Whether it says nothing of what it changes.
    pub fn is_blind(&self) -> bool {
        self.outputs.is_empty() && !self.makes_artifact && !self.generates
    }
}

impl Service {
    /// Whether a changed output of a step before it restarts it (or a run of such a step that declares none). Not with
    /// `inputs = []`: then only an artifact or program file that its command names, its env files and its config do.
    pub fn follows_steps(&self) -> bool {
        !matches!(&self.inputs, Inputs::Globs(globs) if globs.is_empty())
    }
}

impl Plan {
    /// Whether a write to `path` is a change for the step at `index`. Its own outputs are not, unless its inputs match
    /// them too: then a person's edit of one is, but not what its own run wrote (the core sees to that).
    pub fn step_reads(&self, index: usize, path: &Path, learned: Option<&Learned>) -> bool {
        let step = &self.steps[index];
        if step.env_files.iter().any(|file| **file == *path) {
            return true;
        }
        match &step.inputs {
            Inputs::Everything => !self.is_own_or_later_output(index, path) && !self.is_config(path),
            Inputs::Tool(_) => step.inputs.matches(path, learned) && !step.outputs.matches(path),
            other => other.matches(path, learned),
        }
    }

    /// The folders that routes answer from.
    pub fn folders(&self) -> impl Iterator<Item = &Files> {
        self.routes.iter().filter_map(|route| match &route.target {
            Target::Files(files) => Some(files),
            Target::Service { .. } | Target::Redirect { .. } => None,
        })
    }

    /// Whether a write to `path` is a change for the service at `index` itself (not for a step before it).
    pub fn service_reads(&self, index: usize, path: &Path, learned: Option<&Learned>) -> bool {
        let service = &self.services[index];
        if service.assets.matches(path) {
            return false;
        }
        let ca = service.tls.as_ref().is_some_and(|tls| matches!(&tls.trust, Trust::File(file) if **file == *path));
        ca || service.env_files.iter().any(|file| **file == *path)
            || service.program.as_deref() == Some(path)
            || (service.inputs.matches(path, learned)
                && !(service.inputs == Inputs::Everything && self.is_config(path)))
    }

    /// dev.toml is no part of "everything": what a change of it touches is known better.
    fn is_config(&self, path: &Path) -> bool {
        self.file.as_deref() == Some(path)
    }

    /// The indices of the steps whose artifacts `command` names, in the plan's order.
    pub fn artifacts_named(&self, command: &Command) -> Vec<usize> {
        let names = command.names();
        let named = |step: &Step| step.makes_artifact && names.iter().any(|name| **name == *step.name);
        (0..self.steps.len()).filter(|index| named(&self.steps[*index])).collect()
    }

    /// Whether the step at `index` reads and writes `path` in place, as a formatter does: a pattern that stands in its
    /// `inputs` and in its `outputs` matches. (An output that only a broader input pattern covers is just an output.)
    pub fn rewrites(&self, index: usize, path: &Path) -> bool {
        let step = &self.steps[index];
        let Inputs::Globs(inputs) = &step.inputs else { return false };
        let shared = |pattern: &&String| inputs.patterns().contains(pattern);
        let both: Vec<String> = step.outputs.patterns().iter().filter(shared).cloned().collect();
        !both.is_empty() && Globs::new(&both).is_ok_and(|both| both.matches(path))
    }

    /// Every step that must be clean before the step at `index` may run.
    pub fn before_step(&self, index: usize) -> BTreeSet<usize> {
        self.closure(&self.steps[index].after)
    }

    /// Every step that must be clean before the service at `index` may start.
    pub fn before_service(&self, index: usize) -> BTreeSet<usize> {
        self.closure(&self.services[index].after)
    }

    fn closure(&self, from: &[usize]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open: Vec<usize> = from.to_vec();
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(&self.steps[next].after);
            }
        }
        found
    }

    fn is_own_or_later_output(&self, index: usize, path: &Path) -> bool {
        let before = self.before_step(index);
        self.steps.iter().enumerate().any(|(other, step)| !before.contains(&other) && step.outputs.matches(path))
    }
}
