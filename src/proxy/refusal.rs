//! The answers devloop gives itself instead of a program's: which status, which words, in which form. Pure, apart from
//! the final response.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{self, HeaderValue},
};

use super::{
    call::REPLACED,
    download::Answer,
    grpc::{MESSAGE as GRPC_MESSAGE, STATUS as GRPC_STATUS, UNAVAILABLE, message as grpc_message},
    headers::{REASON, accepts, is_grpc, is_navigation, is_of},
    pages::{Kind, Page, page, plain},
};
use crate::model::Report;

/// Why a request is not answered by a program.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// No program runs, and none will until something changes.
    Failed(Arc<Report>),
    /// Held, and a person looks at an empty page; for what.
    Waits(Arc<str>),
    /// Held until the limit; for what.
    Limit(Arc<str>),
    /// Held until the client's own deadline; for what.
    Deadline(Arc<str>),
    /// Too many are held.
    TooMany,
    /// The caller is what the gate waits for.
    Itself,
    /// The program does not take connections; why.
    Refused(Arc<str>),
    /// The program died with the request; why that cannot be repeated.
    Died(String),
    /// The program's answer is not HTTP; what is wrong.
    Garbled(String),
    /// The program does not want to answer this request: it reset its stream, with this reason.
    Reset(h2::Reason),
    /// A swap has ended this stream.
    Replaced,
    /// A host that is not ours, and the hosts that are.
    Foreign(String, Vec<String>),
    /// It was sent in the clear to a port that speaks HTTPS: the address to use.
    Plain(String),
    /// The request is malformed; how.
    Malformed(&'static str),
    /// Its head has too many fields.
    TooManyFields,
    /// It has passed devloop too often.
    Loop,
    /// No service has a port.
    NoService,
    /// No route leads there: what was asked for, and what there is.
    NoRoute {
        /// Host and path.
        asked: String,
        /// Each route and where it leads.
        known: Vec<String>,
    },
    /// No such file in the folder of a route; why.
    NoFile(String),
    /// The origin is not one that `cors` allows.
    Origin(String),
    /// More requests than `rate_limit` allows; how long to wait.
    TooFast(Duration),
    /// No name and password that `basic_auth` knows.
    NotLetIn,
    /// The body is longer than `max_body`.
    BodyTooLong,
    /// The head is larger than `max_headers`: this many bytes.
    HeadTooLarge(u64),
    /// `fail` has chosen it, for this status.
    MadeToFail(u16),
    /// `CONNECT`
    Connect,
    /// devloop is ending.
    Closing,
    /// Something below `/.devloop/` that does not exist.
    Unknown,
    /// A method that a page of devloop does not have.
    Method,
    /// A method that an action does not have.
    PostOnly,
    /// No right to listen to events.
    Forbidden,
}

/// The form of an own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Page,
    Text,
    Json,
    Grpc,
    /// None at all: a 5xx would end an `EventSource` for good, a lost connection does not.
    Drop,
}

