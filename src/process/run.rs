//! One program from its start to its end: the task that talks to its guard, reads its output and tells its fate.

use std::{ffi::OsString, ops::ControlFlow, path::PathBuf, sync::Arc};

use nix::libc;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::{JoinHandle, spawn_blocking},
};

use super::{
    Ending, Kind, Launch, Notice, Survivor, WindowSize,
    helper::Helper,
    opening::{Opened, Opening},
    output::{Others, Reader},
    programs::Shared,
    search::{self, Wanted},
    spawn::Line,
    strays,
    wire::{Order, Word},
};
use crate::{
    core::event::StopHow,
    model::{Exit, RunId},
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
    Asking { helper: JoinHandle<()>, hurry: Arc<Notify> },
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
                match &self.phase {
                    Phase::Asking { hurry, .. } => hurry.notify_one(),
                    Phase::Starting | Phase::Running => self.phase = Phase::Asked,
                    Phase::Asked | Phase::Told => {}
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
                Some(helper) => {
                    let hurry = Arc::new(Notify::new());
                    let helper = tokio::spawn(helper.run(self.shared.clone(), hurry.clone()));
                    self.phase = Phase::Asking { helper, hurry };
                }
                None => {
                    self.phase = Phase::Asked;
                    self.line.order(&Order::Stop(StopHow::Ask)).await;
                }
            },
            Phase::Told => self.line.order(&Order::Stop(StopHow::Ask)).await,
            Phase::Asking { .. } | Phase::Asked => {}
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
            Phase::Asking { helper, .. } => {
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
            Phase::Starting => {
                self.over(Exit::NotStarted("its guard was killed while it was starting it".to_owned()), left)
            }
            Phase::Running | Phase::Asking { .. } | Phase::Asked => {
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
        Phase::Asking { helper, .. } => {
            let _ = helper.await;
        }
        Phase::Starting | Phase::Running | Phase::Asked | Phase::Told => std::future::pending().await,
    }
}
