//! What devloop understood of dev.toml: checked, with every default filled in. `reads` answers which path concerns
//! which step or service. It does not read files; `config` makes it.

mod command;
mod debug;
mod describe;
mod globs;
mod hook;
mod line;
mod middleware;
mod pattern;
mod reads;
mod route;
mod script;
mod subset;
mod tls;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

pub use self::{
    command::{Command, Resolved, Vars},
    debug::{Attach, Begin, Debug, Debugger, Debugging, Told, With},
    describe::{describe, time as show_time},
    globs::Globs,
    hook::{Hook, Moment, Notify, WindowSigns},
    middleware::{Cors, Fail, Field, HostHeader, Latency, Middleware, Origins, RateLimit},
    pattern::Pattern,
    reads::Learned,
    route::{Files, HostPattern, Prefix, Route, Target, canonical, find as find_route, strip},
    tls::{ClientCerts, Demand, Tls, Trust},
};
use crate::model::FilePath;

/// A whole checked dev.toml.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The folder of dev.toml (or where `up` was run, without one); absolute, no symlinks.
    pub root: PathBuf,
    /// The project's name: that of its folder.
    pub name: String,
    /// dev.toml itself, relative to `root`; none if `up` runs without a file.
    pub file: Option<FilePath>,
    /// `[watch]`
    pub watch: Watch,
    /// `[proxy]`
    pub proxy: Proxy,
    /// `[[route]]`, in the order written; none: each service has a host of its own, and the first one the rest.
    pub routes: Vec<Arc<Route>>,
    /// `[[hook]]`, in the order written.
    pub hooks: Vec<Arc<Hook>>,
    /// `[notify]`
    pub notify: Notify,
    /// `[[step]]`, in the order written.
    pub steps: Vec<Arc<Step>>,
    /// `[[service]]`, in the order written.
    pub services: Vec<Arc<Service>>,
}

/// `[watch]`
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// Paths that never count, beside the built-in ones and .gitignore.
    pub ignore: Globs,
    /// How long it must have been quiet before a save counts as over.
    pub settle: Settle,
    /// Where events come from.
    pub backend: Backend,
}

/// `settle`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// 10 ms, more for bursts, and what the OS tells about open files.
    Auto,
    /// This long after the last event, whatever else is known.
    Fixed(Duration),
}

/// `backend`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The OS's events if a start-up test shows that they come, else polling.
    Auto,
    /// The OS's events.
    Native,
    /// Reading the tree again and again.
    Poll,
}

/// `[proxy]`
#[derive(Clone, Debug, PartialEq)]
pub struct Proxy {
    /// Whether there is one.
    pub enabled: bool,
    /// Where it listens.
    pub listen: Listen,
    /// Host names it answers to beside loopback ones; lower case, without port.
    pub hosts: Vec<String>,
    /// How long after the first unresolved save requests may be kept waiting for its outcome.
    pub fresh: Duration,
    /// How long a request may be held; time in which a build is visibly running does not count.
    pub hold: Duration,
    /// Which swaps pages reload for.
    pub reload: Reload,
    /// What places in files lead to, with `{file}`, `{line}` and `{column}` in it; none: to nothing.
    pub editor: Option<String>,
    /// After this time a navigation that is held gets a page that shows what is being done; none: never.
    pub waiting: Option<Duration>,
    /// Whether pages send what they write to the console.
    pub console: bool,
    /// Whether it speaks HTTPS.
    pub tls: bool,
    /// The certificates that clients are asked for; none: they are not.
    pub client_certs: Option<ClientCerts>,
    /// So many of the last requests are remembered for `/.devloop/`; 0: none.
    pub record: u16,
    /// Whether the first 64 KiB of their bodies are, too.
    pub record_bodies: bool,
    /// Whether answers say in `Server-Timing` where their time went.
    pub server_timing: bool,
    /// Whether what clients say about the way of their requests (`X-Forwarded-For` and its like) is passed on.
    pub trust_forwarded: bool,
    /// What is done to requests and answers where no route leads.
    pub middleware: Arc<Middleware>,
}

/// `reload`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// For none: pages pass as programs write them.
    Never,
    /// For those of the service that wrote them.
    Own,
    /// For those of every service.
    All,
}

/// `listen`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Host part as written; none means both loopback addresses.
    pub host: Option<String>,
    /// The port; 0 lets the OS choose.
    pub port: u16,
    /// Written down by a person: then a taken port is an error instead of a reason to take the next one.
    pub written: bool,
}

/// What a step or service reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Inputs {
    /// Nothing: no change concerns it.
    None,
    /// Everything that is not ignored and not an output of this step or of one that is not before it.
    Everything,
    /// What matches. The empty set is `inputs = []` as a person wrote it (see `Service::follows_steps`).
    Globs(Globs),
    /// What the tool chain says that it consists of; until it has answered, what `Tool::broad` matches.
    Tool(Tool),
}

