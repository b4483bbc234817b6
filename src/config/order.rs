//! What comes before what: `after`, `needs`, artifacts named in commands, and else the order written.

use std::{collections::BTreeSet, ops::Range};

use super::{
    names::{Names, Who},
    table::Report,
    written::{Common, File, Strings},
};
use crate::{error::Problem, plan::Command};

/// What every step and service waits for.
pub(super) struct Order {
    edges: Vec<Edge>,
}

/// `from` waits for `to`.
struct Edge {
    from: Who,
    to: Who,
    why: Why,
}

/// Why somebody waits.
enum Why {
    /// `after` or `needs` says so, here.
    Written(Range<usize>),
    /// The command names the artifact, here.
    Artifact(Range<usize>),
    /// It is written after it.
    Position,
}

/// The commands of all steps and services, as far as they could be read.
pub(super) struct Commands {
    pub(super) steps: Vec<Option<Command>>,
    pub(super) services: Vec<Option<Command>>,
}

impl Order {
    /// Finds all edges and reports names that are none, artifacts that nobody makes, and circles.
    pub(super) fn new(report: &mut Report, file: &File, names: &Names, commands: &Commands) -> Order {
        let mut order = Order { edges: Vec::new() };
        let mut written: Vec<usize> = (0..file.steps.len()).collect();
        written.sort_by_key(|index| file.steps[*index].common.header.start);
        for (position, index) in written.iter().enumerate() {
            let who = Who::Step(*index);
            let common = &file.steps[*index].common;
            order.explicit(report, names, who, common);
            order.artifacts(report, names, commands, who, common);
            if common.after.is_none() {
                order.after_all(who, &written[..position]);
            }
        }
        for (index, service) in file.services.iter().enumerate() {
            let who = Who::Service(index);
            order.explicit(report, names, who, &service.common);
            order.artifacts(report, names, commands, who, &service.common);
            if service.common.after.is_none() {
                let start = service.common.header.start;
                let before = written.iter().filter(|step| file.steps[**step].common.header.start < start);
                for step in before {
                    order.add(who, Who::Step(*step), Why::Position);
                }
            }
        }
        order.report_circles(report, file, names);
        order
    }

    /// The steps directly before.
    pub(super) fn steps_before(&self, who: Who) -> Vec<usize> {
        let steps = self.edges.iter().filter(|edge| edge.from == who);
        let steps: BTreeSet<usize> = steps.filter_map(|edge| edge.to.step()).collect();
        steps.into_iter().collect()
    }

    /// The services that must be ready.
    pub(super) fn services_needed(&self, who: Who) -> Vec<usize> {
        let services = self.edges.iter().filter(|edge| edge.from == who);
        let services: BTreeSet<usize> = services.filter_map(|edge| edge.to.service()).collect();
        services.into_iter().collect()
    }

    fn add(&mut self, from: Who, to: Who, why: Why) {
        if !self.edges.iter().any(|edge| edge.from == from && edge.to == to) {
            self.edges.push(Edge { from, to, why });
        }
    }

    fn explicit(&mut self, report: &mut Report, names: &Names, who: Who, common: &Common) {
        let listed = |list: &Option<Strings>| list.iter().flat_map(|list| list.value.clone()).collect::<Vec<_>>();
        for name in listed(&common.after) {
            if let Some(step) = names.step(report, &name) {
                self.add(who, Who::Step(step), Why::Written(name.span));
            }
        }
        for name in listed(&common.needs) {
            if let Some(service) = names.service(report, &name) {
                self.add(who, Who::Service(service), Why::Written(name.span));
            }
        }
    }

