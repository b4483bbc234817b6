//! What happens to the head of a message on its way through (RFC 9110 section 7.6, RFC 9112 section 6). Pure.

use std::time::Duration;

use hyper::{
    HeaderMap, Method, Uri, Version,
    header::{self, HeaderName, HeaderValue},
    http::{
        request::Parts,
        uri::{Authority, PathAndQuery},
    },
};

use super::{forwarded::Origin, settings::Forwarded};
use crate::model::Scheme;

/// Counts how often a request has passed a devloop.
pub(super) const HOPS: HeaderName = HeaderName::from_static("x-devloop-hops");
/// Where the time of an answer went.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Why an answer is out of date.
pub(super) const STALE: HeaderName = HeaderName::from_static("x-devloop-stale");
/// Why devloop answered itself.
pub(super) const REASON: HeaderName = HeaderName::from_static("x-devloop");
/// A request that has passed devloop this often goes round in a circle.
pub(super) const MOST_HOPS: u32 = 5;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// RFC 9110 section 7.6.1.
static HOP_BY_HOP: [HeaderName; 6] =
    [header::CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, header::TE, header::TRANSFER_ENCODING, header::UPGRADE];
/// What devloop has answered itself.
static NOT_FOR_APPS: [HeaderName; 2] = [HTTP2_SETTINGS, header::EXPECT];
/// What would lead clients past devloop, or is devloop's to say.
static NOT_FOR_CLIENTS: [HeaderName; 3] = [header::ALT_SVC, REASON, STALE];

/// What a request asks for beside its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// Nothing.
    None,
    /// `websocket`
    WebSocket,
    /// Anything else; the value of `Upgrade`.
    Other(HeaderValue),
}

/// Tells where the time of an answer went: how long its request was `held`, and how long the program took. What the
/// program says about its own time stays.
pub(super) fn time(headers: &mut HeaderMap, held: Option<Duration>, until_head: Duration) {
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    let said = match held {
        Some(held) => {
            let app = until_head.saturating_sub(held);
            format!("devloop-held;dur={:.1}, devloop-app;dur={:.1}", millis(held), millis(app))
        }
        None => format!("devloop-held;dur={:.1}", millis(until_head)),
    };
    headers.append(SERVER_TIMING, line(&said));
}

/// Whether the head of a request is one that devloop cannot pass on without guessing; why.
pub(super) fn unsound(headers: &HeaderMap) -> Option<&'static str> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Some("`Transfer-Encoding` is something else than `chunked`");
    }
    if headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Some("several `Content-Length` fields");
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => None,
        (Some(origin), None) if sound_origin(origin.as_bytes()) => None,
        _ => Some("`Origin` is malformed"),
    }
}

/// `null`, or a scheme, `://` and a host without path.
fn sound_origin(origin: &[u8]) -> bool {
    if origin == b"null" {
        return true;
    }
    let Some(colon) = origin.windows(3).position(|three| three == b"://") else { return false };
    let (scheme, host) = (&origin[..colon], &origin[colon + 3..]);
    let in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let in_host = |byte: &u8| byte.is_ascii_graphic() && !b"/?#\\@<>\"".contains(byte);
    scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(in_scheme) && host.iter().all(in_host)
}

/// What the request wants to become.
pub(super) fn upgrade(headers: &HeaderMap) -> Upgrade {
    if !names(headers, header::CONNECTION).any(|name| name.eq_ignore_ascii_case(b"upgrade")) {
        return Upgrade::None;
    }
    match headers.get(header::UPGRADE) {
        None => Upgrade::None,
        // Obsolete; its clients go on with HTTP/1.1.
        Some(value) if value.as_bytes().to_ascii_lowercase().starts_with(b"h2c") => Upgrade::None,
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"websocket") => Upgrade::WebSocket,
        Some(value) => Upgrade::Other(value.clone()),
    }
}

/// How often the request has passed a devloop before.
pub(super) fn hops(headers: &HeaderMap) -> u32 {
    let seen = headers.get(HOPS).and_then(|value| value.to_str().ok());
    seen.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Makes the head of a request fit for the program. `host`: as the client named it, with its port. `said`: what becomes
/// of what the client says about its way.
pub(super) fn for_app(headers: &mut HeaderMap, upgrade: &Upgrade, origin: &Origin, host: HeaderValue, said: Forwarded) {
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let trailers = names(headers, header::TE).any(|name| name.eq_ignore_ascii_case(b"trailers"));
    let hops = hops(headers) + 1;
    strip_hop_by_hop(headers);
    remove_all(headers, &NOT_FOR_APPS);
    if chunked {
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    match upgrade {
        Upgrade::None => {}
        Upgrade::WebSocket => allow_upgrade(headers, HeaderValue::from_static("websocket")),
        Upgrade::Other(protocol) => allow_upgrade(headers, protocol.clone()),
    }
    origin.tell(headers, host, said);
    headers.insert(HOPS, if hops == 1 { HeaderValue::from_static("1") } else { HeaderValue::from(hops) });
}

/// Makes the head of an answer fit for the client. `local`: how the client named the host.
pub(super) fn for_client(headers: &mut HeaderMap, local: Local, stale: Option<&str>) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    strip_hop_by_hop(headers);
    remove_all(headers, &NOT_FOR_CLIENTS);
    if local == Local::Loopback {
        headers.remove(header::STRICT_TRANSPORT_SECURITY);
    }
    if let Some(why) = stale {
        headers.insert(STALE, line(why));
    }
}

/// Makes the head of a 101 answer fit for the client.
pub(super) fn for_upgraded_client(headers: &mut HeaderMap, local: Local, stale: Option<&str>) {
    let protocol = headers.get(header::UPGRADE).cloned();
    for_client(headers, local, stale);
    headers.remove(header::CONTENT_LENGTH);
    if let Some(protocol) = protocol {
        allow_upgrade(headers, protocol);
    }
}

/// Whether a name of this machine was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    /// localhost, *.localhost, a loopback address.
    Loopback,
    /// A name from `hosts`, an address of the network.
    Network,
}

