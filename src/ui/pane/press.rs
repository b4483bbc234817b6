//! Keys and the mouse: which command they mean in each mode.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEvent, MouseEventKind};

use super::{
    act::{Ask, Direction},
    command::Command,
    log::Search,
    overlay,
    picture::Spots,
    view::{Mode, Seat, View},
};
use crate::core::event::Earlier;

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
