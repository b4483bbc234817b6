//! The command that is run before a service is asked to end, for what is no descendant of it (containers).

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use nix::libc;
use tokio::{sync::Notify, time::sleep};

use super::{
    Ending, Kind, Output, Terminal, WindowSize,
    opening::{Opened, Opening},
    output::Others,
    programs::Shared,
    search::{self, Wanted},
    wire::Word,
};
use crate::{
    model::{Exit, Line, RunId, Stream},
    plan::Resolved,
};

/// A command that is run before a service is asked to end.
#[derive(Clone, Debug)]
pub(super) struct Helper {
    pub(super) run: RunId,
    pub(super) name: Arc<str>,
    pub(super) command: Resolved,
    pub(super) cwd: PathBuf,
    pub(super) env: Vec<(OsString, OsString)>,
    /// It may take this long.
    pub(super) limit: Duration,
}

impl Helper {
    /// Runs it to its end, for as long as it may take, or until there is a hurry; nothing of it is left then. What goes
    /// wrong is said among the service's lines.
    pub(super) async fn run(self, shared: Arc<Shared>, hurry: Arc<Notify>) {
        let opening = Opening {
            run: self.run,
            name: self.name.clone(),
            command: &self.command,
            cwd: &self.cwd,
            env: self.env.clone(),
            terminal: Terminal::Pipes,
            kind: Kind::Step,
            window: WindowSize::default(),
        };
        let ending = Ending { signal: libc::SIGTERM, grace: Duration::ZERO, run: None };
        let trouble = match opening.open(&shared, &ending, None).await {
            Err(why) => Some(why),
            Ok(mut opened) => {
                let trouble = tokio::select! {
                    exit = self.wait(&mut opened) => Some(exit).filter(|exit| !exit.is_success()).map(|exit| exit.to_string()),
                    () = sleep(self.limit) => Some(format!("not over after {:?}, so it was killed", self.limit)),
                    () = hurry.notified() => None,
                };
                opened.line.close().await;
                trouble
            }
        };
        if let Some(trouble) = trouble {
            let program = self.command.program.to_string_lossy();
            let text = format!("devloop: the stop command `{program}` failed: {trouble}");
            let line = Line { source: self.name, run: self.run, stream: Stream::Err, text };
            (shared.lines)(Output::Line(line));
        }
    }

    async fn wait(&self, opened: &mut Opened) -> Exit {
        loop {
            let word = tokio::select! {
                word = opened.line.listen() => word,
                () = opened.reader.read() => continue,
            };
            match word {
                Some(Word::Exited { exit, more }) => {
                    opened.reader.finish(if more { Others::Some } else { Others::None }).await;
                    return exit;
                }
                Some(Word::NotStarted { stage, errno }) => {
                    let wanted = Wanted { program: &self.command.program, cwd: &self.cwd, env: &opened.env };
                    return Exit::NotStarted(search::explain(&wanted, stage, errno));
                }
                Some(_) => {}
                None => return Exit::Signal(libc::SIGKILL),
            }
        }
    }
}
