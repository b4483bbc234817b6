//! How the rules of a route work together: the order, and what it costs where nothing is configured.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;

use super::*;
use crate::plan::{Cors, Fail, Field, Latency, Origins, Prefix, RateLimit, Target};

fn ruleset(middleware: Middleware) -> Option<Ruleset> {
    let target = Target::Service { name: "api".into(), prefix: Prefix::Kept };
    Ruleset::new(&Route { host: None, path: String::new(), target, middleware: Arc::new(middleware) })
}

fn request(method: &str, fields: &[(&str, &str)], body: &'static str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri("/x");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Full::from(body)).unwrap()
}

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Refuses everything, in every way.
fn strict() -> Middleware {
    let cors = Cors {
        origins: Origins::ThisMachine,
        credentials: true,
        methods: vec![],
        headers: vec![],
        expose: vec![],
        max_age: None,
    };
    Middleware {
        max_headers: Some(100),
        cors: Some(cors),
        rate_limit: Some(RateLimit { requests: 1, per: Duration::from_secs(1), burst: 3 }),
        basic_auth: [("ann".to_owned(), "secret".to_owned())].into(),
        max_body: Some(3),
        latency: Some(Latency { least: Duration::from_secs(1), most: Duration::from_secs(1) }),
        fail: Some(Fail { rate: 1.0, status: 500 }),
        ..Middleware::default()
    }
}

const ANN: (&str, &str) = ("authorization", "Basic YW5uOnNlY3JldA==");

#[test]
fn nothing_is_asked_where_nothing_is_configured() {
    assert!(ruleset(Middleware::default()).is_none());
}

#[test]
fn what_is_refused_comes_in_the_documented_order() {
    let rules = ruleset(strict()).unwrap();
    let enter = |request: Request<Full<Bytes>>| rules.enter(&request, CLIENT, Time::ZERO);
    let long = "x".repeat(100);
    assert_eq!(enter(request("GET", &[("cookie", &long)], "")), Entry::Refused(Refusal::HeadTooLarge(100)));
    let ask = ("access-control-request-method", "PUT");
    let preflight = |origin| request("OPTIONS", &[("origin", origin), ask], "");
    assert!(
        matches!(enter(preflight("http://localhost:1")), Entry::Preflight(_)),
        "without credentials, and not counted"
    );
    assert_eq!(enter(preflight("http://evil.test")), Entry::Refused(Refusal::Origin("http://evil.test".to_owned())));
    assert_eq!(enter(request("POST", &[], "long")), Entry::Refused(Refusal::NotLetIn));
    assert_eq!(enter(request("POST", &[ANN], "long")), Entry::Refused(Refusal::BodyTooLong));
    assert_eq!(
        enter(request("POST", &[ANN], "abc")),
        Entry::FailsAfter(Duration::from_secs(1), Refusal::MadeToFail(500))
    );
    assert!(matches!(enter(request("POST", &[ANN], "abc")), Entry::Refused(Refusal::TooFast(_))));
}

#[test]
fn what_is_not_refused_waits_and_goes_on() {
    let rules = ruleset(Middleware { fail: None, ..strict() }).unwrap();
    assert_eq!(rules.enter(&request("POST", &[ANN], "abc"), CLIENT, Time::ZERO), Entry::After(Duration::from_secs(1)));
    assert!(rules.holds_for("/x") && !rules.holds_for("/.well-known/acme-challenge/token"));
}

#[test]
fn the_program_gets_what_dev_toml_says_and_no_password() {
    let mut middleware = strict();
    middleware.host_header = HostHeader::Name("app.test".to_owned());
    middleware.request_headers = [("x-env".to_owned(), Field::Set("dev".to_owned()))].into();
    let rules = ruleset(middleware).unwrap();
    let (mut head, _) = request("GET", &[ANN, ("host", "localhost")], "").into_parts();
    rules.change_request(&mut head);
    assert_eq!(
        (&head.headers["host"], &head.headers["x-env"]),
        (&"app.test".parse().unwrap(), &"dev".parse().unwrap())
    );
    assert!(!head.headers.contains_key("authorization"));
}

#[test]
fn the_fields_of_dev_toml_have_the_last_word_about_an_answer() {
    let middleware = Middleware {
        security_headers: true,
        response_headers: [
            ("x-frame-options".to_owned(), Field::Set("DENY".to_owned())),
            ("origin-agent-cluster".to_owned(), Field::Removed),
        ]
        .into(),
        ..Middleware::default()
    };
    let rules = ruleset(middleware).unwrap();
    let asked = rules.ask(&request("GET", &[], ""), Local::Loopback);
    let mut response = Response::new(Full::<Bytes>::from("x"));
    assert_eq!(rules.change_answer(&asked, &mut response), (None, None));
    let headers = response.headers();
    assert_eq!((&headers["x-frame-options"], headers.get("origin-agent-cluster")), (&"DENY".parse().unwrap(), None));
    assert_eq!(headers["referrer-policy"], "strict-origin-when-cross-origin");
}
