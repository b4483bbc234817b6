//! `devloop run CMD…`: a program of the person's own, with the environment of a service.
#![expect(clippy::disallowed_methods, reason = "the door to the person's own program")]

use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use clap::Args;
use clap_complete::ArgValueCandidates;
use serde_json::Value;

use super::{Exit, completions, running::Caller};
use crate::{control::Ask, error::Problem};

const AFTER_HELP: &str = "\
Examples:
  devloop run psql                     with the DATABASE_URL of the first service
  devloop run --service api ./smoke    $PORT is the port that service `api` listens on now

It gets what the service's `env`, `env_files` and devloop add, above your own environment; it runs in
your folder and is yours: devloop does not end it. Its exit code is the exit code.";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct RunArgs {
    /// The service; the first one if none is named
    #[arg(long, value_name = "SERVICE", add = ArgValueCandidates::new(completions::services))]
    pub service: Option<String>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Becomes that program.
pub(super) fn run(args: RunArgs, caller: &Caller<'_>) -> ExitCode {
    let answer = match caller.ask(&Ask::Environment { service: args.service }) {
        Ok((_, answer)) => answer,
        Err(exit) => return exit.into(),
    };
    let pairs = answer["env"].as_array().into_iter().flatten();
    let pairs = pairs.filter_map(|pair| Some((pair.get(0)?.as_str()?, pair.get(1).and_then(Value::as_str)?)));
    let mut words = args.command.into_iter();
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(&program);
    // It returns only if that program cannot be started.
    let error = command.args(words).envs(pairs).exec();
    let problem = Problem::new(format!("cannot start `{}`", program.to_string_lossy())).caused_by(error);
    caller.fail(&problem, Exit::Failed).into()
}
