//! `process-compose.yaml`: processes that run on, and those that others wait for.

use serde_json::Value as Json;

use super::{
    super::{
        draft::{Table, Value, as_name},
        yaml,
    },
    Import, env, pair, seconds,
};

pub(super) fn import(text: &str) -> Result<Import, String> {
    let file = yaml::parse(text).ok_or("it is no YAML")?;
    let mut import = Import::default();
    let processes = file["processes"].as_object().ok_or("it has no `processes`")?;
    for key in file.as_object().into_iter().flat_map(|entries| entries.keys()).filter(|key| *key != "processes") {
        import.note("process-compose", key, key);
    }
    let shared = environment(&file["environment"]);
    let ends: Vec<&String> = processes.keys().filter(|name| somebody_waits_for_its_end(processes, name)).collect();
    // Steps first: what stands after them waits for them.
    let (steps, services): (Vec<_>, Vec<_>) = processes.iter().partition(|(name, _)| ends.contains(name));
    for (name, process) in steps.into_iter().chain(services) {
        for key in process.as_object().into_iter().flat_map(|entries| entries.keys()) {
            import.note("process-compose", &format!("processes.{key}"), &format!("processes.{name}.{key}"));
        }
        if process["disabled"].as_bool() == Some(true) {
            import.leave(&format!("processes.{name}"), "it is disabled: left out");
            continue;
        }
        let Some(run) = command(process) else {
            import.leave(&format!("processes.{name}"), "it has no command: left out");
            continue;
        };
        let table = if ends.contains(&name) {
            Table::step(as_name(name), run)
        } else {
            service(&mut import, name, run, process)
        };
        let table = common(table, process, &shared, &ends);
        import.draft.tables.push(without_missing(&mut import.left, table, processes));
    }
    Ok(import)
}

fn somebody_waits_for_its_end(processes: &serde_json::Map<String, Json>, name: &str) -> bool {
    let waits = |process: &Json| {
        process["depends_on"][name]["condition"]
            .as_str()
            .is_some_and(|condition| condition.starts_with("process_completed"))
    };
    processes.values().any(waits)
}

fn command(process: &Json) -> Option<Value> {
    if let Some(words) = process["entrypoint"].as_array().filter(|words| !words.is_empty()) {
        return Some(Value::List(words.iter().filter_map(Json::as_str).map(str::to_owned).collect()));
    }
    // `$$` stands for one that process-compose leaves to the shell.
    process["command"].as_str().map(|text| Value::Text(text.trim().replace("$$", "$")))
}

fn service(import: &mut Import, name: &str, run: Value, process: &Json) -> Table {
    let mut service = Table::service(as_name(name), run).with("inputs", [] as [&str; 0]);
    let probe = &process["readiness_probe"];
    let http = &probe["http_get"];
    let port =
        http["num_port"].as_u64().or_else(|| http["port"].as_u64()).or_else(|| http["port"].as_str()?.parse().ok());
    match port.and_then(|port| u16::try_from(port).ok()) {
        Some(port) => service = service.because("port", port, "if the program reads $PORT, take this line out"),
        None => service = service.because("port", "none", "if it serves HTTP on $PORT, take this line out"),
    }
    if !probe["exec"].is_null() {
        import.leave(
            &format!("processes.{name}.readiness_probe.exec"),
            "readiness is a path, an open port or a line of output",
        );
    }
    if let Some(line) = process["ready_log_line"].as_str() {
        service.set("health", Value::Inline(vec![("log".to_owned(), Value::Text(line.to_owned()))]));
    } else if port.is_some() {
        let path = http["path"].as_str().unwrap_or("/").to_owned();
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        service.set("health", Value::Text(path));
    }
    let mut stop = Vec::new();
    let shutdown = &process["shutdown"];
    if let Some(command) = shutdown["command"].as_str() {
        stop.push(("run".to_owned(), Value::Text(command.to_owned())));
    }
    if let Some(signal) = shutdown["signal"].as_u64().and_then(signal) {
        stop.push(("signal".to_owned(), Value::Text(signal.to_owned())));
    }
    if let Some(grace) = seconds(&shutdown["timeout_seconds"]) {
        stop.push(("grace".to_owned(), Value::Text(grace)));
    }
    if !stop.is_empty() {
        service.set("stop", Value::Inline(stop));
    }
    if process["availability"]["restart"].as_str().is_none_or(|restart| restart == "no" || restart == "exit_on_failure")
    {
        service.set("restart", Value::Text("no".to_owned()));
    }
    service
}

/// Signals by their number on every Unix.
fn signal(number: u64) -> Option<&'static str> {
    match number {
        1 => Some("SIGHUP"),
        2 => Some("SIGINT"),
        3 => Some("SIGQUIT"),
        9 => Some("SIGKILL"),
        15 => Some("SIGTERM"),
        _ => None,
    }
}

fn common(mut table: Table, process: &Json, shared: &[(String, String)], ends: &[&String]) -> Table {
    if let Some(description) = process["description"].as_str() {
        table.why.push(description.to_owned());
    }
    let own = environment(&process["environment"]);
    let kept = shared.iter().filter(|(name, _)| own.iter().all(|(known, _)| known != name)).cloned();
    let all: Vec<(String, String)> = kept.chain(own.iter().cloned()).collect();
    if !all.is_empty() {
        table.set("env", env(all));
    }
    if let Some(file) = process["env_file"].as_str() {
        table.set("env_files", Value::List(vec![super::tidy(file)]));
    }
    if let Some(folder) = process["working_dir"].as_str().map(super::tidy).filter(|folder| !folder.is_empty()) {
        table.set("cwd", Value::Text(folder));
    }
    if process["is_tty"].as_bool() == Some(true) {
        table.set("pty", Value::Flag(true));
    }
    let waits: Vec<&String> =
        process["depends_on"].as_object().into_iter().flat_map(|entries| entries.keys()).collect();
    let (after, needs): (Vec<&String>, Vec<&String>) = waits.into_iter().partition(|name| ends.contains(name));
    let names = |list: Vec<&String>| Value::List(list.into_iter().map(|name| as_name(name)).collect());
    table.set("after", names(after));
    if !needs.is_empty() {
        table.set("needs", names(needs));
    }
    table
}

/// Nobody waits for a process that is disabled or not there.
fn without_missing(left: &mut Vec<String>, mut table: Table, processes: &serde_json::Map<String, Json>) -> Table {
    let there = |name: &String| {
        let process = processes.iter().find(|(known, _)| as_name(known) == *name).map(|(_, process)| process);
        process.is_some_and(|process| process["disabled"].as_bool() != Some(true) && command(process).is_some())
    };
    for key in ["after", "needs"] {
        let Some(Value::List(names)) = table.get(key).cloned() else { continue };
        let (kept, missing): (Vec<String>, Vec<String>) = names.into_iter().partition(there);
        for name in missing {
            left.push(format!("`processes.{}.depends_on.{name}`: it is not there, or disabled", table.name()));
        }
        if kept.is_empty() && key == "needs" { table.remove(key) } else { table.set(key, Value::List(kept)) }
    }
    table
}

/// A list of `A=b`, or a table.
fn environment(value: &Json) -> Vec<(String, String)> {
    match value {
        Json::Array(list) => list.iter().filter_map(Json::as_str).filter_map(pair).collect(),
        Json::Object(table) => {
            let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            table.iter().map(|(name, value)| (name.clone(), text(value))).collect()
        }
        _ => Vec::new(),
    }
}