/// What an own answer needs to know about its surroundings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    /// The request's head.
    pub(super) headers: &'a HeaderMap,
    /// The project's name.
    pub(super) project: &'a str,
    /// The token for `/.devloop/events`.
    pub(super) token: &'a str,
    /// The service and the state of its gate, as `/.devloop/events` tells them: a page reloads when that changes.
    pub(super) watched: Option<(&'a str, &'a str)>,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Failed(_)
            | Refusal::Waits(_)
            | Refusal::TooMany
            | Refusal::Itself
            | Refusal::Replaced
            | Refusal::Closing => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Limit(_) | Refusal::Deadline(_) => StatusCode::GATEWAY_TIMEOUT,
            Refusal::Refused(_) | Refusal::Died(_) | Refusal::Garbled(_) | Refusal::Reset(_) => StatusCode::BAD_GATEWAY,
            Refusal::Foreign(..) | Refusal::Forbidden => StatusCode::FORBIDDEN,
            Refusal::Plain(_) | Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
            Refusal::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Refusal::Loop => StatusCode::LOOP_DETECTED,
            Refusal::Origin(_) => StatusCode::FORBIDDEN,
            Refusal::TooFast(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::NotLetIn => StatusCode::UNAUTHORIZED,
            Refusal::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::HeadTooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Refusal::MadeToFail(status) => StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            Refusal::NoService | Refusal::NoRoute { .. } | Refusal::NoFile(_) | Refusal::Unknown => {
                StatusCode::NOT_FOUND
            }
            Refusal::Connect | Refusal::Method | Refusal::PostOnly => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// The same for gRPC. Clients may try again after 14, "unavailable".
    fn grpc_status(&self) -> u16 {
        const CANCELLED: u16 = 1;
        const DEADLINE_EXCEEDED: u16 = 4;
        const PERMISSION_DENIED: u16 = 7;
        const RESOURCE_EXHAUSTED: u16 = 8;
        const UNAUTHENTICATED: u16 = 16;
        const UNIMPLEMENTED: u16 = 12;
        const INTERNAL: u16 = 13;
        match self {
            Refusal::Failed(_) | Refusal::Waits(_) | Refusal::TooMany | Refusal::Itself | Refusal::Closing => {
                UNAVAILABLE
            }
            Refusal::Replaced | Refusal::Refused(_) | Refusal::Died(_) | Refusal::Limit(_) => UNAVAILABLE,
            Refusal::Deadline(_) => DEADLINE_EXCEEDED,
            Refusal::Foreign(..) | Refusal::Forbidden | Refusal::Origin(_) => PERMISSION_DENIED,
            Refusal::NotLetIn => UNAUTHENTICATED,
            Refusal::TooFast(_) | Refusal::BodyTooLong | Refusal::HeadTooLarge(_) => RESOURCE_EXHAUSTED,
            Refusal::MadeToFail(_) => UNAVAILABLE,
            Refusal::NoService | Refusal::NoRoute { .. } | Refusal::NoFile(_) | Refusal::Unknown => UNIMPLEMENTED,
            Refusal::Reset(h2::Reason::CANCEL) => CANCELLED,
            Refusal::Reset(h2::Reason::ENHANCE_YOUR_CALM) | Refusal::TooManyFields => RESOURCE_EXHAUSTED,
            Refusal::Reset(h2::Reason::INADEQUATE_SECURITY) => PERMISSION_DENIED,
            Refusal::Reset(_) | Refusal::Garbled(_) | Refusal::Plain(_) | Refusal::Malformed(_) | Refusal::Loop => {
                INTERNAL
            }
            Refusal::Connect | Refusal::Method | Refusal::PostOnly => INTERNAL,
        }
    }

    /// The value of `x-devloop`.
    fn reason(&self) -> &'static str {
        match self {
            Refusal::Failed(_) => "failed",
            Refusal::Waits(_) => "waiting",
            Refusal::Limit(_) | Refusal::Deadline(_) => "holding-limit",
            Refusal::TooMany => "too-many-held",
            Refusal::Itself => "waits-for-itself",
            Refusal::Refused(_) => "connection-refused",
            Refusal::Died(_) => "upstream-died",
            Refusal::Garbled(_) | Refusal::Reset(_) => "bad-gateway",
            Refusal::Foreign(..) => "host-not-allowed",
            Refusal::Plain(_) => "https-only",
            Refusal::Malformed(_) => "bad-request",
            Refusal::TooManyFields => "head-too-large",
            Refusal::Loop => "loop",
            Refusal::Origin(_) => "origin-not-allowed",
            Refusal::TooFast(_) => "rate-limit",
            Refusal::NotLetIn => "not-let-in",
            Refusal::BodyTooLong => "body-too-long",
            Refusal::HeadTooLarge(_) => "head-too-large",
            Refusal::MadeToFail(_) => "made-to-fail",
            Refusal::NoService => "no-service",
            Refusal::NoRoute { .. } => "no-route",
            Refusal::NoFile(_) => "no-file",
            Refusal::Connect | Refusal::Method | Refusal::PostOnly => "method-not-allowed",
            Refusal::Replaced => "replaced",
            Refusal::Closing => "closing",
            Refusal::Unknown => "not-found",
            Refusal::Forbidden => "forbidden",
        }
    }

    /// What a person reads.
    pub(super) fn report(&self) -> Report {
        match self {
            Refusal::Failed(report) => (**report).clone(),
            Refusal::Waits(why) => Report::new(format!("waiting for devloop: {why}")),
            Refusal::Limit(why) => Report::new(format!("held too long, waiting for {why}"))
                .hint("the terminal where devloop runs says what it is doing; `[proxy] hold` sets the limit"),
            Refusal::Deadline(why) => {
                Report::new(format!("the client's own deadline has passed while it waited for {why}"))
            }
            Refusal::TooMany => {
                Report::new("too many requests are waiting for the program to start").hint("try again in a moment")
            }
            Refusal::Itself => Report::new("this request comes from a program that the service waits for").hint(
                "if it were held, both would wait forever: start the request after the step, or from another one",
            ),
            Refusal::Refused(why) => Report::new(format!("the program does not take connections: {why}"))
                .hint("does it still listen on the address it was started with?"),
            Refusal::Died(why) => Report::new("the program ended its connection before it answered")
                .hint(format!("{why}; send the request again if that is safe")),
            Refusal::Garbled(why) => Report::new(format!("the program's answer is not valid HTTP: {why}")),
            Refusal::Reset(reason) => {
                Report::new(format!("the program gave the request up: it reset its stream ({})", reason.description()))
            }
            Refusal::Foreign(host, known) => foreign(host, known),
            Refusal::Plain(address) => Report::new("this port speaks HTTPS").hint(format!("use {address}")),
            Refusal::Malformed(how) => Report::new(format!("malformed request: {how}")),
            Refusal::TooManyFields => Report::new("the request has more than 100 header fields"),
            Refusal::Loop => Report::new("this request goes round in a circle: it has passed devloop five times")
                .hint("does the program proxy to devloop's own port?"),
            Refusal::Origin(origin) => Report::new(format!("pages of `{origin}` may not read this"))
                .hint("`cors` in dev.toml says whose pages may; `origins` lists them"),
            Refusal::TooFast(wait) => Report::new("too many requests")
                .hint(format!("`rate_limit` in dev.toml allows the next one in {:.1} s", wait.as_secs_f64())),
            Refusal::NotLetIn => Report::new("a name and a password are needed here"),
            Refusal::BodyTooLong => Report::new("the request is too long").hint("`max_body` in dev.toml is the limit"),
            Refusal::HeadTooLarge(most) => Report::new("the head of the request is too large")
                .hint(format!("`max_headers` in dev.toml allows {most} bytes")),
            Refusal::MadeToFail(_) => Report::new("this request was made to fail, because `fail` in dev.toml says so"),
            Refusal::NoService => Report::new("no service of this project has a port"),
            Refusal::NoRoute { asked, known } => {
                let report = Report::new(format!("no route leads to `{asked}`"));
                Report { output: known.clone(), ..report }
                    .hint("these are the routes of dev.toml; `[[route]]` adds one")
            }
            Refusal::NoFile(why) => Report::new(why.clone()),
            Refusal::Connect => Report::new("devloop is no forward proxy: it does not answer `CONNECT`"),
            Refusal::Replaced => Report::new(REPLACED),
            Refusal::Closing => Report::new("devloop is ending"),
            Refusal::Unknown => Report::new("nothing is here; devloop has a page at `/.devloop/`"),
            Refusal::Method => Report::new("only GET and HEAD are answered here"),
            Refusal::PostOnly => Report::new("only POST is answered here"),
            Refusal::Forbidden => Report::new("only devloop's own pages may see this"),
        }
    }

    fn form(&self, headers: &HeaderMap) -> Form {
        if is_grpc(headers) {
            return Form::Grpc;
        }
        let json = ["application/json", "application/problem+json"];
        if is_of(headers, "text/event-stream") || accepts(headers, "text/event-stream") {
            return if self.status().is_server_error() { Form::Drop } else { Form::Text };
        }
        if is_navigation(headers) {
            return Form::Page;
        }
        if json.iter().any(|kind| accepts(headers, kind)) { Form::Json } else { Form::Text }
    }

    /// The response; none: drop the connection.
    pub(super) fn response(&self, setting: Setting<'_>) -> Option<Response<Answer>> {
        let report = self.report();
        let mut response = match self.form(setting.headers) {
            Form::Drop => return None,
            Form::Grpc => grpc(self.grpc_status(), &report),
            Form::Text => text("text/plain; charset=utf-8", plain(&report)),
            Form::Json => text("application/problem+json", self.problem(&report)),
            Form::Page => self.page(&report, setting),
        };
        if self.form(setting.headers) != Form::Grpc {
            *response.status_mut() = self.status();
        }
        let headers = response.headers_mut();
        headers.insert(REASON, HeaderValue::from_static(self.reason()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Refusal::Waits(_) | Refusal::TooMany | Refusal::Closing => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Refusal::PostOnly => drop(headers.insert(header::ALLOW, HeaderValue::from_static("POST"))),
            Refusal::TooFast(wait) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64));
            }
            Refusal::NotLetIn => {
                let scheme = HeaderValue::from_static("Basic realm=\"devloop\", charset=\"UTF-8\"");
                headers.insert(header::WWW_AUTHENTICATE, scheme);
            }
            Refusal::Method => drop(headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"))),
            Refusal::Connect => drop(headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"))),
            _ => {}
        }
        Some(response)
    }

    fn problem(&self, report: &Report) -> String {
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": report.title,
            "status": self.status().as_u16(),
            "reason": self.reason(),
            "detail": report.output.join("\n"),
            "places": report.places,
            "hint": report.hint,
        });
        format!("{problem:#}\n")
    }

    fn page(&self, report: &Report, setting: Setting<'_>) -> Response<Answer> {
        // A page that cannot become another one by itself does not need to listen.
        let watched = setting.watched.filter(|_| self.status().is_server_error() && *self != Refusal::Loop);
        let token = setting.token;
        let kind = if matches!(self, Refusal::Waits(_)) { Kind::Waits } else { Kind::Reports };
        let body =
            page(Page { report, project: setting.project, status: self.status().as_u16(), token, watched, kind });
        let mut response = text("text/html; charset=utf-8", body);
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{token}'; script-src 'nonce-{token}'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
        );
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, line_of(&policy));
        response
    }
}

