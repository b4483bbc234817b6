//! Routes as people read them.

use std::collections::BTreeMap;

use super::{Plan, Text, shown, time};
use crate::plan::{Field, HostHeader, Latency, Middleware, Origins, Prefix, RateLimit, Route, Target};

/// In the order in which they are looked at: the one that is meant comes first.
pub(super) fn describe_routes(text: &mut Text, plan: &Plan) {
    if plan.routes.is_empty() {
        return;
    }
    let mut routes: Vec<&Route> = plan.routes.iter().map(|route| &**route).collect();
    routes.sort_by_key(|route| std::cmp::Reverse(route.rank()));
    let width = routes.iter().map(|route| route.to_string().len()).max().unwrap_or(0).max(12);
    text.blank();
    text.line(0, "routes, the first that fits");
    for route in routes {
        text.line(2, format!("{:<width$} {}", route.to_string(), target(route)));
        for note in notes(&route.middleware) {
            text.line(3 + width, note);
        }
    }
}

/// What is done where there are no routes, in the proxy's section.
pub(super) fn describe_middleware(text: &mut Text, middleware: &Middleware) {
    for (index, note) in notes(middleware).into_iter().enumerate() {
        text.entry(if index == 0 { "on the way" } else { "" }, note);
    }
}

/// In the order in which it is done.
fn notes(middleware: &Middleware) -> Vec<String> {
    let limit = |limit: RateLimit| {
        format!("at most {} requests in {}, {} at once", limit.requests, time(limit.per), limit.burst)
    };
    let names: Vec<&str> = middleware.basic_auth.keys().map(String::as_str).collect();
    let is = |wanted: bool, note: &str| wanted.then(|| note.to_owned());
    let notes = [
        middleware.max_headers.map(|most| format!("heads of at most {most} bytes")),
        middleware
            .cors
            .as_ref()
            .map(|cors| format!("devloop answers whose pages may read: {}", origins(&cors.origins))),
        middleware.rate_limit.map(limit),
        (!names.is_empty()).then(|| shown(&format!("a password is asked for: {}", names.join(", ")))),
        middleware.max_body.map(|most| format!("bodies of at most {most} bytes")),
        middleware.latency.map(latency),
        middleware.fail.map(|fail| format!("{} % of the requests fail with {}", fail.rate * 100.0, fail.status)),
        (!middleware.request_headers.is_empty())
            .then(|| format!("request headers: {}", fields(&middleware.request_headers))),
        (middleware.host_header != HostHeader::Keep).then(|| format!("host: {}", middleware.host_header)),
        is(middleware.security_headers, "security headers"),
        (!middleware.response_headers.is_empty())
            .then(|| format!("response headers: {}", fields(&middleware.response_headers))),
        is(middleware.compress, "answers are compressed"),
        is(middleware.access_log, "each request is a line in the output"),
    ];
    notes.into_iter().flatten().collect()
}

fn latency(latency: Latency) -> String {
    if latency.least == latency.most {
        return format!("requests wait {}", time(latency.least));
    }
    format!("requests wait {} to {}", time(latency.least), time(latency.most))
}

fn origins(origins: &Origins) -> String {
    match origins {
        Origins::ThisMachine => "those of this machine".to_owned(),
        Origins::All => "all".to_owned(),
        Origins::These(known) => shown(&known.join(", ")),
    }
}

fn fields(fields: &BTreeMap<String, Field>) -> String {
    let field = |(name, field): (&String, &Field)| match field {
        Field::Set(value) => format!("{name} is `{value}`"),
        Field::Removed => format!("no {name}"),
    };
    let fields: Vec<String> = fields.iter().map(field).collect();
    shown(&fields.join(", "))
}

fn target(route: &Route) -> String {
    match &route.target {
        Target::Service { prefix: Prefix::Stripped, .. } => format!("{}, without {}", route.target, route.path),
        Target::Files(files) => match &files.fallback {
            Some(fallback) => shown(&format!("{}, and {fallback} for pages that do not exist", route.target)),
            None => shown(&route.target.to_string()),
        },
        _ => shown(&route.target.to_string()),
    }
}
