//! At rest: nothing is under way that ends by itself. Then it is told whether all is well, and what nobody needs any
//! more is given away.

use std::collections::BTreeSet;

use super::{Core, Journey, Reading, Watching, event::Effect, fact::Fact, service::ServiceNode, step::StepNode};
use crate::model::RunId;

impl Core {
    pub(super) fn tell_rest(&mut self) {
        let resting = !self.is_busy();
        if resting && !self.resting {
            self.journey = Journey::default();
            let steps = self.steps.iter().all(StepNode::is_clean);
            let is_newest = |index: usize| {
                let service = &self.services[index];
                let held_back = service.pinned.is_some() || self.is_collected(index);
                service.live.is_some() && service.failed.is_none() && !held_back
            };
            let services = (0..self.services.len()).all(is_newest);
            let used = self.artifacts_in_use();
            self.out.push(Effect::Collect { used });
            self.tell(Fact::AtRest { ok: steps && services, revision: self.revision });
        }
        self.resting = resting;
    }

    /// Whether anything is under way that will end by itself.
    pub(super) fn is_busy(&self) -> bool {
        let settles = self.watching == Watching::On && self.settling.pending().next().is_some();
        let settling = settles || !self.batches.is_empty() || !self.deferred.is_empty();
        settling
            || self.reading != Reading::No
            || self.steps.iter().any(|step| !step.is_idle())
            || (0..self.steps.len()).any(|index| self.can_make_progress(index))
            || self.services.iter().any(ServiceNode::is_busy)
    }

    fn artifacts_in_use(&self) -> Vec<RunId> {
        let mut used: BTreeSet<RunId> =
            self.steps.iter().filter_map(|step| step.artifact.as_ref()).map(|a| a.run).collect();
        for service in &self.services {
            let known = service.past.iter().chain(&service.good).chain(&service.pinned);
            let made = known.chain(service.live.iter().map(|live| &live.made)).chain(service.next_made());
            used.extend(made.flat_map(|made| made.artifacts.iter().map(|artifact| artifact.run)));
        }
        used.extend(self.programs());
        used.into_iter().collect()
    }
}
