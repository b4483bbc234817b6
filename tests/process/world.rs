//! What the process tests share: real programs under real guards, and waits for facts under one deadline.
use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use devloop::{
    model::{Exit, Line, RunId},
    plan::Resolved,
    process::{
        Ending, GuardBinary, Kind, Launch, Notice, Output, Programs, Session, Setup, Survivor, Terminal, WindowSize,
    },
    sys,
};
use tokio::sync::{Notify, mpsc};

/// For every wait of a test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// One `Programs` with everything it has told.
pub(crate) struct World {
    pub(crate) programs: Programs,
    pub(crate) session: String,
    pub(crate) folder: tempfile::TempDir,
    notices: mpsc::UnboundedReceiver<Notice>,
    told: HashMap<RunId, Vec<Notice>>,
    pub(crate) said: Arc<Said>,
    next: u64,
}

/// The lines so far.
#[derive(Default)]
pub(crate) struct Said {
    all: Mutex<Vec<Output>>,
    news: Notify,
}

pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) tail: Vec<String>,
    pub(crate) survivors: Vec<Survivor>,
}

pub(crate) fn guard() -> GuardBinary {
    GuardBinary::at(Path::new(env!("CARGO_BIN_EXE_devloop"))).unwrap()
}

pub(crate) fn setup(session: &str) -> Setup {
    Setup { guard: guard(), session: session.to_owned(), window: WindowSize { rows: 33, columns: 99 } }
}

impl World {
    /// To be called inside the runtime.
    pub(crate) fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::begin(&folder.path().join("sessions")).unwrap().id().to_owned();
        let (notice, notices) = mpsc::unbounded_channel();
        let said = Arc::new(Said::default());
        let sink = said.clone();
        let tell = move |told| drop(notice.send(told));
        let programs = Programs::new(setup(&session), tell, move |output| sink.push(output));
        World { programs, session, folder, notices, told: HashMap::new(), said, next: 0 }
    }

    pub(crate) fn launch_of(&mut self, program: &str, args: &[&str]) -> Launch {
        self.next += 1;
        Launch {
            run: RunId(self.next),
            name: "api".into(),
            command: Resolved { program: program.into(), args: args.iter().map(OsString::from).collect() },
            cwd: self.folder.path().to_owned(),
            env: std::env::vars_os().collect(),
            terminal: Terminal::Pipes,
            kind: Kind::Service,
            ending: Ending { signal: nix::libc::SIGTERM, grace: Duration::from_millis(200), run: None },
            listen: None,
        }
    }

    pub(crate) fn script(&mut self, script: &str) -> Launch {
        self.launch_of("sh", &["-c", script])
    }

    pub(crate) fn service(&mut self, script: &str) -> RunId {
        let launch = self.script(script);
        self.launch(launch)
    }

    pub(crate) fn step(&mut self, script: &str) -> RunId {
        let launch = Launch { kind: Kind::Step, ..self.script(script) };
        self.launch(launch)
    }

    pub(crate) fn launch(&self, launch: Launch) -> RunId {
        let run = launch.run;
        self.programs.launch(launch);
        run
    }

    /// The process id of this run's program.
    pub(crate) async fn started(&mut self, run: RunId) -> u32 {
        self.until(run, |notice| match notice {
            Notice::Started { pid, .. } => Some(*pid),
            Notice::Exited { exit, tail, .. } => panic!("run {run} is over: {exit:?} {tail:?}"),
        })
        .await
    }

    /// How this run ended.
    pub(crate) async fn ended(&mut self, run: RunId) -> Ended {
        self.until(run, |notice| match notice {
            Notice::Started { .. } => None,
            Notice::Exited { exit, tail, survivors, .. } => {
                Some(Ended { exit: exit.clone(), tail: tail.clone(), survivors: survivors.clone() })
            }
        })
        .await
    }

    pub(crate) async fn exit(&mut self, run: RunId) -> Exit {
        self.ended(run).await.exit
    }

    /// Everything told about this run so far.
    pub(crate) fn told(&mut self, run: RunId) -> Vec<Notice> {
        while let Ok(notice) = self.notices.try_recv() {
            self.keep(notice);
        }
        self.told.get(&run).cloned().unwrap_or_default()
    }

    async fn until<T>(&mut self, run: RunId, wanted: impl Fn(&Notice) -> Option<T>) -> T {
        loop {
            if let Some(found) = self.told.get(&run).into_iter().flatten().find_map(&wanted) {
                return found;
            }
            let notice = tokio::time::timeout(DEADLINE, self.notices.recv()).await;
            let notice = notice.unwrap_or_else(|_| panic!("run {run}: nothing more; lines: {:?}", self.said.texts()));
            self.keep(notice.unwrap());
        }
    }

    fn keep(&mut self, notice: Notice) {
        let (Notice::Started { run, .. } | Notice::Exited { run, .. }) = &notice;
        self.told.entry(*run).or_default().push(notice);
    }

    /// A word of the first line that begins with `start`, as a process id.
    pub(crate) async fn pid_after(&self, start: &str) -> u32 {
        self.said.line(|text| text.strip_prefix(start)?.trim().parse().ok()).await
    }

    pub(crate) async fn gone(&self) {
        gone(&self.session).await;
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Said {
    pub(crate) fn push(&self, output: Output) {
        self.all.lock().unwrap().push(output);
        self.news.notify_waiters();
    }

    pub(crate) fn all(&self) -> Vec<Output> {
        self.all.lock().unwrap().clone()
    }

    /// The whole lines.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let whole = |output: Output| match output {
            Output::Line(line) => Some(line),
            Output::Partial(_) | Output::Dropped { .. } => None,
        };
        self.all().into_iter().filter_map(whole).collect()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.lines().into_iter().map(|line| line.text).collect()
    }

    /// Waits for something that was said.
    pub(crate) async fn output<T>(&self, wanted: impl Fn(&Output) -> Option<T>) -> T {
        let wait = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if let Some(found) = self.all().iter().find_map(&wanted) {
                    return found;
                }
                news.await;
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("not among {:?}", self.all()))
    }

    pub(crate) async fn line<T>(&self, wanted: impl Fn(&str) -> Option<T>) -> T {
        self.output(|output| match output {
            Output::Line(line) => wanted(&line.text),
            Output::Partial(_) | Output::Dropped { .. } => None,
        })
        .await
    }

    pub(crate) async fn heard(&self, text: &str) {
        self.line(|line| (line == text).then_some(())).await;
    }
}

/// Whether this process is there and has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    let known = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), None).is_ok();
    known && !sys::is_zombie(pid)
}

/// The processes with the mark of this session, guards included.
pub(crate) fn members(session: &str) -> Vec<u32> {
    let is_one = |pid: &u32| sys::variable_of(*pid, "DEVLOOP_SESSION").is_some_and(|id| id == session);
    sys::all_processes().into_iter().filter(is_one).filter(|pid| is_alive(*pid)).collect()
}

pub(crate) async fn gone(session: &str) {
    until("everything is gone", || members(session).is_empty()).await;
}

/// Waits until the OS shows what nobody can tell us of.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, wait).await.is_ok(), "never: {what}");
}
