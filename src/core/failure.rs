//! Instances that do not come up, and instances that end by themselves: what is said, and what is started instead.

use std::sync::Arc;

use super::{
    Core,
    event::Effect,
    fact::Fact,
    fresh::millis,
    service::{CRASH_LOOP, Candidate, Failed, MadeOf, Next, Purpose},
    why::Why,
};
use crate::{
    model::{Clue, Exit, Report, RunId},
    plan::{Restart, Swap},
};

/// For a service that does what it does and ends.
const ENDS_WELL: &str = "what ends by itself is a step: `[[step]]` instead of `[[service]]`";

impl Core {
    /// Probing has found out that the candidate will not become ready.
    pub(super) fn unhealthy(&mut self, run: RunId, report: Report) {
        let Some(index) = self.service_of(run) else { return };
        let is_candidate = self.services[index].candidate().is_some_and(|candidate| candidate.run == run);
        if is_candidate {
            self.fail_candidate(index, report);
        }
    }

    /// The candidate has used up its time.
    pub(super) fn give_up_waiting(&mut self, index: usize) {
        let service = &self.services[index];
        let Some(candidate) = service.candidate() else { return };
        let seen = candidate.seen.as_deref().unwrap_or("it never answered");
        let title =
            format!("service `{}` was not ready after {:?}: {seen}", service.plan.name, service.plan.health.timeout);
        let report = Report::new(title).hint("`health = { timeout = \"120s\" }` waits longer");
        self.fail_candidate(index, report);
    }

    fn fail_candidate(&mut self, index: usize, report: Report) {
        if let Next::Starting(candidate) = std::mem::replace(&mut self.services[index].next, Next::None) {
            self.dismiss(index, &candidate);
            self.start_failed(index, candidate, report, None);
        }
    }

    /// A process of this service has ended.
    pub(super) fn instance_exited(&mut self, index: usize, run: RunId, exit: Exit, clue: Option<Clue>, report: Report) {
        let service = &mut self.services[index];
        if let Some(at) = service.leaving.iter().position(|leaving| leaving.run == run) {
            service.leaving.remove(at);
            let name = service.plan.name.clone();
            return self.tell(Fact::Stopped { run, name, exit });
        }
        if service.live.as_ref().is_some_and(|live| live.run == run) {
            return self.crashed(index, exit, report);
        }
        if let Next::Starting(candidate) = std::mem::replace(&mut service.next, Next::None) {
            let title = format!("service `{}` ended before it was ready: {exit}", service.plan.name);
            let hint = report.hint.clone().or_else(|| exit.is_success().then(|| ENDS_WELL.to_owned()));
            self.start_failed(index, candidate, Report { title, hint, ..report }, clue);
        }
    }

    fn start_failed(&mut self, index: usize, candidate: Candidate, report: Report, clue: Option<Clue>) {
        let service = &mut self.services[index];
        let has_old = service.live.is_some() || !service.leaving.is_empty();
        if let Some(clue) = clue
            && has_old
            && service.plan.swap == Swap::Auto
            && !service.is_exclusive()
        {
            return self.turn_exclusive(index, candidate, clue);
        }
        if candidate.purpose != Purpose::Swap {
            return self.crash_again(index, candidate, report);
        }
        let name = service.plan.name.clone();
        let revision = candidate.made.revision;
        let tried = (candidate.began, self.now);
        service.failed = Some(Failed { made: candidate.made.clone(), report: Arc::new(report.clone()), tried });
        // What is made of nothing but files in the tree can only come again if those are the same.
        let comes_again = |good: &MadeOf| !good.artifacts.is_empty() || good.is_same_but_debugged(&candidate.made);
        let fall_back = service
            .good
            .clone()
            .filter(|good| service.live.is_none() && !good.is_same(&candidate.made) && comes_again(good));
        let serving = match (&service.live, &fall_back) {
            (Some(live), _) => format!("revision {} still serves", live.made.revision),
            (None, Some(good)) => format!("revision {} is started again", good.revision),
            (None, None) => "nothing serves".to_owned(),
        };
        let took_ms = millis(self.now.since(candidate.began));
        self.tell(Fact::StartFailed { revision, run: candidate.run, service: name, took_ms, report, serving });
        if self.services[index].pinned.as_ref().is_some_and(|pinned| pinned.is_same(&candidate.made)) {
            self.unpin(index, "the earlier program did not come up");
        }
        if let Some(good) = fall_back {
            self.start(index, good, Why::LastGood, Purpose::LastGood);
        }
    }

    /// The new instance met something that the old one holds.
    fn turn_exclusive(&mut self, index: usize, candidate: Candidate, clue: Clue) {
        let service = &mut self.services[index];
        service.exclusive = true;
        let name = service.plan.name.clone();
        let why = match clue {
            Clue::AddressInUse => "the new instance wants an address that the old one listens on",
            Clue::Locked => "the new instance wants a lock that the old one holds",
        };
        self.out.push(Effect::RememberExclusive { service: name.clone() });
        self.tell(Fact::Exclusive { service: name, why: why.to_owned() });
        let why = self.services[index].why_start(&candidate.made);
        self.start(index, candidate.made, why, candidate.purpose);
    }

    /// The live instance ended by itself.
    fn crashed(&mut self, index: usize, exit: Exit, report: Report) {
        let service = &mut self.services[index];
        let Some(live) = service.live.take() else { return };
        let name = service.plan.name.clone();
        let report = Report { title: format!("service `{name}` ended by itself: {exit}"), ..report };
        let restart_in = if service.is_busy() {
            None
        } else if service.plan.restart == Restart::No {
            let report = Arc::new(report.clone());
            // What was tried in vain while it served is not tried again either.
            let (made, tried) = match service.failed.take() {
                Some(failed) => (failed.made, failed.tried),
                None => (live.made, (live.began, live.since)),
            };
            service.failed = Some(Failed { made, report, tried });
            None
        } else {
            service.crashes += 1;
            let pause = service.pause();
            service.next = Next::Pause { made: live.made, until: self.now + pause };
            Some(millis(pause))
        };
        self.tell(Fact::Crashed { run: live.run, service: name, exit, report, restart_in_ms: restart_in });
    }

    /// A program that has been live before did not come up again.
    fn crash_again(&mut self, index: usize, candidate: Candidate, report: Report) {
        let Candidate { made, run, began, .. } = candidate;
        let service = &mut self.services[index];
        service.crashes += 1;
        let pause = service.pause();
        let name = service.plan.name.clone();
        let revision = made.revision;
        if service.crashes >= CRASH_LOOP {
            // What was tried in vain while the older one served is not tried again either.
            let (failed, tried) = match service.failed.take() {
                Some(failed) => (failed.made, failed.tried),
                None => (made.clone(), (began, self.now)),
            };
            service.failed = Some(Failed { made: failed, report: Arc::new(report.clone()), tried });
        }
        service.next = Next::Pause { made, until: self.now + pause };
        let serving = format!("it is started again in {pause:?}");
        let took_ms = millis(self.now.since(began));
        self.tell(Fact::StartFailed { revision, run, service: name, took_ms, report, serving });
    }
}