fn allow_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::UPGRADE, protocol);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        // The usual words name nothing that would not go anyway.
        let is_word = |name: &[u8]| [&b"keep-alive"[..], b"close"].iter().any(|word| name.eq_ignore_ascii_case(word));
        let named = names(headers, header::CONNECTION).filter(|name| !is_word(name));
        let named: Vec<HeaderName> = named.filter_map(|name| HeaderName::from_bytes(name).ok()).collect();
        // What frames or addresses the message is not the client's to take away.
        let kept = [header::HOST, header::CONTENT_LENGTH, header::TRAILER];
        named.iter().filter(|name| !kept.contains(name)).for_each(|name| drop(headers.remove(name)));
    }
    remove_all(headers, &HOP_BY_HOP);
}

/// Takes away the fields of these names. Most heads have none of them, and a look at each field costs less than to look
/// each name up.
fn remove_all(headers: &mut HeaderMap, unwanted: &[HeaderName]) {
    while let Some(name) = headers.keys().find(|name| unwanted.contains(name)).cloned() {
        headers.remove(name);
    }
}

/// The comma-separated members of every field of this name, trimmed.
fn names(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// The target as the program gets it: never with scheme and host. None if it already is.
pub(super) fn origin_form(uri: &Uri) -> Option<Uri> {
    uri.scheme()?;
    Some(uri.path_and_query().map_or_else(|| Uri::from_static("/"), |path| Uri::from(path.clone())))
}

/// Whether a second instance may be sent this request although the first one got bytes of it.
pub(super) fn replayable(method: &Method, headers: &HeaderMap) -> bool {
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE => true,
        _ => headers.contains_key(IDEMPOTENCY_KEY),
    }
}

/// Whether a connection that was used before is good enough: what is lost with it can simply be sent again.
pub(super) fn poolable(method: &Method) -> bool {
    method.is_safe()
}

/// Whether a page that is already there asks for this in the background.
pub(super) fn in_background(headers: &HeaderMap) -> bool {
    let mode = headers.get(SEC_FETCH_MODE);
    mode.is_some_and(|mode| mode != "navigate") && headers.contains_key(header::REFERER)
}

/// Whether a person waits for a page.
pub(super) fn is_navigation(headers: &HeaderMap) -> bool {
    match headers.get(SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => accepts(headers, "text/html"),
    }
}

/// Whether `Accept` names this media type (not by a wildcard).
pub(super) fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    names(headers, header::ACCEPT).any(|member| media_type(member).eq_ignore_ascii_case(wanted.as_bytes()))
}

/// Makes the head of a request that came in HTTP/2 look as if it had come in HTTP/1.1 (RFC 9113 section 8):
/// `:authority` becomes `Host`, the crumbs of the cookie become one.
pub(super) fn from_http2(headers: &mut HeaderMap, uri: &Uri) {
    if !headers.contains_key(header::HOST)
        && let Some(authority) = uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(header::HOST, host);
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, cookie);
    }
}

/// Makes a head that is fit for the program one of HTTP/2: `Host` becomes `:authority`. (Its length needs no coding.)
pub(super) fn to_http2(head: &mut Parts, scheme: Scheme) {
    head.headers.remove(header::TRANSFER_ENCODING);
    let host = head.headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let target = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    // A host that is no authority stays a field, which is allowed.
    if let Some(authority) = host
        && let Ok(uri) = Uri::builder().scheme(scheme.name()).authority(authority).path_and_query(target).build()
    {
        head.headers.remove(header::HOST);
        head.uri = uri;
    }
    head.version = Version::HTTP_2;
}

/// Whether this is gRPC, in whatever format its messages are (gRPC over HTTP/2, "Requests"); gRPC-Web is not.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let kind = media_type(kind).to_ascii_lowercase();
    kind.strip_prefix(b"application/grpc").is_some_and(|rest| rest.is_empty() || rest[0] == b'+')
}

