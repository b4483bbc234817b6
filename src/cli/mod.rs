//! The command line: one file per command.

pub mod attach;
pub mod check;
pub mod completions;
pub mod debug;
mod detach;
mod detected;
pub mod doctor;
pub mod effective;
mod environment;
pub mod exit;
pub mod init;
mod log;
pub mod logs;
pub mod open;
pub mod pause;
pub mod rebuild;
pub mod restart;
pub mod rollback;
pub mod run;
mod running;
mod schema;
pub mod status;
pub mod stop;
pub mod trust;
pub mod up;
pub mod wait;
pub mod why;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use self::running::Caller;
pub use self::{
    environment::{Connected, Terminal},
    exit::Exit,
};
use crate::{
    certificates::Wanted,
    config,
    error::{Problem, render},
};

/// What devloop is, in one sentence.
const ABOUT: &str =
    "Save a file, see the new program: ordered steps, health-gated swaps, and a proxy that holds requests meanwhile";

/// The version of the package, and the commit and day of a release build (build.rs).
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("DEVLOOP_BUILT"));

const AFTER_HELP: &str = "\
Examples:
  devloop up                       run the project in this folder, as dev.toml says or as it looks
  devloop up api                   only service `api`, what it needs and the steps before it
  devloop up -- go run ./cmd/api   run a command without a dev.toml
  devloop init                     write a dev.toml for the project in this folder
  devloop check                    print what devloop understands of dev.toml
  devloop status                   look at the devloop that runs in this project
  devloop attach                   its pane, on this terminal

Exit codes:
  0    all went well
  1    something has failed (`up --once`, `wait`, …), `doctor` found something wrong, or devloop could not go on
  2    wrong usage, or problems in dev.toml
  3    another devloop runs in this project
  4    no devloop runs in this project
  5    the time is over (`wait --timeout`)
  129, 130, 143   ended by SIGHUP, SIGINT (Ctrl-C), SIGTERM

Environment:
  NO_COLOR         set to anything: no colours
  CLICOLOR_FORCE   set to anything but 0: colours even where no terminal is
  TERM=dumb        no colours";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "devloop", version = VERSION, about = ABOUT, after_help = AFTER_HELP, disable_help_subcommand = true)]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// Act as if started in this folder
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub dir: Option<PathBuf>,
    /// Read this file instead of the nearest dev.toml, here or in a folder above
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the project, and bring every save to life
    Up(up::UpArgs),
    /// Print what is going on
    Status(status::StatusArgs),
    /// Show the pane of the devloop that runs, from another terminal
    Attach(attach::AttachArgs),
    /// Print what devloop and the programs said
    Logs(logs::LogsArgs),
    /// Tell what became of a revision, or who reads a file
    Why(why::WhyArgs),
    /// Wait until what was saved is live or has failed
    Wait(wait::WaitArgs),
    /// Start services again
    Restart(restart::RestartArgs),
    /// Run steps again, whatever is kept of them
    Rebuild(rebuild::RebuildArgs),
    /// Let an earlier program go live, until the next save
    Rollback(rollback::RollbackArgs),
    /// Start a service under its debugger
    Debug(debug::DebugArgs),
    /// Let saves start nothing for now
    Pause(pause::PauseArgs),
    /// Let saves count again, and let go of what was rolled back
    Resume(pause::ResumeArgs),
    /// Open the project in a browser
    Open(open::OpenArgs),
    /// Run a program of your own with the environment of a service
    Run(run::RunArgs),
    /// End the devloop of this project
    Stop(stop::StopArgs),
    /// Write a dev.toml: what this project looks like, or what another tool's file says
    Init(init::InitArgs),
    /// Check dev.toml and print the plan it makes
    Check(check::CheckArgs),
    /// Print every key that holds, and where its value comes from
    Config(effective::ConfigArgs),
    /// Look for what is wrong around the project: Go modules, ports, limits, health paths
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Make browsers and tools of this machine trust devloop's certificates
    Trust(trust::TrustArgs),
    /// Take that back
    Untrust(trust::TrustArgs),
}

/// Runs the program's own command line to its end.
pub fn main() -> ExitCode {
    completions::answer();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output, errors to standard error; a closed one is no reason to fail.
            _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Good.into() };
        }
    };
    let terminal = Terminal::look();
    // In the background we are there already.
    let in_background = matches!(&cli.command, Command::Up(args) if args.in_background);
    if let Some(dir) = cli.dir.as_ref().filter(|_| !in_background)
        && let Err(error) = std::env::set_current_dir(dir)
    {
        let problem = Problem::new(format!("`-C {}`: this folder cannot be entered", dir.display())).caused_by(error);
        return complain(&terminal, &[problem]).into();
    }
    let caller = Caller { file: cli.config.clone(), terminal: &terminal };
    match cli.command {
        Command::Up(args) => up::run(args, cli.config, &terminal),
        Command::Run(args) => run::run(args, &caller),
        Command::Status(args) => status::run(&args, &caller).into(),
        Command::Attach(args) => attach::run(&args, &caller),
        Command::Logs(args) => logs::run(args, &caller).into(),
        Command::Why(args) => why::run(&args, &caller).into(),
        Command::Wait(args) => wait::run(&args, &caller).into(),
        Command::Restart(args) => restart::run(args, &caller).into(),
        Command::Rebuild(args) => rebuild::run(args, &caller).into(),
        Command::Rollback(args) => rollback::run(&args, &caller).into(),
        Command::Debug(args) => debug::run(args, &caller).into(),
        Command::Pause(args) => pause::pause(&args, &caller).into(),
        Command::Resume(args) => pause::resume(&args, &caller).into(),
        Command::Open(args) => open::run(&args, &caller).into(),
        Command::Stop(args) => stop::run(&args, &caller).into(),
        Command::Init(args) => init::run(&args, cli.config, &terminal).into(),
        Command::Check(args) => check::run(&args, cli.config, &terminal).into(),
        Command::Config(args) => effective::run(&args, cli.config, &terminal).into(),
        Command::Doctor(args) => doctor::run(&args, cli.config, &terminal).into(),
        Command::Completions(args) => completions::run(&args).into(),
        Command::Trust(args) => trust::run(&args, Wanted::Trust, &terminal).into(),
        Command::Untrust(args) => trust::run(&args, Wanted::Untrust, &terminal).into(),
    }
}

/// Prints problems to standard error.
fn complain(terminal: &Terminal, problems: &[Problem]) -> Exit {
    environment::to_stderr(&render(problems, terminal.stderr));
    Exit::Usage
}

/// The file to read: the one named, or the nearest dev.toml, as messages are to call it. None if there is none.
fn config_file(named: Option<PathBuf>) -> Result<Option<PathBuf>, Problem> {
    if let Some(file) = named {
        return Ok(Some(file));
    }
    let here = environment::current_dir()?;
    Ok(config::find(&here).map(|found| environment::shown_from(&here, &found)))
}

/// No dev.toml: what was looked for, and how to begin.
fn no_config() -> Problem {
    let place = match environment::current_dir() {
        Ok(here) => format!("in `{}` or a folder above it", here.display()),
        Err(_) => "here or in a folder above".to_owned(),
    };
    Problem::new(format!("no {} {place}", config::FILE_NAME)).hint(NO_CONFIG_HINT)
}

const NO_CONFIG_HINT: &str = "\
`devloop init` writes one for this project; `devloop up -- go run ./cmd/api` needs none; or put this into dev.toml:

[[step]]
name = \"build\"
run = \"go build -o {out} ./cmd/api\"
inputs = \"go\"

[[service]]
name = \"api\"
run = \"{build}\"
health = \"/\"
";
