//! What effects ask for is carried out: at once where that is quick, else in a task that answers with an event.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::mpsc::UnboundedSender, task::AbortHandle};

use super::{App, Happening, Leaving, Until, launch, lock, report, stamp, tls};
use crate::{
    core::{
        event::{BatchId, Effect, Event, Spawn},
        fact::Fact,
    },
    error::Problem,
    health::{self, Elsewhere, Front, Heard, Notify, Outcome, Socket, Target},
    model::{Artifact, Digest, Exit, FilePath, PastProgram, Provider, Report, Revision, RunId, Scheme},
    plan::{Cache, Debugger, Debugging, HostHeader, Inputs, Pattern, Service, Step},
    process::Lease,
    proxy::Speaks,
    store::{Keep, Store},
    toolchain::{self, Question},
    watch::Examined,
};

/// The keys and results of runs whose artifacts may be kept.
pub(super) type Keys = Arc<Mutex<HashMap<RunId, Made>>>;

/// What is known about an artifact that may be kept.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) key: Option<Digest>,
    pub(super) artifact: Option<Artifact>,
    pub(super) keep: Option<Keep>,
}

/// What belongs to a run while it lasts.
#[derive(Default)]
pub(super) struct Run {
    pub(super) port: Option<u16>,
    /// Who made the socket there.
    pub(super) socket: Socket,
    /// Given back when the run is over.
    pub(super) _lease: Option<Lease>,
    pub(super) heard: Option<Heard>,
    pub(super) notify: Option<Notify>,
    pub(super) probe: Option<AbortHandle>,
    pub(super) is_service: bool,
    /// The debugger that it runs under.
    pub(super) debugging: Option<Arc<Debugging>>,
    /// Watches whether the program under the debugger still runs.
    pub(super) debugger_watch: Option<AbortHandle>,
    /// A person's own pattern for places in its output.
    pub(super) problems: Option<Pattern>,
}

