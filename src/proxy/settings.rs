//! What the proxy is told from outside: where to listen, whom to answer, how long to hold. No behaviour.

use std::{fmt, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use hyper::header::HeaderName;
use rustls::{RootCertStore, sign::CertifiedKey};
use tokio::sync::watch;

use super::tls::Https;
use crate::{
    core::gate::Gates,
    model::{Line, Traffic},
    plan::{Demand, Listen, Middleware, Protocol, Reload, Route},
    tls::Handshake,
};

/// Everything the proxy needs to start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens at first.
    pub listen: Listen,
    /// What may change while it runs.
    pub rules: Rules,
    /// The project's name, for pages.
    pub project: String,
    /// Allows a page to listen to `/.devloop/events`; new for every run of devloop. Letters, digits, `-` and `_`.
    pub token: String,
    /// Bounds; `Limits::default()` outside of tests.
    pub limits: Limits,
}

/// Gives the certificate for a name, or the one for clients that name nobody; none if there cannot be one.
#[derive(Clone)]
pub struct Certify(pub Arc<ForName>);

/// From a name to its certificate.
pub type ForName = dyn Fn(Option<&str>) -> Option<Arc<CertifiedKey>> + Send + Sync;

impl fmt::Debug for Certify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certify")
    }
}

/// What clients show of themselves.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Who signs their certificates.
    pub roots: Arc<RootCertStore>,
    /// What becomes of those that have none.
    pub demand: Demand,
    /// The field in which programs get them; its name with `-chain` is that for those who vouch for them.
    pub header: HeaderName,
}

/// What dev.toml may change while the proxy runs.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// It speaks HTTPS, like this. Connections that are open stay what they are.
    pub tls: Option<Https>,
    /// Host names it answers to beside loopback ones: lower case, without port; `*.example.test` allows all below.
    pub hosts: Vec<String>,
    /// How long a request may be held, not counting time in which a build or start is visibly running.
    pub hold: Duration,
    /// The services, in the plan's order.
    pub services: Vec<ServiceRoute>,
    /// What is done to pages.
    pub browser: Browser,
    /// Where requests go; none: `NAME.localhost` to service `NAME`, the rest to the first one that has a port.
    pub routes: Vec<Arc<Route>>,
    /// What is done to requests and answers where there are no routes.
    pub middleware: Arc<Middleware>,
    /// What is remembered of requests.
    pub recording: Recording,
    /// Whether answers say in `Server-Timing` where their time went.
    pub server_timing: bool,
    /// What becomes of what clients say about the way of their requests.
    pub forwarded: Forwarded,
}

/// What becomes of what a client says about the way of its request: `X-Forwarded-For` and its like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarded {
    /// The truth about its connection takes its place.
    #[default]
    Replaced,
    /// It stays, and is completed.
    Kept,
}

/// What is remembered of requests; by default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// So many of the last ones; 0: none.
    pub keep: u16,
    /// With the first 64 KiB of their bodies.
    pub bodies: bool,
}

/// What is done to pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browser {
    /// Which swaps they reload for.
    pub reload: Reload,
    /// What places in files lead to, with `{file}`, `{line}` and `{column}` in it.
    pub editor: Option<String>,
    /// The folders that programs name files from, the project's own first; absolute.
    pub folders: Vec<PathBuf>,
    /// After this time a navigation that is held gets a page that shows what is being done; none: never.
    pub waiting: Option<Duration>,
    /// Whether they send what they write to the console.
    pub console: bool,
}

impl Default for Browser {
    fn default() -> Browser {
        Browser { reload: Reload::Own, editor: None, folders: Vec::new(), waiting: None, console: false }
    }
}

/// What an instance speaks.
#[derive(Clone, Debug)]
pub struct Speaks {
    /// Which HTTP.
    pub protocol: Protocol,
    /// Inside TLS, which begins like this.
    pub tls: Option<Handshake>,
}

impl From<Protocol> for Speaks {
    fn from(protocol: Protocol) -> Speaks {
        Speaks { protocol, tls: None }
    }
}

/// A service as the router sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRoute {
    /// Its name in the plan.
    pub name: Arc<str>,
    /// Whether it answers requests at all.
    pub has_port: bool,
}

