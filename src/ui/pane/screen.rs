//! The terminal while the pane has it, and its way back: by the end, by Ctrl-Z, for an editor, by a panic.
#![expect(clippy::disallowed_methods, reason = "the door to the terminal's variables")]

use std::{
    io::{self, BufWriter, Stdout, Write},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    event::EnableBracketedPaste,
    execute, queue,
    style::Print,
    terminal::{
        BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};
use ratatui::{Terminal, backend::CrosstermBackend};

use super::{Mouse, Spots, Theme, View, draw, keeper::Keeper};
use crate::error::Colour;

/// Buttons and the wheel, but no mere movements: those would wake devloop for nothing.
const MOUSE_ON: &str = "\u{1b}[?1000h\u{1b}[?1006h";
const MOUSE_OFF: &str = "\u{1b}[?1006l\u{1b}[?1000l";

/// Everything that was asked of the terminal is taken back: the other screen last, so that nothing is left on this one.
pub(super) const LEAVE: &str = "\u{1b}[?2026l\u{1b}[?1006l\u{1b}[?1000l\u{1b}[?2004l\u{1b}[?1049l\u{1b}[?25h";

/// Whether the terminal is not as we found it.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// What this terminal can show, if it can show a pane at all: `TERM` has to name one that can do more than print.
pub fn theme(colour: Colour) -> Option<Theme> {
    let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let term = variable("TERM").unwrap_or_default();
    (!term.is_empty() && term != "dumb").then(|| Theme::of(colour, variable))
}

/// The terminal, taken: raw, another screen. Given back when this is dropped.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    /// Gives the terminal back should devloop be killed. Without one, nobody does.
    _keeper: Option<Keeper>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// If it is none, or is gone.
    pub fn take(theme: Theme, mouse: Mouse) -> io::Result<Screen> {
        HOOK.call_once(|| {
            let usual = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                // What is written on the pane's screen would be gone with it.
                give_back();
                usual(info);
            }));
        });
        // The library would obey NO_COLOR a second time, after the command line has decided.
        crossterm::style::force_color_output(theme.colour == Colour::Always);
        let keeper = Keeper::start().ok();
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let mut out = BufWriter::with_capacity(64 * 1024, io::stdout());
        let begun =
            execute!(out, EnterAlternateScreen, Clear(ClearType::All), EnableBracketedPaste, Print(on_or_off(mouse)));
        let terminal = begun.and_then(|()| Terminal::new(CrosstermBackend::new(out)));
        // The library's `clear` would ask the terminal where its cursor is, and wait for an answer.
        Ok(Screen { terminal: terminal.inspect_err(|_| give_back())?, _keeper: keeper })
    }

    /// Whether a panic somewhere has given the terminal back already.
    pub fn was_lost(&self) -> bool {
        !TAKEN.load(Ordering::SeqCst)
    }

    /// Draws what has changed.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn draw(&mut self, view: &mut View) -> io::Result<Spots> {
        let mut spots = Spots::default();
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| {
            spots = draw(view, frame.area(), frame.buffer_mut());
            if let Some(cursor) = spots.cursor {
                frame.set_cursor_position(cursor);
            }
        })?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        view.drawn(&spots);
        Ok(spots)
    }

    /// Takes the mouse, or lets the terminal have it.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn mouse(&mut self, mouse: Mouse) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), Print(on_or_off(mouse)))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn on_or_off(mouse: Mouse) -> &'static str {
    match mouse {
        Mouse::Ours => MOUSE_ON,
        Mouse::Theirs => MOUSE_OFF,
    }
}

/// Makes the terminal what it was, once.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        // Whoever is gone needs nothing back.
        _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
        _ = disable_raw_mode();
    }
}
