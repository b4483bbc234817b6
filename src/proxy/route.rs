//! Which way a request takes: a route of dev.toml; where there are none, the service that its host names.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{
    desk::Desk,
    host::Name,
    refusal::Refusal,
    rules::Ruleset,
    settings::{Rules, ServiceRoute, Tell, Told},
};
use crate::plan::{Prefix, Route, Target, find_route};

/// A route as requests meet it.
#[derive(Debug)]
pub(super) struct Lane {
    /// What it says.
    pub(super) route: Arc<Route>,
    /// The gate of the service it leads to.
    pub(super) desk: Option<Arc<Desk>>,
    /// What is done to requests and answers on it; none: nothing.
    pub(super) rules: Option<Ruleset>,
    /// Something that looks wrong has been told.
    warned: AtomicBool,
}

impl Lane {
    fn new(route: Arc<Route>, desk: Option<Arc<Desk>>) -> Arc<Lane> {
        let rules = Ruleset::new(&route);
        Arc::new(Lane { route, desk, rules, warned: AtomicBool::new(false) })
    }

    /// Tells that something looks wrong, once.
    pub(super) fn warn(&self, tell: &Tell, text: impl FnOnce() -> String, hint: &str) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tell(Told::Note { text: text(), hint: hint.to_owned() });
        }
    }
}

/// All ways that there are.
#[derive(Debug)]
pub(super) enum Lanes {
    /// Those of dev.toml.
    Written(Vec<Arc<Lane>>),
    /// One for each service that has a port, because dev.toml has no routes.
    Implied(Vec<(ServiceRoute, Arc<Lane>)>),
}

impl Lanes {
    /// As the rules have it. `desks`: one for each service.
    pub(super) fn new(rules: &Rules, desks: &[Arc<Desk>]) -> Lanes {
        let desk_of = |wanted: &str| desks.iter().find(|desk| &*desk.name == wanted).cloned();
        if rules.routes.is_empty() {
            let lane = |service: &ServiceRoute| {
                let target = Target::Service { name: Arc::clone(&service.name), prefix: Prefix::Kept };
                let middleware = Arc::clone(&rules.middleware);
                let route = Arc::new(Route { host: None, path: String::new(), target, middleware });
                (service.clone(), Lane::new(route, desk_of(&service.name)))
            };
            return Lanes::Implied(rules.services.iter().filter(|service| service.has_port).map(lane).collect());
        }
        let lane = |route: &Arc<Route>| {
            let desk = match &route.target {
                Target::Service { name, .. } => desk_of(name),
                Target::Redirect { .. } | Target::Files(_) => None,
            };
            Lane::new(Arc::clone(route), desk)
        };
        Lanes::Written(rules.routes.iter().map(lane).collect())
    }

    /// The way of a request to this host and path.
    pub(super) fn find(&self, host: &Name, path: &str) -> Result<Arc<Lane>, Refusal> {
        match self {
            Lanes::Implied(lanes) => implied(lanes, host).ok_or(Refusal::NoService),
            Lanes::Written(lanes) => {
                let named = match host {
                    Name::Dns(name) => Some(name.clone()),
                    Name::Ip(ip) => Some(ip.to_canonical().to_string()),
                    Name::Unnamed => None,
                };
                let found = find_route(lanes.iter().map(|lane| &*lane.route), named.as_deref(), path);
                found.map(|index| Arc::clone(&lanes[index])).ok_or_else(|| lost(lanes, host, path))
            }
        }
    }
}

/// `NAME.localhost` is service `NAME`; everything else is the first one. None if no service has a port.
fn implied(lanes: &[(ServiceRoute, Arc<Lane>)], host: &Name) -> Option<Arc<Lane>> {
    let by_name = match host {
        Name::Dns(host) => host.strip_suffix(".localhost"),
        Name::Ip(_) | Name::Unnamed => None,
    };
    let is_named = |service: &ServiceRoute| by_name.is_some_and(|name| service.name.eq_ignore_ascii_case(name));
    let named = lanes.iter().find(|(service, _)| is_named(service));
    named.or(lanes.first()).map(|(_, lane)| Arc::clone(lane))
}

fn lost(lanes: &[Arc<Lane>], host: &Name, path: &str) -> Refusal {
    let mut routes: Vec<&Route> = lanes.iter().map(|lane| &*lane.route).collect();
    routes.sort_by_key(|route| std::cmp::Reverse(route.rank()));
    let known = routes.iter().map(|route| format!("{route}  {}", route.target)).collect();
    Refusal::NoRoute { asked: format!("{host}{path}"), known }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::HostPattern;

    fn lanes(services: &[(&str, bool)], routes: Vec<Route>) -> Lanes {
        let service = |(name, has_port): &(&str, bool)| ServiceRoute { name: Arc::from(*name), has_port: *has_port };
        let services: Vec<ServiceRoute> = services.iter().map(service).collect();
        let desks: Vec<_> = services.iter().map(|service| Arc::new(Desk::new(Arc::clone(&service.name)))).collect();
        let routes = routes.into_iter().map(Arc::new).collect();
        Lanes::new(&Rules { services, routes, ..Rules::default() }, &desks)
    }

    fn service_at(lanes: &Lanes, host: &str, path: &str) -> Option<String> {
        let lane = lanes.find(&Name::Dns(host.to_owned()), path).ok()?;
        lane.desk.as_ref().map(|desk| desk.name.to_string())
    }

    #[test]
    fn without_routes_a_name_below_localhost_picks_the_service_and_the_first_one_takes_the_rest() {
        let known = lanes(&[("worker", false), ("web", true), ("API", true)], Vec::new());
        let at = |host: &str| service_at(&known, host, "/");
        assert_eq!(at("localhost").as_deref(), Some("web"));
        assert_eq!(at("api.localhost").as_deref(), Some("API"));
        assert_eq!(at("worker.localhost").as_deref(), Some("web"));
        assert_eq!(at("api.evil.test").as_deref(), Some("web"));
        let none = lanes(&[("worker", false)], Vec::new());
        assert_eq!(none.find(&Name::Unnamed, "/").err(), Some(Refusal::NoService));
    }

    #[test]
    fn with_routes_requests_go_nowhere_else() {
        let to = |name: &str| Target::Service { name: name.into(), prefix: Prefix::Kept };
        let host = HostPattern::new("*.localhost");
        let routes = vec![
            Route { host: None, path: "/api".to_owned(), target: to("api"), middleware: Arc::default() },
            Route { host, path: String::new(), target: to("web"), middleware: Arc::default() },
        ];
        let known = lanes(&[("web", true), ("api", true)], routes);
        assert_eq!(service_at(&known, "localhost", "/api/x").as_deref(), Some("api"));
        assert_eq!(service_at(&known, "a.localhost", "/api/x").as_deref(), Some("web"));
        assert_eq!(service_at(&known, "api.localhost", "/").as_deref(), Some("web"));
        let lost = known.find(&Name::Dns("localhost".to_owned()), "/x").err();
        let known = vec!["*.localhost/  service web".to_owned(), "/api  service api".to_owned()];
        assert_eq!(lost, Some(Refusal::NoRoute { asked: "localhost/x".to_owned(), known }));
    }
}
