//! What people and programs are told: each fact is one line of `--plain` and one object of `--json`. The names and
//! fields are stable: new ones may come, none changes its meaning.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    model::{Exit, Report, Revision, RunId},
    plan::{Attach, Begin},
};

/// One thing worth a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Fact {
    /// A save has settled and something reads what changed.
    Saved {
        /// The revision it became.
        revision: Revision,
        /// The files that changed, at most ten.
        files: Vec<String>,
        /// How many changed in all.
        count: usize,
        /// From the first event to the end of settling.
        settle_ms: f64,
        /// The steps and services that read them.
        reads: Vec<Arc<str>>,
    },
    /// A save has settled and nothing needs to run.
    Unchanged {
        /// The files, at most ten.
        files: Vec<String>,
        /// Why nothing runs: "same content", "no step reads it", …
        why: String,
    },
    /// A step starts.
    StepStarted {
        /// Its revision.
        revision: Revision,
        /// Its run.
        run: RunId,
        /// The step.
        step: Arc<str>,
        /// Which file or which earlier step made it necessary.
        why: String,
    },
    /// A step has succeeded.
    StepDone {
        /// Its revision.
        revision: Revision,
        /// Its run.
        run: RunId,
        /// The step.
        step: Arc<str>,
        /// From its start to the end of the look at its outputs.
        took_ms: f64,
        /// What came out: "3 outputs changed", "outputs are the same", …
        result: String,
    },
    /// A step did not need to run: an artifact of the same content is kept.
    StepReused {
        /// Its revision.
        revision: Revision,
        /// The step.
        step: Arc<str>,
        /// The run that made the artifact.
        made_by: RunId,
    },
    /// A step has failed.
    StepFailed {
        /// Its revision.
        revision: Revision,
        /// Its run.
        run: RunId,
        /// The step.
        step: Arc<str>,
        /// How it ended.
        exit: Exit,
        /// From its start.
        took_ms: f64,
        /// What to show.
        report: Report,
    },
    /// A change made the result of a run useless: it was stopped, unless it had just ended.
    Cancelled {
        /// Its run.
        run: RunId,
        /// Its step or service.
        name: Arc<str>,
        /// Which change.
        why: String,
    },
    /// A run ended, but something it reads was written meanwhile: it is repeated.
    Void {
        /// Its run.
        run: RunId,
        /// The step.
        step: Arc<str>,
        /// The file that was written.
        file: String,
    },
    /// A new instance starts.
    Starting {
        /// Its revision.
        revision: Revision,
        /// Its run.
        run: RunId,
        /// The service.
        service: Arc<str>,
        /// How it takes over.
        swap: SwapHow,
        /// Why.
        why: String,
    },
    /// An instance runs under a debugger.
    Debugging {
        /// The service.
        service: Arc<str>,
        /// Its run.
        run: RunId,
        /// "dlv", "node", "debugpy"; "a debugger" where dev.toml has a command of its own.
        debugger: Arc<str>,
        /// Where the debugger listens.
        address: String,
        /// What the program does until somebody attaches: "run" or "wait".
        begin: Begin,
        /// How editors attach; left out if that was told before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attach: Vec<Attach>,
    },
    /// A service is not debugged any more.
    DebuggingOver {
        /// The service.
        service: Arc<str>,
    },
    /// An instance runs and is being probed.
    Probing {
        /// Its run.
        run: RunId,
        /// The service.
        service: Arc<str>,
        /// Its process.
        pid: u32,
        /// Its port.
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
    /// A new instance is live.
    Live {
        /// Its revision.
        revision: Revision,
        /// Its run.
        run: RunId,
        /// The service.
        service: Arc<str>,
        /// Where the time went.
        times: Times,
        /// What a person should know although it is live.
        #[serde(skip_serializing_if = "Option::is_none")]
        warning: Option<String>,
        /// Why it is already out of date, if it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        stale: Option<String>,
    },
    /// Files that a service serves as they are have changed: its pages are told, and nothing is started.
    Assets {
        /// The service.
        service: Arc<str>,
        /// The files, at most ten.
        files: Vec<String>,
        /// How many changed in all.
        count: usize,
    },
    /// Files in the folder of a route have changed: pages are told, and nothing is started.
    Files {
        /// The folder, as the route names it.
        folder: Arc<str>,
        /// The files, at most ten.
        files: Vec<String>,
        /// How many changed in all.
        count: usize,
    },
    /// The newest content came out the same for this service: its instance stays.
    Kept {
        /// The revision that changed nothing for it.
        revision: Revision,
        /// The service.
        service: Arc<str>,
        /// Why: "artifact of `build` is the same", …
        why: String,
    },
    /// A new instance did not become ready.
    StartFailed {
        /// Its revision.
        revision: Revision,
        /// Its run.
        run: RunId,
        /// The service.
        service: Arc<str>,
        /// From the decision to start it.
        #[serde(default)]
        took_ms: f64,
        /// What to show.
        report: Report,
        /// What answers requests now: "revision 4 still serves", …
        serving: String,
    },
    /// The live instance ended by itself.
    Crashed {
        /// Its run.
        run: RunId,
        /// The service.
        service: Arc<str>,
        /// How.
        exit: Exit,
        /// What to show.
        report: Report,
        /// When it is started again; none: it is left alone.
        #[serde(skip_serializing_if = "Option::is_none")]
        restart_in_ms: Option<f64>,
    },
    /// A run is over that had been told to stop.
    Stopped {
        /// Its run.
        run: RunId,
        /// Its step or service.
        name: Arc<str>,
        /// How it ended.
        exit: Exit,
    },
    /// The answers of a service are out of date, and will be until something changes.
    Stale {
        /// The service.
        service: Arc<str>,
        /// Why.
        why: String,
    },
    /// The loop breaker waits before it runs a step again.
    Breaker {
        /// The step.
        step: Arc<str>,
        /// The file that keeps starting it.
        file: String,
        /// How long it waits.
        wait_ms: f64,
        /// What to do about it.
        hint: String,
    },
    /// dev.toml has changed and is in force.
    PlanChanged {
        /// What was touched: steps and services by name.
        touched: Vec<Arc<str>>,
    },
    /// dev.toml has changed and is not valid; the old plan stays.
    PlanInvalid {
        /// The problems.
        report: Report,
    },
    /// A service is now replaced exclusively.
    Exclusive {
        /// The service.
        service: Arc<str>,
        /// What the new instance met.
        why: String,
    },
    /// A person asked for an earlier program, and it stays until the next save.
    Pinned {
        /// The service.
        service: Arc<str>,
        /// The revision that the program is from.
        revision: Revision,
    },
    /// A service goes forward again from an earlier program.
    Unpinned {
        /// The service.
        service: Arc<str>,
        /// Why: "a save", "asked for", …
        why: String,
    },
    /// A person asked that saves start nothing for now.
    Paused,
    /// Saves count again.
    Resumed {
        /// How many files were written meanwhile.
        files: usize,
    },
    /// The proxy accepts requests.
    Listening {
        /// What to open in a browser.
        url: String,
        /// Every address it listens on.
        addresses: Vec<String>,
    },
    /// Something a person should know.
    Note {
        /// One line.
        text: String,
        /// What to do about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// Nothing is left to do.
    AtRest {
        /// Whether everything is live and clean.
        ok: bool,
        /// The newest revision.
        revision: Revision,
    },
    /// devloop is ending.
    Quitting {
        /// Why: "Ctrl-C", "SIGTERM", …
        why: String,
    },
}

/// How a new instance takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapHow {
    /// It starts beside the old one.
    Overlap,
    /// The old one is stopped first.
    Exclusive,
}

impl fmt::Display for SwapHow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SwapHow::Overlap => "overlap",
            SwapHow::Exclusive => "exclusive",
        })
    }
}

/// Where the time from a save to its program went, in milliseconds. What did not happen is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// From the first event of the save until it had settled and was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle_ms: Option<f64>,
    /// Each step that ran, in order.
    pub steps: Vec<(Arc<str>, f64)>,
    /// From spawn until the process ran.
    pub start_ms: f64,
    /// From then until it was ready.
    pub ready_ms: f64,
    /// From ready until the gate was open to it.
    pub swap_ms: f64,
    /// From the first event of the save until now; from the decision to start, where there was no save.
    pub total_ms: f64,
}
