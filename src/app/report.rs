//! A program's last words: the places in them, what they say about the reason, and what to do about it.

use super::App;
use crate::{
    escapes::strip_escapes,
    model::{Clue, Report, RunId},
    plan::Debugger,
    problems,
    process::who_has,
};

/// So many of the last lines are shown.
const SHOWN: usize = 30;

impl App {
    /// A report without a title; the core gives it one.
    pub(super) fn last_words(&self, run: RunId, tail: Vec<String>) -> (Report, Option<Clue>) {
        let written = tail;
        let tail: Vec<String> = written.iter().map(|line| strip_escapes(line)).collect();
        let clue = problems::clue(&tail);
        let debugger = self.runs.get(&run).and_then(|known| known.debugging.as_ref()?.debugger);
        let hint = match (clue, debugger) {
            (Some(Clue::AddressInUse), _) => self.about_taken_port(&tail),
            (Some(Clue::Locked), _) => None,
            (None, Some(Debugger::Debugpy)) if tail.iter().any(|line| line.ends_with("No module named debugpy")) => {
                Some(Debugger::Debugpy.install().to_owned())
            }
            (None, _) => problems::advice(&tail),
        };
        let own = self.runs.get(&run).and_then(|known| known.problems.as_ref());
        let places = problems::read_with(&tail, own);
        let shown = tail.len().saturating_sub(SHOWN)..;
        let output = tail[shown.clone()].to_vec();
        let coloured = if has_colours(&written) { written[shown].to_vec() } else { Vec::new() };
        (Report { title: String::new(), output, coloured, places, hint }, clue)
    }

    /// Who has the port that a program could not get.
    fn about_taken_port(&self, tail: &[String]) -> Option<String> {
        let ports: Vec<u16> = tail.iter().flat_map(|line| numbers(line)).collect();
        let own = self.proxy.as_ref().map(|proxy| proxy.addresses()).unwrap_or_default();
        if let Some(port) = ports.iter().find(|port| own.iter().any(|address| address.port() == **port)) {
            return Some(format!(
                "port {port} is devloop's own proxy: let the program listen on `$PORT`, or move the proxy with \
                 `[proxy] listen`"
            ));
        }
        ports.iter().find_map(|port| {
            let taken = who_has(*port, &self.programs)?;
            let problem = taken.problem(*port);
            let hint = problem.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            Some(format!("{}{hint}", problem.message))
        })
    }
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

    #[test]
    fn ports_are_found_in_the_words_of_programs() {
        assert_eq!(numbers("listen tcp :8080: bind: address already in use"), [8080]);
        assert_eq!(numbers("Error: listen EADDRINUSE: address already in use 127.0.0.1:3000"), [127, 3000]);
        assert_eq!(numbers("no port at all"), Vec::<u16>::new());
    }
}
