//! The environment devloop itself was started with.
#![expect(clippy::disallowed_methods, reason = "the door to the environment for programs")]

use std::ffi::OsString;

/// All variables, not necessarily UTF-8.
pub fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}
