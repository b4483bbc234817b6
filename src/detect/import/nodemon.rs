//! `nodemon.json`: one program and what restarts it.

use serde_json::Value as Json;

use super::{
    super::draft::{Kind, Table, Value},
    Import, by_extension, env, path_pattern,
};
use crate::detect::tree::Tree;

/// What nodemon watches where nothing else is said.
const EXTENSIONS: &str = "js,mjs,cjs,json";

pub(super) fn import(tree: &Tree, text: &str) -> Result<Import, String> {
    let file: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let entries = file.as_object().ok_or("it holds no object")?;
    let mut import = Import::default();
    entries.keys().for_each(|key| import.note("nodemon", key, key));
    let run = command(tree, &file).ok_or("it names no program, and package.json has no `main`")?;
    let mut service = Table::service("app", run).with("inputs", inputs(tree, &file));
    if let Some(pairs) = file["env"].as_object() {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        service.set("env", env(pairs.collect()));
    }
    if let Some(folder) = file["cwd"].as_str() {
        service.set("cwd", Value::Text(super::tidy(folder)));
    }
    if let Some(signal) = file["signal"].as_str() {
        service.set("stop", Value::Inline(vec![("signal".to_owned(), Value::Text(signal.to_uppercase()))]));
    }
    if file["exitcrash"].as_bool() == Some(true) {
        service.set("restart", Value::Text("no".to_owned()));
    }
    if file["legacyWatch"].as_bool() == Some(true) {
        import.draft.tables.push(Table::new(Kind::Watch).with("backend", "poll"));
    }
    import.draft.tables.push(service);
    Ok(import)
}

fn command(tree: &Tree, file: &Json) -> Option<String> {
    let arguments = strings(&file["args"]).join(" ");
    let line = |start: String| format!("{start} {arguments}").trim_end().to_owned();
    if let Some(exec) = file["exec"].as_str() {
        let script = file["script"].as_str().map_or(String::new(), |script| format!(" {script}"));
        return Some(line(format!("{exec}{script}")));
    }
    let main = || tree.json("package.json")?["main"].as_str().map(str::to_owned);
    let script = file["script"].as_str().map(str::to_owned).or_else(main)?;
    let extension = script.rsplit('.').next().unwrap_or_default();
    let mapped = file["execMap"][extension].as_str().map(str::to_owned);
    let flags = strings(&file["nodeArgs"]).join(" ");
    let usual =
        || if extension == "ts" { "npx ts-node".to_owned() } else { format!("node {flags}").trim_end().to_owned() };
    Some(line(format!("{} {script}", mapped.unwrap_or_else(usual))))
}

fn inputs(tree: &Tree, file: &Json) -> Vec<String> {
    let extensions = file["ext"].as_str().unwrap_or(EXTENSIONS);
    let extensions: Vec<String> =
        extensions.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let (monitored, not): (Vec<String>, Vec<String>) =
        strings(&file["watch"]).into_iter().chain(strings(&file["monitor"])).partition(|path| !path.starts_with('!'));
    let mut inputs = Vec::new();
    for path in &monitored {
        match path_pattern(tree, path) {
            whole if whole.ends_with("**") => inputs.extend(by_extension(std::slice::from_ref(path), &extensions)),
            file => inputs.push(file),
        }
    }
    if inputs.is_empty() {
        inputs.extend(by_extension(&[], &extensions));
    }
    let not = not.iter().map(|path| path[1..].to_owned()).chain(strings(&file["ignore"]));
    inputs.extend(not.map(|path| format!("!{}", anywhere(&path_pattern(tree, &path)))));
    inputs
}

/// nodemon looks for `*.test.js` in every folder.
fn anywhere(pattern: &str) -> String {
    if pattern.starts_with("*.") { format!("**/{pattern}") } else { pattern.to_owned() }
}

fn strings(value: &Json) -> Vec<String> {
    match value {
        Json::Array(list) => list.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        Json::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}
