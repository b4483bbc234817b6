//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = devloop::process::guard::maybe_run() {
        return code;
    }
    ExitCode::SUCCESS
}
