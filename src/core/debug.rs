//! Services under their debuggers: what a breakpoint suspends, and who has to be gone before whom.
//!
//! A debugger keeps its port over swaps, so that editors find it again: of two instances that are debugged the older
//! one has to be gone before the newer one starts. A start under a debugger has no limit, and a request that such an
//! instance has not answered is waited for longer: a breakpoint may hold both.

use std::{sync::Arc, time::Duration};

use super::{
    Core,
    adopt::is_same_service,
    fact::Fact,
    service::{Candidate, Drains, Leaving, MadeOf, Next, ServiceNode},
    why::Why,
};
use crate::{
    model::RunId,
    plan::{Plan, Service},
};

/// An instance that is debugged may finish its requests for this long. A person at a breakpoint looks around.
const DRAIN: Duration = Duration::from_secs(10 * 60);

impl Core {
    /// A person wants other services under their debuggers than before: `plan` says which.
    pub(super) fn debug(&mut self, plan: Arc<Plan>) {
        let before = self.debugged();
        self.take_over(plan, &Why::Debugger);
        let now = self.debugged();
        for service in before.into_iter().filter(|name| !now.contains(name)) {
            self.tell(Fact::DebuggingOver { service });
        }
    }

    fn debugged(&self) -> Vec<Arc<str>> {
        let debugged = self.services.iter().filter(|service| service.plan.debugging.is_some());
        debugged.map(|service| service.plan.name.clone()).collect()
    }

    /// Tells how to attach to this instance, if it is debugged.
    pub(super) fn tell_debugging(&mut self, index: usize, run: RunId) {
        let service = &mut self.services[index];
        let debugging = service.candidate().and_then(|candidate| candidate.made.plan.debugging.clone());
        let Some(debugging) = debugging else { return };
        let is_known = service.told_debugging.replace(debugging.clone()).as_ref() == Some(&debugging);
        let attach = if is_known { Vec::new() } else { debugging.attach() };
        let (debugger, address) = (debugging.name().into(), debugging.address());
        let service = service.plan.name.clone();
        self.tell(Fact::Debugging { service, run, debugger, address, begin: debugging.begin, attach });
    }

    /// Does not wait any longer for what a breakpoint may hold.
    pub(super) fn hurry(&mut self, index: usize) {
        let service = &mut self.services[index];
        let drains = |leaving: &Leaving| leaving.debugger_port.is_some() && leaving.drains == Drains::Draining;
        let held: Vec<RunId> = service.leaving.iter().filter(|leaving| drains(leaving)).map(|held| held.run).collect();
        held.into_iter().for_each(|run| self.stop_instance(index, run));
    }
}

impl ServiceNode {
    /// Whether an older instance has to be gone before one of this may start.
    pub(super) fn is_hindered(&self, made: &MadeOf) -> bool {
        if self.is_exclusive() {
            return self.live.is_some() || !self.leaving.is_empty();
        }
        let has_port = |leaving: &Leaving| leaving.debugger_port == made.debugger_port();
        made.debugger_port().is_some() && (self.live_hinders(made) || self.leaving.iter().any(has_port))
    }

    /// Whether the live instance is one of those.
    pub(super) fn live_hinders(&self, made: &MadeOf) -> bool {
        let taken = self.live.as_ref().and_then(|live| live.made.debugger_port());
        self.is_exclusive() || (taken.is_some() && taken == made.debugger_port())
    }

    /// How an instance of this is run. An older program is started as it was when it ran, though dev.toml says
    /// something else by now; and what ran without a debugger, or with one, does so again.
    pub(super) fn plan_for(&self, made: &MadeOf) -> Arc<Service> {
        if !is_same_service(&made.plan, &self.plan) {
            return made.plan.clone();
        }
        if made.plan.debugging == self.plan.debugging {
            return self.plan.clone();
        }
        Arc::new(Service { debugging: made.plan.debugging.clone(), ..Service::clone(&self.plan) })
    }

    /// Its program is to be debugged, or not any more.
    pub(super) fn follow_debugging(&mut self, plan: &Arc<Service>) {
        self.why = Why::Debugger;
        self.failed = None;
        self.told_debugging = None;
        if let Some(pinned) = &mut self.pinned
            && is_same_service(&pinned.plan, plan)
        {
            pinned.plan = plan.clone();
        }
    }

    /// How long the start of this candidate may take; none: as long as it likes.
    pub(super) fn start_limit(&self, candidate: &Candidate) -> Option<Duration> {
        candidate.made.plan.debugging.is_none().then_some(self.plan.health.timeout)
    }

    /// What is waited for while a debugger may hold it.
    pub(super) fn held_by_debugger(&self) -> Option<String> {
        let name = &self.plan.name;
        match &self.next {
            Next::Starting(Candidate { made, .. }) => {
                let debugging = made.plan.debugging.as_ref()?;
                Some(format!("starting `{name}` under {debugging}, where a breakpoint may hold it"))
            }
            Next::Clearing { .. } if self.leaving.iter().any(|leaving| leaving.debugger_port.is_some()) => {
                Some(format!("stopping the old `{name}`: a breakpoint may hold its last requests"))
            }
            Next::None | Next::Clearing { .. } | Next::Pause { .. } => None,
        }
    }
}

/// How long an instance of this may finish its requests where others may for `limit`.
pub(super) fn drain_limit(made: &MadeOf, limit: Duration) -> Duration {
    if made.plan.debugging.is_some() { DRAIN.max(limit) } else { limit }
}
