//! What the proxy is to do with a service's requests: a function of the core's state. Only changes are told.

use std::sync::Arc;

use crate::model::{Report, Revision, RunId, Time};

/// Where the requests of one service go.
#[derive(Clone, Debug, PartialEq)]
pub enum Gate {
    /// To this instance.
    Open {
        /// The live instance.
        run: RunId,
        /// The revision it was made from.
        revision: Revision,
        /// Set while a save's outcome is awaited: new requests wait, until this changes (the core ends it at the
        /// latest at `until`).
        awaiting: Option<Awaiting>,
        /// Why its answers are out of date; becomes `x-devloop-stale`.
        stale: Option<Arc<str>>,
    },
    /// Nowhere yet.
    Holding {
        /// What is waited for; one line.
        why: Arc<str>,
        /// A build or start is visibly running: the hold limit stands still.
        working: bool,
    },
    /// Nowhere until something changes.
    Failed {
        /// Why.
        report: Arc<Report>,
    },
}

/// A save whose outcome is not known yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Awaiting {
    /// The first event of the first unresolved save.
    pub since: Time,
    /// `since` and the `fresh` limit.
    pub until: Time,
    /// What is waited for; one line.
    pub why: Arc<str>,
}

/// The gates of all services, by name, and what the proxy's own pages tell.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Gates {
    /// In the plan's order.
    pub services: Vec<(Arc<str>, Gate)>,
}

impl Gates {
    /// The gate of this service.
    pub fn of(&self, service: &str) -> Option<&Gate> {
        self.services.iter().find(|(name, _)| &**name == service).map(|(_, gate)| gate)
    }
}
