//! What is going on, as people and programs see it: a function of the state.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Core, Watching,
    fresh::millis,
    gate::Gate,
    service::Drains,
    step::{Activity, Outcome, Stage},
};
use crate::model::{Report, Revision, RunId, Time};

/// A snapshot of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The project.
    pub project: String,
    /// The newest revision.
    pub revision: Revision,
    /// In the plan's order.
    pub steps: Vec<StepStatus>,
    /// In the plan's order.
    pub services: Vec<ServiceStatus>,
    /// Files that were touched and have not been judged, at most ten.
    pub settling: Vec<String>,
    /// Whether nothing is under way.
    pub at_rest: bool,
    /// Whether saves count: a person may have paused the watching.
    pub watching: WatchingState,
    /// Why dev.toml as it is now is not in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid_plan: Option<Arc<Report>>,
}

/// Whether saves count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchingState {
    /// They do.
    On,
    /// They are collected, and start nothing: `settling` names them.
    Paused,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Clean, waiting, running, settling or failed.
    pub state: StepState,
    /// The steps that come right before it.
    pub after: Vec<Arc<str>>,
    /// Why it runs or waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When its run began, while it runs: milliseconds since the start of devloop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began_ms: Option<f64>,
    /// How long a run takes by what earlier ones took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_ms: Option<f64>,
    /// How long its last good run took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<f64>,
    /// Its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Arc<Report>>,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Its result is good and up to date.
    Clean,
    /// It has to run and cannot yet.
    Waiting,
    /// Its program runs, or what it did is being found out.
    Running,
    /// It was told to stop.
    Stopping,
    /// Its last run failed.
    Failed,
}

/// What has become of the newest save, as far as a service is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeState {
    /// It is not known yet.
    Pending,
    /// What answers is made of it.
    Live,
    /// What answers, if anything does, is not.
    Failed,
    /// A person went back to what answers.
    Pinned,
    /// A person paused the watching, and something was written since.
    Paused,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Open, holding or failed.
    pub gate: GateState,
    /// What has become of the newest save.
    pub outcome: OutcomeState,
    /// The live instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<InstanceStatus>,
    /// The instance that is starting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting: Option<InstanceStatus>,
    /// The earlier revision that a person went back to; it stays until the next save.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Revision>,
    /// The revisions whose programs are kept to go back to, newest first.
    pub kept: Vec<Revision>,
    /// The debugger that its instances run under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debugging: Option<DebuggingStatus>,
    /// How many instances finish requests.
    pub draining: usize,
    /// How many were told to end.
    pub stopping: usize,
    /// How long a start takes by what earlier ones took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_ms: Option<f64>,
    /// What is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<Arc<str>>,
    /// Why its answers are out of date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<Arc<str>>,
    /// Why nothing answers, or why the newest content does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Arc<Report>>,
}

/// A debugger that a service runs under.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DebuggingStatus {
    /// Its name.
    pub debugger: Arc<str>,
    /// Where it listens.
    pub address: String,
}

