//! The keys that `[proxy]` and `[[route]]` share: what is done to requests and answers on their way.

use std::{collections::BTreeMap, time::Duration};

use hyper::header::{HeaderName, HeaderValue};
use toml::{Spanned, de::DeValue};

use super::super::{
    table::{Report, Table, Zero, kind, number},
    units::{self, Wrong},
    written::{At, Middleware, Strings},
};
use crate::{
    error::Problem,
    plan::{Cors, Fail, Field, HostHeader, HostPattern, Latency, Origins, RateLimit},
};

pub(super) const MIDDLEWARE: &[&str] = &[
    "request_headers",
    "response_headers",
    "security_headers",
    "cors",
    "host_header",
    "basic_auth",
    "rate_limit",
    "max_body",
    "max_headers",
    "latency",
    "fail",
    "compress",
    "access_log",
];
const CORS: &[&str] = &["origins", "methods", "headers", "expose", "credentials", "max_age"];
const RATE_LIMIT: &[&str] = &["requests", "per", "burst"];
const FAIL: &[&str] = &["rate", "status"];
/// Fields that say how a message travels: they are not for dev.toml to change.
pub(super) const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-devloop-hops",
];
/// What a made failure is answered with.
const FAILURE: u16 = 503;
/// The largest number that `rate_limit` takes.
const MOST: u32 = 65_535;

pub(super) fn middleware(report: &mut Report, table: &Table<'_, '_>) -> Middleware {
    Middleware {
        request_headers: fields(report, table, "request_headers"),
        response_headers: fields(report, table, "response_headers"),
        security_headers: table.boolean(report, "security_headers"),
        cors: unless_false(report, table, "cors", cors),
        host_header: host_header(report, table),
        basic_auth: unless_false(report, table, "basic_auth", basic_auth).map(Option::unwrap_or_default),
        rate_limit: unless_false(report, table, "rate_limit", rate_limit),
        max_body: table.size(report, "max_body"),
        max_headers: table.size(report, "max_headers"),
        latency: latency(report, table),
        fail: unless_false(report, table, "fail", fail),
        compress: table.boolean(report, "compress"),
        access_log: table.boolean(report, "access_log"),
    }
}

/// `false` takes back on a route what `[proxy]` has set.
fn unless_false<T>(
    report: &mut Report,
    table: &Table<'_, '_>,
    key: &str,
    read: impl FnOnce(&mut Report, &Table<'_, '_>) -> Option<T>,
) -> Option<Option<T>> {
    match table.get(key)?.get_ref() {
        DeValue::Boolean(false) => Some(None),
        _ => read(report, table).map(Some),
    }
}

fn fields(report: &mut Report, table: &Table<'_, '_>, key: &str) -> BTreeMap<String, Field> {
    let mut fields = BTreeMap::new();
    let Some(value) = table.get(key) else { return fields };
    let DeValue::Table(entries) = value.get_ref() else {
        let problem = Problem::new(format!("`{key}` must be a table, not {}", kind(value.get_ref())));
        let hint =
            format!("write `{key} = {{ \"X-Name\" = \"value\", \"X-Other\" = false }}`; `false` removes a field");
        report.problem(problem.hint(hint), value.span());
        return fields;
    };
    for (name, value) in entries.iter() {
        let lower = name.get_ref().to_lowercase();
        if let Some(problem) = unfit_name(&lower, key) {
            report.problem(problem, name.span());
            continue;
        }
        let field = match value.get_ref() {
            DeValue::Boolean(false) => Field::Removed,
            DeValue::String(text) if HeaderValue::from_str(text).is_ok() => Field::Set(text.to_string()),
            DeValue::String(_) => {
                let problem = Problem::new(format!("the value of `{}` cannot be sent", name.get_ref()));
                report.problem(problem.hint("values are made of visible ASCII letters, spaces and tabs"), value.span());
                continue;
            }
            other => {
                let message = format!("`{}` must be a string or `false`, not {}", name.get_ref(), kind(other));
                report.problem(Problem::new(message).hint("`false` removes the field"), value.span());
                continue;
            }
        };
        if fields.insert(lower, field).is_some() {
            report.problem(Problem::new(format!("the field `{}` is named twice", name.get_ref())), name.span());
        }
    }
    fields
}

fn unfit_name(name: &str, key: &str) -> Option<Problem> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Some(Problem::new(format!("`{name}` is not the name of a field")));
    }
    if FRAMING.contains(&name) {
        let problem = Problem::new(format!("`{name}` cannot be changed"));
        return Some(problem.hint("it says how the message travels, and the proxy sees to that"));
    }
    (name == "host" && key == "request_headers")
        .then(|| Problem::new("`host` cannot be set here").hint("`host_header` does that"))
}

