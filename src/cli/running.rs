//! The devloop that runs in this project, as commands reach it; and how they end when it does not answer.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Exit, Terminal, environment};
use crate::{
    config,
    control::{self, Ask, Client, Refused, Silence, WaitAsk},
    error::{Problem, render},
};

/// What every command that steers needs.
pub(super) struct Caller<'a> {
    /// `--config`
    pub(super) file: Option<PathBuf>,
    pub(super) terminal: &'a Terminal,
}

impl Caller<'_> {
    /// The devloop of the project that the current folder, or the file of `--config`, belongs to.
    pub(super) fn connect(&self) -> Result<Client, Exit> {
        self.connect_at().map(|(client, _)| client)
    }

    /// The same, and where its socket is.
    pub(super) fn connect_at(&self) -> Result<(Client, PathBuf), Exit> {
        let found = self.find().map_err(|(problem, exit)| self.fail(&problem, exit))?;
        found.ok_or_else(|| self.silent(&Silence::NotRunning))
    }

    /// The same, where it is no failure that none runs.
    pub(super) fn try_connect(&self) -> Result<Option<Client>, Exit> {
        let found = self.find().map_err(|(problem, exit)| self.fail(&problem, exit))?;
        Ok(found.map(|(client, _)| client))
    }

    fn find(&self) -> Result<Option<(Client, PathBuf)>, (Problem, Exit)> {
        let (folder, top) = self.folders()?;
        let Some((_, socket)) = control::find(&folder, top.as_deref()) else { return Ok(None) };
        Ok(Client::connect(&socket).ok().map(|client| (client, socket)))
    }

    /// The folder to look from, and the project's root, if there is a dev.toml.
    fn folders(&self) -> Result<(PathBuf, Option<PathBuf>), (Problem, Exit)> {
        let here = environment::current_dir().map_err(|problem| (problem, Exit::Failed))?;
        let here = here.canonicalize().unwrap_or(here);
        let folder_of = |file: &Path| file.parent().map(Path::to_owned);
        match &self.file {
            Some(file) => {
                let file = here.join(file);
                let file = file.canonicalize().map_err(|error| {
                    (Problem::new(format!("cannot read `{}`", file.display())).caused_by(error), Exit::Usage)
                })?;
                let root = folder_of(&file);
                Ok((root.clone().unwrap_or(here), root))
            }
            None => {
                let root = config::find(&here).as_deref().and_then(folder_of);
                Ok((here, root))
            }
        }
    }

    /// The root of the project, whether devloop runs in it or not.
    pub(super) fn root(&self) -> Result<PathBuf, Exit> {
        let folders = self.folders().map_err(|(problem, exit)| self.fail(&problem, exit))?;
        Ok(match folders {
            (_, Some(root)) => root,
            (here, None) => here.ancestors().find(|at| at.join(".devloop").is_dir()).unwrap_or(&here).to_owned(),
        })
    }

    /// Connects, asks, and returns the answer.
    pub(super) fn ask(&self, ask: &Ask) -> Result<(Client, Value), Exit> {
        let mut client = self.connect()?;
        let answer = client.ask(ask).map_err(|silence| self.silent(&silence))?;
        Ok((client, answer))
    }

    /// Waits until the outcome of all that was asked for is known.
    pub(super) fn outcome(&self, client: &mut Client) -> Result<Value, Exit> {
        client.ask(&Ask::Wait(WaitAsk::default())).map_err(|silence| self.silent(&silence))
    }

    /// Says why there is no answer.
    pub(super) fn silent(&self, silence: &Silence) -> Exit {
        match silence {
            Silence::NotRunning => self.fail(&not_running(), Exit::NotRunning),
            Silence::Ended => self.fail(&Problem::new("devloop has ended meanwhile"), Exit::NotRunning),
            Silence::TimedOut => self.fail(&Problem::new("the time is over"), Exit::TimedOut),
            Silence::Refused(Refused { error, hint }) => {
                let problem = Problem { hint: hint.clone(), ..Problem::new(error.clone()) };
                self.fail(&problem, Exit::Failed)
            }
        }
    }

    /// Prints a problem; the command ends so.
    pub(super) fn fail(&self, problem: &Problem, exit: Exit) -> Exit {
        environment::to_stderr(&render(std::slice::from_ref(problem), self.terminal.stderr));
        exit
    }
}

fn not_running() -> Problem {
    Problem::new("no devloop runs in this project")
        .hint("start one: `devloop up`, or `devloop up --detach` in the background")
}

/// Prints one JSON object.
pub(super) fn print_json(answer: &Value) {
    environment::to_stdout(&format!("{answer}\n"));
}

/// A list of names in an answer.
pub(super) fn names(list: &Value) -> String {
    let names: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    names.join(", ")
}

