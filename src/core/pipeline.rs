//! Steps: which may start, which are useless, and what the end of one means for the others.

use std::sync::Arc;

use super::{
    Core,
    event::{Effect, Program, Spawn, StopHow},
    fact::Fact,
    fresh::millis,
    save::By,
    settle::{CAP, Pending},
    step::{Activity, Dirty, End, Outcome, Stage, StepNode, Stopping, Unproven},
    why::Why,
};
use crate::{
    model::{Artifact, Exit, FilePath, Report, RunId, Time},
    plan::{Cache, Inputs},
};

impl Core {
    /// Starts every step that may start.
    pub(super) fn start_steps(&mut self) -> bool {
        let mut moved = false;
        for index in 0..self.steps.len() {
            if !self.step_would_start(index) {
                self.steps[index].unsettled_since = None;
            } else if self.settled_for_step(index) {
                self.start_step(index);
                moved = true;
            } else if self.steps[index].unsettled_since.is_none() {
                self.steps[index].unsettled_since = Some(self.now);
            }
        }
        moved
    }

    /// Whether nothing but unsettled files keeps this step from running (promise 1).
    fn step_would_start(&self, index: usize) -> bool {
        let step = &self.steps[index];
        step.is_idle()
            && step.dirty.is_some()
            && !self.is_frozen(index)
            && self.orphans.is_empty()
            && step.breaker.until().is_none_or(|until| until <= self.now)
            && self.graph.before_step[index].iter().all(|before| self.steps[*before].is_clean())
            && self.graph.after_step[index].iter().all(|after| self.steps[*after].is_idle())
            && step.plan.needs.iter().all(|service| self.services[*service].live.is_some())
    }

    /// Whether it may start now.
    pub(super) fn step_may_start(&self, index: usize) -> bool {
        self.step_would_start(index) && self.settled_for_step(index)
    }

    /// Nothing that it or a step before it reads is unsettled; or that has lasted too long; or it is in a pass.
    fn settled_for_step(&self, index: usize) -> bool {
        let before = &self.graph.before_step[index];
        self.step_passes(index)
            || self.steps[index].unsettled_since.is_some_and(|since| self.now >= since + CAP)
            || !self.unsettled(|step| step == index || before.contains(&step), None)
    }

    fn start_step(&mut self, index: usize) {
        let run = self.new_run();
        let now = self.now;
        let artifacts = self.artifacts(&self.graph.uses[index]);
        let is_known = self.key_tells_all(index);
        let step = &mut self.steps[index];
        let dirty = step.dirty.take();
        step.breaker.begins();
        step.unproven = None;
        let why = dirty.map_or(Why::Start, |dirty| dirty.why);
        step.read = (now, None);
        step.unsettled_since = None;
        let plan = step.plan.clone();
        let reuse = is_known && !matches!(why, Why::Person | Why::Void(_) | Why::Untold);
        if plan.makes_artifact && plan.cache != Cache::Off {
            let known = self.learned.get(&plan.name).cloned();
            step.activity = Activity::LookingUp { run, began: now, why, known };
            self.out.push(Effect::LookUp { run, step: plan, artifacts, reuse });
        } else {
            self.spawn_step(index, run, why);
        }
    }

    /// Whether a kept artifact of the same key is all that a run would make: it would write nothing else, and nothing
    /// is hidden from the key by a step before it that does not say what it changes.
    fn key_tells_all(&self, index: usize) -> bool {
        let plan = &self.steps[index].plan;
        let writes_else = !plan.outputs.is_empty() || plan.generates;
        !writes_else && !plan.after.iter().any(|before| self.steps[*before].plan.is_blind())
    }

    fn spawn_step(&mut self, index: usize, run: RunId, why: Why) {
        let artifacts = self.artifacts(&self.graph.uses[index]);
        let (now, revision) = (self.now, self.revision);
        let step = &mut self.steps[index];
        let plan = step.plan.clone();
        step.last_began = now;
        step.reads_roughly = true;
        self.out.push(Effect::Tell(Fact::StepStarted { revision, run, step: plan.name.clone(), why: why.to_string() }));
        step.activity = Activity::Running { run, began: now, why, stopping: Stopping::No };
        self.out.push(Effect::Spawn(Spawn { run, revision, program: Program::Step(plan), artifacts }));
    }

