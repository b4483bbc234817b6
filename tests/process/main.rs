//! The process room, attacked with real programs.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

#[path = "../support/have.rs"]
mod have;
mod output;
mod start;
mod stop;
mod strays;
mod world;
