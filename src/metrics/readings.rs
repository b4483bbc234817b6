//! What is not counted here but asked of others, at the moment somebody reads the numbers. No behaviour.

use std::sync::Arc;

use crate::model::Traffic;

/// How things stand.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// The newest revision.
    pub revision: u64,
    /// Folders watched by events.
    pub watched: u64,
    /// Folders that are polled.
    pub polled: u64,
    /// devloop's own resident memory, in bytes; none where the system does not tell.
    pub memory: Option<u64>,
    /// Lines of output that did not fit into the queue of the log.
    pub dropped_lines: u64,
    /// Open connections of clients.
    pub connections: u64,
    /// What went through, by service.
    pub traffic: Vec<Traffic>,
    /// Steps that have failed and services whose gate has, by name.
    pub failed: Vec<Arc<str>>,
    /// Services whose answers are out of date, by name.
    pub stale: Vec<Arc<str>>,
}
