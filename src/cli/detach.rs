//! `devloop up --detach`: starts another devloop in the background, and waits until it can be asked.
#![expect(clippy::disallowed_methods, reason = "the door to devloop in the background, and to its output")]

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{
    Exit, environment,
    running::{Caller, Output, print_json},
};
use crate::{
    control::{self, Ask, Client},
    error::Problem,
};

/// What stands in the command line of the one in the background instead.
const INSTEAD: &str = "--in-background";
/// How often it is looked whether it listens. The file that says so has no event that this command could wait for
/// without all of the watcher.
const LOOK: Duration = Duration::from_millis(20);

/// What is printed about it.
const LOG: &str = "up.log";

/// In the background: lets go of the terminal, so that its end is not devloop's.
pub(super) fn leave_the_terminal() {
    // A new process leads no group, so this does not fail.
    _ = nix::unistd::setsid();
}

/// Starts it for the project in `root`, with this command line.
pub(super) fn run(root: &Path, output: Output, caller: &Caller<'_>) -> Exit {
    if let Some(answer) = ask(root) {
        let problem =
            Problem::new(format!("devloop is already running in this project (pid {})", answer["devloop"]["pid"]));
        let hint = "`devloop attach` shows its pane here, `devloop logs -f` follows it, `devloop stop` ends it";
        return caller.fail(&problem.hint(hint), Exit::AlreadyRunning);
    }
    let (mut child, log) = match start(root) {
        Ok(started) => started,
        Err(problem) => return caller.fail(&problem, Exit::Failed),
    };
    let answer = loop {
        if let Some(answer) = ask(root).filter(|answer| answer["devloop"]["pid"] == child.id()) {
            break answer;
        }
        match child.try_wait() {
            Ok(None) => std::thread::sleep(LOOK),
            ended => {
                let said = fs::read_to_string(&log).unwrap_or_default();
                environment::to_stderr(&said);
                let code = ended.ok().flatten().and_then(|status| status.code());
                return match code.and_then(|code| u8::try_from(code).ok()) {
                    Some(3) => Exit::AlreadyRunning,
                    Some(2) => Exit::Usage,
                    _ => Exit::Failed,
                };
            }
        }
    };
    match output {
        Output::Json => print_json(&answer),
        Output::Text => {
            let url = answer["devloop"]["url"].as_str().map(|url| format!(", {url}")).unwrap_or_default();
            environment::to_stdout(&format!(
                "devloop runs in the background (process {}{url})\nit writes to {}\n\
                 `devloop attach` shows its pane, `devloop logs -f` follows it, `devloop stop` ends it\n",
                child.id(),
                log.display()
            ));
        }
    }
    Exit::Good
}

fn start(root: &Path) -> Result<(Child, PathBuf), Problem> {
    let folder = root.join(".devloop");
    let log = folder.join(LOG);
    let cannot = |error: std::io::Error| Problem::new(format!("cannot write `{}`", log.display())).caused_by(error);
    fs::create_dir_all(&folder).map_err(cannot)?;
    let file = File::create(&log).map_err(cannot)?;
    let errors = file.try_clone().map_err(cannot)?;
    let own =
        std::env::current_exe().map_err(|error| Problem::new("cannot find devloop's own program").caused_by(error))?;
    let words = std::env::args_os().skip(1).collect::<Vec<OsString>>();
    let mut command = Command::new(own);
    command.args(in_background(words)).stdin(Stdio::null()).stdout(file).stderr(errors);
    let child = command.spawn().map_err(|error| Problem::new("cannot start devloop").caused_by(error))?;
    Ok((child, log))
}

/// The same command line for the one in the background; what comes after `--` is a command of the person's own.
fn in_background(words: Vec<OsString>) -> Vec<OsString> {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let changed = |(at, word): (usize, OsString)| if at < end && word == "--detach" { INSTEAD.into() } else { word };
    words.into_iter().enumerate().map(changed).collect()
}

/// What the devloop of this project says of itself, if one runs.
fn ask(root: &Path) -> Option<serde_json::Value> {
    let (_, socket) = control::find(root, Some(root))?;
    let mut client = Client::connect(&socket).ok()?;
    client.limit(Some(Duration::from_secs(10)));
    client.ask(&Ask::Status).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_devloops_own_switch_is_taken_out() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(in_background(words("-C x up --detach api")), words("-C x up --in-background api"));
        assert_eq!(in_background(words("up --detach -- run --detach")), words("up --in-background -- run --detach"));
    }
}
