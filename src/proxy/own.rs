//! `/.devloop/` on the proxy's port: the page (`dashboard`, `live`), the status, the events, the script of pages, the
//! numbers, and what `inspect` shows. Nothing here steers devloop.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Response, Uri,
    header::{self, HeaderValue},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    browser::SCRIPT,
    dashboard::Part,
    download::Answer,
    events::tell,
    headers::REASON,
    inspect, live,
    refusal::{Refusal, text},
    shared::Shared,
};
use crate::model::Line;

/// Everything below belongs to devloop.
pub(super) const PREFIX: &str = "/.devloop/";
/// The kind of `metrics`.
const NUMBERS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// At most so many lines of output at a time ...
const LINES: usize = 500;
/// ... and so many bytes of each.
const LONGEST: usize = 2_000;
/// Events that a slow page may be behind before the teller waits for it.
const BEHIND: usize = 16;

/// Answers a request below `PREFIX`.
pub(super) fn answer(
    shared: &Arc<Shared>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response<Answer>, Refusal> {
    let path = uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let reading = matches!(*method, Method::GET | Method::HEAD);
    if let Some(part) = Part::at(path) {
        if !reading {
            return Err(Refusal::Method);
        }
        if !part.is_wanted_for_itself(headers) {
            return Err(Refusal::Forbidden);
        }
        return Ok(own(part.response(shared)));
    }
    let response = match path {
        "status" | "events" | "live" | "metrics" | "client.js" | "output" if !reading => return Err(Refusal::Method),
        "client.js" => text("text/javascript; charset=utf-8", SCRIPT.to_owned()),
        "status" => text("application/json", format!("{:#}\n", **shared.status.borrow())),
        "metrics" => text(NUMBERS, (shared.numbers)(&shared.stats())),
        "output" => output(shared, uri, headers)?,
        "events" => stream(shared, method, uri, headers, |to| tokio::spawn(tell(Arc::clone(shared), to)))?,
        "live" => stream(shared, method, uri, headers, |to| tokio::spawn(live::tell(Arc::clone(shared), to)))?,
        _ => inspect::answer(shared, method, path, uri, headers)?,
    };
    Ok(own(response))
}

/// Marked as devloop's own, and never kept by a browser.
fn own(mut response: Response<Answer>) -> Response<Answer> {
    let headers = response.headers_mut();
    headers.insert(REASON, HeaderValue::from_static("own"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether this comes from a page of ours: of this origin, and with the token that stands in its tag.
pub(super) fn is_of_a_page(shared: &Shared, uri: &Uri, headers: &HeaderMap) -> bool {
    same_origin(headers) && token_is_right(uri, &shared.token)
}

/// What programs have written since `after=`.
fn output(shared: &Shared, uri: &Uri, headers: &HeaderMap) -> Result<Response<Answer>, Refusal> {
    if !is_of_a_page(shared, uri, headers) {
        return Err(Refusal::Forbidden);
    }
    let (lines, next) = (shared.written)(inspect::after(uri), LINES);
    // As they were written: the page shows their colours.
    let shown = |line: &Arc<Line>| json!({ "source": line.source, "text": cut(&line.text, LONGEST) });
    let lines: Vec<Value> = lines.iter().map(shown).collect();
    Ok(text("application/json", json!({ "next": next, "lines": lines }).to_string()))
}

/// No more than so many bytes of it.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// An event stream for our own pages; `begin` starts whoever fills it.
fn stream<T>(
    shared: &Arc<Shared>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    begin: impl FnOnce(mpsc::Sender<Bytes>) -> T,
) -> Result<Response<Answer>, Refusal> {
    if !is_of_a_page(shared, uri, headers) {
        return Err(Refusal::Forbidden);
    }
    let body = match *method {
        Method::HEAD => Answer::Own(None),
        _ => {
            let (sender, pieces) = mpsc::channel(BEHIND);
            begin(sender);
            Answer::Live(pieces)
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

/// Browsers say where a request comes from, in one field or the other; who says nothing is no browser.
pub(super) fn same_origin(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
    let origin = origin.as_bytes();
    let after_scheme = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    after_scheme.is_some_and(|named| named.eq_ignore_ascii_case(host))
}

/// The token in the query.
pub(super) fn token_is_right(uri: &Uri, token: &str) -> bool {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    pairs.find_map(|pair| pair.strip_prefix("token=")).is_some_and(|given| is_token(given, token))
}

/// Whether this is the token. Compares without stopping at the first difference.
pub(super) fn is_token(given: &str, token: &str) -> bool {
    let differences = given.bytes().zip(token.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
    !token.is_empty() && given.len() == token.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(fields: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost:3000"));
        fields.iter().for_each(|(name, value)| drop(headers.insert(*name, HeaderValue::from_static(value))));
        same_origin(&headers)
    }

    #[test]
    fn other_sites_may_not_listen() {
        assert!(from(&[]));
        assert!(from(&[("origin", "http://LOCALHOST:3000"), ("sec-fetch-site", "same-origin")]));
        for other in ["http://localhost:3001", "http://evil.test", "null", "http://localhost"] {
            assert!(!from(&[("origin", other)]), "{other}");
        }
        assert!(!from(&[("sec-fetch-site", "cross-site")]));
        assert!(!from(&[("sec-fetch-site", "same-site")]));
    }

    #[test]
    fn the_token_must_be_exactly_the_token() {
        let right = |uri: &str, token: &str| token_is_right(&uri.parse().unwrap(), token);
        assert!(right("/.devloop/events?x=1&token=abc", "abc"));
        for wrong in ["/e", "/e?token=", "/e?token=ab", "/e?token=abcd", "/e?token=abd", "/e?tokens=abc"] {
            assert!(!right(wrong, "abc"), "{wrong}");
        }
        assert!(!right("/e?token=", ""));
    }
}
