//! What programs are told about where a request comes from: who asked, in which scheme, at which host and port. Pure.

use std::net::IpAddr;

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

use super::settings::Forwarded;
use crate::model::Scheme;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The same things in one field (RFC 7239). devloop does not write it.
const STANDARD: HeaderName = HeaderName::from_static("forwarded");

/// Where the requests of a connection come from: written once for all of them.
#[derive(Debug)]
pub(super) struct Origin {
    peer: HeaderValue,
    scheme: Scheme,
    port: HeaderValue,
}

impl Origin {
    /// The client's address, how it speaks, and the port it has connected to.
    pub(super) fn new(peer: IpAddr, scheme: Scheme, port: u16) -> Origin {
        let peer = peer.to_canonical().to_string();
        let peer = HeaderValue::from_str(&peer).unwrap_or(HeaderValue::from_static("?"));
        Origin { peer, scheme, port: HeaderValue::from(port) }
    }

    /// Tells it to the program. `host`: as the client named it, with its port. `said`: what becomes of what the client
    /// says itself.
    pub(super) fn tell(&self, headers: &mut HeaderMap, host: HeaderValue, said: Forwarded) {
        let scheme = HeaderValue::from_static(self.scheme.name());
        match said {
            Forwarded::Replaced => {
                headers.remove(STANDARD);
                headers.remove(PREFIX);
                headers.insert(FOR, self.peer.clone());
                headers.insert(PROTO, scheme);
                headers.insert(HOST, host);
                headers.insert(PORT, self.port.clone());
            }
            Forwarded::Kept => {
                // The port of our own socket says nothing about the address that somebody before us was asked at.
                let ours = ![PROTO, HOST].iter().any(|name| headers.contains_key(name));
                headers.insert(FOR, self.behind(headers));
                headers.entry(PROTO).or_insert(scheme);
                headers.entry(HOST).or_insert(host);
                if !headers.contains_key(PORT) {
                    headers.insert(PORT, if ours { self.port.clone() } else { port(headers) });
                }
            }
        }
    }

    /// Those whom the client has named, and the client behind them.
    fn behind(&self, headers: &HeaderMap) -> HeaderValue {
        let named = headers.get_all(FOR).iter().chain([&self.peer]).map(HeaderValue::as_bytes);
        let named: Vec<&[u8]> = named.filter(|name| !name.is_empty()).collect();
        // Joined, what can stand in a field still can.
        HeaderValue::from_bytes(&named.join(&b", "[..])).unwrap_or_else(|_| self.peer.clone())
    }
}

/// The port of the address that was asked at first: as its host says, or as its scheme does.
fn port(headers: &HeaderMap) -> HeaderValue {
    let host = first(headers, HOST).unwrap_or_default();
    match host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(port) => HeaderValue::from(port),
        None if first(headers, PROTO).is_some_and(is_secure) => HeaderValue::from_static("443"),
        None => HeaderValue::from_static("80"),
    }
}

/// The origin that the program has been told, as a policy writes it; none if it is none that could stand there.
pub(super) fn origin(headers: &HeaderMap) -> Option<String> {
    let host = first(headers, HOST)?;
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let scheme = if is_secure(first(headers, PROTO)?) { Scheme::Https } else { Scheme::Http };
    (!host.is_empty() && host.bytes().all(sound)).then(|| format!("{}://{host}", scheme.name()))
}

/// Tells that this path was cut off the target, behind what was cut off before.
pub(super) fn cut_off(headers: &mut HeaderMap, prefix: &str) {
    let before = first(headers, PREFIX).unwrap_or_default().trim_end_matches('/');
    if let Ok(whole) = HeaderValue::from_str(&format!("{before}{prefix}")) {
        headers.insert(PREFIX, whole);
    }
}

/// The first of the members of a field: what whoever came first in a row of proxies has said.
fn first(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()?.split(',').next().map(str::trim)
}

fn is_secure(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(said: Forwarded, fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let origin = Origin::new([127, 0, 0, 1].into(), Scheme::Http, 3000);
        origin.tell(&mut headers, HeaderValue::from_static("localhost:3000"), said);
        headers
    }

    /// For, Proto, Host and Port.
    fn four(headers: &HeaderMap) -> [&str; 4] {
        [FOR, PROTO, HOST, PORT].map(|name| headers[name].to_str().unwrap())
    }

    const TRUTH: [&str; 4] = ["127.0.0.1", "http", "localhost:3000", "3000"];
    const SAID: &[(&str, &str)] = &[
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-for", "7.7.7.7, 8.8.8.8"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.test"),
        ("x-forwarded-port", "444"),
        ("x-forwarded-prefix", "/shop"),
        ("forwarded", "for=6.6.6.6"),
    ];

    #[test]
    fn what_the_client_says_is_replaced() {
        let headers = told(Forwarded::Replaced, SAID);
        assert_eq!((four(&headers), headers.len()), (TRUTH, 4));
    }

    #[test]
    fn what_is_trusted_is_kept_with_the_client_behind_it() {
        let headers = told(Forwarded::Kept, SAID);
        assert_eq!(four(&headers), ["6.6.6.6, 7.7.7.7, 8.8.8.8, 127.0.0.1", "https", "shop.test", "444"]);
        assert_eq!(headers["forwarded"], "for=6.6.6.6");
        assert_eq!(headers["x-forwarded-prefix"], "/shop");
    }

    #[test]
    fn what_nobody_has_said_is_set() {
        assert_eq!(four(&told(Forwarded::Kept, &[])), TRUTH);
        let only_for = four(&told(Forwarded::Kept, &[("x-forwarded-for", "")])).map(str::to_owned);
        assert_eq!(only_for, TRUTH);
    }

    #[test]
    fn a_port_that_is_missing_is_that_of_the_address_asked_at() {
        let port = |fields| four(&told(Forwarded::Kept, fields))[3].to_owned();
        assert_eq!(port(&[("x-forwarded-proto", "https"), ("x-forwarded-host", "shop.test")]), "443");
        assert_eq!(port(&[("x-forwarded-proto", "WSS, http"), ("x-forwarded-host", "[::1], a:1")]), "443");
        assert_eq!(port(&[("x-forwarded-host", "shop.test")]), "80");
        assert_eq!(port(&[("x-forwarded-host", "shop.test:8443")]), "8443");
        assert_eq!(port(&[("x-forwarded-proto", "https")]), "3000");
    }

    #[test]
    fn an_origin_is_one_that_can_stand_in_a_policy() {
        let of =
            |proto, host| origin(&told(Forwarded::Kept, &[("x-forwarded-proto", proto), ("x-forwarded-host", host)]));
        assert_eq!(of("http", "localhost:3000").as_deref(), Some("http://localhost:3000"));
        assert_eq!(of("https, http", "shop.test, localhost").as_deref(), Some("https://shop.test"));
        assert_eq!(of("https; script-src *", "shop.test").as_deref(), Some("http://shop.test"));
        assert_eq!(of("https", "shop.test; script-src *"), None);
        assert_eq!(of("https", ""), None);
    }

    #[test]
    fn what_is_cut_off_follows_what_was_cut_off_before() {
        let cut = |said| {
            let mut headers = told(said, &[("x-forwarded-prefix", "/shop/")]);
            cut_off(&mut headers, "/api");
            headers["x-forwarded-prefix"].to_str().unwrap().to_owned()
        };
        assert_eq!((cut(Forwarded::Replaced), cut(Forwarded::Kept)), ("/api".to_owned(), "/shop/api".to_owned()));
    }
}