    /// `{build}` in a command.
    fn artifacts(&mut self, report: &mut Report, names: &Names, commands: &Commands, who: Who, common: &Common) {
        let command = match who {
            Who::Step(index) => &commands.steps[index],
            Who::Service(index) => &commands.services[index],
        };
        let (Some(command), Some(run)) = (command, &common.run) else { return };
        for name in command.names() {
            let Some(Who::Step(step)) = names.find(name) else { continue };
            let makes = commands.steps[step].as_ref().is_none_or(|command| command.names().contains("out"));
            if Who::Step(step) == who {
                let problem = Problem::new(format!("step `{name}` names its own artifact"));
                report.problem(problem.hint("`{out}` is where it writes it"), run.span());
            } else if makes {
                self.add(who, Who::Step(step), Why::Artifact(run.span()));
            } else {
                let problem =
                    Problem::new(format!("step `{name}` makes no artifact that `{{{name}}}` could stand for"));
                let hint = format!(
                    "let its command write to `{{out}}`, or write `{{{{{name}}}}}` to keep the braces as they are"
                );
                report.problem(problem.hint(hint), run.span());
            }
        }
    }

    /// In the order written: after the step before, and after earlier ones that it does not wait for itself.
    fn after_all(&mut self, who: Who, before: &[usize]) {
        for step in before.iter().rev() {
            if !self.waits_for(who, Who::Step(*step)) {
                self.add(who, Who::Step(*step), Why::Position);
            }
        }
    }

    fn waits_for(&self, from: Who, to: Who) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(next) = open.pop() {
            for edge in self.edges.iter().filter(|edge| edge.from == next) {
                if edge.to == to {
                    return true;
                }
                if seen.insert(edge.to) {
                    open.push(edge.to);
                }
            }
        }
        false
    }

    /// Each circle once, at the first thing a person wrote that closes it.
    fn report_circles(&self, report: &mut Report, file: &File, names: &Names) {
        let mut reported: BTreeSet<Who> = BTreeSet::new();
        for start in self.edges.iter().map(|edge| edge.from) {
            if reported.contains(&start) {
                continue;
            }
            let Some(circle) = self.circle_from(start) else { continue };
            reported.extend(circle.iter().map(|edge| edge.from));
            let problem = describe_circle(names, &circle);
            let place = circle.iter().find_map(|edge| match &edge.why {
                Why::Written(span) | Why::Artifact(span) => Some(span.clone()),
                Why::Position => None,
            });
            let common = match start {
                Who::Step(index) => &file.steps[index].common,
                Who::Service(index) => &file.services[index].common,
            };
            report.problem(problem, place.unwrap_or_else(|| common.header.clone()));
        }
    }

    /// The shortest way from `start` back to itself.
    fn circle_from(&self, start: Who) -> Option<Vec<&Edge>> {
        let mut seen = BTreeSet::from([start]);
        let mut ways: std::collections::VecDeque<Vec<&Edge>> = std::collections::VecDeque::from([Vec::new()]);
        while let Some(way) = ways.pop_front() {
            let end = way.last().map_or(start, |edge: &&Edge| edge.to);
            for edge in self.edges.iter().filter(|edge| edge.from == end) {
                let longer: Vec<&Edge> = way.iter().copied().chain([edge]).collect();
                if edge.to == start {
                    return Some(longer);
                }
                if seen.insert(edge.to) {
                    ways.push_back(longer);
                }
            }
        }
        None
    }
}

fn describe_circle(names: &Names, circle: &[&Edge]) -> Problem {
    let mut message = names.called(circle[0].from);
    for (position, edge) in circle.iter().enumerate() {
        let link = if position == 0 { " waits for" } else { ", which waits for" };
        let whom = if edge.to == edge.from { "itself".to_owned() } else { format!("`{}`", names.of(edge.to)) };
        message.push_str(&format!("{link} {whom}"));
    }
    let problem = Problem::new(message);
    if circle.len() == 1 {
        return problem.hint("name others, or nobody");
    }
    match circle.iter().find(|edge| matches!(edge.why, Why::Position)) {
        Some(edge) => {
            let (later, earlier) = (names.of(edge.from), names.of(edge.to));
            problem.hint(format!(
                "`{later}` waits for `{earlier}` because it is written after it: `after = […]` in `{later}` says what it \
                 really waits for, or write it before `{earlier}`"
            ))
        }
        None => problem.hint("one of them must not wait"),
    }
}

impl Who {
    fn step(self) -> Option<usize> {
        match self {
            Who::Step(index) => Some(index),
            Who::Service(_) => None,
        }
    }

    fn service(self) -> Option<usize> {
        match self {
            Who::Service(index) => Some(index),
            Who::Step(_) => None,
        }
    }
}