    /// What these steps made last.
    pub(super) fn artifacts(&self, steps: &[usize]) -> Vec<Artifact> {
        steps.iter().filter_map(|step| self.steps[*step].artifact.clone()).collect()
    }

    pub(super) fn looked_up(&mut self, run: RunId, found: Option<Artifact>) {
        let Some(index) = self.step_of(run) else { return };
        let step = &mut self.steps[index];
        let Activity::LookingUp { why, known, began, .. } = &step.activity else { return };
        let (why, known, began) = (why.clone(), known.clone(), *began);
        step.activity = Activity::Idle;
        match found {
            Some(artifact) => {
                let is_proven = !matches!(step.plan.inputs, Inputs::Tool(_)) || self.proven.contains(&artifact.run);
                step.read.1 = Some(self.now);
                step.last_began = began;
                step.unproven = (!is_proven).then_some(Unproven { run, known });
                step.outcome = Outcome::Good;
                step.in_vain = 0;
                let name = step.plan.name.clone();
                self.tell(Fact::StepReused { revision: self.revision, step: name, made_by: artifact.run });
                self.replace_artifact(index, artifact);
                self.ask_inputs(index, run);
            }
            None => {
                step.keyed = Some((run, known));
                self.spawn_step(index, run, why);
            }
        }
    }

    /// Stops the runs whose result can no longer count (promises 1 and 2).
    pub(super) fn cancel_useless_runs(&mut self) -> bool {
        let mut moved = false;
        for index in 0..self.steps.len() {
            let Some(reason) = self.why_useless(index) else { continue };
            let step = &mut self.steps[index];
            match &mut step.activity {
                Activity::LookingUp { why, .. } => {
                    let why = why.clone();
                    step.activity = Activity::Idle;
                    step.mark(why);
                    moved = true;
                }
                Activity::Running { run, why, stopping: stopping @ Stopping::No, .. } if step.plan.cancel => {
                    let (run, why) = (*run, why.clone());
                    *stopping = Stopping::Useless;
                    step.in_vain = step.in_vain.saturating_add(1);
                    step.mark(why);
                    let name = step.plan.name.clone();
                    self.out.push(Effect::Stop { run, how: StopHow::Ask });
                    self.tell(Fact::Cancelled { run, name, why: reason });
                    moved = true;
                }
                Activity::Idle | Activity::Running { .. } | Activity::Ended { .. } => {}
            }
        }
        moved
    }

    /// Why a run of this step that is under way is useless, if it is.
    fn why_useless(&self, index: usize) -> Option<String> {
        let step = &self.steps[index];
        if step.is_idle() || self.step_passes(index) {
            return None;
        }
        if let Some(dirty) = &step.dirty {
            return Some(dirty.why.to_string());
        }
        let mut before = self.graph.before_step[index].iter().map(|before| &self.steps[*before]);
        let unclean = before.find(|before| !before.is_clean())?;
        Some(match &unclean.dirty {
            Some(Dirty { why, .. }) => format!("`{}` has to run again: {why}", unclean.plan.name),
            None => format!("`{}` is not clean", unclean.plan.name),
        })
    }

    /// A step's program has ended.
    pub(super) fn step_exited(&mut self, index: usize, exit: Exit, report: Report) {
        let step = &mut self.steps[index];
        let Activity::Running { run, began, stopping, .. } = &step.activity else { return };
        let (run, began, stopping) = (*run, *began, stopping.clone());
        step.activity = Activity::Idle;
        step.read.1 = Some(self.now);
        match stopping {
            Stopping::Useless => {}
            Stopping::TimedOut => {
                let limit = step.plan.timeout.unwrap_or_default();
                let title = format!("step `{}` was stopped after {limit:?}, its `timeout`", step.plan.name);
                self.fail_step(index, run, began, exit, Report { title, ..report });
            }
            Stopping::No => {
                let end = if exit.is_success() {
                    End::Good
                } else {
                    let title = format!("step `{}` failed: {exit}", step.plan.name);
                    End::Bad { exit, report: Report { title, ..report } }
                };
                step.activity = Activity::Ended { run, began, end, stage: Stage::Fencing };
                self.out.push(Effect::Fence { run });
            }
        }
    }

