//! One service: its live instance, the one that is to follow, and those that are leaving.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{adopt::is_same_service, took::Took, why::Why};
use crate::{
    model::{Artifact, Digest, FilePath, PastProgram, Report, Revision, RunId, Time},
    plan::{Debugging, Port, Service, Swap},
};

/// Pauses before an instance that ended by itself is started again; the last one repeats.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5)];
/// So many programs stay on disk to go back to. They count although they may be large, so this is less than what is
/// kept for going back to the same content.
const PAST: usize = 5;
/// From this crash in a row on, requests are answered with the report instead of being held.
pub(super) const CRASH_LOOP: usize = 3;

/// A service of the plan with its state.
#[derive(Debug)]
pub(super) struct ServiceNode {
    pub(super) plan: Arc<Service>,
    /// The instance that the gate is open to.
    pub(super) live: Option<Instance>,
    /// What is being done about another one.
    pub(super) next: Next,
    /// Instances that drain or stop.
    pub(super) leaving: Vec<Leaving>,
    /// The last attempt that did not become live.
    pub(super) failed: Option<Failed>,
    /// What the last instance that was live had been made of.
    pub(super) good: Option<MadeOf>,
    /// What was live so far, oldest first: what a person can go back to.
    pub(super) past: VecDeque<MadeOf>,
    /// The earlier program that a person asked for, until they let go of it.
    pub(super) pinned: Option<MadeOf>,
    /// Grows with every reason to restart that is not an artifact.
    pub(super) bumps: u64,
    /// The newest of those reasons.
    pub(super) why: Why,
    /// Learned: a new instance cannot run beside the old one.
    pub(super) exclusive: bool,
    /// Crashes in a row.
    pub(super) crashes: usize,
    /// Candidates in a row that were abandoned.
    pub(super) in_vain: u8,
    /// Instances in a row that may have read the middle of this file while they started.
    pub(super) rewritten: Option<(FilePath, u8)>,
    /// When the first save came whose outcome is not known.
    pub(super) unresolved_since: Option<Time>,
    /// How long its good starts take, until it is ready.
    pub(super) took: Took,
    /// Since when nothing keeps it from starting but files that have not settled.
    pub(super) unsettled_since: Option<Time>,
    /// What was last told about being out of date.
    pub(super) told_stale: Option<Arc<str>>,
    /// The debugger that was last told how to attach to.
    pub(super) told_debugging: Option<Arc<Debugging>>,
}

/// What an instance was made of: it need not be replaced by one of the same.
#[derive(Clone, Debug)]
pub(super) struct MadeOf {
    /// How it is run.
    pub(super) plan: Arc<Service>,
    pub(super) artifacts: Vec<Artifact>,
    pub(super) bumps: u64,
    pub(super) revision: Revision,
}

impl MadeOf {
    fn content(&self) -> (Vec<Digest>, u64) {
        (self.artifacts.iter().map(|artifact| artifact.digest).collect(), self.bumps)
    }

    /// Whether it is the same program, started the same way, whatever made another start necessary.
    pub(super) fn is_same_program(&self, other: &MadeOf) -> bool {
        self.content().0 == other.content().0 && is_same_service(&self.plan, &other.plan)
    }

    /// Whether an instance of this is as good as one of the other.
    pub(super) fn is_same(&self, other: &MadeOf) -> bool {
        self.is_same_but_debugged(other) && self.plan.debugging == other.plan.debugging
    }

    /// Whether nothing tells them apart but whether, and how, they are debugged.
    pub(super) fn is_same_but_debugged(&self, other: &MadeOf) -> bool {
        self.content() == other.content() && is_same_service(&self.plan, &other.plan)
    }

    /// The port that an instance of this takes for its debugger.
    pub(super) fn debugger_port(&self) -> Option<u16> {
        self.plan.debugging.as_ref().map(|debugging| debugging.port)
    }
}

