//! What is asked over the control socket and only the loop can do or knows.

use std::{path::Path, sync::Arc};

use serde_json::json;
use tokio::sync::watch;

use super::{App, Ending, Happening, launch::Own, load::counts};
use crate::{
    control::{About, Ask, Done, Entry, Feeds, Refused, Render, Server, Stage, What, Wish},
    core::{
        event::{Earlier, Event},
        status::WatchingState,
    },
    error::{Colour, did_you_mean},
    model::{FilePath, Revision},
    plan::Service,
    process::{SESSION_MARK, Terminal},
    store::FOLDER,
    ui::{Format, Printer, Stamp},
};

impl App {
    /// Begins to answer on the control socket. Without one devloop goes on, and says so.
    pub(super) fn listen_to_commands(&mut self) {
        let inbox = self.inbox.clone();
        let (root, logs) = (self.plan.root.clone(), self.plan.root.join(FOLDER).join("log"));
        let (folders, window) = (super::show::folders(&self.plan), self.plan.notify.window);
        self.about.send_modify(|about| {
            let url = about.url.clone();
            let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
            *about = Arc::new(About { version, pid, root, folders, url, window, logs });
        });
        let look = super::begin::looks(self.inbox.clone());
        let (audience, proxy) = (self.audience.clone(), Arc::clone(&self.doors.proxy));
        let feeds = Feeds {
            status: self.status.subscribe(),
            chronicle: self.audience.chronicle(),
            render: Render { json: as_json, plain: as_plain },
            about: self.about.subscribe(),
            wish: Arc::new(move |wish| _ = inbox.send(Happening::Wish(wish))),
            look,
            turn: super::begin::turns(self.inbox.clone()),
            rings: audience.rings(),
            now: Arc::new(move || audience.now()),
            count: Arc::new(move || counts(&proxy)),
            stage: watch::Sender::new(Stage::Alive),
        };
        match Server::begin(&self.plan.root, &self.plan.name, &self.os_env, feeds) {
            Ok(server) => self.control = Some(server),
            Err(problem) => {
                let causes: String = problem.causes.iter().map(|cause| format!(": {cause}")).collect();
                self.note(format!("other terminals cannot steer this devloop: {}{causes}", problem.message), None);
            }
        }
    }

    pub(super) fn wish(&mut self, wish: Wish) {
        let Wish { ask, answer } = wish;
        let ends = ask == Ask::Stop;
        // Who has gone meanwhile need not know.
        _ = answer.send(self.fulfil(ask));
        if ends {
            self.ask_to_leave(Ending::Stopped, "`devloop stop`");
        }
    }

    fn fulfil(&mut self, ask: Ask) -> Result<Done, Refused> {
        match ask {
            Ask::Restart { service } => self.restart(service.as_deref()),
            Ask::Rebuild { step } => self.rebuild(step.as_deref()),
            Ask::Rollback { revision, back } => self.roll_back(revision, back),
            Ask::Debug { service, switch } => self.debug(service.as_deref(), switch),
            Ask::Pause => {
                self.handle(Event::Pause);
                Ok(self.watching())
            }
            Ask::Resume => {
                self.handle(Event::Resume);
                Ok(self.watching())
            }
            Ask::Stop => Ok(json!({})),
            Ask::WhyFile { file } => Ok(self.why_file(&file)),
            Ask::Environment { service } => self.environment_of(service.as_deref()),
            // The room answers these itself.
            Ask::Status | Ask::Wait(_) | Ask::Logs(_) | Ask::Attach(_) | Ask::WhyRevision { .. } => {
                Err(Refused::new("this is not for the loop"))
            }
        }
    }

    fn watching(&self) -> Done {
        json!({ "watching": self.core.status().watching })
    }

    fn restart(&mut self, name: Option<&str>) -> Result<Done, Refused> {
        let services: Vec<Arc<str>> = match name {
            Some(name) => vec![self.service(name)?.name.clone()],
            None => self.plan.services.iter().map(|service| service.name.clone()).collect(),
        };
        if services.is_empty() {
            return Err(Refused::new("there is no service to restart"));
        }
        for service in &services {
            self.handle(Event::Restart(service.clone()));
        }
        Ok(json!({ "services": services }))
    }

    fn rebuild(&mut self, name: Option<&str>) -> Result<Done, Refused> {
        let known: Vec<Arc<str>> = self.plan.steps.iter().map(|step| step.name.clone()).collect();
        if known.is_empty() {
            return Err(Refused::new("there are no steps to run again").hint("`devloop restart` starts services again"));
        }
        let Some(name) = name else {
            self.handle(Event::Rebuild(None));
            return Ok(json!({ "steps": known }));
        };
        match known.iter().find(|step| &***step == name) {
            Some(step) => {
                self.handle(Event::Rebuild(Some(step.clone())));
                Ok(json!({ "steps": [step] }))
            }
            None => Err(unknown("step", name, known.iter().map(|step| &**step))),
        }
    }

