//! Does `localhost` lead to where the programs listen? It is two addresses, 127.0.0.1 and ::1, and a client takes the
//! one that comes first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    finding::{Check, Finding, Weight},
    scene::Scene,
};

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(first) = scene.localhost.first() else { return findings };
    if !scene.localhost.iter().any(IpAddr::is_loopback) {
        let seen = format!("`localhost` is {first}, which is not this machine");
        let finding = Finding::new(Check::Localhost, Weight::Wrong, seen);
        findings.push(
            finding.why("whoever asks for it asks somebody else").mend("write `127.0.0.1 localhost` into /etc/hosts"),
        );
        return findings;
    }
    for port in named_ports(scene) {
        let Some(holders) = scene.held.get(&port).filter(|holders| !holders.is_empty()) else { continue };
        let reached = |ip: &IpAddr| holders.iter().any(|holder| takes(holder.addr.ip(), *ip));
        if reached(first) {
            continue;
        }
        let listens: Vec<String> = holders.iter().map(|holder| holder.addr.ip().to_string()).collect();
        let (weight, why) = match scene.localhost.iter().any(reached) {
            true => (Weight::Doubtful, "clients that try only the first address are refused"),
            false => (Weight::Wrong, "every client is refused"),
        };
        let seen =
            format!("`localhost:{port}` is {first} first, and {} listens on {}", holders[0].who, listens.join(", "));
        let finding = Finding::new(Check::Localhost, weight, seen).why(why);
        findings.push(finding.mend(format!("write `{}` in dev.toml", shown(holders[0].addr.ip(), port))));
    }
    findings
}

fn shown(ip: IpAddr, port: u16) -> String {
    match ip {
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
        IpAddr::V4(ip) => format!("{ip}:{port}"),
    }
}

/// Whether what listens on `listening` gets connections to `ip`. `::` takes both, where the system does not say
/// otherwise.
fn takes(listening: IpAddr, ip: IpAddr) -> bool {
    listening == ip
        || listening == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        || (listening == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && ip.is_ipv4())
        || matches!(listening, IpAddr::V6(v6) if v6.to_ipv4_mapped().map(IpAddr::V4) == Some(ip))
}

/// The ports that dev.toml names after `localhost:`, in commands and variables.
pub(super) fn named_ports(scene: &Scene) -> Vec<u16> {
    let mut ports = Vec::new();
    if let Some(plan) = &scene.plan {
        let steps = plan.steps.iter().map(|step| (&step.run, &step.env));
        let services = plan.services.iter().map(|service| (&service.run, &service.env));
        for (run, env) in steps.chain(services) {
            for text in env.values().chain([&run.text]) {
                ports.extend(text.split("localhost:").skip(1).filter_map(leading_number));
            }
        }
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn leading_number(text: &str) -> Option<u16> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_takes_its_own_family_and_the_double_colon_takes_both() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(takes(ip("127.0.0.1"), ip("127.0.0.1")) && takes(ip("0.0.0.0"), ip("127.0.0.1")));
        assert!(takes(ip("::"), ip("127.0.0.1")) && takes(ip("::ffff:127.0.0.1"), ip("127.0.0.1")));
        assert!(!takes(ip("127.0.0.1"), ip("::1")) && !takes(ip("::1"), ip("127.0.0.1")));
    }
}
