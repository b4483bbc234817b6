//! A program to start, made of a plan and a run: its port, its environment, its words.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{App, carry::Run, lock};
use crate::{
    config::dotenv,
    core::event::{Program, Spawn},
    error::Problem,
    health::{self, Notify, Socket},
    model::{Artifact, Digest, FilePath, Revision, on_disk},
    plan::{Command, Plan, Port, Resolved, Service, Step, Vars},
    process::{
        Ending, Kind, Launch, Terminal,
        env::{Additions, Layers, compose},
        listen_on,
    },
    store::{self, Ingredients},
};

/// A step has this long between SIGTERM and SIGKILL.
const STEP_GRACE: Duration = Duration::from_secs(5);

impl App {
    /// Everything that a run needs.
    pub(super) fn prepare(&self, spawn: &Spawn) -> Result<(Launch, Run), Problem> {
        match &spawn.program {
            Program::Step(step) => self.prepare_step(spawn, step),
            Program::Service(service) => self.prepare_service(spawn, service),
        }
    }

    fn prepare_step(&self, spawn: &Spawn, step: &Arc<Step>) -> Result<(Launch, Run), Problem> {
        let mut vars = self.artifact_paths(&spawn.artifacts);
        if step.makes_artifact {
            vars.insert("out".to_owned(), self.store.prepare_out(&step.name, spawn.run)?.into());
        }
        let terminal = self.terminal_for(step.pty);
        let own = Own { env: &step.env, files: &step.env_files, port: None, terminal };
        let launch = Launch {
            run: spawn.run,
            name: step.name.clone(),
            command: step.run.resolve(&vars),
            cwd: step.cwd.clone(),
            env: self.environment(spawn.revision, &own)?,
            terminal,
            kind: Kind::Step,
            ending: Ending { signal: nix::libc::SIGTERM, grace: STEP_GRACE, run: None },
            listen: None,
        };
        Ok((launch, Run { problems: step.problems.clone(), ..Run::default() }))
    }

    fn prepare_service(&self, spawn: &Spawn, service: &Arc<Service>) -> Result<(Launch, Run), Problem> {
        let (port, lease) = match service.port {
            Port::None => (None, None),
            Port::Fixed(port) => (Some(port), None),
            Port::Auto => {
                let lease = self.ports.lease().ok_or_else(|| {
                    Problem::new("every port from 20000 to 29999 is taken").hint("give the service a `port` of its own")
                })?;
                (Some(lease.port()), Some(lease))
            }
        };
        let mut vars = self.artifact_paths(&spawn.artifacts);
        if let Some(port) = port {
            vars.insert("port".to_owned(), port.to_string().into());
        }
        // A debugger would not hand it on: then the program listens by itself.
        let listen = match port.filter(|_| service.listen_fds && service.debugging.is_none()) {
            Some(port) => Some(socket_on(port)?),
            None => None,
        };
        let socket = if listen.is_some() { Socket::Handed } else { Socket::Own };
        let terminal = self.terminal_for(service.pty);
        let own = Own { env: &service.env, files: &service.env_files, port, terminal };
        let mut env = self.environment(spawn.revision, &own)?;
        let mut command = &service.run;
        if let Some(debugging) = &service.debugging {
            command = &debugging.run;
            self.debugger_vars(service, debugging, &mut vars);
            self.debugger_environment(debugging, &mut env)?;
        }
        let notify = Notify::bind().ok();
        if let Some(notify) = &notify {
            env.push(("NOTIFY_SOCKET".into(), notify.address().clone()));
        }
        let heard = service.health.log.as_ref().map(|words| {
            let (ear, heard) = health::ear(words);
            lock(&self.ears).insert(spawn.run, ear);
            heard
        });
        let stop = &service.stop;
        let launch = Launch {
            run: spawn.run,
            name: service.name.clone(),
            command: command.resolve(&vars),
            cwd: service.cwd.clone(),
            env,
            terminal,
            kind: Kind::Service,
            ending: Ending {
                signal: stop.signal,
                grace: stop.grace,
                run: stop.run.as_ref().map(|command| command.resolve(&vars)),
            },
            listen,
        };
        let run = Run {
            port,
            socket,
            _lease: lease,
            heard,
            notify,
            probe: None,
            is_service: true,
            debugging: service.debugging.clone(),
            debugger_watch: None,
            problems: service.problems.clone(),
        };
        Ok((launch, run))
    }

