//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    match devloop::process::guard::maybe_run() {
        Some(code) => code,
        None => devloop::cli::main(),
    }
}
