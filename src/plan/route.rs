//! `[[route]]`: where a request goes, by its host and its path. Which route is meant is decided here; what happens on
//! it is not.

use std::{borrow::Cow, fmt, net::IpAddr, path::PathBuf, sync::Arc};

use super::{Globs, Middleware};

/// One `[[route]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The hosts it is for; none: all.
    pub host: Option<HostPattern>,
    /// It is for this path and everything below it. Without a `/` at its end, so empty for all paths; as `canonical`
    /// writes it.
    pub path: String,
    /// Where it leads.
    pub target: Target,
    /// What is done to requests and answers on it.
    pub middleware: Arc<Middleware>,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// To a service.
    Service {
        /// Its name.
        name: Arc<str>,
        /// What it sees of the route's path.
        prefix: Prefix,
    },
    /// To another address.
    Redirect {
        /// A path or a URL; `{path}` in it stands for what follows the route's path.
        to: String,
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// To the files of a folder.
    Files(Files),
}

/// A folder whose files are answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct Files {
    /// The folder; absolute.
    pub folder: PathBuf,
    /// As it was written.
    pub shown: Arc<str>,
    /// What lies in it: a change of that is told to pages.
    pub inside: Globs,
    /// The file, relative to the folder, that is answered with where a page is asked for that does not exist.
    pub fallback: Option<String>,
}

/// `strip_prefix`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// The service sees the whole path.
    Kept,
    /// The service sees what follows the route's path.
    Stripped,
}

/// `host` of a route; lower case, without port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This name or address.
    Exactly(String),
    /// Every name that ends with this, which begins with a dot.
    Below(String),
}

impl HostPattern {
    /// Of `name`, `*.name` or an address.
    pub fn new(text: &str) -> Option<HostPattern> {
        let text = text.to_ascii_lowercase();
        if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Some(HostPattern::Exactly(ip.to_string()));
        }
        let (name, pattern) = match text.strip_prefix('*') {
            Some(suffix) => (suffix.strip_prefix('.')?, HostPattern::Below(suffix.to_owned())),
            None => (&*text, HostPattern::Exactly(text.trim_end_matches('.').to_owned())),
        };
        let in_label = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-' || letter == b'_';
        let label = |label: &str| !label.is_empty() && label.len() < 64 && label.bytes().all(in_label);
        name.strip_suffix('.').unwrap_or(name).split('.').all(label).then_some(pattern)
    }

    /// Whether it covers `host`: lower case, without port, trailing dot and brackets.
    pub fn covers(&self, host: &str) -> bool {
        match self {
            HostPattern::Exactly(name) => name == host,
            HostPattern::Below(suffix) => host.len() > suffix.len() && host.ends_with(&**suffix),
        }
    }

    /// Of two patterns that cover a host the higher one is meant.
    fn rank(&self) -> (u8, usize) {
        match self {
            HostPattern::Exactly(_) => (2, 0),
            HostPattern::Below(suffix) => (1, suffix.len()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exactly(name) => f.write_str(name),
            HostPattern::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl Route {
    /// Whether it is for this host (as for `HostPattern::covers`; none if the client named none) and this path, which
    /// is `canonical`.
    pub fn covers(&self, host: Option<&str>, path: &str) -> bool {
        let host_fits = match (&self.host, host) {
            (None, _) => true,
            (Some(pattern), Some(host)) => pattern.covers(host),
            (Some(_), None) => false,
        };
        host_fits && (self.path.is_empty() || path.strip_prefix(&*self.path).is_some_and(is_below))
    }

    /// Of two routes that cover a request the higher one is meant: the more exact host, then the longer path.
    pub fn rank(&self) -> ((u8, usize), usize) {
        (self.host.as_ref().map_or((0, 0), HostPattern::rank), self.path.len())
    }
}

/// The route that is meant, by its index: of those that cover the request the one with the most exact host, and of
/// these the one with the longest path. Overlaps that this does not order are errors in dev.toml.
pub fn find<'a>(routes: impl Iterator<Item = &'a Route>, host: Option<&str>, path: &str) -> Option<usize> {
    let path = canonical(path);
    let covering = routes.enumerate().filter(|(_, route)| route.covers(host, &path));
    covering.max_by_key(|(_, route)| route.rank()).map(|(index, _)| index)
}

/// `api.localhost/v1`, `/`: the requests that a route is for, as people read it.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            host.fmt(f)?;
        }
        f.write_str(if self.path.is_empty() { "/" } else { &self.path })
    }
}

/// `service api`, `files in public`: where a route leads, as people read it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Service { name, .. } => write!(f, "service {name}"),
            Target::Redirect { to, status } => write!(f, "redirect to {to} ({status})"),
            Target::Files(files) => write!(f, "files in {}", files.shown),
        }
    }
}

