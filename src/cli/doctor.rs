//! `devloop doctor`: what costs people days although nothing is wrong with their code.

use std::{fmt::Write, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::{Exit, Terminal, config_file, environment};
use crate::{
    config,
    doctor::{self, Finding, Project, Weight},
    error::{Colour, visible},
    sys,
};

const AFTER_HELP: &str = "\
Looks at the project, its Go modules, compose files, manifests and Dockerfiles, and at this machine. Each
finding says what was seen, why it matters, and what mends it. Nothing is changed without `--fix`, and nothing
is fetched. docs/doctor.md describes every check.

Exit code 0: nothing is wrong (some of it may be doubtful); 1: something is wrong.";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DoctorArgs {
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// Run the commands that mend what can be mended safely: `go work use`, `touch`
    #[arg(long)]
    pub fix: bool,
}

/// Looks, judges, prints; mends if that was asked for.
pub fn run(args: &DoctorArgs, file: Option<PathBuf>, terminal: &Terminal) -> Exit {
    let project = match project(file) {
        Ok(project) => project,
        Err(problem) => return super::complain(terminal, &[problem]),
    };
    let findings = doctor::examine(&doctor::look(project));
    let reports: Vec<Report> = findings.into_iter().map(|finding| Report::of(finding, args)).collect();
    if args.json {
        environment::to_stdout(&json(&reports));
    } else {
        environment::to_stdout(&text(&reports, terminal.stdout));
    }
    let is_bad = |report: &&Report| report.finding.weight == Weight::Wrong && !matches!(report.mended, Mended::Done);
    if reports.iter().any(|report| is_bad(&report)) { Exit::Failed } else { Exit::Good }
}

/// The project of dev.toml; without a good one, the current folder.
fn project(file: Option<PathBuf>) -> Result<Project, crate::error::Problem> {
    let here = environment::current_dir()?;
    let here = here.canonicalize().unwrap_or(here);
    let file = config_file(file)?;
    // What is wrong with dev.toml, `devloop check` says better.
    let plan = file.as_ref().and_then(|file| config::read(file).ok()).map(|loaded| loaded.plan);
    let folder = file.as_ref().and_then(|file| here.join(file).parent().map(PathBuf::from));
    let root = folder.and_then(|folder| folder.canonicalize().ok()).unwrap_or(here);
    Ok(Project { root, plan, file, env: sys::environment() })
}

/// A finding, and what became of it.
struct Report {
    finding: Finding,
    mended: Mended,
}

/// What `--fix` did.
enum Mended {
    /// It was not asked for, or there is nothing that is safe to do.
    No,
    Done,
    Failed(String),
}

impl Report {
    fn of(finding: Finding, args: &DoctorArgs) -> Report {
        let mended = match finding.fix.as_ref().filter(|_| args.fix) {
            None => Mended::No,
            Some(fix) => match doctor::mend(fix, sys::environment()) {
                Ok(()) => Mended::Done,
                Err(error) => Mended::Failed(error),
            },
        };
        Report { finding, mended }
    }
}

fn text(reports: &[Report], colour: Colour) -> String {
    let mut text = String::new();
    for Report { finding, mended } in reports {
        let (word, code) = match finding.weight {
            Weight::Wrong => ("wrong", "31"),
            Weight::Doubtful => ("doubtful", "33"),
        };
        let word = match colour {
            Colour::Always => format!("\u{1b}[1;{code}m{word}\u{1b}[0m"),
            Colour::Never => word.to_owned(),
        };
        // Writing to a string cannot fail.
        _ = writeln!(text, "{word}: {} [{}]", visible(&finding.seen), finding.check.name());
        if let Some(place) = &finding.place {
            let line = place.line.map(|line| format!(":{line}")).unwrap_or_default();
            _ = writeln!(text, "  at: {}{line}", place.file.display());
        }
        _ = writeln!(text, "  why: {}", visible(&finding.why));
        _ = match mended {
            Mended::No => writeln!(text, "  mend: {}", visible(&finding.mend)),
            Mended::Done => writeln!(text, "  mended: {}", visible(&finding.mend)),
            Mended::Failed(error) => writeln!(text, "  not mended: {}: {}", visible(&finding.mend), visible(error)),
        };
        text.push('\n');
    }
    text.push_str(&summary(reports));
    text
}

fn summary(reports: &[Report]) -> String {
    let checks = doctor::Check::ALL.len();
    let count = |weight| reports.iter().filter(|report| report.finding.weight == weight).count();
    match (count(Weight::Wrong), count(Weight::Doubtful)) {
        (0, 0) => format!("{checks} checks, nothing found\n"),
        (wrong, doubtful) => format!("{checks} checks: {wrong} wrong, {doubtful} doubtful\n"),
    }
}

#[derive(Serialize)]
struct Json<'a> {
    ok: bool,
    findings: Vec<JsonFinding<'a>>,
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    check: &'static str,
    weight: &'static str,
    seen: &'a str,
    why: &'a str,
    mend: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    fixable: bool,
    fixed: bool,
}

fn json(reports: &[Report]) -> String {
    let findings = reports.iter().map(|Report { finding, mended }| JsonFinding {
        check: finding.check.name(),
        weight: finding.weight.name(),
        seen: &finding.seen,
        why: &finding.why,
        mend: &finding.mend,
        file: finding.place.as_ref().map(|place| place.file.display().to_string()),
        line: finding.place.as_ref().and_then(|place| place.line),
        fixable: finding.fix.is_some(),
        fixed: matches!(mended, Mended::Done),
    });
    let findings: Vec<JsonFinding<'_>> = findings.collect();
    let ok = !findings.iter().any(|finding| finding.weight == Weight::Wrong.name() && !finding.fixed);
    serde_json::to_string(&Json { ok, findings }).expect("strings and numbers always serialize") + "\n"
}
