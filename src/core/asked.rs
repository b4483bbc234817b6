//! What a person asks of the running loop: start again, build again, go back, wait with saves, go on.
//!
//! An earlier program that was asked for is *pinned*: steps go on meanwhile, and what they make does not go live, until
//! the next save, `Rebuild` or `Resume`. While watching is *paused*, touched files stay pending: nothing judges them
//! and nothing waits for them. What was under way when the pause began goes on, but a run that reads what is written
//! meanwhile is void, and repeated only after the pause.

use super::{
    Core, Watching,
    adopt::is_same_service,
    event::{Earlier, Verdict},
    fact::Fact,
    service::MadeOf,
    settle::Pending,
    step::{Dirty, StepNode},
    why::Why,
};
use crate::model::{FilePath, Revision};

impl Core {
    /// Starts this service again, as it is now.
    pub(super) fn restart(&mut self, name: &str) {
        let Some(index) = self.services.iter().position(|service| &*service.plan.name == name) else { return };
        let service = &mut self.services[index];
        service.bump(Why::Person);
        service.failed = None;
        if let Some(pinned) = &mut service.pinned {
            pinned.bumps = service.bumps;
        }
        self.hurry(index);
    }

    /// Runs this step again, or all, and lets what failed with their results be tried again.
    pub(super) fn rebuild(&mut self, name: Option<&str>) {
        let is_meant = |step: &StepNode| name.is_none_or(|name| &*step.plan.name == name);
        let meant: Vec<usize> = (0..self.steps.len()).filter(|index| is_meant(&self.steps[*index])).collect();
        if meant.is_empty() {
            return;
        }
        self.unpin_all("asked for");
        for index in meant {
            let step = &mut self.steps[index];
            let more = step.dirty.take().map_or(0, |dirty| dirty.more + 1);
            step.dirty = Some(Dirty { why: Why::Person, more });
            step.breaker = Default::default();
            for service in self.graph.services_after(index) {
                self.services[service].failed = None;
            }
        }
    }

    /// What a person gets who asks for this: services by index, and their earlier programs.
    ///
    /// # Errors
    /// Why there is nothing to go back to.
    fn earlier(&self, earlier: Earlier) -> Result<Vec<(usize, MadeOf)>, String> {
        let found = match earlier {
            Earlier::Revision(revision) if revision > self.revision => {
                return Err(format!("there is no revision {revision} yet; the newest one is {}", self.revision));
            }
            Earlier::Revision(revision) => self.programs_at(revision),
            Earlier::Back(count) => self.programs_back(count),
        };
        if !found.is_empty() {
            return Ok(found);
        }
        let kept = self.kept_revisions();
        let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
        Err(match (earlier, kept.as_slice()) {
            (_, []) => "no program is kept that one could go back to: only artifacts of steps are".to_owned(),
            (Earlier::Back(_), kept) => format!("no earlier program is kept; there is revision {}", kept.join(", ")),
            (Earlier::Revision(revision), kept) => {
                format!("no program of revision {revision} is kept; there is revision {}", kept.join(", "))
            }
        })
    }

    /// Whether there is something to go back to.
    ///
    /// # Errors
    /// Why there is not, for people.
    pub fn can_roll_back(&self, earlier: Earlier) -> Result<(), String> {
        self.earlier(earlier).map(drop)
    }

    /// The revisions that one can go back to, newest first.
    pub(super) fn kept_revisions(&self) -> Vec<Revision> {
        let mut all: Vec<Revision> =
            self.services.iter().flat_map(|service| &service.past).map(|p| p.revision).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all.dedup();
        all
    }

    fn programs_at(&self, revision: Revision) -> Vec<(usize, MadeOf)> {
        let services = self.services.iter().enumerate();
        services.filter_map(|(index, service)| Some((index, service.past_at(revision)?.clone()))).collect()
    }

    /// Goes back from what was live last, counting only revisions at which another program was.
    fn programs_back(&self, count: usize) -> Vec<(usize, MadeOf)> {
        let now = |index: usize| self.services[index].good.as_ref();
        let kept = self.services.iter().filter(|service| !service.past.is_empty());
        // Before anything has been live in this session, every earlier program is one back.
        let live = kept.filter_map(|service| Some(service.good.as_ref()?.revision)).max();
        let newest = live.unwrap_or(Revision(u64::MAX));
        let is_other = |last: Option<&MadeOf>, made: &MadeOf| last.is_none_or(|last| !last.is_same_program(made));
        let mut last: Vec<Option<MadeOf>> = (0..self.services.len()).map(|index| now(index).cloned()).collect();
        let mut passed = 0;
        for revision in self.kept_revisions().into_iter().filter(|revision| *revision < newest) {
            let then = self.programs_at(revision);
            let differs_from_now = then.iter().any(|(index, made)| is_other(now(*index), made));
            let differs_from_last = then.iter().any(|(index, made)| is_other(last[*index].as_ref(), made));
            if !differs_from_now || !differs_from_last {
                continue;
            }
            passed += 1;
            if passed == count {
                return then;
            }
            for (index, made) in then {
                last[index] = Some(made);
            }
        }
        Vec::new()
    }

