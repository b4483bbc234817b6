//! What requests are to wait for: the gate of each service, computed from the state; and what is out of date.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    Core, Reading, Watching,
    fact::Fact,
    gate::{Awaiting, Gate, Gates},
    service::{CRASH_LOOP, Next, Purpose},
    step::Outcome,
};
use crate::model::{Report, RunId, Time};

/// Milliseconds for people and programs, to a tenth.
pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

impl Core {
    /// What the proxy is to do, for each service that listens. Only changes of this need to be told.
    pub fn gates(&self) -> Gates {
        let services = 0..self.services.len();
        Gates { services: services.map(|index| (self.services[index].plan.name.clone(), self.gate(index))).collect() }
    }

    fn gate(&self, index: usize) -> Gate {
        let service = &self.services[index];
        if let Some(live) = &service.live {
            let awaiting = self.awaiting(index);
            let stale = if awaiting.is_none() { self.why_stale(index) } else { None };
            return Gate::Open { run: live.run, revision: live.made.revision, awaiting, stale };
        }
        // A save ends every failure: who asks after it waits for what comes of it.
        let upstream = self.saves_are_unsettled(index) || self.is_unresolved_upstream(index);
        if !upstream
            && service.crashes >= CRASH_LOOP
            && let Some(failed) = &service.failed
        {
            return Gate::Failed { report: failed.report.clone() };
        }
        if service.is_busy() || upstream || self.swap_is_due(index) {
            let working = upstream || service.candidate().is_some() || matches!(service.next, Next::Clearing { .. });
            return Gate::Holding { why: self.waited_for(index), working };
        }
        Gate::Failed { report: self.why_failed(index) }
    }

    fn why_failed(&self, index: usize) -> Arc<Report> {
        if let Some(report) = self.failed_step(index) {
            return report;
        }
        if let Some(title) = self.waits_in_vain(index) {
            return Arc::new(Report::new(title));
        }
        if self.is_collected(index) {
            let title = format!("service `{}` is not live, and watching is paused", self.services[index].plan.name);
            return Arc::new(Report::new(title).hint("`devloop resume` lets saves count again"));
        }
        match &self.services[index].failed {
            Some(failed) => failed.report.clone(),
            None => {
                let service = &self.services[index].plan;
                let needed = service.needs.iter().map(|needed| &self.services[*needed]);
                let missing = needed.filter(|needed| needed.live.is_none()).map(|needed| needed.plan.name.to_string());
                let title = match missing.collect::<Vec<_>>().as_slice() {
                    [] => format!("service `{}` does not run", service.name),
                    names => format!("service `{}` needs `{}`, which does not run", service.name, names.join("`, `")),
                };
                Arc::new(Report::new(title))
            }
        }
    }

    /// The report of the first failed step before this service.
    fn failed_step(&self, index: usize) -> Option<Arc<Report>> {
        let before = self.graph.before_service[index].iter();
        before.map(|step| &self.steps[*step]).find_map(|step| match &step.outcome {
            Outcome::Failed(report) if step.is_failed() => Some(report.clone()),
            _ => None,
        })
    }

    /// What keeps the newest content from being live, if that is a failure.
    pub(super) fn why_not_newest(&self, index: usize) -> Option<Arc<Report>> {
        let step = self.failed_step(index).filter(|_| !self.is_unresolved_upstream(index));
        step.or_else(|| self.services[index].failed.as_ref().map(|failed| failed.report.clone()))
    }

    /// A step before this service that has to run, and cannot because a service it needs does not run.
    fn waits_in_vain(&self, index: usize) -> Option<String> {
        if self.is_unresolved_upstream(index) {
            return None;
        }
        let before = self.graph.before_service[index].iter().map(|step| &self.steps[*step]);
        before.filter(|step| step.dirty.is_some()).find_map(|step| {
            let needed = step.plan.needs.iter().map(|needed| &self.services[*needed]);
            let missing = needed.filter(|needed| needed.live.is_none()).map(|needed| &needed.plan.name).next()?;
            Some(format!("step `{}` has to run and needs `{missing}`, which does not run", step.plan.name))
        })
    }

