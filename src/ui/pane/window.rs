//! What a terminal shows around the pane: the title of its window, and a progress at its edge or in the task bar.
//!
//! The title is pushed before and popped after, so that the one before comes back. The progress is `OSC 9;4` (ConEmu's
//! "ANSI escape codes"; Windows Terminal's "progress bar sequences"). Terminals that know another `OSC 9` would show it
//! as a message, so it goes only to those that name themselves and are known to understand it.

use super::{
    doing::{doing, state},
    view::View,
};
use crate::{core::status::WatchingState, plan::WindowSigns, ui::wording::Tone};

/// Terminals, by how `TERM` begins, that have a title and a stack of titles, or ignore both.
const TITLED: [&str; 13] = [
    "xterm",
    "screen",
    "tmux",
    "rxvt",
    "alacritty",
    "foot",
    "kitty",
    "wezterm",
    "ghostty",
    "konsole",
    "gnome",
    "vte",
    "contour",
];
/// Terminals, by `TERM_PROGRAM`, that show a progress.
const PROGRESSIVE: [&str; 3] = ["WezTerm", "ghostty", "vscode"];
/// A title is cut after so many characters.
const LONGEST: usize = 80;

/// What is shown around the pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    title: Shown,
    progress: Shown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shown {
    Yes,
    #[default]
    No,
}

/// What was shown last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    title: String,
    progress: Progress,
}

/// How far it is, as `OSC 9;4` knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    None,
    /// In percent.
    Share(u8),
    Failed,
    /// Nobody knows how long it takes.
    Unknown,
    Paused,
}

impl Window {
    /// What this terminal is to show, by the variables that name it.
    pub fn of(wish: WindowSigns, variable: impl Fn(&str) -> Option<String>) -> Window {
        let term = variable("TERM").unwrap_or_default();
        let has_title = TITLED.iter().any(|known| term.starts_with(known));
        let program = variable("TERM_PROGRAM").unwrap_or_default();
        let has_progress = PROGRESSIVE.contains(&program.as_str())
            || variable("WT_SESSION").is_some_and(|session| !session.is_empty())
            || variable("ConEmuANSI").is_some_and(|ansi| ansi == "ON");
        let shown = |is_known: bool| match wish {
            WindowSigns::Auto if is_known => Shown::Yes,
            WindowSigns::Always => Shown::Yes,
            WindowSigns::Auto | WindowSigns::Never => Shown::No,
        };
        Window { title: shown(has_title), progress: shown(has_progress) }
    }

    /// Keeps what is there, for `leave`.
    pub(super) fn enter(self) -> &'static str {
        if self.title == Shown::Yes { "\u{1b}[22;0t" } else { "" }
    }

    /// Makes it what it was.
    pub(super) fn leave(self) -> String {
        let title = if self.title == Shown::Yes { "\u{1b}[23;0t" } else { "" };
        let progress = if self.progress == Shown::Yes { Progress::None.sequence() } else { String::new() };
        format!("{title}{progress}")
    }

    /// What the terminal is to be told now, if that differs from what it was told last.
    pub(super) fn news(self, view: &View, told: &mut Told) -> String {
        let mut news = String::new();
        let now = Told { title: title(view), progress: progress(view) };
        if self.title == Shown::Yes && now.title != told.title {
            news.push_str(&format!("\u{1b}]2;{}\u{1b}\\", now.title));
        }
        if self.progress == Shown::Yes && now.progress != told.progress {
            news.push_str(&now.progress.sequence());
        }
        *told = now;
        news
    }

    /// As one word, for the process that makes the terminal what it was when devloop is killed.
    pub(super) fn word(self) -> &'static str {
        match (self.title, self.progress) {
            (Shown::No, Shown::No) => "nothing",
            (Shown::Yes, Shown::No) => "title",
            (Shown::No, Shown::Yes) => "progress",
            (Shown::Yes, Shown::Yes) => "title+progress",
        }
    }

    /// Reads that word.
    pub(super) fn from_word(word: &str) -> Window {
        let has = |part: &str| if word.split('+').any(|known| known == part) { Shown::Yes } else { Shown::No };
        Window { title: has("title"), progress: has("progress") }
    }
}

impl Progress {
    fn sequence(self) -> String {
        let (state, share) = match self {
            Progress::None => (0, 0),
            Progress::Share(share) => (1, share),
            Progress::Failed => (2, 100),
            Progress::Unknown => (3, 0),
            Progress::Paused => (4, 100),
        };
        format!("\u{1b}]9;4;{state};{share}\u{1b}\\")
    }
}

/// `shop: at work`. Nothing in it can steer the terminal.
fn title(view: &View) -> String {
    let project = view.status.project.chars().filter(|letter| !letter.is_control());
    format!("{}: {}", project.take(LONGEST).collect::<String>(), state(view).1)
}

fn progress(view: &View) -> Progress {
    let (tone, _) = state(view);
    match doing(view).share {
        _ if view.ending.is_some() => Progress::None,
        _ if view.status.watching == WatchingState::Paused => Progress::Paused,
        _ if tone == Tone::Bad => Progress::Failed,
        // What takes longer than ever is almost done as far as anybody knows.
        Some(share) if !view.status.at_rest => Progress::Share((share * 100.0).clamp(0.0, 99.0) as u8),
        None if !view.status.at_rest => Progress::Unknown,
        Some(_) | None => Progress::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(wish: WindowSigns, variables: &[(&str, &str)]) -> &'static str {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Window::of(wish, variable).word()
    }

    #[test]
    fn only_terminals_that_understand_it_are_told() {
        let auto = |variables: &[(&str, &str)]| window(WindowSigns::Auto, variables);
        assert_eq!(auto(&[("TERM", "xterm-256color")]), "title");
        assert_eq!(auto(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")]), "title+progress");
        assert_eq!(auto(&[("TERM", "xterm-ghostty"), ("TERM_PROGRAM", "ghostty")]), "title+progress");
        assert_eq!(auto(&[("TERM", "xterm-256color"), ("WT_SESSION", "1")]), "title+progress");
        // A multiplexer passes no progress on.
        assert_eq!(auto(&[("TERM", "tmux-256color"), ("TERM_PROGRAM", "tmux")]), "title");
        assert_eq!(auto(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")]), "title");
        for without in ["linux", "vt220", "eterm-color", ""] {
            assert_eq!(auto(&[("TERM", without)]), "nothing", "{without}");
        }
        assert_eq!(window(WindowSigns::Always, &[("TERM", "linux")]), "title+progress");
        assert_eq!(window(WindowSigns::Never, &[("TERM", "xterm"), ("TERM_PROGRAM", "WezTerm")]), "nothing");
    }

    #[test]
    fn the_word_says_it_all() {
        for word in ["nothing", "title", "progress", "title+progress"] {
            assert_eq!(Window::from_word(word).word(), word);
        }
        assert_eq!(Window::from_word("title+progress").leave(), "\u{1b}[23;0t\u{1b}]9;4;0;0\u{1b}\\");
        assert_eq!((Window::default().enter(), Window::default().leave().as_str()), ("", ""));
    }
}
