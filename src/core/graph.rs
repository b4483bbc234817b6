//! Who stands before whom: computed once for each plan.

use std::collections::BTreeSet;

use crate::plan::Plan;

/// The transitive order of a plan's steps and services.
#[derive(Debug)]
pub(super) struct Graph {
    /// For each step: every step before it.
    pub(super) before_step: Vec<BTreeSet<usize>>,
    /// For each step: every step after it.
    pub(super) after_step: Vec<BTreeSet<usize>>,
    /// For each service: every step before it.
    pub(super) before_service: Vec<BTreeSet<usize>>,
    /// For each step: the steps whose artifacts its command names.
    pub(super) uses: Vec<Vec<usize>>,
}

impl Graph {
    pub(super) fn new(plan: &Plan) -> Graph {
        let steps = plan.steps.len();
        let before_step: Vec<BTreeSet<usize>> = (0..steps).map(|index| plan.before_step(index)).collect();
        let after_step =
            (0..steps).map(|index| (0..steps).filter(|other| before_step[*other].contains(&index)).collect()).collect();
        let uses = plan.steps.iter().map(|step| plan.artifacts_named(&step.run)).collect();
        Graph {
            before_service: (0..plan.services.len()).map(|index| plan.before_service(index)).collect(),
            before_step,
            after_step,
            uses,
        }
    }

    /// The services that come after the step at `index`.
    pub(super) fn services_after(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.before_service.len()).filter(move |service| self.before_service[*service].contains(&index))
    }
}
