//! `devloop open [SERVICE]`: the running project in a browser.
#![expect(clippy::disallowed_methods, reason = "the door to the person's browser")]

use std::process::{Command, Stdio};

use clap::Args;
use clap_complete::ArgValueCandidates;
use serde_json::{Value, json};

use super::{
    Exit, completions, environment,
    running::{Caller, JsonArg, Output, print_json},
};
use crate::{control::Ask, error::Problem};

const AFTER_HELP: &str = "\
Opens with $BROWSER, else with what the system opens addresses with. The browser is yours: it stays
when devloop ends.";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct OpenArgs {
    /// The service; the first one if none is named
    #[arg(add = ArgValueCandidates::new(completions::services))]
    pub service: Option<String>,
    /// Only print the address
    #[arg(long)]
    pub print: bool,
    #[command(flatten)]
    json: JsonArg,
}

/// Opens it.
pub(super) fn run(args: &OpenArgs, caller: &Caller<'_>) -> Exit {
    let answer = match caller.ask(&Ask::Status) {
        Ok((_, answer)) => answer,
        Err(exit) => return exit,
    };
    let url = match address(&answer, args.service.as_deref()) {
        Ok(url) => url,
        Err(problem) => return caller.fail(&problem, Exit::Failed),
    };
    match args.json.output() {
        Output::Json => print_json(&json!({ "ok": true, "url": url })),
        Output::Text => environment::to_stdout(&format!("{url}\n")),
    }
    if args.print {
        return Exit::Good;
    }
    match browse(&url) {
        Ok(()) => Exit::Good,
        Err(problem) => caller.fail(&problem, Exit::Failed),
    }
}

fn address(answer: &Value, service: Option<&str>) -> Result<String, Problem> {
    let url = answer["devloop"]["url"]
        .as_str()
        .ok_or_else(|| Problem::new("there is nothing to open: no service listens behind devloop's proxy"))?;
    let Some(wanted) = service else { return Ok(url.to_owned()) };
    let services = answer["status"]["services"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = services.iter().filter_map(|service| service["name"].as_str()).collect();
    match names.iter().position(|name| *name == wanted) {
        Some(_) if names.len() == 1 => Ok(url.to_owned()),
        // With several, a service goes by its own name below localhost.
        Some(_) => Ok(url.replacen("//localhost", &format!("//{wanted}.localhost"), 1)),
        None => {
            let problem = Problem::new(format!("no service is named `{wanted}`"));
            Err(problem.hint(format!("the services are `{}`", names.join("`, `"))))
        }
    }
}

/// Starts the browser and leaves it alone.
fn browse(url: &str) -> Result<(), Problem> {
    let own = environment::variable("BROWSER").filter(|browser| !browser.is_empty());
    let system = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let program = own.unwrap_or_else(|| system.into());
    let mut command = Command::new(&program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop).map_err(|error| {
        Problem::new(format!("cannot start `{}`", program.to_string_lossy()))
            .caused_by(error)
            .hint("set $BROWSER, or open the address above yourself")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_several_services_each_has_its_own_address() {
        let answer = |names: &[&str]| {
            let services: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
            json!({ "devloop": { "url": "http://localhost:3000" }, "status": { "services": services } })
        };
        assert_eq!(address(&answer(&["api"]), Some("api")), Ok("http://localhost:3000".to_owned()));
        assert_eq!(address(&answer(&["web", "api"]), Some("api")), Ok("http://api.localhost:3000".to_owned()));
        assert_eq!(address(&answer(&["web", "api"]), None), Ok("http://localhost:3000".to_owned()));
        let error = address(&answer(&["web"]), Some("api")).expect_err("there is none");
        assert_eq!(error.hint.as_deref(), Some("the services are `web`"));
    }
}
