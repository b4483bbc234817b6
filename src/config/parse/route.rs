//! `[[route]]`: each of its values by itself.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::super::{
    table::{Report, Table, kind},
    units,
    written::{At, Route},
};
use super::middleware::{MIDDLEWARE, middleware};
use crate::{
    error::Problem,
    plan::{HostPattern, canonical},
};

const ROUTE: &[&str] = &["host", "path", "service", "strip_prefix", "redirect", "status", "files", "fallback"];
/// The statuses that send a client elsewhere.
const REDIRECTS: [i64; 5] = [301, 302, 303, 307, 308];

pub(super) fn route(report: &mut Report, entries: &DeTable<'_>, span: Range<usize>) -> Route {
    let table = Table::new(report, "`[[route]]`", entries, span, &[ROUTE, MIDDLEWARE].concat());
    Route {
        header: table.span.clone(),
        host: host(report, &table),
        path: path(report, &table),
        service: table.string(report, "service"),
        strip_prefix: table.boolean(report, "strip_prefix").map(|strip| At::new(strip, table.key_span("strip_prefix"))),
        redirect: redirect(report, &table),
        status: status(report, &table),
        files: table.string(report, "files"),
        fallback: fallback(report, &table),
        middleware: middleware(report, &table),
    }
}

fn host(report: &mut Report, table: &Table<'_, '_>) -> Option<At<HostPattern>> {
    let host = table.string(report, "host")?;
    match HostPattern::new(&host.value) {
        Some(pattern) => Some(At::new(pattern, host.span)),
        None if host.value == "*" => {
            let problem = Problem::new("`host` cannot be `*` alone");
            report.problem(problem.hint("a route without `host` is for all hosts"), host.span);
            None
        }
        None => {
            report.wrong(units::no_host(&host.value), host.span);
            None
        }
    }
}

fn path(report: &mut Report, table: &Table<'_, '_>) -> Option<At<String>> {
    let path = table.string(report, "path")?;
    let text = &path.value;
    let problem = if text.contains("://") {
        Problem::new("the path of a route is a whole URL").hint("write `host` and `path` apart")
    } else if !text.starts_with('/') {
        Problem::new(format!("the path `{text}` does not start with `/`")).hint(format!("write `\"/{text}\"`"))
    } else if text.ends_with("/*") || text.ends_with("/**") {
        let bare = text.trim_end_matches('*').trim_end_matches('/');
        let bare = if bare.is_empty() { "/" } else { bare };
        Problem::new(format!("the path `{text}` has a pattern in it"))
            .hint(format!("write `\"{bare}\"`: a route is for its path and everything below it"))
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['?', '#']) {
        Problem::new(format!("the path `{text}` cannot be that of a request"))
            .hint("write spaces and other letters percent-encoded, and no `?…` and no `#…`")
    } else {
        let canonical = canonical(text).trim_end_matches('/').to_owned();
        return Some(At::new(canonical, path.span));
    };
    report.problem(problem, path.span);
    None
}

fn redirect(report: &mut Report, table: &Table<'_, '_>) -> Option<At<String>> {
    let redirect = table.string(report, "redirect")?;
    let text = &redirect.value;
    let after_scheme = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    // The client must not be able to choose the host.
    let before_path = after_scheme.map(|rest| rest.split('/').next().unwrap_or(rest));
    let problem = if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Problem::new(format!("`{text}` cannot be sent as it is")).hint("write spaces and other letters percent-encoded")
    } else if after_scheme.is_none() && (!text.starts_with('/') || text.starts_with("//")) {
        Problem::new(format!("`{text}` is neither a path nor a URL")).hint(
            "write `\"/new/{path}\"` or `\"https://example.test/{path}\"`; `{path}` is what follows the route's path",
        )
    } else if before_path.is_some_and(|host| host.contains('{') || host.is_empty()) {
        Problem::new("`{path}` cannot be part of a host").hint("write a `/` before it")
    } else if text.replace("{path}", "").contains(['{', '}']) {
        Problem::new(format!("`{text}` has something else in braces than `{{path}}`"))
            .hint("`{path}` stands for what follows the route's path, with its query")
    } else {
        return Some(redirect);
    };
    report.problem(problem, redirect.span);
    None
}

fn status(report: &mut Report, table: &Table<'_, '_>) -> Option<At<u16>> {
    let value = table.get("status")?;
    let hint =
        "302 and 307 are asked for anew each time; 301 and 308 are remembered by browsers; 307 and 308 keep the method";
    let found = match value.get_ref() {
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix()).ok(),
        other => {
            let problem = Problem::new(format!("`status` must be a number, not {}", kind(other)));
            report.problem(problem.hint("such as `status = 307`"), value.span());
            return None;
        }
    };
    let known = found.filter(|status| REDIRECTS.contains(status)).and_then(|status| u16::try_from(status).ok());
    if known.is_none() {
        let problem = Problem::new("`status` must be 301, 302, 303, 307 or 308");
        report.problem(problem.hint(hint), value.span());
    }
    known.map(|status| At::new(status, value.span()))
}

fn fallback(report: &mut Report, table: &Table<'_, '_>) -> Option<At<String>> {
    let fallback = table.string(report, "fallback")?;
    let inside = fallback.value.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if !inside {
        let problem = Problem::new(format!("`{}` is not a file in the folder of `files`", fallback.value));
        report.problem(problem.hint("write its path from that folder, such as `\"index.html\"`"), fallback.span);
        return None;
    }
    Some(fallback)
}
