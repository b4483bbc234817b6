//! The line that `access_log` writes about a request.

use std::time::Duration;

use hyper::{HeaderMap, Method, StatusCode, Uri, header};

/// What is known when the request comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Asked {
    /// Method, host and target, as they are shown.
    what: String,
    /// Where its route leads.
    to: String,
}

impl Asked {
    /// `to`: where its route leads, as people read it.
    pub(super) fn new(method: &Method, uri: &Uri, headers: &HeaderMap, to: String) -> Asked {
        let host = headers.get(header::HOST).map(|host| host.as_bytes().escape_ascii().to_string()).unwrap_or_default();
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).escape_debug().to_string();
        Asked { what: format!("{method} {host}{target}"), to }
    }

    /// `GET localhost:3000/users 200, 1234 bytes in 12.3 ms (service api)`
    pub(in super::super) fn line(&self, status: StatusCode, bytes: u64, took: Duration) -> String {
        let millis = took.as_secs_f64() * 1_000.0;
        format!("{} {}, {bytes} bytes in {millis:.1} ms ({})", self.what, status.as_u16(), self.to)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_line_has_what_was_asked_what_came_and_how_long_it_took() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost:3000"));
        let uri: Uri = "/users?a=1".parse().unwrap();
        let asked = Asked::new(&Method::GET, &uri, &headers, "service api".to_owned());
        let line = asked.line(StatusCode::OK, 1234, Duration::from_micros(12_345));
        assert_eq!(line, "GET localhost:3000/users?a=1 200, 1234 bytes in 12.3 ms (service api)");
    }
}