    /// Every file event of a run is in.
    pub(super) fn fenced(&mut self, run: RunId) {
        let Some(index) = self.step_of(run) else { return };
        let Activity::Ended { began, end, stage: Stage::Fencing, .. } = &self.steps[index].activity else { return };
        let (began, end) = (*began, end.clone());
        self.steps[index].read.1 = Some(self.now);
        let stage = match end {
            End::Bad { .. } => Stage::Waiting { result: String::new(), took: self.now.since(began) },
            End::Good => {
                let taken = self.take_writes_of(index);
                let touched = taken.iter().map(|path| path.path.clone()).collect();
                self.out.push(Effect::Examine { run, step: self.steps[index].plan.clone(), touched });
                Stage::Examining { taken }
            }
        };
        self.steps[index].activity = Activity::Ended { run, began, end, stage };
    }

    /// What a good run changed is known.
    pub(super) fn examined(
        &mut self,
        run: RunId,
        changed: Vec<FilePath>,
        foreign: Vec<FilePath>,
        artifact: Option<Artifact>,
        missing: Option<Report>,
    ) {
        let Some(index) = self.step_of(run) else { return };
        let step = &mut self.steps[index];
        let Activity::Ended { began, end, stage: stage @ Stage::Examining { .. }, .. } = &mut step.activity else {
            return;
        };
        let began = *began;
        let took = self.now.since(began);
        if let Some(report) = missing {
            *end = End::Bad { exit: Exit::Code(0), report };
        }
        let old = step.artifact.as_ref().map(|artifact| artifact.digest);
        let result = match (&artifact, changed.len()) {
            (Some(new), 0) if old == Some(new.digest) => "artifact is the same".to_owned(),
            (Some(_), 0) => "new artifact".to_owned(),
            (None, 0) if step.plan.outputs.is_empty() => String::new(),
            (None, 0) => "outputs are the same".to_owned(),
            (None, 1) => "1 output changed".to_owned(),
            (None, count) => format!("{count} outputs changed"),
            (Some(_), count) => format!("new artifact, {count} outputs changed"),
        };
        let Stage::Examining { taken } = std::mem::replace(stage, Stage::Waiting { result, took }) else { return };
        let (foreign, own): (Vec<Pending>, Vec<Pending>) =
            taken.into_iter().partition(|path| foreign.contains(&path.path));
        if step.plan.generates {
            step.generated.extend(own.iter().map(|path| path.path.clone()));
        }
        self.give_back(foreign);
        for path in own.iter().filter(|path| !changed.contains(&path.path)) {
            self.void_starts(path, Some(index));
        }
        for path in &changed {
            let concern = self.concern(path);
            self.spread(path, &concern, By::Step(index));
        }
        if let Some(artifact) = artifact {
            self.replace_artifact(index, artifact);
        }
        if self.steps[index].plan.is_blind() {
            self.spread_unknown(index);
        }
    }

    /// A step made (or found) this artifact.
    fn replace_artifact(&mut self, index: usize, artifact: Artifact) {
        let step = &mut self.steps[index];
        let is_new = step.artifact.as_ref().is_none_or(|old| old.digest != artifact.digest);
        let name = step.plan.name.clone();
        step.artifact = Some(artifact);
        if is_new {
            for user in 0..self.steps.len() {
                if self.graph.uses[user].contains(&index) {
                    self.steps[user].mark(Why::Artifact { step: name.clone() });
                }
            }
        }
    }

    /// A step that declares no outputs ran: what comes directly after it may read anything of it.
    fn spread_unknown(&mut self, index: usize) {
        let name = self.steps[index].plan.name.clone();
        for step in &mut self.steps {
            if step.plan.after.contains(&index) {
                step.mark(Why::Ran { step: name.clone() });
            }
        }
        let follows = |service: usize| {
            let before = &self.graph.before_service[service];
            let consumed = self.graph.after_step[index].iter().any(|after| before.contains(after));
            !consumed && self.services[service].plan.follows_steps()
        };
        let bumped: Vec<usize> = self.graph.services_after(index).filter(|service| follows(*service)).collect();
        for service in bumped {
            self.services[service].bump(Why::Ran { step: name.clone() });
        }
    }

    /// Ends the runs about which everything is known.
    pub(super) fn conclude_steps(&mut self) -> bool {
        let mut moved = false;
        for index in 0..self.steps.len() {
            if Core::is_waiting(&self.steps[index])
                && let Some(file) = self.written_meanwhile(index)
            {
                self.steps[index].mark(Why::Void(file));
            }
            let step = &self.steps[index];
            if Core::is_waiting(step)
                && (step.dirty.is_some() || self.step_passes(index) || !self.reads_unsettled(index))
            {
                self.conclude(index);
                moved = true;
            }
        }
        moved
    }

