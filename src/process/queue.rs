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

/// A queue that keeps at most 10,000 lines and 2 MiB of each run: beyond that its oldest ones are dropped, and their
/// number is told in their place. A run that floods does not push out the lines of others.
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
    next: u64,
    runs: HashMap<RunId, Lane>,
}

struct Lane {
    waiting: VecDeque<(u64, Output)>,
    bytes: usize,
    dropped: Option<Dropped>,
}

struct Dropped {
    source: Arc<str>,
    lines: u64,
    /// The number of the first one.
    first: u64,
}

impl LineSender {
    /// Puts something in; never waits.
    pub fn push(&self, output: Output) {
        lock(&self.0).push(output);
        self.0.news.notify_one();
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
        lock(&self.0).pop()
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
        let number = self.next;
        self.next += 1;
        let lane = self.runs.entry(run).or_insert_with(|| Lane { waiting: VecDeque::new(), bytes: 0, dropped: None });
        lane.bytes += size(&output);
        lane.waiting.push_back((number, output));
        while lane.waiting.len() > LINES || (lane.bytes > BYTES && lane.waiting.len() > 1) {
            lane.drop_oldest();
        }
    }

    fn pop(&mut self) -> Option<Output> {
        let oldest = self.runs.iter().filter_map(|(run, lane)| Some((lane.oldest()?, *run))).min();
        let (_, run) = oldest?;
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
    fn oldest(&self) -> Option<u64> {
        self.dropped.as_ref().map(|dropped| dropped.first).or_else(|| self.waiting.front().map(|(number, _)| *number))
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
    fn a_flood_drops_its_own_oldest_lines_and_their_number_is_told_first() {
        let (sender, mut reader) = queue();
        sender.push(line(1, "before"));
        for number in 0..LINES + 7 {
            sender.push(line(2, number));
        }
        sender.push(line(1, "after"));
        assert_eq!(reader.try_next(), Some(line(1, "before")));
        assert_eq!(reader.try_next(), Some(Output::Dropped { source: "run 2".into(), run: RunId(2), lines: 7 }));
        for number in 7..LINES + 7 {
            assert_eq!(reader.try_next(), Some(line(2, number)));
        }
        assert_eq!(reader.try_next(), Some(line(1, "after")));
        assert_eq!(reader.try_next(), None);
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
