//! What the commands of the pane do, and what of it is for others to do.

use std::sync::Arc;

use super::{
    command::Command,
    logview::{Anchor, Found},
    row::{Look, Prefix},
    view::{Mode, Seat, View},
};
use crate::{
    core::event::Earlier,
    model::{Place, Switch},
};

/// What the pane asks others to do.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Steer devloop.
    Steer(Steer),
    /// Open this address in the browser.
    Browse(String),
    /// Open this place in the editor.
    Edit(Place),
    /// End devloop in order.
    Quit,
    /// Leave this pane; devloop goes on.
    Leave,
    /// What the terminal would do by itself on Ctrl-C.
    Interrupt,
    /// On Ctrl-\.
    Abort,
    /// On Ctrl-Z.
    Suspend,
    /// The programs of the mouse get it back, or lose it: the terminal's own selection works only without.
    Mouse(Mouse),
}

/// What a person wants devloop to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Steer {
    /// Run this step again, or all.
    Rebuild(Option<Arc<str>>),
    /// Start this service again.
    Restart(Arc<str>),
    /// Go back to an earlier program.
    RollBack(Earlier),
    /// Start this service under its debugger, or without it again.
    Debug(Arc<str>, Switch),
    /// Let saves start nothing for now.
    Pause,
    /// Let go of what was paused or pinned.
    Resume,
    /// End everything.
    Stop,
}

/// Whether the pane gets to know what the mouse does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mouse {
    /// The wheel scrolls, a click shows one source.
    Ours,
    /// The terminal's: text can be selected.
    Theirs,
}

impl View {
    /// Does it, or asks for it.
    pub(super) fn run(&mut self, command: Command) -> Option<Ask> {
        match command {
            Command::Rebuild(step) => {
                self.say(match &step {
                    Some(step) => format!("rebuilds {step}"),
                    None => "rebuilds everything".to_owned(),
                });
                return Some(Ask::Steer(Steer::Rebuild(step)));
            }
            Command::RollBack(earlier) => return self.roll_back(earlier),
            Command::Pause => return Some(Ask::Steer(Steer::Pause)),
            Command::Resume => return Some(Ask::Steer(Steer::Resume)),
            Command::Restart(service) => {
                self.say(format!("restarts {service}"));
                return Some(Ask::Steer(Steer::Restart(service)));
            }
            Command::Debug(service, switch) => return Some(Ask::Steer(Steer::Debug(service, switch))),
            Command::OpenBrowser => match self.url.clone() {
                Some(url) => return Some(Ask::Browse(url)),
                None => self.say("nothing listens: there is no service with a port"),
            },
            Command::OpenEditor(nth) => match self.places().get(nth).cloned() {
                Some(place) => return Some(Ask::Edit(place)),
                None => self.say("no problem with a place in a file"),
            },
            Command::Show(source) => {
                self.log.filter.source = source;
                self.log.follow();
            }
            Command::Least(least) => {
                self.log.filter.least = least;
                self.log.follow();
                self.say(format!("shows {}", least.words()));
            }
            Command::Wrap(wrap) => {
                self.log.wrap = wrap;
                self.log.across = 0;
            }
            Command::Form(form) => self.log.form = form,
            Command::Times(times) => self.log.times = times,
            Command::Search => self.mode = Mode::Searching { typed: String::new() },
            Command::FoundBelow | Command::FoundAbove | Command::ErrorBelow | Command::ErrorAbove => {
                self.jump(&command);
            }
            Command::Top => self.with_look(|log, store, look| log.top(store, look)),
            Command::Follow => self.log.follow(),
            Command::Clear => {
                self.store.clear();
                self.log.follow();
            }
            Command::Copy => {
                self.mode = Mode::Copying;
                return Some(Ask::Mouse(Mouse::Theirs));
            }
            Command::Palette => self.mode = Mode::Choosing { typed: String::new(), chosen: 0 },
            Command::Help => self.mode = Mode::Help { skipped: 0 },
            Command::Leave => return Some(Ask::Leave),
            Command::Quit => return Some(self.quit()),
        }
        None
    }

