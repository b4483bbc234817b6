//! Requests: held, sent on, answered.
