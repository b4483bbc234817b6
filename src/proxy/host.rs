//! Which hosts are answered: the guard against other sites' pages that point their name at this machine (DNS
//! rebinding). Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::{HeaderMap, Uri, Version, header};

/// Whom the client named, without port: lower case, no trailing dot, IPv6 without brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A host name.
    Dns(String),
    /// An address.
    Ip(IpAddr),
    /// None: HTTP/1.0 without `Host`.
    Unnamed,
}

/// What to do with the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer it.
    Allowed(Name),
    /// A sound name, but not one of ours.
    Foreign(Name),
    /// Not a host; why.
    Malformed(&'static str),
}

/// Who may be named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed<'a> {
    /// `[proxy] hosts`
    pub(super) hosts: &'a [String],
    /// Whether we listen beyond loopback: then addresses are names, too.
    pub(super) reach: Reach,
}

/// How far the listening sockets can be reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// This machine only.
    Loopback,
    /// Other machines, too.
    Network,
}

impl Name {
    /// Whether it means this machine.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Name::Dns(name) => name == "localhost" || name.ends_with(".localhost"),
            Name::Ip(ip) => ip.to_canonical().is_loopback(),
            Name::Unnamed => true,
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Dns(name) => f.write_str(name),
            Name::Ip(ip) => ip.fmt(f),
            Name::Unnamed => f.write_str("(none)"),
        }
    }
}

/// Judges a request by its head.
pub(super) fn judge(version: Version, uri: &Uri, headers: &HeaderMap, allowed: Allowed<'_>) -> Verdict {
    let mut fields = headers.get_all(header::HOST).iter();
    let named = match (fields.next(), fields.next()) {
        (Some(_), Some(_)) => return Verdict::Malformed("several `Host` fields"),
        (Some(field), None) => match parse(field.as_bytes()) {
            Some(named) => Some(named),
            None => return Verdict::Malformed("`Host` is malformed"),
        },
        (None, _) if version == Version::HTTP_10 => None,
        (None, _) => return Verdict::Malformed("no `Host` field"),
    };
    if let Some(authority) = uri.authority() {
        match parse(authority.as_str().as_bytes()) {
            None => return Verdict::Malformed("the target's host is malformed"),
            Some(target) if named.as_ref().is_some_and(|named| *named != target) => {
                return Verdict::Malformed("the target and `Host` name different hosts");
            }
            Some((name, _)) => return allow(name, allowed),
        }
    }
    allow(named.map_or(Name::Unnamed, |(name, _)| name), allowed)
}

/// Whether a name without port, as a client of TLS gives it, is answered.
pub(super) fn is_allowed(name: &str, allowed: Allowed<'_>) -> bool {
    parse(name.as_bytes()).is_some_and(|(name, _)| matches!(allow(name, allowed), Verdict::Allowed(_)))
}

fn allow(name: Name, allowed: Allowed<'_>) -> Verdict {
    let ours = name.is_loopback()
        || match &name {
            Name::Dns(name) => allowed.hosts.iter().any(|host| covers(host, name)),
            Name::Ip(ip) => allowed.reach == Reach::Network || allowed.hosts.iter().any(|host| *host == ip.to_string()),
            Name::Unnamed => true,
        };
    if ours { Verdict::Allowed(name) } else { Verdict::Foreign(name) }
}

fn covers(host: &str, name: &str) -> bool {
    match host.strip_prefix('*') {
        Some(suffix) => suffix.starts_with('.') && name.len() > suffix.len() && name.ends_with(suffix),
        None => host.trim_end_matches('.').eq_ignore_ascii_case(name),
    }
}

/// Name and port of `host`, `host:port`, `[v6]` or `[v6]:port`; none if it is nothing of these.
pub(super) fn parse(field: &[u8]) -> Option<(Name, Option<u16>)> {
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\t']);
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, rest) = rest.split_once(']')?;
        let ip: Ipv6Addr = inside.parse().ok()?;
        return Some((Name::Ip(IpAddr::V6(ip)), port(rest)?));
    }
    let (host, rest) = text.find(':').map_or((text, ""), |colon| text.split_at(colon));
    let port = port(rest)?;
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if let Ok(ip) = name.parse::<Ipv4Addr>() {
        return Some((Name::Ip(IpAddr::V4(ip)), port));
    }
    let sound_label = |label: &str| {
        !label.is_empty() && label.len() < 64 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    (name.len() < 254 && name.split('.').all(sound_label)).then_some((Name::Dns(name), port))
}

