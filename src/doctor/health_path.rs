//! Do a compose file, Kubernetes manifests, Traefik's labels and a Dockerfile ask for the health path that dev.toml
//! asks for, and does the program answer there?

use serde_json::Value;

use super::{
    finding::{Check, Finding, Place, Weight},
    scene::{Scene, Text},
};
use crate::plan::{Plan, Port, Service};

/// A health path that a file asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// The service or container.
    owner: String,
    /// Whether the file says that it is built here.
    source: Source,
    /// What asks: `healthcheck`, `readinessProbe`, a label.
    what: String,
    path: String,
    place: Place,
}

/// Where a container's program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The file builds it.
    BuiltHere,
    /// An image of anybody's.
    Image,
}

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    let Some(plan) = &scene.plan else { return Vec::new() };
    let asked: Vec<Asked> = scene.deployments.iter().flat_map(asked_in).collect();
    let mut findings: Vec<Finding> =
        plan.services.iter().filter_map(|service| differs(plan, service, &asked)).collect();
    findings.extend(plan.services.iter().filter_map(|service| unanswered(scene, service)));
    findings
}

/// No file asks for the path of this service, but for another one of it.
fn differs(plan: &Plan, service: &Service, asked: &[Asked]) -> Option<Finding> {
    let own = service.health.path.as_deref()?;
    let with_port = plan.services.iter().filter(|service| service.port != Port::None).count();
    let by_name: Vec<&Asked> = asked.iter().filter(|asked| *asked.owner == *service.name).collect();
    let concerned = if by_name.is_empty() && with_port == 1 {
        asked.iter().filter(|asked| asked.source == Source::BuiltHere).collect()
    } else {
        by_name
    };
    // Several probes with several paths are usual: one of them is enough.
    if concerned.iter().any(|asked| without_query(&asked.path) == without_query(own)) {
        return None;
    }
    let first = concerned.iter().find(|asked| asked.what.contains("readiness")).or(concerned.first())?;
    let seen =
        format!("{} asks for `{}`, and dev.toml for `{own}` (service `{}`)", first.what, first.path, service.name);
    let finding = Finding::new(Check::HealthPath, Weight::Doubtful, seen);
    let finding =
        finding.why("if the program answers only one of them, it is healthy here and never there, or the reverse");
    let finding = finding.mend(format!("write `health = \"{}\"` into dev.toml, or `{own}` there", first.path));
    Some(finding.at(first.place.clone()))
}

