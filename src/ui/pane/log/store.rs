//! The lines that are kept: a bounded number of lines and of bytes, each with a number that stays.

use std::collections::{HashMap, VecDeque};

use super::{
    entry::{Entry, Source},
    filter::Filter,
    trace::goes_on,
};
use crate::{
    escapes::strip_escapes,
    model::{Line, RunId, Stream},
    ui::Stamp,
};

/// At most so many lines are kept; the whole is in `.devloop/log`.
const LINES: usize = 50_000;
/// And so many bytes.
const BYTES: usize = 32 << 20;
/// Of so many streams it is known what their last line was; then those that nothing is kept of are forgotten.
const STREAMS: usize = 256;

/// Lines by their number, which only grows.
#[derive(Debug, Default)]
pub(in super::super) struct Store {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The number of the first line that is kept.
    first: u64,
    /// Of each run and stream, the line that began what its next lines may go on with.
    heads: HashMap<(RunId, Stream), u64>,
    /// Lines that stood still without an end: the next word of the same stream takes their place.
    partial: HashMap<(RunId, Stream), u64>,
}

impl Store {
    /// Adds a line.
    pub(in super::super) fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > LINES || (self.bytes > BYTES && self.entries.len() > 1) {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes -= oldest.bytes();
            }
            self.first += 1;
        }
    }

    /// Adds a whole line of a program; if it was shown in part, in the place of that part.
    pub(in super::super) fn line(&mut self, at: Stamp, line: Line) {
        let partial = if self.partial.is_empty() { None } else { self.partial.remove(&(line.run, line.stream)) };
        self.place(partial, at, line);
    }

    /// Adds what there is of a line that has stood still.
    pub(in super::super) fn partial(&mut self, at: Stamp, line: Line) {
        let key = (line.run, line.stream);
        let before = self.partial.remove(&key);
        let number = self.place(before, at, line);
        self.partial.insert(key, number);
    }

    fn place(&mut self, number: Option<u64>, at: Stamp, line: Line) -> u64 {
        let key = (line.run, line.stream);
        let entry = Entry::new(at, Source::Program(line.source), line.text);
        let entry = match self.head(key, &entry.text).map(Entry::level) {
            Some(level) => entry.continuing(level),
            None => {
                self.begins(key, number.unwrap_or_else(|| self.end()));
                entry
            }
        };
        if let Some(number) = number
            && let Some(index) = self.index(number)
        {
            self.bytes -= self.entries[index].bytes();
            self.bytes += entry.bytes();
            self.entries[index] = entry;
            return number;
        }
        self.push(entry);
        self.end() - 1
    }

    /// The line that this text of a stream goes on with, if it goes on with one that is kept.
    fn head(&self, key: (RunId, Stream), text: &str) -> Option<&Entry> {
        let number = *self.heads.get(&key)?;
        let goes_on = if text.contains('\u{1b}') { goes_on(&strip_escapes(text)) } else { goes_on(text) };
        if !goes_on {
            return None;
        }
        self.entries.get(self.index(number)?)
    }

    fn begins(&mut self, key: (RunId, Stream), number: u64) {
        if self.heads.len() >= STREAMS {
            let first = self.first;
            self.heads.retain(|_, head| *head >= first);
        }
        self.heads.insert(key, number);
    }

    /// Forgets every line.
    pub(in super::super) fn clear(&mut self) {
        self.first = self.end();
        self.entries.clear();
        self.partial.clear();
        self.heads.clear();
        self.bytes = 0;
    }

    /// The number of the oldest line.
    pub(in super::super) fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next line will get.
    pub(in super::super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The lines before `end` that the filter shows, newest first.
    pub(in super::super) fn before<'a>(
        &'a self,
        end: u64,
        filter: &'a Filter,
    ) -> impl Iterator<Item = (u64, &'a Entry)> {
        let end = usize::try_from(end.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.entries.len());
        let numbered = self.entries.range(..end).enumerate().rev();
        numbered.map(|(index, entry)| (self.first + index as u64, entry)).filter(|(_, entry)| filter.shows(entry))
    }

    /// The lines from `start` on that the filter shows, oldest first.
    pub(in super::super) fn from<'a>(
        &'a self,
        start: u64,
        filter: &'a Filter,
    ) -> impl Iterator<Item = (u64, &'a Entry)> {
        let start = usize::try_from(start.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.entries.len());
        let numbered = self.entries.range(start..).enumerate();
        numbered
            .map(move |(index, entry)| (self.first + (start + index) as u64, entry))
            .filter(|(_, entry)| filter.shows(entry))
    }

    fn index(&self, number: u64) -> Option<usize> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        (index < self.entries.len()).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::pane::log::Level;

    fn line(run: u64, text: &str) -> Line {
        Line { source: "api".into(), run: RunId(run), stream: Stream::Out, text: text.to_owned() }
    }

    fn texts(store: &Store) -> Vec<String> {
        store.from(0, &Filter::default()).map(|(_, entry)| entry.text.to_string()).collect()
    }

    #[test]
    fn the_number_of_lines_is_bounded_and_numbers_stay() {
        let mut store = Store::default();
        for number in 0..LINES + 10 {
            store.line(Stamp::default(), line(1, &number.to_string()));
        }
        assert_eq!((store.first(), store.end()), (10, LINES as u64 + 10));
        let all = Filter::default();
        let (number, entry) = store.before(store.end(), &all).next().expect("a line");
        assert_eq!((number, &*entry.text), (LINES as u64 + 9, (LINES + 9).to_string().as_str()));
    }

    #[test]
    fn the_bytes_of_long_lines_are_bounded() {
        let mut store = Store::default();
        for _ in 0..1_000 {
            store.line(Stamp::default(), line(1, &"x".repeat(64 * 1024)));
        }
        assert!(store.bytes <= BYTES);
        assert_eq!(store.end(), 1_000);
        store.clear();
        assert_eq!((store.bytes, store.first(), store.end()), (0, 1_000, 1_000));
    }

    #[test]
    fn further_lines_of_a_trace_are_as_serious_as_its_first_one_each_in_its_own_stream() {
        let mut store = Store::default();
        for (run, text) in [
            (1, "listening"),
            (1, "panic: oh no"),
            (2, "build: hello"),
            (1, ""),
            (1, "goroutine 1 [running]:"),
            (2, "  set in"),
            (1, "main.main()"),
            (1, "\t/home/me/main.go:3 +0x1d"),
            (1, "listening again"),
            (1, "  on port 3"),
        ] {
            store.line(Stamp::default(), line(run, text));
        }
        let levels: Vec<Level> = store.from(0, &Filter::default()).map(|(_, entry)| entry.level()).collect();
        let (info, error) = (Level::Info, Level::Error);
        assert_eq!(levels, [info, error, info, error, error, info, error, error, info, info]);
        let begin = store.from(0, &Filter::default()).filter(|(_, entry)| entry.begins_error()).count();
        assert_eq!(begin, 1, "a trace is one error");
    }

    #[test]
    fn a_line_takes_the_place_of_the_part_of_it_that_was_shown() {
        let mut store = Store::default();
        store.partial(Stamp::default(), line(1, "Pass"));
        store.line(Stamp::default(), line(2, "other"));
        store.partial(Stamp::default(), line(1, "Password: "));
        store.line(Stamp::default(), line(1, "Password: ok"));
        store.line(Stamp::default(), line(1, "next"));
        assert_eq!(texts(&store), ["Password: ok", "other", "next"]);
    }

    #[test]
    fn a_part_that_was_forgotten_comes_again_as_a_whole() {
        let mut store = Store::default();
        store.partial(Stamp::default(), line(1, "Pass"));
        store.clear();
        store.line(Stamp::default(), line(1, "Password"));
        assert_eq!(texts(&store), ["Password"]);
    }
}
