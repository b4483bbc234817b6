//! What gRPC puts on top of HTTP/2 (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md): messages, deadlines and a status of
//! its own. Pure.

use std::{fmt::Write, time::Duration};

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

/// How a call ended.
pub(super) const STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The same in words.
pub(super) const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The status that clients may try again after.
pub(super) const UNAVAILABLE: u16 = 14;

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// A byte that says whether it is compressed, and its length in four.
const PREFIX: usize = 5;

/// Words as a header field carries them: percent-encoded, as much of them as fits a line.
pub(super) fn message(text: &str) -> HeaderValue {
    let mut encoded = String::new();
    for byte in text.trim().bytes().take(300) {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
    }
    HeaderValue::from_str(&encoded).unwrap_or(HeaderValue::from_static("?"))
}

/// The trailers of a call that devloop ends.
pub(super) fn trailers(status: u16, text: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from(status));
    trailers.insert(MESSAGE, message(text));
    trailers
}

/// How long the client waits: one to eight digits and a unit. None: it does not say, or nothing that can be understood.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3_600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// What is left of that, as the program is told: in the finest unit that eight digits are enough for.
pub(super) fn shorter(left: Duration) -> (HeaderName, HeaderValue) {
    let units = [("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000)];
    let fits = |(unit, nanos): (&str, u128)| {
        let amount = (left.as_nanos() / nanos).max(1);
        (amount < 100_000_000).then(|| format!("{amount}{unit}"))
    };
    let text = units.into_iter().find_map(fits).unwrap_or_else(|| "99999999H".to_owned());
    (TIMEOUT, HeaderValue::from_str(&text).expect("digits and a letter"))
}

/// Follows the messages of one direction. It keeps no bytes of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    prefix: [u8; PREFIX],
    filled: usize,
    /// Bytes of the message under way that are still to come.
    left: usize,
    complete: u64,
}

impl Messages {
    /// Takes all of `data`.
    pub(super) fn feed(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            data = &data[self.step(data)..];
        }
    }

    /// Takes bytes only until the message that is under way ends; says how many.
    pub(super) fn feed_to_boundary(&mut self, data: &[u8]) -> usize {
        let mut taken = 0;
        while taken < data.len() && !self.at_boundary() {
            taken += self.step(&data[taken..]);
        }
        taken
    }

    /// Whether no message is under way.
    pub(super) fn at_boundary(&self) -> bool {
        self.filled == 0
    }

    /// How many have gone by.
    pub(super) fn complete(&self) -> u64 {
        self.complete
    }

    /// Takes what belongs together; at least one byte.
    fn step(&mut self, data: &[u8]) -> usize {
        let taken = if self.filled < PREFIX {
            let taken = data.len().min(PREFIX - self.filled);
            self.prefix[self.filled..self.filled + taken].copy_from_slice(&data[..taken]);
            self.filled += taken;
            if self.filled == PREFIX {
                let [_, length @ ..] = self.prefix;
                self.left = u32::from_be_bytes(length) as usize;
            }
            taken
        } else {
            let taken = data.len().min(self.left);
            self.left -= taken;
            taken
        };
        if self.filled == PREFIX && self.left == 0 {
            self.filled = 0;
            self.complete += 1;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_wherever_they_are_cut() {
        let bytes = b"\0\0\0\0\x02hi\x01\0\0\0\0\0\0\0\0\x01x";
        for cut in 0..bytes.len() {
            let mut messages = Messages::default();
            messages.feed(&bytes[..cut]);
            assert_eq!(messages.at_boundary(), matches!(cut, 0 | 7 | 12), "{cut}");
            messages.feed(&bytes[cut..]);
            assert_eq!((messages.complete(), messages.at_boundary()), (3, true), "{cut}");
        }
    }

    #[test]
    fn the_rest_of_a_message_is_measured() {
        let mut messages = Messages::default();
        messages.feed(b"\0\0\0\0\x03a");
        assert_eq!(messages.feed_to_boundary(b"bc\0\0\0\0\x01"), 2);
        assert_eq!(messages.feed_to_boundary(b"\0"), 0);
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit_and_nothing_else() {
        let parsed = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, HeaderValue::from_static(text));
            timeout(&headers)
        };
        assert_eq!(parsed("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parsed("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        assert_eq!(parsed("1u"), Some(Duration::from_micros(1)));
        for bad in ["", "S", "1", "1s", "-1S", "999999999S", "1.5S", "1 S", "\u{e9}"] {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            assert_eq!(timeout(&headers), None, "{bad}");
        }
    }

    #[test]
    fn what_is_left_of_a_timeout_is_written_as_finely_as_it_can_be() {
        let back = |left: Duration| {
            let (name, value) = shorter(left);
            timeout(&HeaderMap::from_iter([(name, value)])).unwrap()
        };
        for left in [1, 99_999_999, 100_000_001, 5_000_000_000, 86_400_000_000_000] {
            let left = Duration::from_nanos(left);
            assert!(back(left) <= left && left - back(left) < Duration::from_millis(1), "{left:?}");
        }
        assert_eq!(back(Duration::ZERO), Duration::from_nanos(1));
    }

    #[test]
    fn words_are_percent_encoded() {
        assert_eq!(message("100% sure\nfür"), "100%25 sure%0Af%C3%BCr");
    }
}
