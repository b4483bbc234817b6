//! The terminal while the pane has it, and its way back: by the end, by Ctrl-Z, for an editor, by a panic.
#![expect(clippy::disallowed_methods, reason = "the door to the terminal's variables")]

use std::{
    cell::Cell,
    io::{self, BufWriter, Stdout, Write},
    panic,
    rc::Rc,
    sync::{Mutex, MutexGuard, Once, PoisonError},
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

use super::{Mouse, Spots, Theme, View, Window, draw, keeper::Keeper, window::Told};
use crate::{error::Colour, plan::WindowSigns};

/// Buttons and the wheel, but no mere movements: those would wake devloop for nothing.
const MOUSE_ON: &str = "\u{1b}[?1000h\u{1b}[?1006h";
const MOUSE_OFF: &str = "\u{1b}[?1006l\u{1b}[?1000l";

/// Everything that was asked of the terminal is taken back: the other screen last, so that nothing is left on this one.
pub(super) const LEAVE: &str = "\u{1b}[?2026l\u{1b}[?1006l\u{1b}[?1000l\u{1b}[?2004l\u{1b}[?1049l\u{1b}[?25h";

/// While the terminal is not as we found it: what it shows around the pane.
static TAKEN: Mutex<Option<Window>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// What this terminal can show, if it can show a pane at all: `TERM` has to name one that can do more than print.
pub fn theme(colour: Colour) -> Option<Theme> {
    let term = variable("TERM").unwrap_or_default();
    (!term.is_empty() && term != "dumb").then(|| Theme::of(colour, variable))
}

/// What this terminal is to show around a pane.
pub fn window(wish: WindowSigns) -> Window {
    Window::of(wish, variable)
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The terminal, taken: raw, another screen. Given back when this is dropped.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Out>>,
    hold: Rc<Cell<Hold>>,
    window: Window,
    told: Told,
    /// Gives the terminal back should devloop be killed. Without one, nobody does.
    _keeper: Option<Keeper>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// If it is none, or is gone.
    pub fn take(theme: Theme, mouse: Mouse, window: Window) -> io::Result<Screen> {
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
        let keeper = Keeper::start(window).ok();
        enable_raw_mode()?;
        *taken() = Some(window);
        let hold = Rc::new(Cell::new(Hold::Taken));
        let mut out = Out { stdout: BufWriter::with_capacity(64 * 1024, io::stdout()), hold: Rc::clone(&hold) };
        let begun = execute!(
            out,
            EnterAlternateScreen,
            Clear(ClearType::All),
            EnableBracketedPaste,
            Print(on_or_off(mouse)),
            Print(window.enter())
        );
        let terminal = begun.and_then(|()| Terminal::new(CrosstermBackend::new(out)));
        // The library's `clear` would ask the terminal where its cursor is, and wait for an answer.
        let terminal = terminal.inspect_err(|_| give_back())?;
        Ok(Screen { terminal, hold, window, told: Told::default(), _keeper: keeper })
    }

    /// Whether a panic somewhere has given the terminal back already.
    pub fn was_lost(&self) -> bool {
        taken().is_none()
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
        let around = self.window.news(view, &mut self.told);
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate, Print(around))?;
        view.drawn(&spots);
        Ok(spots)
    }

    /// Rings the bell.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn ring(&mut self) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), Print('\u{7}'))
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
        self.hold.set(Hold::GivenBack);
        give_back();
    }
}

/// Whether the terminal is still the pane's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hold {
    Taken,
    /// Everything has been taken back. What the library writes when it is dropped goes nowhere: to a terminal that is
    /// gone it could not, and would panic because it cannot say so there either.
    GivenBack,
}

/// What the library writes to.
struct Out {
    stdout: BufWriter<Stdout>,
    hold: Rc<Cell<Hold>>,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.hold.get() {
            Hold::Taken => self.stdout.write(bytes),
            Hold::GivenBack => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.hold.get() {
            Hold::Taken => self.stdout.flush(),
            Hold::GivenBack => Ok(()),
        }
    }
}

fn on_or_off(mouse: Mouse) -> &'static str {
    match mouse {
        Mouse::Ours => MOUSE_ON,
        Mouse::Theirs => MOUSE_OFF,
    }
}

fn taken() -> MutexGuard<'static, Option<Window>> {
    // It holds a whole value, whoever panicked.
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the terminal what it was, once.
fn give_back() {
    let window = taken().take();
    if let Some(window) = window {
        let mut out = io::stdout();
        // Whoever is gone needs nothing back.
        let all = LEAVE.to_owned() + &window.leave();
        _ = out.write_all(all.as_bytes()).and_then(|()| out.flush());
        _ = disable_raw_mode();
    }
}
