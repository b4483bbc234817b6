//! Services: when one is replaced, and what happens when an instance comes up.

use std::time::Duration;

use super::{
    Core,
    debug::drain_limit,
    event::{Effect, Program, Spawn, StopHow},
    fact::{Fact, SwapHow, Times},
    fresh::millis,
    service::{Candidate, Drains, Instance, Leaving, MadeOf, Next, Purpose},
    settle::CAP,
    why::Why,
};
use crate::{
    model::{RunId, Time},
    plan::{Inputs, Swap},
};

/// So many instances may drain at a time; the oldest is stopped when one more comes.
const DRAINING: usize = 2;
/// An instance that has to be gone before the new one starts may drain for this long.
const DRAIN_EXCLUSIVE: Duration = Duration::from_secs(5);

impl Core {
    /// Does for each service what the state allows.
    pub(super) fn move_services(&mut self) -> bool {
        let mut moved = false;
        for index in 0..self.services.len() {
            moved |= self.move_service(index);
        }
        moved
    }

    fn move_service(&mut self, index: usize) -> bool {
        if self.continue_next(index) {
            return true;
        }
        if let Some(pinned) = self.services[index].pinned.clone() {
            return self.move_pinned(index, pinned);
        }
        let before = &self.graph.before_service[index];
        if !before.iter().all(|step| self.steps[*step].is_clean()) {
            self.services[index].unsettled_since = None;
            return self.abandon_if_useless(index);
        }
        if self.lacks_a_need(index) {
            self.services[index].unsettled_since = None;
            return false;
        }
        let target = self.target(index);
        if !self.settled_for_service(index) {
            let wants = !self.has_or_failed(index, &target);
            let now = self.now;
            let since = &mut self.services[index].unsettled_since;
            *since = if wants { since.or(Some(now)) } else { None };
            return false;
        }
        self.services[index].unsettled_since = None;
        if self.services[index].failed.as_ref().is_some_and(|failed| !failed.made.is_same(&target)) {
            self.services[index].failed = None;
        }
        if self.services[index].live.as_ref().is_some_and(|live| live.made.is_same(&target)) {
            return self.abandon(index, "the newest content is live already");
        }
        if self.has_or_failed(index, &target) {
            return false;
        }
        if self.services[index].is_new() && self.is_hindered(index, &target) {
            return false;
        }
        let why = self.services[index].why_start(&target);
        self.start_swap(index, target, why);
        true
    }

    /// Whether it does not run, and cannot start before a service that it needs does.
    pub(super) fn lacks_a_need(&self, index: usize) -> bool {
        let service = &self.services[index];
        service.live.is_none() && !service.plan.needs.iter().all(|needed| self.services[*needed].live.is_some())
    }

    /// What the next instance is to be made of, and whether all of that is there.
    fn wanted(&self, index: usize) -> (MadeOf, bool) {
        match &self.services[index].pinned {
            Some(pinned) => (pinned.clone(), true),
            None => {
                let before = &self.graph.before_service[index];
                (self.target(index), before.iter().all(|step| self.steps[*step].is_clean()))
            }
        }
    }

    /// What an instance of the newest content is to be made of.
    pub(super) fn target(&self, index: usize) -> MadeOf {
        let service = &self.services[index];
        MadeOf {
            plan: service.plan.clone(),
            artifacts: self.artifacts(&service.plan.uses),
            bumps: service.bumps,
            revision: self.revision,
        }
    }

    /// Whether an instance of this is live or on its way, or has been tried in vain.
    pub(super) fn has_or_failed(&self, index: usize, target: &MadeOf) -> bool {
        let service = &self.services[index];
        let live = service.live.as_ref().map(|live| &live.made);
        let failed = service.failed.as_ref().map(|failed| &failed.made);
        [live, service.next_made(), failed].into_iter().flatten().any(|made| made.is_same(target))
    }

    fn settled_for_service(&self, index: usize) -> bool {
        let before = &self.graph.before_service[index];
        self.service_passes(index)
            || self.services[index].unsettled_since.is_some_and(|since| self.now >= since + CAP)
            || !self.unsettled(|step| before.contains(&step), Some(index))
    }

