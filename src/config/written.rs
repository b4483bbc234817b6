//! What a person wrote in dev.toml: each value with its place, nothing filled in, nothing compared with anything else.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use crate::plan::{
    Backend, Cache, Cors, Debugger, Fail, Field, HostHeader, HostPattern, Latency, Listen, Moment, Pattern, Port,
    Protocol, RateLimit, Reload, Restart, Settle, Swap, Tool, WindowSigns,
};

/// A value and the bytes of the file it was written in.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

impl<T> At<T> {
    pub(super) fn new(value: T, span: Range<usize>) -> At<T> {
        At { value, span }
    }
}

/// Strings with their places, and the place of the whole array.
pub(super) type Strings = At<Vec<At<String>>>;

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) watch: Watch,
    pub(super) proxy: Proxy,
    pub(super) steps: Vec<Step>,
    pub(super) services: Vec<Service>,
    pub(super) routes: Vec<Route>,
    pub(super) hooks: Vec<Hook>,
    pub(super) notify: Notify,
}

/// `[watch]`
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) ignore: Option<Strings>,
    pub(super) settle: Option<Settle>,
    pub(super) backend: Option<Backend>,
}

/// `[proxy]`
#[derive(Debug, Default)]
pub(super) struct Proxy {
    pub(super) listen: Option<At<Listen>>,
    pub(super) hosts: Option<Strings>,
    pub(super) fresh: Option<Duration>,
    pub(super) hold: Option<Duration>,
    pub(super) reload: Option<Reload>,
    pub(super) editor: Option<String>,
    pub(super) waiting: Option<Option<Duration>>,
    pub(super) console: Option<bool>,
    pub(super) tls: Option<bool>,
    pub(super) client_certs: Option<At<ClientCerts>>,
    pub(super) record: Option<u16>,
    pub(super) record_bodies: Option<At<bool>>,
    pub(super) server_timing: Option<bool>,
    pub(super) trust_forwarded: Option<bool>,
    pub(super) enabled: Option<bool>,
    pub(super) middleware: Middleware,
}

/// The keys that steps and services share.
#[derive(Debug)]
pub(super) struct Common {
    /// The header of the table: `[[step]]`.
    pub(super) header: Range<usize>,
    pub(super) name: Option<At<String>>,
    pub(super) run: Option<Run>,
    pub(super) shell: Option<At<String>>,
    pub(super) cwd: Option<At<String>>,
    pub(super) env: Vec<(At<String>, String)>,
    pub(super) env_files: Option<Strings>,
    pub(super) inputs: Option<Inputs>,
    pub(super) after: Option<Strings>,
    pub(super) needs: Option<Strings>,
    pub(super) pty: Option<bool>,
    pub(super) problems: Option<Pattern>,
}

/// `run`
#[derive(Debug)]
pub(super) enum Run {
    Text(At<String>),
    Words(Strings),
}

impl Run {
    pub(super) fn span(&self) -> Range<usize> {
        match self {
            Run::Text(text) => text.span.clone(),
            Run::Words(words) => words.span.clone(),
        }
    }
}

/// `inputs`
#[derive(Debug)]
pub(super) enum Inputs {
    Tool(Tool),
    Globs(Strings),
}

/// `[[step]]`
#[derive(Debug)]
pub(super) struct Step {
    pub(super) common: Common,
    pub(super) outputs: Option<Strings>,
    pub(super) cancel: Option<bool>,
    pub(super) cache: Option<Cache>,
    pub(super) timeout: Option<Duration>,
    pub(super) generates: Option<bool>,
}

/// `[[service]]`
#[derive(Debug)]
pub(super) struct Service {
    pub(super) common: Common,
    pub(super) port: Option<At<Port>>,
    pub(super) listen_fds: Option<At<bool>>,
    pub(super) protocol: Option<At<Protocol>>,
    pub(super) tls: Option<At<Tls>>,
    pub(super) swap: Option<At<Swap>>,
    pub(super) health: Option<At<Health>>,
    pub(super) stop: Option<Stop>,
    pub(super) drain: Option<Duration>,
    pub(super) restart: Option<Restart>,
    pub(super) assets: Option<Strings>,
    pub(super) debug: Option<Debug>,
}

/// `debug`; a string is its `run`.
#[derive(Debug, Default)]
pub(super) struct Debug {
    pub(super) with: Option<With>,
    pub(super) port: Option<At<u16>>,
    pub(super) wait: Option<At<bool>>,
}

/// `debug.run`
#[derive(Debug)]
pub(super) enum With {
    /// By its name.
    Known(Debugger),
    /// A command.
    Own(Run),
}

/// `health`; a string is its `path`.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) path: Option<At<String>>,
    pub(super) status: Option<At<Vec<u16>>>,
    pub(super) log: Option<At<String>>,
    pub(super) tcp: Option<At<bool>>,
    pub(super) timeout: Option<Duration>,
    pub(super) interval: Option<At<Duration>>,
}

/// `tls` of a service; `true` is an empty table.
#[derive(Debug, Default)]
pub(super) struct Tls {
    pub(super) ca: Option<At<String>>,
    pub(super) server_name: Option<String>,
    pub(super) insecure: Option<At<bool>>,
}

/// `client_certs`
#[derive(Debug)]
pub(super) struct ClientCerts {
    pub(super) ca: Option<At<String>>,
    pub(super) required: Option<bool>,
    pub(super) header: Option<String>,
}

/// `stop`
#[derive(Debug, Default)]
pub(super) struct Stop {
    pub(super) signal: Option<i32>,
    pub(super) grace: Option<Duration>,
    pub(super) run: Option<Run>,
}

/// `[[hook]]`
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) on: Vec<Moment>,
    pub(super) run: Option<Run>,
    pub(super) shell: Option<At<String>>,
    pub(super) timeout: Option<Duration>,
}

/// `[notify]`
#[derive(Debug, Default)]
pub(super) struct Notify {
    pub(super) desktop: Option<bool>,
    pub(super) bell: Option<bool>,
    pub(super) window: Option<WindowSigns>,
}

/// `[[route]]`
#[derive(Debug)]
pub(super) struct Route {
    /// The header of the table.
    pub(super) header: Range<usize>,
    pub(super) host: Option<At<HostPattern>>,
    /// As `plan::canonical` writes it, without a `/` at its end.
    pub(super) path: Option<At<String>>,
    pub(super) service: Option<At<String>>,
    pub(super) strip_prefix: Option<At<bool>>,
    pub(super) redirect: Option<At<String>>,
    pub(super) status: Option<At<u16>>,
    pub(super) files: Option<At<String>>,
    pub(super) fallback: Option<At<String>>,
    pub(super) middleware: Middleware,
}

/// The keys that `[proxy]` and `[[route]]` share. Where `false` can be written, it is the inner `None`.
#[derive(Debug, Default)]
pub(super) struct Middleware {
    pub(super) request_headers: BTreeMap<String, Field>,
    pub(super) response_headers: BTreeMap<String, Field>,
    pub(super) security_headers: Option<bool>,
    pub(super) cors: Option<Option<Cors>>,
    pub(super) host_header: Option<HostHeader>,
    pub(super) basic_auth: Option<BTreeMap<String, String>>,
    pub(super) rate_limit: Option<Option<RateLimit>>,
    pub(super) max_body: Option<u64>,
    pub(super) max_headers: Option<u64>,
    pub(super) latency: Option<Latency>,
    pub(super) fail: Option<Option<Fail>>,
    pub(super) compress: Option<bool>,
    pub(super) access_log: Option<bool>,
}
