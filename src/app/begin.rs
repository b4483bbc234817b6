//! The beginning: the rooms are opened, from the ground up, and what was found is told.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use tokio::sync::{
    mpsc::{self, UnboundedSender},
    oneshot, watch,
};

use super::{
    App, Awaited, Happening, Leaving, Options,
    audience::Audience,
    carry,
    debug::Debuggers,
    doors::{Doors, Remark, keep_off},
    hooks::{Calls, is_about_notifications},
    lock,
    show::{self, Show, Wheel},
};
use crate::{
    control::Moment,
    core::{Core, fact::Fact},
    error::{Colour, Problem},
    model::{Line, RunId, Stream},
    process::{GuardBinary, Output, Ports, Programs, Session, Setup, Signals, Stray, WindowSize, env::Colours},
    proxy::{Caller, Feeds, Look, Tell, Told, WaitsFor},
    store::Store,
    sys::{self, Clock},
    watch::Watcher,
};

/// The source of the lines that `access_log` writes; no run has number 0.
const REQUESTS: &str = "requests";

impl App {
    pub(super) async fn start(options: Options, store: Arc<Store>) -> Result<(App, Signals), Problem> {
        let clock = Clock::start();
        let signals = Signals::new().map_err(|error| Problem::new("cannot listen to signals").caused_by(error))?;
        let os_env = sys::environment();
        let (debuggers, plan) = Debuggers::begin(&options.plan, &options.debug, &os_env)?;
        let (base, plan) = (Arc::new(options.plan), Arc::new(plan));
        let sessions: PathBuf = store.folder().join("sessions");
        let strays = Session::sweep(&sessions);
        let session = Session::begin(&sessions)
            .map_err(|error| Problem::new(format!("cannot write to `{}`", sessions.display())).caused_by(error))?;
        let guard =
            GuardBinary::this().map_err(|error| Problem::new("cannot find devloop's own program").caused_by(error))?;
        let (watcher, mailbox) = Watcher::start(&plan, store.folder())?;
        let (inbox, happenings) = mpsc::unbounded_channel();
        let audience = Audience::new(clock);
        let mut core = Core::new(plan.clone(), &store.exclusive());
        core.continue_after(store.revision());
        for (service, programs) in store.programs() {
            core.recall_programs(&service, programs);
        }
        let first = core.status();
        let (status_json, status_out) = watch::channel(Arc::new(serde_json::to_value(&first).unwrap_or_default()));
        let (status, status_seen) = watch::channel(Arc::new(first));
        let wheel = Wheel { status: status_seen.clone(), inbox: inbox.clone() };
        let Show { showing, lines, ears } = show::begin(options.picture, &plan, clock, wheel, audience.clone());
        let warn = showing.teller(clock);
        let log = store.log(move |text| warn.note(text));
        let setup = Setup { guard, session: session.id().to_owned(), window: window() };
        let notices = inbox.clone();
        let sink: Arc<dyn Fn(Output) + Send + Sync> =
            Arc::new(show::sink(lines.clone(), ears.clone(), log.clone(), audience.clone()));
        let of_programs = Arc::clone(&sink);
        let programs = Programs::new(
            setup,
            move |notice| _ = notices.send(Happening::Notice(notice)),
            move |output| {
                if !is_about_notifications(&output) {
                    of_programs(output);
                }
            },
        );
        let (gates, gates_out) = watch::channel(core.gates());
        let awaited = Awaited::default();
        let feeds = Feeds {
            gates: gates_out,
            status: status_out,
            written: audience.written(),
            hear: show::hear(lines, log.clone()),
            look: Some(looks(inbox.clone())),
            tell: told(inbox.clone(), sink),
            waits_for: who_asks(programs.clone(), awaited.clone()),
            since: audience.since(),
            numbers: audience.numbers(watcher.clone(), log.clone(), status_seen),
        };
        let (doors, remarks) = Doors::begin(&plan, &session, feeds).await?;
        let ports = Ports::new();
        keep_off(&ports, &plan, &doors.proxy);
        let mut app = App {
            clock,
            core,
            plan,
            base,
            debuggers,
            reload: options.reload,
            until: options.until,
            terminal: options.terminal,
            colours: match options.picture.colour() {
                Colour::Always => Colours::Wanted,
                Colour::Never => Colours::AsItIs,
            },
            os_env: Arc::new(os_env),
            session,
            store,
            log,
            watcher,
            mailbox,
            programs,
            ports,
            doors,
            gates,
            status,
            status_json,
            awaited,
            ears,
            audience,
            calls: Calls::default(),
            runs: HashMap::new(),
            keys: carry::Keys::default(),
            inbox,
            happenings,
            showing,
            control: None,
            about: watch::Sender::default(),
            looks: HashMap::new(),
            look: 0,
            leaving: Leaving::No,
        };
        app.showing.count_requests(Arc::clone(&app.doors.proxy));
        app.calls.hooks.adopt(&app.plan.hooks, app.plan.notify);
        app.recall();
        if let Err(error) = app.store.reach(app.core.revision()) {
            app.note(format!("cannot write down what was done: {error}"), None);
        }
        for note in options.notes {
            app.note(note.text, note.hint);
        }
        app.greet(&strays, remarks);
        app.listen_to_commands();
        Ok((app, signals))
    }

