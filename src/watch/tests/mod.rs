//! The watcher attacked with real files, from inside the crate: plans without dev.toml, injected events.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod content;
mod editors;
mod events;
mod fences;
#[cfg(target_os = "linux")]
mod idle;
mod ignoring;
mod limits;
mod polling;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{Event, EventKind, event::Flag};
use tempfile::TempDir;

use super::{Mail, Mailbox, Note, Summary, Watcher, backend::In, locked};
use crate::{
    core::event::{Touch, Verdict, Writer},
    model::{FilePath, RunId},
    plan::{
        self, Backend, Cache, Command, Globs, Health, Inputs, Listen, Notify, Plan, Port, Protocol, Proxy, Restart,
        Service, Settle, Step, Stop, Swap, Watch,
    },
};

/// No fact that a test waits for may take longer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Runs one of these tests again in a process of its own, which `command` starts with `mark` in its environment. It has
/// to pass; an error says why there is no such process.
fn alone(mut command: std::process::Command, test: &str, mark: &str) -> Result<(), String> {
    command.args(["--exact", &format!("watch::tests::{test}"), "--nocapture"]).env(mark, "1");
    let output = command.output().map_err(|error| error.to_string())?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !said.contains("running 1 test") {
        return Err(said);
    }
    assert!(output.status.success(), "{said}");
    Ok(())
}

/// A project in a folder of its own, and a watcher on it.
struct World {
    _folder: TempDir,
    root: PathBuf,
    plan: Plan,
    running: Option<(Watcher, Arc<Mailbox>)>,
    fences: u64,
    /// Everything that came since it was last asked for.
    seen: Mail,
}

