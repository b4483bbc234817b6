//! The way out: programs are asked to end, then made to; when the last one has ended, devloop leaves.

use super::{
    Core,
    event::{Effect, Event, StopHow},
    service::Next,
    step::Activity,
};
use crate::model::RunId;

/// `No => Asked => (Forced =>) Left`
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    No,
    Asked,
    Forced,
    Left,
}

impl Core {
    /// On the way out only the ends of programs count.
    pub(super) fn handle_leaving(&mut self, event: &Event) -> Vec<Effect> {
        match event {
            Event::Exited { run, .. } => self.forget_run(*run),
            Event::Quit => self.quit(),
            _ => {}
        }
        self.leave_when_empty();
        std::mem::take(&mut self.out)
    }

    pub(super) fn quit(&mut self) {
        let how = match self.leaving {
            Leaving::No => {
                self.leaving = Leaving::Asked;
                StopHow::Ask
            }
            Leaving::Asked => {
                self.leaving = Leaving::Forced;
                StopHow::Kill
            }
            Leaving::Forced | Leaving::Left => return,
        };
        self.deferred.clear();
        self.batches.clear();
        for run in self.programs() {
            self.out.push(Effect::Stop { run, how });
        }
        self.leave_when_empty();
    }

    /// Every run whose `Exited` has not come.
    pub(super) fn programs(&self) -> Vec<RunId> {
        let mut runs: Vec<RunId> = self.orphans.iter().copied().collect();
        for step in &self.steps {
            if let Activity::Running { run, .. } = step.activity {
                runs.push(run);
            }
        }
        for service in &self.services {
            runs.extend(service.live.iter().map(|live| live.run));
            runs.extend(service.candidate().map(|candidate| candidate.run));
            runs.extend(service.leaving.iter().map(|leaving| leaving.run));
        }
        runs
    }

    fn forget_run(&mut self, run: RunId) {
        self.orphans.remove(&run);
        for step in self.steps.iter_mut().filter(|step| step.run() == Some(run)) {
            step.activity = Activity::Idle;
        }
        for service in self.services.iter_mut().filter(|service| service.has(run)) {
            service.leaving.retain(|leaving| leaving.run != run);
            if service.live.as_ref().is_some_and(|live| live.run == run) {
                service.live = None;
            }
            if service.candidate().is_some_and(|candidate| candidate.run == run) {
                service.next = Next::None;
            }
        }
    }

    fn leave_when_empty(&mut self) {
        if self.leaving != Leaving::Left && self.programs().is_empty() {
            self.leaving = Leaving::Left;
            self.out.push(Effect::Leave);
        }
    }
}
