//! `devloop attach`: the pane on the devloop that runs in this project, from another terminal.

use std::{ops::ControlFlow, process::ExitCode};

use clap::Args;

use super::{
    Exit,
    environment::{self, Connected, Reader},
    running::{Caller, JsonArg, Output},
};
use crate::{
    app::{self, Attach, Parting},
    control::{Ask, AttachAsk, Silence},
    error::Problem,
};

const AFTER_HELP: &str = "\
All keys work, and `q` leaves only this pane. Several may be attached to one devloop.

Examples:
  devloop up --detach && devloop attach   in the background, and a look at it
  devloop attach --json                   what the pane is told, one JSON object a line (docs/control.md)";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct AttachArgs {
    #[command(flatten)]
    json: JsonArg,
}

/// Shows the pane, until somebody leaves it or devloop ends.
pub(super) fn run(args: &AttachArgs, caller: &Caller<'_>) -> ExitCode {
    match args.json.output() {
        Output::Json => print(caller).into(),
        Output::Text => show(caller).into(),
    }
}

fn show(caller: &Caller<'_>) -> Exit {
    let theme = match (caller.terminal.stdout_is, caller.terminal.pane) {
        (Connected::Terminal, Some(theme)) => theme,
        _ => {
            let problem = Problem::new("`devloop attach` shows a pane, and that needs a terminal");
            let hint = "`devloop logs -f` follows it line by line, `devloop attach --json` prints what a pane is told";
            return caller.fail(&problem.hint(hint), Exit::Usage);
        }
    };
    let (client, socket) = match caller.connect_at() {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    match app::attach(Attach { client, socket, theme }) {
        Parting::Left => {
            environment::to_stdout("devloop goes on: `devloop attach` comes back, `devloop stop` ends it\n");
            Exit::Good
        }
        Parting::Ended => {
            environment::to_stdout("devloop has ended\n");
            Exit::Good
        }
        Parting::Gone => caller.fail(&Problem::new("devloop is gone: it was killed"), Exit::Failed),
        Parting::Signal(signal) => Exit::Signal(u8::try_from(signal).unwrap_or_default()),
        Parting::Silent(silence) => caller.silent(&silence),
        Parting::Refused(problem) => caller.fail(&problem, Exit::Failed),
    }
}

/// Prints what a pane is told, until devloop ends or nobody reads.
fn print(caller: &Caller<'_>) -> Exit {
    let mut client = match caller.connect() {
        Ok(client) => client,
        Err(exit) => return exit,
    };
    let each = |line: &serde_json::Value| match environment::line_to_stdout(&line.to_string()) {
        Reader::There => ControlFlow::Continue(()),
        Reader::Gone => ControlFlow::Break(()),
    };
    match client.stream(&Ask::Attach(AttachAsk::default()), each) {
        Ok(_) => Exit::Good,
        Err(Silence::Ended) => caller.fail(&Problem::new("devloop is gone: it was killed"), Exit::Failed),
        Err(silence) => caller.silent(&silence),
    }
}
