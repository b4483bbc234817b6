//! The whole vocabulary of the program: everything that can happen, and everything that can be done about it.
//!
//! `Core::handle(now, Event)` answers with `Effect`s. Every `Spawn` is answered by exactly one `Exited`, even if the
//! program could not be started; every `LookUp` by one `LookedUp`; `Fence` by `Fenced`; `Examine` by `Examined`;
//! `Digest` by `Digested`; `Drain` by `Drained`; `AskInputs` by `Learned`. Answers about runs that are over change
//! nothing.

use std::{sync::Arc, time::Duration};

use super::fact::Fact;
use crate::{
    model::{Artifact, Clue, Exit, FilePath, PastProgram, Report, Revision, RunId},
    plan::{Learned, Plan, Service, Step},
};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Files were written, created, renamed, removed or are being written. Ignored paths never come here.
    Touched(Vec<Touch>),
    /// git began (`true`) or ended a change of the work tree: `index.lock` came or went.
    GitLock(bool),
    /// What is in the files of a settled batch.
    Digested {
        /// As in `Effect::Digest`.
        batch: BatchId,
        /// One for each of its paths.
        verdicts: Vec<(FilePath, Verdict)>,
    },
    /// Whether an artifact with the key of this run's step is kept.
    LookedUp {
        /// As in `Effect::LookUp`.
        run: RunId,
        /// The kept one.
        found: Option<Artifact>,
    },
    /// A program runs.
    Started {
        /// The run.
        run: RunId,
        /// Its process id (that of the group's leader).
        pid: u32,
        /// The port it was given.
        port: Option<u16>,
    },
    /// A run is over: its leader has ended and, unless it is a step that ended by itself, its group is empty.
    Exited {
        /// The run.
        run: RunId,
        /// How.
        exit: Exit,
        /// What its last lines say about the reason.
        clue: Option<Clue>,
        /// Its last lines and the places in them.
        report: Report,
    },
    /// Every file event that this run could have caused has been delivered.
    Fenced {
        /// As in `Effect::Fence`.
        run: RunId,
    },
    /// What a run of a step changed.
    Examined {
        /// As in `Effect::Examine`.
        run: RunId,
        /// The outputs whose content is not what it was before.
        changed: Vec<FilePath>,
        /// The touched files that are not outputs of this step after all.
        foreign: Vec<FilePath>,
        /// What is in `{out}`; none if the step makes no artifact.
        artifact: Option<Artifact>,
        /// `{out}` was not written although the step succeeded, or could not be read.
        missing: Option<Report>,
    },
    /// A tool chain said what a step or service reads.
    Learned {
        /// Its name.
        name: Arc<str>,
        /// As in `Effect::AskInputs`.
        run: RunId,
        /// What it reads; none if the tool chain cannot say.
        reads: Option<Learned>,
    },
    /// An instance answers as its `health` asks.
    Ready {
        /// The instance.
        run: RunId,
        /// What a person should know although it is ready (it answers 500, …).
        warning: Option<String>,
        /// It ignores `PORT` and listens elsewhere: only one instance at a time can do so.
        elsewhere: bool,
    },
    /// Probing ended without success: a wrong health path, another program on the port. (Time-outs and exits are
    /// noticed by the core itself.)
    Unhealthy {
        /// The instance.
        run: RunId,
        /// Why.
        report: Report,
    },
    /// What a probe sees while it is not ready yet; becomes the reason if time runs out.
    Probing {
        /// The instance.
        run: RunId,
        /// Such as "connection refused on port 20123".
        seen: String,
    },
    /// An instance has no request left, or its drain limit has passed.
    Drained {
        /// The instance.
        run: RunId,
    },
    /// dev.toml was read again and is valid.
    NewPlan(Arc<Plan>),
    /// dev.toml was read again and is not valid: the old plan stays.
    BadPlan(Report),
    /// The plan in force, with other services under their debuggers.
    Debug(Arc<Plan>),
    /// A person asks to start this service again.
    Restart(Arc<str>),
    /// A person asks to run this step again, or every step, whatever is kept of it. Lets a pinned revision go.
    Rebuild(Option<Arc<str>>),
    /// A person asks for an earlier program: it is pinned until the next save.
    RollBack(Earlier),
    /// A person asks that saves start nothing for now. They are collected.
    Pause,
    /// A person asks to let go of what was paused or pinned.
    Resume,
    /// A person asks to end everything. The second time: at once.
    Quit,
    /// The moment `Core::deadline` named has come. Spurious ones are harmless.
    Tick,
}

