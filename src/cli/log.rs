//! devloop's own log, for those who work on devloop: off unless `-v` or `--log` asks for it.
#![expect(clippy::disallowed_methods, reason = "the door to the file of `--log`")]

use std::{fs::OpenOptions, io, path::Path, sync::Mutex};

use tracing_subscriber::{EnvFilter, fmt};

use crate::error::Problem;

/// Begins to log: to `file`, else to standard error. `DEVLOOP_LOG` (such as `devloop::watch=trace`) says more
/// precisely what.
pub(super) fn begin(verbosity: u8, file: Option<&Path>) -> Result<(), Problem> {
    let asked = EnvFilter::try_from_env("DEVLOOP_LOG").ok();
    if verbosity == 0 && file.is_none() && asked.is_none() {
        return Ok(());
    }
    let filter = asked.unwrap_or_else(|| EnvFilter::new(if verbosity > 1 { "devloop=trace" } else { "devloop=debug" }));
    let builder = fmt().with_env_filter(filter).with_ansi(false);
    match file {
        Some(path) => {
            let file =
                OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
                    Problem::new(format!("cannot write the log `{}`", path.display())).caused_by(error)
                })?;
            builder.with_writer(Mutex::new(file)).init();
        }
        None => builder.with_writer(io::stderr).init(),
    }
    Ok(())
}

/// Whether `DEVLOOP_LOG` asks for a log.
pub(super) fn is_asked_for() -> bool {
    std::env::var_os("DEVLOOP_LOG").is_some_and(|value| !value.is_empty())
}