    pub(super) fn roll_back(&mut self, earlier: Earlier) {
        let found = match self.earlier(earlier) {
            Ok(found) => found,
            Err(why) => return self.tell(Fact::Note { text: format!("cannot roll back: {why}"), hint: None }),
        };
        for (index, mut made) in found {
            let before = &self.graph.before_service[index];
            let is_newest =
                before.iter().all(|step| self.steps[*step].is_clean()) && self.target(index).is_same_program(&made);
            if is_newest {
                self.unpin(index, "asked for");
                continue;
            }
            let service = &mut self.services[index];
            // Whatever has made it start again since then is no reason any more.
            made.bumps = match &service.live {
                Some(live) if live.made.is_same_program(&made) => live.made.bumps,
                _ => service.bumps,
            };
            service.failed = None;
            // It is debugged if the newest one is.
            if is_same_service(&made.plan, &service.plan) {
                made.plan = service.plan.clone();
            }
            let (name, revision) = (service.plan.name.clone(), made.revision);
            service.pinned = Some(made);
            self.tell(Fact::Pinned { service: name, revision });
        }
    }

    /// The earlier program that a person asked for, whatever becomes of newer content meanwhile.
    pub(super) fn move_pinned(&mut self, index: usize, pinned: MadeOf) -> bool {
        self.services[index].unsettled_since = None;
        if self.services[index].live.as_ref().is_some_and(|live| live.made.is_same(&pinned)) {
            return self.abandon(index, "an earlier program was asked for");
        }
        if self.has_or_failed(index, &pinned) || self.lacks_a_need(index) {
            return false;
        }
        let why = Why::Back(pinned.revision);
        self.start_swap(index, pinned, why);
        true
    }

    /// Lets the newest content go live again.
    pub(super) fn unpin(&mut self, index: usize, why: &str) {
        let service = &mut self.services[index];
        if service.pinned.take().is_some() {
            let service = service.plan.name.clone();
            self.tell(Fact::Unpinned { service, why: why.to_owned() });
        }
    }

    pub(super) fn unpin_all(&mut self, why: &str) {
        for index in 0..self.services.len() {
            self.unpin(index, why);
        }
    }

    pub(super) fn pause(&mut self) {
        if self.watching == Watching::On {
            self.watching = Watching::Paused;
            self.tell(Fact::Paused);
        }
    }

    pub(super) fn resume(&mut self) {
        self.unpin_all("asked for");
        if self.watching == Watching::Paused {
            self.watching = Watching::On;
            self.settling.resume(self.now);
            self.tell(Fact::Resumed { files: self.settling.pending().count() });
        }
    }

    /// Whether something that this service is made of was written in a pause, and is not judged yet.
    pub(super) fn is_collected(&self, index: usize) -> bool {
        let before = &self.graph.before_service[index];
        let concerns = |path: &Pending| {
            path.concern.config
                || path.concern.steps.iter().any(|step| before.contains(step))
                || self.concerns_service(index, &path.concern)
        };
        self.watching == Watching::Paused && self.settling.pending().any(concerns)
    }

    /// Whether what this step or one before it reads was written in a pause. Only a person starts it then.
    pub(super) fn is_frozen(&self, index: usize) -> bool {
        let before = &self.graph.before_step[index];
        let concerns = |step: &usize| *step == index || before.contains(step);
        let asked_for = matches!(&self.steps[index].dirty, Some(Dirty { why: Why::Person, .. }));
        self.watching == Watching::Paused
            && !asked_for
            && self.settling.pending().any(|path| path.concern.steps.iter().any(concerns))
    }

    /// A file that this step's last run may have read while it was written, and that counts only later: it was written
    /// in a pause, or is put off for others.
    pub(super) fn written_meanwhile(&self, index: usize) -> Option<FilePath> {
        let paused = self.watching == Watching::Paused;
        let passes = self.step_passes(index);
        let put_off = self.deferred.iter().filter(|(_, verdict)| !passes && *verdict != Verdict::Owned);
        let put_off = put_off.map(|(path, _)| path);
        let mut written = self.settling.pending().filter(|_| paused).chain(put_off);
        let step = &self.steps[index];
        let read = |path: &&Pending| path.concern.steps.contains(&index) && step.was_reading(path.first, path.last);
        written.find(read).map(|path| path.path.clone())
    }
}