impl World {
    /// An empty project; not watched yet. One step reads everything.
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("project");
        std::fs::create_dir_all(root.join(".devloop")).unwrap();
        let plan = Plan {
            name: "project".to_owned(),
            file: Some(path("dev.toml")),
            watch: Watch { ignore: Globs::default(), settle: Settle::Auto, backend: Backend::Native },
            proxy: Proxy {
                enabled: false,
                middleware: Default::default(),
                listen: Listen { host: None, port: 0, written: false },
                hosts: Vec::new(),
                fresh: Duration::ZERO,
                hold: Duration::ZERO,
                reload: plan::Reload::Never,
                editor: None,
                waiting: None,
                console: false,
                tls: false,
                client_certs: None,
                record: 0,
                record_bodies: false,
                server_timing: false,
                trust_forwarded: false,
            },
            routes: Vec::new(),
            hooks: Vec::new(),
            notify: Notify::default(),
            steps: Vec::new(),
            services: Vec::new(),
            root: root.clone(),
        };
        let mut world = World { _folder: folder, root, plan, running: None, fences: 0, seen: Mail::default() };
        world.add_step("build", Inputs::Everything, &[]);
        world
    }

    /// A world that is watched from the start.
    fn watched() -> World {
        let mut world = World::new();
        world.watch();
        world
    }

    /// Adds a step that comes after those before it.
    fn add_step(&mut self, name: &str, inputs: Inputs, outputs: &[&str]) {
        let after = (0..self.plan.steps.len()).collect();
        self.plan.steps.push(Arc::new(Step {
            name: Arc::from(name),
            run: Command::from_words(vec!["true".to_owned()], &[]).unwrap(),
            cwd: self.root.clone(),
            env: BTreeMap::new(),
            env_files: Vec::new(),
            inputs,
            outputs: globs(outputs),
            after,
            needs: Vec::new(),
            cancel: true,
            cache: Cache::Session,
            timeout: None,
            generates: false,
            pty: None,
            problems: None,
            makes_artifact: false,
        }));
    }

    /// Changes the step of this name.
    fn step(&mut self, name: &str) -> &mut Step {
        let step = self.plan.steps.iter_mut().find(|step| &*step.name == name).unwrap();
        Arc::make_mut(step)
    }

    /// Adds a service that reads nothing but its `env_files`.
    fn add_service(&mut self, env_files: &[&str]) {
        self.plan.services.push(Arc::new(Service {
            name: Arc::from("api"),
            run: Command::from_words(vec!["true".to_owned()], &[]).unwrap(),
            cwd: self.root.clone(),
            env: BTreeMap::new(),
            env_files: env_files.iter().map(|file| path(file)).collect(),
            inputs: Inputs::None,
            assets: Globs::default(),
            debug: Default::default(),
            debugging: None,
            listen_fds: false,
            program: None,
            after: Vec::new(),
            needs: Vec::new(),
            uses: Vec::new(),
            port: Port::Auto,
            protocol: Protocol::Http,
            tls: None,
            swap: Swap::Auto,
            health: Health {
                path: None,
                status: Vec::new(),
                log: None,
                tcp: false,
                timeout: Duration::ZERO,
                interval: None,
            },
            stop: Stop { signal: 15, grace: Duration::ZERO, run: None },
            drain: Duration::ZERO,
            restart: Restart::No,
            pty: None,
            problems: None,
        }));
    }

    fn watch(&mut self) {
        self.running = None;
        self.let_the_clock_tick();
        self.running = Some(Watcher::start(&self.plan, &self.root.join(".devloop")).unwrap());
    }

    /// Returns when the file system's clock shows another time than that of what was written before.
    fn let_the_clock_tick(&self) {
        let probe = self.root.join(".devloop/tick");
        let time = || {
            std::fs::write(&probe, "").unwrap();
            std::fs::metadata(&probe).unwrap().modified().unwrap()
        };
        let first = time();
        while time() == first {
            std::thread::yield_now();
        }
        std::fs::remove_file(&probe).unwrap();
    }

    fn watcher(&self) -> Watcher {
        self.running.as_ref().unwrap().0.clone()
    }

    fn at(&self, file: &str) -> PathBuf {
        super::names::Names::new(&self.root).full(Path::new(file))
    }

    /// Writes a file and the folders to it.
    fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        let file = self.at(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.at(from), self.at(to)).unwrap();
    }

    fn remove(&self, file: &str) {
        std::fs::remove_file(self.at(file)).unwrap();
    }

    /// Waits for mail until this is so.
    async fn until(&mut self, what: &str, is_so: impl Fn(&Mail) -> bool) {
        let mailbox = self.running.as_ref().unwrap().1.clone();
        let waiting = async {
            loop {
                let mail = mailbox.drain();
                self.seen.touches.extend(mail.touches);
                self.seen.fences.extend(mail.fences);
                self.seen.notes.extend(mail.notes);
                self.seen.git_lock = mail.git_lock.or(self.seen.git_lock);
                if is_so(&self.seen) {
                    return;
                }
                mailbox.changed().await;
            }
        };
        if tokio::time::timeout(DEADLINE, waiting).await.is_err() {
            panic!("{what} within {DEADLINE:?}; until then came {:?}", self.seen);
        }
    }

    /// Everything that was done before this call has been told; takes it out.
    async fn fence(&mut self) -> Mail {
        self.fences += 1;
        let run = RunId(self.fences);
        self.watcher().fence(run);
        self.until("the fence passes", |mail| mail.fences.contains(&run)).await;
        std::mem::take(&mut self.seen)
    }

    /// The same, and every writer is done. (While another test forks, the child holds all open files for a moment, and
    /// their closing comes after the fence.)
    async fn settled(&mut self) -> Mail {
        self.seen = self.fence().await;
        self.until("all writers are done", |mail| {
            let last: BTreeMap<_, _> = mail.touches.iter().map(|touch| (&touch.path, touch.writer)).collect();
            last.values().all(|writer| *writer != Writer::Writing)
        })
        .await;
        std::mem::take(&mut self.seen)
    }

    /// The touched paths since the last look, sorted.
    async fn touched(&mut self) -> Vec<String> {
        names(&self.settled().await)
    }

    async fn until_touched(&mut self, file: &str) {
        let wanted = path(file);
        self.until(&format!("{file} is touched"), |mail| mail.touches.iter().any(|touch| touch.path == wanted)).await;
    }

    /// Its last writer is done.
    async fn until_done(&mut self, file: &str) {
        let is_it = |touch: &&Touch| *touch.path == *Path::new(file);
        let is_done =
            |mail: &Mail| mail.touches.iter().rev().find(is_it).is_some_and(|touch| touch.writer == Writer::Done);
        self.until(&format!("the writer of {file} is done"), is_done).await;
    }

    /// The last thing that was told about the writer of `file`.
    async fn writer(&mut self, file: &str) -> Option<Writer> {
        let mail = self.fence().await;
        mail.touches.iter().rev().find(|touch| *touch.path == *Path::new(file)).map(|touch| touch.writer)
    }

    async fn verdict(&self, file: &str) -> Verdict {
        self.verdict_with(file, &[]).await
    }

    async fn verdict_with(&self, file: &str, owners: &[u32]) -> Verdict {
        let verdicts = self.watcher().digest(vec![path(file)], owners.to_vec()).await;
        assert_eq!(verdicts[0].0, path(file));
        verdicts[0].1
    }

    async fn baseline(&self) {
        tokio::time::timeout(DEADLINE, self.watcher().baseline()).await.expect("the baseline is complete in time");
    }

    fn summary(&self) -> Summary {
        self.watcher().summary()
    }

    /// Puts an event into the watcher's inbox as if the OS had told it.
    fn inject(&self, message: In) {
        locked(&self.watcher().inside.asks).send(message).unwrap();
    }

    /// The kernel's queue was full.
    fn overflow(&self) {
        self.inject(In::Event(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
    }
}

fn path(text: &str) -> FilePath {
    FilePath::from(Path::new(text))
}

fn globs(patterns: &[&str]) -> Globs {
    Globs::new(&patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn names(mail: &Mail) -> Vec<String> {
    let mut names: Vec<_> = mail.touches.iter().map(|touch| touch.path.display().to_string()).collect();
    names.sort();
    names.dedup();
    names
}

/// Runs a program that must succeed.
fn run(folder: &Path, program: &str, args: &[&str]) {
    let output = std::process::Command::new(program).args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Whether a program is there to be run.
fn has(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("--version").output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: no `{program}` on this machine");
    }
    found
}

fn told(mail: &Mail, wanted: impl Fn(&Note) -> bool) -> bool {
    mail.notes.iter().any(wanted)
}