    fn roll_back(&mut self, revision: Option<u64>, back: Option<usize>) -> Result<Done, Refused> {
        let earlier = match (revision, back) {
            (Some(_), Some(_)) => return Err(Refused::new("either a revision or how far back, not both")),
            (Some(revision), None) => Earlier::Revision(Revision(revision)),
            (None, Some(0)) => return Err(Refused::new("how far back is counted from 1")),
            (None, back) => Earlier::Back(back.unwrap_or(1)),
        };
        self.core.can_roll_back(earlier).map_err(Refused::new)?;
        self.handle(Event::RollBack(earlier));
        let status = self.core.status();
        let pinned = status.services.iter().filter_map(|service| {
            let revision = service.pinned?;
            Some(json!({ "service": service.name, "revision": revision }))
        });
        Ok(json!({ "pinned": pinned.collect::<Vec<_>>() }))
    }

    fn why_file(&self, file: &str) -> Done {
        let path = Path::new(file);
        let short: FilePath = match path.strip_prefix(&self.plan.root) {
            Ok(inside) => Arc::from(inside),
            Err(_) => Arc::from(path),
        };
        let status = self.core.status();
        json!({
            "file": short.display().to_string(),
            "exists": self.plan.root.join(path).exists(),
            "readers": self.core.readers(&short),
            "ignored": self.watcher.why_ignored(&short),
            "paused": status.watching == WatchingState::Paused,
        })
    }

    /// What a program gets that runs beside this service: what its environment has that ours has not.
    fn environment_of(&self, name: Option<&str>) -> Result<Done, Refused> {
        let service = match name {
            Some(name) => self.service(name)?,
            None => self.plan.services.first().cloned().ok_or_else(|| Refused::new("there are no services"))?,
        };
        let status = self.core.status();
        let live = status.services.iter().find(|node| node.name == service.name).and_then(|node| node.live.as_ref());
        let own = Own {
            env: &service.env,
            files: &service.env_files,
            port: live.and_then(|live| live.port),
            terminal: Terminal::Pty,
        };
        let revision = live.map_or(status.revision, |live| live.revision);
        let env = self.environment(revision, &own).map_err(|problem| {
            let causes: String = problem.causes.iter().map(|cause| format!(": {cause}")).collect();
            Refused { error: format!("{}{causes}", problem.message), hint: problem.hint }
        })?;
        // The mark would make it one of our own, to be ended with us.
        let added = env.into_iter().filter(|(name, _)| name != SESSION_MARK);
        let added = added.filter(|pair| !self.os_env.contains(pair));
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let env: Vec<(String, String)> = added.filter_map(text).collect();
        Ok(json!({ "service": service.name, "env": env, "port": own.port, "cwd": service.cwd }))
    }

    fn service(&self, name: &str) -> Result<Arc<Service>, Refused> {
        let services = &self.plan.services;
        let found = services.iter().find(|service| &*service.name == name);
        found.cloned().ok_or_else(|| unknown("service", name, services.iter().map(|service| &*service.name)))
    }
}

fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Refused {
    let refused = Refused::new(format!("no {kind} is named `{name}`"));
    let all: Vec<&str> = known.clone().collect();
    match did_you_mean(name, known) {
        Some(near) => refused.hint(format!("did you mean `{near}`?")),
        None if all.is_empty() => refused.hint(format!("there are no {kind}s")),
        None => refused.hint(format!("the {kind}s are `{}`", all.join("`, `"))),
    }
}

fn as_json(entry: &Entry) -> String {
    printed(entry, Format::Json)
}

fn as_plain(entry: &Entry, colour: Colour) -> String {
    printed(entry, Format::Plain(colour))
}

fn printed(entry: &Entry, format: Format) -> String {
    let stamp = Stamp { at: entry.at, unix: entry.unix };
    let mut printer = Printer::new(Vec::new(), format, []);
    match &entry.what {
        What::Fact(fact) => printer.fact(stamp, fact),
        What::Line(line) => printer.line(stamp, line),
    }
    let mut text = String::from_utf8_lossy(&printer.into_inner()).into_owned();
    text.truncate(text.trim_end_matches('\n').len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_unknown_is_told_who_is_known() {
        let refused = unknown("service", "apo", ["api", "web"].into_iter());
        assert_eq!(
            (refused.error.as_str(), refused.hint.as_deref()),
            ("no service is named `apo`", Some("did you mean `api`?"))
        );
        let refused = unknown("step", "xyzzy", ["build", "gen"].into_iter());
        assert_eq!(refused.hint.as_deref(), Some("the steps are `build`, `gen`"));
    }
}