    /// Whether this service will get another instance without a further save.
    pub(super) fn swap_is_due(&self, index: usize) -> bool {
        let (wanted, is_there) = self.wanted(index);
        let service = &self.services[index];
        let is = |made: &MadeOf| made.is_same(&wanted);
        is_there
            && (service.live.is_some() || self.needs_may_come(&service.plan.needs))
            && !service.live.as_ref().is_some_and(|live| is(&live.made))
            && !service.failed.as_ref().is_some_and(|failed| is(&failed.made))
    }

    /// Whether each of these services is live or on its way to be.
    pub(super) fn needs_may_come(&self, needs: &[usize]) -> bool {
        needs.iter().all(|needed| self.services[*needed].live.is_some() || self.is_unresolved(*needed))
    }

    /// Goes on with what is under way: an old instance has gone, a pause is over.
    fn continue_next(&mut self, index: usize) -> bool {
        match &self.services[index].next {
            Next::Clearing { made, .. } if !self.is_hindered(index, made) => {
                let Next::Clearing { made, why, purpose } = self.services[index].take_next() else {
                    return false;
                };
                let (made, why) = self.newest_for(index, made, why, purpose);
                self.spawn_instance(index, made, why, purpose, Swap::Exclusive);
                true
            }
            Next::Pause { until, made } if *until <= self.now && !self.is_hindered(index, made) => {
                let Next::Pause { made, .. } = self.services[index].take_next() else { return false };
                self.spawn_instance(index, made, Why::Crashed, Purpose::Restart, Swap::Overlap);
                true
            }
            _ => false,
        }
    }

    /// What to start, now that the old instance has gone: what has become newer meanwhile, if it is there.
    fn newest_for(&self, index: usize, made: MadeOf, why: Why, purpose: Purpose) -> (MadeOf, Why) {
        let (wanted, is_there) = self.wanted(index);
        if purpose != Purpose::Swap || !is_there || wanted.is_same(&made) {
            return (made, why);
        }
        let why = self.services[index].why_start(&wanted);
        (wanted, why)
    }

    /// A candidate made of old content is stopped as soon as something before it has to run again, unless nothing
    /// else could answer meanwhile.
    fn abandon_if_useless(&mut self, index: usize) -> bool {
        let service = &self.services[index];
        let for_swap = service.candidate().is_some_and(|candidate| candidate.purpose == Purpose::Swap);
        let before = &self.graph.before_service[index];
        let outdated = before.iter().any(|step| self.can_make_progress(*step));
        if for_swap && outdated && service.live.is_some() && !self.service_passes(index) {
            return self.abandon(index, "newer content is being built");
        }
        false
    }

    /// Stops the candidate, if there is one.
    pub(super) fn abandon(&mut self, index: usize, why: &str) -> bool {
        let service = &mut self.services[index];
        match std::mem::replace(&mut service.next, Next::None) {
            Next::None => false,
            Next::Starting(candidate) => {
                service.in_vain = service.in_vain.saturating_add(1);
                let name = service.plan.name.clone();
                self.tell(Fact::Cancelled { run: candidate.run, name, why: why.to_owned() });
                self.dismiss(index, &candidate);
                true
            }
            Next::Clearing { .. } | Next::Pause { .. } => true,
        }
    }

    /// Tells a candidate that is none any more to end.
    pub(super) fn dismiss(&mut self, index: usize, candidate: &Candidate) {
        let leaving = Leaving::new(candidate.run, &candidate.made, Drains::Stopping);
        self.services[index].leaving.push(leaving);
        self.out.push(Effect::Stop { run: candidate.run, how: StopHow::Ask });
    }

    /// Tells an instance that drains to end.
    pub(super) fn stop_instance(&mut self, index: usize, run: RunId) {
        let mut draining = self.services[index].leaving.iter_mut().filter(|known| known.drains == Drains::Draining);
        if let Some(known) = draining.find(|known| known.run == run) {
            known.drains = Drains::Stopping;
            self.out.push(Effect::Stop { run, how: StopHow::Ask });
        }
    }

