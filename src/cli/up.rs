//! `devloop up`: run the project, and bring every save to life.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::{
    Exit, Terminal, complain, completions, config_file, detach, detected,
    environment::{self, Connected},
    log,
    running::{Caller, Output},
    schema,
};
use crate::{
    app::{self, Ending, Picture, Until},
    config::{self, Loaded},
    error::{Colour, Problem, render_warnings},
    plan::Plan,
    process,
    ui::{Format, pane::Theme},
};

const AFTER_HELP: &str = "\
Examples:
  devloop up                            everything in dev.toml; without one, what the project looks like
  devloop up api worker                 these services, what they need, the steps before them
  devloop up --once                     make everything live, then end: 0 if that worked, 1 if not
  devloop up --listen 8080              the proxy on port 8080
  devloop up --debug api                service api under its debugger, which editors can attach to
  devloop up --detach                   in the background; `devloop stop` ends it
  devloop up -- go run ./cmd/api -v     a command without a dev.toml; `{port}` in it is its port

The first Ctrl-C ends everything in order; a second one at once.";

/// Its arguments.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = AFTER_HELP)]
pub struct UpArgs {
    /// Print plain lines, even on a terminal, where a pane would be shown
    #[arg(long)]
    pub plain: bool,
    /// Print one JSON object a line (docs/json.md)
    #[arg(long, conflicts_with = "plain")]
    pub json: bool,
    /// End as soon as everything is live (0) or has failed (1)
    #[arg(long)]
    pub once: bool,
    /// Start in the background, and end as soon as that one can be asked (`devloop status`)
    #[arg(long, conflicts_with = "once")]
    pub detach: bool,
    /// This is the one in the background
    #[arg(long, hide = true)]
    pub in_background: bool,
    /// Start this service under its debugger (docs/debug.md); may be given several times
    #[arg(long, value_name = "SERVICE", add = ArgValueCandidates::new(completions::services))]
    pub debug: Vec<String>,
    /// Where the proxy listens: `8080`, `127.0.0.1:8080`; overrules dev.toml
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Log more about devloop itself (-vv: everything)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Write devloop's own log to this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Only these services, what they need and the steps before them
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(completions::services))]
    pub services: Vec<String>,
    /// A command to run instead of what dev.toml says
    #[arg(last = true, value_name = "CMD", conflicts_with = "services")]
    pub command: Vec<String>,
}

/// How facts and output are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputMode {
    /// As a pane on the terminal.
    Pane(Theme),
    /// Plain lines on a terminal, with these colours.
    Terminal(Colour),
    /// Plain lines, with these colours.
    Plain(Colour),
    /// JSON lines.
    Json,
}

/// Everything that `up` needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What to run.
    pub plan: Plan,
    /// The dev.toml to read again when it changes or comes; relative to the current folder. None with `-- CMD`.
    pub file: Option<PathBuf>,
    /// What a person should know; printed to standard error already.
    pub warnings: Vec<Problem>,
    /// How to show what happens.
    pub output: OutputMode,
    /// What was assumed where there is no dev.toml.
    pub assumed: Vec<String>,
    /// When to end.
    pub until: Until,
    /// How much to log: 0, 1, 2 and more.
    pub verbosity: u8,
    /// Where to log.
    pub log: Option<PathBuf>,
    /// The services to start under their debuggers.
    pub debug: Vec<String>,
    /// The services asked for; empty for all. A plan that is read again is to be cut down to them.
    pub services: Vec<String>,
    /// `--listen`, for a plan that is read again (`config::listen_at`).
    pub listen: Option<String>,
}

/// Runs the project until it is told to end.
pub fn run(args: UpArgs, file: Option<PathBuf>, terminal: &Terminal) -> ExitCode {
    let (detaches, json) = (args.detach, args.json);
    if args.in_background {
        detach::leave_the_terminal();
    }
    let prepared = match prepare(args, file.clone(), terminal) {
        Ok(prepared) => prepared,
        Err(exit) => return exit.into(),
    };
    if detaches {
        let output = if json { Output::Json } else { Output::Text };
        return detach::run(&prepared.plan.root, output, &Caller { file, terminal }).into();
    }
    if let Some(file) = &prepared.file {
        schema::put_if_named(file);
    }
    if let Err(problem) = log::begin(prepared.verbosity, prepared.log.as_deref()) {
        return complain(terminal, &[problem]).into();
    }
    let ending = app::up(options(prepared));
    let exit = match ending {
        Ending::Good | Ending::Stopped => Exit::Good,
        Ending::Failed => Exit::Failed,
        Ending::Signal(signal) => Exit::Signal(u8::try_from(signal).unwrap_or_default()),
        Ending::AlreadyRunning(problem) => {
            complain(terminal, &[problem]);
            Exit::AlreadyRunning
        }
        Ending::Refused(problem) => {
            complain(terminal, &[problem]);
            Exit::Failed
        }
    };
    exit.into()
}

