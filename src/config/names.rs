//! The names of steps and services: well formed, each used once, and found again with "did you mean".

use std::{collections::BTreeMap, sync::Arc};

use super::{
    table::Report,
    written::{At, Common, File},
};
use crate::error::{Problem, did_you_mean};

/// Who has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Step(usize),
    Service(usize),
}

/// All names of a file.
pub(super) struct Names {
    known: BTreeMap<String, Who>,
    steps: Vec<Arc<str>>,
    services: Vec<Arc<str>>,
}

impl Names {
    /// Reads and checks them.
    pub(super) fn new(report: &mut Report, file: &File) -> Names {
        let mut names = Names { known: BTreeMap::new(), steps: Vec::new(), services: Vec::new() };
        let mut all: Vec<(Who, &Common)> = Vec::new();
        all.extend(file.steps.iter().enumerate().map(|(index, step)| (Who::Step(index), &step.common)));
        all.extend(file.services.iter().enumerate().map(|(index, service)| (Who::Service(index), &service.common)));
        for (who, common) in &all {
            let name: Arc<str> = common.name.as_ref().map_or("", |name| &name.value).into();
            match who {
                Who::Step(_) => names.steps.push(name),
                Who::Service(_) => names.services.push(name),
            }
        }
        all.sort_by_key(|(_, common)| common.header.start);
        for (who, common) in all {
            if let Some(name) = &common.name {
                names.add(report, who, name);
            }
        }
        names
    }

    fn add(&mut self, report: &mut Report, who: Who, name: &At<String>) {
        if let Some(problem) = malformed(&name.value) {
            report.problem(problem, name.span.clone());
        }
        match self.known.get(&name.value).copied() {
            Some(first) => {
                let what = self.called(first);
                let problem = Problem::new(format!("the name `{}` is used twice", name.value));
                let hint = format!("{what} has it already; every step and service has a name of its own");
                report.problem(problem.hint(hint), name.span.clone());
            }
            None => _ = self.known.insert(name.value.clone(), who),
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<Who> {
        self.known.get(name).copied()
    }

    pub(super) fn of(&self, who: Who) -> &Arc<str> {
        match who {
            Who::Step(index) => &self.steps[index],
            Who::Service(index) => &self.services[index],
        }
    }

    /// "step `build`"
    pub(super) fn called(&self, who: Who) -> String {
        match who {
            Who::Step(index) => format!("step `{}`", self.steps[index]),
            Who::Service(index) => format!("service `{}`", self.services[index]),
        }
    }

    /// The names of all steps that have one.
    pub(super) fn steps(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|name| &**name).filter(|name| !name.is_empty())
    }

    fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|name| &**name).filter(|name| !name.is_empty())
    }

    /// The step that `after` names.
    pub(super) fn step(&self, report: &mut Report, name: &At<String>) -> Option<usize> {
        match self.find(&name.value) {
            Some(Who::Step(index)) => return Some(index),
            Some(Who::Service(_)) => {
                let problem = Problem::new(format!("`{}` is a service; `after` names steps", name.value));
                let hint = format!("`needs = [\"{}\"]` waits until a service is ready", name.value);
                report.problem(problem.hint(hint), name.span.clone());
            }
            None => report.problem(unknown("step", &name.value, self.steps()), name.span.clone()),
        }
        None
    }

    /// The service that `needs` names.
    pub(super) fn service(&self, report: &mut Report, name: &At<String>) -> Option<usize> {
        let hint = format!("`after = [\"{}\"]` waits until a step is done", name.value);
        self.service_for(report, name, |problem| problem.hint(hint), "needs")
    }

    /// The service that a route names.
    pub(super) fn routed(&self, report: &mut Report, name: &At<String>) -> Option<usize> {
        self.service_for(report, name, |problem| problem, "service")
    }

    fn service_for(
        &self,
        report: &mut Report,
        name: &At<String>,
        advise: impl FnOnce(Problem) -> Problem,
        key: &str,
    ) -> Option<usize> {
        match self.find(&name.value) {
            Some(Who::Service(index)) => return Some(index),
            Some(Who::Step(_)) => {
                let problem = Problem::new(format!("`{}` is a step; `{key}` names services", name.value));
                report.problem(advise(problem), name.span.clone());
            }
            None => report.problem(unknown("service", &name.value, self.services()), name.span.clone()),
        }
        None
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    let problem = Problem::new(format!("no {what} is named `{name}`"));
    let known: Vec<&str> = known.collect();
    match did_you_mean(name, known.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => problem.hint(format!("there are no {what}s")),
        None if known.len() == 1 => problem.hint(format!("the only {what} is `{}`", known[0])),
        None => {
            let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            problem.hint(format!("the {what}s are {}", known.join(", ")))
        }
    }
}

fn malformed(name: &str) -> Option<Problem> {
    if name.is_empty() {
        return Some(Problem::new("the name is empty"));
    }
    if matches!(name, "out" | "port") {
        let problem = Problem::new(format!("`{name}` cannot be a name"));
        return Some(problem.hint(format!("`{{{name}}}` has a meaning of its own in commands")));
    }
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let strange = name.chars().find(|letter| !allowed(*letter))?;
    let shown = strange.escape_debug();
    let problem = Problem::new(format!("the name `{name}` has a `{shown}` in it"));
    Some(problem.hint("names are made of letters from a to z, digits, `-` and `_`"))
}
