//! Bytes from a terminal into keys, the mouse, and what was pasted. It has no clock: who reads says when a sequence
//! that is not whole will never be.
//!
//! The library's own reader is not used: it never comes back from a terminal that has hung up, loses keys that come
//! together with a new size, and waits for ever on half a sequence.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

const ESCAPE: u8 = 0x1b;
const PASTE_ENDS: &[u8] = b"\x1b[201~";
/// A sequence that is longer than this is none; pasted text may be longer.
const LONGEST: usize = 64;

/// Collects bytes until they mean something.
#[derive(Debug, Default)]
pub(super) struct Keys {
    bytes: Vec<u8>,
}

/// What the beginning of the bytes is.
enum Piece {
    /// Something, so many bytes long.
    Is(Event, usize),
    /// Nothing that we know, so many bytes long.
    Unknown(usize),
    /// Not whole.
    Half,
}

impl Keys {
    /// Takes the next bytes; `tell` gets everything that is whole now.
    pub(super) fn push(&mut self, bytes: &[u8], mut tell: impl FnMut(Event)) {
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        while at < self.bytes.len() {
            match piece(&self.bytes[at..]) {
                Piece::Is(event, length) => {
                    tell(event);
                    at += length;
                }
                Piece::Unknown(length) => at += length,
                Piece::Half => break,
            }
        }
        self.bytes.drain(..at);
    }

