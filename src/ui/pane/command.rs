//! What a person can ask the pane to do: by a key, from the palette, with the mouse.

use std::sync::Arc;

use super::{
    fuzzy::score,
    log::Least,
    logview::{Form, Times, Wrap},
    view::{Seat, View},
};
use crate::{
    core::{
        event::Earlier,
        status::{ServiceStatus, WatchingState},
    },
    model::{Revision, Switch},
};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Run this step again, or all.
    Rebuild(Option<Arc<str>>),
    /// Go back to an earlier program.
    RollBack(Earlier),
    /// Let saves start nothing for now.
    Pause,
    /// Let go of what was paused or pinned.
    Resume,
    /// Start this service again.
    Restart(Arc<str>),
    /// Start this service under its debugger, or without it again.
    Debug(Arc<str>, Switch),
    /// Open the proxy's address in the browser.
    OpenBrowser,
    /// Open this place of the problem in the editor.
    OpenEditor(usize),
    /// Show only this source, or all.
    Show(Option<Arc<str>>),
    /// Show only lines that are this serious.
    Least(Least),
    Wrap(Wrap),
    Form(Form),
    Times(Times),
    Search,
    FoundAbove,
    FoundBelow,
    ErrorAbove,
    ErrorBelow,
    Top,
    Follow,
    Clear,
    Copy,
    Palette,
    Help,
    /// Leave a pane that is attached.
    Leave,
    /// End devloop.
    Quit,
}

impl Command {
    /// Everything that can be done now.
    pub(super) fn all(view: &View) -> Vec<Command> {
        let status = &view.status;
        let mut all = vec![Command::Rebuild(None)];
        all.extend(status.steps.iter().map(|step| Command::Rebuild(Some(step.name.clone()))));
        all.push(Command::RollBack(Earlier::Back(1)));
        // What is live already is nothing to go back to.
        let earlier = |service: &ServiceStatus| {
            let live = service.live.as_ref().map(|live| live.revision);
            service.kept.iter().copied().filter(move |revision| Some(*revision) != live).collect::<Vec<_>>()
        };
        let mut kept: Vec<Revision> = status.services.iter().flat_map(earlier).collect();
        kept.sort_unstable_by_key(|revision| std::cmp::Reverse(*revision));
        kept.dedup();
        all.extend(kept.into_iter().map(|revision| Command::RollBack(Earlier::Revision(revision))));
        all.push(Command::pause_or_resume(view));
        all.extend(view.status.services.iter().map(|service| Command::Restart(service.name.clone())));
        all.extend(status.services.iter().map(|service| {
            let switch = if service.debugging.is_some() { Switch::Off } else { Switch::On };
            Command::Debug(service.name.clone(), switch)
        }));
        if view.url.is_some() {
            all.push(Command::OpenBrowser);
        }
        all.extend((0..view.places().len()).map(Command::OpenEditor));
        all.push(Command::Show(None));
        all.extend(view.sources.iter().map(|source| Command::Show(Some(source.clone()))));
        all.extend(Least::ALL.map(Command::Least));
        all.extend([
            Command::Search,
            Command::FoundAbove,
            Command::FoundBelow,
            Command::ErrorAbove,
            Command::ErrorBelow,
            Command::Top,
            Command::Follow,
            view.log.wrap.other(),
            view.log.form.other(),
            view.log.times.other(),
            Command::Clear,
            Command::Copy,
            Command::Help,
        ]);
        if view.seat == Seat::Attached {
            all.push(Command::Leave);
        }
        all.push(Command::Quit);
        all
    }

    /// Stops what is paused or pinned, else pauses.
    pub(super) fn pause_or_resume(view: &View) -> Command {
        let held = view.status.watching == WatchingState::Paused
            || view.status.services.iter().any(|service| service.pinned.is_some());
        if held { Command::Resume } else { Command::Pause }
    }

    /// What `q` does: who is attached goes alone.
    pub(super) fn leave_or_quit(view: &View) -> Command {
        match view.seat {
            Seat::Own => Command::Quit,
            Seat::Attached => Command::Leave,
        }
    }

    /// Those that the typed words find, best first; all for no words.
    pub(super) fn found(all: Vec<Command>, typed: &str) -> Vec<Command> {
        let mut found: Vec<(u32, Command)> =
            all.into_iter().filter_map(|command| Some((score(&command.words(), typed)?, command))).collect();
        // Stable: what is equally good stays in its order.
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        found.into_iter().map(|(_, command)| command).collect()
    }

