//! How the judge's findings are told.

use std::net::SocketAddr;

use crate::{
    health::{
        Front,
        http::{Answer, Speech},
    },
    model::{Report, Scheme},
    plan::Port,
};

pub(super) fn waits_for_line(words: &str) -> String {
    format!("waiting for a line with `{words}`")
}

pub(super) fn refused(port: u16) -> String {
    format!("connection refused on port {port}")
}

pub(super) fn not_answered(port: u16, path: &str) -> String {
    format!("port {port} accepts connections, `GET {path}` is not answered yet")
}

pub(super) fn not_taken(port: u16, path: &str) -> String {
    format!(
        "`GET {path}` on port {port} is not answered: has the program taken the socket it was handed, descriptor 3?"
    )
}

pub(super) fn answers(path: &str, answer: &Answer, front: &Front) -> String {
    let status = answer.status;
    match (refuses_host(answer, &front.host), &answer.location) {
        (Some(why), _) => format!("`GET {path}` answers {status}: {why}"),
        (None, Some(there)) => format!("`GET {path}` answers {status}, and redirects to `{there}`"),
        (None, None) => format!("`GET {path}` answers {status}"),
    }
}

fn refuses_host(answer: &Answer, host: &str) -> Option<String> {
    if answer.wants_tls {
        return Some("it expects TLS: write `tls = true`".to_owned());
    }
    matches!(answer.status, 400 | 403 | 421)
        .then(|| format!("does it refuse the host `{host}`? `host_header` sends another one"))
}

/// What a person should know about an answer that was good enough.
pub(super) fn about_answer(path: &str, answer: &Answer, front: &Front) -> Option<String> {
    match (answer.status, &answer.location) {
        (300..=399, Some(location)) if location.starts_with("https:") && front.scheme == Scheme::Http => Some(format!(
            "`GET {path}` redirects to `{location}`, which does not lead through devloop: let it do so in production only, or \
             write `tls = true` in `[proxy]`"
        )),
        (400 | 403 | 421, _) => Some(answers(path, answer, front)),
        (500.., _) => Some(answers(path, answer, front)),
        _ => None,
    }
}

pub(super) fn still_answers(path: &str, status: u16) -> String {
    format!("`GET {path}` still answers {status} after 5 s")
}

pub(super) fn unknown_owner(port: u16) -> String {
    format!("who listens on port {port} is not known: it belongs to another user or to a container")
}

pub(super) fn other_program(port: u16, pid: u32, command: Option<&str>, name: &str) -> Report {
    let what = command.map(|command| format!(" `{command}`")).unwrap_or_default();
    Report::new(format!("port {port} is answered by another program: pid {pid}{what}"))
        .hint(format!("end it (`kill {pid}`), or give `{name}` another port"))
}

/// `root` is what `GET /` answers, if it was asked and did.
pub(super) fn not_found(path: &str, root: Option<u16>) -> Report {
    let title = match root {
        Some(404) => format!("`{path}` answers 404, and so does `GET /`: is `health` wrong?"),
        Some(status) => format!("`{path}` answers 404 while `GET /` answers {status}: is `health` wrong?"),
        None => format!("`{path}` answers 404: is `health` wrong?"),
    };
    Report::new(title).hint("set `health` to a path that answers 2xx, or leave it out: then any answer counts")
}

pub(super) fn not_http(port: u16, speech: Speech) -> String {
    match speech {
        Speech::Tls => format!("port {port} answers, but with TLS"),
        Speech::Http2 => format!("port {port} answers, but only in HTTP/2"),
        Speech::NotHttp2 => format!("port {port} answers, but not in HTTP/2 without TLS"),
        Speech::NotTls => format!("port {port} answers, but without TLS"),
        Speech::NoOffer => format!("port {port} answers in TLS, but does not offer `h2` there (ALPN)"),
        Speech::Other => format!("port {port} answers, but not HTTP"),
    }
}

pub(super) fn never_http(port: u16, speech: Speech) -> Report {
    match speech {
        Speech::Tls => {
            Report::new(not_http(port, speech)).hint("write `tls = true`, or let it speak plain HTTP in development")
        }
        Speech::Http2 => {
            Report::new(not_http(port, speech)).hint("write `protocol = \"h2c\"`, or with `tls` `protocol = \"h2\"`")
        }
        Speech::NotTls => Report::new(not_http(port, speech)).hint("is `tls` right?"),
        Speech::NoOffer => Report::new(not_http(port, speech)).hint("is `protocol = \"h2\"` right?"),
        Speech::NotHttp2 => Report::new(not_http(port, speech)).hint("is `protocol = \"h2c\"` right?"),
        Speech::Other => Report::new(format!("port {port} answers, but not HTTP: set `health = {{ tcp = true }}`"))
            .hint("with `tcp` a listening port is enough"),
    }
}

/// gRPC gets through all the same, nothing else does.
pub(super) fn only_http2(port: u16) -> String {
    format!("port {port} answers only in HTTP/2: write `protocol = \"h2c\"`")
}

pub(super) fn not_trusted(port: u16, why: &str, hint: String) -> Report {
    Report::new(format!("port {port} answers in TLS, but {why}")).hint(hint)
}

pub(super) fn closes(port: u16) -> String {
    format!("port {port} closes connections without an answer")
}

pub(super) fn only_closes(port: u16) -> Report {
    Report::new(closes(port))
        .hint("if it speaks TLS, write `tls = true`; if it does not speak HTTP, set `health = { tcp = true }`")
}

/// It listens at `place` and not where it should.
pub(super) fn elsewhere(place: SocketAddr, given: Option<u16>, fixed: Port, name: &str) -> String {
    let port = place.port();
    if Some(port) == given {
        return format!("`{name}` listens on {} only, not on localhost", place.ip());
    }
    let reason = match (fixed, given) {
        (Port::Fixed(_), Some(given)) => format!("`{name}` listens on port {port}, not on {given}"),
        _ => format!("`{name}` ignores PORT and listens on port {port}"),
    };
    format!("{reason}: let it listen on $PORT, or write `port = {port}` in dev.toml")
}
