//! Pages in a real browser, behind a real proxy whose gates the tests move by hand.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod chrome;
#[path = "../proxy_support/mod.rs"]
mod stage;

mod overlay;
mod reload;
mod waiting;
