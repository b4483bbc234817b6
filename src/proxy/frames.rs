//! Where WebSocket frames end (RFC 6455 section 5.2), so that a Close can be put between two of them. It looks at
//! lengths and opcodes only: no payload, no masks, no extensions.

use bytes::Bytes;

/// The status that tells a client that the service restarts (registered for RFC 6455 by IANA).
pub(super) const SERVICE_RESTART: u16 = 1012;
/// The status that tells the program that its client goes away.
const GOING_AWAY: u16 = 1001;
/// What stands for a Close without a status.
const NO_STATUS: u16 = 1005;
const CLOSE: u8 = 0x8;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Follows the frames of one direction.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    at: At,
    closing: bool,
    /// The beginning of the Close: its mask, and its status.
    close: Vec<u8>,
    masked: bool,
}

#[derive(Clone, Debug)]
enum At {
    /// In a frame's head: its first bytes so far.
    Head { bytes: [u8; 10], have: usize },
    /// In its mask and payload: bytes left.
    Body { left: u64, opcode: u8 },
}

impl Frames {
    /// Before the first frame.
    pub(super) fn new() -> Frames {
        Frames { at: At::Head { bytes: [0; 10], have: 0 }, closing: false, close: Vec::new(), masked: false }
    }

    /// Whether the last frame is complete.
    pub(super) fn at_boundary(&self) -> bool {
        matches!(self.at, At::Head { have: 0, .. })
    }

    /// Whether a complete Close frame has gone by.
    pub(super) fn closed(&self) -> bool {
        self.closing && self.at_boundary()
    }

    /// The status of the Close that has gone by; 1005 if it said none (RFC 6455 section 7.4.1).
    pub(super) fn status(&self) -> Option<u16> {
        if !self.closed() {
            return None;
        }
        let (mask, status) = if self.masked { self.close.split_at_checked(4)? } else { (&[0; 4][..], &self.close[..]) };
        Some(match status {
            [high, low, ..] => u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]),
            _ => NO_STATUS,
        })
    }

    /// Takes all of `data`.
    pub(super) fn feed(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let taken = self.step(data);
            data = &data[taken..];
        }
    }

    /// Takes bytes only until the frame that is under way ends; says how many.
    pub(super) fn feed_to_boundary(&mut self, data: &[u8]) -> usize {
        let mut taken = 0;
        while taken < data.len() && !self.at_boundary() {
            taken += self.step(&data[taken..]);
        }
        taken
    }

    /// Takes at least one byte and never crosses the end of a frame. `data` is not empty.
    fn step(&mut self, data: &[u8]) -> usize {
        match &mut self.at {
            At::Head { bytes, have } => {
                bytes[*have] = data[0];
                *have += 1;
                if let Some((left, opcode)) = body_of(&bytes[..*have]) {
                    self.masked = bytes[1] & MASKED != 0;
                    self.enter_body(left, opcode);
                }
                1
            }
            At::Body { left, opcode } => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len());
                let (left, opcode) = (*left - taken as u64, *opcode);
                if opcode == CLOSE {
                    let wanted = 6_usize.saturating_sub(self.close.len()).min(taken);
                    self.close.extend_from_slice(&data[..wanted]);
                }
                self.enter_body(left, opcode);
                taken
            }
        }
    }

    fn enter_body(&mut self, left: u64, opcode: u8) {
        if left > 0 {
            self.at = At::Body { left, opcode };
            return;
        }
        self.closing |= opcode == CLOSE;
        self.at = At::Head { bytes: [0; 10], have: 0 };
    }
}

/// The bytes of mask and payload that follow, once the head is complete.
fn body_of(head: &[u8]) -> Option<(u64, u8)> {
    let (&first, &second) = (head.first()?, head.get(1)?);
    let length = match second & 0x7f {
        126 => u64::from(u16::from_be_bytes(head.get(2..4)?.try_into().ok()?)),
        127 => u64::from_be_bytes(head.get(2..10)?.try_into().ok()?),
        short => u64::from(short),
    };
    let mask = if second & MASKED == 0 { 0 } else { 4 };
    Some((length.saturating_add(mask), first & 0x0f))
}

/// What the client is sent at a swap: 1012 "service restart".
pub(super) fn close_for_client() -> Bytes {
    let mut frame = vec![FIN | CLOSE, 17];
    frame.extend(SERVICE_RESTART.to_be_bytes());
    frame.extend(b"service restart");
    Bytes::from(frame)
}

/// What the program is sent at a swap: its client goes away (1001). Masked, as everything from a client.
pub(super) fn close_for_app() -> Bytes {
    let mask = [0x6c, 0x6f, 0x6f, 0x70];
    let mut frame = vec![FIN | CLOSE, MASKED | 2];
    frame.extend(mask);
    frame.extend(GOING_AWAY.to_be_bytes().iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    Bytes::from(frame)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(first: u8, masked: bool, length: usize) -> Vec<u8> {
        let bit = if masked { MASKED } else { 0 };
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(bit | length as u8),
            126..65536 => {
                frame.push(bit | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(bit | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(vec![0x55; length + if masked { 4 } else { 0 }]);
        frame
    }

    #[test]
    fn an_empty_unmasked_frame_ends_with_its_head() {
        let mut frames = Frames::new();
        frames.feed(&frame(0x89, false, 0));
        assert!(frames.at_boundary());
        assert!(!frames.closed());
    }

    #[test]
    fn our_own_close_frames_are_complete_close_frames() {
        for (close, status) in [(close_for_client(), 1012), (close_for_app(), 1001)] {
            let mut frames = Frames::new();
            assert_eq!(frames.status(), None);
            frames.feed(&close);
            assert!(frames.closed());
            assert_eq!(frames.status(), Some(status));
        }
        let mut frames = Frames::new();
        frames.feed(&[FIN | CLOSE, 0]);
        assert_eq!(frames.status(), Some(1005));
    }

    #[test]
    fn a_length_beyond_all_bounds_does_not_overflow() {
        let mut frames = Frames::new();
        frames.feed(&[0x82, MASKED | 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert!(!frames.at_boundary());
    }

    proptest! {
        #[test]
        fn boundaries_are_found_however_the_bytes_are_cut(
            lengths in prop::collection::vec((prop_oneof![0usize..200, 60_000usize..70_000], any::<bool>()), 1..6),
            cut in 1usize..5000,
        ) {
            let mut ends = vec![0];
            let mut bytes = Vec::new();
            for (length, masked) in lengths {
                bytes.extend(frame(0x82, masked, length));
                ends.push(bytes.len());
            }
            let mut frames = Frames::new();
            let mut seen = 0;
            for piece in bytes.chunks(cut) {
                prop_assert_eq!(frames.at_boundary(), ends.contains(&seen));
                if !frames.at_boundary() {
                    let next = ends.iter().find(|end| **end > seen).unwrap() - seen;
                    prop_assert_eq!(frames.clone().feed_to_boundary(piece), next.min(piece.len()));
                }
                frames.feed(piece);
                seen += piece.len();
            }
            prop_assert!(frames.at_boundary());
        }
    }
}
