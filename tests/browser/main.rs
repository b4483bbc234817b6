//! Pages in a real browser, behind a real proxy whose gates the tests move by hand.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod attacks;
mod chrome;
mod folders;
#[path = "../support/have.rs"]
mod have;
#[path = "../proxy_support/mod.rs"]
mod stage;

mod kinds;
mod overlay;
mod policies;
mod project;
mod reload;
mod swaps;
mod turbo;
mod waiting;
