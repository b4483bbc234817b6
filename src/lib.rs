//! devloop: save a file, see the new program. Ordered steps, health-gated swaps, a proxy that holds requests meanwhile.
//!
//! The floors, from the ground up; every import points down, and the rooms of one floor never import each other:
//! `model`; `error`, `escapes`, `sys` and `tls`; `plan` and `config`; `core`; the rooms `watch`, `process`, `health`,
//! `proxy`, `store`, `detect`, `doctor`, `control`, `certificates`, `toolchain`, `problems`, `ui`, `journal`,
//! `metrics`, `hooks`; `app`, the loop that joins them; `cli`.

pub mod model;

pub mod error;
pub mod escapes;
pub mod sys;
pub mod tls;

pub mod config;
pub mod plan;

pub mod core;

pub mod certificates;
pub mod control;
pub mod detect;
pub mod doctor;
pub mod health;
pub mod hooks;
pub mod journal;
pub mod metrics;
pub mod problems;
pub mod process;
pub mod proxy;
pub mod store;
pub mod toolchain;
pub mod ui;
pub mod watch;

pub mod app;

pub mod cli;
