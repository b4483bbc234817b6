//! One way to read a folder: what it would run, why, and what is not sure about it.

use super::draft::{Draft, Kind, Table, Value};
use crate::error::Problem;

/// One way to read a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What it is called where one has to say which: `api`, `web`.
    pub name: String,
    /// What it is taken for, and what that was seen by: "a Go program (go.mod, package main in ./cmd/api)".
    pub what: String,
    /// What it would run.
    pub draft: Draft,
    /// What is not sure.
    pub doubts: Vec<Doubt>,
    /// How likely it is meant.
    pub rank: Rank,
}

/// How likely a reading is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// It is what the project is there for.
    Likely,
    /// It is there, and runs only if somebody asks for it.
    Aside,
}

/// Something that is not sure.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    /// What, in one line.
    pub text: String,
    /// Which value the answer goes to.
    pub place: Option<Place>,
}

/// A value of a draft.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The step or service.
    pub table: String,
    /// The key.
    pub key: &'static str,
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What the project is taken for: one for each reading that was chosen.
    pub what: Vec<String>,
    /// The dev.toml.
    pub draft: Draft,
    /// What is not sure.
    pub doubts: Vec<Doubt>,
}

impl Doubt {
    /// One that no key answers.
    pub fn new(text: impl Into<String>) -> Doubt {
        Doubt { text: text.into(), place: None }
    }

    /// One that `key` of a step or service answers.
    pub fn about(table: &str, key: &'static str, text: impl Into<String>) -> Doubt {
        Doubt { text: text.into(), place: Some(Place { table: table.to_owned(), key }) }
    }
}

impl Reading {
    /// The same, aside.
    pub fn aside(mut self) -> Reading {
        self.rank = Rank::Aside;
        self
    }

    /// The same by another name, as its one service.
    pub(super) fn named(mut self, name: &str) -> Reading {
        for table in
            self.draft.tables.iter_mut().filter(|table| table.kind == Kind::Service && table.name() == self.name)
        {
            table.set("name", Value::Text(name.to_owned()));
        }
        for place in
            self.doubts.iter_mut().filter_map(|doubt| doubt.place.as_mut()).filter(|place| place.table == self.name)
        {
            place.table = name.to_owned();
        }
        self.name = name.to_owned();
        self
    }

    /// The same, read from a folder above. `folder` ends in a slash.
    pub(super) fn moved(mut self, folder: &str) -> Reading {
        let folder_name = folder.trim_end_matches('/');
        self.what = format!("{} in {folder_name}/", self.what);
        self.draft = self.draft.moved(folder);
        self
    }
}

/// The one that is meant: the readings of these names; without names, the only likely one.
///
/// # Errors
/// There is none, or there are several and nobody has said which.
pub fn choose(readings: Vec<Reading>, names: &[String]) -> Result<Finding, Problem> {
    let named = |reading: &&Reading| names.contains(&reading.name);
    let chosen: Vec<Reading> = readings.iter().filter(named).cloned().collect();
    if !chosen.is_empty() {
        return Ok(join(chosen));
    }
    let likely: Vec<&Reading> = readings.iter().filter(|reading| reading.rank == Rank::Likely).collect();
    match &likely[..] {
        [only] => {
            let mut finding = join(vec![(*only).clone()]);
            finding.doubts.extend(left_out(&readings, &only.name));
            Ok(finding)
        }
        [] if readings.is_empty() => Err(Problem::new("nothing here is known to be a program that runs on")),
        _ => Err(ambiguous(&readings)),
    }
}

/// What else there is, in one line.
fn left_out(readings: &[Reading], chosen: &str) -> Option<Doubt> {
    let others: Vec<&Reading> = readings.iter().filter(|reading| reading.name != chosen).collect();
    let first = others.first()?;
    let names: Vec<String> = others.iter().map(|reading| format!("`{}` ({})", reading.name, reading.what)).collect();
    let shown = match names.len() {
        1 | 2 => names.join(" and "),
        more => format!("{} and {} more", names[0], more - 1),
    };
    Some(Doubt::new(format!("{shown}: not run; `devloop up {chosen} {}` runs both", first.name)))
}

fn ambiguous(readings: &[Reading]) -> Problem {
    let width = readings.iter().map(|reading| reading.name.chars().count()).max().unwrap_or_default();
    let lines: Vec<String> =
        readings.iter().map(|reading| format!("  devloop up {:width$}   {}", reading.name, reading.what)).collect();
    let mut hint = format!("say which, one or several:\n{}\n", lines.join("\n"));
    let names: Vec<&str> = readings.iter().take(2).map(|reading| reading.name.as_str()).collect();
    hint.push_str(&format!("  devloop init {}   writes a dev.toml for these\n", names.join(" ")));
    Problem::new("there is no dev.toml, and this project can be read in several ways").hint(hint)
}

