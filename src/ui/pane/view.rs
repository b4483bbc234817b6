//! What is seen: everything that the picture is made of. It is fed with what happens, and asks no clock and no
//! terminal.

use std::sync::Arc;

use super::{
    command::Command,
    doing::{Pace, doing},
    log::{Entry, Source, Store},
    logview::LogView,
    theme::Theme,
};
use crate::{
    core::{fact::Fact, status::Status},
    model::{Line, Place, Report, Time},
    ui::{
        Stamp,
        wording::{Tone, place, say, times_shown},
    },
};

/// Everything that is seen.
pub struct View {
    pub(super) theme: Theme,
    pub(super) seat: Seat,
    pub(super) now: Time,
    pub(super) status: Arc<Status>,
    pub(super) load: Vec<Load>,
    /// Where the proxy listens.
    pub(super) url: Option<String>,
    /// How the last service became live, or why it stays.
    pub(super) last_live: Option<String>,
    /// Why devloop is ending.
    pub(super) ending: Option<String>,
    /// Steps and services in the order in which they became known: each keeps its colour.
    pub(super) sources: Vec<Arc<str>>,
    pub(super) store: Store,
    pub(super) log: LogView,
    pub(super) mode: Mode,
    /// What the pane itself has to say, and when it was said.
    pub(super) said: Option<(String, Time)>,
}

/// What the keys are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The status above, the log below.
    Watching,
    /// Words to search for are being typed.
    Searching { typed: String },
    /// A command is being chosen.
    Choosing { typed: String, chosen: usize },
    /// What the keys do; so many of them are above the room there is.
    Help { skipped: usize },
    /// Only the log, without anything that one would not want to copy.
    Copying,
}

/// Whose pane it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seat {
    /// Of the devloop that it shows: it ends with it.
    #[default]
    Own,
    /// Of a process beside it, which comes and goes.
    Attached,
}

/// How busy a service's gate is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// The service.
    pub service: String,
    /// Requests that wait.
    pub held: u64,
    /// Requests that came in during the last second.
    pub per_second: u64,
}

/// So long the pane's own words stay.
const SAID_FOR: f64 = 4.0;

impl View {
    /// Of a project that has not done anything yet.
    pub fn new(theme: Theme, status: Arc<Status>) -> View {
        let mut view = View {
            theme,
            seat: Seat::Own,
            now: Time::ZERO,
            status: status.clone(),
            load: Vec::new(),
            url: None,
            last_live: None,
            ending: None,
            sources: Vec::new(),
            store: Store::default(),
            log: LogView::default(),
            mode: Mode::Watching,
            said: None,
        };
        view.status(status);
        view
    }

    /// The same for somebody who came to a running devloop that answers there.
    pub fn attached(mut self, url: Option<String>) -> View {
        self.seat = Seat::Attached;
        self.url = url;
        self
    }

    /// The time now.
    pub fn at(&mut self, now: Time) {
        self.now = now;
        if self.said.as_ref().is_some_and(|(_, since)| now.since(*since).as_secs_f64() >= SAID_FOR) {
            self.said = None;
        }
    }

    /// Whether the picture grows old by itself.
    pub fn pace(&self) -> Pace {
        if self.said.is_some() { Pace::Ticking } else { doing(self).pace }
    }

    /// What is going on.
    pub fn status(&mut self, status: Arc<Status>) {
        let names = status.steps.iter().map(|step| &step.name).chain(status.services.iter().map(|node| &node.name));
        for name in names {
            if !self.sources.contains(name) {
                self.sources.push(name.clone());
            }
        }
        self.status = status;
    }

    /// How busy the gates are. Tells whether that is news.
    pub fn load(&mut self, load: Vec<Load>) -> News {
        if self.load == load {
            return News::None;
        }
        self.load = load;
        News::Some
    }

