//! Which answers get devloop's tag, and what becomes of the two heads for that. Pure.

use std::fmt::Write;

use bytes::Bytes;
use encoding_rs::Encoding;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use super::{
    super::{
        headers::{accepts, is_of},
        pages::escape,
    },
    csp::{Policies, Wanted, widen},
    decode::{Coding, Decode},
    insert::{Certainty, Insert},
};
use crate::model::{Revision, RunId};

/// The script that the tag loads.
pub(in super::super) const CLIENT: &str = "/.devloop/client.js";
const FOLDER: &str = "/.devloop/";

/// Fields by which libraries say that they fetch a piece for a page that is there already.
const PIECES: [HeaderName; 5] = [
    HeaderName::from_static("hx-request"),
    HeaderName::from_static("turbo-frame"),
    HeaderName::from_static("x-requested-with"),
    HeaderName::from_static("x-up-version"),
    HeaderName::from_static("datastar-request"),
];
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH: [HeaderName; 4] = [
    SEC_FETCH_MODE,
    SEC_FETCH_DEST,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("sec-fetch-user"),
];
/// What speaks of bytes that are not the same any more.
const OF_OTHER_BYTES: [HeaderName; 8] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];
/// Fields with content security policies.
pub(in super::super) const POLICIES: [HeaderName; 2] =
    [header::CONTENT_SECURITY_POLICY, header::CONTENT_SECURITY_POLICY_REPORT_ONLY];
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// What a request asks for, as far as devloop's tag is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Asks {
    /// A page, if HTML comes back.
    Page(Certainty),
    /// Anything else.
    Other,
}

/// Whose page it is, and how it reached us.
#[derive(Clone, Debug)]
pub(in super::super) struct Served<'a> {
    /// Who answers.
    pub(in super::super) by: By<'a>,
    /// Whether it sends what it writes to the console.
    pub(in super::super) console: bool,
    /// The newest change of assets before it was asked.
    pub(in super::super) assets: u64,
    /// The live revisions of all services, where it reloads for each of them; JSON.
    pub(in super::super) all: Option<String>,
    /// Opens `/.devloop/events`.
    pub(in super::super) token: &'a str,
    /// `http://localhost:3000`; none if the client named no host.
    pub(in super::super) origin: Option<String>,
    /// A name that cannot be guessed, for one page.
    pub(in super::super) nonce: String,
}

/// Who answers with a page.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum By<'a> {
    /// An instance of a service.
    Service { name: &'a str, revision: Revision, run: RunId },
    /// The folder of a route.
    Folder(&'a str),
}

impl Asks {
    /// Of a request with this head.
    pub(in super::super) fn of(method: &Method, headers: &HeaderMap) -> Asks {
        if *method != Method::GET || headers.contains_key(header::RANGE) {
            return Asks::Other;
        }
        if SEC_FETCH.iter().any(|name| headers.contains_key(name)) {
            return match headers.get(SEC_FETCH_MODE) {
                Some(mode) if mode == "navigate" => Asks::Page(Certainty::Page),
                _ => Asks::Other,
            };
        }
        let is_piece = || PIECES.iter().any(|name| headers.contains_key(name));
        if accepts(headers, "text/html") && !is_piece() { Asks::Page(Certainty::Perhaps) } else { Asks::Other }
    }

    /// Asks the program for the page as it is, and for all of it.
    pub(in super::super) fn prepare(self, headers: &mut HeaderMap) {
        if self == Asks::Other {
            return;
        }
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.remove(header::IF_NONE_MATCH);
        headers.remove(header::IF_MODIFIED_SINCE);
    }
}

/// Whether a person looks at an empty window until this is answered: another page may stand in for it meanwhile. Not
/// where it goes through a service worker, which may keep it, and not where the browser only looks ahead.
pub(in super::super) fn is_watched(method: &Method, headers: &HeaderMap) -> bool {
    let says =
        |name: HeaderName, known: &[&str]| headers.get(name).is_some_and(|value| known.iter().any(|one| value == one));
    *method == Method::GET
        && says(SEC_FETCH_MODE, &["navigate"])
        && says(SEC_FETCH_DEST, &["document", "iframe", "frame"])
        && accepts(headers, "text/html")
        && !headers.contains_key(header::RANGE)
        && !headers.contains_key("sec-purpose")
}

/// A page that gets the tag.
#[derive(Debug)]
pub(in super::super) struct Opening {
    pub(super) decode: Decode,
    pub(super) insert: Insert,
}

/// Makes the head of an answer fit for a page with devloop's tag; none, and nothing is changed, if it gets none.
pub(in super::super) fn inject(
    asks: Asks,
    status: StatusCode,
    headers: &mut HeaderMap,
    served: &Served<'_>,
) -> Option<Opening> {
    let Asks::Page(certainty) = asks else { return None };
    if !has_page(status) || !is_page(headers) {
        return None;
    }
    let coding = Coding::of(headers)?;
    let nonce = widen_policies(headers, served)?;
    OF_OTHER_BYTES.iter().chain([&CONTENT_MD5]).for_each(|name| drop(headers.remove(name)));
    let tag = tag(served, nonce.as_deref());
    Some(Opening { decode: Decode::new(coding), insert: Insert::new(Bytes::from(tag), certainty) })
}

/// Whether an answer with this status is shown as a page.
fn has_page(status: StatusCode) -> bool {
    !status.is_informational()
        && !status.is_redirection()
        && ![StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::PARTIAL_CONTENT].contains(&status)
}

fn is_page(headers: &HeaderMap) -> bool {
    is_of(headers, "text/html") && is_ascii_compatible(headers) && !is_attachment(headers) && may_be_changed(headers)
}

/// Whether `<` is one byte in the encoding that the head names, if it names one.
fn is_ascii_compatible(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let parameters = value.split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii);
    let mut charsets = parameters.filter_map(|parameter| {
        let (name, value) = parameter.split_at_checked(8)?;
        name.eq_ignore_ascii_case(b"charset=").then_some(value)
    });
    let Some(charset) = charsets.next() else { return true };
    let label = charset.trim_ascii();
    let label = label.strip_prefix(b"\"").and_then(|label| label.strip_suffix(b"\"")).unwrap_or(label);
    // Browsers do not know what they do not know, and guess an encoding that holds ASCII; these two they once knew.
    let lower = label.to_ascii_lowercase();
    match Encoding::for_label(label) {
        Some(encoding) => encoding.is_ascii_compatible(),
        None => !lower.starts_with(b"utf-32") && !lower.starts_with(b"utf-7"),
    }
}

