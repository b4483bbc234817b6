//! `devloop status`: what is going on.

use clap::Args;
use serde_json::Value;

use super::{
    Exit, environment,
    running::{Caller, JsonArg, Output, failure_lines, print_json, service_lines},
};
use crate::control::Ask;

const AFTER_HELP: &str = "\
Exit code 0: everything is live and made of what was saved last; 1: it is not, or not yet;
4: no devloop runs in this project. `devloop wait` waits for that.";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct StatusArgs {
    #[command(flatten)]
    json: JsonArg,
}

/// Prints it.
pub(super) fn run(args: &StatusArgs, caller: &Caller<'_>) -> Exit {
    let answer = match caller.ask(&Ask::Status) {
        Ok((_, answer)) => answer,
        Err(exit) => return exit,
    };
    match args.json.output() {
        Output::Json => print_json(&answer),
        Output::Text => environment::to_stdout(&shown(&answer)),
    }
    let services = answer["status"]["services"].as_array().cloned().unwrap_or_default();
    let steps = answer["status"]["steps"].as_array().cloned().unwrap_or_default();
    let good = services.iter().all(|service| service["outcome"] == "live")
        && (!services.is_empty() || steps.iter().all(|step| step["state"] == "clean"));
    if good { Exit::Good } else { Exit::Failed }
}

fn shown(answer: &Value) -> String {
    let (status, devloop) = (&answer["status"], &answer["devloop"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let doing = match (status["watching"].as_str(), status["at_rest"].as_bool()) {
        (Some("paused"), _) => "watching is paused",
        (_, Some(true)) => "at rest",
        _ => "at work",
    };
    let mut lines = vec![format!("{} at revision {}: {doing}", text(&status["project"]), status["revision"])];
    lines.extend(devloop["url"].as_str().map(|url| format!("{url} (devloop's process: {})", devloop["pid"])));
    let settling: Vec<String> = status["settling"].as_array().into_iter().flatten().map(text).collect();
    if !settling.is_empty() {
        lines.push(format!("written and not counted yet: {}", settling.join(", ")));
    }
    lines.push(String::new());
    lines.extend(status["steps"].as_array().into_iter().flatten().map(step_line));
    lines.extend(service_lines(status));
    let failures = failure_lines(status);
    if !failures.is_empty() {
        lines.push(String::new());
        lines.extend(failures);
    }
    lines.join("\n") + "\n"
}

fn step_line(step: &Value) -> String {
    let name = step["name"].as_str().unwrap_or_default();
    let state = step["state"].as_str().unwrap_or_default();
    let why = step["why"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
    let took = step["took_ms"].as_f64().map(|took| format!(" (took {took:.0} ms)")).unwrap_or_default();
    format!("{name} {state}{why}{took}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_reads_from_the_whole_to_the_parts() {
        let answer = json!({
            "devloop": { "url": "http://localhost:3000", "pid": 7 },
            "status": {
                "project": "shop", "revision": 4, "watching": "on", "at_rest": true, "settling": [],
                "steps": [{ "name": "build", "state": "clean", "took_ms": 310.4 }],
                "services": [{ "name": "api", "live": { "revision": 4, "pid": 12, "port": 20123 } }] } });
        assert_eq!(
            shown(&answer),
            "shop at revision 4: at rest\nhttp://localhost:3000 (devloop's process: 7)\n\n\
             build clean (took 310 ms)\napi live: revision 4, process 12, port 20123\n"
        );
    }
}
