//! `[[route]]`: from what was written to the plan's routes. Each leads to exactly one thing, can be reached, and is the
//! only one for its host and path.

use std::{path::Path, sync::Arc};

use super::{
    middleware::merged,
    names::Names,
    paths::{relative, tidy},
    table::Report,
    written::{self, At, File},
};
use crate::{
    error::Problem,
    plan::{Files, Globs, HostPattern, Port, Prefix, Route, Target, find_route},
};

/// What is asked of devloop itself is answered before any route is looked for.
const OWN: &str = "/.devloop";
/// Not remembered by browsers, and the method stays.
const STATUS: u16 = 307;

/// The routes of a file; none where one of them is wrong.
pub(super) fn routes(report: &mut Report, file: &File, names: &Names, root: &Path) -> Option<Vec<Arc<Route>>> {
    let mut routes: Vec<Option<Arc<Route>>> = Vec::new();
    for (index, written) in file.routes.iter().enumerate() {
        unique(report, &file.routes[..index], written);
        reachable(report, written);
        fits(report, written);
        let target = target(report, file, names, root, written);
        let host = written.host.as_ref().map(|host| host.value.clone());
        let path = written.path.as_ref().map_or(String::new(), |path| path.value.clone());
        let middleware = Arc::new(merged(&file.proxy.middleware, &written.middleware));
        routes.push(target.map(|target| Arc::new(Route { host, path, target, middleware })));
    }
    unrouted(report, file);
    if file.proxy.enabled == Some(false)
        && let Some(first) = file.routes.first()
    {
        let warning = Problem::new("routes have no effect: `[proxy] enabled` is `false`");
        report.warning(warning, first.header.clone());
    }
    let routes: Vec<Arc<Route>> = routes.into_iter().collect::<Option<_>>()?;
    for (index, written) in file.routes.iter().enumerate() {
        leads_on(report, &routes, index, written);
    }
    Some(routes)
}

/// A redirect within this proxy that comes back to its own route goes round in a circle.
fn leads_on(report: &mut Report, routes: &[Arc<Route>], index: usize, written: &written::Route) {
    let (route, Some(redirect)) = (&routes[index], &written.redirect) else { return };
    if !redirect.value.starts_with('/') {
        return;
    }
    let host = route.host.as_ref().map(|host| match host {
        HostPattern::Exactly(name) => name.clone(),
        HostPattern::Below(suffix) => format!("any{suffix}"),
    });
    let to = redirect.value.replace("{path}", "any");
    let to = to.split(['?', '#']).next().unwrap_or_default();
    if find_route(routes.iter().map(|route| &**route), host.as_deref(), to) == Some(index) {
        let problem = Problem::new(format!("the redirect leads back to its own route: `{to}` is below `{route}`"));
        let hint = "add a route for where it leads, or give this one a longer `path`";
        report.problem(problem.hint(hint), redirect.span.clone());
    }
}

/// Two routes for the same requests: one of them would never be taken.
fn unique(report: &mut Report, before: &[written::Route], written: &written::Route) {
    let host = |route: &written::Route| route.host.as_ref().map(|host| host.value.clone());
    let path = |route: &written::Route| route.path.as_ref().map_or(String::new(), |path| path.value.clone());
    let same = |other: &&written::Route| host(other) == host(written) && path(other) == path(written);
    let Some(first) = before.iter().find(same) else { return };
    let line = report.line_of(first.header.start);
    let whom = match host(written) {
        Some(host) => format!("`{host}{}`", shown(&path(written))),
        None => format!("`{}` of all hosts", shown(&path(written))),
    };
    let problem = Problem::new(format!("two routes are for {whom}"));
    let hint = format!("the other one is in line {line}; give one of them another `host` or `path`");
    report.problem(problem.hint(hint), place(written));
}

fn reachable(report: &mut Report, written: &written::Route) {
    let Some(path) = &written.path else { return };
    if path.value == OWN || path.value.starts_with(&format!("{OWN}/")) {
        let problem = Problem::new("no request reaches this route");
        report.problem(problem.hint(format!("what is below `{OWN}` is answered by devloop itself")), path.span.clone());
    }
}

