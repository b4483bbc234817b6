//! dev.toml: what a person wrote becomes a checked `Plan`, or a list of all its problems.
//!
//! Three stages, each of which goes on after a problem: `parse` gives every value its type and place (`written`),
//! `check` compares them with each other and with the folder, and fills in the defaults.

mod check;
mod command;
mod debug;
mod defaults;
mod effective;
mod file;
mod language;
mod middleware;
mod names;
mod order;
mod parse;
mod paths;
mod routes;
mod table;
mod tls;
mod units;
mod words;
mod written;

pub mod dotenv;

use std::path::Path;

pub use self::{
    effective::{Entry, Origin, Section, Value, effective},
    file::{FILE_NAME, find, read},
    words::from_words,
};
use crate::{
    error::Problem,
    plan::{Listen, Plan},
};

/// A checked dev.toml.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub plan: Plan,
    /// What a person should know although it is valid.
    pub warnings: Vec<Problem>,
}

/// Checks `text`. `file` is how messages name the file and, if it is relative to it or below it, how the plan does;
/// `root` is its folder: absolute, without symlinks. Looks whether the folders and files named in it exist, and reads
/// nothing.
///
/// # Errors
/// All problems of the text, in its order.
pub fn load(text: &str, file: &Path, root: &Path) -> Result<Loaded, Vec<Problem>> {
    let mut report = table::Report::new(text, file);
    let (written, syntax) = parse::parse(&mut report, text);
    let plan = match syntax {
        parse::Syntax::Good => check::check(&mut report, &written, file, root),
        parse::Syntax::Broken => None,
    };
    let in_order = |problem: &Problem| problem.place.as_ref().map_or(0, |place| place.span.start);
    report.problems.sort_by_key(in_order);
    report.warnings.sort_by_key(in_order);
    match plan {
        Some(plan) if report.problems.is_empty() => Ok(Loaded { plan, warnings: report.warnings }),
        _ => Err(report.problems),
    }
}

/// A time as dev.toml and the command line have it: `250ms`, `5s`, `1m30s`.
///
/// # Errors
/// What is wrong with it.
pub fn time(text: &str) -> Result<std::time::Duration, Problem> {
    units::time(text).map_err(|wrong| Problem { hint: wrong.hint, ..Problem::new(wrong.message) })
}

/// The same plan with its proxy at `address` (as `[proxy] listen` is written), as if dev.toml said so.
///
/// # Errors
/// The address is none, or a service has its port.
pub fn listen_at(plan: &Plan, address: &str) -> Result<Plan, Problem> {
    let listen: Listen = units::listen(address)
        .map_err(|wrong| Problem { hint: wrong.hint, ..Problem::new(format!("`--listen`: {}", wrong.message)) })?;
    let mut plan = plan.clone();
    plan.proxy.listen = listen;
    plan.proxy.enabled = true;
    match check::service_on_proxy_port(&plan) {
        Some(name) => {
            Err(Problem::new(format!("service `{name}` has port {}, which `--listen` names", plan.proxy.listen.port))
                .hint("choose another port for one of them"))
        }
        None => Ok(plan),
    }
}

/// The keys of each table that has defaults, in the order of the reference.
#[cfg(test)]
fn keys() -> [(&'static str, &'static [&'static str]); 4] {
    parse::KEYS
}