fn is_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// One spelling for all paths that mean the same: letters, digits, `-`, `.`, `_` and `~` are never percent-encoded,
/// other codes are in capitals, and `.` and `..` are followed. Routes are found by it; what is passed on stays as it
/// was.
pub fn canonical(path: &str) -> Cow<'_, str> {
    let plain = |path: &str| !path.contains('%') && !path.contains("/.");
    if plain(path) {
        return Cow::Borrowed(path);
    }
    let decoded = decode_unreserved(path);
    if !decoded.contains("/.") {
        return Cow::Owned(decoded);
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = decoded.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            // The first one is what stands before the first `/`: nothing.
            ".." if kept.len() > 1 => drop(kept.pop()),
            ".." => {}
            other => kept.push(other),
        }
        if last && matches!(segment, "." | "..") {
            kept.push("");
        }
    }
    Cow::Owned(kept.join("/"))
}

fn decode_unreserved(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        let digits = rest.get(1..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => decoded.push(char::from(byte)),
            Some(byte) => decoded.push_str(&format!("%{byte:02X}")),
            None => {
                decoded.push('%');
                rest = &rest[1..];
                continue;
            }
        }
        rest = &rest[3..];
    }
    decoded.push_str(rest);
    decoded
}

/// What follows `prefix` (of a route) in `path` (as the client wrote it): it begins with a `/`. None where `path` goes
/// up again (`..`), so that nothing can be cut off it.
pub fn strip<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let segments = prefix.matches('/').count();
    let end = path.match_indices('/').nth(segments).map_or(path.len(), |(at, _)| at);
    let (head, rest) = path.split_at(end);
    let goes_up = canonical(path).matches('/').count() != path.matches('/').count();
    if goes_up || canonical(head) != prefix {
        return None;
    }
    Some(if rest.is_empty() { "/" } else { rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: Option<&str>, path: &str) -> Route {
        let host = host.map(|host| HostPattern::new(host).unwrap());
        let target = Target::Redirect { to: "/".to_owned(), status: 307 };
        Route { host, path: path.to_owned(), target, middleware: Arc::default() }
    }

    #[test]
    fn the_more_exact_host_wins_and_then_the_longer_path() {
        let routes = [
            route(None, ""),
            route(None, "/api"),
            route(None, "/api/v1"),
            route(Some("*.app.test"), ""),
            route(Some("*.eu.app.test"), ""),
            route(Some("a.app.test"), "/x"),
            route(Some("127.0.0.1"), ""),
        ];
        for (host, path, wanted) in [
            (Some("localhost"), "/", 0),
            (Some("localhost"), "/apix", 0),
            (Some("localhost"), "/api", 1),
            (Some("localhost"), "/api/", 1),
            (Some("localhost"), "/%61pi/v2", 1),
            (Some("localhost"), "/api/v1/users", 2),
            (Some("localhost"), "/api/v1/../v2", 1),
            (Some("localhost"), "/x/../api/v1", 2),
            (None, "*", 0),
            (Some("b.app.test"), "/api/v1", 3),
            (Some("a.app.test"), "/y", 3),
            (Some("a.app.test"), "/x/y", 5),
            (Some("b.eu.app.test"), "/", 4),
            (Some("app.test"), "/", 0),
            (Some("127.0.0.1"), "/api", 6),
        ] {
            assert_eq!(find(routes.iter(), host, path), Some(wanted), "{host:?} {path}");
        }
        assert_eq!(find(routes[1..].iter(), Some("localhost"), "/"), None);
    }

    #[test]
    fn hosts_are_names_addresses_and_everything_below_a_name() {
        for (text, shown) in
            [("App.Test.", "app.test"), ("*.LOCALHOST", "*.localhost"), ("[::1]", "::1"), ("::1", "::1")]
        {
            assert_eq!(HostPattern::new(text).unwrap().to_string(), shown);
        }
        for text in ["", "*", "*app", "a..b", "http://a", "a:80", "a/b", "a b", "*.", "a.*.b"] {
            assert_eq!(HostPattern::new(text), None, "{text}");
        }
    }

    #[test]
    fn paths_that_mean_the_same_are_spelled_the_same() {
        for (path, wanted) in [
            ("/a/b", "/a/b"),
            ("/%41%2f%2F%c3%A9", "/A%2F%2F%C3%A9"),
            ("/a/./b/../c", "/a/c"),
            ("/..", "/"),
            ("/../../x", "/x"),
            ("/a/%2e%2E", "/"),
            ("/a/b/.", "/a/b/"),
            ("/.hidden", "/.hidden"),
            ("/%", "/%"),
            ("/%zz%+f%4", "/%zz%+f%4"),
            ("*", "*"),
        ] {
            assert_eq!(canonical(path), wanted, "{path}");
        }
    }

    #[test]
    fn a_prefix_is_cut_off_as_it_was_written() {
        for (path, prefix, wanted) in [
            ("/api", "/api", Some("/")),
            ("/api/", "/api", Some("/")),
            ("/%61pi/x%2Fy//z", "/api", Some("/x%2Fy//z")),
            ("/a/b/c", "/a/b", Some("/c")),
            ("/api/../x", "/api", None),
            ("/x/../api/y", "/api", None),
            ("/api/a/%2e%2e/b", "/api", None),
            ("/anything", "", Some("/anything")),
        ] {
            assert_eq!(strip(path, prefix), wanted, "{path}");
        }
    }
}
