//! A bounded queue of output between the readers, who never wait, and whoever shows it, who may be slow.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::output::Output;
use crate::model::{Line, RunId};

/// At most so many lines of one run wait.
const LINES: usize = 10_000;
/// And so many bytes of them.
const BYTES: usize = 2 << 20;

/// A queue that keeps at most 10,000 lines and 2 MiB of each run: beyond that its older half is dropped, and the number
/// of those lines is told in their place. A run that floods does not push out the lines of others.
pub fn queue() -> (LineSender, LineReader) {
    let shared = Arc::new(Shared { lanes: Mutex::default(), news: Notify::new() });
    (LineSender(shared.clone()), LineReader(shared))
}

/// The end to put output in.
#[derive(Clone)]
pub struct LineSender(Arc<Shared>);

/// The end to take it out.
pub struct LineReader(Arc<Shared>);

struct Shared {
    lanes: Mutex<Lanes>,
    news: Notify,
}

#[derive(Default)]
struct Lanes {
    /// Numbers what comes in, so that it goes out in the same order.
    next: Mark,
    runs: HashMap<RunId, Lane>,
}

struct Lane {
    waiting: VecDeque<(Mark, Output)>,
    bytes: usize,
    dropped: Option<Dropped>,
}

struct Dropped {
    source: Arc<str>,
    lines: u64,
    /// The place of the first one.
    first: Mark,
}

/// A place in a queue: between what was put in before it was asked for, and what comes later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

impl LineSender {
    /// Puts something in; never waits.
    pub fn push(&self, output: Output) {
        lock(&self.0).push(output);
        self.0.news.notify_one();
    }

    /// The place behind all that was put in so far.
    pub fn mark(&self) -> Mark {
        lock(&self.0).next
    }
}

impl LineReader {
    /// The next thing that was said, in the order it was put in. Waits for ever when nothing is said any more. May be
    /// dropped while it waits. A whole batch is best taken with `try_next` behind it.
    pub async fn next(&mut self) -> Output {
        loop {
            if let Some(output) = self.try_next() {
                return output;
            }
            self.0.news.notified().await;
        }
    }

    /// What is there now.
    pub fn try_next(&mut self) -> Option<Output> {
        lock(&self.0).pop(None)
    }

