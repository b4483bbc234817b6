//! The last lines of a run, for reports, as they were written.

use std::collections::VecDeque;

/// This many lines are kept.
const LINES: usize = 50;
/// And this many bytes of each.
const BYTES: usize = 4096;

/// The last lines.
#[derive(Default)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    pub(super) fn push(&mut self, line: &str) {
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        let end = (0..=BYTES.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        self.0.push_back(if end < line.len() { format!("{}…", &line[..end]) } else { line.to_owned() });
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept_and_only_the_start_of_long_ones() {
        let mut tail = Tail::default();
        for number in 0..200 {
            tail.push(&number.to_string());
        }
        tail.push(&"ä".repeat(BYTES));
        let lines = tail.lines();
        assert_eq!((lines.len(), lines[0].as_str()), (LINES, "151"));
        assert_eq!(lines[49], format!("{}…", "ä".repeat(BYTES / 2)));
    }
}
