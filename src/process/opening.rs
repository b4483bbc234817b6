//! Opening a run: a guard is started, and told what to start.

use std::{
    ffi::{OsStr, OsString},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
    sync::Arc,
};

use tokio::task::spawn_blocking;

use super::{
    Ending, Kind, RUN_MARK, SESSION_MARK, Terminal, WindowSize,
    output::Reader,
    programs::Shared,
    spawn::{Line, Spawned},
    wire::{Order, Start},
};
use crate::{model::RunId, plan::Resolved, sys};

/// A program about to be started.
pub(super) struct Opening<'a> {
    pub(super) run: RunId,
    pub(super) name: Arc<str>,
    pub(super) command: &'a Resolved,
    pub(super) cwd: &'a Path,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) terminal: Terminal,
    pub(super) kind: Kind,
    pub(super) window: WindowSize,
}

/// A guard that was told to start it.
pub(super) struct Opened {
    pub(super) line: Line,
    pub(super) reader: Reader,
    pub(super) env: Vec<(OsString, OsString)>,
}

impl Opening<'_> {
    pub(super) async fn open(
        mut self,
        shared: &Arc<Shared>,
        ending: &Ending,
        listen: Option<OwnedFd>,
    ) -> Result<Opened, String> {
        self.mark(&shared.session);
        self.check()?;
        let (ours, name, terminal) = (shared.clone(), self.name.clone(), self.terminal);
        let spawned = spawn_blocking(move || Spawned::new(&ours.guard, &ours.session, &name, terminal, listen)).await;
        let failed = |error: std::io::Error| format!("could not start the guard of `{}`: {error}", self.name);
        let spawned = spawned.map_err(|_| "devloop is ending".to_owned())?.map_err(failed)?;
        let (mut line, out, err) = spawned.line().map_err(failed)?;
        let reader = Reader::new(self.name.clone(), self.run, shared.lines.clone(), out, err).map_err(failed)?;
        let start = Start {
            program: self.command.program.clone(),
            args: self.command.args.clone(),
            cwd: self.cwd.to_owned(),
            env: self.env.clone(),
            terminal: self.terminal,
            window: self.window,
            kind: self.kind,
            signal: ending.signal,
            grace: ending.grace,
            open_files: sys::open_files_before(),
        };
        line.order(&Order::Start(Box::new(start))).await;
        Ok(Opened { line, reader, env: self.env })
    }

    /// Adds the marks by which its processes are found again.
    fn mark(&mut self, session: &str) {
        self.env.retain(|(name, _)| name != SESSION_MARK && name != RUN_MARK);
        self.env.push((SESSION_MARK.into(), session.into()));
        self.env.push((RUN_MARK.into(), self.run.to_string().into()));
    }

    /// What no program can be given.
    fn check(&self) -> Result<(), String> {
        let has_nul = |text: &OsStr| text.as_bytes().contains(&0);
        let command = std::iter::once(&self.command.program).chain(&self.command.args);
        if command.map(OsString::as_os_str).any(has_nul) || has_nul(self.cwd.as_os_str()) {
            return Err(format!("the command of `{}` or its folder holds a NUL byte", self.name));
        }
        match self.env.iter().find(|(name, value)| has_nul(name) || has_nul(value)) {
            Some((name, _)) => Err(format!("the variable `{}` holds a NUL byte", name.to_string_lossy())),
            None => Ok(()),
        }
    }
}