    fn roll_back(&mut self, earlier: Earlier) -> Option<Ask> {
        if self.status.services.iter().all(|service| service.kept.is_empty()) {
            self.say("there is no earlier program to go back to");
            return None;
        }
        Some(Ask::Steer(Steer::RollBack(earlier)))
    }

    /// The second time at once.
    fn quit(&mut self) -> Ask {
        match (self.seat, &self.ending) {
            (Seat::Attached, _) => {
                self.say("stops devloop");
                Ask::Steer(Steer::Stop)
            }
            (Seat::Own, Some(_)) => Ask::Interrupt,
            (Seat::Own, None) => Ask::Quit,
        }
    }

    pub(super) fn leave_copying(&mut self) -> Option<Ask> {
        self.mode = Mode::Watching;
        Some(Ask::Mouse(Mouse::Ours))
    }

    pub(super) fn restart(&mut self) -> Option<Ask> {
        match &*self.status.services {
            [] => {
                self.say("there is no service to restart");
                None
            }
            [only] => {
                let name = only.name.clone();
                self.run(Command::Restart(name))
            }
            _ => {
                self.mode = Mode::Choosing { typed: "restart ".to_owned(), chosen: 0 };
                None
            }
        }
    }

    fn jump(&mut self, command: &Command) {
        let search = self.log.search.clone();
        let found = match command {
            Command::ErrorBelow => {
                self.with_look(|log, store, look| log.on_to(store, look, |entry| entry.begins_error()))
            }
            Command::ErrorAbove => {
                self.with_look(|log, store, look| log.back_to(store, look, |entry| entry.begins_error()))
            }
            other => {
                let Some(search) = search else {
                    self.say("nothing to search for: / begins a search");
                    return;
                };
                let forward = *other == Command::FoundBelow;
                self.with_look(|log, store, look| match forward {
                    true => log.on_to(store, look, |entry| search.finds(&entry.plain())),
                    false => log.back_to(store, look, |entry| search.finds(&entry.plain())),
                })
            }
        };
        if found == Found::Nothing {
            self.say(match command {
                Command::ErrorBelow => "no error below; x looks above",
                Command::ErrorAbove => "no error above; X looks below",
                Command::FoundBelow => "not found below; n looks above",
                _ => "not found above; N looks below",
            });
        }
    }

    pub(super) fn up(&mut self, rows: usize) {
        self.log.mark = None;
        self.with_look(|log, store, look| log.up(store, look, rows));
    }

    pub(super) fn down(&mut self, rows: usize) {
        self.log.mark = None;
        self.with_look(|log, store, look| log.down(store, look, rows));
    }

    /// Whatever was narrowed is wide again.
    pub(super) fn back_to_all(&mut self) {
        self.log.search = None;
        self.log.filter = super::log::Filter::default();
        self.log.across = 0;
        if matches!(self.log.anchor, Anchor::At { .. }) {
            self.log.follow();
        }
        self.said = None;
    }

    pub(super) fn next_source(&self, direction: Direction) -> Option<std::sync::Arc<str>> {
        // None is a place of its own, before the first.
        let count = self.sources.len() + 1;
        let shown = self.log.filter.source.as_ref();
        let at = shown.and_then(|shown| self.sources.iter().position(|known| known == shown)).map_or(0, |at| at + 1);
        let next = match direction {
            Direction::Forward => (at + 1) % count,
            Direction::Back => (at + count - 1) % count,
        };
        next.checked_sub(1).map(|at| self.sources[at].clone())
    }

    fn with_look<T>(
        &mut self,
        does: impl FnOnce(&mut super::logview::LogView, &super::log::Store, &Look<'_>) -> T,
    ) -> T {
        let as_seen = self.log.clone();
        let prefix = self.prefix();
        let look =
            Look { theme: self.theme, log: &as_seen, sources: &self.sources, prefix, width: as_seen.room.0.max(1) };
        does(&mut self.log, &self.store, &look)
    }

    /// Where one source speaks, or somebody copies, its name says nothing.
    pub(super) fn prefix(&self) -> Prefix {
        match (&self.mode, &self.log.filter.source) {
            (Mode::Copying, _) | (_, Some(_)) => Prefix::Nothing,
            _ => Prefix::Name,
        }
    }
}

#[derive(Clone, Copy)]
pub(super) enum Direction {
    Forward,
    Back,
}
