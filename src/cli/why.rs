//! `devloop why`: what became of a revision, or who reads a file.

use std::path::Path;

use clap::Args;
use clap_complete::ArgValueCompleter;
use serde_json::Value;

use super::{
    Exit, completions, environment,
    running::{Caller, JsonArg, Output, names, print_json},
};
use crate::control::Ask;

const AFTER_HELP: &str = "\
Examples:
  devloop why              the newest revision: its files, what ran and why, how long it took
  devloop why 7            revision 7
  devloop why README.md    who reads this file, by which rule; or why nobody does";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct WhyArgs {
    /// A number is a revision, everything else a file (`./7` for one of that name)
    #[arg(value_name = "REVISION|FILE", add = ArgValueCompleter::new(completions::revisions_and_files))]
    pub what: Option<String>,
    #[command(flatten)]
    json: JsonArg,
}

/// Asks and prints.
pub(super) fn run(args: &WhyArgs, caller: &Caller<'_>) -> Exit {
    let revision = args.what.as_deref().map(str::parse::<u64>);
    let ask = match (revision, &args.what) {
        (Some(Err(_)), Some(file)) => Ask::WhyFile { file: absolute(file) },
        (revision, _) => Ask::WhyRevision { revision: revision.and_then(Result::ok) },
    };
    let answer = match caller.ask(&ask) {
        Ok((_, answer)) => answer,
        Err(exit) => return exit,
    };
    match (args.json.output(), &ask) {
        (Output::Json, _) => print_json(&answer),
        (Output::Text, Ask::WhyFile { .. }) => environment::to_stdout(&file_shown(&answer)),
        (Output::Text, _) => {
            let lines = answer["text"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let text: String = lines.map(|line| format!("{line}\n")).collect();
            environment::to_stdout(&text);
        }
    }
    Exit::Good
}

/// The file's own path, as far as it is there.
fn absolute(file: &str) -> String {
    let here = environment::current_dir().unwrap_or_default();
    let path = here.join(file);
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    let path = match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.components().filter(|part| *part != std::path::Component::CurDir).collect(),
    };
    Path::to_string_lossy(&path).into_owned()
}

fn file_shown(answer: &Value) -> String {
    let file = answer["file"].as_str().unwrap_or_default();
    let readers = &answer["readers"];
    let list = |key: &str| readers[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    if readers["is_config"] == true {
        lines.push(format!("{file} is devloop's own: what it changes runs again"));
    }
    for (kind, key) in [("step", "steps"), ("service", "services")] {
        let reader =
            |node: &Value| format!("{file} is read by {kind} `{}` ({})", text(&node["name"]), text(&node["rule"]));
        lines.extend(list(key).iter().map(reader));
    }
    if lines.is_empty() {
        lines.push(format!("no step reads {file}, and no service restarts for it"));
    }
    if !list("written_by").is_empty() {
        lines.push(format!("it is an output of {}", names(&readers["written_by"])));
    }
    if !list("reaches").is_empty() {
        lines.push(format!("it reaches {} by way of steps", names(&readers["reaches"])));
    }
    lines.extend(answer["ignored"].as_str().map(|rule| format!("its saves are ignored: {rule}")));
    if answer["exists"] == false {
        lines.push("there is no such file now".to_owned());
    }
    if let Some(revision) = answer["last_revision"].as_u64() {
        lines.push(format!("its last change was revision {revision}: `devloop why {revision}`"));
    }
    if answer["paused"] == true {
        lines.push("watching is paused: no save counts until `devloop resume`".to_owned());
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_that_nobody_reads_is_named_so() {
        let readers = json!({ "steps": [], "services": [], "written_by": [], "reaches": [], "is_config": false });
        let answer = json!({ "file": "README.md", "exists": true, "readers": readers, "ignored": null });
        assert_eq!(file_shown(&answer), "no step reads README.md, and no service restarts for it\n");
    }

    #[test]
    fn a_file_that_is_read_names_its_readers_and_their_rules() {
        let readers = json!({
            "steps": [{ "name": "build", "rule": "inputs = \"go\"" }], "services": [], "written_by": [],
            "reaches": ["api"], "is_config": false });
        let answer = json!({ "file": "main.go", "exists": true, "readers": readers, "last_revision": 4 });
        assert_eq!(
            file_shown(&answer),
            "main.go is read by step `build` (inputs = \"go\")\nit reaches api by way of steps\n\
             its last change was revision 4: `devloop why 4`\n"
        );
    }
}