/// What a gate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateState {
    /// Requests pass.
    Open,
    /// Requests to the live instance wait for a save's outcome.
    Awaiting,
    /// Requests wait.
    Holding,
    /// Requests are answered with a report.
    Failed,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its run.
    pub run: RunId,
    /// What it was made from.
    pub revision: Revision,
    /// When it was decided to start it; for the live one, since when it is live: milliseconds since the start of
    /// devloop.
    pub since_ms: f64,
    /// Its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The port it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl Core {
    /// What is going on.
    pub fn status(&self) -> Status {
        Status {
            project: self.plan.name.clone(),
            revision: self.revision,
            steps: (0..self.steps.len()).map(|index| self.step_status(index)).collect(),
            services: (0..self.services.len()).map(|index| self.service_status(index)).collect(),
            settling: self.settling.pending().take(10).map(|path| path.path.display().to_string()).collect(),
            at_rest: !self.is_busy(),
            watching: match self.watching {
                Watching::On => WatchingState::On,
                Watching::Paused => WatchingState::Paused,
            },
            invalid_plan: self.invalid_plan.clone(),
        }
    }

    fn step_status(&self, index: usize) -> StepStatus {
        let step = &self.steps[index];
        let frozen = step.dirty.is_some() && self.is_frozen(index);
        let (state, why) = match &step.activity {
            Activity::Idle if frozen => (StepState::Waiting, Some("watching is paused".to_owned())),
            Activity::Running { stopping: super::Stopping::No, why, .. } => (StepState::Running, Some(why.to_string())),
            Activity::Running { .. } => (StepState::Stopping, None),
            Activity::LookingUp { why, .. } => (StepState::Running, Some(why.to_string())),
            Activity::Ended { stage: Stage::Waiting { .. }, .. } => {
                (StepState::Running, Some("waits for files to settle".to_owned()))
            }
            Activity::Ended { .. } => (StepState::Running, None),
            Activity::Idle => match &step.dirty {
                Some(dirty) => (StepState::Waiting, Some(dirty.why.to_string())),
                None if step.is_failed() => (StepState::Failed, None),
                None => (StepState::Clean, None),
            },
        };
        let report = match &step.outcome {
            Outcome::Failed(report) => Some(report.clone()),
            Outcome::None | Outcome::Good => None,
        };
        StepStatus {
            name: step.plan.name.clone(),
            state,
            after: step.plan.after.iter().map(|before| self.steps[*before].plan.name.clone()).collect(),
            why,
            began_ms: step.began().map(since_start),
            expected_ms: step.took.expected().or(step.took.last()).map(millis),
            took_ms: step.took.last().map(millis),
            report,
        }
    }

    fn outcome(&self, index: usize) -> OutcomeState {
        let service = &self.services[index];
        let steps_are_clean = self.graph.before_service[index].iter().all(|step| self.steps[*step].is_clean());
        match &service.live {
            _ if self.is_unresolved(index) => OutcomeState::Pending,
            Some(_) if service.pinned.is_some() => OutcomeState::Pinned,
            _ if self.is_collected(index) => OutcomeState::Paused,
            Some(_) if steps_are_clean && service.failed.is_none() => OutcomeState::Live,
            Some(_) | None => OutcomeState::Failed,
        }
    }

    fn service_status(&self, index: usize) -> ServiceStatus {
        let service = &self.services[index];
        let gates = self.gates();
        let (gate, waiting_for, stale, failed) = match gates.of(&service.plan.name) {
            Some(Gate::Open { awaiting: Some(awaiting), .. }) => {
                (GateState::Awaiting, Some(awaiting.why.clone()), None, None)
            }
            Some(Gate::Open { stale, .. }) => (GateState::Open, None, stale.clone(), None),
            Some(Gate::Holding { why, .. }) => (GateState::Holding, Some(why.clone()), None, None),
            Some(Gate::Failed { report }) => (GateState::Failed, None, None, Some(report.clone())),
            None => (GateState::Failed, None, None, None),
        };
        let count = |wanted: Drains| service.leaving.iter().filter(|leaving| leaving.drains == wanted).count();
        ServiceStatus {
            name: service.plan.name.clone(),
            gate,
            outcome: self.outcome(index),
            live: service.live.as_ref().map(|live| InstanceStatus {
                run: live.run,
                revision: live.made.revision,
                since_ms: since_start(live.since),
                pid: live.process.map(|(pid, _)| pid),
                port: live.process.and_then(|(_, port)| port),
            }),
            starting: service.candidate().map(|candidate| InstanceStatus {
                run: candidate.run,
                revision: candidate.made.revision,
                since_ms: since_start(candidate.began),
                pid: candidate.process.map(|(_, pid, _)| pid),
                port: candidate.process.and_then(|(.., port)| port),
            }),
            pinned: service.pinned.as_ref().map(|pinned| pinned.revision),
            kept: service.past.iter().rev().map(|past| past.revision).collect(),
            debugging: service
                .plan
                .debugging
                .as_ref()
                .map(|debugging| DebuggingStatus { debugger: debugging.name().into(), address: debugging.address() }),
            draining: count(Drains::Draining),
            stopping: count(Drains::Stopping),
            expected_ms: service.took.expected().or(service.took.last()).map(millis),
            waiting_for,
            stale,
            report: failed.or_else(|| self.why_not_newest(index)),
        }
    }
}

/// Milliseconds since the start of devloop, as facts have them in `at_ms`.
fn since_start(time: Time) -> f64 {
    millis(time.since_start())
}