    /// Whether there is something that is not whole.
    pub(super) fn is_half(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Nothing more came: a lone Escape is the key, and anything else that is not whole is nothing.
    pub(super) fn rest(&mut self, mut tell: impl FnMut(Event)) {
        // A paste is not over because the terminal paused.
        if self.bytes.starts_with(b"\x1b[200~") {
            return;
        }
        if self.bytes == [ESCAPE] {
            tell(key(KeyCode::Esc, KeyModifiers::NONE));
        } else if let [ESCAPE, letter @ (b'[' | b'O')] = self.bytes[..] {
            tell(key(KeyCode::Char(char::from(letter)), KeyModifiers::ALT));
        }
        self.bytes.clear();
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn piece(bytes: &[u8]) -> Piece {
    match bytes {
        [ESCAPE] => Piece::Half,
        [ESCAPE, b'[', rest @ ..] => control_sequence(rest),
        [ESCAPE, b'O', rest @ ..] => match rest {
            [] => Piece::Half,
            [last, ..] => known(final_key(*last), KeyModifiers::NONE, 3),
        },
        [ESCAPE, ESCAPE, ..] => Piece::Is(key(KeyCode::Esc, KeyModifiers::NONE), 1),
        [ESCAPE, rest @ ..] => match piece(rest) {
            Piece::Is(Event::Key(plain), length) => {
                Piece::Is(key(plain.code, plain.modifiers | KeyModifiers::ALT), length + 1)
            }
            Piece::Is(other, length) => Piece::Is(other, length + 1),
            Piece::Unknown(length) => Piece::Unknown(length + 1),
            Piece::Half => Piece::Half,
        },
        [first, ..] if first.is_ascii_control() => Piece::Is(control(*first), 1),
        [] => Piece::Half,
        _ => letter(bytes),
    }
}

fn control(byte: u8) -> Event {
    let ctrl = |letter: u8| key(KeyCode::Char(char::from(letter)), KeyModifiers::CONTROL);
    match byte {
        b'\r' | b'\n' => key(KeyCode::Enter, KeyModifiers::NONE),
        b'\t' => key(KeyCode::Tab, KeyModifiers::NONE),
        0x7f | 0x08 => key(KeyCode::Backspace, KeyModifiers::NONE),
        0 => ctrl(b' '),
        0x01..=0x1a => ctrl(byte - 1 + b'a'),
        other => ctrl(other - 0x1c + b'\\'),
    }
}

/// One character in UTF-8.
fn letter(bytes: &[u8]) -> Piece {
    let length = match bytes[0] {
        0x00..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Piece::Unknown(1),
    };
    if bytes.len() < length {
        return Piece::Half;
    }
    match std::str::from_utf8(&bytes[..length]).ok().and_then(|text| text.chars().next()) {
        Some(letter) => Piece::Is(key(KeyCode::Char(letter), KeyModifiers::NONE), length),
        None => Piece::Unknown(1),
    }
}

/// What comes after `ESC [`.
fn control_sequence(rest: &[u8]) -> Piece {
    // The console of Linux: `ESC [ [ A` is F1.
    if let [b'[', more @ ..] = rest {
        return match more {
            [] => Piece::Half,
            [last @ b'A'..=b'E', ..] => known(Some(KeyCode::F(last - b'A' + 1)), KeyModifiers::NONE, 4),
            _ => Piece::Unknown(4),
        };
    }
    let Some(end) = rest.iter().position(|byte| (0x40..=0x7e).contains(byte)) else {
        return if rest.len() > LONGEST { Piece::Unknown(rest.len() + 2) } else { Piece::Half };
    };
    let (parameters, last, length) = (&rest[..end], rest[end], end + 3);
    let parameters = String::from_utf8_lossy(parameters);
    if let Some(mouse) = parameters.strip_prefix('<') {
        return match mouse_event(mouse, last) {
            Some(event) => Piece::Is(event, length),
            None => Piece::Unknown(length),
        };
    }
    let mut numbers = parameters.split(';').map(|number| number.parse::<u16>().unwrap_or_default());
    let (first, second) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    if last == b'~' && first == 200 {
        return pasted(&rest[end + 1..], length);
    }
    let code = if last == b'~' { numbered_key(first) } else { final_key(last) };
    known(code, modifiers(second), length)
}

fn known(code: Option<KeyCode>, modifiers: KeyModifiers, length: usize) -> Piece {
    code.map_or(Piece::Unknown(length), |code| Piece::Is(key(code, modifiers), length))
}

/// From 2 on: one more than a sum of 1 for Shift, 2 for Alt, 4 for Ctrl.
fn modifiers(number: u16) -> KeyModifiers {
    let bits = number.saturating_sub(1);
    let mut modifiers = KeyModifiers::NONE;
    for (bit, modifier) in [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)] {
        if bits & bit != 0 {
            modifiers |= modifier;
        }
    }
    modifiers
}

fn final_key(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'Z' => KeyCode::BackTab,
        b'M' => KeyCode::Enter,
        b'P' | b'Q' | b'R' | b'S' => KeyCode::F(last - b'P' + 1),
        _ => return None,
    })
}

fn numbered_key(number: u16) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(u8::try_from(number - 10).ok()?),
        17..=21 => KeyCode::F(u8::try_from(number - 11).ok()?),
        23 | 24 => KeyCode::F(u8::try_from(number - 12).ok()?),
        _ => return None,
    })
}