fn options(prepared: Prepared) -> app::Options {
    let Prepared { plan, file, warnings, output, until, debug, services, listen, assumed, .. } = prepared;
    let (picture, programs) = match output {
        OutputMode::Pane(theme) => (Picture::Pane(theme), process::Terminal::Pty),
        OutputMode::Terminal(colour) => (Picture::Lines(Format::Plain(colour)), process::Terminal::Pty),
        OutputMode::Plain(colour) => (Picture::Lines(Format::Plain(colour)), process::Terminal::Pipes),
        OutputMode::Json => (Picture::Lines(Format::Json), process::Terminal::Pipes),
    };
    // What was printed before the pane came cannot be seen behind it.
    let mut notes = detected::notes(assumed);
    match output {
        OutputMode::Pane(_) => notes.extend(warnings.into_iter().map(note)),
        OutputMode::Terminal(_) | OutputMode::Plain(_) | OutputMode::Json => {}
    }
    let reload = file.map(|file| -> app::Reload {
        Arc::new(move || {
            let loaded = config::read(&file)?;
            narrowed(loaded.plan, &services, listen.as_deref()).map_err(|problem| vec![problem])
        })
    });
    app::Options { plan, debug, reload, picture, notes, terminal: programs, until }
}

fn note(warning: Problem) -> app::Note {
    app::Note { text: warning.one_line(), hint: warning.hint }
}

/// Finds and reads the plan, cuts it down to what was asked for, and decides how to show what happens. Problems and
/// warnings are printed to standard error.
///
/// # Errors
/// The exit code to end with.
pub fn prepare(args: UpArgs, file: Option<PathBuf>, terminal: &Terminal) -> Result<Prepared, Exit> {
    let file = if args.command.is_empty() {
        config_file(file).map_err(|problem| complain(terminal, &[problem]))?
    } else {
        None
    };
    let (loaded, assumed) = load(&args, file.as_ref()).map_err(|problems| complain(terminal, &problems))?;
    // A dev.toml that is written meanwhile is taken over.
    let file = file.or_else(|| args.command.is_empty().then(|| PathBuf::from(config::FILE_NAME)));
    let plan = narrowed(loaded.plan, &args.services, args.listen.as_deref());
    let plan = plan.map_err(|problem| complain(terminal, &[problem]))?;
    for name in &args.debug {
        plan.service_to_debug(name).map_err(|problem| complain(terminal, &[problem]))?;
    }
    environment::to_stderr(&render_warnings(&loaded.warnings, terminal.stderr));
    Ok(Prepared {
        plan,
        file,
        warnings: loaded.warnings,
        output: output_mode(&args, terminal),
        assumed,
        until: if args.once { Until::Settled } else { Until::Ended },
        verbosity: args.verbose,
        log: args.log,
        debug: args.debug,
        services: args.services,
        listen: args.listen,
    })
}

/// The plan, and what was assumed where nobody has written one.
fn load(args: &UpArgs, file: Option<&PathBuf>) -> Result<(Loaded, Vec<String>), Vec<Problem>> {
    match file {
        Some(file) => Ok((config::read(file)?, Vec::new())),
        None if args.command.is_empty() => {
            let detected = detected::plan(&args.services)?;
            Ok((detected.loaded, detected.assumed))
        }
        None => {
            let here = environment::current_dir().map_err(|problem| vec![problem])?;
            let root = here.canonicalize().unwrap_or(here);
            let plan = config::from_words(args.command.clone(), &root)?;
            Ok((Loaded { plan, warnings: Vec::new() }, Vec::new()))
        }
    }
}

/// The part of a plan that the command line asks for: these services, the proxy there.
///
/// # Errors
/// A service that is none, an address that is none.
pub fn narrowed(plan: Plan, services: &[String], listen: Option<&str>) -> Result<Plan, Problem> {
    let plan = plan.only(services)?;
    match listen {
        Some(address) => config::listen_at(&plan, address),
        None => Ok(plan),
    }
}

fn output_mode(args: &UpArgs, terminal: &Terminal) -> OutputMode {
    match (args.json, args.plain, terminal.stdout_is) {
        (true, _, _) => OutputMode::Json,
        (false, false, Connected::Terminal) => match terminal.pane {
            Some(theme) if !args.once && !logs_to_terminal(args, terminal) => OutputMode::Pane(theme),
            _ => OutputMode::Terminal(terminal.stdout),
        },
        (false, _, _) => OutputMode::Plain(terminal.stdout),
    }
}

/// devloop's own log would be written across the pane.
fn logs_to_terminal(args: &UpArgs, terminal: &Terminal) -> bool {
    let logs = args.verbose > 0 || log::is_asked_for();
    logs && args.log.is_none() && terminal.stderr_is == Connected::Terminal
}
