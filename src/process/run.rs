//! One program from its start to its end: the task that talks to its guard, reads its output and tells its fate.

use std::{
    ffi::{OsStr, OsString},
    ops::ControlFlow,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use nix::libc;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use super::{
    Ending, Kind, Launch, Notice, Output, RUN_MARK, SESSION_MARK, Survivor, Terminal, WindowSize,
    output::{Others, Reader},
    programs::Shared,
    search::{self, Wanted},
    spawn::{Line, Spawned},
    strays,
    wire::{Order, Start, Word},
};
use crate::{
    core::event::StopHow,
    model::{self, Exit, RunId, Stream},
    plan::Resolved,
    sys,
};

/// What the handle asks of a run.
pub(super) enum Command {
    Stop(StopHow),
    /// To be answered when the guard was told.
    Suspend(oneshot::Sender<()>),
    Resume,
    Resize(WindowSize),
}

/// Starts a program and stays with it until its whole tree is gone. Tells `Exited` exactly once.
pub(super) async fn drive(
    shared: Arc<Shared>,
    launch: Launch,
    window: WindowSize,
    commands: mpsc::UnboundedReceiver<Command>,
) {
    let run = launch.run;
    match Live::begin(shared.clone(), launch, window).await {
        Ok(live) => live.stay(commands).await,
        Err(why) => shared.refuse(run, why),
    }
    shared.forget(run);
}

/// A run with a guard.
struct Live {
    shared: Arc<Shared>,
    run: RunId,
    name: Arc<str>,
    kind: Kind,
    ending: Ending,
    program: OsString,
    cwd: PathBuf,
    env: Vec<(OsString, OsString)>,
    line: Line,
    reader: Reader,
    phase: Phase,
    /// How the leader ended, once it did.
    exit: Option<Exit>,
}

// Starting => Running => (Asking => Asked | Asked | Told); any => Told
enum Phase {
    /// The guard has not said yet whether the program runs.
    Starting,
    /// Nobody has asked it to end.
    Running,
    /// The command that comes before the signal runs.
    Asking(JoinHandle<()>),
    /// The guard is ending it.
    Asked,
    /// Its end was told; what a step left running may be there.
    Told,
}

enum Happened {
    Command(Command),
    Word(Option<Word>),
    Read,
    HelperEnded,
}

impl Live {
    async fn begin(shared: Arc<Shared>, launch: Launch, window: WindowSize) -> Result<Live, String> {
        let Launch { run, name, command, cwd, env, terminal, kind, ending, listen } = launch;
        let Opened { line, reader, env } =
            Opening { run, name: name.clone(), command: &command, cwd: &cwd, env, terminal, kind, window }
                .open(&shared, &ending, listen)
                .await?;
        shared.guarded_by(run, line.guard());
        let program = command.program;
        Ok(Live {
            shared,
            run,
            name,
            kind,
            ending,
            program,
            cwd,
            env,
            line,
            reader,
            phase: Phase::Starting,
            exit: None,
        })
    }

    async fn stay(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            let happened = tokio::select! {
                Some(command) = commands.recv() => Happened::Command(command),
                word = self.line.listen() => Happened::Word(word),
                () = self.reader.read() => Happened::Read,
                () = helper_end(&mut self.phase) => Happened::HelperEnded,
            };
            let flow = match happened {
                Happened::Command(command) => {
                    self.obey(command).await;
                    ControlFlow::Continue(())
                }
                Happened::Word(Some(word)) => self.hear(word).await,
                Happened::Word(None) => self.lose_guard().await,
                Happened::HelperEnded => {
                    self.phase = Phase::Asked;
                    self.line.order(&Order::Stop(StopHow::Ask)).await;
                    ControlFlow::Continue(())
                }
                Happened::Read => ControlFlow::Continue(()),
            };
            if flow.is_break() {
                break;
            }
        }
        self.line.close().await;
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Stop(StopHow::Ask) => self.ask().await,
            Command::Stop(StopHow::Kill) => {
                if let Phase::Asking(helper) = &self.phase {
                    helper.abort();
                }
                if !matches!(self.phase, Phase::Told) {
                    self.phase = Phase::Asked;
                }
                self.line.order(&Order::Stop(StopHow::Kill)).await;
            }
            Command::Suspend(done) => {
                self.line.order(&Order::Suspend).await;
                let _ = done.send(());
            }
            Command::Resume => self.line.order(&Order::Resume).await,
            Command::Resize(window) => self.line.order(&Order::Resize(window)).await,
        }
    }

    async fn ask(&mut self) {
        match self.phase {
            Phase::Starting | Phase::Running => match self.helper() {
                Some(helper) => self.phase = Phase::Asking(tokio::spawn(helper.run(self.shared.clone()))),
                None => {
                    self.phase = Phase::Asked;
                    self.line.order(&Order::Stop(StopHow::Ask)).await;
                }
            },
            Phase::Told => self.line.order(&Order::Stop(StopHow::Ask)).await,
            Phase::Asking(_) | Phase::Asked => {}
        }
    }

    async fn hear(&mut self, word: Word) -> ControlFlow<()> {
        match word {
            Word::Started { pid } => {
                if matches!(self.phase, Phase::Starting) {
                    self.phase = Phase::Running;
                }
                self.shared.led_by(self.run, Some(pid));
                self.shared.tell(Notice::Started { run: self.run, pid });
                ControlFlow::Continue(())
            }
            Word::NotStarted { stage, errno } => {
                let wanted = Wanted { program: &self.program, cwd: &self.cwd, env: &self.env };
                let why = search::explain(&wanted, stage, errno);
                self.over(Exit::NotStarted(why), Vec::new());
                ControlFlow::Break(())
            }
            Word::Exited { exit, more } => {
                self.shared.led_by(self.run, None);
                self.exit = Some(exit.clone());
                if self.kind == Kind::Step && matches!(self.phase, Phase::Starting | Phase::Running) {
                    self.reader.finish(if more { Others::Some } else { Others::None }).await;
                    self.over(exit, Vec::new());
                }
                ControlFlow::Continue(())
            }
            Word::Empty => {
                self.gone().await;
                ControlFlow::Break(())
            }
            Word::Survivors(pids) => {
                self.leave_behind(pids).await;
                ControlFlow::Break(())
            }
        }
    }

    /// The whole tree is gone.
    async fn gone(&mut self) {
        match &mut self.phase {
            Phase::Asking(helper) => {
                let _ = helper.await;
            }
            Phase::Starting | Phase::Running => {
                if let Some(helper) = self.helper() {
                    self.shared.owe(self.name.clone(), helper);
                }
            }
            Phase::Asked | Phase::Told => {}
        }
        self.reader.finish(Others::None).await;
        let exit = self.exit.clone().unwrap_or(Exit::Signal(libc::SIGKILL));
        self.over(exit, Vec::new());
    }

    /// SIGKILL was not enough.
    async fn leave_behind(&mut self, pids: Vec<u32>) {
        let name = |pid: u32| Survivor { pid, command: sys::command_line(pid).unwrap_or_default() };
        let survivors: Vec<Survivor> = pids.into_iter().map(name).collect();
        if matches!(self.phase, Phase::Told) {
            self.shared.remember(survivors);
            return;
        }
        self.reader.finish(Others::Some).await;
        let exit = self.exit.clone().unwrap_or(Exit::Signal(libc::SIGKILL));
        self.over(exit, survivors);
    }

    /// Somebody has killed the guard: do its work, as far as that can be done from here.
    async fn lose_guard(&mut self) -> ControlFlow<()> {
        let (session, run) = (self.shared.session.clone(), self.run);
        let left = spawn_blocking(move || strays::end_run(&session, run)).await.unwrap_or_default();
        match self.phase {
            Phase::Told => self.shared.remember(left),
            Phase::Starting => self.over(Exit::NotStarted("its guard ended before it was started".to_owned()), left),
            Phase::Running | Phase::Asking(_) | Phase::Asked => {
                self.reader.finish(Others::Some).await;
                self.reader
                    .add("devloop: the guard of this program was killed, so the program was killed too".to_owned());
                self.over(self.exit.clone().unwrap_or(Exit::Signal(libc::SIGKILL)), left);
            }
        }
        ControlFlow::Break(())
    }

    /// Tells the end, if it was not told.
    fn over(&mut self, exit: Exit, survivors: Vec<Survivor>) {
        if matches!(self.phase, Phase::Told) {
            return;
        }
        self.phase = Phase::Told;
        self.shared.led_by(self.run, None);
        self.shared.tell(Notice::Exited { run: self.run, exit, tail: self.reader.tail(), survivors });
    }

    fn helper(&self) -> Option<Helper> {
        let command = self.ending.run.clone()?;
        let (cwd, env) = (self.cwd.clone(), self.env.clone());
        Some(Helper { run: self.run, name: self.name.clone(), command, cwd, env, limit: self.ending.grace })
    }
}