impl App {
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Digest { batch, paths } => self.digest(batch, paths),
            Effect::LookUp { run, step, artifacts, reuse } => self.look_up(run, step, artifacts, reuse),
            Effect::Spawn(spawn) => self.spawn(spawn),
            Effect::Stop { run, how } => {
                self.end_probe(run);
                self.programs.stop(run, how);
            }
            Effect::Fence { run } => self.watcher.fence(run),
            Effect::Examine { run, step, touched } => self.examine(run, step, touched),
            Effect::Keep { run } => self.keep(run),
            Effect::Collect { used } => self.collect(used),
            Effect::AskInputs { name, run } => self.ask_inputs(name, run),
            Effect::Probe { run, service } => self.probe(run, service),
            Effect::Drain { run, limit, uploads } => self.drain(run, limit, uploads),
            Effect::RememberExclusive { service } => {
                if let Err(error) = self.store.remember_exclusive(&service) {
                    self.note(format!("cannot write down that `{service}` is exclusive: {error}"), None);
                }
            }
            Effect::RememberPrograms { service, programs } => self.remember_programs(&service, programs),
            Effect::Reload => self.read_plan_again(),
            Effect::Tell(fact) => self.tell(fact),
            Effect::Leave => {
                let leaving = std::mem::replace(&mut self.leaving, Leaving::No);
                self.leaving = match leaving {
                    Leaving::Asked(ending, shutdown) | Leaving::Left(ending, shutdown) => {
                        Leaving::Left(ending, shutdown)
                    }
                    Leaving::No => Leaving::Left(super::Ending::Failed, None),
                };
            }
        }
    }

    /// Prints and logs a fact, and does what follows from it outside of the core.
    pub(super) fn tell(&mut self, fact: Fact) {
        match &fact {
            Fact::StepDone { step, took_ms, .. } => self.store.took(step, Duration::from_secs_f64(took_ms / 1000.0)),
            Fact::Live { service, times, .. } => {
                self.store.took(service, Duration::from_secs_f64((times.start_ms + times.ready_ms) / 1000.0));
            }
            Fact::Saved { revision, .. } => self.reach(*revision),
            Fact::Assets { service, files, count } => {
                self.tell_pages(Provider::Service(service.clone()), files, *count);
            }
            Fact::Files { folder, files, count } => self.tell_pages(Provider::Folder(folder.clone()), files, *count),
            Fact::AtRest { ok, .. } if self.until == Until::Settled => {
                _ = self.inbox.send(Happening::Settled { ok: *ok });
            }
            _ => {}
        }
        self.log.fact(&serde_json::to_string(&fact).unwrap_or_default());
        let calls = self.calls.hooks.hear(&fact);
        let stamp = stamp(self.clock.now());
        self.showing.fact(stamp, fact);
        self.call_hooks(calls);
    }

    /// Of these files, if they are all.
    fn tell_pages(&self, provider: Provider, files: &[String], count: usize) {
        self.doors.proxy.changed(provider, (files.len() == count).then(|| files.to_vec()));
    }

    fn digest(&self, batch: BatchId, paths: Vec<FilePath>) {
        let owners = self.runs.iter().filter(|(_, run)| run.is_service);
        let owners = owners.filter_map(|(id, _)| self.programs.leader(*id)).collect();
        let (watcher, inbox) = (self.watcher.clone(), self.inbox.clone());
        tokio::spawn(async move {
            let verdicts = watcher.digest(paths, owners).await;
            send(&inbox, Event::Digested { batch, verdicts });
        });
    }

    fn look_up(&self, run: RunId, step: Arc<Step>, artifacts: Vec<Artifact>, reuse: bool) {
        let (watcher, store, inbox, keys) =
            (self.watcher.clone(), self.store.clone(), self.inbox.clone(), self.keys.clone());
        let (plan, os_env) = (self.plan.clone(), self.os_env.clone());
        let learned = self.core.learned(&step.name);
        let keep = if step.cache == Cache::Kept { Keep::Across } else { Keep::Session };
        tokio::spawn(async move {
            if step.cache == Cache::Kept {
                // What an earlier devloop made is worth knowing what is in the files.
                watcher.baseline().await;
            }
            let inputs = watcher.inputs_digest(plan.clone(), step.name.clone(), learned.clone()).await;
            let (name, names_of) = (step.name.clone(), plan.clone());
            let key_of = move |inputs| launch::key(&plan, &step, &os_env, inputs, &artifacts);
            let key = inputs.map(&key_of);
            lock(&keys).insert(run, Made { key, artifact: None, keep: Some(keep) });
            let look = move || key.filter(|_| reuse).and_then(|key| store.lookup(key));
            let found = tokio::task::spawn_blocking(look).await.ok().flatten();
            send(&inbox, Event::LookedUp { run, found });
            if key.is_none() {
                watcher.baseline().await;
                let inputs = watcher.inputs_digest(names_of, name, learned).await;
                // Too late if the run is over: then nothing tells whether it read what is in the files now.
                if let Some(made) = lock(&keys).get_mut(&run) {
                    made.key = inputs.map(key_of);
                }
            }
        });
    }

    fn spawn(&mut self, spawn: Spawn) {
        let run = spawn.run;
        match self.prepare(&spawn) {
            Ok((launch, known)) => {
                self.runs.insert(run, known);
                self.programs.launch(launch);
            }
            Err(problem) => {
                let exit = Exit::NotStarted(problem.message.clone());
                let mut report = Report::new("");
                report.output = problem.causes;
                report.hint = problem.hint;
                send(&self.inbox, Event::Exited { run, exit, clue: None, report });
            }
        }
    }

    /// The program of a run has ended: a write from now on need not make it void, so a key that is not known yet must
    /// not be computed any more.
    pub(super) fn seal(&self, run: RunId) {
        let mut keys = lock(&self.keys);
        if keys.get(&run).is_some_and(|made| made.key.is_none()) {
            keys.remove(&run);
        }
    }

    /// A run has ended and the core knows.
    pub(super) fn over(&mut self, run: RunId) {
        self.end_probe(run);
        lock(&self.ears).remove(&run);
        if let Some(watch) = self.runs.get_mut(&run).and_then(|known| known.debugger_watch.take()) {
            watch.abort();
        }
        if self.runs.remove(&run).is_some_and(|known| known.is_service) {
            self.doors.proxy.gone(run);
        }
    }

    fn end_probe(&mut self, run: RunId) {
        if let Some(probe) = self.runs.get_mut(&run).and_then(|known| known.probe.take()) {
            probe.abort();
        }
    }

    fn examine(&self, run: RunId, step: Arc<Step>, touched: Vec<FilePath>) {
        let (watcher, store, inbox, keys) =
            (self.watcher.clone(), self.store.clone(), self.inbox.clone(), self.keys.clone());
        tokio::spawn(async move {
            let Examined { changed, foreign } = watcher.examine(step.clone(), touched).await;
            let made = tokio::task::spawn_blocking(move || made(&store, &step, run)).await;
            let (artifact, missing) = made.unwrap_or_default();
            if let Some(known) = lock(&keys).get_mut(&run) {
                known.artifact.clone_from(&artifact);
            }
            send(&inbox, Event::Examined { run, changed, foreign, artifact, missing });
        });
    }

    fn keep(&self, run: RunId) {
        let Some(Made { key: Some(key), artifact: Some(artifact), keep: Some(keep) }) = lock(&self.keys).remove(&run)
        else {
            return;
        };
        let (store, teller) = (self.store.clone(), self.showing.teller(self.clock));
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.keep(key, &artifact, keep) {
                teller.note(format!("the artifact of `{}` cannot be kept: {error}", artifact.step));
            }
        });
    }

    fn remember_programs(&self, service: &str, programs: Vec<PastProgram>) {
        // In order here; only the writing may take its time.
        self.store.set_programs(service, programs);
        let (store, teller) = (self.store.clone(), self.showing.teller(self.clock));
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.save() {
                teller.note(format!("cannot write down what one can go back to later: {error}"));
            }
        });
    }

    fn reach(&self, revision: Revision) {
        let (store, teller) = (self.store.clone(), self.showing.teller(self.clock));
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.reach(revision) {
                teller.note(format!("cannot write down which revisions there were: {error}"));
            }
        });
    }

    fn collect(&self, used: Vec<RunId>) {
        lock(&self.keys).retain(|run, _| used.contains(run));
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.collect(&used));
    }

    fn ask_inputs(&self, name: Arc<str>, run: RunId) {
        let question = self.question(&name);
        let (inbox, teller) = (self.inbox.clone(), self.showing.teller(self.clock));
        tokio::spawn(async move {
            let reads = match question {
                Some(question) => toolchain::ask(question).await.inspect_err(|why| {
                    teller.note(format!("cannot find out what `{name}` reads: {why}; everything counts"));
                }),
                None => Err(String::new()),
            };
            send(&inbox, Event::Learned { name, run, reads: reads.ok() });
        });
    }

    fn question(&self, name: &str) -> Option<Question> {
        let step = self.plan.steps.iter().find(|step| &*step.name == name);
        let service = self.plan.services.iter().find(|service| &*service.name == name);
        let (inputs, command, cwd, env) = match (step, service) {
            (Some(step), _) => (&step.inputs, &step.run, &step.cwd, &step.env),
            (None, Some(service)) => (&service.inputs, &service.run, &service.cwd, &service.env),
            (None, None) => return None,
        };
        let Inputs::Tool(tool) = *inputs else { return None };
        Some(Question {
            tool,
            cwd: cwd.clone(),
            root: self.plan.root.clone(),
            command: launch::bare_words(command),
            env: launch::declared_env(&self.os_env, env),
        })
    }

    fn probe(&mut self, run: RunId, service: Arc<Service>) {
        let leader = self.programs.leader(run).unwrap_or_default();
        let mut own: Vec<u16> = self.doors.proxy.addresses().iter().map(|address| address.port()).collect();
        let public = own.first().map_or_else(|| "localhost".to_owned(), |port| format!("localhost:{port}"));
        let Some(known) = self.runs.get_mut(&run) else { return };
        let scheme = if self.plan.proxy.tls { Scheme::Https } else { Scheme::Http };
        let host = match (self.plan.host_header(&service.name), known.port) {
            (HostHeader::Name(name), _) => name.clone(),
            (HostHeader::Upstream, Some(port)) => format!("127.0.0.1:{port}"),
            (HostHeader::Upstream, None) | (HostHeader::Keep, _) => public,
        };
        // That its debugger listens there is no reason to look for the program there.
        own.extend(known.debugging.as_ref().map(|debugging| debugging.port));
        // Those of debugpy, and of a debugger that is not known, take whoever connects for a part of themselves.
        let elsewhere = match known.debugging.as_ref().map(|debugging| debugging.debugger) {
            Some(None | Some(Debugger::Debugpy)) => Elsewhere::LeftAlone,
            None | Some(Some(Debugger::Delve | Debugger::Node)) => Elsewhere::Sought,
        };
        let seen = self.inbox.clone();
        let mut target = Target {
            run,
            rules: health::Rules::of(&service),
            port: known.port,
            leader,
            front: Front { host, scheme },
            proxy_ports: own,
            elsewhere,
            socket: known.socket,
            tls: None,
            heard: known.heard.take(),
            notify: known.notify.take(),
            seen: Box::new(move |text| send(&seen, Event::Probing { run, seen: text })),
        };
        let (inbox, proxy, protocol) = (self.inbox.clone(), Arc::clone(&self.doors.proxy), service.protocol);
        let root = self.plan.root.clone();
        let task = tokio::spawn(async move {
            let handshake = tls::handshake(&root, &service).await;
            let outcome = match &handshake {
                Ok(tls) => {
                    target.tls.clone_from(tls);
                    health::probe(target).await
                }
                Err(problem) => Outcome::Unhealthy(unreadable(problem)),
            };
            let event = match outcome {
                Outcome::Ready { addrs, warning, exclusive } => {
                    proxy.add(run, addrs, Speaks { protocol, tls: handshake.ok().flatten() });
                    Event::Ready { run, warning, elsewhere: exclusive }
                }
                Outcome::Unhealthy(report) => Event::Unhealthy { run, report },
            };
            send(&inbox, event);
        });
        known.probe = Some(task.abort_handle());
    }

    fn drain(&self, run: RunId, limit: Duration, uploads: Duration) {
        let (proxy, inbox) = (Arc::clone(&self.doors.proxy), self.inbox.clone());
        tokio::spawn(async move {
            proxy.drain_uploads(run, limit, uploads).await;
            send(&inbox, Event::Drained { run });
        });
    }

    fn read_plan_again(&self) {
        let Some(reload) = self.reload.clone() else { return };
        let inbox = self.inbox.clone();
        tokio::task::spawn_blocking(move || {
            let event = match reload() {
                Ok(plan) => Event::NewPlan(Arc::new(plan)),
                Err(problems) => Event::BadPlan(report::of_plan(&problems)),
            };
            send(&inbox, event);
        });
    }
}

/// A program that cannot be spoken to, because of this.
fn unreadable(problem: &Problem) -> Report {
    let (output, hint) = (problem.causes.clone(), problem.hint.clone());
    Report { output, hint, ..Report::new(problem.message.clone()) }
}

/// What a run wrote to `{out}`.
fn made(store: &Store, step: &Arc<Step>, run: RunId) -> (Option<Artifact>, Option<Report>) {
    if !step.makes_artifact {
        return (None, None);
    }
    match store.made(&step.name, run) {
        Ok(Some(artifact)) => (Some(artifact), None),
        Ok(None) => {
            let title = format!("step `{}` ended well but wrote nothing to `{{out}}`", step.name);
            let hint = "its command has to write its result to the path that `{out}` stands for";
            (None, Some(Report::new(title).hint(hint)))
        }
        Err(error) => {
            let title = format!("what step `{}` wrote to `{{out}}` cannot be read: {error}", step.name);
            (None, Some(Report::new(title)))
        }
    }
}

pub(super) fn send(inbox: &UnboundedSender<Happening>, event: Event) {
    // Without a receiver devloop is ending, and nobody wants to know.
    _ = inbox.send(Happening::Event(event));
}