fn cors(report: &mut Report, table: &Table<'_, '_>) -> Option<Cors> {
    let value = table.get("cors")?;
    let this_machine = Cors {
        origins: Origins::ThisMachine,
        credentials: true,
        methods: Vec::new(),
        headers: Vec::new(),
        expose: Vec::new(),
        max_age: None,
    };
    let entries = match value.get_ref() {
        DeValue::Boolean(_) => return Some(this_machine),
        DeValue::Table(entries) => entries,
        other => {
            let problem = Problem::new(format!("`cors` must be `true`, `false` or a table, not {}", kind(other)));
            let hint = "`true` allows the pages of this machine; `{ origins = [\"https://app.test\"] }` those";
            report.problem(problem.hint(hint), value.span());
            return None;
        }
    };
    let table = Table::new(report, "`cors`", entries, value.span(), CORS);
    let origins = match table.strings(report, "origins") {
        None => Origins::ThisMachine,
        Some(origins) => self::origins(report, &origins)?,
    };
    let credentials = table.boolean(report, "credentials");
    if origins == Origins::All {
        if credentials == Some(true) {
            let problem = Problem::new("`credentials` cannot be allowed to all origins: browsers refuse it");
            report.problem(problem.hint("list the origins that need them"), table.key_span("credentials"));
        }
        let warning = Problem::new("every page that you open in a browser can read what the proxy answers");
        report.warning(warning.hint("list the origins instead of `\"*\"`"), table.key_span("origins"));
    }
    Some(Cors {
        credentials: credentials.unwrap_or(origins != Origins::All),
        origins,
        methods: tokens(report, &table, "methods"),
        headers: tokens(report, &table, "headers"),
        expose: tokens(report, &table, "expose"),
        max_age: table.time(report, "max_age", Zero::Allowed).map(|time| time.value),
    })
}

fn origins(report: &mut Report, written: &Strings) -> Option<Origins> {
    if written.value.iter().any(|origin| origin.value == "*") {
        return Some(Origins::All);
    }
    let mut known = Vec::new();
    for origin in &written.value {
        let lower = origin.value.to_ascii_lowercase();
        if is_origin(&lower) {
            known.push(lower);
        } else {
            let problem = Problem::new(format!("`{}` is not an origin", origin.value));
            let hint = "an origin is a scheme, a host and perhaps a port, such as `\"http://localhost:5173\"`; no path";
            report.problem(problem.hint(hint), origin.span.clone());
        }
    }
    Some(Origins::These(known))
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let scheme_fits =
        !scheme.is_empty() && scheme.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-');
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host, None),
    };
    scheme_fits && HostPattern::new(host).is_some() && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Names of methods or fields.
fn tokens(report: &mut Report, table: &Table<'_, '_>, key: &str) -> Vec<String> {
    let mut known = Vec::new();
    for token in table.strings(report, key).into_iter().flat_map(|written| written.value) {
        if HeaderName::from_bytes(token.value.as_bytes()).is_ok() {
            known.push(token.value);
        } else {
            report.problem(Problem::new(format!("`{}` is not a name", token.value)), token.span);
        }
    }
    known
}

fn host_header(report: &mut Report, table: &Table<'_, '_>) -> Option<HostHeader> {
    let host = table.string(report, "host_header")?;
    match host.value.as_str() {
        "keep" => return Some(HostHeader::Keep),
        "upstream" => return Some(HostHeader::Upstream),
        _ => {}
    }
    let (name, port) = host.value.rsplit_once(':').unwrap_or((&host.value, "80"));
    if HostPattern::new(name).is_some_and(|name| matches!(name, HostPattern::Exactly(_))) && port.parse::<u16>().is_ok()
    {
        return Some(HostHeader::Name(host.value));
    }
    let problem = Problem::new(format!("`host_header` cannot be `{}`", host.value));
    report.problem(problem.hint("it is `\"keep\"`, `\"upstream\"` or a host such as `\"app.test\"`"), host.span);
    None
}