    /// Set while the outcome of a save may still come in time for those who ask now.
    fn awaiting(&self, index: usize) -> Option<Awaiting> {
        let since = self.services[index].unresolved_since?;
        let until = since + self.plan.proxy.fresh;
        let hopeless = self.expected(index).is_some_and(|left| self.now + left > until);
        let waits = !self.is_let_be(index) && self.is_unresolved(index);
        (self.now < until && !hopeless && waits).then(|| Awaiting { since, until, why: self.waited_for(index) })
    }

    /// When waiting for the outcome of the first unresolved save ends.
    pub(super) fn fresh_until(&self, index: usize) -> Option<Time> {
        self.services[index].unresolved_since.map(|since| since + self.plan.proxy.fresh)
    }

    /// How long the outcome will still take if everything takes as long as last time; none if that is not known.
    fn expected(&self, index: usize) -> Option<Duration> {
        let service = &self.services[index];
        let mut left = Duration::ZERO;
        for step in self.graph.before_service[index].iter().map(|step| &self.steps[*step]) {
            if step.is_clean() || step.is_failed() {
                continue;
            }
            let breaker = step.breaker.until().map_or(Duration::ZERO, |until| until.since(self.now));
            let spent = step.began().map_or(Duration::ZERO, |began| self.now.since(began));
            left += step.took.expected()?.saturating_sub(spent) + breaker;
        }
        let spent = service.candidate().map_or(Duration::ZERO, |candidate| self.now.since(candidate.began));
        Some(left + service.took.expected()?.saturating_sub(spent))
    }

    /// One line about what stands between a save and its outcome.
    fn waited_for(&self, index: usize) -> Arc<str> {
        let service = &self.services[index];
        let name = &service.plan.name;
        let before = || self.graph.before_service[index].iter().map(|step| &self.steps[*step]);
        if let Some(step) = before().find(|step| !step.is_idle()) {
            return format!("running `{}`", step.plan.name).into();
        }
        if let Some(held) = service.held_by_debugger() {
            return held.into();
        }
        match &service.next {
            Next::Starting(candidate) => {
                let again = if candidate.purpose == Purpose::Swap { "" } else { " again" };
                let seen = candidate.seen.as_ref().map(|seen| format!(": {seen}")).unwrap_or_default();
                format!("starting `{name}`{again}{seen}").into()
            }
            Next::Clearing { .. } => format!("stopping the old `{name}`").into(),
            Next::Pause { .. } => format!("`{name}` ended by itself and is started again").into(),
            Next::None if self.saves_are_unsettled(index) => "a save is settling".into(),
            Next::None if before().any(|step| step.unproven.is_some()) => {
                format!("asking whether what was built before is what `{name}` is to be made of").into()
            }
            Next::None => match before().find(|step| !step.is_clean()) {
                Some(step) => format!("`{}` is to run", step.plan.name).into(),
                None => format!("`{name}` is to start").into(),
            },
        }
    }

    /// Whether a person wants old answers: then nobody waits for newer ones, until a save settles that lets go.
    fn is_let_be(&self, index: usize) -> bool {
        let pinned = self.services[index].pinned.is_some() && !self.saves_are_unsettled(index);
        pinned || self.watching == Watching::Paused
    }

    /// Why answers are out of date, if they are.
    fn why_stale(&self, index: usize) -> Option<Arc<str>> {
        if let Some(pinned) = &self.services[index].pinned {
            let revision = pinned.revision;
            return Some(format!("rolled back to revision {revision}; the next save goes forward again").into());
        }
        if self.is_collected(index) {
            return Some("watching is paused, and something that it is made of was written since".into());
        }
        if let Some(report) = self.failed_step(index)
            && !self.is_unresolved_upstream(index)
        {
            return Some(report.title.as_str().into());
        }
        if self.is_unresolved(index) {
            return Some(format!("newer content is not live yet: {}", self.waited_for(index)).into());
        }
        if let Some(why) = self.waits_in_vain(index) {
            return Some(why.into());
        }
        self.services[index].failed.as_ref().map(|failed| failed.report.title.as_str().into())
    }

