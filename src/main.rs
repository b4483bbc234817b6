//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    match devloop::process::guard::maybe_run().or_else(devloop::ui::pane::maybe_keep) {
        Some(code) => code,
        None => devloop::cli::main(),
    }
}
