//! Printing beside the loop: facts and output lines go to a thread of their own, so that a slow reader of devloop's
//! output slows nothing else.

use std::{
    collections::HashMap,
    io::{self, BufWriter, Write},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{lock, stamp};
use crate::{
    control::Chronicle,
    core::fact::Fact,
    escapes::strip_escapes,
    health::Ear,
    model::{Line, RunId, Stream},
    plan::Plan,
    process::{LineReader, LineSender, Output, queue},
    store::Log,
    sys::Clock,
    ui::{Format, Printer, Stamp},
};

/// Who listens to the output of a run for the words that say it is ready.
pub(super) type Ears = Arc<Mutex<HashMap<RunId, Ear>>>;

/// What printing consists of.
pub(super) struct Show {
    pub(super) showing: Showing,
    pub(super) lines: LineSender,
    pub(super) ears: Ears,
}

/// The printer's thread.
pub(super) struct Showing {
    facts: UnboundedSender<Told>,
    thread: Option<JoinHandle<()>>,
}

enum Told {
    Fact(Stamp, Fact),
    End,
}

/// Tells facts from other threads.
pub(super) struct Teller {
    facts: UnboundedSender<Told>,
    clock: Clock,
}

impl Teller {
    pub(super) fn note(&self, text: String) {
        _ = self.facts.send(Told::Fact(stamp(self.clock.now()), Fact::Note { text, hint: None }));
    }
}

impl Showing {
    pub(super) fn fact(&self, stamp: Stamp, fact: Fact) {
        _ = self.facts.send(Told::Fact(stamp, fact));
    }

    pub(super) fn teller(&self, clock: Clock) -> Teller {
        Teller { facts: self.facts.clone(), clock }
    }

    /// Prints what is left, and waits for that.
    pub(super) fn end(mut self) {
        _ = self.facts.send(Told::End);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// Begins to print, with the times of `clock`.
pub(super) fn begin(format: Format, plan: &Plan, clock: Clock) -> Show {
    let (facts, told) = unbounded_channel();
    let (lines, reader) = queue();
    let names: Vec<Arc<str>> = plan.steps.iter().map(|step| step.name.clone()).collect();
    let names: Vec<Arc<str>> = names.into_iter().chain(plan.services.iter().map(|node| node.name.clone())).collect();
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new().name("print".to_owned()).spawn(move || {
        let printer = Printer::new(BufWriter::new(io::stdout()), format, names);
        runtime.block_on(print(printer, told, reader, clock));
    });
    Show { showing: Showing { facts, thread: thread.ok() }, lines, ears: Ears::default() }
}

/// What every line of every program goes through.
pub(super) fn sink(
    lines: LineSender,
    ears: Ears,
    log: Log,
    chronicle: Chronicle,
    clock: Clock,
) -> impl Fn(Output) + Send + Sync + 'static {
    move |output| {
        if let Output::Line(line) = &output {
            log.line(line);
            let stamp = stamp(clock.now());
            chronicle.line(stamp.at, stamp.unix, line);
            if let Some(ear) = lock(&ears).get(&line.run) {
                ear.hear(&strip_escapes(&line.text));
            }
        }
        lines.push(output);
    }
}

async fn print<W: Write>(
    mut printer: Printer<W>,
    mut told: UnboundedReceiver<Told>,
    mut lines: LineReader,
    clock: Clock,
) {
    let mut partial = Partial::default();
    loop {
        // What a program said before it ended comes before what is said about its end.
        tokio::select! {
            biased;
            output = lines.next() => partial.print(&mut printer, stamp(clock.now()), output),
            fact = told.recv() => match fact {
                Some(Told::Fact(stamp, fact)) => printer.fact(stamp, &fact),
                Some(Told::End) | None => break,
            },
        }
        let mut batch = 0;
        while batch < 1_000 {
            match lines.try_next() {
                Some(output) => partial.print(&mut printer, stamp(clock.now()), output),
                None => break,
            }
            batch += 1;
        }
        if told.is_empty() || batch > 0 {
            printer.flush();
        }
    }
    while let Some(output) = lines.try_next() {
        partial.print(&mut printer, stamp(clock.now()), output);
    }
    printer.flush();
}

/// Lines that have stood still without an end are printed as they are; printed again only if more came.
#[derive(Default)]
struct Partial(HashMap<(RunId, Stream), String>);

impl Partial {
    fn print<W: Write>(&mut self, printer: &mut Printer<W>, stamp: Stamp, output: Output) {
        match output {
            Output::Line(line) => {
                if self.0.remove(&key(&line)).is_none_or(|shown| shown != line.text) {
                    printer.line(stamp, &line);
                }
            }
            Output::Partial(line) => {
                printer.line(stamp, &line);
                self.0.insert(key(&line), line.text);
            }
            Output::Dropped { source, lines, .. } => {
                let text =
                    format!("{lines} lines of `{source}` were not shown: it writes faster than they can be read");
                printer.fact(stamp, &Fact::Note { text, hint: None });
            }
        }
    }
}

fn key(line: &Line) -> (RunId, Stream) {
    (line.run, line.stream)
}
