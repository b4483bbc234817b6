//! The twelve security headers of `security_headers = true`. A program that has set one of them knows better.

use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};

use super::super::headers::Local;

/// Each header and its value, as docs/proxy.md lists them.
pub(in super::super) const HEADERS: [(&str, &str); 12] = [
    (
        "content-security-policy",
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; \
         base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    ),
    ("cross-origin-embedder-policy", "unsafe-none"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
];

/// Adds those that are not there. On a name of this machine without `Strict-Transport-Security`, which would be kept
/// for all ports of the name.
pub(super) fn add(headers: &mut HeaderMap, local: Local) {
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        if local == Local::Loopback && name == header::STRICT_TRANSPORT_SECURITY {
            continue;
        }
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_has_set_stays_and_hsts_is_for_real_hosts_only() {
        let mut headers = HeaderMap::new();
        headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
        add(&mut headers, Local::Loopback);
        assert_eq!((headers.len(), &headers["x-frame-options"]), (11, &HeaderValue::from_static("DENY")));
        assert!(!headers.contains_key("strict-transport-security"));
        add(&mut headers, Local::Network);
        assert_eq!(headers.len(), 12);
    }

    #[test]
    fn the_reference_lists_each_with_its_value() {
        let docs = include_str!("../../../docs/proxy.md");
        for (name, value) in HEADERS {
            let row = docs.lines().find(|line| line.to_lowercase().starts_with(&format!("| `{name}` |")));
            assert!(row.is_some_and(|row| row.contains(&format!("`{value}`"))), "{name}");
        }
    }
}