fn basic_auth(report: &mut Report, table: &Table<'_, '_>) -> Option<BTreeMap<String, String>> {
    let value = table.get("basic_auth")?;
    let DeValue::Table(entries) = value.get_ref() else {
        let problem = Problem::new(format!("`basic_auth` must be a table, not {}", kind(value.get_ref())));
        report.problem(problem.hint("write `basic_auth = { name = \"password\" }`"), value.span());
        return None;
    };
    let mut known = BTreeMap::new();
    for (name, password) in entries.iter() {
        match password.get_ref() {
            DeValue::String(_) if name.get_ref().contains(':') => {
                report.problem(Problem::new("a name cannot hold a `:` (it ends there)"), name.span());
            }
            DeValue::String(text) => _ = known.insert(name.get_ref().to_string(), text.to_string()),
            other => {
                let message = format!("the password of `{}` must be a string, not {}", name.get_ref(), kind(other));
                report.problem(Problem::new(message), password.span());
            }
        }
    }
    if entries.is_empty() {
        let problem = Problem::new("`basic_auth` names nobody: nobody would be let in");
        report.problem(problem.hint("`basic_auth = false` lets everybody in"), value.span());
    }
    Some(known)
}

fn rate_limit(report: &mut Report, table: &Table<'_, '_>) -> Option<RateLimit> {
    let table = table.table(report, "rate_limit", "`rate_limit`", RATE_LIMIT)?;
    let count = |report: &mut Report, key: &str| -> Option<At<u32>> {
        let value = table.get(key)?;
        if !matches!(value.get_ref(), DeValue::Integer(_)) {
            let problem = Problem::new(format!("`{key}` must be a number, not {}", kind(value.get_ref())));
            report.problem(problem, value.span());
            return None;
        }
        number(report, key, value, 1..MOST + 1).map(|count| At::new(u32::from(count), value.span()))
    };
    if !table.has("requests") {
        let problem = Problem::new("`rate_limit` has no `requests`");
        report.problem(problem.hint("such as `rate_limit = { requests = 10, per = \"1s\" }`"), table.span.clone());
    }
    let requests = count(report, "requests")?.value;
    let burst = count(report, "burst").map_or(requests, |burst| burst.value);
    let per = table.time(report, "per", Zero::Meaningless).map_or(Duration::from_secs(1), |per| per.value);
    Some(RateLimit { requests, per, burst })
}

fn latency(report: &mut Report, table: &Table<'_, '_>) -> Option<Latency> {
    let value = table.get("latency")?;
    let DeValue::Array(both) = value.get_ref() else {
        let time = table.time(report, "latency", Zero::Allowed)?.value;
        return Some(Latency { least: time, most: time });
    };
    let times: Vec<_> = both.iter().map(|time| time.get_ref().as_str().map(units::time)).collect();
    match &times[..] {
        [Some(Ok(least)), Some(Ok(most))] if least <= most => Some(Latency { least: *least, most: *most }),
        _ => {
            let problem = Problem::new("`latency` must be a time, or the shortest and the longest one");
            report.problem(problem.hint("such as `\"200ms\"` or `[\"50ms\", \"2s\"]`"), value.span());
            None
        }
    }
}

fn fail(report: &mut Report, table: &Table<'_, '_>) -> Option<Fail> {
    let value = table.get("fail")?;
    let DeValue::Table(entries) = value.get_ref() else {
        return rate(report, "fail", value).map(|rate| Fail { rate, status: FAILURE });
    };
    let table = Table::new(report, "`fail`", entries, value.span(), FAIL);
    let Some(rate_value) = table.get("rate") else {
        let problem = Problem::new("`fail` has no `rate`");
        report.problem(problem.hint("such as `fail = { rate = 0.1, status = 500 }`"), value.span());
        return None;
    };
    let status = match table.get("status") {
        None => FAILURE,
        Some(status) if matches!(status.get_ref(), DeValue::Integer(_)) => number(report, "status", status, 400..600)?,
        Some(other) => {
            let message = format!("`status` must be a number, not {}", kind(other.get_ref()));
            report.problem(Problem::new(message), other.span());
            return None;
        }
    };
    rate(report, "rate", rate_value).map(|rate| Fail { rate, status })
}

fn rate(report: &mut Report, key: &str, value: &Spanned<DeValue<'_>>) -> Option<f64> {
    let text = match value.get_ref() {
        DeValue::Integer(digits) => digits.to_string(),
        DeValue::Float(digits) => digits.to_string(),
        other => {
            let wrong = Wrong::new(format!("`{key}` must be a number, not {}", kind(other)), "`0.1` is one in ten");
            report.wrong(wrong, value.span());
            return None;
        }
    };
    let rate = text.replace('_', "").parse::<f64>().ok().filter(|rate| (0.0..=1.0).contains(rate));
    if rate.is_none() {
        let wrong = Wrong::new(format!("`{key}` must be from 0 to 1, not {text}"), "`0.1` is one in ten");
        report.wrong(wrong, value.span());
    }
    rate
}