    /// What is there now of what was put in before this mark.
    pub fn try_before(&mut self, mark: Mark) -> Option<Output> {
        lock(&self.0).pop(Some(mark))
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Lanes> {
    shared.lanes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lanes {
    fn push(&mut self, output: Output) {
        let run = match &output {
            Output::Line(line) | Output::Partial(line) => line.run,
            Output::Dropped { run, .. } => *run,
        };
        let mark = self.next;
        self.next = Mark(mark.0 + 1);
        let lane = self.runs.entry(run).or_insert_with(|| Lane { waiting: VecDeque::new(), bytes: 0, dropped: None });
        lane.bytes += size(&output);
        lane.waiting.push_back((mark, output));
        if lane.is_over(LINES, BYTES) {
            // Not one by one: whoever is far behind is not to be told so again with every line.
            while lane.is_over(LINES / 2, BYTES / 2) {
                lane.drop_oldest();
            }
        }
    }

    fn pop(&mut self, before: Option<Mark>) -> Option<Output> {
        let oldest = self.runs.iter().filter_map(|(run, lane)| Some((lane.oldest()?, *run))).min();
        let (mark, run) = oldest?;
        if before.is_some_and(|before| mark >= before) {
            return None;
        }
        let lane = self.runs.get_mut(&run)?;
        let output = match lane.dropped.take() {
            Some(Dropped { source, lines, .. }) => Output::Dropped { source, run, lines },
            None => {
                let (_, output) = lane.waiting.pop_front()?;
                lane.bytes -= size(&output);
                output
            }
        };
        if lane.oldest().is_none() {
            self.runs.remove(&run);
        }
        Some(output)
    }
}

impl Lane {
    fn is_over(&self, lines: usize, bytes: usize) -> bool {
        self.waiting.len() > lines || (self.bytes > bytes && self.waiting.len() > 1)
    }

    fn oldest(&self) -> Option<Mark> {
        self.dropped.as_ref().map(|dropped| dropped.first).or_else(|| self.waiting.front().map(|(mark, _)| *mark))
    }

    fn drop_oldest(&mut self) {
        let Some((first, output)) = self.waiting.pop_front() else { return };
        self.bytes -= size(&output);
        let (source, lines) = match output {
            Output::Line(Line { source, .. }) => (source, 1),
            Output::Dropped { source, lines, .. } => (source, lines),
            Output::Partial(_) => return,
        };
        self.dropped.get_or_insert(Dropped { source, lines: 0, first }).lines += lines;
    }
}

fn size(output: &Output) -> usize {
    match output {
        Output::Line(line) | Output::Partial(line) => line.text.len() + size_of::<Output>(),
        Output::Dropped { .. } => size_of::<Output>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stream;

    fn line(run: u64, text: impl ToString) -> Output {
        let source = format!("run {run}").into();
        Output::Line(Line { source, run: RunId(run), stream: Stream::Out, text: text.to_string() })
    }

    #[test]
    fn a_flood_drops_its_own_older_half_and_how_much_is_told_first() {
        let (sender, mut reader) = queue();
        sender.push(line(1, "before"));
        for number in 0..LINES + 7 {
            sender.push(line(2, number));
        }
        sender.push(line(1, "after"));
        let lines = LINES / 2 + 1;
        assert_eq!(reader.try_next(), Some(line(1, "before")));
        let dropped = Output::Dropped { source: "run 2".into(), run: RunId(2), lines: lines as u64 };
        assert_eq!(reader.try_next(), Some(dropped));
        for number in lines..LINES + 7 {
            assert_eq!(reader.try_next(), Some(line(2, number)));
        }
        assert_eq!(reader.try_next(), Some(line(1, "after")));
        assert_eq!(reader.try_next(), None);
    }

    #[test]
    fn a_reader_that_is_far_behind_is_not_told_so_with_every_line() {
        let (sender, mut reader) = queue();
        (0..LINES).for_each(|number| sender.push(line(1, number)));
        let (mut lines, mut told) = (0, 0);
        for number in 0..10 * LINES {
            (0..2).for_each(|more| sender.push(line(1, number * 2 + more)));
            match reader.try_next() {
                Some(Output::Dropped { .. }) => told += 1,
                Some(_) => lines += 1,
                None => panic!("there is always something"),
            }
        }
        assert!(told <= 10 * LINES / (LINES / 2) + 1 && lines + told == 10 * LINES, "{told} of {lines}");
    }

    #[test]
    fn up_to_a_mark_there_is_what_was_put_in_before_it() {
        let (sender, mut reader) = queue();
        let first = sender.mark();
        sender.push(line(1, "a"));
        sender.push(line(2, "b"));
        let mark = sender.mark();
        sender.push(line(1, "c"));
        assert_eq!(reader.try_before(first), None);
        assert_eq!(reader.try_before(mark), Some(line(1, "a")));
        assert_eq!(reader.try_before(mark), Some(line(2, "b")));
        assert_eq!(reader.try_before(mark), None);
        assert_eq!(reader.try_next(), Some(line(1, "c")));
    }

    #[test]
    fn long_lines_count_by_their_bytes() {
        let (sender, mut reader) = queue();
        for _ in 0..40 {
            sender.push(line(1, "x".repeat(64 * 1024)));
        }
        let Some(Output::Dropped { lines, .. }) = reader.try_next() else { panic!("nothing was dropped") };
        assert_eq!(std::iter::from_fn(|| reader.try_next()).count() as u64 + lines, 40);
    }
}
