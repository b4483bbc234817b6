//! `devloop logs`: what devloop and the programs said; from the log files where no devloop runs.

use std::time::Duration;

use clap::Args;
use clap_complete::ArgValueCandidates;
use serde_json::{Value, json};

use super::{
    Exit, completions, environment,
    running::{Caller, JsonArg, Output},
    wait::time,
};
use crate::{
    control::{Ask, Client, Format, LogsAsk, Silence},
    error::{Colour, Problem},
    sys,
    ui::Stamp,
};

const AFTER_HELP: &str = "\
Examples:
  devloop logs -f                     everything so far, and what comes
  devloop logs -n 20 --source api     the last 20 lines of service `api`
  devloop logs --since 5m --json      the last five minutes as docs/json.md describes them

`devloop` is the source of devloop's own lines. Where no devloop runs, the log files of the last
ones in .devloop/log are read.";

/// Its arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct LogsArgs {
    /// Go on with what is said from now on
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Only what was said in the last so long: `30s`, `5m`
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<Duration>,
    /// Only this step or service; may be given several times
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(completions::sources))]
    pub source: Vec<String>,
    #[command(flatten)]
    json: JsonArg,
}

/// Prints them.
pub(super) fn run(args: LogsArgs, caller: &Caller<'_>) -> Exit {
    let output = args.json.output();
    let format = match (output, caller.terminal.stdout) {
        (Output::Json, _) => Format::Json,
        (Output::Text, Colour::Never) => Format::Plain,
        (Output::Text, Colour::Always) => Format::Coloured,
    };
    let asked = LogsAsk {
        follow: args.follow,
        since_ms: args.since.map(|since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        sources: args.source,
        lines: args.lines,
        format,
    };
    let mut client = match caller.try_connect() {
        Ok(Some(client)) => client,
        Ok(None) if asked.follow => return caller.silent(&Silence::NotRunning),
        Ok(None) => return from_files(&asked, output, caller),
        Err(exit) => return exit,
    };
    stream(&mut client, asked, output, caller)
}

fn stream(client: &mut Client, asked: LogsAsk, output: Output, caller: &Caller<'_>) -> Exit {
    let follows = asked.follow;
    let mut reader = environment::Reader::There;
    let each = |line: &Value| {
        let text = match (&line["line"], line["lost"].as_str()) {
            (Value::String(text), _) => text.clone(),
            (_, Some(lost)) if output == Output::Text => format!("… {lost}"),
            (Value::Null, _) => line.to_string(),
            (said, _) => said.to_string(),
        };
        if reader == environment::Reader::There {
            reader = environment::line_to_stdout(&text);
        }
        match reader {
            environment::Reader::There => std::ops::ControlFlow::Continue(()),
            environment::Reader::Gone => std::ops::ControlFlow::Break(()),
        }
    };
    match client.stream(&Ask::Logs(asked), each) {
        Ok(_) => Exit::Good,
        // It has ended, and so has what there was to follow.
        Err(Silence::Ended) if follows => Exit::Good,
        Err(silence) => caller.silent(&silence),
    }
}

/// The oldest log file has the highest number.
const FILES: u32 = 8;

fn from_files(asked: &LogsAsk, output: Output, caller: &Caller<'_>) -> Exit {
    let root = match caller.root() {
        Ok(root) => root,
        Err(exit) => return exit,
    };
    let folder = root.join(".devloop/log");
    let files = (1..FILES).rev().map(|number| folder.join(format!("devloop.{number}.log")));
    let files = files.chain([folder.join("devloop.log")]);
    let since = asked.since_ms.map(|since| earliest(Duration::from_millis(since)));
    let mut found: Vec<String> = Vec::new();
    let mut any = false;
    for file in files {
        let Ok(bytes) = std::fs::read(&file) else { continue };
        any = true;
        let text = String::from_utf8_lossy(&bytes);
        let wanted = |line: &&str| Logged::read(line).is_some_and(|logged| logged.is_wanted(asked, since.as_deref()));
        found.extend(text.lines().filter(wanted).map(str::to_owned));
    }
    if !any {
        let problem =
            Problem::new(format!("no devloop runs in this project, and there is no log in `{}`", folder.display()));
        return caller.fail(&problem.hint("start one: `devloop up`"), Exit::NotRunning);
    }
    let skipped = found.len().saturating_sub(asked.lines.unwrap_or(usize::MAX));
    for line in &found[skipped..] {
        let line = match output {
            Output::Text => line.clone(),
            Output::Json => Logged::read(line).map(|logged| logged.json().to_string()).unwrap_or_default(),
        };
        if environment::line_to_stdout(&line) == environment::Reader::Gone {
            break;
        }
    }
    Exit::Good
}

/// So long ago, as the files write it.
fn earliest(since: Duration) -> String {
    Stamp { unix: sys::unix_time().saturating_sub(since), ..Stamp::default() }.rfc3339()
}

/// A line of a log file: `2026-11-22T10:20:30.123Z api | text`, or `… devloop: {"event":…}`.
struct Logged<'a> {
    time: &'a str,
    source: &'a str,
    text: &'a str,
}

impl Logged<'_> {
    fn read(line: &str) -> Option<Logged<'_>> {
        let (time, rest) = line.split_once(' ')?;
        let fact = rest.strip_prefix("devloop: ").map(|text| ("devloop", text));
        let (source, text) = fact.or_else(|| rest.split_once(" | "))?;
        (time.len() == 24 && time.ends_with('Z')).then_some(Logged { time, source, text })
    }

    fn is_wanted(&self, asked: &LogsAsk, since: Option<&str>) -> bool {
        since.is_none_or(|since| self.time >= since)
            && (asked.sources.is_empty() || asked.sources.iter().any(|source| source == self.source))
    }

    fn json(&self) -> Value {
        let fact =
            serde_json::from_str(self.text).ok().filter(|fact: &Value| self.source == "devloop" && fact.is_object());
        match fact {
            Some(mut fact) => {
                fact["time"] = json!(self.time);
                fact
            }
            None => json!({ "time": self.time, "event": "output", "source": self.source, "text": self.text }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_log_files_are_read_again() {
        let line = "2026-11-22T10:20:30.123Z api | a | b";
        let logged = Logged::read(line).expect("it is one");
        assert_eq!((logged.source, logged.text), ("api", "a | b"));
        assert_eq!(logged.json()["time"], "2026-11-22T10:20:30.123Z");
        let fact = Logged::read(r#"2026-11-22T10:20:30.124Z devloop: {"event":"paused"}"#).expect("it is one");
        assert_eq!((fact.json()["event"].as_str(), fact.source), (Some("paused"), "devloop"));
        assert!(Logged::read("… 3 lines came too fast and are not here").is_none());
        let asked = |source: &str| LogsAsk { sources: vec![source.to_owned()], ..LogsAsk::default() };
        assert!(logged.is_wanted(&asked("api"), Some("2026-11-22T10:20:30.000Z")));
        assert!(!logged.is_wanted(&asked("api"), Some("2026-11-22T10:20:31.000Z")));
        assert!(!logged.is_wanted(&asked("web"), None));
    }
}