    /// What it does.
    pub(super) fn words(&self) -> String {
        match self {
            Command::Rebuild(None) => "rebuild everything".to_owned(),
            Command::Rebuild(Some(step)) => format!("rebuild {step}"),
            Command::RollBack(Earlier::Back(_)) => "roll back to the program before".to_owned(),
            Command::RollBack(Earlier::Revision(revision)) => format!("roll back to revision {revision}"),
            Command::Pause => "pause: saves start nothing for now".to_owned(),
            Command::Resume => "resume: let saves count, let go of an earlier program".to_owned(),
            Command::Restart(service) => format!("restart {service}"),
            Command::Debug(service, Switch::On) => format!("debug {service}: start it under its debugger"),
            Command::Debug(service, Switch::Off) => format!("debug {service} no longer"),
            Command::OpenBrowser => "open the browser".to_owned(),
            Command::OpenEditor(0) => "open the problem in the editor".to_owned(),
            Command::OpenEditor(nth) => format!("open place {} of the problem in the editor", nth + 1),
            Command::Show(None) => "log: show every source".to_owned(),
            Command::Show(Some(source)) => format!("log: show only {source}"),
            Command::Least(least) => format!("log: show {}", least.words()),
            Command::Wrap(Wrap::On) => "log: wrap long lines".to_owned(),
            Command::Wrap(Wrap::Off) => "log: do not wrap long lines".to_owned(),
            Command::Form(Form::Readable) => "log: make JSON readable".to_owned(),
            Command::Form(Form::Raw) => "log: show JSON as it was written".to_owned(),
            Command::Times(Times::Shown) => "log: show times".to_owned(),
            Command::Times(Times::Hidden) => "log: hide times".to_owned(),
            Command::Search => "log: search".to_owned(),
            Command::FoundBelow => "log: match below".to_owned(),
            Command::FoundAbove => "log: match above".to_owned(),
            Command::ErrorBelow => "log: error below".to_owned(),
            Command::ErrorAbove => "log: error above".to_owned(),
            Command::Top => "log: to the oldest line".to_owned(),
            Command::Follow => "log: follow the newest line".to_owned(),
            Command::Clear => "log: clear".to_owned(),
            Command::Copy => "log: only the log, to copy from it".to_owned(),
            Command::Palette => "list everything that can be done".to_owned(),
            Command::Help => "help: what the keys do".to_owned(),
            Command::Leave => "leave this pane; devloop goes on".to_owned(),
            Command::Quit => "quit: end devloop and everything it started".to_owned(),
        }
    }

    /// The key that does it.
    pub(super) fn key(&self, seat: Seat) -> &'static str {
        match self {
            Command::Rebuild(None) => "r",
            Command::Rebuild(Some(_)) | Command::RollBack(Earlier::Revision(_)) => "",
            Command::RollBack(Earlier::Back(_)) => "b",
            Command::Pause | Command::Resume => "p",
            Command::Restart(_) => "R",
            Command::Debug(..) => "",
            Command::OpenBrowser => "o",
            Command::OpenEditor(0) => "e",
            Command::OpenEditor(_) => "",
            Command::Show(None) => "a",
            Command::Show(Some(_)) => "l",
            Command::Least(_) => "s",
            Command::Wrap(_) => "w",
            Command::Form(_) => "v",
            Command::Times(_) => "t",
            Command::Search => "/",
            Command::FoundAbove => "n",
            Command::FoundBelow => "N",
            Command::ErrorAbove => "x",
            Command::ErrorBelow => "X",
            Command::Top => "g",
            Command::Follow => "f",
            Command::Clear => "Ctrl-L",
            Command::Copy => "c",
            Command::Palette => ":",
            Command::Help => "?",
            Command::Quit if seat == Seat::Attached => "",
            Command::Quit | Command::Leave => "q",
        }
    }
}

impl Wrap {
    pub(super) fn other(self) -> Command {
        Command::Wrap(if self == Wrap::On { Wrap::Off } else { Wrap::On })
    }
}

impl Form {
    pub(super) fn other(self) -> Command {
        Command::Form(if self == Form::Readable { Form::Raw } else { Form::Readable })
    }
}

impl Times {
    pub(super) fn other(self) -> Command {
        Command::Times(if self == Times::Hidden { Times::Shown } else { Times::Hidden })
    }
}
