//! What tool chains say that steps and services read, and what was touched before they had said it.

use std::{collections::HashMap, sync::Arc};

use super::{Core, settle::Concern, why::Why};
use crate::{
    model::{FilePath, RunId, Time},
    plan::{Inputs, Learned},
};

/// Paths that nothing reads are remembered up to this number.
const UNREAD: usize = 4096;
/// So many runs are remembered whose keys are proven: more than artifacts are kept.
const PROVEN: usize = 1024;

impl Core {
    /// Remembers a touched path for those that a tool chain may yet say to read it, and a path that nothing reads as
    /// one of which it is not known any more what was in it when it was last read.
    pub(super) fn note_unread(&mut self, path: &FilePath, concern: &Concern, at: Time) {
        if concern.is_none() {
            if self.strangers.len() >= UNREAD {
                self.strangers.clear();
            }
            self.strangers.insert(path.clone());
        }
        let asks = |inputs: &Inputs| matches!(inputs, Inputs::Tool(_));
        let steps = || (0..self.steps.len()).filter(|index| asks(&self.steps[*index].plan.inputs));
        let services = || (0..self.services.len()).filter(|index| asks(&self.services[*index].plan.inputs));
        if steps().all(|index| concern.steps.contains(&index))
            && services().all(|index| concern.services.contains(&index))
        {
            return;
        }
        if self.unread.len() >= UNREAD {
            let steps = steps().map(|index| self.steps[index].last_began);
            let services = services().filter_map(|index| self.services[index].newest_began());
            let oldest = steps.chain(services).min().unwrap_or(at);
            self.unread.retain(|_, at| *at >= oldest);
        }
        if self.unread.len() >= UNREAD {
            self.unread.clear();
        }
        self.unread.insert(path.clone(), at);
    }

    /// A tool chain has said what a step or service reads, or that it cannot say.
    pub(super) fn learn(&mut self, name: &Arc<str>, run: RunId, reads: Option<Learned>) {
        let step = self.steps.iter().position(|step| step.plan.name == *name);
        let Some(reads) = reads else {
            // What it read at other content says nothing now: everything that it may read counts.
            self.learned.remove(name);
            self.reconsider();
            // What was built before is not trusted on nobody's word.
            if let Some(step) = step.map(|index| &mut self.steps[index])
                && step.unproven.take_if(|unproven| unproven.run == run).is_some()
            {
                step.mark(Why::Untold);
            }
            return;
        };
        let reads = Arc::new(reads);
        self.learned.insert(name.clone(), reads.clone());
        if let Some(index) = step {
            let missed = self.why_missed(index, run, &reads);
            let step = &mut self.steps[index];
            step.unproven.take_if(|unproven| unproven.run == run);
            match missed {
                Some(why) => step.mark(why),
                None => self.prove(index, run, &reads),
            }
            self.steps[index].reads_roughly = !self.steps[index].is_idle();
        }
        if let Some(index) = self.services.iter().position(|service| service.plan.name == *name) {
            let began = self.services[index].newest_began();
            let missed = self.unread.iter().find(|(path, at)| {
                began.is_some_and(|began| **at >= began) && self.plan.service_reads(index, path, Some(&reads))
            });
            if let Some((path, _)) = missed {
                let why = Why::File(path.clone());
                self.services[index].bump(why);
            }
        }
        self.reconsider();
    }

    /// If this step was known to read just that when the key of its last run was made, whoever finds its artifact under
    /// that key need not ask again.
    fn prove(&mut self, index: usize, run: RunId, reads: &Learned) {
        let step = &self.steps[index];
        let is_keyed =
            step.keyed.as_ref().is_some_and(|(keyed, known)| *keyed == run && known.as_deref() == Some(reads));
        if is_keyed && step.is_clean() && !self.reads_unsettled(index) {
            self.proven.insert(run);
            if self.proven.len() > PROVEN {
                self.proven.pop_first();
            }
        }
    }

    /// Why the result of this step is out of date, now that it is known what it reads: a path that was not known to be
    /// read has been touched since, or a kept artifact was found under a key of other files.
    fn why_missed(&self, index: usize, run: RunId, reads: &Learned) -> Option<Why> {
        let step = &self.steps[index];
        if let Some(unproven) = step.unproven.as_ref().filter(|unproven| unproven.run == run) {
            return (unproven.known.as_deref() != Some(reads)).then_some(Why::Inputs);
        }
        let began = step.last_began;
        let missed =
            self.unread.iter().find(|(path, at)| **at >= began && self.plan.step_reads(index, path, Some(reads)));
        missed.map(|(path, _)| Why::File(path.clone()))
    }

    /// Computes again whom the pending paths concern.
    pub(super) fn reconsider(&mut self) {
        let paths: Vec<(FilePath, Time)> = self.settling.pending().map(|path| (path.path.clone(), path.last)).collect();
        let mut concerns: HashMap<FilePath, Arc<Concern>> = HashMap::new();
        for (path, last) in paths {
            let concern = self.concern(&path);
            self.note_unread(&path, &concern, last);
            concerns.insert(path, concern);
        }
        self.settling.reconsider(|path| concerns.get(path).cloned().unwrap_or_default());
    }
}