/// Keys that need another key.
fn fits(report: &mut Report, written: &written::Route) {
    let lonely = [
        ("strip_prefix", written.strip_prefix.as_ref().map(|key| &key.span), written.service.is_some(), "service"),
        ("status", written.status.as_ref().map(|key| &key.span), written.redirect.is_some(), "redirect"),
        ("fallback", written.fallback.as_ref().map(|key| &key.span), written.files.is_some(), "files"),
    ];
    for (key, span, has_partner, partner) in lonely {
        if let (Some(span), false) = (span, has_partner) {
            let problem = Problem::new(format!("`{key}` has no effect without `{partner}`"));
            report.problem(problem, span.clone());
        }
    }
    if let Some(strip) = written.strip_prefix.as_ref().filter(|strip| strip.value)
        && written.path.as_ref().is_none_or(|path| path.value.is_empty())
    {
        let problem = Problem::new("`strip_prefix` has nothing to cut off");
        report.problem(problem.hint("it cuts off the route's `path`, such as `path = \"/api\"`"), strip.span.clone());
    }
}

fn target(report: &mut Report, file: &File, names: &Names, root: &Path, written: &written::Route) -> Option<Target> {
    let ways = [
        written.service.as_ref().map(|way| ("service", &way.span)),
        written.redirect.as_ref().map(|way| ("redirect", &way.span)),
        written.files.as_ref().map(|way| ("files", &way.span)),
    ];
    let mut ways: Vec<_> = ways.into_iter().flatten().collect();
    ways.sort_by_key(|(_, span)| span.start);
    if let [(first, _), (second, span), ..] = &ways[..] {
        let problem = Problem::new(format!("`{second}` contradicts `{first}`: a route leads to one thing"));
        report.problem(problem.hint("make two routes of it"), (*span).clone());
        return None;
    }
    if let Some(service) = &written.service {
        let strip = written.strip_prefix.as_ref().is_some_and(|strip| strip.value);
        let prefix = if strip { Prefix::Stripped } else { Prefix::Kept };
        return Some(Target::Service { name: service_of(report, file, names, service)?, prefix });
    }
    if let Some(redirect) = &written.redirect {
        let status = written.status.as_ref().map_or(STATUS, |status| status.value);
        return Some(Target::Redirect { to: redirect.value.clone(), status });
    }
    if let Some(files) = &written.files {
        let folder = folder(report, root, files)?;
        let fallback = written.fallback.as_ref().map(|fallback| fallback.value.clone());
        let inside = Globs::below(&relative(root, &folder).to_string_lossy());
        return Some(Target::Files(Files { folder, shown: Arc::from(&*files.value), inside, fallback }));
    }
    // A wrong value has been told already.
    if report.problems.is_empty() {
        let problem = Problem::new("the route leads nowhere");
        let hint = "add `service = \"api\"`, `redirect = \"/new\"` or `files = \"public\"`";
        report.problem(problem.hint(hint), written.header.clone());
    }
    None
}

fn service_of(report: &mut Report, file: &File, names: &Names, service: &At<String>) -> Option<Arc<str>> {
    let index = names.routed(report, service)?;
    if let Some(At { value: Port::None, span }) = &file.services[index].port {
        let problem = Problem::new(format!("service `{}` takes no requests: it has `port = \"none\"`", service.value));
        let hint = format!("that is in line {}", report.line_of(span.start));
        report.problem(problem.hint(hint), service.span.clone());
    }
    Some(Arc::from(&*service.value))
}

/// It may be made by a step later on, so it does not need to be there.
fn folder(report: &mut Report, root: &Path, files: &At<String>) -> Option<std::path::PathBuf> {
    let folder = tidy(&root.join(&files.value));
    let problem = if files.value.is_empty() {
        Problem::new("`files` is empty").hint("write `files = \".\"` for the folder of dev.toml")
    } else if folder.exists() && !folder.is_dir() {
        Problem::new(format!("`{}` is not a folder", files.value))
            .hint("`files` is the folder whose files are answered with")
    } else {
        return Some(folder);
    };
    report.problem(problem, files.span.clone());
    None
}

/// Services that no route leads to, where there are routes: they cannot be asked.
fn unrouted(report: &mut Report, file: &File) {
    if file.routes.is_empty() {
        return;
    }
    for service in &file.services {
        let Some(name) = &service.common.name else { continue };
        // Who has fixed a port may be asked there: a database.
        let listens = service.port.as_ref().is_none_or(|port| port.value == Port::Auto);
        let is_named = |route: &written::Route| route.service.as_ref().is_some_and(|named| named.value == name.value);
        if listens && !file.routes.iter().any(is_named) {
            let warning = Problem::new(format!("no route leads to service `{}`", name.value));
            let hint = format!(
                "where there are routes, requests go nowhere else: add one with `service = \"{}\"`",
                name.value
            );
            report.warning(warning.hint(hint), name.span.clone());
        }
    }
}

fn place(written: &written::Route) -> std::ops::Range<usize> {
    let path = written.path.as_ref().map(|path| path.span.clone());
    let host = written.host.as_ref().map(|host| host.span.clone());
    path.or(host).unwrap_or_else(|| written.header.clone())
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}
