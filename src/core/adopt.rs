//! A changed dev.toml: only what changed is touched; an invalid one changes nothing.

use std::sync::Arc;

use super::{
    Core, Reading,
    event::{Effect, StopHow},
    fact::Fact,
    graph::Graph,
    save::By,
    service::{Next, ServiceNode},
    settle::Pending,
    step::{Activity, Stage, StepNode, Stopping},
    why::Why,
};
use crate::{
    model::{Report, RunId},
    plan::{Plan, Service, Step},
};

impl Core {
    /// dev.toml has changed.
    pub(super) fn read_plan_again(&mut self) {
        match self.reading {
            Reading::No => {
                self.reading = Reading::Asked;
                self.out.push(Effect::Reload);
            }
            Reading::Asked | Reading::AskedAgain => self.reading = Reading::AskedAgain,
        }
    }

    fn plan_was_read(&mut self) {
        if std::mem::replace(&mut self.reading, Reading::No) == Reading::AskedAgain {
            self.read_plan_again();
        }
    }

    /// The new dev.toml is not valid: the old plan stays, and that is said.
    pub(super) fn refuse_plan(&mut self, report: Report) {
        self.plan_was_read();
        self.invalid_plan = Some(Arc::new(report.clone()));
        self.tell(Fact::PlanInvalid { report });
    }

    /// Takes `plan` over.
    pub(super) fn adopt(&mut self, plan: Arc<Plan>) {
        self.plan_was_read();
        self.invalid_plan = None;
        let touched = self.take_over(plan, &Why::Config);
        self.tell(Fact::PlanChanged { touched });
    }

    /// Returns what runs differently from now on.
    pub(super) fn take_over(&mut self, plan: Arc<Plan>, why: &Why) -> Vec<Arc<str>> {
        let mut touched: Vec<Arc<str>> = Vec::new();
        if *plan == *self.plan {
            self.plan = plan;
            return touched;
        }
        let unjudged = self.adopt_steps(&plan, why, &mut touched);
        let asked_otherwise = self.adopt_services(&plan, why, &mut touched);
        self.graph = Graph::new(&plan);
        self.settling.set_rule(plan.watch.settle);
        self.pass = None;
        self.plan = plan;
        for name in asked_otherwise {
            self.ask_anew(&name);
        }
        self.reconsider();
        for paths in self.batches.values_mut() {
            paths.retain(|path| !path.concern.is_none());
        }
        self.recompute_batches();
        for path in unjudged {
            let concern = self.concern(&path.path);
            self.spread(&path.path, &concern, By::Save { first: path.first, last: path.last });
        }
        touched
    }

    /// Returns what steps that are gone have written and nobody will judge: their answers come too late.
    fn adopt_steps(&mut self, plan: &Plan, why: &Why, touched: &mut Vec<Arc<str>>) -> Vec<Pending> {
        let mut old = std::mem::take(&mut self.steps);
        for step in &plan.steps {
            let known = old.iter().position(|node| node.plan.name == step.name).map(|at| old.remove(at));
            let Some(mut node) = known else {
                touched.push(step.name.clone());
                self.steps.push(StepNode::new(step.clone(), why.clone(), self.now));
                continue;
            };
            let is_other = !is_same_step(&node.plan, step);
            if is_other {
                self.learned.remove(&step.name);
                node.reads_roughly = true;
            }
            // What has failed may have had too little time.
            if is_other || (node.is_failed() && node.plan.timeout != step.timeout) {
                touched.push(step.name.clone());
                node.mark(why.clone());
            }
            node.plan = step.clone();
            self.steps.push(node);
        }
        let mut unjudged = Vec::new();
        for node in old {
            touched.push(node.plan.name.clone());
            match node.activity {
                Activity::Running { run, stopping, .. } => self.orphan(run, stopping != Stopping::No),
                Activity::Ended { stage: Stage::Examining { taken }, .. } => unjudged.extend(taken),
                Activity::Idle | Activity::LookingUp { .. } | Activity::Ended { .. } => {}
            }
        }
        unjudged
    }

