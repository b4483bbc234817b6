//! What happened lately as a page shows it that is opened in the middle of it: the last revisions with their phases,
//! and the last lines. It remembers no more than it shows: facts and lines are handed to it, with their times, when
//! somebody looks.

mod lines;
mod story;

use std::time::Duration;

pub use self::{
    lines::{MOST, Said, Voice, shown},
    story::Stories,
};

/// As JSON tells it: milliseconds since 1970.
fn millis(at: Duration) -> f64 {
    (at.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests;
