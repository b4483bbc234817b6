//! Does a program speak what its TLS promises? A server that offers `h2` and then answers in HTTP/1.1 (or not at all)
//! works with some clients and not with others (RFC 7301, RFC 9113 section 3.2).

use super::{
    finding::{Check, Finding, Weight},
    scene::{Answer, Scene, Spoken},
};
use crate::plan::Protocol;

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    scene.spoken.iter().filter_map(check_port).collect()
}

fn check_port(spoken: &Spoken) -> Option<Finding> {
    let Spoken { service, port, alpn, h2, health, declared } = spoken;
    let Some(promised) = alpn.as_deref() else {
        if (declared, h2) != (&Protocol::H2c, &Answer::None) || health.is_none() {
            return None;
        }
        let seen = format!("service `{service}` (port {port}) speaks HTTP/1.1, and dev.toml says `protocol = \"h2c\"`");
        let finding = Finding::new(Check::Alpn, Weight::Wrong, seen);
        let finding = finding.why("every request but WebSockets is sent as HTTP/2, which it does not understand");
        return Some(finding.mend("leave `protocol` out, or let it serve HTTP/2 without TLS (in Go: h2c.NewHandler)"));
    };
    let (seen, why, mend) = match (promised, h2) {
        ("h2", Answer::None) => (
            format!("service `{service}` (port {port}) agrees on `h2` in TLS, and does not speak HTTP/2"),
            "browsers and gRPC clients choose h2, and then fail; curl --http1.1 works",
            "take `h2` out of its NextProtos (ALPN list), or let it serve HTTP/2 (in Go: http2.ConfigureServer)",
        ),
        ("", Answer::Given) => (
            format!("service `{service}` (port {port}) speaks HTTP/2 over TLS, and does not offer `h2`"),
            "clients take it for HTTP/1.1: gRPC refuses it (\"missing selected ALPN property\")",
            "add `h2` to its NextProtos (ALPN list)",
        ),
        _ => return None,
    };
    Some(Finding::new(Check::Alpn, Weight::Wrong, seen).why(why).mend(mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(alpn: Option<&str>, h2: Answer) -> Spoken {
        let declared = Protocol::Http;
        Spoken { service: "api".to_owned(), port: 8443, health: None, alpn: alpn.map(str::to_owned), h2, declared }
    }

    #[test]
    fn only_a_broken_promise_is_found() {
        assert_eq!(check_port(&spoken(Some("h2"), Answer::Given)), None);
        assert_eq!(check_port(&spoken(Some("http/1.1"), Answer::NotAsked)), None);
        assert_eq!(check_port(&spoken(Some(""), Answer::None)), None);
        assert_eq!(check_port(&spoken(None, Answer::NotAsked)), None);
        assert!(check_port(&spoken(Some("h2"), Answer::None)).unwrap().seen.contains("does not speak HTTP/2"));
        assert!(check_port(&spoken(Some(""), Answer::Given)).unwrap().seen.contains("does not offer"));
        let plain = Spoken { health: Some((200, 200)), declared: Protocol::H2c, ..spoken(None, Answer::None) };
        assert!(check_port(&plain).unwrap().seen.contains("speaks HTTP/1.1"));
        assert_eq!(check_port(&Spoken { h2: Answer::Given, ..plain }), None);
    }
}
