//! Which service a request is for. One pure function.

use super::{host::Name, settings::ServiceRoute};

/// The index of the service: with several, `NAME.localhost` goes to service `NAME`; everything else to the first one
/// that has a port. None if no service has one.
pub(super) fn route(services: &[ServiceRoute], host: &Name) -> Option<usize> {
    let by_name = match host {
        Name::Dns(host) => host.strip_suffix(".localhost"),
        Name::Ip(_) | Name::Unnamed => None,
    };
    let named = |service: &ServiceRoute| by_name.is_some_and(|name| service.name.eq_ignore_ascii_case(name));
    let named = services.iter().position(|service| service.has_port && named(service));
    named.or_else(|| services.iter().position(|service| service.has_port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Protocol;

    #[test]
    fn a_name_below_localhost_picks_the_service_and_the_first_one_takes_the_rest() {
        let service = |name: &str, has_port| ServiceRoute { name: name.into(), has_port, protocol: Protocol::Http };
        let services = [service("worker", false), service("web", true), service("API", true)];
        let at = |host: &str| route(&services, &Name::Dns(host.to_owned()));
        assert_eq!(at("localhost"), Some(1));
        assert_eq!(at("api.localhost"), Some(2));
        assert_eq!(at("worker.localhost"), Some(1));
        assert_eq!(at("api.evil.test"), Some(1));
        assert_eq!(route(&services[..1], &Name::Unnamed), None);
    }
}
