//! What is done to requests and answers on their way, as dev.toml says: on one route, or (`[proxy]`) on all of them.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::{Plan, Route, Target};

/// Everything of it; by default nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Middleware {
    /// Fields of the request's head.
    pub request_headers: BTreeMap<String, Field>,
    /// Fields of the answer's head.
    pub response_headers: BTreeMap<String, Field>,
    /// Whether answers get the usual security headers, where the program has not set them.
    pub security_headers: bool,
    /// Which pages of other origins may read the answers.
    pub cors: Option<Cors>,
    /// What the program gets for `Host`.
    pub host_header: HostHeader,
    /// Names and their passwords; none: everybody is let in.
    pub basic_auth: BTreeMap<String, String>,
    /// How many requests a client may send.
    pub rate_limit: Option<RateLimit>,
    /// The longest request body, in bytes.
    pub max_body: Option<u64>,
    /// The largest head, in bytes of names and values.
    pub max_headers: Option<u64>,
    /// Requests wait as if the way were long.
    pub latency: Option<Latency>,
    /// Requests fail as if something were broken.
    pub fail: Option<Fail>,
    /// Whether answers are compressed for clients that ask for it.
    pub compress: bool,
    /// Whether each request is a line in the output.
    pub access_log: bool,
}

/// What becomes of a field; its name is in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// It has this value, whatever it was.
    Set(String),
    /// It does not pass.
    Removed,
}

/// `cors`
#[derive(Clone, Debug, PartialEq)]
pub struct Cors {
    /// Whose pages.
    pub origins: Origins,
    /// Whether with cookies and credentials.
    pub credentials: bool,
    /// The methods that are allowed; none: the one that is asked for.
    pub methods: Vec<String>,
    /// The request headers that are allowed; none: those that are asked for.
    pub headers: Vec<String>,
    /// The answer's headers that scripts may see.
    pub expose: Vec<String>,
    /// How long browsers may remember that; none: as long as they like.
    pub max_age: Option<Duration>,
}

/// `origins`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Those of this machine: `localhost`, names below it, and loopback addresses, with any port.
    ThisMachine,
    /// All.
    All,
    /// These; one that begins with `scheme://*.` stands for every name below.
    These(Vec<String>),
}

/// `host_header`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostHeader {
    /// As the client wrote it.
    #[default]
    Keep,
    /// The address of the instance.
    Upstream,
    /// Always this.
    Name(String),
}

/// `rate_limit`: for each client address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// So many ...
    pub requests: u32,
    /// ... in this time.
    pub per: Duration,
    /// So many at once.
    pub burst: u32,
}

/// `latency`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// At least so long.
    pub least: Duration,
    /// At most so long.
    pub most: Duration,
}

/// `fail`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fail {
    /// This part of all requests, from 0 to 1.
    pub rate: f64,
    /// Are answered with this status.
    pub status: u16,
}

impl Plan {
    /// What this service gets for `Host`: by the first route that leads to it, or without one by `[proxy]`.
    pub fn host_header(&self, service: &str) -> &HostHeader {
        let leads_there =
            |route: &&Arc<Route>| matches!(&route.target, Target::Service { name, .. } if &**name == service);
        let route = self.routes.iter().find(leads_there);
        &route.map_or(&self.proxy.middleware, |route| &route.middleware).host_header
    }
}

impl fmt::Display for HostHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostHeader::Keep => f.write_str("keep"),
            HostHeader::Upstream => f.write_str("upstream"),
            HostHeader::Name(name) => f.write_str(name),
        }
    }
}