    pub(super) fn start_swap(&mut self, index: usize, target: MadeOf, why: Why) {
        self.abandon(index, "another program is to start");
        let service = &mut self.services[index];
        service.crashes = 0;
        if !matches!(why, Why::Void(_)) {
            service.rewritten = None;
        }
        self.start(index, target, why, Purpose::Swap);
    }

    pub(super) fn start(&mut self, index: usize, made: MadeOf, why: Why, purpose: Purpose) {
        if !self.is_hindered(index, &made) {
            return self.spawn_instance(index, made, why, purpose, Swap::Overlap);
        }
        let service = &mut self.services[index];
        if service.live_hinders(&made)
            && let Some(live) = service.live.take()
        {
            let uploads = drain_limit(&live.made, service.plan.drain);
            let limit = drain_limit(&live.made, service.plan.drain.min(DRAIN_EXCLUSIVE));
            service.leaving.push(Leaving::new(live.run, &live.made, Drains::Draining));
            self.out.push(Effect::Drain { run: live.run, limit, uploads });
        }
        service.next = Next::Clearing { made, why, purpose };
        self.stop_oldest_draining(index);
    }

    /// Whether something has to be gone before an instance of this may start: older instances, or, where both may want
    /// the same port, programs that dev.toml does not name any more.
    fn is_hindered(&self, index: usize, made: &MadeOf) -> bool {
        let service = &self.services[index];
        let may_clash = service.is_exclusive() || made.debugger_port().is_some() || service.is_new();
        service.is_hindered(made) || (may_clash && !self.orphans.is_empty())
    }

    /// `swap` is how it came to that; a service that is exclusive is so also where nothing had to go.
    fn spawn_instance(&mut self, index: usize, made: MadeOf, why: Why, purpose: Purpose, swap: Swap) {
        let run = self.new_run();
        let service = &mut self.services[index];
        let plan = service.plan_for(&made);
        if matches!(plan.inputs, Inputs::Tool(_)) {
            // What it reads is asked again once it runs; until then rather too much counts than too little.
            self.learned.remove(&plan.name);
        }
        let is_exclusive = swap == Swap::Exclusive || service.is_exclusive();
        let swap = if is_exclusive { SwapHow::Exclusive } else { SwapHow::Overlap };
        self.out.push(Effect::Tell(Fact::Starting {
            revision: made.revision,
            run,
            service: plan.name.clone(),
            swap,
            why: why.to_string(),
        }));
        self.out.push(Effect::Spawn(Spawn {
            run,
            revision: made.revision,
            program: Program::Service(plan),
            artifacts: made.artifacts.clone(),
        }));
        let began = self.now;
        service.next = Next::Starting(Candidate { run, made, purpose, began, process: None, seen: None });
    }

    /// An instance's process runs.
    pub(super) fn instance_started(&mut self, index: usize, run: RunId, pid: u32, port: Option<u16>) {
        let now = self.now;
        let service = &mut self.services[index];
        let Next::Starting(candidate) = &mut service.next else { return };
        if candidate.run != run || candidate.process.is_some() {
            return;
        }
        candidate.process = Some((now, pid, port));
        let plan = service.plan.clone();
        self.out.push(Effect::Tell(Fact::Probing { run, service: plan.name.clone(), pid, port }));
        self.tell_debugging(index, run);
        if matches!(plan.inputs, Inputs::Tool(_)) {
            self.out.push(Effect::AskInputs { name: plan.name.clone(), run });
        }
        self.out.push(Effect::Probe { run, service: plan });
    }

    pub(super) fn probing(&mut self, run: RunId, seen: String) {
        for service in &mut self.services {
            if let Next::Starting(candidate) = &mut service.next
                && candidate.run == run
            {
                candidate.seen = Some(seen);
                return;
            }
        }
    }

