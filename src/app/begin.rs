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
    hooks::{Calls, is_about_notifications},
    lock,
    show::{self, Show, Wheel},
};
use crate::{
    certificates::{Authority, Leaves, Maker, Places},
    core::{Core, fact::Fact},
    error::{Colour, Problem},
    model::{Line, RunId, Stream},
    plan::{Plan, Port},
    process::{GuardBinary, Output, Ports, Programs, Session, Setup, Signals, Stray, WindowSize, env::Colours},
    proxy::{
        Browser, Caller, Certify, Feeds, Limits, Lines, Look, Proxy, Recording, Rules, ServiceRoute, Settings, Tell,
        Told, WaitsFor,
    },
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
        let shown_to_pages = Lines::default();
        let sink: Arc<dyn Fn(Output) + Send + Sync> =
            Arc::new(show::sink(lines.clone(), ears.clone(), log.clone(), audience.clone(), shown_to_pages.clone()));
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
            lines: shown_to_pages.clone(),
            hear: show::hear(lines, log.clone()),
            look: Some(looks(inbox.clone())),
            tell: told(inbox.clone(), sink),
            waits_for: who_asks(programs.clone(), awaited.clone()),
            since: audience.since(),
            numbers: audience.numbers(watcher.clone(), log.clone(), status_seen),
        };
        let (certify, https) = certificates(&plan)?;
        let proxy = begin_proxy(&plan, &session, feeds, certify).await?;
        let ports = Ports::new();
        keep_off(&ports, &plan, proxy.as_deref());
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
            proxy,
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
            lines: shown_to_pages,
            control: None,
            looks: HashMap::new(),
            look: 0,
            leaving: Leaving::No,
        };
        if let Some(proxy) = &app.proxy {
            app.showing.count_requests(proxy.clone());
        }
        app.calls.hooks.adopt(&app.plan.hooks, app.plan.notify);
        app.recall();
        if let Err(error) = app.store.reach(app.core.revision()) {
            app.note(format!("cannot write down what was done: {error}"), None);
        }
        for note in options.notes {
            app.note(note.text, note.hint);
        }
        let url = app.greet(&strays, https);
        app.listen_to_commands(url);
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

    /// Tells where it listens and what was found at the start. Returns what to open in a browser.
    fn greet(&mut self, strays: &[Stray], https: Vec<Remark>) -> Option<String> {
        for (text, hint) in https {
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
        if let Some(proxy) = self.proxy.clone() {
            for note in proxy.notes() {
                self.note(note, None);
            }
            let addresses = proxy.addresses();
            if let Some(first) = addresses.first() {
                let scheme = if self.plan.proxy.tls { "https" } else { "http" };
                let url = match first.ip().is_loopback() {
                    true => format!("{scheme}://localhost:{}", first.port()),
                    false => format!("{scheme}://{first}"),
                };
                let addresses = addresses.iter().map(ToString::to_string).collect();
                self.tell(Fact::Listening { url: url.clone(), addresses });
                return Some(url);
            }
        }
        None
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

/// A note and its hint.
type Remark = (String, Option<String>);

/// The certificates for HTTPS, where that is wanted, and what is to be told about them.
fn certificates(plan: &Plan) -> Result<(Option<Certify>, Vec<Remark>), Problem> {
    if !plan.proxy.enabled || !plan.proxy.tls {
        return Ok((None, Vec::new()));
    }
    let places = Places::of(&sys::environment());
    let places = places.ok_or_else(|| Problem::new("`tls` needs a home folder for its keys: `HOME` is not set"))?;
    let leaves = Leaves::of(Authority::find_or_make(&places)?);
    let mut told = Vec::new();
    if leaves.authority().maker == Maker::New {
        let text = format!("a certificate authority was made for HTTPS: {}", leaves.authority().file.display());
        told.push((text, Some("`devloop trust` makes the browsers of this machine trust it".to_owned())));
    }
    for host in rules(plan).hosts.iter().filter(|host| !leaves.authority().covers(host.trim_start_matches("*."))) {
        let text =
            format!("there cannot be a certificate for `{host}`: devloop's authority is for localhost and .test");
        let hint = "use a name below .localhost or .test, or an authority of mkcert's";
        told.push((text, Some(hint.to_owned())));
    }
    Ok((Some(Certify(Arc::new(move |name| leaves.certificate(name)))), told))
}

async fn begin_proxy(
    plan: &Plan,
    session: &Session,
    feeds: Feeds,
    tls: Option<Certify>,
) -> Result<Option<Arc<Proxy>>, Problem> {
    let has_port = |service: &ServiceRoute| service.has_port;
    let wanted = plan.proxy.enabled && (!plan.routes.is_empty() || rules(plan).services.iter().any(has_port));
    if !wanted {
        return Ok(None);
    }
    let settings = Settings {
        listen: plan.proxy.listen.clone(),
        rules: rules(plan),
        project: plan.name.clone(),
        token: session.id().to_owned(),
        limits: Limits::default(),
        tls,
    };
    Ok(Some(Arc::new(Proxy::start(settings, feeds).await?)))
}

pub(super) fn rules(plan: &Plan) -> Rules {
    let services = plan
        .services
        .iter()
        .map(|service| ServiceRoute { name: service.name.clone(), has_port: service.port != Port::None });
    // A host that a route names is one that the proxy answers to.
    let routed = plan.routes.iter().filter_map(|route| route.host.as_ref()).map(ToString::to_string);
    let folders = plan.steps.iter().map(|step| &step.cwd).chain(plan.services.iter().map(|service| &service.cwd));
    let mut known = vec![plan.root.clone()];
    for folder in folders {
        if !known.contains(folder) {
            known.push(folder.clone());
        }
    }
    let browser = Browser {
        reload: plan.proxy.reload,
        editor: plan.proxy.editor.clone(),
        folders: known,
        waiting: plan.proxy.waiting,
        console: plan.proxy.console,
    };
    Rules {
        hosts: plan.proxy.hosts.iter().cloned().chain(routed).collect(),
        hold: plan.proxy.hold,
        services: services.collect(),
        routes: plan.routes.clone(),
        middleware: Arc::clone(&plan.proxy.middleware),
        recording: Recording { keep: plan.proxy.record, bodies: plan.proxy.record_bodies },
        server_timing: plan.proxy.server_timing,
        browser,
    }
}

/// Ports that are never given to instances: the proxy's, and those that services have fixed.
pub(super) fn keep_off(ports: &Ports, plan: &Plan, proxy: Option<&Proxy>) {
    let own = proxy.map(Proxy::addresses).unwrap_or_default();
    own.iter().for_each(|address| ports.never(address.port()));
    for service in &plan.services {
        if let Port::Fixed(port) = service.port {
            ports.never(port);
        }
    }
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