/// The program runs, and answers otherwise than dev.toml hopes.
fn unanswered(scene: &Scene, service: &Service) -> Option<Finding> {
    let own = service.health.path.as_deref()?;
    let spoken = scene.spoken.iter().find(|spoken| *spoken.service == *service.name)?;
    let (status, root) = spoken.health?;
    let counts = &service.health.status;
    let is_good = if counts.is_empty() { (200..400).contains(&status) } else { counts.contains(&status) };
    if is_good || (status != 404 && status != 405) {
        return None;
    }
    let seen = format!("`{own}` of service `{}` answers {status}, and `/` answers {root}", service.name);
    let finding = Finding::new(Check::HealthPath, Weight::Wrong, seen);
    let finding = finding.why("the service never becomes ready, and is never swapped in");
    let finding = finding.mend("write the path that it has into `health` of dev.toml");
    let place = scene.config.as_ref().map(|config| config.place_of(own));
    Some(match place {
        Some(place) => finding.at(place),
        None => finding,
    })
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

fn asked_in(text: &Text) -> Vec<Asked> {
    let name = text.file.file_name().unwrap_or_default().to_string_lossy();
    if !name.ends_with("yaml") && !name.ends_with("yml") {
        return dockerfile(text);
    }
    // What holds template marks, or is no YAML, says nothing here.
    let Ok(documents) = serde_saphyr::from_multiple::<Value>(&text.text) else { return Vec::new() };
    let mut asked = Vec::new();
    for document in &documents {
        let services = document["services"].as_object().into_iter().flatten();
        services.for_each(|(owner, service)| compose(text, owner, service, &mut asked));
        containers(text, document, &mut asked);
    }
    asked
}

/// `HEALTHCHECK CMD curl …/path`
fn dockerfile(text: &Text) -> Vec<Asked> {
    let start = text.text.lines().position(|line| line.trim_start().to_ascii_uppercase().starts_with("HEALTHCHECK "));
    let Some(start) = start else { return Vec::new() };
    // It may go on in the next line.
    let lines: Vec<&str> = text.text.lines().skip(start).collect();
    let end = lines.iter().position(|line| !line.trim_end().ends_with('\\')).unwrap_or(lines.len() - 1);
    let Some(path) = lines[..=end].iter().find_map(|line| url_path(line)) else { return Vec::new() };
    let place = Place { file: text.file.clone(), line: Some(start + 1) };
    let (owner, source) = (String::new(), Source::BuiltHere);
    vec![Asked { owner, source, what: "HEALTHCHECK".to_owned(), path, place }]
}

/// One service of a compose file: its `healthcheck`, and what Traefik's labels say.
fn compose(text: &Text, owner: &str, service: &Value, asked: &mut Vec<Asked>) {
    let source = if service["build"].is_null() { Source::Image } else { Source::BuiltHere };
    let mut found = |what: &str, path: String| {
        let place = text.place_of(&path);
        asked.push(Asked { owner: owner.to_owned(), source, what: what.to_owned(), path, place });
    };
    let test = match &service["healthcheck"]["test"] {
        Value::String(line) => line.clone(),
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    };
    if let Some(path) = url_path(&test) {
        found("healthcheck", path);
    }
    let labels: Vec<(String, String)> = match &service["labels"] {
        Value::Object(labels) => {
            labels.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
        }
        Value::Array(labels) => {
            let labels = labels.iter().filter_map(|label| label.as_str()?.split_once('='));
            labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        }
        _ => Vec::new(),
    };
    for (name, path) in labels {
        if name.to_lowercase().ends_with("loadbalancer.healthcheck.path") {
            found(&format!("label `{name}`"), path);
        }
    }
}

/// Containers of Kubernetes, wherever they stand: their probes by HTTP.
fn containers(text: &Text, value: &Value, asked: &mut Vec<Asked>) {
    match value {
        Value::Object(entries) => {
            let owner = entries.get("name").and_then(Value::as_str).unwrap_or_default();
            for what in ["readinessProbe", "livenessProbe", "startupProbe"] {
                let Some(path) = entries.get(what).and_then(|probe| probe["httpGet"]["path"].as_str()) else {
                    continue;
                };
                let (owner, path) = (owner.to_owned(), path.to_owned());
                let place = text.place_of(&path);
                asked.push(Asked { owner, source: Source::Image, what: what.to_owned(), path, place });
            }
            entries.values().for_each(|value| containers(text, value, asked));
        }
        Value::Array(elements) => elements.iter().for_each(|value| containers(text, value, asked)),
        _ => {}
    }
}

/// The path of the first URL of this machine in a command.
fn url_path(command: &str) -> Option<String> {
    let (_, rest) = command.split_once("http://").or_else(|| command.split_once("https://"))?;
    let end = rest.find([' ', '"', '\'', '|', ';', ')', ',', ']']).unwrap_or(rest.len());
    let (_, path) = rest[..end].split_once('/')?;
    Some(format!("/{path}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    const TOML: &str = "[[service]]\nname = \"api\"\nrun = \"node api.js\"\nport = 8080\nhealth = \"/health\"\n";

    fn scene(file: &str, text: &str) -> Scene {
        let plan = config::load(TOML, Path::new("dev.toml"), Path::new("/")).unwrap().plan;
        let deployments = vec![Text { file: file.into(), text: text.to_owned() }];
        Scene { plan: Some(plan), deployments, ..Scene::default() }
    }

    fn seen(file: &str, text: &str) -> Vec<String> {
        check(&scene(file, text)).into_iter().map(|finding| finding.seen).collect()
    }

    const COMPOSE: &str = "services:\n  api:\n    build: .\n    healthcheck:\n      test: [CMD, curl, -f, \"http://localhost:8080/healthz\"]\n";

    #[test]
    fn the_same_path_is_no_finding_wherever_it_stands() {
        let none: [String; 0] = [];
        assert_eq!(seen("compose.yaml", &COMPOSE.replace("healthz", "health")), none);
        assert_eq!(
            seen("compose.yaml", "services: {db: {image: x, healthcheck: {test: curl http://localhost/other}}}"),
            none
        );
        assert_eq!(
            seen("Dockerfile", "FROM x\nHEALTHCHECK CMD curl -f http://localhost:8080/health || exit 1\n"),
            none
        );
        assert_eq!(seen("chart.yaml", "{{ if .Values.x }}\nkind: [\n"), none);
        let probes = "spec:\n  containers:\n  - name: api\n    livenessProbe: {httpGet: {path: /livez}}\n    \
            readinessProbe: {httpGet: {path: /health}}\n";
        assert_eq!(seen("deploy.yaml", probes), none);
    }

    #[test]
    fn another_path_is_found_wherever_it_stands() {
        assert!(
            seen("compose.yaml", COMPOSE)[0].starts_with("healthcheck asks for `/healthz`, and dev.toml for `/health`")
        );
        let text = "services:\n  api:\n    image: x\n    labels:\n      - traefik.http.services.a.loadbalancer.healthcheck.path=/ping\n";
        assert!(seen("compose.yaml", text)[0].contains("asks for `/ping`"));
        let text = "spec:\n  containers:\n  - name: api\n    readinessProbe:\n      httpGet:\n        path: /readyz\n";
        let findings = check(&scene("deploy.yaml", text));
        assert_eq!(findings[0].place, Some(Place { file: "deploy.yaml".into(), line: Some(6) }));
        let text = "FROM x\nHEALTHCHECK --interval=5s \\\n  CMD wget -q http://127.0.0.1:8080/up\n";
        assert!(seen("Dockerfile", text)[0].contains("`/up`"));
    }
}