    fn terminal_for(&self, pty: Option<bool>) -> Terminal {
        match pty {
            Some(true) => Terminal::Pty,
            Some(false) => Terminal::Pipes,
            None => self.terminal,
        }
    }

    fn artifact_paths(&self, artifacts: &[Artifact]) -> Vars {
        artifacts.iter().map(|made| (made.step.to_string(), self.store.path_of(made).into())).collect()
    }

    /// The whole environment of a program.
    pub(super) fn environment(&self, revision: Revision, own: &Own<'_>) -> Result<Vec<(OsString, OsString)>, Problem> {
        let files = read_env_files(&self.plan.root, own.files)?;
        Ok(compose(&Layers {
            os: &self.os_env,
            files: &files,
            own: own.env,
            devloop: Additions {
                port: own.port,
                revision,
                session: self.session.id(),
                colours: self.colours,
                terminal: own.terminal,
            },
        }))
    }
}

/// The socket of a service with `listen_fds`.
fn socket_on(port: u16) -> Result<OwnedFd, Problem> {
    let socket = listen_on(port)
        .map_err(|error| Problem::new(format!("cannot listen on 127.0.0.1:{port} for the program")).caused_by(error))?;
    Ok(socket.into())
}

/// What a step or service says about its environment.
pub(super) struct Own<'a> {
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) files: &'a [FilePath],
    pub(super) port: Option<u16>,
    pub(super) terminal: Terminal,
}

fn read_env_files(root: &Path, files: &[FilePath]) -> Result<Vec<(String, String)>, Problem> {
    let mut all = Vec::new();
    for file in files {
        let path: PathBuf = on_disk(root, file);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Problem::new(format!("cannot read the env file `{}`", file.display())).caused_by(error))?;
        let variables = dotenv::parse(&text, file).map_err(|problems| {
            let causes = crate::error::render(&problems, crate::error::Colour::Never);
            Problem::new(format!("problems in the env file `{}`", file.display())).caused_by(causes)
        })?;
        all.extend(variables);
    }
    Ok(all)
}

/// The environment without devloop's additions, for asking tool chains.
pub(super) fn declared_env(os: &[(OsString, OsString)], own: &BTreeMap<String, String>) -> Vec<(OsString, OsString)> {
    let mut env: BTreeMap<OsString, OsString> = os.iter().cloned().collect();
    env.extend(own.iter().map(|(name, value)| (name.into(), value.into())));
    env.into_iter().collect()
}

/// The key of what this step makes out of `inputs`.
pub(super) fn key(
    plan: &Plan,
    step: &Step,
    os_env: &[(OsString, OsString)],
    inputs: Digest,
    artifacts: &[Artifact],
) -> Digest {
    let command = bare(&step.run);
    store::key(&Ingredients {
        root: &plan.root,
        command: &command,
        cwd: &step.cwd,
        env: &step.env,
        env_files: &step.env_files,
        environment: os_env,
        inputs,
        artifacts,
    })
}

/// A command with every placeholder still in braces: the same words in every run.
fn bare(command: &Command) -> Resolved {
    let names = command.names();
    let vars: Vars = names.iter().map(|name| ((*name).to_owned(), format!("{{{name}}}").into())).collect();
    command.resolve(&vars)
}

/// A command as words, to find packages and flags in; a script is split as a shell would.
pub(super) fn bare_words(command: &Command) -> Vec<String> {
    let resolved = bare(command);
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    match command.program() {
        Some(_) => std::iter::once(&resolved.program).chain(&resolved.args).map(text).collect(),
        None => shell_words::split(&command.text).unwrap_or_default(),
    }
}
