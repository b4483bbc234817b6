//! Has somebody else a port that dev.toml names?

use super::{
    finding::{Check, Finding, Place, Weight},
    scene::{Holder, Scene, Whose},
};
use crate::plan::Port;

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    let Some(plan) = &scene.plan else { return Vec::new() };
    let mut findings = Vec::new();
    if plan.proxy.enabled
        && let Some(holder) = foreign(scene, plan.proxy.listen.port)
    {
        let port = plan.proxy.listen.port;
        let seen = format!("port {port}, where the proxy listens, is taken by {}", holder.who);
        let finding = match plan.proxy.listen.written {
            true => Finding::new(Check::Port, Weight::Wrong, seen).why("`devloop up` cannot begin"),
            false => Finding::new(Check::Port, Weight::Doubtful, seen).why("`devloop up` takes the next free port"),
        };
        findings.push(finding.mend("end that program, or write another `listen` into `[proxy]`"));
    }
    for service in &plan.services {
        let Port::Fixed(port) = service.port else { continue };
        let Some(holder) = foreign(scene, port) else { continue };
        let seen = format!("port {port} of service `{}` is taken by {}", service.name, holder.who);
        let finding = Finding::new(Check::Port, Weight::Wrong, seen);
        let finding = finding.why("the service cannot start, or somebody else answers for it");
        let place = scene.config.as_ref().map(|config| config.place_of(&format!("port = {port}")));
        let place = place.unwrap_or(Place { file: "dev.toml".into(), line: None });
        findings.push(finding.mend("end that program, or write another `port`").at(place));
    }
    findings
}

fn foreign(scene: &Scene, port: u16) -> Option<&Holder> {
    scene.held.get(&port)?.iter().find(|holder| holder.whose == Whose::Foreign)
}
