//! What holds where dev.toml says nothing.

use std::{sync::Arc, time::Duration};

use crate::plan::{Backend, Globs, Health, Listen, Proxy, Reload, Settle, Stop, Watch};

/// How long after the first unresolved save requests wait for its outcome.
const FRESH: Duration = Duration::from_secs(5);
/// How long a request is held, not counting a build that is visibly running.
const HOLD: Duration = Duration::from_secs(30);
/// How long a person looks at an empty page.
const WAITING: Duration = Duration::from_secs(1);
/// How long the old instance may finish its requests.
pub(super) const DRAIN: Duration = Duration::from_secs(60);
/// How long a start may take.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a hook may run.
pub(super) const HOOK_TIMEOUT: Duration = Duration::from_secs(60);
/// From the stop signal to SIGKILL.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// SIGTERM, which has this number on every Unix.
pub(super) const STOP_SIGNAL: i32 = 15;
/// Where the proxy listens.
const PROXY_PORT: u16 = 3000;

/// How many of the last requests the proxy remembers.
const RECORD: u16 = 500;

pub(super) fn watch() -> Watch {
    Watch { ignore: Globs::default(), settle: Settle::Auto, backend: Backend::Auto }
}

pub(super) fn proxy() -> Proxy {
    Proxy {
        enabled: true,
        listen: Listen { host: None, port: PROXY_PORT, written: false },
        hosts: Vec::new(),
        fresh: FRESH,
        hold: HOLD,
        reload: Reload::Own,
        editor: None,
        waiting: Some(WAITING),
        console: false,
        tls: false,
        client_certs: None,
        record: RECORD,
        record_bodies: false,
        server_timing: false,
        trust_forwarded: false,
        middleware: Arc::default(),
    }
}

pub(super) fn health() -> Health {
    Health { path: None, status: Vec::new(), log: None, tcp: false, timeout: HEALTH_TIMEOUT, interval: None }
}

pub(super) fn stop() -> Stop {
    Stop { signal: STOP_SIGNAL, grace: GRACE, run: None }
}
