//! The little HTTP/1.1 that a probe speaks: one request, and the head of one answer. Pure.

use super::Front;
use crate::model::Scheme;

/// More than this of an answer is not read, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// What an instance answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Where it redirects to.
    pub(super) location: Option<String>,
    /// It says that it expected TLS.
    pub(super) wants_tls: bool,
}

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The beginning of an answer, or nothing yet.
    More,
    /// A whole head.
    Answer(Answer),
    /// Something else.
    NotHttp(Speech),
}

/// What a server speaks that does not speak HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// TLS: an alert in answer to a request in plain text.
    Tls,
    /// HTTP/2 without negotiation, as gRPC does: it began with its settings.
    Http2,
    /// Not the HTTP/2 that it was asked in.
    NotHttp2,
    /// Not the TLS that it was asked in.
    NotTls,
    /// TLS, without an offer of HTTP/2.
    NoOffer,
    /// Anything else: a database, a greeting.
    Other,
}

/// The request for `path`. `Connection: close`, so that the answer's end needs no care.
pub(super) fn request(path: &str, front: &Front) -> String {
    let Front { host, scheme } = front;
    let forwarded = match scheme {
        Scheme::Http => "",
        Scheme::Https => "x-forwarded-proto: https\r\n",
    };
    format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\n{forwarded}user-agent: devloop-probe\r\naccept: */*\r\nconnection: close\r\n\r\n"
    )
}

/// Judges the bytes that came so far. Heads with status 1xx are passed over.
pub(super) fn read(mut bytes: &[u8]) -> Read {
    loop {
        let start = &bytes[..bytes.len().min(5)];
        if !b"HTTP/".starts_with(start) {
            match settings(bytes) {
                Some(true) => return Read::NotHttp(Speech::Http2),
                Some(false) => {}
                None => return Read::More,
            }
            return Read::NotHttp(if bytes.starts_with(&[0x15, 0x03]) { Speech::Tls } else { Speech::Other });
        }
        let Some((head, rest)) = head(bytes) else {
            return if bytes.len() >= LONGEST { long_head(bytes) } else { Read::More };
        };
        match answer(head, rest) {
            Some(answer) if (100..200).contains(&answer.status) => bytes = rest,
            Some(answer) => return Read::Answer(answer),
            None => return Read::NotHttp(Speech::Other),
        }
    }
}

/// Whether this is the frame that every HTTP/2 server begins with (RFC 9113 section 3.4): three bytes of length,
/// SETTINGS, no flags, no stream. None: more is needed to know.
fn settings(bytes: &[u8]) -> Option<bool> {
    let fits = |(at, byte): (usize, &u8)| match at {
        2 => true,
        3 => *byte == 4,
        _ => *byte == 0,
    };
    if !bytes.iter().take(9).enumerate().all(fits) {
        return Some(false);
    }
    (bytes.len() >= 9).then_some(true)
}

/// A head beyond all measure still has a status.
fn long_head(bytes: &[u8]) -> Read {
    answer(bytes, &[]).map_or(Read::NotHttp(Speech::Other), Read::Answer)
}

fn head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let crlf = bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|at| (at, at + 4));
    let lf = bytes.windows(2).position(|end| end == b"\n\n").map(|at| (at, at + 2));
    let (end, next) = [crlf, lf].into_iter().flatten().min()?;
    Some((&bytes[..end], &bytes[next..]))
}

fn answer(head: &[u8], body: &[u8]) -> Option<Answer> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let mut words = lines.next()?.split_ascii_whitespace();
    words.next()?.strip_prefix("HTTP/1.")?;
    let status = words.next()?.parse().ok().filter(|status| (100..1000).contains(status))?;
    let location = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("location"))
        .map(|(_, value)| value.trim().to_owned());
    let wants_tls = status == 400 && String::from_utf8_lossy(body).contains("HTTPS");
    Some(Answer { status, location, wants_tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(bytes: &[u8]) -> Option<u16> {
        match read(bytes) {
            Read::Answer(answer) => Some(answer.status),
            _ => None,
        }
    }

    #[test]
    fn a_head_counts_once_it_is_whole_wherever_it_is_cut() {
        let whole = b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), Read::More, "{cut}");
        }
        assert_eq!(status(whole), Some(204));
    }

    #[test]
    fn provisional_answers_are_passed_over() {
        assert_eq!(status(b"HTTP/1.1 103 Early Hints\r\n\r\n"), None);
        assert_eq!(status(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), Some(200));
    }

    #[test]
    fn what_is_not_http_is_known_from_its_first_bytes() {
        assert_eq!(read(b"220 mail ready\r\n"), Read::NotHttp(Speech::Other));
        assert_eq!(read(&[0, 0, 18, 4, 0]), Read::More);
        assert_eq!(read(&[0, 0, 18, 4, 0, 0, 0, 0, 0, 0]), Read::NotHttp(Speech::Http2));
        assert_eq!(read(&[0, 0, 18, 4, 1]), Read::NotHttp(Speech::Other));
        assert_eq!(read(&[0x15, 0x03, 0x01, 0, 2]), Read::NotHttp(Speech::Tls));
        assert_eq!(read(b"HTTP/1.1 abc\r\n\r\n"), Read::NotHttp(Speech::Other));
        assert_eq!(read(b"HTTP/2 200\r\n\r\n"), Read::NotHttp(Speech::Other));
    }

    #[test]
    fn redirects_and_a_wish_for_tls_are_seen() {
        let Read::Answer(answer) = read(b"HTTP/1.0 301 Moved\r\nLocation: https://x/\r\n\r\n") else { panic!() };
        assert_eq!(answer.location.as_deref(), Some("https://x/"));
        let Read::Answer(answer) =
            read(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
        else {
            panic!()
        };
        assert!(answer.wants_tls);
    }

    #[test]
    fn a_head_without_end_still_has_a_status() {
        let mut endless = b"HTTP/1.1 200 OK\r\n".to_vec();
        endless.resize(LONGEST, b'a');
        assert_eq!(status(&endless), Some(200));
    }
}