    /// Something happened.
    pub fn fact(&mut self, at: Stamp, fact: &Fact) {
        match fact {
            Fact::Listening { url, .. } => self.url = Some(url.clone()),
            Fact::Quitting { why } => self.ending = Some(why.clone()),
            Fact::Live { service, revision, times, .. } => {
                self.last_live = Some(format!("{service} live: revision {revision}, {}", times_shown(times)));
            }
            Fact::Kept { service, revision, why } => {
                self.last_live = Some(format!("{service} stays for revision {revision}: {why}"));
            }
            _ => {}
        }
        let said = say(fact);
        self.own(at, said.tone, &said.title);
        // The last words of a program are in the log already, in its own name.
        let has_own_words = matches!(fact, Fact::StepFailed { .. } | Fact::StartFailed { .. } | Fact::Crashed { .. });
        let repeats = |detail: &str| (has_own_words && is_output(detail)) || is_in_output(fact, detail);
        let details = said.details.iter().flat_map(|detail| detail.lines());
        for detail in details.filter(|detail| !repeats(detail)) {
            self.own(at, said.tone, &format!("  {detail}"));
        }
    }

    /// Says something in devloop's own name.
    fn own(&mut self, at: Stamp, tone: Tone, text: &str) {
        self.store.push(Entry::new(at, Source::Own(tone), text));
    }

    /// A program wrote a line.
    pub fn line(&mut self, at: Stamp, line: Line) {
        self.store.line(at, line);
    }

    /// A program wrote the beginning of a line, and stopped.
    pub fn partial(&mut self, at: Stamp, line: Line) {
        self.store.partial(at, line);
    }

    /// Lines came too fast to be sent here.
    pub fn missed(&mut self, at: Stamp, lines: u64) {
        self.own(
            at,
            Tone::Attention,
            &format!("{lines} lines are not shown here: they came faster than they can be read"),
        );
    }

    /// Lines of a program came too fast to be shown.
    pub fn dropped(&mut self, at: Stamp, source: &str, lines: u64) {
        let text = format!("{lines} lines of `{source}` were not shown: it writes faster than they can be read");
        self.own(at, Tone::Attention, &text);
    }

    /// What is wrong, if anything is: dev.toml first, then the first step, then the first service.
    pub(super) fn problem(&self) -> Option<&Arc<Report>> {
        let steps = self.status.steps.iter().filter_map(|step| step.report.as_ref());
        let services = self.status.services.iter().filter_map(|service| service.report.as_ref());
        self.status.invalid_plan.iter().chain(steps).chain(services).next()
    }

    /// Whether something is wrong now.
    pub fn is_wrong(&self) -> bool {
        self.problem().is_some()
    }

    /// The places that the problem is about.
    pub(super) fn places(&self) -> &[Place] {
        self.problem().map_or(&[], |report| &report.places)
    }

    /// Says something at the foot of the pane, for a few seconds.
    pub fn say(&mut self, text: impl Into<String>) {
        self.said = Some((text.into(), self.now));
    }

    /// The commands that the words typed so far find.
    pub(super) fn found(&self, typed: &str) -> Vec<Command> {
        Command::found(Command::all(self), typed)
    }
}

/// Whether a line below a fact repeats what a program has written.
fn is_output(detail: &str) -> bool {
    detail.starts_with("  ") || detail == "output:" || detail.starts_with("output, ")
}

/// Whether a line below a fact is a place that the output names as plainly.
fn is_in_output(fact: &Fact, detail: &str) -> bool {
    let (Fact::StepFailed { report, .. } | Fact::StartFailed { report, .. } | Fact::Crashed { report, .. }) = fact
    else {
        // What is wrong with dev.toml is all output, each problem with its place.
        return matches!(fact, Fact::PlanInvalid { report } if report.places.iter().any(|known| place(known) == detail));
    };
    let is_named = |known: &Place| {
        let named = format!("{}:{}", known.file, known.line);
        report.output.iter().any(|line| line.contains(&named) && line.contains(&known.message))
    };
    report.places.iter().any(|known| place(known) == detail && is_named(known))
}

/// Whether something is worth a new picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is as it was.
    None,
    /// It differs.
    Some,
}
