//! `devloop trust` and `devloop untrust`: make browsers and tools trust devloop's certificates, or stop that.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Terminal, complain, environment};
use crate::{
    certificates::{Authority, Maker, Places, Rights, System, Wanted, plan, run as carry_out},
    error::Problem,
    sys,
};

const AFTER_HELP: &str = "\
Examples:
  devloop trust --dry-run   print the commands that it would run
  devloop trust             run them; those that need root begin with sudo, which asks
  devloop untrust           take it all back

`[proxy] tls = true` makes the proxy speak HTTPS. Without `devloop trust` browsers warn. The authority
is devloop's own, limited to localhost, .test and loopback addresses; if mkcert has one, that is used,
and `mkcert -install` is what makes browsers trust it.";

/// Their arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct TrustArgs {
    /// Only print what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// Trusts or stops trusting.
pub fn run(args: &TrustArgs, wanted: Wanted, terminal: &Terminal) -> Exit {
    let variables = sys::environment();
    let Some(places) = Places::of(&variables) else {
        return complain(terminal, &[Problem::new("there is no home folder: `HOME` is not set")]);
    };
    let authority = match find(&places, args, wanted) {
        Ok(authority) => authority,
        Err(problem) => {
            complain(terminal, &[problem]);
            return Exit::Failed;
        }
    };
    let Some(authority) = authority else {
        let what = match wanted {
            Wanted::Trust => {
                "there is no authority yet: `devloop trust` makes one, then changes the stores of this machine\n"
            }
            Wanted::Untrust => "there is no authority of devloop's, so nothing trusts it\n",
        };
        environment::to_stdout(what);
        return Exit::Good;
    };
    if authority.maker == Maker::Mkcert {
        let command = if wanted == Wanted::Trust { "mkcert -install" } else { "mkcert -uninstall" };
        let file = authority.file.display();
        environment::to_stdout(&format!("mkcert's authority is used ({file}); for that one: `{command}`\n"));
        return Exit::Good;
    }
    let path = variables.iter().find(|(name, _)| name == "PATH").map(|(_, value)| std::env::split_paths(value));
    let rights = if nix::unistd::geteuid().is_root() { Rights::Root } else { Rights::Sudo };
    let path: Vec<PathBuf> = path.into_iter().flatten().collect();
    let system = System { home: places.home, path, rights, root: PathBuf::from("/") };
    environment::to_stdout(&format!("the authority is {}\n", authority.file.display()));
    all(args, &system, &authority, wanted)
}

/// Looks only, where nothing is to be changed.
fn find(places: &Places, args: &TrustArgs, wanted: Wanted) -> Result<Option<Authority>, Problem> {
    match wanted {
        Wanted::Trust if !args.dry_run => Authority::find_or_make(places).map(Some),
        Wanted::Trust | Wanted::Untrust => Authority::find(places),
    }
}

fn all(args: &TrustArgs, system: &System, authority: &Authority, wanted: Wanted) -> Exit {
    let report = plan(system, &authority.file, wanted);
    let mut exit = Exit::Good;
    for act in &report.acts {
        environment::to_stdout(&format!("{}:\n  {}\n", act.store, act.shown()));
        if args.dry_run {
            continue;
        }
        if let Err(why) = carry_out(act) {
            environment::to_stdout(&format!("  failed: {why}\n"));
            exit = Exit::Failed;
        }
    }
    for note in &report.notes {
        environment::to_stdout(&format!("note: {note}\n"));
    }
    let end = match (args.dry_run, wanted, exit) {
        (true, ..) => "nothing was changed\n",
        (false, Wanted::Trust, Exit::Good) => "done; browsers that run have to be started again\n",
        (false, Wanted::Untrust, Exit::Good) => "done; the authority's files are still there\n",
        (false, ..) => "not everything could be done\n",
    };
    environment::to_stdout(end);
    exit
}
