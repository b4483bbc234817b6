//! Compose files: the databases in them, as services that the program needs.

use serde_json::Value as Json;

use super::{
    draft::{Draft, Kind, Table, Value, as_name},
    reading::Doubt,
    tree::{Taken, Tree},
    yaml,
};

/// How a compose file is called.
const FILES: &[&str] =
    &["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml", "docker-compose.dev.yml"];
/// Parts of image names of what programs need and nobody edits.
const NEEDED: &[&str] = &[
    "cassandra",
    "clickhouse",
    "cockroach",
    "couchdb",
    "dynamodb-local",
    "elasticsearch",
    "etcd",
    "influxdb",
    "kafka",
    "localstack",
    "mailhog",
    "mailpit",
    "mariadb",
    "meilisearch",
    "memcached",
    "minio",
    "mongo",
    "mysql",
    "nats",
    "neo4j",
    "opensearch",
    "postgis",
    "postgres",
    "pgvector",
    "rabbitmq",
    "redis",
    "redpanda",
    "surrealdb",
    "timescaledb",
    "typesense",
    "valkey",
    "zookeeper",
];

/// What a program needs beside it, and what is not sure about that.
#[derive(Default)]
pub(super) struct Needed {
    pub(super) services: Vec<Table>,
    pub(super) doubts: Vec<Doubt>,
}

/// The databases of the folder's compose file.
pub(super) fn needed(tree: &Tree) -> Needed {
    let mut needed = Needed::default();
    let Some(file) = tree.first(FILES) else { return needed };
    let Some(config) = tree.text(file).and_then(|text| yaml::parse(&text)) else {
        needed.doubts.push(Doubt::new(format!("`{file}` cannot be read: it is left out")));
        return needed;
    };
    let services = config["services"].as_object().cloned().unwrap_or_default();
    needed.doubts.extend(variables(tree, file, &services));
    let databases = services.iter().filter_map(|(name, service)| Some((name, published(service)?)));
    let databases: Vec<(&String, u16)> = databases.collect();
    if databases.is_empty() {
        return needed;
    }
    let (taken, free): (Vec<_>, Vec<_>) =
        databases.into_iter().partition(|(_, port)| tree.taken(*port) == Taken::Taken);
    if let Some((name, port)) = taken.first() {
        needed.doubts.push(Doubt::new(format!("port {port} is in use: `{name}` of {file} is taken to run already")));
    }
    if free.is_empty() {
        return needed;
    }
    if !tree.docker() {
        let names: Vec<String> = free.iter().map(|(name, _)| format!("`{name}`")).collect();
        needed.doubts.push(Doubt::new(format!("{} of {file} not started: docker does not run here", names.join(", "))));
        return needed;
    }
    let which = if FILES[..4].contains(&file) { String::new() } else { format!("-f {file} ") };
    needed.services.extend(free.into_iter().map(|(name, port)| service(name, port, file, &which)));
    needed
}

/// What the file sets for the program itself, and nothing here does.
fn variables(tree: &Tree, file: &str, services: &serde_json::Map<String, Json>) -> Option<Doubt> {
    let dotenv = tree.text(".env").unwrap_or_default();
    let is_missing = |name: &String| {
        let in_dotenv = dotenv.lines().any(|line| line.trim_start_matches("export ").starts_with(&format!("{name}=")));
        !tree.variable(name) && !in_dotenv && !matches!(name.as_str(), "PORT" | "NODE_ENV" | "TZ")
    };
    services.iter().filter(|(_, service)| !service["build"].is_null()).find_map(|(owner, service)| {
        let names: Vec<String> = match &service["environment"] {
            Json::Object(map) => map.keys().cloned().collect(),
            Json::Array(list) => {
                let lines = list.iter().filter_map(Json::as_str);
                lines.filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned())).collect()
            }
            _ => Vec::new(),
        };
        let missing: Vec<String> = names.into_iter().filter(is_missing).map(|name| format!("`{name}`")).collect();
        let shown = match missing.len() {
            0 => return None,
            1 | 2 => missing.join(" and "),
            more => format!("{}, {} and {} more", missing[0], missing[1], more - 2),
        };
        Some(Doubt::new(format!(
            "{file} sets {shown} for `{owner}`, and nothing here does: `env`, if the program needs it"
        )))
    })
}