    /// Whether a save concerns this service whose outcome is not known.
    pub(super) fn is_unresolved(&self, index: usize) -> bool {
        let service = &self.services[index];
        self.saves_are_unsettled(index)
            || (service.pinned.is_none() && self.is_unresolved_upstream(index))
            || service.is_busy()
            || self.swap_is_due(index)
    }

    fn saves_are_unsettled(&self, index: usize) -> bool {
        let before = &self.graph.before_service[index];
        self.reading != Reading::No
            || self.unsettled(|step| before.contains(&step), Some(index))
            || self.deferred.iter().any(|(path, _)| {
                path.concern.steps.iter().any(|step| before.contains(step))
                    || self.concerns_service(index, &path.concern)
            })
    }

    fn is_unresolved_upstream(&self, index: usize) -> bool {
        self.graph.before_service[index].iter().any(|step| self.can_make_progress(*step))
    }

    /// Notes since when, and tells what has become of saves that changed nothing or failed.
    pub(super) fn note_unresolved(&mut self) {
        for index in 0..self.services.len() {
            let unresolved = self.is_unresolved(index);
            let since = self.services[index].unresolved_since;
            match (unresolved, since) {
                (true, None) => {
                    let first = self.first_touch(index).unwrap_or(self.now).max(self.settling.counts_since());
                    self.services[index].unresolved_since = Some(first);
                }
                (false, Some(_)) => {
                    self.services[index].unresolved_since = None;
                    self.tell_kept(index);
                }
                (true, Some(_)) | (false, None) => {}
            }
            self.tell_stale(index);
        }
    }

    fn first_touch(&self, index: usize) -> Option<Time> {
        let before = &self.graph.before_service[index];
        let pending = self.settling.pending().chain(self.batches.values().flatten());
        let concerns = pending.filter(|path| {
            path.concern.config
                || path.concern.steps.iter().any(|step| before.contains(step))
                || self.concerns_service(index, &path.concern)
        });
        concerns.map(|path| path.first).min()
    }

    fn tell_kept(&mut self, index: usize) {
        let service = &self.services[index];
        let clean = self.graph.before_service[index].iter().all(|step| self.steps[*step].is_clean());
        let Some(live) = &service.live else { return };
        if service.pinned.is_some() || self.is_collected(index) {
            return;
        }
        if !clean || service.failed.is_some() || live.made.revision >= self.revision || live.since == self.now {
            return;
        }
        let why = match self.service_artifacts(index).as_slice() {
            [] => "nothing that it reads changed".to_owned(),
            names => format!("artifact of `{}` is the same", names.join("`, `")),
        };
        let service = service.plan.name.clone();
        self.tell(Fact::Kept { revision: self.revision, service, why });
    }

    fn service_artifacts(&self, index: usize) -> Vec<String> {
        self.services[index].plan.uses.iter().map(|step| self.steps[*step].plan.name.to_string()).collect()
    }

    fn tell_stale(&mut self, index: usize) {
        let stale = match self.gate(index) {
            Gate::Open { stale, .. } => stale,
            Gate::Holding { .. } | Gate::Failed { .. } => None,
        };
        let lasting = stale.filter(|_| !self.is_unresolved(index));
        if lasting != self.services[index].told_stale {
            self.services[index].told_stale = lasting.clone();
            if let Some(why) = lasting {
                let service = self.services[index].plan.name.clone();
                self.tell(Fact::Stale { service, why: why.to_string() });
            }
        }
    }

    /// For each service the runs that its gate waits for: a request of theirs to it would wait for itself.
    pub fn awaited(&self) -> HashMap<String, Vec<RunId>> {
        let services = self.services.iter().enumerate();
        services.map(|(index, service)| (service.plan.name.to_string(), self.awaited_by(index))).collect()
    }

    fn awaited_by(&self, index: usize) -> Vec<RunId> {
        let steps = self.graph.before_service[index].iter().filter_map(|step| self.steps[*step].run());
        let needed = self.services[index].plan.needs.iter().chain([&index]);
        let candidates = needed.filter_map(|node| self.services[*node].candidate()).map(|candidate| candidate.run);
        steps.chain(candidates).collect()
    }
}
