//! What the judge hears and says.

use std::{net::SocketAddr, time::Duration};

use crate::health::{
    Outcome,
    http::{Answer, Speech},
    owner::Owner,
};

/// Something seen.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::health) enum Observation {
    /// Nobody can be connected to.
    Refused,
    /// These addresses can.
    Open(Vec<SocketAddr>),
    /// Who listens there.
    Owner(Owner),
    /// An answer to the last request.
    Answer(Answer),
    /// It speaks TLS, and is not trusted.
    NotTrusted {
        /// Why.
        why: String,
        /// What to do about it.
        hint: String,
    },
    /// Something that is no answer.
    NotHttp(Speech),
    /// The connection was closed without an answer.
    Closed,
    /// The limit of the last request has passed.
    NoAnswer,
    /// The configured words were printed.
    LogLine,
    /// `READY=1`.
    Signal,
    /// It has lived for 500 ms.
    Alive,
    /// Where it listens, as far as the system tells.
    Elsewhere(Vec<SocketAddr>),
}

/// Something to find out. One at a time.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::health) enum Work {
    /// Nothing: only signals count now.
    Rest,
    /// Connect to these addresses, at most two.
    Knock { at: Vec<SocketAddr>, after: Duration },
    /// Find out whose these are.
    Owner { open: Vec<SocketAddr> },
    /// Send one request, on a connection that is open already if there is one.
    Ask { addr: SocketAddr, path: String, limit: Option<Duration> },
}

/// What an observation leads to.
#[derive(Debug)]
#[must_use]
pub(in crate::health) enum Then {
    /// Leave the work as it is.
    GoOn,
    /// Do this instead.
    Do(Work),
    /// Probing is over.
    End(Outcome),
}
