//! Routes as people read them.

use super::{Plan, Text, shown};
use crate::plan::{Prefix, Route, Target};

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
    }
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
