//! What the pane looks like: its signs, with or without Unicode, and its colours, with or without colour.

use std::sync::Arc;

use ratatui::style::{Color, Modifier, Style};

use crate::{error::Colour, ui::wording::Tone};

/// Signs and colours. Only the terminal's own named colours are used, and neither black nor white, so that it can be
/// read on light and on dark grounds; what a colour says is said in words or signs, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// The signs.
    pub signs: Signs,
    /// The colours.
    pub colour: Colour,
}

/// Which characters are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// Bullets, ticks and lines.
    Unicode,
    /// Only what every terminal has.
    Ascii,
}

/// What a sign says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Clean,
    Waiting,
    Running,
    Stopping,
    Failed,
    Live,
    Down,
    /// From a step to the one that follows it.
    Next,
    /// Done, in a bar.
    Full,
    /// Not done, in a bar.
    Empty,
    /// A line across.
    Rule,
    /// Between a source and what it says.
    Bar,
    /// Something was left out here.
    Cut,
}

/// The colours of sources.
const SOURCES: [Color; 4] = [Color::Cyan, Color::Magenta, Color::Blue, Color::Green];

impl Theme {
    /// What the terminal can do, by the variables that say so: `TERM=linux` has no signs beyond ASCII, and otherwise
    /// the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set has to speak of UTF-8.
    pub fn of(colour: Colour, variable: impl Fn(&str) -> Option<String>) -> Theme {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let is_console = variable("TERM").is_some_and(|term| term == "linux" || term.starts_with("vt"));
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).unwrap_or_default().to_lowercase();
        let speaks_unicode = locale.contains("utf-8") || locale.contains("utf8");
        let signs = if speaks_unicode && !is_console { Signs::Unicode } else { Signs::Ascii };
        Theme { signs, colour }
    }

    pub(super) fn sign(self, sign: Sign) -> &'static str {
        let (unicode, ascii) = match sign {
            Sign::Clean => ("✓", "+"),
            Sign::Waiting => ("·", "."),
            Sign::Running => ("▸", ">"),
            Sign::Stopping => ("■", "#"),
            Sign::Failed => ("✗", "x"),
            Sign::Live => ("●", "*"),
            Sign::Down => ("○", "o"),
            Sign::Next => ("→", "->"),
            Sign::Full => ("━", "#"),
            Sign::Empty => ("─", "-"),
            Sign::Rule => ("─", "-"),
            Sign::Bar => ("│", "|"),
            Sign::Cut => ("…", "~"),
        };
        match self.signs {
            Signs::Unicode => unicode,
            Signs::Ascii => ascii,
        }
    }

    /// The ground that everything stands on.
    pub(super) fn plain(self) -> Style {
        Style::new()
    }

    /// What matters less.
    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What matters more.
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is chosen, and what was searched for.
    pub(super) fn marked(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Neutral => self.plain(),
            Tone::Good => self.painted(Color::Green),
            Tone::Bad => self.painted(Color::Red),
            Tone::Attention => self.painted(Color::Yellow),
        }
    }

    /// The colour of the source that came `nth`.
    pub(super) fn source(self, nth: usize) -> Style {
        self.painted(SOURCES[nth % SOURCES.len()])
    }

    /// A bar of `width` cells, so much of it full.
    pub(super) fn bar(self, width: usize, share: f64) -> (String, String) {
        let full = ((width as f64 * share.clamp(0.0, 1.0)).floor() as usize).min(width);
        (self.sign(Sign::Full).repeat(full), self.sign(Sign::Empty).repeat(width - full))
    }

    /// Where a source stands among those that are known; the pane gives each its colour by that.
    pub(super) fn place_of(sources: &[Arc<str>], name: &str) -> usize {
        sources.iter().position(|known| &**known == name).unwrap_or_default()
    }

    fn painted(self, colour: Color) -> Style {
        match self.colour {
            Colour::Always => Style::new().fg(colour),
            Colour::Never => Style::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(variables: &[(&str, &str)]) -> Signs {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Theme::of(Colour::Never, find).signs
    }

    #[test]
    fn signs_beyond_ascii_need_a_locale_and_a_terminal_that_have_them() {
        assert_eq!(signs(&[("LANG", "en_US.UTF-8"), ("TERM", "xterm-256color")]), Signs::Unicode);
        assert_eq!(signs(&[("LC_ALL", "C.utf8"), ("LANG", "C")]), Signs::Unicode);
        assert_eq!(signs(&[("LC_ALL", ""), ("LANG", "de_DE.utf-8")]), Signs::Unicode);
        assert_eq!(signs(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]), Signs::Ascii);
        assert_eq!(signs(&[("LANG", "en_US.UTF-8"), ("TERM", "linux")]), Signs::Ascii);
        assert_eq!(signs(&[]), Signs::Ascii);
    }

    #[test]
    fn a_bar_is_never_longer_than_its_room() {
        let theme = Theme { signs: Signs::Ascii, colour: Colour::Never };
        assert_eq!(theme.bar(4, 0.5), ("##".to_owned(), "--".to_owned()));
        assert_eq!(theme.bar(4, 7.0), ("####".to_owned(), String::new()));
        assert_eq!(theme.bar(4, f64::NAN), (String::new(), "----".to_owned()));
    }
}
