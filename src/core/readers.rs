//! Who reads a file, and by which rule: the answer to "why did nothing happen when I saved it?".

use std::{path::Path, sync::Arc};

use serde::Serialize;

use super::Core;
use crate::plan::{Globs, Inputs, Tool};

/// Whom a file concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Readers {
    /// The steps that read it.
    pub steps: Vec<Reader>,
    /// The services that a change of it restarts, not by way of a step.
    pub services: Vec<Reader>,
    /// The steps that write it.
    pub written_by: Vec<Arc<str>>,
    /// The services after those steps: by way of them it reaches these too.
    pub reaches: Vec<Arc<str>>,
    /// It is dev.toml.
    pub is_config: bool,
}

/// One that reads a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reader {
    /// Its name.
    pub name: Arc<str>,
    /// By which rule.
    pub rule: String,
}

impl Core {
    /// Who reads `path`, as far as that is known now.
    pub fn readers(&self, path: &Path) -> Readers {
        let concern = self.concern(path);
        let steps: Vec<Reader> = concern.steps.iter().map(|step| self.step_reader(*step, path)).collect();
        let restarted = (0..self.services.len()).filter(|service| self.concerns_service(*service, &concern));
        let services = restarted.map(|service| self.service_reader(service, path));
        let reached =
            |service: &usize| concern.steps.iter().any(|step| self.graph.before_service[*service].contains(step));
        let reaches = (0..self.services.len()).filter(reached);
        Readers {
            services: services.collect(),
            written_by: concern.outputs_of.iter().map(|step| self.steps[*step].plan.name.clone()).collect(),
            reaches: reaches.map(|service| self.services[service].plan.name.clone()).collect(),
            is_config: concern.config,
            steps,
        }
    }

    fn step_reader(&self, index: usize, path: &Path) -> Reader {
        let step = &self.steps[index].plan;
        let rule = match &step.inputs {
            _ if step.env_files.iter().any(|file| **file == *path) => "env_files".to_owned(),
            inputs => rule(inputs, path),
        };
        Reader { name: step.name.clone(), rule }
    }

    fn service_reader(&self, index: usize, path: &Path) -> Reader {
        let service = &self.services[index].plan;
        let reads = self.plan.service_reads(index, path, self.learned.get(&service.name).map(|known| &**known));
        let rule = match &service.inputs {
            _ if service.env_files.iter().any(|file| **file == *path) => "env_files".to_owned(),
            _ if service.program.as_deref() == Some(path) => "it is the program in `run`".to_owned(),
            _ if !reads => "a step before it writes it".to_owned(),
            inputs => rule(inputs, path),
        };
        Reader { name: service.name.clone(), rule }
    }
}

fn rule(inputs: &Inputs, path: &Path) -> String {
    match inputs {
        Inputs::None => "no inputs".to_owned(),
        Inputs::Everything => "no `inputs`: everything that is not ignored".to_owned(),
        Inputs::Globs(globs) => match matching(globs, path) {
            Some(pattern) => format!("inputs has \"{pattern}\""),
            None => "inputs".to_owned(),
        },
        Inputs::Tool(Tool::Go) => "inputs = \"go\"".to_owned(),
        Inputs::Tool(Tool::Cargo) => "inputs = \"cargo\"".to_owned(),
    }
}

/// The first pattern that `path` matches.
fn matching<'a>(globs: &'a Globs, path: &Path) -> Option<&'a str> {
    let matches = |pattern: &&String| Globs::new(&[(*pattern).clone()]).is_ok_and(|glob| glob.matches(path));
    globs.patterns().iter().find(matches).map(String::as_str)
}
