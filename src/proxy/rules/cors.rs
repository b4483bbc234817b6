//! Which pages of other origins may read an answer (`cors`; the Fetch standard's CORS protocol). Where it is
//! configured, devloop answers instead of the program. Where it is not, only a field that a program has set twice is
//! looked after.

use hyper::{
    HeaderMap, Method,
    header::{self, HeaderName, HeaderValue},
};

use super::super::host;
use crate::plan::{Cors, Origins};

/// Asked by browsers before they let a public page reach a private address.
const PRIVATE_ASKED: HeaderName = HeaderName::from_static("access-control-request-private-network");
const PRIVATE_ALLOWED: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const ANSWERS: [HeaderName; 7] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
    PRIVATE_ALLOWED,
];

/// Whether a browser asks whether it may ask.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The head of the answer to a preflight; none if the origin is not allowed.
pub(super) fn preflight(cors: &Cors, asking: &HeaderMap) -> Option<HeaderMap> {
    let origin = asking.get(header::ORIGIN).filter(|origin| allows(&cors.origins, origin))?;
    let mut headers = HeaderMap::new();
    share(cors, origin, &mut headers);
    let listed = |names: &[String], asked: HeaderName| match names {
        [] => asking.get(asked).cloned(),
        names => HeaderValue::from_str(&names.join(", ")).ok(),
    };
    if let Some(methods) = listed(&cors.methods, header::ACCESS_CONTROL_REQUEST_METHOD) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    if let Some(fields) = listed(&cors.headers, header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, fields);
    }
    if let Some(age) = cors.max_age {
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(age.as_secs()));
    }
    if asking.contains_key(PRIVATE_ASKED) {
        headers.insert(PRIVATE_ALLOWED, HeaderValue::from_static("true"));
    }
    let varies = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    headers.insert(header::VARY, HeaderValue::from_static(varies));
    Some(headers)
}

/// Whether the program has tried to answer itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// It has not.
    Silent,
    /// It has; what it said is dropped.
    Overruled,
}