    fn conclude(&mut self, index: usize) {
        let passes = self.step_passes(index);
        let step = &mut self.steps[index];
        let Activity::Ended { run, began, end, stage: Stage::Waiting { result, took } } =
            std::mem::replace(&mut step.activity, Activity::Idle)
        else {
            return;
        };
        let name = step.plan.name.clone();
        let void = step.dirty.as_ref().filter(|_| !passes).map(|dirty| dirty.why.clone());
        if let Some(why) = &void {
            step.in_vain = step.in_vain.saturating_add(1);
            self.out.push(Effect::Tell(match why {
                Why::Void(file) | Why::File(file) | Why::Output { path: file, .. } => {
                    Fact::Void { run, step: name.clone(), file: file.display().to_string() }
                }
                other => Fact::Cancelled { run, name: name.clone(), why: other.to_string() },
            }));
        }
        if void.is_none() {
            step.rewritten = None;
        }
        match end {
            End::Bad { exit, report } if void.is_none() => self.fail_step(index, run, began, exit, report),
            End::Bad { .. } => step.outcome = Outcome::None,
            End::Good => {
                step.outcome = Outcome::Good;
                if void.is_none() {
                    self.good_step(index, run, name, result, took);
                }
            }
        }
    }

    fn good_step(&mut self, index: usize, run: RunId, name: Arc<str>, result: String, took: std::time::Duration) {
        let in_pass = self.step_passes(index);
        let step = &mut self.steps[index];
        step.took.note(took);
        let took_ms = millis(took);
        self.journey.steps.push((name.clone(), took_ms));
        self.tell(Fact::StepDone { revision: self.revision, run, step: name, took_ms, result });
        if !in_pass {
            self.steps[index].in_vain = 0;
            if self.steps[index].plan.makes_artifact && self.steps[index].plan.cache != Cache::Off {
                self.out.push(Effect::Keep { run });
            }
        }
        self.ask_inputs(index, run);
    }

    pub(super) fn ask_inputs(&mut self, index: usize, run: RunId) {
        if matches!(self.steps[index].plan.inputs, Inputs::Tool(_)) {
            self.out.push(Effect::AskInputs { name: self.steps[index].plan.name.clone(), run });
        }
    }

    fn fail_step(&mut self, index: usize, run: RunId, began: Time, exit: Exit, report: Report) {
        let took_ms = millis(self.now.since(began));
        let revision = self.revision;
        let step = &mut self.steps[index];
        step.in_vain = 0;
        step.outcome = Outcome::Failed(Arc::new(report.clone()));
        let name = step.plan.name.clone();
        self.tell(Fact::StepFailed { revision, run, step: name, exit, took_ms, report });
        self.ask_inputs(index, run);
    }

    /// The moment at which time itself changes something for this step.
    pub(super) fn step_deadline(&self, index: usize) -> Option<Time> {
        let step = &self.steps[index];
        let unsettled = step.unsettled_since.map(|since| since + CAP);
        let breaker = step.breaker.until().filter(|until| *until > self.now && step.dirty.is_some());
        let timeout = match (&step.activity, step.plan.timeout) {
            (Activity::Running { began, stopping: Stopping::No, .. }, Some(limit)) => Some(*began + limit),
            _ => None,
        };
        unsettled.into_iter().chain(breaker).chain(timeout).min()
    }

    /// Whether this step runs or will run without a further save.
    pub(super) fn can_make_progress(&self, index: usize) -> bool {
        let step = &self.steps[index];
        !step.is_idle()
            || step.unproven.is_some()
            || (step.dirty.is_some()
                && !self.is_frozen(index)
                && !self.is_stuck(index)
                && self.needs_may_come(&step.plan.needs))
    }

    /// Whether a failed step stands before this one, and nothing before that one can change it; or one that a pause
    /// keeps from running.
    fn is_stuck(&self, index: usize) -> bool {
        let quiet = |step: &StepNode| step.is_idle() && step.dirty.is_none();
        self.graph.before_step[index].iter().any(|before| {
            let step = &self.steps[*before];
            let is_frozen = step.dirty.is_some() && step.is_idle() && self.is_frozen(*before);
            is_frozen
                || (step.is_failed()
                    && self.graph.before_step[*before].iter().all(|earlier| quiet(&self.steps[*earlier])))
        })
    }
}