/// Which earlier program a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// So many programs back from what is live; 1 is the one before.
    Back(usize),
    /// What was live at this revision.
    Revision(Revision),
}

/// One path that something was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The file.
    pub path: FilePath,
    /// What is known about the writer.
    pub writer: Writer,
}

/// Whether whoever writes a file is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Still has it open; the end will be told.
    Writing,
    /// Has closed it, renamed it into place or removed it.
    Done,
    /// The OS does not tell.
    Unknown,
}

/// Names a settled batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// What reading a touched file showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not what it was at the last look (or never looked at).
    Changed,
    /// It was there and is not any more.
    Gone,
    /// What it was.
    Same,
    /// One of our own services has it open for writing: not a save, whatever is in it.
    Owned,
}

/// Something to be done.
#[derive(Clone, Debug)]
#[must_use]
pub enum Effect {
    /// Read these files; answer `Digested`.
    Digest {
        /// To be given back.
        batch: BatchId,
        /// The files.
        paths: Vec<FilePath>,
    },
    /// Compute the key of everything that makes this step's artifact and remember it for `run`; answer `LookedUp`.
    LookUp {
        /// The run this is for.
        run: RunId,
        /// The step.
        step: Arc<Step>,
        /// The artifacts its command names.
        artifacts: Vec<Artifact>,
        /// False: only remember the key; a kept artifact must not be used.
        reuse: bool,
    },
    /// Start a program; answer `Started` and, at the end, `Exited`.
    Spawn(Spawn),
    /// End a run; its `Exited` tells when it is over.
    Stop {
        /// The run.
        run: RunId,
        /// How.
        how: StopHow,
    },
    /// Make sure that every file event this run has caused is in; answer `Fenced`.
    Fence {
        /// The run.
        run: RunId,
    },
    /// Compare a step's outputs with what they were; answer `Examined`.
    Examine {
        /// The run.
        run: RunId,
        /// The step.
        step: Arc<Step>,
        /// Outputs that events named. Outputs in unwatched folders are to be found by walking.
        touched: Vec<FilePath>,
    },
    /// Keep this run's artifact under the key that `LookUp` computed.
    Keep {
        /// The run.
        run: RunId,
    },
    /// Remove what is too old or too much, but none of these.
    Collect {
        /// The runs whose artifacts are in use.
        used: Vec<RunId>,
    },
    /// Ask this step's tool chain what it reads; answer `Learned`.
    AskInputs {
        /// The name of the step or service.
        name: Arc<str>,
        /// To be given back: the run that made the question necessary.
        run: RunId,
    },
    /// Find out when this instance is ready; answer `Ready` or `Unhealthy`. Ends by itself when the run exits or is
    /// stopped.
    Probe {
        /// The instance.
        run: RunId,
        /// The service.
        service: Arc<Service>,
    },
    /// Send this instance nothing more, close its idle connections, end its tunnels and streams, wait for its
    /// requests; answer `Drained`.
    Drain {
        /// The instance.
        run: RunId,
        /// After this time it is drained whatever is left, ...
        limit: Duration,
        /// ... but uploads that still move may go on until then.
        uploads: Duration,
    },
    /// Write down that this service can only be replaced exclusively.
    RememberExclusive {
        /// Its name.
        service: Arc<str>,
    },
    /// Remember, also for later sessions, that one can go back to these programs of a service, oldest first.
    RememberPrograms {
        /// Its name.
        service: Arc<str>,
        /// All of them.
        programs: Vec<PastProgram>,
    },
    /// Read dev.toml again; answer `NewPlan` or `BadPlan`.
    Reload,
    /// Show and log this.
    Tell(Fact),
    /// Everything has ended: leave.
    Leave,
}

/// A program to start.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// Its run.
    pub run: RunId,
    /// What it belongs to; becomes `DEVLOOP_REVISION`.
    pub revision: Revision,
    /// The program.
    pub program: Program,
    /// The artifacts its command names.
    pub artifacts: Vec<Artifact>,
}

/// Whose program it is.
#[derive(Clone, Debug)]
pub enum Program {
    /// A step's.
    Step(Arc<Step>),
    /// A service's.
    Service(Arc<Service>),
}

/// How to end a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopHow {
    /// The configured signal, the grace time, then SIGKILL.
    Ask,
    /// SIGKILL.
    Kill,
}
