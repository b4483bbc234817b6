//! Whether the client has the file already (RFC 9110 section 13). Pure.

use std::time::{Duration, SystemTime};

use hyper::{
    HeaderMap, Method,
    header::{self, HeaderName, HeaderValue},
};

use super::find::File;

/// Which version of a file it is.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// For `ETag`. Strong: it has the time to the nanosecond, the length and the inode.
    pub(super) tag: HeaderValue,
    /// For `Last-Modified`.
    pub(super) modified: HeaderValue,
    /// In whole seconds, as fields have it.
    seconds: SystemTime,
}

/// What the request's conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// The file is wanted.
    Go,
    /// The client has it: 304.
    NotModified,
    /// It is another one than the client means: 412.
    Failed,
}

impl Version {
    /// Of an open file.
    pub(super) fn of(file: &File) -> Version {
        let since = file.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Version::new(since, file.length, file.inode)
    }

    fn new(since_epoch: Duration, length: u64, inode: u64) -> Version {
        let tag = format!("\"{:x}-{length:x}-{inode:x}\"", since_epoch.as_nanos());
        let seconds = SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs());
        let visible = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("\"\""));
        Version { tag: visible(&tag), modified: visible(&httpdate::fmt_http_date(seconds)), seconds }
    }

    /// In the order of section 13.2.2.
    pub(super) fn judge(&self, method: &Method, headers: &HeaderMap) -> Condition {
        if headers.contains_key(header::IF_MATCH) {
            if !self.is_named(headers, header::IF_MATCH, Comparison::Strong) {
                return Condition::Failed;
            }
        } else if time(headers, header::IF_UNMODIFIED_SINCE).is_some_and(|time| self.seconds > time) {
            return Condition::Failed;
        }
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if headers.contains_key(header::IF_NONE_MATCH) {
            if self.is_named(headers, header::IF_NONE_MATCH, Comparison::Weak) {
                return if reads { Condition::NotModified } else { Condition::Failed };
            }
        } else if reads && time(headers, header::IF_MODIFIED_SINCE).is_some_and(|time| self.seconds <= time) {
            return Condition::NotModified;
        }
        Condition::Go
    }

    /// Whether a range is of the version that the client has the rest of.
    pub(super) fn fits_if_range(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::IF_RANGE) else { return true };
        match value.as_bytes() {
            [b'"', ..] => *value == self.tag,
            [b'W', b'/', ..] => false,
            _ => time(headers, header::IF_RANGE) == Some(self.seconds),
        }
    }

    fn is_named(&self, headers: &HeaderMap, field: HeaderName, comparison: Comparison) -> bool {
        let values = headers.get_all(field).iter();
        let mut members = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        members.any(|member| {
            let opaque = match comparison {
                Comparison::Strong => member,
                Comparison::Weak => member.strip_prefix(b"W/").unwrap_or(member),
            };
            member == b"*" || opaque == self.tag.as_bytes()
        })
    }
}

#[derive(Clone, Copy)]
enum Comparison {
    Strong,
    Weak,
}

fn time(headers: &HeaderMap, field: HeaderName) -> Option<SystemTime> {
    headers.get(field)?.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(method: Method, fields: &[(&'static str, &str)]) -> Condition {
        let version = Version::new(Duration::new(1_000_000_000, 5), 10, 3);
        assert_eq!(version.modified, "Sun, 09 Sep 2001 01:46:40 GMT");
        version.judge(&method, &map(fields))
    }

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    const TAG: &str = "\"de0b6b3a7640005-a-3\"";

    #[test]
    fn who_has_it_is_told_so() {
        let weak = format!("W/{TAG}");
        let several = format!("\"x\", {TAG}");
        for fields in [
            vec![("if-none-match", TAG)],
            vec![("if-none-match", &weak)],
            vec![("if-none-match", &several)],
            vec![("if-none-match", "*")],
            vec![("if-none-match", "\"x\""), ("if-none-match", TAG)],
            vec![("if-modified-since", "Sun, 09 Sep 2001 01:46:40 GMT")],
            vec![("if-modified-since", "Sunday, 09-Sep-01 01:46:41 GMT")],
            vec![("if-match", TAG), ("if-none-match", TAG)],
        ] {
            assert_eq!(judged(Method::GET, &fields), Condition::NotModified, "{fields:?}");
        }
    }

    #[test]
    fn who_has_another_one_gets_it() {
        for fields in [
            vec![],
            vec![("if-none-match", "\"x\"")],
            vec![("if-none-match", "\"x\""), ("if-modified-since", "Sun, 09 Sep 2001 01:46:40 GMT")],
            vec![("if-modified-since", "Sun, 09 Sep 2001 01:46:39 GMT")],
            vec![("if-modified-since", "yesterday")],
            vec![("if-match", TAG)],
            vec![("if-unmodified-since", "Sun, 09 Sep 2001 01:46:40 GMT")],
        ] {
            assert_eq!(judged(Method::GET, &fields), Condition::Go, "{fields:?}");
        }
    }

    #[test]
    fn who_means_another_one_gets_none() {
        let weak = format!("W/{TAG}");
        for fields in [
            vec![("if-match", "\"x\"")],
            vec![("if-match", weak.as_str())],
            vec![("if-unmodified-since", "Sun, 09 Sep 2001 01:46:39 GMT")],
        ] {
            assert_eq!(judged(Method::GET, &fields), Condition::Failed, "{fields:?}");
        }
    }

    #[test]
    fn a_range_fits_only_the_same_version() {
        let version = Version::new(Duration::new(1_000_000_000, 5), 10, 3);
        let fits = |value: &str| version.fits_if_range(&map(&[("if-range", value)]));
        assert!(version.fits_if_range(&HeaderMap::new()));
        assert!(fits(TAG) && fits("Sun, 09 Sep 2001 01:46:40 GMT"));
        assert!(!fits("\"x\"") && !fits(&format!("W/{TAG}")) && !fits("Sun, 09 Sep 2001 01:46:41 GMT") && !fits("x"));
    }
}
