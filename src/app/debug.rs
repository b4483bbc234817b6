//! Debuggers: which services a person wants under one, at which ports, and what it takes to start them so.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::{App, Happening};
use crate::{
    control::{Done, Refused},
    core::event::{Event, StopHow},
    error::Problem,
    model::{RunId, Switch},
    plan::{Begin, Debugger, Debugging, Plan, Service, Told, Vars},
    process::{Ports, Taken, find_program, who_listens_on},
    sys,
};

/// Opens node's inspector in the right process.
const INSPECTOR: &str = include_str!("inspector.cjs");
/// So many ports after the usual one are tried.
const NEAR: u16 = 20;
/// How often it is looked whether a debugger has started its program: some end as soon as they have begun.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// How often it is looked whether the program under a debugger still runs.
const LOOK: Duration = Duration::from_millis(250);
/// So many looks in a row must find none.
const GONE: u32 = 2;

/// What a person wants under debuggers.
#[derive(Debug, Default)]
pub(super) struct Debuggers {
    /// Who is debugged, where.
    wanted: BTreeMap<Arc<str>, u16>,
    /// Every port that a service's debugger has had: it gets the same one again.
    known: BTreeMap<Arc<str>, u16>,
}

impl Debuggers {
    /// These services of a plan are wanted from the start.
    ///
    /// # Errors
    /// One of them cannot be debugged, its debugger is missing, or its port is taken.
    pub(super) fn begin(
        plan: &Plan,
        names: &[String],
        env: &[(OsString, OsString)],
    ) -> Result<(Debuggers, Plan), Problem> {
        let mut debuggers = Debuggers::default();
        for name in names {
            let service = plan.service_to_debug(name)?;
            debuggers.want(plan, &service, env, |_| None)?;
        }
        let (plan, _) = debuggers.applied(plan, env);
        Ok((debuggers, plan))
    }

    /// The plan with everybody who is wanted under a debugger, and why that cannot be for some.
    fn applied(&self, plan: &Plan, env: &[(OsString, OsString)]) -> (Plan, Vec<Problem>) {
        let goflags = env.iter().find(|(name, _)| name == "GOFLAGS").map(|(_, value)| value.to_string_lossy());
        plan.debugged(&self.wanted, goflags.as_deref().unwrap_or_default())
    }

    fn want(
        &mut self,
        plan: &Plan,
        service: &Service,
        env: &[(OsString, OsString)],
        owner: impl Fn(u32) -> Option<RunId>,
    ) -> Result<(), Problem> {
        let (wanted, debugger) = plan.debug_port(service)?;
        if debugger == Some(Debugger::Delve) && delve(service, env).is_none() {
            let problem = Problem::new(format!("`dlv` is not installed, and service `{}` needs it", service.name));
            return Err(problem.hint(Debugger::Delve.install()));
        }
        let port = match (self.known.get(&service.name), service.debug.port) {
            (Some(known), None) => *known,
            (Some(known), Some(written)) if *known == written => written,
            (_, Some(written)) => match who_listens_on(written, owner) {
                Some(taken) => return Err(is_taken(service, written, &taken)),
                None => written,
            },
            (None, None) => self.free_port(wanted)?,
        };
        self.known.insert(service.name.clone(), port);
        self.wanted.insert(service.name.clone(), port);
        Ok(())
    }

    /// The usual port of a debugger, or the next one that is free and nobody else's.
    fn free_port(&self, usual: u16) -> Result<u16, Problem> {
        let mut near = usual..=usual.saturating_add(NEAR);
        let free = near.find(|port| !self.known.values().any(|known| known == port) && Ports::is_free(*port));
        free.ok_or_else(|| {
            let problem = Problem::new(format!("every port from {usual} to {} is taken", usual.saturating_add(NEAR)));
            problem.hint("`debug = { port = … }` in its `[[service]]` chooses another one")
        })
    }
}

fn is_taken(service: &Service, port: u16, taken: &Taken) -> Problem {
    Problem::new(format!("port {port}, for the debugger of `{}`, is taken by {taken}", service.name))
        .hint("end that one, or set another `port` in its `debug`")
}

/// Where `dlv` is: on the service's path, or where `go install` puts it.
fn delve(service: &Service, env: &[(OsString, OsString)]) -> Option<PathBuf> {
    let own = |name: &str| service.env.get(name).map(OsString::from);
    let variable = |name: &str| own(name).or_else(|| env.iter().find(|(known, _)| known == name).map(|v| v.1.clone()));
    let folders = [
        variable("GOBIN").map(PathBuf::from),
        variable("GOPATH").and_then(|path| std::env::split_paths(&path).next()).map(|path| path.join("bin")),
        variable("HOME").map(|home| PathBuf::from(home).join("go/bin")),
    ];
    let mut path = variable("PATH").unwrap_or_default();
    for folder in folders.into_iter().flatten() {
        path.push(":");
        path.push(folder);
    }
    find_program(OsStr::new("dlv"), &path, &service.cwd)
}