async fn helper_end(phase: &mut Phase) {
    match phase {
        Phase::Asking(helper) => {
            let _ = helper.await;
        }
        Phase::Starting | Phase::Running | Phase::Asked | Phase::Told => std::future::pending().await,
    }
}

/// A program about to be started.
struct Opening<'a> {
    run: RunId,
    name: Arc<str>,
    command: &'a Resolved,
    cwd: &'a std::path::Path,
    env: Vec<(OsString, OsString)>,
    terminal: Terminal,
    kind: Kind,
    window: WindowSize,
}

/// A guard that was told to start it.
struct Opened {
    line: Line,
    reader: Reader,
    env: Vec<(OsString, OsString)>,
}

impl Opening<'_> {
    async fn open(mut self, shared: &Arc<Shared>, ending: &Ending, listen: Option<OwnedFd>) -> Result<Opened, String> {
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

/// A command that is run before a service is asked to end.
#[derive(Clone, Debug)]
pub(super) struct Helper {
    run: RunId,
    name: Arc<str>,
    command: Resolved,
    cwd: PathBuf,
    env: Vec<(OsString, OsString)>,
    limit: Duration,
}

impl Helper {
    /// Runs it to its end, or for as long as it may take. What goes wrong is said among the service's lines.
    pub(super) async fn run(self, shared: Arc<Shared>) {
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
                let exit = timeout(self.limit, self.wait(&mut opened)).await;
                opened.line.close().await;
                match exit {
                    Ok(exit) if exit.is_success() => None,
                    Ok(exit) => Some(exit.to_string()),
                    Err(_) => Some(format!("not over after {:?}, so it was killed", self.limit)),
                }
            }
        };
        if let Some(trouble) = trouble {
            let program = self.command.program.to_string_lossy();
            let text = format!("devloop: the stop command `{program}` failed: {trouble}");
            let line = model::Line { source: self.name, run: self.run, stream: Stream::Err, text };
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
