//! The last lines of output, for pages that show what is being done. They are kept as they were written.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use crate::model::Line;

/// So many lines are kept.
const MOST: usize = 500;
/// And so many bytes of each.
const LONGEST: usize = 2_000;

/// The last lines of all programs. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    /// The number of the newest line.
    newest: u64,
    lines: VecDeque<(u64, Arc<str>, String)>,
}

impl Lines {
    /// A program has written this. Never waits.
    pub fn push(&self, line: &Line) {
        let end = (0..=LONGEST.min(line.text.len())).rev().find(|at| line.text.is_char_boundary(*at)).unwrap_or(0);
        let mut ring = self.ring();
        ring.newest += 1;
        let number = ring.newest;
        ring.lines.push_back((number, Arc::clone(&line.source), line.text[..end].to_owned()));
        if ring.lines.len() > MOST {
            ring.lines.pop_front();
        }
    }

    /// Something new begins: what was written before does not belong to it.
    pub fn clear(&self) {
        self.ring().lines.clear();
    }

    /// The lines behind this number, and the number to ask for next.
    pub(in super::super) fn after(&self, number: u64) -> Value {
        let ring = self.ring();
        let lines = ring.lines.iter().filter(|(known, ..)| *known > number);
        let lines: Vec<Value> = lines.map(|(_, source, text)| json!({ "source": source, "text": text })).collect();
        json!({ "next": ring.newest, "lines": lines })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RunId, Stream};

    fn line(text: &str) -> Line {
        Line { source: "build".into(), run: RunId(1), stream: Stream::Out, text: text.to_owned() }
    }

    #[test]
    fn a_page_asks_for_what_it_has_not_seen() {
        let lines = Lines::default();
        lines.push(&line("a"));
        lines.push(&line("b"));
        let both = json!([{ "source": "build", "text": "a" }, { "source": "build", "text": "b" }]);
        assert_eq!(lines.after(0), json!({ "next": 2, "lines": both }));
        assert_eq!(lines.after(2), json!({ "next": 2, "lines": [] }));
        lines.clear();
        lines.push(&line(&"ü".repeat(LONGEST)));
        assert_eq!(lines.after(0)["lines"][0]["text"], "ü".repeat(LONGEST / 2));
        for _ in 0..2 * MOST {
            lines.push(&line("c"));
        }
        assert_eq!(lines.after(0)["lines"].as_array().unwrap().len(), MOST);
    }
}
