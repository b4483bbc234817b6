//! One step: what is known about its last result, and what is being done about the next one.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{breaker::Breaker, settle::Pending, took::Took, why::Why};
use crate::{
    model::{Artifact, Exit, FilePath, Report, RunId, Time},
    plan::{Learned, Step},
};

/// A step of the plan with its state.
#[derive(Debug)]
pub(super) struct StepNode {
    pub(super) plan: Arc<Step>,
    /// What its last finished run left.
    pub(super) outcome: Outcome,
    /// Why that is not good enough, and since when; none if it is.
    pub(super) dirty: Option<Dirty>,
    pub(super) activity: Activity,
    /// What it made last, of a run that counted.
    pub(super) artifact: Option<Artifact>,
    /// Runs in a row that were cancelled or void.
    pub(super) in_vain: u8,
    /// Runs in a row that were void only because this file was rewritten with what was in it.
    pub(super) rewritten: Option<(FilePath, u8)>,
    pub(super) breaker: Breaker,
    /// How long its good runs take.
    pub(super) took: Took,
    /// When its last run began.
    pub(super) last_began: Time,
    /// From when to when its last run, or the look for a kept artifact, may have read files; no end while it goes on.
    pub(super) read: (Time, Option<Time>),
    /// It has run since a tool chain was asked what it reads: what that would say at a guess counts too.
    pub(super) reads_roughly: bool,
    /// The last run that was looked up in vain, and what was known then of what it reads: its key is made of that.
    pub(super) keyed: Option<(RunId, Option<Arc<Learned>>)>,
    /// Its result is a kept artifact whose key may be made of too little.
    pub(super) unproven: Option<Unproven>,
    /// With `generates = true`: the files that it wrote and that say so.
    pub(super) generated: BTreeSet<FilePath>,
    /// Since when nothing keeps it from running but files that have not settled.
    pub(super) unsettled_since: Option<Time>,
}

/// What a step's last finished run left.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It has never finished.
    None,
    Good,
    Failed(Arc<Report>),
}

/// A kept artifact that was taken before the tool chain has said what it was made from.
#[derive(Clone, Debug)]
pub(super) struct Unproven {
    /// The look-up that found it, about which the tool chain has been asked.
    pub(super) run: RunId,
    /// What the step was known to read then.
    pub(super) known: Option<Arc<Learned>>,
}

/// Why a step's result is out of date.
#[derive(Clone, Debug)]
pub(super) struct Dirty {
    pub(super) why: Why,
    /// How many more reasons there are.
    pub(super) more: usize,
}

/// `Idle => LookingUp => Running => Ended(Fencing => Examining => Waiting) => Idle`; a run that was told to stop goes
/// from `Running` to `Idle` with its exit.
#[derive(Debug)]
pub(super) enum Activity {
    Idle,
    /// A kept artifact is looked for.
    LookingUp {
        run: RunId,
        began: Time,
        why: Why,
        /// What the tool chain has said that the step reads.
        known: Option<Arc<Learned>>,
    },
    /// The program runs.
    Running {
        run: RunId,
        began: Time,
        why: Why,
        stopping: Stopping,
    },
    /// The program has ended; what it did is being found out.
    Ended {
        run: RunId,
        began: Time,
        end: End,
        stage: Stage,
    },
}

/// Whether a running step was told to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stopping {
    No,
    /// Its result is useless.
    Useless,
    /// It took longer than its `timeout`.
    TimedOut,
}

/// How a step's program ended by itself.
#[derive(Clone, Debug)]
pub(super) enum End {
    Good,
    Bad { exit: Exit, report: Report },
}

/// What is still to be learned about a run that has ended.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// Events that it caused may still be on their way.
    Fencing,
    /// Its outputs are being compared.
    Examining { taken: Vec<Pending> },
    /// All is known but whether what it read was written meanwhile: that settles first.
    Waiting { result: String, took: Duration },
}

impl StepNode {
    /// A step that has never run.
    pub(super) fn new(plan: Arc<Step>, why: Why, now: Time) -> StepNode {
        StepNode {
            plan,
            outcome: Outcome::None,
            dirty: Some(Dirty { why, more: 0 }),
            activity: Activity::Idle,
            artifact: None,
            in_vain: 0,
            rewritten: None,
            breaker: Breaker::default(),
            took: Took::default(),
            last_began: now,
            read: (now, Some(now)),
            reads_roughly: true,
            keyed: None,
            unproven: None,
            generated: BTreeSet::new(),
            unsettled_since: None,
        }
    }

    /// Its result is good and made from what is there now.
    pub(super) fn is_clean(&self) -> bool {
        matches!(self.outcome, Outcome::Good) && self.dirty.is_none() && self.is_idle()
    }

    /// Its last run failed and nothing has changed since.
    pub(super) fn is_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_)) && self.dirty.is_none() && self.is_idle()
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.activity, Activity::Idle)
    }

    /// A program of it may be writing, or may have written what has not been compared yet.
    pub(super) fn is_writing(&self) -> bool {
        matches!(
            self.activity,
            Activity::Running { .. } | Activity::Ended { stage: Stage::Fencing | Stage::Examining { .. }, .. }
        )
    }

    /// Whether its last run may have read files at some moment from `first` to `last`.
    pub(super) fn was_reading(&self, first: Time, last: Time) -> bool {
        let (since, until) = self.read;
        last >= since && until.is_none_or(|until| first <= until)
    }

    /// The run that is under way.
    pub(super) fn run(&self) -> Option<RunId> {
        match self.activity {
            Activity::Idle => None,
            Activity::LookingUp { run, .. } | Activity::Running { run, .. } | Activity::Ended { run, .. } => Some(run),
        }
    }

    /// Since when a run is under way.
    pub(super) fn began(&self) -> Option<Time> {
        match self.activity {
            Activity::Idle => None,
            Activity::LookingUp { began, .. } | Activity::Running { began, .. } | Activity::Ended { began, .. } => {
                Some(began)
            }
        }
    }

    /// Notes that its result is out of date. The first reason is the one that is told.
    pub(super) fn mark(&mut self, why: Why) {
        match &mut self.dirty {
            Some(known) => known.more += usize::from(known.why != why),
            None => self.dirty = Some(Dirty { why, more: 0 }),
        }
    }
}
