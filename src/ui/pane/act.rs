//! Keys and the mouse: what they mean in each mode, and what of it is for others to do.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEvent, MouseEventKind};

use super::{
    command::Command,
    log::Search,
    logview::{Anchor, Found},
    overlay,
    picture::Spots,
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

/// The wheel moves the log by so many rows.
const WHEEL: usize = 3;

impl View {
    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) -> Option<Ask> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        // `Esc` and a quick letter behind it come as one, through tmux for instance.
        if key.modifiers == KeyModifiers::ALT && matches!(key.code, KeyCode::Char(_)) {
            let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
            return self.key(plain(KeyCode::Esc)).or_else(|| self.key(plain(key.code)));
        }
        if key.modifiers.contains(KeyModifiers::CONTROL)
            && let KeyCode::Char(letter) = key.code
        {
            match letter.to_ascii_lowercase() {
                'c' | '\\' if self.seat == Seat::Attached => return Some(Ask::Leave),
                'c' => return Some(Ask::Interrupt),
                '\\' => return Some(Ask::Abort),
                'z' => return Some(Ask::Suspend),
                'l' => return self.run(Command::Clear),
                'p' if self.mode == Mode::Watching => return self.run(Command::Palette),
                'u' => self.typed(String::clear),
                'w' => self.typed(erase_word),
                _ => {}
            }
            return None;
        }
        match &self.mode {
            Mode::Watching => self.key_watching(key),
            Mode::Copying => match key.code {
                KeyCode::Char('c') | KeyCode::Esc => self.leave_copying(),
                _ => self.key_watching(key),
            },
            Mode::Searching { .. } => self.key_searching(key),
            Mode::Choosing { .. } => self.key_choosing(key),
            Mode::Help { skipped } => self.key_in_help(key, *skipped),
        }
    }

    /// Text was pasted.
    pub fn pasted(&mut self, text: &str) {
        let words: String = text.chars().filter(|letter| !letter.is_control()).collect();
        self.typed(|typed| typed.push_str(&words));
    }

    /// The mouse did something; `spots` is where things were drawn.
    pub fn mouse(&mut self, mouse: MouseEvent, spots: &Spots) -> Option<Ask> {
        match mouse.kind {
            MouseEventKind::ScrollUp => self.up(WHEEL),
            MouseEventKind::ScrollDown => self.down(WHEEL),
            MouseEventKind::Down(_) => {
                let clicked = spots.at(mouse.column, mouse.row)?;
                let chosen = if self.log.filter.source.as_ref() == Some(&clicked) { None } else { Some(clicked) };
                return self.run(Command::Show(chosen));
            }
            _ => {}
        }
        None
    }

    fn key_watching(&mut self, key: KeyEvent) -> Option<Ask> {
        let page = self.log.room.1.saturating_sub(1).max(1);
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.up(1),
            KeyCode::Down | KeyCode::Char('j') => self.down(1),
            KeyCode::PageUp => self.up(page),
            KeyCode::PageDown | KeyCode::Char(' ') => self.down(page),
            KeyCode::Char('u') => self.up(page / 2),
            KeyCode::Char('d') => self.down(page / 2),
            KeyCode::Left => self.log.across = self.log.across.saturating_sub(8),
            KeyCode::Right => self.log.across += 8,
            KeyCode::Home => return self.run(Command::Top),
            KeyCode::End | KeyCode::Char('G') => return self.run(Command::Follow),
            KeyCode::Esc => self.back_to_all(),
            KeyCode::Char('p') => return self.run(Command::pause_or_resume(self)),
            KeyCode::Char('R') => return self.restart(),
            KeyCode::Char('l') => return self.run(Command::Show(self.next_source(Direction::Forward))),
            KeyCode::Char('L') => return self.run(Command::Show(self.next_source(Direction::Back))),
            KeyCode::Char('s') => return self.run(Command::Least(self.log.filter.least.next())),
            KeyCode::Char('w') => return self.run(self.log.wrap.other()),
            KeyCode::Char('v') => return self.run(self.log.form.other()),
            KeyCode::Char('t') => return self.run(self.log.times.other()),
            KeyCode::Char('a') => return self.run(Command::Show(None)),
            KeyCode::Char('e') => return self.run(Command::OpenEditor(0)),
            KeyCode::Char('q') => return self.run(Command::leave_or_quit(self)),
            KeyCode::F(1) => return self.run(Command::Help),
            KeyCode::Char(letter) => return self.run(command_of(letter)?),
            _ => {}
        }
        None
    }

    /// Any key closes the help, but those that move in it; one that does something does it.
    fn key_in_help(&mut self, key: KeyEvent, skipped: usize) -> Option<Ask> {
        let last = overlay::KEYS.len() - 1;
        let skipped = match key.code {
            KeyCode::Up | KeyCode::Char('k') => skipped.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => skipped + 1,
            KeyCode::PageUp => skipped.saturating_sub(5),
            KeyCode::PageDown => skipped + 5,
            _ => {
                self.mode = Mode::Watching;
                let closes = matches!(key.code, KeyCode::Esc | KeyCode::Enter | KeyCode::Char('?' | ' ' | 'q'));
                return if closes { None } else { self.key_watching(key) };
            }
        };
        self.mode = Mode::Help { skipped: skipped.min(last) };
        None
    }

    fn key_searching(&mut self, key: KeyEvent) -> Option<Ask> {
        let Mode::Searching { typed } = &mut self.mode else { return None };
        match key.code {
            KeyCode::Char(letter) => typed.push(letter),
            KeyCode::Backspace => _ = typed.pop(),
            KeyCode::Esc => {
                self.log.search = None;
                self.mode = Mode::Watching;
                return None;
            }
            KeyCode::Enter => {
                self.mode = Mode::Watching;
                // The newest match that can be seen counts, too.
                self.log.mark = None;
                return if self.log.search.is_some() { self.run(Command::FoundAbove) } else { None };
            }
            _ => {}
        }
        if let Mode::Searching { typed } = &self.mode {
            self.log.search = Search::new(typed);
        }
        None
    }

    fn key_choosing(&mut self, key: KeyEvent) -> Option<Ask> {
        let Mode::Choosing { typed, chosen } = &self.mode else { return None };
        let (mut typed, mut chosen) = (typed.clone(), *chosen);
        let found = self.found(&typed);
        match key.code {
            KeyCode::Esc => {
                self.mode = Mode::Watching;
                return None;
            }
            KeyCode::Enter => {
                self.mode = Mode::Watching;
                return self.run(found.get(chosen)?.clone());
            }
            KeyCode::Up => chosen = chosen.saturating_sub(1),
            KeyCode::Down | KeyCode::Tab => chosen = (chosen + 1).min(found.len().saturating_sub(1)),
            KeyCode::Backspace => {
                typed.pop();
                chosen = 0;
            }
            KeyCode::Char(letter) => {
                typed.push(letter);
                chosen = 0;
            }
            _ => {}
        }
        self.mode = Mode::Choosing { typed, chosen };
        None
    }

    /// Changes what is being typed, if something is.
    fn typed(&mut self, change: impl FnOnce(&mut String)) {
        match &mut self.mode {
            Mode::Searching { typed } => {
                change(typed);
                self.log.search = Search::new(typed);
            }
            Mode::Choosing { typed, chosen } => {
                change(typed);
                *chosen = 0;
            }
            Mode::Watching | Mode::Help { .. } | Mode::Copying => {}
        }
    }

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

    fn leave_copying(&mut self) -> Option<Ask> {
        self.mode = Mode::Watching;
        Some(Ask::Mouse(Mouse::Ours))
    }

    fn restart(&mut self) -> Option<Ask> {
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

    fn up(&mut self, rows: usize) {
        self.log.mark = None;
        self.with_look(|log, store, look| log.up(store, look, rows));
    }

    fn down(&mut self, rows: usize) {
        self.log.mark = None;
        self.with_look(|log, store, look| log.down(store, look, rows));
    }

    /// Whatever was narrowed is wide again.
    fn back_to_all(&mut self) {
        self.log.search = None;
        self.log.filter = super::log::Filter::default();
        self.log.across = 0;
        if matches!(self.log.anchor, Anchor::At { .. }) {
            self.log.follow();
        }
        self.said = None;
    }

    fn next_source(&self, direction: Direction) -> Option<std::sync::Arc<str>> {
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
enum Direction {
    Forward,
    Back,
}

fn command_of(letter: char) -> Option<Command> {
    Some(match letter {
        'r' => Command::Rebuild(None),
        'b' => Command::RollBack(Earlier::Back(1)),
        'o' => Command::OpenBrowser,
        '/' => Command::Search,
        'n' => Command::FoundAbove,
        'N' => Command::FoundBelow,
        'x' => Command::ErrorAbove,
        'X' => Command::ErrorBelow,
        'g' => Command::Top,
        'f' => Command::Follow,
        'c' => Command::Copy,
        ':' => Command::Palette,
        '?' => Command::Help,
        _ => return None,
    })
}

fn erase_word(typed: &mut String) {
    let kept = typed.trim_end().rfind(' ').map_or(0, |at| at + 1);
    typed.truncate(kept);
}