/// Says in the head of an answer what holds for the origin that asked. What the program says about it is dropped.
pub(super) fn answer(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> Program {
    let spoke = ANSWERS.iter().filter(|name| headers.remove(*name).is_some()).count();
    if let Some(origin) = origin.filter(|origin| allows(&cors.origins, origin)) {
        share(cors, origin, headers);
        if let Ok(names) = HeaderValue::from_str(&cors.expose.join(", "))
            && !names.is_empty()
        {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
    }
    if cors.origins != Origins::All {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    if spoke > 0 { Program::Overruled } else { Program::Silent }
}

fn share(cors: &Cors, origin: &HeaderValue, headers: &mut HeaderMap) {
    let named = match cors.origins {
        Origins::All => HeaderValue::from_static("*"),
        Origins::ThisMachine | Origins::These(_) => origin.clone(),
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, named);
    if cors.credentials {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

fn allows(origins: &Origins, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str().map(str::to_ascii_lowercase) else { return false };
    match origins {
        Origins::All => true,
        Origins::ThisMachine => {
            let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            host.and_then(|host| host::parse(host.as_bytes())).is_some_and(|(name, _)| name.is_loopback())
        }
        Origins::These(known) => known.iter().any(|known| covers(known, &origin)),
    }
}

/// `https://*.app.test` is every name below.
fn covers(known: &str, origin: &str) -> bool {
    let Some((before, after)) = known.split_once('*') else { return known == origin };
    let between = origin.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    let in_host = |letter: u8| letter.is_ascii_alphanumeric() || b"-._".contains(&letter);
    between.is_some_and(|between| !between.is_empty() && between.bytes().all(in_host))
}

/// Leaves one `Access-Control-Allow-Origin` of several: browsers refuse more than one. If they are not the same, the
/// first and the second are returned: somebody should know.
pub(in super::super) fn collapse(headers: &mut HeaderMap) -> Option<[String; 2]> {
    let name = header::ACCESS_CONTROL_ALLOW_ORIGIN;
    let values = headers.get_all(&name).iter();
    let mut members = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let first = members.next()?.to_vec();
    let mut rest = members.peekable();
    rest.peek()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let other = rest.find(|member| *member != first).map(text);
    if let Ok(value) = HeaderValue::from_bytes(&first) {
        headers.insert(name, value);
    }
    other.map(|other| [text(&first), other])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn cors(origins: Origins) -> Cors {
        let credentials = origins != Origins::All;
        Cors { origins, credentials, methods: vec![], headers: vec![], expose: vec!["x-total".into()], max_age: None }
    }

    #[test]
    fn the_pages_of_this_machine_are_told_from_others() {
        let allowed = |origin: &str| allows(&Origins::ThisMachine, &HeaderValue::from_str(origin).unwrap());
        for ours in [
            "http://localhost",
            "http://LOCALHOST:5173",
            "https://app.localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
        ] {
            assert!(allowed(ours), "{ours}");
        }
        for other in [
            "http://evil.test",
            "http://localhost.evil.test",
            "http://evil.test#localhost",
            "http://localhost@evil.test",
            "null",
            "file://",
            "ftp://localhost",
            "http://127.0.0.1.nip.io",
            "",
        ] {
            assert!(!allowed(other), "{other}");
        }
    }

    #[test]
    fn listed_origins_are_exact_but_for_a_star() {
        let known = Origins::These(vec!["https://app.test".into(), "http://*.dev.test:81".into()]);
        let allowed = |origin: &str| allows(&known, &HeaderValue::from_str(origin).unwrap());
        assert!(allowed("https://App.Test") && allowed("http://a.b.dev.test:81"));
        for other in [
            "http://app.test",
            "https://app.test:444",
            "https://x.app.test",
            "http://dev.test:81",
            "http://.dev.test:81",
            "http://evil.test/.dev.test:81",
            "http://evil.test?.dev.test:81",
        ] {
            assert!(!allowed(other), "{other}");
        }
    }

    #[test]
    fn a_preflight_is_answered_with_what_was_asked_for() {
        let asking = map(&[
            ("origin", "http://localhost:5173"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-a, x-b"),
            ("access-control-request-private-network", "true"),
        ]);
        assert!(is_preflight(&Method::OPTIONS, &asking) && !is_preflight(&Method::GET, &asking));
        assert!(!is_preflight(&Method::OPTIONS, &map(&[("origin", "http://localhost")])));
        let headers = preflight(&cors(Origins::ThisMachine), &asking).unwrap();
        for (name, value) in [
            ("access-control-allow-origin", "http://localhost:5173"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "PUT"),
            ("access-control-allow-headers", "x-a, x-b"),
            ("access-control-allow-private-network", "true"),
        ] {
            assert_eq!(headers[name], value);
        }
        let strict = Cors {
            methods: vec!["GET".into(), "POST".into()],
            max_age: Some(Duration::from_secs(600)),
            ..cors(Origins::All)
        };
        let headers = preflight(&strict, &asking).unwrap();
        assert_eq!(
            (&headers["access-control-allow-origin"], &headers["access-control-max-age"]),
            (&"*".parse().unwrap(), &"600".parse().unwrap())
        );
        assert_eq!(headers["access-control-allow-methods"], "GET, POST");
        assert!(!headers.contains_key("access-control-allow-credentials"));
        assert_eq!(preflight(&cors(Origins::These(vec![])), &asking), None);
    }

    #[test]
    fn what_the_program_says_itself_is_dropped() {
        let mut headers = map(&[
            ("access-control-allow-origin", "*"),
            ("access-control-allow-origin", "http://evil.test"),
            ("access-control-allow-headers", "x"),
            ("vary", "Cookie"),
        ]);
        let origin = HeaderValue::from_static("http://localhost:1");
        assert_eq!(answer(&cors(Origins::ThisMachine), Some(&origin), &mut headers), Program::Overruled);
        let allowed: Vec<_> = headers.get_all("access-control-allow-origin").iter().collect();
        assert_eq!(allowed, [&origin]);
        assert_eq!(headers["access-control-expose-headers"], "x-total");
        assert_eq!(headers.get_all("vary").iter().collect::<Vec<_>>(), ["Cookie", "Origin"]);
        assert!(!headers.contains_key("access-control-allow-headers"));
        let mut headers = map(&[("access-control-allow-origin", "*")]);
        let evil = HeaderValue::from_static("http://evil.test");
        assert_eq!(answer(&cors(Origins::ThisMachine), Some(&evil), &mut headers), Program::Overruled);
        assert_eq!(headers, map(&[("vary", "Origin")]));
        assert_eq!(answer(&cors(Origins::All), None, &mut HeaderMap::new()), Program::Silent);
    }

    #[test]
    fn a_field_that_was_set_twice_is_one_again() {
        for (values, left, told) in [
            (vec!["*"], "*", None),
            (vec!["*", "*"], "*", None),
            (vec!["http://a, http://a"], "http://a", None),
            (vec!["*", "http://a"], "*", Some(["*".to_owned(), "http://a".to_owned()])),
            (vec!["http://a, *"], "http://a", Some(["http://a".to_owned(), "*".to_owned()])),
        ] {
            let fields: Vec<_> = values.iter().map(|value| ("access-control-allow-origin", *value)).collect();
            let mut headers = map(&fields);
            assert_eq!(collapse(&mut headers), told, "{values:?}");
            assert_eq!(headers, map(&[("access-control-allow-origin", left)]));
        }
        assert_eq!(collapse(&mut HeaderMap::new()), None);
    }
}