/// A tool chain that can be asked what a build reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// `inputs = "go"`
    Go,
    /// `inputs = "cargo"`
    Cargo,
}

/// `cache`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Unset: artifacts are reused while this devloop runs.
    Session,
    /// `true`: also by later ones.
    Kept,
    /// `false`: never; it reads the clock, git or the network.
    Off,
}

/// One `[[step]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Unique among steps and services.
    pub name: Arc<str>,
    /// The command.
    pub run: Command,
    /// Where it runs; absolute.
    pub cwd: PathBuf,
    /// `env`, over `env_files`.
    pub env: BTreeMap<String, String>,
    /// Files with more variables; a change of one is a change of an input.
    pub env_files: Vec<FilePath>,
    /// What it reads.
    pub inputs: Inputs,
    /// What it writes into the tree; empty if none were declared.
    pub outputs: Globs,
    /// The indices of the steps directly before it.
    pub after: Vec<usize>,
    /// The indices of the services that must be ready before it runs.
    pub needs: Vec<usize>,
    /// Whether a change that makes its run useless stops it.
    pub cancel: bool,
    /// Reuse of its artifact.
    pub cache: Cache,
    /// Its run is ended and counts as failed after this time.
    pub timeout: Option<Duration>,
    /// Go files with a "Code generated" line count as outputs.
    pub generates: bool,
    /// Whether it writes to a terminal of its own; unset: if `up` does.
    pub pty: Option<bool>,
    /// A person's own pattern for places in its output.
    pub problems: Option<Pattern>,
    /// Its command names `{out}`.
    pub makes_artifact: bool,
}

/// One `[[service]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Unique among steps and services.
    pub name: Arc<str>,
    /// The command.
    pub run: Command,
    /// Where it runs; absolute.
    pub cwd: PathBuf,
    /// `env`, over `env_files`.
    pub env: BTreeMap<String, String>,
    /// Files with more variables; a change of one restarts it.
    pub env_files: Vec<FilePath>,
    /// Files whose change restarts it.
    pub inputs: Inputs,
    /// The program file its command names, if that lies in the tree; a change of it restarts the service.
    pub program: Option<FilePath>,
    /// The indices of the steps directly before it.
    pub after: Vec<usize>,
    /// The indices of the services that must be ready before it starts.
    pub needs: Vec<usize>,
    /// The indices of the steps whose artifacts its command names.
    pub uses: Vec<usize>,
    /// Where it listens.
    pub port: Port,
    /// Whether devloop opens the socket there and hands it over as descriptor 3.
    pub listen_fds: bool,
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether it speaks that inside TLS, and whom it has to be.
    pub tls: Option<Tls>,
    /// How it is replaced.
    pub swap: Swap,
    /// When it counts as ready.
    pub health: Health,
    /// How it is ended.
    pub stop: Stop,
    /// How long it may finish requests after a swap.
    pub drain: Duration,
    /// What it does when it exits by itself.
    pub restart: Restart,
    /// Whether it writes to a terminal of its own; unset: if `up` does.
    pub pty: Option<bool>,
    /// A person's own pattern for places in its output.
    pub problems: Option<Pattern>,
    /// Files it serves itself: a change of one is told to pages and restarts nothing, even if `inputs` name it too.
    pub assets: Globs,
    /// How it is debugged when a person asks for that.
    pub debug: Debug,
    /// How it is started instead of by `run`, while a person debugs it. dev.toml has no word for this.
    pub debugging: Option<Arc<Debugging>>,
}

/// `port`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// A free one for every instance.
    Auto,
    /// Always this one.
    Fixed(u16),
    /// It does not listen.
    None,
}

/// `protocol`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, and HTTP/2 for gRPC.
    Http,
    /// HTTP/2 without TLS, known in advance.
    H2c,
    /// HTTP/2 inside TLS.
    H2,
}

/// `swap`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// Overlap, until the port is fixed or the new instance meets something the old one holds.
    Auto,
    /// Start the new one, then stop the old one.
    Overlap,
    /// Stop the old one, then start the new one.
    Exclusive,
}

/// `health`
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The path that must answer; none: any complete answer of `/` counts.
    pub path: Option<String>,
    /// The statuses that count as healthy at `path`; empty: 200-399.
    pub status: Vec<u16>,
    /// A piece of an output line that says it is ready.
    pub log: Option<String>,
    /// A listening port is enough.
    pub tcp: bool,
    /// After this time without an answer the start has failed.
    pub timeout: Duration,
    /// A fixed time between probes; none: 1 ms for 0.1 s, 5 ms to 1 s, 20 ms to 5 s, then 100 ms.
    pub interval: Option<Duration>,
}

/// `stop`
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// The signal that asks it to end, as `libc` numbers it.
    pub signal: i32,
    /// Then this long until SIGKILL.
    pub grace: Duration,
    /// A command that is run first, for what is no descendant (containers).
    pub run: Option<Command>,
}

/// `restart`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It is started again, with growing pauses.
    OnExit,
    /// It is left alone until the next change.
    No,
}