impl App {
    /// What is asked about debuggers: one service is to have one, or none any more.
    pub(super) fn debug(&mut self, name: Option<&str>, switch: Switch) -> Result<Done, Refused> {
        let name = match (name, self.base.services.as_slice()) {
            (Some(name), _) => name.to_owned(),
            (None, [only]) => only.name.to_string(),
            (None, services) => {
                let names: Vec<&str> = services.iter().map(|service| &*service.name).collect();
                let refused = Refused::new("which service is to be debugged?");
                return Err(refused.hint(format!("the services are `{}`", names.join("`, `"))));
            }
        };
        match switch {
            Switch::On => {
                let (programs, base) = (self.programs.clone(), self.base.clone());
                let service = base.service_to_debug(&name).map_err(refused)?;
                let owner = |pid| programs.owner_of(pid);
                self.debuggers.want(&base, &service, &self.os_env, owner).map_err(refused)?;
            }
            Switch::Off => {
                if self.debuggers.wanted.remove(&*name).is_none() {
                    return Err(Refused::new(format!("service `{name}` is not debugged")));
                }
            }
        }
        let plan = self.with_debuggers(&self.base.clone());
        self.handle(Event::Debug(plan.clone()));
        let debugging = plan.services.iter().find(|service| *service.name == *name);
        Ok(match debugging.and_then(|service| service.debugging.as_ref()) {
            Some(debugging) => serde_json::json!({
                "service": name, "debugger": debugging.name(), "address": debugging.address(),
                "begin": debugging.begin, "attach": debugging.attach(),
            }),
            None => serde_json::json!({ "service": name }),
        })
    }

    /// A plan that was read, with everybody who is wanted under a debugger. Who cannot be any more is told.
    pub(super) fn with_debuggers(&mut self, plan: &Plan) -> Arc<Plan> {
        let (plan, problems) = self.debuggers.applied(plan, &self.os_env);
        let is_debugged =
            |name: &Arc<str>| plan.services.iter().any(|service| service.name == *name && service.debugging.is_some());
        self.debuggers.wanted.retain(|name, _| is_debugged(name));
        for problem in problems {
            self.note(problem.message, problem.hint);
        }
        Arc::new(plan)
    }

    /// Values for the placeholders of a debugger's command.
    pub(super) fn debugger_vars(&self, service: &Service, debugging: &Debugging, vars: &mut Vars) {
        vars.insert("debug_port".to_owned(), debugging.port.to_string().into());
        vars.insert("debug_output".to_owned(), self.store.debug_file(&service.name).into());
        let program = delve(service, &self.os_env).map_or_else(|| "dlv".into(), PathBuf::into_os_string);
        vars.insert("debugger".to_owned(), program);
    }

    /// What a debugged program finds in its environment.
    ///
    /// # Errors
    /// What it is to be told by cannot be written.
    pub(super) fn debugger_environment(
        &self,
        debugging: &Debugging,
        env: &mut Vec<(OsString, OsString)>,
    ) -> Result<(), Problem> {
        if debugging.told == Told::ByCommand {
            return Ok(());
        }
        let script = self.store.write_debug_file("inspector.cjs", INSPECTOR)?;
        let known = env.iter().position(|(name, _)| name == "NODE_OPTIONS").map(|at| env.remove(at).1);
        let mut options = known.unwrap_or_default();
        options.push(" --require \"");
        options.push(script.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\""));
        options.push("\"");
        env.push(("NODE_OPTIONS".into(), options));
        env.push(("DEVLOOP_DEBUG_PORT".into(), debugging.port.to_string().into()));
        if debugging.begin == Begin::Wait {
            env.push(("DEVLOOP_DEBUG_WAIT".into(), "1".into()));
        }
        Ok(())
    }

    /// `dlv` stays when its program has ended, and waits for editors. Then the instance is over.
    pub(super) fn watch_debugged(&mut self, run: RunId) {
        let Some(debugging) = self.runs.get(&run).and_then(|known| known.debugging.clone()) else { return };
        if debugging.debugger != Some(Debugger::Delve) {
            return;
        }
        let Some(leader) = self.programs.leader(run) else { return };
        let inbox = self.inbox.clone();
        let task = tokio::spawn(async move {
            let (mut has_had_one, mut without) = (false, 0);
            while without < GONE {
                tokio::time::sleep(if has_had_one { LOOK } else { FIRST_LOOK }).await;
                // A debugger has children of its own, too. Where the OS does not tell, none is ever found, nor missed.
                let look = move || sys::descendants(leader).into_iter().any(sys::is_traced);
                let has_one = tokio::task::spawn_blocking(look).await.unwrap_or(true);
                has_had_one |= has_one;
                without = if has_one || !has_had_one { 0 } else { without + 1 };
            }
            _ = inbox.send(Happening::DebuggedEnded { run });
        });
        if let Some(known) = self.runs.get_mut(&run) {
            known.debugger_watch = Some(task.abort_handle());
        }
    }

    /// The program under this debugger has ended.
    pub(super) fn debugged_ended(&mut self, run: RunId) {
        if self.runs.contains_key(&run) {
            self.programs.stop(run, StopHow::Ask);
        }
    }
}

fn refused(problem: Problem) -> Refused {
    Refused { error: problem.message, hint: problem.hint }
}
