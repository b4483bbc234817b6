//! Constant saving never starves the outcome: what was stopped three times in a row is let finish, and what is saved
//! meanwhile counts afterwards (promise 2).

use std::collections::BTreeSet;

use super::{Core, Pass, event::Verdict, settle::Pending};

/// After so many runs in a row that came to nothing the next one is let finish.
const IN_VAIN: u8 = 3;

impl Core {
    /// What has to be let finish before this batch counts: nodes it would stop for the fourth time in a row.
    pub(super) fn pass_for(&self, looked: &[(Pending, Verdict)]) -> Option<Pass> {
        let mut steps = BTreeSet::new();
        let mut services = BTreeSet::new();
        for (path, verdict) in looked {
            let (changed, written) = match verdict {
                Verdict::Changed | Verdict::Gone => (true, true),
                Verdict::Same => (false, true),
                Verdict::Owned => (false, false),
            };
            for (index, step) in self.steps.iter().enumerate() {
                let reads = path.concern.steps.contains(&index);
                let after = path.concern.steps.iter().any(|reader| self.graph.before_step[index].contains(reader));
                if step.in_vain >= IN_VAIN && !step.is_idle() && ((written && reads) || (changed && after)) {
                    steps.insert(index);
                }
            }
            for (index, service) in self.services.iter().enumerate() {
                let reads = self.concerns_service(index, &path.concern);
                let after = path.concern.steps.iter().any(|reader| self.graph.before_service[index].contains(reader));
                if service.in_vain >= IN_VAIN && service.candidate().is_some() && changed && (reads || after) {
                    services.insert(index);
                }
            }
        }
        if steps.is_empty() && services.is_empty() {
            return None;
        }
        for index in steps.clone() {
            steps.extend(&self.graph.after_step[index]);
            services.extend(self.graph.services_after(index));
        }
        Some(Pass { steps, services })
    }

    /// Ends the pass once all its nodes are done, and lets count what was put off.
    pub(super) fn end_pass(&mut self) -> bool {
        let Some(pass) = &self.pass else { return false };
        let steps = pass.steps.iter().any(|index| !self.steps[*index].is_idle() || self.step_may_start(*index));
        let services = pass.services.iter().any(|index| self.services[*index].is_swapping());
        if steps || services {
            return false;
        }
        for index in pass.steps.clone() {
            self.steps[index].in_vain = 0;
        }
        for index in pass.services.clone() {
            self.services[index].in_vain = 0;
        }
        self.pass = None;
        let deferred = std::mem::take(&mut self.deferred);
        self.apply(deferred);
        true
    }

    /// Whether this step is in a pass: files that have not settled do not keep it.
    pub(super) fn step_passes(&self, index: usize) -> bool {
        self.pass.as_ref().is_some_and(|pass| pass.steps.contains(&index))
    }

    /// Whether this service is in a pass.
    pub(super) fn service_passes(&self, index: usize) -> bool {
        self.pass.as_ref().is_some_and(|pass| pass.services.contains(&index))
    }
}