fn join(readings: Vec<Reading>) -> Finding {
    let mut finding = Finding { what: Vec::new(), draft: Draft::default(), doubts: Vec::new() };
    for reading in readings {
        finding.what.push(reading.what);
        finding.draft = finding.draft.and(reading.draft);
        finding.doubts.extend(reading.doubts);
    }
    off_the_proxys_port(&mut finding.draft);
    finding
}

/// Where the proxy listens unless dev.toml says otherwise.
const PROXY_PORT: u16 = 3000;

/// A program that has port 3000 to itself leaves another one to the proxy.
fn off_the_proxys_port(draft: &mut Draft) {
    let fixed = |table: &Table| match table.get("port") {
        Some(Value::Number(port)) => Some((*port, table.name().to_owned())),
        _ => None,
    };
    let taken: Vec<(u16, String)> = draft.of(Kind::Service).filter_map(fixed).collect();
    let has_proxy = draft.of(Kind::Proxy).next().is_some();
    let Some((_, owner)) = taken.iter().find(|(port, _)| *port == PROXY_PORT).filter(|_| !has_proxy) else { return };
    let free = (PROXY_PORT + 1..).find(|port| taken.iter().all(|(known, _)| known != port)).unwrap_or(PROXY_PORT + 1);
    let why = format!("{PROXY_PORT} belongs to `{owner}`: open this one instead");
    draft.tables.insert(0, Table::new(Kind::Proxy).because("listen", free, why));
}

impl Finding {
    /// What was assumed, why, and what is not sure: at most five lines, the last of which says how to change it.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("no dev.toml: taken for {}", self.what.join(", and "))];
        let steps: Vec<String> = self.draft.of(Kind::Step).map(|step| format!("`{}`", step.name())).collect();
        let services: Vec<String> = self.draft.of(Kind::Service).map(shown_service).collect();
        let steps = if steps.is_empty() { String::new() } else { format!("{}, then ", steps.join(", ")) };
        lines.push(format!("assumed: {steps}{}", services.join(", ")));
        let (first, more) = self.doubts.split_at(self.doubts.len().min(2));
        lines.extend(first.iter().enumerate().map(|(index, doubt)| {
            let others =
                if index == 1 && !more.is_empty() { format!(" (and {} more)", more.len()) } else { String::new() };
            format!("unsure: {}{others}", doubt.text)
        }));
        lines
    }
}

fn shown_service(service: &Table) -> String {
    let run = service.text("run").unwrap_or_default();
    let port = match service.get("port") {
        Some(Value::Number(port)) => format!(" on its port {port}"),
        Some(Value::Text(none)) if none == "none" => " without a port".to_owned(),
        _ => String::new(),
    };
    let swap = if service.text("swap") == Some("exclusive") { ", one at a time" } else { "" };
    format!("service `{}`: `{run}`{port}{swap}", service.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &str, rank: Rank) -> Reading {
        let draft = Draft::new(vec![Table::service(name, format!("run {name}"))]);
        Reading { name: name.to_owned(), what: format!("a {name}"), draft, doubts: Vec::new(), rank }
    }

    #[test]
    fn the_only_likely_reading_is_taken_and_what_else_there_is_is_said() {
        let finding = choose(vec![reading("api", Rank::Likely), reading("web", Rank::Aside)], &[]).unwrap();
        assert_eq!(finding.draft.tables.len(), 1);
        assert!(finding.doubts[0].text.contains("`devloop up api web` runs both"), "{finding:?}");
        assert!(finding.lines().len() <= 5);
    }

    #[test]
    fn of_two_likely_readings_none_is_taken_unless_somebody_says_which() {
        let both = vec![reading("api", Rank::Likely), reading("web", Rank::Likely)];
        let problem = choose(both.clone(), &[]).unwrap_err();
        let hint = problem.hint.unwrap();
        assert!(hint.contains("devloop up api   a api") && hint.contains("devloop up web"), "{hint}");
        assert_eq!(choose(both.clone(), &["web".to_owned()]).unwrap().what, ["a web"]);
        let finding = choose(both, &["web".to_owned(), "api".to_owned()]).unwrap();
        assert_eq!(finding.draft.tables.len(), 2);
        assert!(choose(Vec::new(), &[]).is_err());
    }

    #[test]
    fn a_program_on_port_3000_keeps_it_and_the_proxy_goes_elsewhere() {
        let mut one = reading("api", Rank::Likely);
        one.draft.tables[0].set("port", Value::Number(3000));
        let finding = choose(vec![one], &[]).unwrap();
        assert!(finding.draft.toml().starts_with("[proxy]\nlisten = 3001"), "{}", finding.draft.toml());
    }

    #[test]
    fn what_is_said_has_at_most_five_lines() {
        let mut one = reading("api", Rank::Likely);
        one.doubts = (0..9).map(|number| Doubt::new(format!("doubt {number}"))).collect();
        let lines = choose(vec![one], &[]).unwrap().lines();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(lines[3], "unsure: doubt 1 (and 7 more)");
    }
}
