//! Text without what only a terminal understands.

use std::{iter::Peekable, str::Chars};

const ESCAPE: char = '\x1b';
const BELL: char = '\x07';

/// `text` as a person would read it on a terminal: without colour and cursor sequences (CSI), titles and links (OSC and
/// its kin), other escapes and control characters; tabs stay. Of parts that a carriage return overwrites the last one
/// that is not empty is kept. A sequence that does not end is dropped to the end of the text.
pub fn strip_escapes(text: &str) -> String {
    if !text.chars().any(|character| character.is_control() && character != '\t') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut overwritten = false;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ESCAPE => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            '\r' => overwritten = true,
            other if other.is_control() && other != '\t' => {}
            other => {
                if std::mem::take(&mut overwritten) {
                    plain.clear();
                }
                plain.push(other);
            }
        }
    }
    plain
}

fn skip_escape(rest: &mut Peekable<Chars<'_>>) {
    match rest.next() {
        Some('[') => skip_control_sequence(rest),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(rest),
        Some(' '..='/') => {
            while rest.next_if(|character| (' '..='/').contains(character)).is_some() {}
            rest.next();
        }
        _ => {}
    }
}

/// Parameters and intermediates up to the final character.
fn skip_control_sequence(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|character| (' '..='?').contains(character)).is_some() {}
    rest.next_if(|character| ('@'..='~').contains(character));
}

/// Up to a bell or a string terminator.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    while let Some(character) = rest.next() {
        match character {
            BELL | '\u{9c}' => return,
            ESCAPE => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_person_reads_is_left() {
        let cases = [
            ("plain\ttext ü", "plain\ttext ü"),
            ("\x1b[1;31merror\x1b[0m: no", "error: no"),
            ("\x1b[38:2::255:0:0mred\x1b[m", "red"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1bPdata\x1b\\after", "after"),
            ("\x1b(Bcharset\x1b=\x1b7", "charset"),
            ("\u{9b}31mred", "red"),
            ("10%\r50%\r100%", "100%"),
            ("a line\r", "a line"),
            ("bell\x07back\x08", "bellback"),
            ("\x1b[2K\x1b[1Gdone", "done"),
            ("cut \x1b[31", "cut "),
            ("cut \x1b]0;no end", "cut "),
            ("end \x1b", "end "),
        ];
        for (raw, plain) in cases {
            assert_eq!(strip_escapes(raw), plain, "{raw:?}");
        }
    }

    #[test]
    fn a_broken_sequence_does_not_eat_a_character_that_cannot_belong_to_it() {
        assert_eq!(strip_escapes("\x1b[31ü"), "ü");
    }
}
