//! `devloop check`: what devloop understands of dev.toml, or all that is wrong with it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Exit, Terminal, complain, config_file, environment, no_config};
use crate::{
    config::{self, Loaded},
    error::{Problem, render_warnings},
    plan::{Plan, describe},
};

const AFTER_HELP: &str = "\
Prints every step and service in order, what starts it, what it reads and writes, and the
defaults that hold. Nothing is run. Exit code 0: the file is good; 2: it has problems,
which are all printed.";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct CheckArgs {
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Checks and prints.
pub fn run(args: &CheckArgs, file: Option<PathBuf>, terminal: &Terminal) -> Exit {
    let result = config_file(file).map_err(|problem| vec![problem]).and_then(|file| match file {
        Some(file) => config::read(&file),
        None => Err(vec![no_config()]),
    });
    if args.json {
        return print_json(result);
    }
    match result {
        Ok(Loaded { plan, warnings }) => {
            environment::to_stderr(&render_warnings(&warnings, terminal.stderr));
            environment::to_stdout(&describe(&plan));
            Exit::Good
        }
        Err(problems) => complain(terminal, &problems),
    }
}

/// `{"ok":true,"steps":[…],"services":[…],"warnings":[…]}` or `{"ok":false,"problems":[…]}`
#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<Named<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<Named<'a>>>,
    problems: Vec<JsonProblem>,
    warnings: Vec<JsonProblem>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    run: &'a str,
    after: Vec<&'a str>,
    needs: Vec<&'a str>,
}

#[derive(Serialize)]
struct JsonProblem {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

fn print_json(result: Result<Loaded, Vec<Problem>>) -> Exit {
    let (checked, exit) = match &result {
        Ok(loaded) => (good(&loaded.plan, &loaded.warnings), Exit::Good),
        Err(problems) => (bad(problems), Exit::Usage),
    };
    let json = serde_json::to_string(&checked).expect("strings and numbers always serialize");
    environment::to_stdout(&(json + "\n"));
    exit
}

fn good<'a>(plan: &'a Plan, warnings: &[Problem]) -> Checked<'a> {
    let steps = |indices: &[usize]| indices.iter().map(|index| &*plan.steps[*index].name).collect();
    let services = |indices: &[usize]| indices.iter().map(|index| &*plan.services[*index].name).collect();
    let step = plan.steps.iter().map(|step| Named {
        name: &step.name,
        run: &step.run.text,
        after: steps(&step.after),
        needs: services(&step.needs),
    });
    let service = plan.services.iter().map(|service| Named {
        name: &service.name,
        run: &service.run.text,
        after: steps(&service.after),
        needs: services(&service.needs),
    });
    Checked {
        ok: true,
        project: Some(&plan.name),
        steps: Some(step.collect()),
        services: Some(service.collect()),
        problems: Vec::new(),
        warnings: warnings.iter().map(json_problem).collect(),
    }
}

fn bad(problems: &[Problem]) -> Checked<'static> {
    let problems = problems.iter().map(json_problem).collect();
    Checked { ok: false, project: None, steps: None, services: None, problems, warnings: Vec::new() }
}

fn json_problem(problem: &Problem) -> JsonProblem {
    let place = problem.place.as_ref().map(|place| (place.file.display().to_string(), place.line_column()));
    JsonProblem {
        message: problem.message.clone(),
        file: place.as_ref().map(|(file, _)| file.clone()),
        line: place.as_ref().map(|(_, (line, _))| *line),
        column: place.map(|(_, (_, column))| column),
        causes: problem.causes.clone(),
        hint: problem.hint.clone(),
    }
}
