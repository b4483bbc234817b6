//! A part of a plan: some services, and what they cannot do without.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Plan, Route, Target};
use crate::error::{Problem, did_you_mean};

#[derive(Default)]
struct Wanted {
    steps: BTreeSet<usize>,
    services: BTreeSet<usize>,
}

impl Plan {
    /// The plan of these services, the services they need, and the steps before any of them; everything else is left
    /// out, and the order stays. With no names: the whole plan.
    ///
    /// # Errors
    /// A name that no service has.
    pub fn only(&self, names: &[String]) -> Result<Plan, Problem> {
        if names.is_empty() {
            return Ok(self.clone());
        }
        let mut wanted = Wanted::default();
        for name in names {
            let index = self.services.iter().position(|service| *service.name == **name);
            self.want_service(&mut wanted, index.ok_or_else(|| self.no_such_service(name))?);
        }
        Ok(self.cut(&wanted))
    }

    fn want_service(&self, wanted: &mut Wanted, index: usize) {
        if !wanted.services.insert(index) {
            return;
        }
        let service = &self.services[index];
        service.needs.iter().for_each(|needed| self.want_service(wanted, *needed));
        service.after.iter().chain(&service.uses).for_each(|step| self.want_step(wanted, *step));
    }

    fn want_step(&self, wanted: &mut Wanted, index: usize) {
        if !wanted.steps.insert(index) {
            return;
        }
        let step = &self.steps[index];
        step.needs.iter().for_each(|needed| self.want_service(wanted, *needed));
        step.after.iter().for_each(|before| self.want_step(wanted, *before));
    }

    fn cut(&self, wanted: &Wanted) -> Plan {
        let renumber = |kept: &BTreeSet<usize>| -> BTreeMap<usize, usize> {
            kept.iter().enumerate().map(|(new, old)| (*old, new)).collect()
        };
        let (steps, services) = (renumber(&wanted.steps), renumber(&wanted.services));
        let moved = |old: &[usize], map: &BTreeMap<usize, usize>| {
            old.iter().filter_map(|index| map.get(index).copied()).collect()
        };
        let mut plan = self.clone();
        plan.steps = wanted.steps.iter().map(|index| Arc::clone(&self.steps[*index])).collect();
        plan.services = wanted.services.iter().map(|index| Arc::clone(&self.services[*index])).collect();
        let kept = |route: &Route| match &route.target {
            Target::Service { name, .. } => plan.services.iter().any(|service| service.name == *name),
            Target::Redirect { .. } | Target::Files(_) => true,
        };
        plan.routes = self.routes.iter().filter(|route| kept(route)).cloned().collect();
        for step in &mut plan.steps {
            let step = Arc::make_mut(step);
            step.after = moved(&step.after, &steps);
            step.needs = moved(&step.needs, &services);
        }
        for service in &mut plan.services {
            let service = Arc::make_mut(service);
            service.after = moved(&service.after, &steps);
            service.uses = moved(&service.uses, &steps);
            service.needs = moved(&service.needs, &services);
        }
        plan
    }

    pub(super) fn no_such_service(&self, name: &str) -> Problem {
        let problem = Problem::new(format!("no service is named `{name}`"));
        if self.steps.iter().any(|step| *step.name == *name) {
            return problem.hint(format!("`{name}` is a step: steps run with the services that come after them"));
        }
        let known: Vec<&str> = self.services.iter().map(|service| &*service.name).collect();
        match did_you_mean(name, known.iter().copied()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => problem.hint("dev.toml has no services"),
            None => {
                let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                problem.hint(format!("the services are {}", known.join(", ")))
            }
        }
    }
}