/// `button;column;row`, then `M` for down and `m` for up.
fn mouse_event(parameters: &str, last: u8) -> Option<Event> {
    let mut numbers = parameters.split(';').map(str::parse::<u16>);
    let mut number = || numbers.next()?.ok();
    let (button, column, row) = (number()?, number()?, number()?);
    let kind = match (button & 0b1100_0011, last) {
        (0b0100_0000, _) => MouseEventKind::ScrollUp,
        (0b0100_0001, _) => MouseEventKind::ScrollDown,
        (0, b'M') => MouseEventKind::Down(MouseButton::Left),
        (1, b'M') => MouseEventKind::Down(MouseButton::Middle),
        (2, b'M') => MouseEventKind::Down(MouseButton::Right),
        (0, _) => MouseEventKind::Up(MouseButton::Left),
        _ => return None,
    };
    let (column, row) = (column.saturating_sub(1), row.saturating_sub(1));
    Some(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

fn pasted(text: &[u8], before: usize) -> Piece {
    match text.windows(PASTE_ENDS.len()).position(|part| part == PASTE_ENDS) {
        Some(end) => {
            let length = before + end + PASTE_ENDS.len();
            Piece::Is(Event::Paste(String::from_utf8_lossy(&text[..end]).into_owned()), length)
        }
        None => Piece::Half,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(parts: &[&[u8]]) -> Vec<Event> {
        let (mut keys, mut events) = (Keys::default(), Vec::new());
        for part in parts {
            keys.push(part, |event| events.push(event));
        }
        keys.rest(|event| events.push(event));
        events
    }

    #[test]
    fn keys_are_what_terminals_send_for_them() {
        let none = KeyModifiers::NONE;
        for (bytes, code, modifiers) in [
            (&b"q"[..], KeyCode::Char('q'), none),
            ("ü".as_bytes(), KeyCode::Char('ü'), none),
            ("日".as_bytes(), KeyCode::Char('日'), none),
            (b"\x1b", KeyCode::Esc, none),
            (b"\r", KeyCode::Enter, none),
            (b"\t", KeyCode::Tab, none),
            (b"\x7f", KeyCode::Backspace, none),
            (b"\x03", KeyCode::Char('c'), KeyModifiers::CONTROL),
            (b"\x1a", KeyCode::Char('z'), KeyModifiers::CONTROL),
            (b"\x1c", KeyCode::Char('\\'), KeyModifiers::CONTROL),
            (b"\x1b[A", KeyCode::Up, none),
            (b"\x1bOB", KeyCode::Down, none),
            (b"\x1b[1;5C", KeyCode::Right, KeyModifiers::CONTROL),
            (b"\x1b[5~", KeyCode::PageUp, none),
            (b"\x1b[6~", KeyCode::PageDown, none),
            (b"\x1b[H", KeyCode::Home, none),
            (b"\x1bOP", KeyCode::F(1), none),
            (b"\x1b[11~", KeyCode::F(1), none),
            (b"\x1b[[A", KeyCode::F(1), none),
            (b"\x1b[24~", KeyCode::F(12), none),
            (b"\x1bx", KeyCode::Char('x'), KeyModifiers::ALT),
            (b"\x1b[", KeyCode::Char('['), KeyModifiers::ALT),
        ] {
            assert_eq!(read(&[bytes]), [key(code, modifiers)], "{bytes:?}");
        }
    }

    #[test]
    fn the_wheel_a_click_and_a_paste_are_told_apart_from_keys() {
        let mouse = |kind, column, row| Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
        assert_eq!(read(&[b"\x1b[<64;3;4M"]), [mouse(MouseEventKind::ScrollUp, 2, 3)]);
        assert_eq!(read(&[b"\x1b[<65;300;4M"]), [mouse(MouseEventKind::ScrollDown, 299, 3)]);
        assert_eq!(read(&[b"\x1b[<0;1;1M"]), [mouse(MouseEventKind::Down(MouseButton::Left), 0, 0)]);
        assert_eq!(read(&[b"\x1b[200~q\x1b[A", b"q\x1b[201~x"]).len(), 2);
        assert_eq!(read(&[b"\x1b[200~two\nlines\x1b[201~"]), [Event::Paste("two\nlines".to_owned())]);
    }

    #[test]
    fn what_nobody_knows_is_skipped() {
        assert_eq!(read(&[b"\x1b[999zq\xff\x1b[?1;2cq\x1b[<9M"]).len(), 2);
        assert_eq!(read(&[b"\x1b[3", b"1;1"]), []);
    }

    proptest! {
        #[test]
        fn where_reads_fall_does_not_matter(cut in 0usize..40) {
            let bytes = "q\u{1b}[Aü\u{1b}[<64;3;4M\u{1b}[200~a\u{1b}[201~日\u{1b}OPx".as_bytes();
            let cut = cut.min(bytes.len());
            prop_assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), read(&[bytes]));
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&[&bytes]);
        }
    }
}