/// Prints what has become of all services, in one line each, and says how to end.
pub(super) fn report(answer: &Value) -> Exit {
    let status = &answer["status"];
    let text: String = service_lines(status).into_iter().chain(failure_lines(status)).map(|line| line + "\n").collect();
    environment::to_stdout(&text);
    exit_of(answer)
}

/// How a command ends that has waited for an outcome.
pub(super) fn exit_of(answer: &Value) -> Exit {
    match answer["outcome"].as_str() {
        Some("live" | "rolled_back") => Exit::Good,
        _ => Exit::Failed,
    }
}

/// A line about each service.
pub(super) fn service_lines(status: &Value) -> Vec<String> {
    status["services"].as_array().into_iter().flatten().map(service_line).collect()
}

fn service_line(service: &Value) -> String {
    let name = service["name"].as_str().unwrap_or_default();
    let live = match &service["live"] {
        Value::Object(live) => {
            let pid = live.get("pid").map(|pid| format!(", process {pid}")).unwrap_or_default();
            let port = live.get("port").map(|port| format!(", port {port}")).unwrap_or_default();
            let revision = live.get("revision").unwrap_or(&Value::Null);
            format!("live: revision {revision}{pid}{port}")
        }
        _ => "does not run".to_owned(),
    };
    let debugger = match (service["debugging"]["debugger"].as_str(), service["debugging"]["address"].as_str()) {
        (Some(debugger), Some(address)) => format!("; under {debugger}, attach to {address}"),
        _ => String::new(),
    };
    let why = |key: &str, said: &str| service[key].as_str().map(|why| format!("; {said}{why}")).unwrap_or_default();
    format!("{name} {live}{debugger}{}{}", why("waiting_for", "waits: "), why("stale", "stale: "))
}

/// So many last lines of output are shown of what failed, where no place in it is known.
const LAST_LINES: usize = 5;

/// What failed: of each step and service the title, the places and the hint.
pub(super) fn failure_lines(status: &Value) -> Vec<String> {
    let of = |list: &str| status[list].as_array().cloned().unwrap_or_default();
    let nodes = of("steps").into_iter().chain(of("services")).map(|node| node["report"].clone());
    let mut lines: Vec<String> = Vec::new();
    for report in nodes.chain([status["invalid_plan"].clone()]) {
        let Some(title) = report["title"].as_str() else { continue };
        if lines.iter().any(|known| known == title) {
            continue;
        }
        lines.push(title.to_owned());
        let places = report["places"].as_array().map_or(0, Vec::len);
        let output = report["output"].as_array().filter(|_| places == 0).cloned().unwrap_or_default();
        let last = output.iter().skip(output.len().saturating_sub(LAST_LINES)).filter_map(Value::as_str);
        lines.extend(last.map(|line| format!("  {line}")));
        for place in report["places"].as_array().into_iter().flatten() {
            let column = place.get("column").map(|column| format!(":{column}")).unwrap_or_default();
            let text = |key: &str| place[key].as_str().unwrap_or_default().to_owned();
            lines.push(format!("  {}:{}{column}: {}", text("file"), place["line"], text("message")));
        }
        lines.extend(report["hint"].as_str().map(|hint| format!("  hint: {hint}")));
    }
    lines
}

/// Prints an answer as JSON, or what has become of everything; returns how to end.
pub(super) fn conclude(asked: &Value, outcome: &Value, as_json: Output) -> Exit {
    match as_json {
        Output::Json => {
            let mut all = outcome.clone();
            all["asked"] = asked.clone();
            print_json(&all);
            exit_of(outcome)
        }
        Output::Text => report(outcome),
    }
}

/// How a command answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Text,
    Json,
}

/// The switch that every such command has.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct JsonArg {
    /// Print JSON (docs/control.md)
    #[arg(long)]
    pub json: bool,
}

impl JsonArg {
    pub(super) fn output(self) -> Output {
        if self.json { Output::Json } else { Output::Text }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_is_one_line_and_a_failure_has_its_places() {
        let status = json!({
            "steps": [{ "name": "build", "report": {
                "title": "step `build` failed: exit code 1",
                "places": [{ "file": "main.go", "line": 3, "column": 5, "message": "undefined: x" }],
                "output": ["main.go:3:5: undefined: x"], "hint": "fix it" } },
                { "name": "gen", "report": { "title": "step `gen` failed", "output": ["no such file"], "places": [] } }],
            "services": [
                { "name": "api", "live": { "revision": 4, "pid": 12, "port": 20123 }, "stale": "step `build` failed" },
                { "name": "db" } ] });
        assert_eq!(
            service_lines(&status),
            ["api live: revision 4, process 12, port 20123; stale: step `build` failed", "db does not run"]
        );
        assert_eq!(
            failure_lines(&status),
            [
                "step `build` failed: exit code 1",
                "  main.go:3:5: undefined: x",
                "  hint: fix it",
                "step `gen` failed",
                "  no such file"
            ]
        );
    }
}