fn service(name: &str, port: u16, file: &str, which: &str) -> Table {
    let health = vec![("tcp".to_owned(), Value::Flag(true)), ("timeout".to_owned(), Value::Text("5m".to_owned()))];
    let stop = vec![
        ("run".to_owned(), Value::Text(format!("docker compose {which}stop {name}"))),
        ("grace".to_owned(), Value::Text("20s".to_owned())),
    ];
    Table::service(as_name(name), format!("docker compose {which}up {name}"))
        .with("port", port)
        .with("inputs", [] as [&str; 0])
        .with("after", [] as [&str; 0])
        .with("health", Value::Inline(health))
        .because("stop", Value::Inline(stop), "containers are no children of devloop")
        .why(format!("service `{name}` of {file}"))
}

/// The port of this machine that a database is published at; none if it is no database or not published.
fn published(service: &Json) -> Option<u16> {
    let image = service["image"].as_str()?;
    let name = image.rsplit('/').next()?.split([':', '@']).next()?;
    NEEDED.iter().find(|known| {
        name.contains(**known) && !name.contains("admin") && !name.contains("exporter") && !name.contains("express")
    })?;
    let port = service["ports"].as_array()?.first()?;
    match port {
        Json::String(text) => {
            let text = unfolded(text.split('/').next()?);
            let parts: Vec<&str> = text.split(':').collect();
            let host = parts.len().checked_sub(2).map(|index| parts[index])?;
            host.split('-').next()?.parse().ok()
        }
        Json::Object(port) => match port.get("published")? {
            Json::String(text) => unfolded(text).parse().ok(),
            Json::Number(number) => u16::try_from(number.as_u64()?).ok(),
            _ => None,
        },
        _ => None,
    }
}

/// `${NAME:-5432}` as `5432`.
fn unfolded(text: &str) -> String {
    super::patterns::pattern(r"\$\{\w+:?-([^}]*)\}").replace_all(text, "$1").into_owned()
}

/// Puts them before everything, and lets every service of the project that is no page server need them.
pub(super) fn put(needed: Vec<Table>, draft: &mut Draft) {
    let names: Vec<String> = needed.iter().map(|table| table.name().to_owned()).collect();
    let reloads = |table: &Table| matches!(table.get("inputs"), Some(Value::List(list)) if list.is_empty());
    let services = draft.of(Kind::Service).count();
    for table in draft.tables.iter_mut().filter(|table| table.kind == Kind::Service) {
        if services == 1 || !reloads(table) {
            table.set("needs", Value::List(names.clone()));
        }
    }
    // Behind the other tables: the first service is the one that every host leads to.
    draft.tables.extend(needed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::tree::Machine;

    const FILE: &str = "services:\n  app:\n    build: .\n    ports: ['8080:8080']\n  db:\n    image: postgres:16-alpine\n    ports:\n      - \"${DB_PORT:-5433}:5432\"\n  cache:\n    image: redis\n";

    #[test]
    fn databases_with_a_published_port_are_needed_if_docker_is_there() {
        let machine = Machine { programs: ["docker".to_owned()].into(), ..Machine::default() };
        let found = needed(&Tree::of([("compose.yaml", FILE)], machine.clone()));
        let [db] = &found.services[..] else { panic!("{:?}", found.doubts) };
        assert_eq!((db.name(), db.get("port")), ("db", Some(&Value::Number(5433))));
        let without = needed(&Tree::of([("compose.yaml", FILE)], Machine::default()));
        assert!(without.services.is_empty() && without.doubts[0].text.contains("docker does not run here"));
        let busy = Machine { taken: |_| Taken::Taken, ..machine };
        let running = needed(&Tree::of([("compose.yaml", FILE)], busy));
        assert!(running.services.is_empty() && running.doubts[0].text.contains("port 5433 is in use"));
    }
}