/// A run of the service that is or was live.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) run: RunId,
    pub(super) made: MadeOf,
    pub(super) process: Option<(u32, Option<u16>)>,
    /// When it was decided to start it.
    pub(super) began: Time,
    /// Since when it is live.
    pub(super) since: Time,
}

/// An attempt that did not become live.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) made: MadeOf,
    pub(super) report: Arc<Report>,
    /// When it was decided to start it, and when it had failed.
    pub(super) tried: (Time, Time),
}

/// `None => (Clearing =>) Starting => None`, or after a crash `Pause => Starting`.
#[derive(Debug)]
pub(super) enum Next {
    None,
    /// Exclusive: everything older has to be gone first.
    Clearing {
        made: MadeOf,
        why: Why,
        purpose: Purpose,
    },
    /// It ended by itself and is started again at this time.
    Pause {
        made: MadeOf,
        until: Time,
    },
    /// The candidate runs and is probed.
    Starting(Candidate),
}

/// An instance that is not ready yet.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) run: RunId,
    pub(super) made: MadeOf,
    pub(super) purpose: Purpose,
    /// When it was decided to start it.
    pub(super) began: Time,
    /// Since when its process runs, its id and its port.
    pub(super) process: Option<(Time, u32, Option<u16>)>,
    /// What its probe saw last.
    pub(super) seen: Option<String>,
}

/// What an instance is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To go live with newer content.
    Swap,
    /// To serve again after the newer one, for which it was stopped, did not start.
    LastGood,
    /// To serve again after it ended by itself.
    Restart,
}

/// An instance that gets no new requests.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) run: RunId,
    pub(super) drains: Drains,
    /// The port of its debugger, which the next debugged instance needs.
    pub(super) debugger_port: Option<u16>,
}

impl Leaving {
    pub(super) fn new(run: RunId, made: &MadeOf, drains: Drains) -> Leaving {
        Leaving { run, drains, debugger_port: made.debugger_port() }
    }
}

/// `Draining => Stopping`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drains {
    /// It finishes requests.
    Draining,
    /// It was told to end.
    Stopping,
}

impl ServiceNode {
    /// A service that has never run.
    pub(super) fn new(plan: Arc<Service>, why: Why) -> ServiceNode {
        ServiceNode {
            plan,
            live: None,
            next: Next::None,
            leaving: Vec::new(),
            failed: None,
            good: None,
            past: VecDeque::new(),
            pinned: None,
            bumps: 0,
            why,
            exclusive: false,
            crashes: 0,
            in_vain: 0,
            rewritten: None,
            unresolved_since: Some(Time::ZERO),
            took: Took::default(),
            unsettled_since: None,
            told_stale: None,
            told_debugging: None,
        }
    }

    /// Whether nothing of it runs, or has run lately.
    pub(super) fn is_new(&self) -> bool {
        self.live.is_none() && self.leaving.is_empty() && matches!(self.next, Next::None)
    }

    pub(super) fn take_next(&mut self) -> Next {
        std::mem::replace(&mut self.next, Next::None)
    }

    /// Notes a reason to restart that is not an artifact.
    pub(super) fn bump(&mut self, why: Why) {
        self.bumps += 1;
        self.why = why;
    }

    /// Notes that an instance of this has become live. Returns what one can go back to, if that has changed.
    pub(super) fn note_good(&mut self, made: MadeOf) -> Option<Vec<PastProgram>> {
        let is_new = self.past.back().is_none_or(|last| last.revision < made.revision && !last.is_same_program(&made));
        // What is made of nothing but files in the tree cannot come again.
        let is_new = is_new && !made.artifacts.is_empty();
        if is_new {
            self.add_past(made.clone());
        }
        self.good = Some(made);
        let past =
            self.past.iter().map(|past| PastProgram { revision: past.revision, artifacts: past.artifacts.clone() });
        is_new.then(|| past.collect())
    }

    fn add_past(&mut self, made: MadeOf) {
        if self.past.len() >= PAST {
            self.past.pop_front();
        }
        self.past.push_back(made);
    }

