//! `Tiltfile`: its local resources, as far as they can be read without running it.

use super::{
    super::draft::{Table, Value, as_name},
    Import, env, path_pattern,
    starlark::{Call, Plain, calls},
    unknown_port,
};
use crate::detect::tree::Tree;

/// The arguments of `local_resource` that may come without a name.
const ORDER: [&str; 3] = ["name", "cmd", "deps"];
/// Calls whose meaning is known to have no counterpart.
const OTHERS: [&str; 6] = ["docker_build", "docker_compose", "k8s_yaml", "k8s_resource", "helm", "load"];

pub(super) fn import(tree: &Tree, text: &str) -> Result<Import, String> {
    let mut import = Import::default();
    let calls = calls(text);
    let names = |key: &str| -> Vec<String> {
        let resources = calls.iter().filter(|call| call.name == "local_resource");
        resources
            .filter(|call| argument(call, key).is_some())
            .filter_map(|call| Some(as_name(argument(call, "name")?.texts().first()?)))
            .collect()
    };
    let (stepped, served) = (names("cmd"), names("serve_cmd"));
    for call in &calls {
        match call.name.as_str() {
            "local_resource" => resource(&mut import, tree, call, &stepped, &served),
            "custom_build" | "docker_prune_settings" | "local" => {
                import.leave(&call.name, "only running the Tiltfile would tell what it does")
            }
            name if OTHERS.contains(&name) => import.note("Tiltfile", name, name),
            _ => {}
        }
    }
    Ok(import)
}

fn argument<'c>(call: &'c Call, key: &str) -> Option<&'c Plain> {
    let by_name = call.arguments.iter().find(|(name, _)| name.as_deref() == Some(key)).map(|(_, value)| value);
    let by_place = || {
        let place = ORDER.iter().position(|known| *known == key)?;
        call.arguments.iter().take_while(|(name, _)| name.is_none()).nth(place).map(|(_, value)| value)
    };
    by_name.or_else(by_place)
}

/// As `argument`, for those that need a name.
fn named<'c>(call: &'c Call, key: &str) -> Option<&'c Plain> {
    call.arguments.iter().find(|(name, _)| name.as_deref() == Some(key)).map(|(_, value)| value)
}

/// The name of the step of a resource that has both commands.
fn step_name(name: &str, served: &[String]) -> String {
    if served.iter().any(|served| served == name) { format!("{name}-build") } else { name.to_owned() }
}

fn resource(import: &mut Import, tree: &Tree, call: &Call, stepped: &[String], served: &[String]) {
    let Some(written) = argument(call, "name").and_then(|name| name.texts().into_iter().next()) else {
        import.leave("local_resource", "its name is not written out: only running the Tiltfile would tell");
        return;
    };
    let name = as_name(&written);
    for (key, value) in call.arguments.iter().filter_map(|(key, value)| Some((key.as_deref()?, value))) {
        import.note("Tiltfile", key, &format!("{written}: {key}"));
        if let Plain::Code(code) = value
            && !matches!(super::keys::fate("Tiltfile", key), Some(super::Fate::None(_)) | None)
        {
            import.leave(&format!("{written}: {key} = {code}"), "only running the Tiltfile would tell");
        }
    }
    let ignored = named(call, "ignore").map(Plain::texts).unwrap_or_default();
    let mut inputs: Vec<String> = argument(call, "deps")
        .map(Plain::texts)
        .unwrap_or_default()
        .iter()
        .map(|path| path_pattern(tree, path))
        .collect();
    if !inputs.is_empty() {
        inputs.extend(ignored.iter().map(|path| format!("!{}", path_pattern(tree, path))));
    }
    let unreadable = matches!(argument(call, "deps"), Some(Plain::Code(_)));
    let waits: Vec<String> =
        named(call, "resource_deps").map(Plain::texts).unwrap_or_default().iter().map(|name| as_name(name)).collect();
    let after: Vec<String> =
        waits.iter().filter(|name| stepped.contains(name)).map(|name| step_name(name, served)).collect();
    let needs: Vec<String> = waits.into_iter().filter(|name| served.contains(name)).collect();
    let finish = |mut table: Table, variables: &str, folder: &str, after: Vec<String>| {
        if let Some(Plain::Table(pairs)) = named(call, variables) {
            let pairs =
                pairs.iter().filter_map(|(name, value)| Some((name.clone(), value.texts().into_iter().next()?)));
            table.set("env", env(pairs.collect()));
        }
        if let Some(folder) = named(call, folder).and_then(|folder| folder.texts().into_iter().next()) {
            table.set("cwd", Value::Text(super::tidy(&folder)));
        }
        table.set("after", Value::List(after));
        if !needs.is_empty() {
            table.set("needs", Value::List(needs.clone()));
        }
        table
    };
    let own_step = step_name(&name, served);
    let step = argument(call, "cmd").and_then(command);
    if let Some(run) = step.clone() {
        let table = Table::step(&*own_step, run).with("inputs", inputs.clone());
        let table = if unreadable { without_inputs(table) } else { table };
        import.draft.tables.push(finish(table, "env", "dir", after.clone()));
    }
    if let Some(run) = named(call, "serve_cmd").and_then(command) {
        let service = unknown_port(Table::service(&*name, run));
        let (service, after) = match step {
            Some(_) => (service, after.into_iter().chain([own_step]).collect()),
            None if unreadable => (service, after),
            None => (service.with("inputs", inputs), after),
        };
        import.draft.tables.push(finish(service, "serve_env", "serve_dir", after));
    }
}

/// Everything starts it: its own list cannot be read.
fn without_inputs(mut table: Table) -> Table {
    table.remove("inputs");
    table
}

/// A command: a string, or its words.
fn command(value: &Plain) -> Option<Value> {
    match value {
        Plain::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(Value::from),
        Plain::List(_) => Some(Value::List(value.texts())),
        Plain::Table(_) | Plain::Code(_) => None,
    }
}