fn is_attachment(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_DISPOSITION).map_or(&b""[..], HeaderValue::as_bytes);
    let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(b"attachment")
}

fn may_be_changed(headers: &HeaderMap) -> bool {
    let members =
        headers.get_all(header::CACHE_CONTROL).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    !members.map(<[u8]>::trim_ascii).any(|member| member.eq_ignore_ascii_case(b"no-transform"))
}

/// Lets the tag pass every policy; gives the nonce it has to bear. None if that is not possible.
fn widen_policies(headers: &mut HeaderMap, served: &Served<'_>) -> Option<Option<String>> {
    let names = POLICIES;
    if names.iter().all(|name| !headers.contains_key(name)) {
        return Some(None);
    }
    // An IPv6 address cannot be written in a policy.
    let origin = served.origin.as_deref().filter(|origin| !origin.contains('['));
    let address = |path: &str| origin.map_or_else(|| "'self'".to_owned(), |origin| format!("{origin}{path}"));
    let (script, requests) = (address(CLIENT), address(FOLDER));
    let wanted = Wanted { script: &script, requests: &requests, nonce: &served.nonce };
    let fields = names.iter().flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)));
    let texts = fields.map(|(name, value)| Some((name, value.to_str().ok()?)));
    let (of, values): (Vec<&HeaderName>, Vec<&str>) = texts.collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let Policies::Open(widened, nonce) = widen(&values, wanted) else { return None };
    let widened: Vec<HeaderValue> =
        widened.iter().map(|value| HeaderValue::from_str(value).ok()).collect::<Option<_>>()?;
    let of: Vec<HeaderName> = of.into_iter().cloned().collect();
    names.iter().for_each(|name| drop(headers.remove(name)));
    for (name, value) in of.into_iter().zip(widened) {
        headers.append(name, value);
    }
    Some(nonce)
}

fn tag(served: &Served<'_>, nonce: Option<&str>) -> String {
    let mut tag = format!("<script async src=\"{CLIENT}\"");
    let mut push = |name: &str, value: &str| {
        write!(tag, " {name}=\"{}\"", escape(value)).expect("writing to a string cannot fail");
    };
    match served.by {
        By::Service { name, revision, run } => {
            push("data-service", name);
            push("data-revision", &revision.to_string());
            push("data-run", &run.to_string());
        }
        By::Folder(folder) => push("data-folder", folder),
    }
    push("data-token", served.token);
    if served.assets > 0 {
        push("data-assets", &served.assets.to_string());
    }
    if served.console {
        push("data-console", "");
    }
    if let Some(all) = &served.all {
        push("data-all", all);
    }
    if let Some(nonce) = nonce {
        push("nonce", nonce);
    }
    tag.push_str("></script>");
    tag
}

