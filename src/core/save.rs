//! What a save makes out of date: from a touched path to the steps and services that have to run again.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use super::{
    Core, Watching,
    event::{BatchId, Effect, Touch, Verdict},
    fact::Fact,
    settle::{Concern, Pending},
    step::{Activity, Stage, StepNode},
    why::Why,
};
use crate::model::{FilePath, Provider, Revision, Time};

/// So many files are named in a fact.
const NAMED: usize = 10;

impl Core {
    pub(super) fn touched(&mut self, touches: Vec<Touch>) {
        let idle = self.steps.iter().all(StepNode::is_idle) && self.services.iter().all(|service| !service.is_busy());
        for touch in touches {
            let concern = self.concern(&touch.path);
            self.note_unread(&touch.path, &concern, self.now);
            if concern.is_none() {
                continue;
            }
            if idle {
                for step in &concern.steps {
                    self.steps[*step].breaker.person(&touch.path);
                }
            }
            self.settling.touch(self.now, touch.path, touch.writer, concern);
        }
    }

    /// Whom `path` concerns.
    pub(super) fn concern(&self, path: &Path) -> Arc<Concern> {
        let learned = |name: &str| self.learned.get(name).map(|known| &**known);
        let plan = &self.plan;
        let known = |step: usize| plan.step_reads(step, path, learned(&plan.steps[step].name));
        let roughly = |step: usize| {
            self.steps.get(step).is_some_and(|node| node.reads_roughly) && plan.step_reads(step, path, None)
        };
        let steps = (0..plan.steps.len()).filter(|step| known(*step) || roughly(*step));
        let services = (0..plan.services.len())
            .filter(|service| plan.service_reads(*service, path, learned(&plan.services[*service].name)));
        let outputs_of = (0..plan.steps.len()).filter(|step| plan.steps[*step].outputs.matches(path));
        Arc::new(Concern {
            steps: steps.collect(),
            services: services.collect(),
            outputs_of: outputs_of.collect(),
            assets_of: (0..plan.services.len()).filter(|index| plan.services[*index].assets.matches(path)).collect(),
            folders: plan
                .folders()
                .filter(|files| files.inside.matches(path))
                .map(|files| files.shown.clone())
                .collect(),
            config: plan.file.as_deref() == Some(path),
        })
    }

    /// Whether the step at `index` may write `path` while it runs.
    fn may_write(&self, index: usize, path: &Pending) -> bool {
        let generated = self.steps[index].plan.generates && path.path.extension().is_some_and(|ext| ext == "go");
        generated || path.concern.outputs_of.contains(&index)
    }

    /// Whether a running step may be writing this path: then it is looked at when that step has ended.
    pub(super) fn is_claimed(&self, path: &Pending) -> bool {
        (0..self.steps.len()).any(|index| self.steps[index].is_writing() && self.may_write(index, path))
    }

    fn pending_paths(&self, wanted: impl Fn(&Pending) -> bool) -> HashSet<FilePath> {
        self.settling.pending().filter(|path| wanted(path)).map(|path| path.path.clone()).collect()
    }

    /// Takes from what is pending all that the step at `index` may have written.
    pub(super) fn take_writes_of(&mut self, index: usize) -> Vec<Pending> {
        let kept: HashSet<FilePath> = self.pending_paths(|path| !self.may_write(index, path));
        self.settling.take(|path| kept.contains(&path.path))
    }

    /// Puts back what turned out not to be an output; it settles like any save.
    pub(super) fn give_back(&mut self, foreign: Vec<Pending>) {
        for path in foreign {
            // The plan may have changed since it was taken.
            let concern = self.concern(&path.path);
            self.settling.touch(self.now, path.path, path.writer, concern);
        }
    }

    /// When what was saved is to be read; not while watching is paused.
    pub(super) fn settling_due(&self) -> Option<Time> {
        match self.watching {
            Watching::On => self.settling.due(|path| self.is_claimed(path)),
            Watching::Paused => None,
        }
    }

    pub(super) fn read_what_has_settled(&mut self) -> bool {
        let due = self.settling_due();
        if due.is_none_or(|due| due > self.now) {
            return false;
        }
        let claimed = self.pending_paths(|path| self.is_claimed(path));
        let paths = self.settling.take(|path| claimed.contains(&path.path));
        self.batch_ids += 1;
        let batch = BatchId(self.batch_ids);
        self.out.push(Effect::Digest { batch, paths: paths.iter().map(|path| path.path.clone()).collect() });
        self.batches.insert(batch, paths);
        true
    }

