//! Whether an answer is compressed on its way, and how (`compress`).

use hyper::{
    HeaderMap, Method, StatusCode,
    body::SizeHint,
    header::{self, HeaderValue},
};

use super::super::headers::media_type_of;

/// Shorter answers gain nothing.
const SHORTEST: u64 = 512;

/// How it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Coding {
    /// `br`
    Brotli,
    /// `gzip`
    Gzip,
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }
}

/// What the client wants of what there is: the coding with the highest weight; of equals, `br`.
pub(super) fn accepted(headers: &HeaderMap) -> Option<Coding> {
    let mut weights: [Option<f32>; 2] = [None, None];
    let mut any = None;
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    for member in values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let mut parts = member.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let weight = weight.map_or(Some(1.0), |weight| weight.parse::<f32>().ok()).unwrap_or(0.0);
        match name.as_str() {
            "br" => weights[0] = Some(weight),
            "gzip" | "x-gzip" => weights[1] = Some(weight),
            "*" => any = Some(weight),
            _ => {}
        }
    }
    let [brotli, gzip] = weights.map(|weight| weight.or(any).unwrap_or(0.0));
    match (brotli > 0.0 && brotli >= gzip, gzip > 0.0) {
        (true, _) => Some(Coding::Brotli),
        (false, true) => Some(Coding::Gzip),
        (false, false) => None,
    }
}

/// Whether this answer is one to be compressed, for those who accept that.
fn is_fit(status: StatusCode, headers: &HeaderMap, length: &SizeHint) -> bool {
    let bodiless = status.is_informational() || matches!(status.as_u16(), 204 | 206 | 304);
    let said_no = |name| headers.get_all(name).iter().any(|value| names(value, "no-transform"));
    !bodiless
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key(header::CONTENT_RANGE)
        && !said_no(header::CACHE_CONTROL)
        && length.upper().is_none_or(|length| length >= SHORTEST)
        && is_text(media_type_of(headers))
}

fn names(value: &HeaderValue, wanted: &str) -> bool {
    let members = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    members.into_iter().any(|member| member.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// What is text below, but for event streams: their events must not wait for each other.
fn is_text(kind: &[u8]) -> bool {
    let kind = kind.to_ascii_lowercase();
    let others: [&[u8]; 9] = [
        b"application/javascript",
        b"application/json",
        b"application/xml",
        b"application/wasm",
        b"application/manifest+json",
        b"application/x-javascript",
        b"image/svg+xml",
        b"image/x-icon",
        b"font/ttf",
    ];
    kind != b"text/event-stream"
        && (kind.starts_with(b"text/")
            || others.contains(&&*kind)
            || kind.starts_with(b"application/") && (kind.ends_with(b"+json") || kind.ends_with(b"+xml")))
}

/// Decides, and changes the head of the answer to what is decided. `wanted`: what the client accepts.
pub(super) fn choose(
    wanted: Option<Coding>,
    method: &Method,
    status: StatusCode,
    headers: &mut HeaderMap,
    length: &SizeHint,
) -> Option<Coding> {
    if !is_fit(status, headers, length) {
        return None;
    }
    headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    let coding = wanted.filter(|_| *method != Method::HEAD)?;
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    for name in [header::CONTENT_LENGTH, header::ACCEPT_RANGES] {
        headers.remove(name);
    }
    for name in ["content-digest", "content-md5", "digest"] {
        headers.remove(name);
    }
    // Other bytes of the same thing.
    if let Some(tag) = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) {
        let weak = [b"W/", tag.as_bytes()].concat();
        if let Ok(weak) = HeaderValue::from_bytes(&weak) {
            headers.insert(header::ETAG, weak);
        }
    }
    Some(coding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_client_chooses_by_weight_and_br_is_the_better_one() {
        for (accepts, coding) in [
            ("gzip, deflate, br, zstd", Some(Coding::Brotli)),
            ("gzip", Some(Coding::Gzip)),
            ("br;q=0.5, gzip;q=0.8", Some(Coding::Gzip)),
            ("br;q=0, gzip", Some(Coding::Gzip)),
            ("GZIP;Q=1", Some(Coding::Gzip)),
            ("*", Some(Coding::Brotli)),
            ("br;q=0, *;q=0.1", Some(Coding::Gzip)),
            ("identity", None),
            ("gzip;q=0", None),
            ("gzip;q=x", None),
            ("zstd", None),
            ("", None),
        ] {
            assert_eq!(accepted(&map(&[("accept-encoding", accepts)])), coding, "{accepts}");
        }
        assert_eq!(accepted(&HeaderMap::new()), None);
    }

    fn chosen(status: u16, length: Option<u64>, fields: &[(&'static str, &str)]) -> (Option<Coding>, HeaderMap) {
        let mut headers = map(fields);
        let mut hint = SizeHint::new();
        if let Some(length) = length {
            hint.set_exact(length);
        }
        let status = StatusCode::from_u16(status).unwrap();
        (choose(Some(Coding::Gzip), &Method::GET, status, &mut headers, &hint), headers)
    }

    #[test]
    fn text_of_some_length_is_compressed() {
        for kind in ["text/html; charset=utf-8", "application/json", "application/problem+json", "IMAGE/SVG+XML"] {
            let (coding, headers) = chosen(200, Some(512), &[("content-type", kind), ("content-length", "512")]);
            assert_eq!(coding, Some(Coding::Gzip), "{kind}");
            assert_eq!((&headers["content-encoding"], headers.get("content-length")), (&"gzip".parse().unwrap(), None));
        }
        let page = [("content-type", "text/html"), ("etag", "\"x\""), ("accept-ranges", "bytes")];
        let (coding, headers) = chosen(404, None, &page);
        assert_eq!((coding, &headers["etag"]), (Some(Coding::Gzip), &HeaderValue::from_static("W/\"x\"")));
        assert_eq!(
            (&headers["vary"], headers.get("accept-ranges")),
            (&HeaderValue::from_static("Accept-Encoding"), None)
        );
    }

    #[test]
    fn what_would_gain_nothing_or_must_not_be_changed_is_left_alone() {
        let html = ("content-type", "text/html");
        for (status, length, fields) in [
            (200, Some(511), vec![html]),
            (206, None, vec![html]),
            (204, None, vec![html]),
            (304, None, vec![html]),
            (200, None, vec![html, ("content-encoding", "br")]),
            (200, None, vec![html, ("cache-control", "public, No-Transform")]),
            (200, None, vec![html, ("content-range", "bytes 0-1/2")]),
            (200, None, vec![("content-type", "text/event-stream")]),
            (200, None, vec![("content-type", "application/grpc")]),
            (200, None, vec![("content-type", "image/png")]),
            (200, None, vec![]),
        ] {
            let (coding, headers) = chosen(status, length, &fields);
            assert_eq!((coding, headers), (None, map(&fields)), "{status} {fields:?}");
        }
    }

    #[test]
    fn caches_learn_that_the_answer_depends_on_what_is_accepted() {
        let mut headers = map(&[("content-type", "text/html"), ("content-length", "999")]);
        let hint = SizeHint::with_exact(999);
        assert_eq!(choose(None, &Method::GET, StatusCode::OK, &mut headers, &hint), None);
        assert_eq!((&headers["vary"], headers.len()), (&HeaderValue::from_static("Accept-Encoding"), 3));
        let hint = SizeHint::new();
        assert_eq!(choose(Some(Coding::Gzip), &Method::HEAD, StatusCode::OK, &mut headers, &hint), None);
        assert!(!headers.contains_key("content-encoding"));
    }
}