/// A name that cannot be guessed: what the standard library seeds its maps with.
pub(in super::super) fn fresh_nonce() -> String {
    use std::hash::{BuildHasher, RandomState};
    let half = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn served() -> Served<'static> {
        Served {
            by: By::Service { name: "api", revision: Revision(42), run: RunId(7) },
            assets: 0,
            all: None,
            console: false,
            token: "t0ken",
            origin: Some("http://localhost:3000".into()),
            nonce: "OURS".into(),
        }
    }

    fn asks(fields: &[(&'static str, &'static str)]) -> Asks {
        Asks::of(&Method::GET, &map(fields))
    }

    /// Whether an answer with this head to a navigation gets the tag.
    fn gets(status: u16, fields: &[(&'static str, &'static str)]) -> bool {
        let mut headers = map(fields);
        let before = headers.clone();
        let status = StatusCode::from_u16(status).unwrap();
        let opening = inject(Asks::Page(Certainty::Page), status, &mut headers, &served());
        assert!(opening.is_some() || headers == before, "nothing is changed where nothing is put in");
        opening.is_some()
    }

    const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

    #[test]
    fn browsers_say_that_they_navigate_and_nothing_else_is_a_page() {
        let page = Asks::Page(Certainty::Page);
        assert_eq!(asks(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]), page);
        assert_eq!(asks(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]), page);
        // Through a service worker.
        assert_eq!(asks(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty")]), page);
        for mode in ["cors", "no-cors", "same-origin", "websocket"] {
            assert_eq!(asks(&[("sec-fetch-mode", mode), ("accept", "text/html")]), Asks::Other, "{mode}");
        }
        assert_eq!(asks(&[("sec-fetch-site", "same-origin"), ("accept", "text/html")]), Asks::Other);
        let range = [("sec-fetch-mode", "navigate"), ("range", "bytes=0-")];
        assert_eq!(asks(&range), Asks::Other);
        for method in [Method::HEAD, Method::POST, Method::PUT] {
            assert_eq!(Asks::of(&method, &map(&[("sec-fetch-mode", "navigate")])), Asks::Other, "{method}");
        }
    }

    #[test]
    fn without_such_words_who_accepts_html_and_is_no_library_may_want_a_page() {
        assert_eq!(asks(&[("accept", "text/html,*/*;q=0.8")]), Asks::Page(Certainty::Perhaps));
        assert_eq!(asks(&[("accept", "*/*")]), Asks::Other);
        assert_eq!(asks(&[]), Asks::Other);
        for piece in PIECES {
            let mut headers = map(&[("accept", "text/html")]);
            headers.insert(piece.clone(), HeaderValue::from_static("true"));
            assert_eq!(Asks::of(&Method::GET, &headers), Asks::Other, "{piece}");
        }
    }

    #[test]
    fn only_who_looks_at_an_empty_window_is_shown_another_page() {
        let navigation = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("accept", "text/html,*/*")];
        let watched = |fields: &[(&'static str, &'static str)]| is_watched(&Method::GET, &map(fields));
        assert!(watched(&navigation));
        assert!(!is_watched(&Method::POST, &map(&navigation)) && !is_watched(&Method::HEAD, &map(&navigation)));
        for missing in 0..navigation.len() {
            let mut fields = navigation.to_vec();
            fields.remove(missing);
            assert!(!watched(&fields), "{fields:?}");
        }
        for more in [("range", "bytes=0-"), ("sec-purpose", "prefetch")] {
            assert!(!watched(&[&navigation[..], &[more]].concat()), "{more:?}");
        }
        assert!(!watched(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty"), ("accept", "text/html")]));
    }

    #[test]
    fn a_page_is_asked_for_whole_and_as_it_is() {
        let fields =
            [("accept-encoding", "gzip, br"), ("if-none-match", "\"a\""), ("if-modified-since", "x"), ("cookie", "a")];
        let mut headers = map(&fields);
        Asks::Page(Certainty::Page).prepare(&mut headers);
        assert_eq!(headers, map(&[("accept-encoding", "identity"), ("cookie", "a")]));
        let mut headers = map(&fields);
        Asks::Other.prepare(&mut headers);
        assert_eq!(headers, map(&fields));
    }

    #[test]
    fn pages_of_every_status_that_has_a_body_get_the_tag() {
        for status in [200, 201, 400, 401, 403, 404, 410, 418, 422, 500, 503] {
            assert!(gets(status, &[HTML]), "{status}");
        }
        for status in [204, 205, 206, 301, 302, 303, 304, 307] {
            assert!(!gets(status, &[HTML]), "{status}");
        }
    }

    #[test]
    fn what_is_no_page_or_must_not_be_changed_stays() {
        assert!(gets(200, &[("content-type", "TEXT/HTML")]));
        assert!(gets(200, &[("content-type", "text/html; charset=\"ISO-8859-1\"")]));
        assert!(gets(200, &[("content-type", "text/html;charset=gbk")]));
        assert!(gets(200, &[("content-type", "text/html; charset=made-up")]));
        assert!(gets(200, &[HTML, ("content-disposition", "inline; filename=attachment")]));
        assert!(gets(200, &[HTML, ("content-encoding", "br")]));
        for kind in ["text/plain", "application/xhtml+xml", "application/json", "text/htmlx", "text/event-stream", ""] {
            assert!(!gets(200, &[("content-type", kind)]), "{kind}");
        }
        assert!(!gets(200, &[]));
        for charset in ["utf-16", "UTF-16LE", "\"utf-16be\"", "iso-2022-jp", "utf-32", "utf-7"] {
            let mut headers = map(&[]);
            headers.insert("content-type", HeaderValue::from_str(&format!("text/html; charset={charset}")).unwrap());
            assert!(!is_page(&headers), "{charset}");
        }
        assert!(!gets(200, &[HTML, ("content-disposition", "Attachment; filename=x.html")]));
        assert!(!gets(200, &[HTML, ("cache-control", "public"), ("cache-control", "max-age=1, No-Transform")]));
        assert!(!gets(200, &[HTML, ("content-encoding", "zstd")]));
        assert!(!gets(200, &[HTML, ("content-security-policy", "sandbox")]));
    }

    #[test]
    fn what_speaks_of_the_bytes_as_they_were_goes() {
        let mut headers = map(&[
            HTML,
            ("content-length", "10"),
            ("content-encoding", "gzip"),
            ("etag", "\"x\""),
            ("last-modified", "x"),
            ("accept-ranges", "bytes"),
            ("content-digest", "x"),
            ("repr-digest", "x"),
            ("digest", "x"),
            ("content-md5", "x"),
            ("vary", "accept-encoding"),
            ("set-cookie", "a=b"),
            ("cache-control", "max-age=5"),
        ]);
        assert!(inject(Asks::Page(Certainty::Page), StatusCode::OK, &mut headers, &served()).is_some());
        let left = [HTML, ("vary", "accept-encoding"), ("set-cookie", "a=b"), ("cache-control", "max-age=5")];
        assert_eq!(headers, map(&left));
    }

    #[test]
    fn policies_of_both_kinds_are_widened_and_keep_their_number() {
        let mut headers = map(&[
            HTML,
            ("content-security-policy", "script-src 'nonce-x'"),
            ("content-security-policy", "connect-src 'none'"),
            ("content-security-policy-report-only", "script-src 'none'"),
        ]);
        assert_eq!(widen_policies(&mut headers, &served()), Some(Some("x".to_owned())));
        let values: Vec<_> = headers.get_all("content-security-policy").iter().collect();
        assert_eq!(values, ["script-src 'nonce-x'", "connect-src http://localhost:3000/.devloop/"]);
        assert_eq!(headers["content-security-policy-report-only"], "script-src 'nonce-x'");
        let numbered = Served { origin: Some("http://[::1]:3000".into()), ..served() };
        let mut headers = map(&[("content-security-policy", "script-src 'unsafe-inline'; connect-src x.test")]);
        widen_policies(&mut headers, &numbered);
        assert_eq!(headers["content-security-policy"], "script-src 'unsafe-inline' 'self'; connect-src x.test 'self'");
    }

    #[test]
    fn the_tag_says_whose_page_it_is_and_cannot_be_broken_out_of() {
        let by = By::Service { name: "\"><b>", revision: Revision(42), run: RunId(7) };
        let hostile = Served { by, token: "'\"", ..served() };
        assert_eq!(
            tag(&hostile, Some("n\"")),
            "<script async src=\"/.devloop/client.js\" data-service=\"&quot;&gt;&lt;b&gt;\" data-revision=\"42\" \
             data-run=\"7\" data-token=\"&#39;&quot;\" nonce=\"n&quot;\"></script>"
        );
        assert_ne!(fresh_nonce(), fresh_nonce());
    }
}