/// Whether `Content-Type` is this media type.
pub(super) fn is_of(headers: &HeaderMap, wanted: &str) -> bool {
    media_type_of(headers).eq_ignore_ascii_case(wanted.as_bytes())
}

/// The media type in `Content-Type`, without parameters; empty if there is none.
pub(super) fn media_type_of(headers: &HeaderMap) -> &[u8] {
    media_type(headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes))
}

fn media_type(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b';').next().unwrap_or(value).trim_ascii()
}

/// One line of visible ASCII, at most 200 characters: fit for a header field.
pub(super) fn line(why: &str) -> HeaderValue {
    let visible = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text(why.trim().chars().take(200).map(visible).collect::<String>().as_str())
}

fn text(visible: &str) -> HeaderValue {
    HeaderValue::from_str(visible).unwrap_or(HeaderValue::from_static("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = fields.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn sent(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = map(fields);
        let asked = upgrade(&headers);
        let host = HeaderValue::from_static("localhost:3000");
        let origin = Origin::new([127, 0, 0, 1].into(), Scheme::Http, 3000);
        for_app(&mut headers, &asked, &origin, host, Forwarded::Replaced);
        headers
    }

    #[test]
    fn hop_by_hop_fields_and_what_connection_names_stay_here() {
        let headers = sent(&[
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers, deflate"),
            ("trailer", "x-sum"),
            ("cookie", "a=b"),
        ]);
        assert!(["connection", "x-secret", "keep-alive"].iter().all(|name| !headers.contains_key(*name)));
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["trailer"], "x-sum");
        assert_eq!(headers["cookie"], "a=b");
    }

    #[test]
    fn connection_cannot_name_away_host_or_length() {
        let headers = sent(&[("host", "localhost"), ("content-length", "3"), ("connection", "host, content-length")]);
        assert!(headers.contains_key("host") && headers.contains_key("content-length"));
    }

    #[test]
    fn what_the_client_says_about_forwarding_is_overwritten() {
        let headers = sent(&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-proto", "https"), ("x-devloop-hops", "2")]);
        assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-host"], "localhost:3000");
        assert_eq!(headers["x-forwarded-port"], "3000");
        assert_eq!(headers["x-devloop-hops"], "3");
    }

    #[test]
    fn an_upgrade_is_asked_for_again_only_if_connection_named_it() {
        assert_eq!(sent(&[("upgrade", "websocket"), ("connection", "keep-alive, Upgrade")])["connection"], "Upgrade");
        assert!(!sent(&[("upgrade", "websocket")]).contains_key("upgrade"));
        assert!(!sent(&[("upgrade", "h2c"), ("connection", "Upgrade, HTTP2-Settings")]).contains_key("upgrade"));
    }

    #[test]
    fn odd_transfer_encodings_and_origins_are_unsound() {
        assert_eq!(unsound(&map(&[("transfer-encoding", "Chunked"), ("origin", "http://localhost:3000")])), None);
        assert_eq!(unsound(&map(&[("origin", "null")])), None);
        assert_eq!(unsound(&map(&[("origin", "moz-extension://0af3-b2")])), None);
        for bad in ["gzip, chunked", "xchunked", "identity", "chunked, chunked", ""] {
            let mut headers = HeaderMap::new();
            headers.insert("transfer-encoding", HeaderValue::from_str(bad).unwrap());
            assert!(unsound(&headers).is_some(), "{bad}");
        }
        for bad in ["garbage", "http://", "http://a b", "http://a/b", "://x", "http://user@host", ""] {
            let mut headers = HeaderMap::new();
            headers.insert("origin", HeaderValue::from_str(bad).unwrap());
            assert_eq!(unsound(&headers).is_some(), bad != "http://", "{bad}");
        }
    }

    #[test]
    fn answers_lose_alt_svc_everywhere_and_hsts_on_loopback() {
        let answer = [("alt-svc", "h3=\":443\""), ("strict-transport-security", "max-age=1"), ("x-devloop", "forged")];
        let mut headers = map(&answer);
        for_client(&mut headers, Local::Loopback, None);
        assert!(headers.is_empty());
        let mut headers = map(&answer);
        for_client(&mut headers, Local::Network, Some("step `build`\nfailed: é"));
        assert!(headers.contains_key("strict-transport-security"));
        assert_eq!(headers["x-devloop-stale"], "step `build`?failed: ?");
    }

    #[test]
    fn a_length_beside_a_transfer_encoding_goes_with_it() {
        let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "5")]);
        for_client(&mut headers, Local::Loopback, None);
        assert!(headers.is_empty());
    }

    #[test]
    fn targets_lose_scheme_and_host_but_not_a_byte_else() {
        let uri: Uri = "http://localhost:3000/a;b=%2F%ff?x=1&y".parse().unwrap();
        assert_eq!(origin_form(&uri).unwrap().to_string(), "/a;b=%2F%ff?x=1&y");
        assert_eq!(origin_form(&"//x/y?".parse().unwrap()), None);
    }
}
