//! Makes a program's line safe to show: what moves the cursor, clears or renames the terminal is taken out.

use crate::error::Colour;

/// `text` as one line that cannot wreck a terminal. With colours, the sequences for colours and links stay, and are
/// ended at the end of the line; without, none stays. Of a line that was overwritten with carriage returns, what was
/// written last is shown.
pub fn sanitize(text: &str, colour: Colour) -> String {
    let text = last_written(text);
    if text.chars().all(|letter| !letter.is_control() || letter == '\t') {
        return text.to_owned();
    }
    let mut cleaner =
        Cleaner { rest: text, shown: String::with_capacity(text.len()), colour, styled: false, linked: false };
    while let Some(letter) = cleaner.take() {
        cleaner.letter(letter);
    }
    if cleaner.linked {
        cleaner.shown.push_str("\u{1b}]8;;\u{1b}\\");
    }
    if cleaner.styled {
        cleaner.shown.push_str("\u{1b}[0m");
    }
    cleaner.shown
}

fn last_written(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n']).rsplit('\r').find(|part| !part.is_empty()).unwrap_or("")
}

struct Cleaner<'a> {
    rest: &'a str,
    shown: String,
    colour: Colour,
    styled: bool,
    linked: bool,
}

impl<'a> Cleaner<'a> {
    fn take(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        Some(letter)
    }

    fn letter(&mut self, letter: char) {
        match letter {
            '\u{1b}' => self.escape(),
            '\u{9b}' => _ = self.control_sequence(),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => _ = self.string(),
            '\t' => self.shown.push('\t'),
            '\n' => self.shown.push(' '),
            other if other.is_control() => {}
            other => self.shown.push(other),
        }
    }

    fn escape(&mut self) {
        match self.rest.chars().next() {
            Some('[') => {
                self.take();
                let parameters = self.control_sequence();
                if let (Some(parameters), Colour::Always) = (parameters, self.colour) {
                    self.shown.push_str(&format!("\u{1b}[{parameters}m"));
                    self.styled = !matches!(parameters, "" | "0");
                }
            }
            Some(']') => {
                self.take();
                let command = self.string();
                if let (Some(link), Colour::Always) = (command.strip_prefix("8;"), self.colour) {
                    let link: String = link.chars().filter(|letter| !letter.is_control()).collect();
                    self.linked = !link.ends_with(';');
                    self.shown.push_str(&format!("\u{1b}]8;{link}\u{1b}\\"));
                }
            }
            Some('P' | 'X' | '^' | '_') => {
                self.take();
                self.string();
            }
            _ => self.other_escape(),
        }
    }

    /// `ESC`, perhaps intermediate bytes, one final byte.
    fn other_escape(&mut self) {
        while self.rest.starts_with(|letter| matches!(letter, ' '..='/')) {
            self.take();
        }
        if self.rest.starts_with(|letter| matches!(letter, '0'..='~')) {
            self.take();
        }
    }

    /// The rest of a control sequence; its parameters, if it only sets colours.
    fn control_sequence(&mut self) -> Option<&'a str> {
        let end = self.rest.find(|letter| !matches!(letter, ' '..='?')).unwrap_or(self.rest.len());
        let (parameters, rest) = self.rest.split_at(end);
        self.rest = rest;
        let last = rest.chars().next().filter(|letter| matches!(letter, '@'..='~'))?;
        self.take();
        let plain = parameters.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, ';' | ':'));
        (last == 'm' && plain).then_some(parameters)
    }

    /// The text up to the end of a string command.
    fn string(&mut self) -> &'a str {
        let text = self.rest;
        let (end, terminator) = match text.find(['\u{7}', '\u{9c}', '\u{1b}']) {
            Some(at) if text[at..].starts_with("\u{1b}\\") => (at, 2),
            Some(at) if text[at..].starts_with('\u{1b}') => (at, 0),
            Some(at) => (at, text[at..].chars().next().map_or(0, char::len_utf8)),
            None => (text.len(), 0),
        };
        self.rest = &text[end + terminator..];
        &text[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        sanitize(text, Colour::Never)
    }

    fn coloured(text: &str) -> String {
        sanitize(text, Colour::Always)
    }

    #[test]
    fn colours_stay_and_end_with_the_line_or_go() {
        assert_eq!(coloured("\u{1b}[31mred\u{1b}[0m"), "\u{1b}[31mred\u{1b}[0m");
        assert_eq!(coloured("\u{1b}[1;38:5:9mred"), "\u{1b}[1;38:5:9mred\u{1b}[0m");
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m"), "red");
    }

    #[test]
    fn links_stay_and_end_with_the_line_or_go() {
        let link = "\u{1b}]8;;http://x\u{1b}\\text\u{1b}]8;;\u{1b}\\";
        assert_eq!(coloured(link), link);
        assert_eq!(coloured("\u{1b}]8;;http://x\u{7}text"), link);
        assert_eq!(plain(link), "text");
    }

    #[test]
    fn what_would_wreck_a_terminal_goes() {
        for wrecker in [
            "\u{1b}[2J",
            "\u{1b}[H",
            "\u{1b}[?1049h",
            "\u{1b}]0;title\u{7}",
            "\u{1b}c",
            "\u{1b}(0",
            "\u{1b}P1;2|x\u{1b}\\",
            "\u{7}",
            "\u{8}",
            "\u{0}",
            "\u{9b}2J",
            "\u{9d}0;x\u{9c}",
            "\u{7f}",
            "\u{1b}]52;c;eA==\u{7}",
            "\u{1b}[6n",
            "\u{1b}[>1m",
        ] {
            let line = format!("a{wrecker}b");
            assert_eq!(plain(&line), "ab", "{wrecker:?}");
            assert_eq!(coloured(&line), "ab", "{wrecker:?}");
        }
    }

    #[test]
    fn sequences_without_an_end_take_no_later_line_with_them() {
        assert_eq!(plain("a\u{1b}[31"), "a");
        assert_eq!(plain("a\u{1b}]0;title"), "a");
        assert_eq!(plain("a\u{1b}"), "a");
        assert_eq!(plain("a\u{1b}[3é"), "aé");
    }

    #[test]
    fn a_progress_line_shows_what_was_written_last() {
        assert_eq!(plain("10 %\r20 %\r100 %"), "100 %");
        assert_eq!(plain("done\r"), "done");
        assert_eq!(plain("done\r\r\n"), "done");
        assert_eq!(plain("\r"), "");
        assert_eq!(plain("a\tb"), "a\tb");
    }

    proptest::proptest! {
        #[test]
        fn no_control_character_survives_without_colours(text in "\\PC*|[\\x00-\\x1f\\x7f-\\u{9f}a;\\[\\]8m]*") {
            let shown = plain(&text);
            proptest::prop_assert!(shown.chars().all(|letter| letter == '\t' || !letter.is_control()), "{:?}", shown);
        }

        #[test]
        fn with_colours_only_colours_and_links_survive(text in "[\\x00-\\x1f\\x7f-\\u{9f}a;\\[\\]8m0]*") {
            let again = coloured(&coloured(&text));
            let shown = coloured(&text);
            proptest::prop_assert_eq!(plain(&shown), plain(&again));
            let wreckers = ['\u{7}', '\u{9b}', '\n', '\r', '\0'];
            proptest::prop_assert!(!shown.contains(wreckers));
        }
    }
}
