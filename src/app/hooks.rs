//! Hooks: programs that are started because something happened, beside the loop and never in its way. `hooks` says
//! which; here they get their environment, their run and their end.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    time::Duration,
};

use super::{App, Leaving};
use crate::{
    core::event::StopHow,
    escapes::strip_escapes,
    hooks::{Call, Hooks, Occasion},
    model::{Exit, Line, RunId},
    plan::{Resolved, Vars},
    process::{
        Ending, Kind, Launch, Output, Terminal,
        env::{Additions, Layers, compose},
    },
    ui,
};

/// The runs of hooks have numbers that those of steps and services never reach.
const FIRST: u64 = 1 << 40;
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// A notification that is not shown by then is not shown.
const DESKTOP: Duration = Duration::from_secs(10);

/// The source of what a notification's program says.
const NOTIFICATION: &str = "notification";

/// Whether this is what a notification's program says. If it matters it is told, once.
pub(super) fn is_about_notifications(output: &Output) -> bool {
    match output {
        Output::Line(Line { source, run, .. }) | Output::Partial(Line { source, run, .. }) => {
            run.0 >= FIRST && &**source == NOTIFICATION
        }
        Output::Dropped { .. } => false,
    }
}

/// The hooks and their runs.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) hooks: Hooks,
    runs: HashMap<RunId, Who>,
    last: u64,
    /// Whether it was said that notifications cannot be shown.
    desktop_failed: bool,
}

/// Whose run it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Hook { index: usize, command: String },
    Desktop,
}

impl App {
    /// What has been told is told to hooks, too.
    pub(super) fn call_hooks(&mut self, calls: impl IntoIterator<Item = Call>) {
        // At the end nothing new begins.
        if !matches!(self.leaving, Leaving::No) {
            return;
        }
        for call in calls {
            match call {
                Call::Bell => self.showing.ring(),
                Call::Desktop(occasion) => self.notify(&occasion),
                Call::Start { index, hook, occasion } => {
                    let who = Who::Hook { index, command: hook.run.text.clone() };
                    self.start_hook(who, hook.run.resolve(&Vars::new()), hook.timeout, &occasion);
                }
            }
        }
    }

    fn notify(&mut self, occasion: &Occasion) {
        if self.calls.desktop_failed || self.calls.runs.values().any(|who| *who == Who::Desktop) {
            return;
        }
        let title = format!("devloop: {}", self.plan.name);
        let place = occasion.place.as_ref().map(|place| format!("\n{place}")).unwrap_or_default();
        let body = format!("{}{place}", ui::say(&occasion.fact).title);
        self.start_hook(Who::Desktop, notification(&title, &body), DESKTOP, occasion);
    }

    fn start_hook(&mut self, who: Who, command: Resolved, timeout: Duration, occasion: &Occasion) {
        self.calls.last += 1;
        let run = RunId(FIRST + self.calls.last);
        let name = if who == Who::Desktop { NOTIFICATION } else { "hook" };
        self.calls.runs.insert(run, who);
        self.programs.launch(Launch {
            run,
            name: name.into(),
            command,
            cwd: self.plan.root.clone(),
            env: self.hook_environment(occasion),
            terminal: Terminal::Pipes,
            kind: Kind::Step,
            ending: Ending { signal: nix::libc::SIGTERM, grace: GRACE, run: None },
            listen: None,
        });
        let programs = self.programs.clone();
        tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            // A run that is over is not stopped by this.
            programs.stop(run, StopHow::Ask);
        });
    }

    fn hook_environment(&self, occasion: &Occasion) -> Vec<(OsString, OsString)> {
        let mut own = BTreeMap::new();
        let mut set = |name: &str, value: String| drop(own.insert(name.to_owned(), value.replace('\0', " ")));
        set("DEVLOOP_EVENT", occasion.moment.name().to_owned());
        set("DEVLOOP_TEXT", ui::say(&occasion.fact).title);
        set("DEVLOOP_FACT", serde_json::to_string(&occasion.fact).unwrap_or_default());
        set("DEVLOOP_PROJECT", self.plan.name.clone());
        set("DEVLOOP_NAME", occasion.name.as_deref().unwrap_or_default().to_owned());
        set("DEVLOOP_PLACE", occasion.place.clone().unwrap_or_default());
        let revision = occasion.revision.unwrap_or(self.status.borrow().revision);
        compose(&Layers {
            os: &self.os_env,
            files: &[],
            own: &own,
            devloop: Additions {
                port: None,
                revision,
                session: self.session.id(),
                colours: self.colours,
                terminal: Terminal::Pipes,
            },
        })
    }

    /// Whether this run is a hook's.
    pub(super) fn is_hook(&self, run: RunId) -> bool {
        self.calls.runs.contains_key(&run)
    }

    /// A hook's run is over.
    pub(super) fn hook_ended(&mut self, run: RunId, exit: &Exit, tail: &[String]) {
        match self.calls.runs.remove(&run) {
            None => {}
            Some(Who::Desktop) if exit.is_success() => {}
            Some(Who::Desktop) => {
                self.calls.desktop_failed = true;
                let why = tail.iter().rev().find(|line| !line.trim().is_empty());
                let why = why.map_or_else(|| exit.to_string(), |line| strip_escapes(line).trim().to_owned());
                let hint =
                    "`[notify] desktop` needs `notify-send` and a notification daemon on Linux, `osascript` on macOS";
                self.note(format!("no notification can be shown on the desktop: {why}"), Some(hint.to_owned()));
            }
            Some(Who::Hook { index, command }) => {
                if !exit.is_success() {
                    self.note(format!("the hook `{command}` failed: {exit}"), None);
                }
                let next = self.calls.hooks.ended(index);
                self.call_hooks(next);
            }
        }
    }
}

/// What shows a notification: a title and a text, never read as options.
fn notification(title: &str, body: &str) -> Resolved {
    let (program, args): (&str, Vec<&str>) = if cfg!(target_os = "macos") {
        let script = ["-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)"];
        ("osascript", script.into_iter().chain(["-e", "end run", title, body]).collect())
    } else {
        ("notify-send", vec!["--app-name=devloop", "--", title, body])
    };
    Resolved { program: program.into(), args: args.into_iter().map(OsString::from).collect() }
}
