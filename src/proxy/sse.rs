//! Where events end in a `text/event-stream` (WHATWG HTML section 9.2), so that a stream can be ended between two of
//! them. It keeps no bytes.

/// Follows one stream.
#[derive(Clone, Debug)]
pub(super) struct Events {
    line: Line,
    /// Fields have come since the last blank line: an event is under way.
    pending: bool,
    /// The last byte was a CR: an LF right behind it belongs to it.
    after_cr: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Line {
    Start,
    Comment,
    Field,
}

impl Events {
    /// Before the first event.
    pub(super) fn new() -> Events {
        Events { line: Line::Start, pending: false, after_cr: false }
    }

    /// Whether a reader that stops here misses nothing: no event and no line is under way.
    pub(super) fn at_boundary(&self) -> bool {
        self.line == Line::Start && !self.pending
    }

    /// Takes all of `data`.
    pub(super) fn feed(&mut self, data: &[u8]) {
        data.iter().for_each(|byte| self.step(*byte));
    }

    /// Takes bytes only until the event that is under way ends; says how many.
    pub(super) fn feed_to_boundary(&mut self, data: &[u8]) -> usize {
        let mut taken = 0;
        while taken < data.len() && !self.at_boundary() {
            self.step(data[taken]);
            taken += 1;
        }
        taken
    }

    fn step(&mut self, byte: u8) {
        let second_half = byte == b'\n' && self.after_cr;
        self.after_cr = byte == b'\r';
        match (byte, self.line) {
            (b'\n', _) if second_half => {}
            (b'\n' | b'\r', Line::Start) => self.pending = false,
            (b'\n' | b'\r', _) => self.line = Line::Start,
            (b':', Line::Start) => self.line = Line::Comment,
            (_, Line::Start) => {
                self.line = Line::Field;
                self.pending = true;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> bool {
        let mut events = Events::new();
        events.feed(text.as_bytes());
        events.at_boundary()
    }

    #[test]
    fn an_event_ends_with_a_blank_line_of_any_kind() {
        for complete in ["", "data: 1\n\n", "data: 1\r\n\r\n", "data: 1\r\r", "id: 1\ndata: x\r\n\n", ": ping\n", "\n"]
        {
            assert!(after(complete), "{complete:?}");
        }
        for open in ["data: 1\n", "data: 1\r\n", "data", ": pi", "data: 1\n: comment\n", "data: 1\n\nid: 2"] {
            assert!(!after(open), "{open:?}");
        }
    }

    #[test]
    fn the_rest_of_an_event_is_measured() {
        let mut events = Events::new();
        events.feed(b"data: a");
        assert_eq!(events.feed_to_boundary(b"b\n\ndata: c\n\n"), 3);
        assert_eq!(events.feed_to_boundary(b"data"), 0);
    }
}