/// Of `` or `:` or `:1234`.
fn port(rest: &str) -> Option<Option<u16>> {
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Some(None),
        None => None,
        Some("") => Some(None),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().map(Some),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn verdict(host: &[u8], hosts: &[&str], reach: Reach) -> Verdict {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_bytes(host).unwrap());
        judge(Version::HTTP_11, &Uri::from_static("/"), &headers, Allowed { hosts: &hosts, reach })
    }

    #[test]
    fn loopback_names_in_any_spelling_are_ours() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "localhost:3000",
            "api.localhost:3000",
            "127.0.0.1:3000",
            "127.1.2.3",
            "[::1]:3000",
            "[::1]",
            "localhost:",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(matches!(verdict(host.as_bytes(), &[], Reach::Loopback), Verdict::Allowed(_)), "{host}");
        }
    }

    #[test]
    fn other_names_are_foreign_until_they_are_written_down() {
        for host in [
            "evil.test",
            "localhost.evil.test",
            "127.0.0.1.nip.io",
            "evillocalhost",
            "192.168.1.7",
            "[fe80::1]",
            "0.0.0.0",
            "2130706433",
        ] {
            assert!(matches!(verdict(host.as_bytes(), &[], Reach::Loopback), Verdict::Foreign(_)), "{host}");
        }
        assert!(matches!(verdict(b"App.Test:80", &["app.test"], Reach::Loopback), Verdict::Allowed(_)));
        assert!(matches!(verdict(b"a.app.test", &["*.app.test"], Reach::Loopback), Verdict::Allowed(_)));
        assert!(matches!(verdict(b"app.test", &["*.app.test"], Reach::Loopback), Verdict::Foreign(_)));
        assert!(matches!(verdict(b"192.168.1.7:3000", &[], Reach::Network), Verdict::Allowed(_)));
        assert!(matches!(verdict(b"evil.test", &[], Reach::Network), Verdict::Foreign(_)));
    }

    #[test]
    fn garbage_is_malformed_and_nothing_else() {
        for host in [
            "",
            "a b",
            "localhost:3000:1",
            "localhost:x",
            "localhost:99999",
            "[::1",
            "::1",
            "[::1]x",
            "a..b",
            "user@localhost",
            "localhost/",
            "http://localhost",
            ".",
            "loc\u{e9}",
            "[::1%25eth0]",
            "localhost:-1",
            "localhost:+80",
        ] {
            assert!(matches!(verdict(host.as_bytes(), &[], Reach::Network), Verdict::Malformed(_)), "{host}");
        }
        assert!(matches!(verdict(b"\xff\xfe", &[], Reach::Network), Verdict::Malformed(_)));
    }

    #[test]
    fn there_is_exactly_one_host_and_the_target_agrees() {
        let allowed = Allowed { hosts: &[], reach: Reach::Loopback };
        let mut headers = HeaderMap::new();
        let judge =
            |version, uri: &str, headers: &HeaderMap| super::judge(version, &uri.parse().unwrap(), headers, allowed);
        assert!(matches!(judge(Version::HTTP_11, "/", &headers), Verdict::Malformed(_)));
        assert_eq!(judge(Version::HTTP_10, "/", &headers), Verdict::Allowed(Name::Unnamed));
        headers.append("host", HeaderValue::from_static("localhost:3000"));
        assert!(matches!(judge(Version::HTTP_11, "http://LOCALHOST:3000/x", &headers), Verdict::Allowed(_)));
        assert!(matches!(judge(Version::HTTP_11, "http://evil.test/x", &headers), Verdict::Malformed(_)));
        headers.append("host", HeaderValue::from_static("localhost:3000"));
        assert!(matches!(judge(Version::HTTP_11, "/", &headers), Verdict::Malformed(_)));
    }
}
