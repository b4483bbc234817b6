//! The whole program, from outside: real files, processes and sockets.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod app;
#[path = "../browser/chrome.rs"]
#[expect(dead_code, reason = "the tests of pages use the rest of it")]
mod chrome;
#[path = "../support/ending.rs"]
mod ending;
#[path = "../support/have.rs"]
mod have;
mod plain;
mod seat;
mod support;
#[path = "../support/terminal.rs"]
#[expect(dead_code, reason = "only benchmarks look away")]
mod terminal;
mod traffic;
mod tricks;

mod attach;
mod cli;
mod config;
mod debug;
mod detected;
mod doors;
mod exclusive;
mod files;
mod gate;
mod go;
mod graph;
mod guide;
mod handed;
mod health;
mod hello;
mod hooks;
mod init;
mod leaving;
mod loop_;
mod mishaps;
mod observe;
mod others;
mod pages;
mod pane;
mod programs;
mod requests;
mod routes;
mod saves;
mod sessions;
mod steer;
mod swaps;

/// Not a test of its own: takes the terminal as devloop does, and panics on another thread (see `pane.rs`).
#[test]
fn the_pane_that_panics() {
    if std::env::var_os(pane::PANICS).is_some() {
        pane::panic_in_a_pane();
    }
}

/// Not a test of its own: the program that the others run (see `app.rs`).
#[test]
fn the_app() {
    if std::env::var_os(app::MARK).is_some() {
        app::serve();
    }
}