fn line_of(policy: &str) -> HeaderValue {
    HeaderValue::from_str(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

fn foreign(host: &str, known: &[String]) -> Report {
    let mut hosts: Vec<String> = known.iter().map(|known| format!("{known:?}")).collect();
    hosts.push(format!("{host:?}"));
    let mut report = Report::new(format!("devloop does not answer to the host `{host}`"))
        .hint("if this name is yours, add these lines to dev.toml");
    report.output = vec!["[proxy]".to_owned(), format!("hosts = [{}]", hosts.join(", "))];
    report
}

/// A response with this body.
pub(super) fn text(kind: &'static str, body: String) -> Response<Answer> {
    let mut response = Response::new(Answer::Own(Some(Bytes::from(body))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// gRPC tells its status in the head when there is no message.
fn grpc(status: u16, report: &Report) -> Response<Answer> {
    let mut response = Response::new(Answer::Own(None));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from(status));
    headers.insert(GRPC_MESSAGE, grpc_message(&report.title));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(refusal: &Refusal, fields: &[(&'static str, &'static str)]) -> Form {
        let mut headers = HeaderMap::new();
        fields.iter().for_each(|(name, value)| drop(headers.insert(*name, HeaderValue::from_static(value))));
        refusal.form(&headers)
    }

    #[test]
    fn everybody_gets_the_form_that_he_understands() {
        let failed = Refusal::Failed(Arc::new(Report::new("x")));
        assert_eq!(form(&failed, &[("accept", "*/*")]), Form::Text);
        assert_eq!(form(&failed, &[]), Form::Text);
        assert_eq!(form(&failed, &[("accept", "text/html,*/*;q=0.8")]), Form::Page);
        assert_eq!(form(&failed, &[("accept", "*/*"), ("sec-fetch-mode", "navigate")]), Form::Page);
        assert_eq!(form(&failed, &[("accept", "text/html"), ("sec-fetch-mode", "cors")]), Form::Text);
        assert_eq!(form(&failed, &[("accept", "application/json, text/plain, */*")]), Form::Json);
        assert_eq!(form(&failed, &[("content-type", "application/grpc+proto")]), Form::Grpc);
        assert_eq!(form(&failed, &[("accept", "text/event-stream")]), Form::Drop);
        assert_eq!(form(&Refusal::Malformed("x"), &[("accept", "text/event-stream")]), Form::Text);
    }

    #[test]
    fn the_page_for_a_foreign_host_shows_the_lines_to_add() {
        let report = Refusal::Foreign("app.test".into(), vec!["other.test".into()]).report();
        assert_eq!(report.output, ["[proxy]", "hosts = [\"other.test\", \"app.test\"]"]);
    }
}