    /// One can go back to a program of an earlier session, if it is made of what this plan's command names. It is run
    /// as the plan says now.
    pub(super) fn recall(&mut self, program: PastProgram, named: &[Arc<str>]) {
        let PastProgram { revision, artifacts } = program;
        let fits = !artifacts.is_empty() && artifacts.iter().map(|artifact| &artifact.step).eq(named);
        let is_in_order = self.past.back().is_none_or(|last| last.revision < revision);
        if fits && is_in_order {
            self.add_past(MadeOf { plan: self.plan.clone(), artifacts, bumps: 0, revision });
        }
    }

    /// What was live at `revision`, if that is kept.
    pub(super) fn past_at(&self, revision: Revision) -> Option<&MadeOf> {
        self.past.iter().rev().find(|made| made.revision <= revision)
    }

    /// Why an instance of this is to replace the last one that was live.
    pub(super) fn why_start(&self, target: &MadeOf) -> Why {
        match &self.good {
            Some(good) if good.bumps == target.bumps => {
                let old = good.artifacts.iter().map(|artifact| artifact.digest);
                let changed = target.artifacts.iter().zip(old).find(|(new, old)| new.digest != *old);
                changed.map_or(self.why.clone(), |(new, _)| Why::Artifact { step: new.step.clone() })
            }
            _ => self.why.clone(),
        }
    }

    /// Whether the old instance has to be gone before a new one may start.
    pub(super) fn is_exclusive(&self) -> bool {
        match self.plan.swap {
            Swap::Exclusive => true,
            Swap::Overlap => false,
            Swap::Auto => self.exclusive || matches!(self.plan.port, Port::Fixed(_)),
        }
    }

    /// The pause after the crash that has just been counted.
    pub(super) fn pause(&self) -> Duration {
        PAUSES[self.crashes.saturating_sub(1).min(PAUSES.len() - 1)]
    }

    /// When it was decided to start the newest instance.
    pub(super) fn newest_began(&self) -> Option<Time> {
        self.candidate().map(|candidate| candidate.began).or(self.live.as_ref().map(|live| live.began))
    }

    /// Whether the newest instance was starting at some moment from `first` to `last`.
    pub(super) fn was_starting(&self, first: Time, last: Time) -> bool {
        let overlaps = |(began, ended): (Time, Time)| last >= began && first < ended;
        self.candidate().is_some_and(|candidate| last >= candidate.began)
            || self.live.as_ref().is_some_and(|live| overlaps((live.began, live.since)))
            || self.failed.as_ref().is_some_and(|failed| overlaps(failed.tried))
    }

    /// The candidate, if one is starting.
    pub(super) fn candidate(&self) -> Option<&Candidate> {
        match &self.next {
            Next::Starting(candidate) => Some(candidate),
            Next::None | Next::Clearing { .. } | Next::Pause { .. } => None,
        }
    }

    /// Whether this run is one of its instances.
    pub(super) fn has(&self, run: RunId) -> bool {
        self.live.as_ref().is_some_and(|live| live.run == run)
            || self.candidate().is_some_and(|candidate| candidate.run == run)
            || self.leaving.iter().any(|leaving| leaving.run == run)
    }

    /// What the next instance is to be made of, if one is on its way.
    pub(super) fn next_made(&self) -> Option<&MadeOf> {
        match &self.next {
            Next::None => None,
            Next::Clearing { made, .. } | Next::Pause { made, .. } => Some(made),
            Next::Starting(candidate) => Some(&candidate.made),
        }
    }

    /// Whether an instance with newer content is on its way. A restart after a crash may come to nothing for ever.
    pub(super) fn is_swapping(&self) -> bool {
        match &self.next {
            Next::Clearing { purpose, .. } => *purpose == Purpose::Swap,
            Next::Starting(candidate) => candidate.purpose == Purpose::Swap,
            Next::None | Next::Pause { .. } => false,
        }
    }

    /// Whether a swap or restart to it is under way.
    pub(super) fn is_busy(&self) -> bool {
        !matches!(self.next, Next::None)
    }
}
