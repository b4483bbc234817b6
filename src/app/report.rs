//! A program's last words: the places in them, what they say about the reason, and what to do about it.

use std::path::Path;

use super::App;
use crate::{
    error::{Colour, Problem, render},
    escapes::strip_escapes,
    health::Socket,
    model::{Clue, Place, Report, RunId},
    plan::Debugger,
    problems,
    process::{Taken, who_has},
};

/// So many of the last lines are shown.
const SHOWN: usize = 30;

impl App {
    /// A report without a title; the core gives it one.
    pub(super) fn last_words(&self, run: RunId, tail: Vec<String>) -> (Report, Option<Clue>) {
        let written = tail;
        let tail: Vec<String> = written.iter().map(|line| strip_escapes(line)).collect();
        let clue = problems::clue(&tail);
        let taken = match clue {
            Some(Clue::AddressInUse) => self.about_taken_port(run, &tail),
            Some(Clue::Locked) | None => None,
        };
        let (clue, hint) = match (clue, taken) {
            (None, _) => (None, self.about_debugger(run, &tail).or_else(|| problems::advice(&tail))),
            (clue, None) => (clue, None),
            // No old instance has it, so that its end would not help.
            (_, Some((Holder::Stranger, hint))) => (None, Some(hint)),
            (clue, Some((Holder::MaybeOurs, hint))) => (clue, Some(hint)),
        };
        let own = self.runs.get(&run).and_then(|known| known.problems.as_ref());
        let places = problems::read_with(&tail, own).into_iter().map(|place| self.shortened(place)).collect();
        let shown = tail.len().saturating_sub(SHOWN)..;
        let output = tail[shown.clone()].to_vec();
        let coloured = if has_colours(&written) { written[shown].to_vec() } else { Vec::new() };
        (Report { title: String::new(), output, coloured, places, hint }, clue)
    }

    /// A place below the project's root, from there on: a long path would leave no room for what is wrong.
    fn shortened(&self, place: Place) -> Place {
        match Path::new(&place.file).strip_prefix(&self.plan.root) {
            Ok(inside) => Place { file: inside.display().to_string(), ..place },
            Err(_) => place,
        }
    }

    /// What a debugger's last words say about the debugger.
    fn about_debugger(&self, run: RunId, tail: &[String]) -> Option<String> {
        let debugger = self.runs.get(&run)?.debugging.as_ref()?.debugger?;
        let is_missing = |line: &String| line.ends_with("No module named debugpy");
        (debugger == Debugger::Debugpy && tail.iter().any(is_missing)).then(|| debugger.install().to_owned())
    }

    /// Who has the port that a program could not get, and what to do about it.
    fn about_taken_port(&self, run: RunId, tail: &[String]) -> Option<(Holder, String)> {
        let ports: Vec<u16> = tail.iter().flat_map(|line| numbers(line)).collect();
        let known = self.runs.get(&run);
        if let Some(port) = known.filter(|known| known.socket == Socket::Handed).and_then(|known| known.port)
            && ports.contains(&port)
        {
            let hint = format!(
                "devloop listens on port {port} for it (`listen_fds`): let the program take that socket, which is its \
                 descriptor 3, or leave `listen_fds` out"
            );
            return Some((Holder::Stranger, hint));
        }
        let own = self.doors.proxy.addresses();
        if let Some(port) = ports.iter().find(|port| own.iter().any(|address| address.port() == **port)) {
            let hint = format!(
                "port {port} is devloop's own proxy: let the program listen on `$PORT`, or move the proxy with \
                 `[proxy] listen`"
            );
            return Some((Holder::Stranger, hint));
        }
        ports.iter().find_map(|port| {
            let taken = who_has(*port, &self.programs)?;
            let holder = match taken {
                Taken::Foreign { .. } | Taken::AnotherDevloop { .. } => Holder::Stranger,
                Taken::Ours { .. } | Taken::Unseen => Holder::MaybeOurs,
            };
            let problem = taken.problem(*port);
            let hint = problem.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            Some((holder, format!("{}{hint}", problem.message)))
        })
    }
}

/// Who has a port.
enum Holder {
    /// Perhaps an instance of the same service.
    MaybeOurs,
    /// Certainly none.
    Stranger,
}

/// What is wrong with dev.toml, with the places where.
pub(super) fn of_plan(problems: &[Problem]) -> Report {
    let title = match problems.len() {
        1 => "dev.toml has a problem".to_owned(),
        count => format!("dev.toml has {count} problems"),
    };
    let output = render(problems, Colour::Never).lines().map(str::to_owned).collect();
    let places = problems.iter().filter_map(place_of).collect();
    let hint = match problems {
        [only] => only.hint.clone(),
        _ => None,
    };
    Report { output, places, hint, ..Report::new(title) }
}

fn place_of(problem: &Problem) -> Option<Place> {
    let source = problem.place.as_ref()?;
    let before = source.text.get(..source.span.start)?;
    let line = before.rsplit('\n').next().unwrap_or_default();
    let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
    Some(Place {
        file: source.file.display().to_string(),
        line: number(before.matches('\n').count()),
        column: Some(number(line.chars().count())),
        message: problem.message.clone(),
    })
}

/// Whether a terminal would show these lines otherwise than as plain text.
fn has_colours(lines: &[String]) -> bool {
    lines.iter().any(|line| line.contains("\x1b["))
}

/// Every number in a line that could be a port.
fn numbers(line: &str) -> Vec<u16> {
    let words = line.split(|letter: char| !letter.is_ascii_digit());
    words.filter(|word| word.len() >= 2).filter_map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Source;

    #[test]
    fn what_is_wrong_with_dev_toml_has_its_places() {
        let text = "name = 1\n  helth = 2\n";
        let source = Source { file: "dev.toml".into(), text: text.into(), span: 11..16 };
        let unknown = Problem { place: Some(Box::new(source)), ..Problem::new("unknown key `helth`") };
        let report = of_plan(&[unknown, Problem::new("no place")]);
        assert_eq!(report.title, "dev.toml has 2 problems");
        let message = "unknown key `helth`".to_owned();
        assert_eq!(report.places, [Place { file: "dev.toml".to_owned(), line: 2, column: Some(3), message }]);
    }

    #[test]
    fn ports_are_found_in_the_words_of_programs() {
        assert_eq!(numbers("listen tcp :8080: bind: address already in use"), [8080]);
        assert_eq!(numbers("Error: listen EADDRINUSE: address already in use 127.0.0.1:3000"), [127, 3000]);
        assert_eq!(numbers("no port at all"), Vec::<u16>::new());
    }
}