/// Bounds of memory, time and number.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests held at the same time, over all services; more get 503.
    pub held: usize,
    /// Bytes of one request body kept for a second try.
    pub kept_each: usize,
    /// Bytes of all kept request bodies.
    pub kept_all: usize,
    /// No request is held longer, whatever is running.
    pub hold_cap: Duration,
    /// How long a request may find its live instance refusing connections before it gets 502.
    pub refused: Duration,
    /// A look at the files (`Feeds::look`) that is younger than this is not repeated for another request.
    pub look_age: Duration,
    /// No request waits longer for a look.
    pub look_wait: Duration,
    /// How long a background request of a loaded page waits for a save's outcome.
    pub background: Duration,
    /// Connections to one instance; tunnels and event streams do not count.
    pub upstream: usize,
    /// How long a request waits for one of them; then it gets one more than `upstream`, so that programs that call
    /// themselves through the proxy cannot lock themselves up.
    pub upstream_wait: Duration,
    /// How long connecting to an instance may take.
    pub connect: Duration,
    /// How long a client may take for its request head, and how long it may keep an idle connection.
    pub head: Duration,
    /// People are told of a request that has waited so long for an instance to begin its answer. It goes on waiting.
    pub answer: Duration,
    /// How long the ends of a tunnel or event stream may take to part at a swap.
    pub parting: Duration,
    /// How long a tunnel with one closed side lives without traffic.
    pub half_close: Duration,
    /// How long a connection to a program that has exited may stay silent before it is cut.
    pub silence: Duration,
    /// How long `Proxy::shutdown` waits for what is running.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            held: 1024,
            kept_each: 64 * 1024,
            kept_all: 64 * 1024 * 1024,
            hold_cap: Duration::from_secs(300),
            refused: Duration::from_secs(2),
            look_age: Duration::from_millis(10),
            look_wait: Duration::from_millis(500),
            background: Duration::from_secs(1),
            upstream: 64,
            upstream_wait: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            head: Duration::from_secs(30),
            answer: Duration::from_secs(30),
            parting: Duration::from_secs(1),
            half_close: Duration::from_secs(5),
            silence: Duration::from_secs(1),
            shutdown: Duration::from_secs(2),
        }
    }
}

/// What flows in while the proxy runs.
#[derive(Clone)]
pub struct Feeds {
    /// Where each service's requests go.
    pub gates: watch::Receiver<Gates>,
    /// The answer of `/.devloop/status`.
    pub status: watch::Receiver<Arc<serde_json::Value>>,
    /// Makes sure that every save the OS has reported so far has reached the gates. None: they are taken as they are.
    pub look: Option<Look>,
    /// What programs write, for pages that show what is being done.
    pub written: Written,
    /// Where goes what pages write to their console. Called from the proxy's tasks: must not block.
    pub hear: Hear,
    /// Hears what people should know. Called from the proxy's tasks: must be quick and must not block.
    pub tell: Tell,
    /// Who a process is to a service's gate. Called from the proxy's tasks: must be quick and must not block.
    pub waits_for: WaitsFor,
    /// What happened lately, for the page.
    pub since: Since,
    /// Numbers for machines.
    pub numbers: Numbers,
}

/// Takes one line of a page's console.
pub type Hear = Arc<dyn Fn(Heard) + Send + Sync>;

/// A line of a page's console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// How bad it is.
    pub level: Level,
    /// What it says; it may have several lines.
    pub text: String,
}

/// How bad a line of a console is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Not at all.
    Info,
    /// A warning.
    Warning,
    /// An error.
    Error,
}
/// What has happened after this version of it, as JSON with the new `version`; none: nothing. Version 0 is before
/// everything. Called from the proxy's tasks: must be quick.
pub type Since = Arc<dyn Fn(u64) -> Option<serde_json::Value> + Send + Sync>;

/// At most so many of the last lines that programs have written for the newest save, behind this number, and the number
/// to go on from. Called from the proxy's tasks: must be quick.
pub type Written = Arc<dyn Fn(u64, usize) -> (Vec<Arc<Line>>, u64) + Send + Sync>;

/// The answer of `/.devloop/metrics`: OpenMetrics text with these numbers of the proxy's own. Must be quick.
pub type Numbers = Arc<dyn Fn(&Stats) -> String + Send + Sync>;

/// Resolves when every file event that the OS had before the call has had its effect on the gates.
pub type Look = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Takes what the proxy has to say.
pub type Tell = Arc<dyn Fn(Told) + Send + Sync>;

/// What the proxy has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A request is over: the line that `access_log` asked for.
    Request(String),
    /// Something looks wrong, and what to do about it. Told once for a route, or for a request.
    Note {
        /// What.
        text: String,
        /// What to do about it.
        hint: String,
    },
}

/// Tells who the process with this id is to the gate of the service with this name.
pub type WaitsFor = Arc<dyn Fn(u32, &str) -> Caller + Send + Sync>;

/// Who sent a request, as far as it matters for holding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A user, or not known.
    Stranger,
    /// One of devloop's own steps, services or probes: never held for freshness.
    Ours,
    /// Inside a run that this gate waits for: if it were held, it would wait for itself.
    AwaitedByThisGate,
}

/// What the proxy is doing and has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Client connections that are open.
    pub connections: u64,
    /// One entry for each service with a port.
    pub services: Vec<Traffic>,
}