    /// The candidate is ready: the gate opens to it, and only then is the old one drained and stopped.
    pub(super) fn ready(&mut self, run: RunId, warning: Option<String>, elsewhere: bool) {
        let Some(index) = self.service_of(run) else { return };
        let now = self.now;
        let service = &mut self.services[index];
        let candidate = match std::mem::replace(&mut service.next, Next::None) {
            Next::Starting(candidate) if candidate.run == run => candidate,
            other => {
                service.next = other;
                return;
            }
        };
        let (started, pid, port) = candidate.process.unwrap_or((candidate.began, 0, None));
        let live = Instance {
            run,
            made: candidate.made.clone(),
            process: Some((pid, port)),
            began: candidate.began,
            since: now,
        };
        let old = service.live.replace(live);
        if let Some(programs) = service.note_good(candidate.made.clone()) {
            self.out.push(Effect::RememberPrograms { service: service.plan.name.clone(), programs });
        }
        service.in_vain = 0;
        if candidate.made.plan.debugging.is_none() {
            service.took.note(now.since(candidate.began));
        }
        if service.failed.as_ref().is_some_and(|failed| failed.made.is_same(&candidate.made)) {
            service.failed = None;
        }
        if elsewhere && !service.exclusive {
            service.exclusive = true;
            self.out.push(Effect::RememberExclusive { service: service.plan.name.clone() });
        }
        let drain = service.plan.drain;
        service.leaving.extend(old.iter().map(|old| Leaving::new(old.run, &old.made, Drains::Draining)));
        self.tell_live(index, &candidate, started, warning);
        self.out.extend(old.map(|old| {
            let limit = drain_limit(&old.made, drain);
            Effect::Drain { run: old.run, limit, uploads: limit }
        }));
        self.stop_oldest_draining(index);
    }

    fn tell_live(&mut self, index: usize, candidate: &Candidate, started: Time, warning: Option<String>) {
        let now = self.now;
        let service = &self.services[index];
        let stale = match candidate.purpose {
            Purpose::Swap | Purpose::Restart => None,
            Purpose::LastGood => service.failed.as_ref().map(|failed| failed.report.title.clone()),
        };
        let since = match candidate.purpose {
            Purpose::Swap => service.unresolved_since.unwrap_or(candidate.began),
            Purpose::LastGood | Purpose::Restart => candidate.began,
        };
        let for_swap = candidate.purpose == Purpose::Swap;
        let times = Times {
            settle_ms: self.journey.settle.filter(|_| for_swap).map(millis),
            steps: if for_swap { self.journey.steps.clone() } else { Vec::new() },
            start_ms: millis(started.since(candidate.began)),
            ready_ms: millis(now.since(started)),
            swap_ms: 0.0,
            total_ms: millis(now.since(since)),
        };
        let name = service.plan.name.clone();
        let revision = candidate.made.revision;
        self.tell(Fact::Live { revision, run: candidate.run, service: name, times, warning, stale });
    }

    fn stop_oldest_draining(&mut self, index: usize) {
        let leaving = &self.services[index].leaving;
        let draining: Vec<RunId> =
            leaving.iter().filter(|leaving| leaving.drains == Drains::Draining).map(|leaving| leaving.run).collect();
        for run in draining.iter().rev().skip(DRAINING) {
            self.stop_instance(index, *run);
        }
    }

    /// An instance has no request left.
    pub(super) fn drained(&mut self, run: RunId) {
        let Some(index) = self.service_of(run) else { return };
        if self.services[index].leaving.iter().any(|leaving| leaving.run == run) {
            self.stop_instance(index, run);
        }
    }

    /// The moment at which time itself changes something for this service.
    pub(super) fn service_deadline(&self, index: usize) -> Option<Time> {
        let service = &self.services[index];
        let next = match &service.next {
            Next::Pause { until, .. } => Some(*until).filter(|until| *until > self.now),
            Next::Starting(candidate) => {
                let since = candidate.process.map(|(since, ..)| since);
                since.zip(service.start_limit(candidate)).map(|(since, limit)| since + limit)
            }
            Next::None | Next::Clearing { .. } => None,
        };
        let unsettled = service.unsettled_since.map(|since| since + CAP);
        let fresh = self.fresh_until(index).filter(|until| *until > self.now);
        next.into_iter().chain(unsettled).chain(fresh).min()
    }
}
