//! The last lines of a run, for reports: without escape sequences.

use std::collections::VecDeque;

/// This many lines are kept.
const LINES: usize = 50;
/// And this many bytes of each.
const BYTES: usize = 4096;

/// The last lines.
#[derive(Default)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    pub(super) fn push(&mut self, line: &str) {
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        let end = (0..=BYTES.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        self.0.push_back(if end < line.len() { format!("{}…", &line[..end]) } else { line.to_owned() });
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.iter().map(|line| without_escapes(line)).collect()
    }
}

/// `text` without what terminals do not show: escape sequences and control characters other than the tab.
pub fn without_escapes(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\t' => shown.push(next),
            next if next.is_control() => {}
            next => shown.push(next),
        }
    }
    shown
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Behind an ESC.
fn skip_escape(rest: &mut Rest<'_>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        // Strings: titles, links, device commands. They end with BEL or ESC backslash.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(next) = rest.next() {
                match next {
                    '\u{7}' | '\u{9c}' => return,
                    '\u{1b}' => {
                        rest.next_if_eq(&'\\');
                        return;
                    }
                    _ => {}
                }
            }
        }
        _ => {
            while rest.next_if(|next| matches!(next, ' '..='/')).is_some() {}
            rest.next_if(|next| matches!(next, '0'..='~'));
        }
    }
}

/// Behind ESC [.
fn skip_control_sequence(rest: &mut Rest<'_>) {
    while rest.next_if(|next| matches!(next, ' '..='?')).is_some() {}
    rest.next_if(|next| matches!(next, '@'..='~'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_titles_links_and_bells_are_not_shown() {
        assert_eq!(without_escapes("\u{1b}[1;31merror\u{1b}[0m:\tx"), "error:\tx");
        assert_eq!(without_escapes("\u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\"), "alink");
        assert_eq!(without_escapes("\u{1b}[2K\u{1b}(Bok\u{7}\u{8}"), "ok");
        assert_eq!(without_escapes("cut off \u{1b}[3"), "cut off ");
    }

    #[test]
    fn only_the_last_lines_are_kept_and_only_the_start_of_long_ones() {
        let mut tail = Tail::default();
        for number in 0..200 {
            tail.push(&number.to_string());
        }
        tail.push(&"ä".repeat(BYTES));
        let lines = tail.lines();
        assert_eq!((lines.len(), lines[0].as_str()), (LINES, "151"));
        assert_eq!(lines[49], format!("{}…", "ä".repeat(BYTES / 2)));
    }
}