    /// Returns the services that have an instance of the same program which is, or was in vain, asked by other rules
    /// whether it is ready.
    fn adopt_services(&mut self, plan: &Plan, why: &Why, touched: &mut Vec<Arc<str>>) -> Vec<Arc<str>> {
        let mut asked_otherwise = Vec::new();
        let mut old = std::mem::take(&mut self.services);
        for service in &plan.services {
            let known = old.iter().position(|node| node.plan.name == service.name).map(|at| old.remove(at));
            let Some(mut node) = known else {
                touched.push(service.name.clone());
                let mut node = ServiceNode::new(service.clone(), why.clone());
                node.unresolved_since = Some(self.now);
                self.services.push(node);
                continue;
            };
            if !is_same_service(&node.plan, service) {
                touched.push(service.name.clone());
                node.exclusive = false;
                node.bump(why.clone());
            } else if node.plan.debugging != service.debugging {
                touched.push(service.name.clone());
                node.follow_debugging(service);
            } else if node.plan.health != service.health && (node.failed.is_some() || is_probed(&node)) {
                touched.push(service.name.clone());
                asked_otherwise.push(service.name.clone());
            }
            node.plan = service.clone();
            self.services.push(node);
        }
        for node in old {
            touched.push(node.plan.name.clone());
            let candidate = match node.next {
                Next::Starting(candidate) => Some(candidate.run),
                Next::None | Next::Clearing { .. } | Next::Pause { .. } => None,
            };
            for run in node.live.iter().map(|live| live.run).chain(candidate) {
                self.orphan(run, false);
            }
            for leaving in node.leaving {
                self.orphan(leaving.run, leaving.drains == super::service::Drains::Stopping);
            }
        }
        asked_otherwise
    }

    /// What was tried in vain may come up by these rules, and what is being probed is probed by the old ones.
    fn ask_anew(&mut self, name: &str) {
        let Some(index) = self.services.iter().position(|node| &*node.plan.name == name) else { return };
        self.services[index].failed = None;
        if is_probed(&self.services[index]) {
            self.abandon(index, "`health` in dev.toml changed");
        }
    }

    /// A run whose owner is gone: it is stopped, unless that `is_under_way`, and forgotten when it has ended.
    fn orphan(&mut self, run: RunId, is_under_way: bool) {
        self.orphans.insert(run);
        if !is_under_way {
            self.out.push(Effect::Stop { run, how: StopHow::Ask });
        }
    }

    fn recompute_batches(&mut self) {
        let mut batches = std::mem::take(&mut self.batches);
        for path in batches.values_mut().flatten() {
            path.concern = self.concern(&path.path);
        }
        self.batches = batches;
        let mut deferred = std::mem::take(&mut self.deferred);
        for (path, _) in &mut deferred {
            path.concern = self.concern(&path.path);
        }
        self.apply(deferred);
    }
}

/// Whether a run of one is as good as a run of the other. Its place in the order does not change what it makes.
fn is_same_step(old: &Step, new: &Step) -> bool {
    let bare = |step: &Step| Step {
        after: Vec::new(),
        needs: Vec::new(),
        timeout: None,
        cancel: true,
        pty: None,
        problems: None,
        ..step.clone()
    };
    bare(old) == bare(new)
}

/// Whether an instance is on its way that was asked already whether it is ready.
fn is_probed(node: &ServiceNode) -> bool {
    node.candidate().is_some_and(|candidate| candidate.process.is_some())
}

/// Whether an instance of one is as good as an instance of the other: what its process sees is the same. How it is
/// probed, drained and stopped holds from now on without a restart.
pub(super) fn is_same_service(old: &Service, new: &Service) -> bool {
    old.run == new.run
        && old.cwd == new.cwd
        && old.env == new.env
        && old.env_files == new.env_files
        && old.port == new.port
        && old.listen_fds == new.listen_fds
        && old.pty == new.pty
        // How it is spoken to is settled when it has become ready.
        && old.protocol == new.protocol
        && old.tls == new.tls
}