    pub(super) fn digested(&mut self, batch: BatchId, verdicts: Vec<(FilePath, Verdict)>) {
        let Some(paths) = self.batches.remove(&batch) else { return };
        let verdicts: HashMap<FilePath, Verdict> = verdicts.into_iter().collect();
        let looked: Vec<(Pending, Verdict)> = paths
            .into_iter()
            .map(|path| {
                let verdict = match verdicts.get(&path.path).copied().unwrap_or(Verdict::Changed) {
                    // It is what it was long ago; who has read it since has read something else.
                    Verdict::Same if self.strangers.contains(&path.path) => Verdict::Changed,
                    other => other,
                };
                self.strangers.remove(&path.path);
                (path, verdict)
            })
            .collect();
        if self.pass.is_none() {
            self.pass = self.pass_for(&looked);
        }
        if self.pass.is_some() {
            self.deferred.extend(looked);
        } else {
            self.apply(looked);
        }
    }

    /// Lets a batch count.
    pub(super) fn apply(&mut self, looked: Vec<(Pending, Verdict)>) {
        let mut changed = BTreeSet::new();
        let mut same = BTreeSet::new();
        let mut first = self.now;
        let mut reads: BTreeSet<Arc<str>> = BTreeSet::new();
        let any_changed = looked
            .iter()
            .any(|(path, verdict)| matches!(verdict, Verdict::Changed | Verdict::Gone) && !path.concern.only_pages());
        if any_changed {
            self.revision = Revision(self.revision.0 + 1);
            self.unpin_all("a save");
        }
        for (path, verdict) in looked {
            match verdict {
                Verdict::Owned => {}
                Verdict::Same => {
                    self.rewritten(&path);
                    same.insert(path.path);
                }
                Verdict::Changed | Verdict::Gone => {
                    first = first.min(path.first);
                    if path.concern.config {
                        self.read_plan_again();
                        reads.insert(Arc::from("devloop"));
                    }
                    if verdict == Verdict::Gone {
                        self.remake_outputs(&path);
                    }
                    reads.extend(path.concern.steps.iter().map(|step| self.steps[*step].plan.name.clone()));
                    reads.extend(path.concern.services.iter().map(|index| self.services[*index].plan.name.clone()));
                    self.spread(&path.path, &path.concern, By::Save { first: path.first, last: path.last });
                    if !path.concern.only_pages() {
                        changed.insert(path.path);
                    }
                }
            }
        }
        if !changed.is_empty() {
            // What was collected in a pause has been settling since that was over.
            let settle = self.now.since(first.max(self.settling.counts_since()));
            self.journey.settle = Some(settle);
            self.tell(Fact::Saved {
                revision: self.revision,
                files: names(&changed),
                count: changed.len(),
                settle_ms: super::fresh::millis(settle),
                reads: reads.into_iter().collect(),
            });
        } else if !same.is_empty() {
            self.tell(Fact::Unchanged { files: names(&same), why: "same content".to_owned() });
        }
    }

    /// Marks everything that reads `path`, whose content is new.
    pub(super) fn spread(&mut self, path: &FilePath, concern: &Concern, by: By) {
        let why = |core: &Core| match by {
            By::Step(step) => Why::Output { step: core.steps[step].plan.name.clone(), path: path.clone() },
            By::Save { .. } => Why::File(path.clone()),
        };
        let (maker, first, last) = match by {
            By::Step(step) => (Some(step), self.now, self.now),
            By::Save { first, last } => (None, first, last),
        };
        let services = concern.assets_of.iter().map(|index| Provider::Service(self.services[*index].plan.name.clone()));
        for provider in services.chain(concern.folders.iter().cloned().map(Provider::Folder)) {
            self.assets.entry(provider).or_default().insert(path.clone());
        }
        for index in concern.steps.iter().copied() {
            // What its own run wrote as its output is no news to it, also where its inputs are as broad as `**/*.go`;
            // but a formatter may have met a person's save, and has to have the last word.
            if maker == Some(index) && !self.plan.rewrites(index, path) {
                continue;
            }
            self.suspect_loop(index, path, first, last);
            let why = why(self);
            self.steps[index].rewritten = None;
            self.steps[index].mark(why);
        }
        for index in 0..self.services.len() {
            if self.concerns_service(index, concern) || self.is_unread_output(index, concern, maker) {
                let why = why(self);
                self.services[index].rewritten = None;
                self.services[index].bump(why);
            }
        }
    }

