//! Does a program speak what its TLS promises? A server that offers `h2` and then answers in HTTP/1.1 (or not at all)
//! works with some clients and not with others (RFC 7301, RFC 9113 section 3.2).

use super::{
    finding::{Check, Finding, Weight},
    scene::{Answer, Scene, Spoken},
};

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    scene.spoken.iter().filter_map(check_port).collect()
}

fn check_port(spoken: &Spoken) -> Option<Finding> {
    let Spoken { service, port, alpn, h2, .. } = spoken;
    let promised = alpn.as_deref()?;
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
        Spoken { service: "api".to_owned(), port: 8443, health: None, alpn: alpn.map(str::to_owned), h2 }
    }

    #[test]
    fn only_a_broken_promise_is_found() {
        assert_eq!(check_port(&spoken(Some("h2"), Answer::Given)), None);
        assert_eq!(check_port(&spoken(Some("http/1.1"), Answer::NotAsked)), None);
        assert_eq!(check_port(&spoken(Some(""), Answer::None)), None);
        assert_eq!(check_port(&spoken(None, Answer::NotAsked)), None);
        assert!(check_port(&spoken(Some("h2"), Answer::None)).unwrap().seen.contains("does not speak HTTP/2"));
        assert!(check_port(&spoken(Some(""), Answer::Given)).unwrap().seen.contains("does not offer"));
    }
}