    /// Gives the core what earlier sessions know about durations.
    fn recall(&mut self) {
        let names =
            self.plan.steps.iter().map(|step| &step.name).chain(self.plan.services.iter().map(|node| &node.name));
        for name in names {
            if let Some(took) = self.store.estimate(name) {
                self.core.recall(name, took);
            }
        }
    }

    /// Tells where it listens and what was found at the start.
    fn greet(&mut self, strays: &[Stray], remarks: Vec<Remark>) {
        for (text, hint) in remarks {
            self.note(text, hint);
        }
        for note in self.store.notes().to_vec() {
            self.note(note, None);
        }
        for stray in strays {
            self.note(
                format!("ended `{}` (pid {}), left behind by an earlier devloop", stray.command, stray.pid),
                None,
            );
        }
        self.tell_where_it_listens();
    }

    pub(super) fn note(&mut self, text: String, hint: Option<String>) {
        self.tell(Fact::Note { text, hint });
    }
}

/// The size of our terminal, less the names that are printed before every line.
pub(super) fn window() -> WindowSize {
    let (columns, rows) = crossterm::terminal::size().unwrap_or((100, 40));
    WindowSize { rows, columns: columns.saturating_sub(24).max(40) }
}

/// How the proxy makes sure that the gates know of every save so far.
pub(super) fn looks(inbox: UnboundedSender<Happening>) -> Look {
    Arc::new(move || {
        let (done, wait) = oneshot::channel();
        _ = inbox.send(Happening::Look(done));
        // A loop that has ended looks at nothing any more.
        Box::pin(async move { _ = wait.await })
    })
}

/// When the loop has told everything that follows from what it has published, for those who wait for an outcome.
pub(super) fn turns(inbox: UnboundedSender<Happening>) -> Moment {
    Arc::new(move || {
        let (done, wait) = oneshot::channel();
        _ = inbox.send(Happening::Turn(done));
        Box::pin(async move { _ = wait.await })
    })
}

/// What the proxy has to say: requests go where the lines of programs go, beside the loop, as there may be many.
fn told(inbox: UnboundedSender<Happening>, sink: Arc<dyn Fn(Output) + Send + Sync>) -> Tell {
    let source: Arc<str> = REQUESTS.into();
    Arc::new(move |told| match told {
        Told::Request(text) => {
            let line = Line { source: Arc::clone(&source), run: RunId(0), stream: Stream::Out, text };
            sink(Output::Line(line));
        }
        Told::Note { text, hint } => _ = inbox.send(Happening::Note { text, hint }),
    })
}

/// Who a process is to a gate, for the proxy.
fn who_asks(programs: Programs, awaited: Awaited) -> WaitsFor {
    Arc::new(move |pid, service| match programs.owner_of(pid) {
        None => Caller::Stranger,
        Some(run) if lock(&awaited).get(service).is_some_and(|runs| runs.contains(&run)) => Caller::AwaitedByThisGate,
        Some(_) => Caller::Ours,
    })
}