    /// Tells pages which files that are served as they are have changed.
    pub(super) fn tell_assets(&mut self) {
        for (provider, files) in std::mem::take(&mut self.assets) {
            let (count, files) = (files.len(), names(&files));
            self.tell(match provider {
                Provider::Service(service) => Fact::Assets { service, files, count },
                Provider::Folder(folder) => Fact::Files { folder, files, count },
            });
        }
    }

    /// Whether a change of such a path restarts this service, not by way of a step.
    pub(super) fn concerns_service(&self, index: usize, concern: &Concern) -> bool {
        concern.services.contains(&index) || self.is_unread_output(index, concern, None)
    }

    /// Whether the changed path is an output of a step before this service, and no step in between reads it (then that
    /// one's result decides).
    pub(super) fn is_unread_output(&self, service: usize, concern: &Concern, by: Option<usize>) -> bool {
        if !self.services[service].plan.follows_steps() || concern.assets_of.contains(&service) {
            return false;
        }
        let before = &self.graph.before_service[service];
        let mut makers = concern.outputs_of.iter().copied().chain(by);
        makers.any(|maker| {
            before.contains(&maker)
                && !concern
                    .steps
                    .iter()
                    .any(|reader| before.contains(reader) && self.graph.before_step[*reader].contains(&maker))
        })
    }

    /// An output that is gone has to be made again.
    fn remake_outputs(&mut self, path: &Pending) {
        for (index, step) in self.steps.iter_mut().enumerate() {
            let made = path.concern.outputs_of.contains(&index) || step.generated.contains(&path.path);
            if made && !step.is_writing() {
                step.mark(Why::Gone(path.path.clone()));
            }
        }
    }

    /// Counts a change if it was made, from `first` to `last`, while our own programs were at work: by the time it is
    /// judged, a quick program is live already.
    fn suspect_loop(&mut self, index: usize, path: &FilePath, first: Time, last: Time) {
        let at_work = |step: &StepNode| step.was_reading(first, last) || !step.is_idle();
        let steps = at_work(&self.steps[index])
            || self.graph.after_step[index].iter().any(|after| at_work(&self.steps[*after]));
        let starting = self.graph.services_after(index).any(|service| self.services[service].was_starting(first, last));
        if !steps && !starting {
            return;
        }
        if let Some(wait) = self.steps[index].breaker.hit(self.now, path) {
            let step = self.steps[index].plan.name.clone();
            let file = path.display().to_string();
            self.tell(Fact::Breaker {
                hint: format!(
                    "if a step or service writes {file}, add it to that step's `outputs` or to `[watch] ignore`"
                ),
                step,
                file,
                wait_ms: super::fresh::millis(wait),
            });
        }
    }

    /// Whether a touched path that has not been judged yet concerns any of these steps or this service.
    pub(super) fn unsettled(&self, steps: impl Fn(usize) -> bool, service: Option<usize>) -> bool {
        let concerns = |path: &Pending| {
            (path.concern.config && service.is_some())
                || path.concern.steps.iter().any(|step| steps(*step))
                || service.is_some_and(|service| self.concerns_service(service, &path.concern))
        };
        // What is collected in a pause is not going to be judged.
        let settles = self.watching == Watching::On && self.settling.pending().any(concerns);
        settles || self.batches.values().flatten().any(concerns)
    }

    /// Whether what the step at `index` reads is being written or has not been looked at.
    pub(super) fn reads_unsettled(&self, index: usize) -> bool {
        self.unsettled(|step| step == index, None)
    }

    /// Whether a run has ended and only waits for files to settle.
    pub(super) fn is_waiting(step: &StepNode) -> bool {
        matches!(step.activity, Activity::Ended { stage: Stage::Waiting { .. }, .. })
    }
}

/// The first of these paths, as facts name them.
fn names(paths: &BTreeSet<FilePath>) -> Vec<String> {
    paths.iter().take(NAMED).map(|path| path.display().to_string()).collect()
}

/// Who gave a path its new content.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// A run of this step, as its output.
    Step(usize),
    /// Anybody, somewhen between the first and the last event.
    Save { first: Time, last: Time },
}
