//! What a save makes out of date: from a touched path to the steps and services that have to run again.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use super::{
    Core, Pass, Watching,
    event::{BatchId, Effect, Touch, Verdict},
    fact::Fact,
    settle::{Concern, Pending},
    step::{Activity, Stage, StepNode},
    why::Why,
};
use crate::{
    model::{FilePath, Revision, RunId, Time},
    plan::{Inputs, Learned},
};

/// After so many runs in a row that came to nothing the next one is let finish (promise 2).
const IN_VAIN: u8 = 3;
/// After so many runs that were void only because the same file was rewritten with its own content, that file is
/// taken to be written by the step itself.
const REWRITES: u8 = 2;
/// Paths that nothing reads are remembered up to this number.
const UNREAD: usize = 4096;
/// So many runs are remembered whose keys are proven: more than artifacts are kept.
const PROVEN: usize = 1024;
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

    /// Remembers a touched path for those that a tool chain may yet say to read it, and a path that nothing reads as one
    /// of which it is not known any more what was in it when it was last read.
    fn note_unread(&mut self, path: &FilePath, concern: &Concern, at: Time) {
        if concern.is_none() {
            if self.strangers.len() >= UNREAD {
                self.strangers.clear();
            }
            self.strangers.insert(path.clone());
        }
        let asks = |inputs: &Inputs| matches!(inputs, Inputs::Tool(_));
        let steps = || (0..self.steps.len()).filter(|index| asks(&self.steps[*index].plan.inputs));
        let services = || (0..self.services.len()).filter(|index| asks(&self.services[*index].plan.inputs));
        if steps().all(|index| concern.steps.contains(&index))
            && services().all(|index| concern.services.contains(&index))
        {
            return;
        }
        if self.unread.len() >= UNREAD {
            let steps = steps().map(|index| self.steps[index].last_began);
            let services = services().filter_map(|index| self.services[index].newest_began());
            let oldest = steps.chain(services).min().unwrap_or(at);
            self.unread.retain(|_, at| *at >= oldest);
        }
        if self.unread.len() >= UNREAD {
            self.unread.clear();
        }
        self.unread.insert(path.clone(), at);
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

    /// What has to be let finish before this batch counts: nodes it would stop for the fourth time in a row.
    fn pass_for(&self, looked: &[(Pending, Verdict)]) -> Option<Pass> {
        let mut steps = BTreeSet::new();
        let mut services = BTreeSet::new();
        for (path, verdict) in looked {
            let (changed, written) = match verdict {
                Verdict::Changed | Verdict::Gone => (true, true),
                Verdict::Same => (false, true),
                Verdict::Owned => (false, false),
            };
            for (index, step) in self.steps.iter().enumerate() {
                let reads = path.concern.steps.contains(&index);
                let after = path.concern.steps.iter().any(|reader| self.graph.before_step[index].contains(reader));
                if step.in_vain >= IN_VAIN && !step.is_idle() && ((written && reads) || (changed && after)) {
                    steps.insert(index);
                }
            }
            for (index, service) in self.services.iter().enumerate() {
                let reads = self.concerns_service(index, &path.concern);
                let after = path.concern.steps.iter().any(|reader| self.graph.before_service[index].contains(reader));
                if service.in_vain >= IN_VAIN && service.candidate().is_some() && changed && (reads || after) {
                    services.insert(index);
                }
            }
        }
        if steps.is_empty() && services.is_empty() {
            return None;
        }
        for index in steps.clone() {
            steps.extend(&self.graph.after_step[index]);
            services.extend(self.graph.services_after(index));
        }
        Some(Pass { steps, services })
    }

    /// Ends the pass once all its nodes are done, and lets count what was put off.
    pub(super) fn end_pass(&mut self) -> bool {
        let Some(pass) = &self.pass else { return false };
        let steps = pass.steps.iter().any(|index| !self.steps[*index].is_idle() || self.step_may_start(*index));
        let services = pass.services.iter().any(|index| self.services[*index].is_swapping());
        if steps || services {
            return false;
        }
        for index in pass.steps.clone() {
            self.steps[index].in_vain = 0;
        }
        for index in pass.services.clone() {
            self.services[index].in_vain = 0;
        }
        self.pass = None;
        let deferred = std::mem::take(&mut self.deferred);
        self.apply(deferred);
        true
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
        for index in concern.assets_of.iter().copied() {
            self.assets.entry(index).or_default().insert(path.clone());
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

    /// Tells the pages of services which of their assets have changed.
    pub(super) fn tell_assets(&mut self) {
        for (index, files) in std::mem::take(&mut self.assets) {
            let Some(service) = self.services.get(index) else { continue };
            let service = service.plan.name.clone();
            self.tell(Fact::Assets { service, files: names(&files), count: files.len() });
        }
    }

    /// Whether a change of such a path restarts this service, not by way of a step.
    pub(super) fn concerns_service(&self, index: usize, concern: &Concern) -> bool {
        concern.services.contains(&index) || self.is_unread_output(index, concern, None)
    }

    /// Whether the changed path is an output of a step before this service, and no step in between reads it (then that
    /// one's result decides).
    fn is_unread_output(&self, service: usize, concern: &Concern, by: Option<usize>) -> bool {
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

    /// A file was written and holds what it held: whoever was reading it meanwhile may have read the middle of it.
    fn rewritten(&mut self, path: &Pending) {
        for index in path.concern.steps.iter().copied() {
            let step = &mut self.steps[index];
            if !step.was_reading(path.first, path.last) {
                continue;
            }
            if let Activity::LookingUp { why, .. } = &step.activity {
                // The key may have been computed from the middle of the write.
                let why = why.clone();
                step.activity = Activity::Idle;
                step.mark(why);
                continue;
            }
            let times = count_rewrite(&mut step.rewritten, &path.path);
            if times <= REWRITES {
                step.mark(Why::Void(path.path.clone()));
            } else if times == REWRITES + 1 {
                let name = step.plan.name.clone();
                let file = path.path.display().to_string();
                self.tell(Fact::Note {
                    text: format!("step `{name}` reads {file}, and that is rewritten in each of its runs"),
                    hint: Some(format!("if `{name}` writes it, add it to the step's `outputs`")),
                });
            }
        }
        self.void_starts(path, None);
    }

    /// A file was written, by the step `maker` or anybody, and holds what it held: an instance that was starting meanwhile
    /// may have read the middle of it.
    pub(super) fn void_starts(&mut self, path: &Pending, maker: Option<usize>) {
        for index in 0..self.services.len() {
            let reads = path.concern.services.contains(&index)
                || (maker.is_some() && self.is_unread_output(index, &path.concern, maker));
            let service = &mut self.services[index];
            if reads
                && service.was_starting(path.first, path.last)
                && count_rewrite(&mut service.rewritten, &path.path) <= REWRITES
            {
                service.bump(Why::Void(path.path.clone()));
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

    /// A tool chain has said what a step or service reads, or that it cannot say.
    pub(super) fn learn(&mut self, name: &Arc<str>, run: RunId, reads: Option<Learned>) {
        let step = self.steps.iter().position(|step| step.plan.name == *name);
        let Some(reads) = reads else {
            // What it read at other content says nothing now: everything that it may read counts.
            self.learned.remove(name);
            self.reconsider();
            // What was built before is not trusted on nobody's word.
            if let Some(step) = step.map(|index| &mut self.steps[index])
                && step.unproven.take_if(|unproven| unproven.run == run).is_some()
            {
                step.mark(Why::Untold);
            }
            return;
        };
        let reads = Arc::new(reads);
        self.learned.insert(name.clone(), reads.clone());
        if let Some(index) = step {
            let missed = self.why_missed(index, run, &reads);
            let step = &mut self.steps[index];
            step.unproven.take_if(|unproven| unproven.run == run);
            match missed {
                Some(why) => step.mark(why),
                None => self.prove(index, run, &reads),
            }
            self.steps[index].reads_roughly = !self.steps[index].is_idle();
        }
        if let Some(index) = self.services.iter().position(|service| service.plan.name == *name) {
            let began = self.services[index].newest_began();
            let missed = self.unread.iter().find(|(path, at)| {
                began.is_some_and(|began| **at >= began) && self.plan.service_reads(index, path, Some(&reads))
            });
            if let Some((path, _)) = missed {
                let why = Why::File(path.clone());
                self.services[index].bump(why);
            }
        }
        self.reconsider();
    }

    /// If this step was known to read just that when the key of its last run was made, whoever finds its artifact under
    /// that key need not ask again.
    fn prove(&mut self, index: usize, run: RunId, reads: &Learned) {
        let step = &self.steps[index];
        let is_keyed =
            step.keyed.as_ref().is_some_and(|(keyed, known)| *keyed == run && known.as_deref() == Some(reads));
        if is_keyed && step.is_clean() && !self.reads_unsettled(index) {
            self.proven.insert(run);
            if self.proven.len() > PROVEN {
                self.proven.pop_first();
            }
        }
    }

    /// Why the result of this step is out of date, now that it is known what it reads: a path that was not known to be
    /// read has been touched since, or a kept artifact was found under a key of other files.
    fn why_missed(&self, index: usize, run: RunId, reads: &Learned) -> Option<Why> {
        let step = &self.steps[index];
        if let Some(unproven) = step.unproven.as_ref().filter(|unproven| unproven.run == run) {
            return (unproven.known.as_deref() != Some(reads)).then_some(Why::Inputs);
        }
        let began = step.last_began;
        let missed =
            self.unread.iter().find(|(path, at)| **at >= began && self.plan.step_reads(index, path, Some(reads)));
        missed.map(|(path, _)| Why::File(path.clone()))
    }

    /// Computes again whom the pending paths concern.
    pub(super) fn reconsider(&mut self) {
        let paths: Vec<(FilePath, Time)> = self.settling.pending().map(|path| (path.path.clone(), path.last)).collect();
        let mut concerns: HashMap<FilePath, Arc<Concern>> = HashMap::new();
        for (path, last) in paths {
            let concern = self.concern(&path);
            self.note_unread(&path, &concern, last);
            concerns.insert(path, concern);
        }
        self.settling.reconsider(|path| concerns.get(path).cloned().unwrap_or_default());
    }

    /// Whether this step is in a pass: files that have not settled do not keep it.
    pub(super) fn step_passes(&self, index: usize) -> bool {
        self.pass.as_ref().is_some_and(|pass| pass.steps.contains(&index))
    }

    /// Whether this service is in a pass.
    pub(super) fn service_passes(&self, index: usize) -> bool {
        self.pass.as_ref().is_some_and(|pass| pass.services.contains(&index))
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

/// Counts how often in a row the same file was rewritten with what it held.
fn count_rewrite(known: &mut Option<(FilePath, u8)>, file: &FilePath) -> u8 {
    let times = match known {
        Some((last, times)) if last == file => times.saturating_add(1),
        _ => 1,
    };
    *known = Some((file.clone(), times));
    times
}
