//! Showing beside the loop: facts and output lines go to a thread of their own, printed or in a pane, so that a slow
//! reader of devloop's output slows nothing else.

use std::{
    collections::HashMap,
    io::{self, BufWriter, IsTerminal, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{
        OwnedSemaphorePermit,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot, watch,
    },
};

use super::{
    Happening,
    audience::Audience,
    lock,
    pane::{self, Feed, Outcome},
    stamp,
    steering::Steering,
};
use crate::{
    control::Count,
    core::{fact::Fact, status::Status},
    error::Colour,
    escapes::strip_escapes,
    health::Ear,
    model::{Line, RunId, Stream},
    plan::Plan,
    process::{LineReader, LineSender, Mark, Output, queue},
    proxy::{Hear, Heard, Level, Proxy},
    store::Log,
    sys::Clock,
    ui::{Format, Printer, Stamp, pane::Theme},
};

/// Who listens to the output of a run for the words that say it is ready.
pub(super) type Ears = Arc<Mutex<HashMap<RunId, Ear>>>;

/// What printing consists of.
pub(super) struct Show {
    pub(super) showing: Showing,
    pub(super) lines: LineSender,
    pub(super) ears: Ears,
}

/// How everything is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Line by line, to standard output.
    Lines(Format),
    /// As a pane on the terminal.
    Pane(Theme),
}

impl Picture {
    /// Whether colours are wanted.
    pub(super) fn colour(self) -> Colour {
        match self {
            Picture::Lines(Format::Plain(colour)) => colour,
            Picture::Lines(Format::Json) => Colour::Never,
            Picture::Pane(theme) => theme.colour,
        }
    }
}

/// The thread that shows.
pub(super) struct Showing {
    to: To,
    /// Says so when it has shown everything.
    ended: Option<Receiver<()>>,
    patience: Patience,
    guest: Arc<AtomicBool>,
}

/// How long the end waits for whoever reads.
#[derive(Clone, Copy)]
enum Patience {
    /// Until everything is read: a program may want all of it.
    Endless,
    /// A terminal that is stuck must not keep devloop from ending.
    UpTo(Duration),
}

/// What the thread that shows is told.
pub(super) enum Told {
    /// What programs said before it, up to the mark, is shown first.
    Fact(Stamp, Box<Fact>, Mark),
    /// A line of a program that another devloop runs; the permit is given back when it is shown.
    Line(Stamp, Line, OwnedSemaphorePermit),
    /// So many lines of the other devloop are missing here.
    Missed(Stamp, u64),
    /// Requests are counted here.
    Proxy(Arc<Proxy>),
    /// Another devloop has counted requests.
    Requests(Vec<Count>),
    /// Ring the terminal's bell.
    Bell,
    /// Something to say at the foot of the pane.
    Say(String),
    /// Give the terminal back, and say when that is done: everything is going to stand still.
    Suspend(oneshot::Sender<()>),
    /// Everything goes on, by this clock.
    Resume(Clock),
    /// It is this time on devloop's clock.
    Clock(Clock),
    /// The terminal has another size.
    Resized,
    End,
}

/// Whom facts are told: the thread that shows, behind the lines that came before them, and whoever listens elsewhere.
#[derive(Clone)]
struct To {
    told: UnboundedSender<Told>,
    lines: LineSender,
    audience: Audience,
}

impl To {
    fn fact(&self, stamp: Stamp, fact: Fact) {
        self.audience.fact(stamp, &fact);
        _ = self.told.send(Told::Fact(stamp, Box::new(fact), self.lines.mark()));
    }
}

/// Tells facts from other threads.
pub(super) struct Teller {
    to: To,
    clock: Clock,
}

impl Teller {
    pub(super) fn note(&self, text: String) {
        self.to.fact(stamp(self.clock.now()), Fact::Note { text, hint: None });
    }
}

impl Showing {
    pub(super) fn fact(&self, stamp: Stamp, fact: Fact) {
        self.to.fact(stamp, fact);
    }

    pub(super) fn teller(&self, clock: Clock) -> Teller {
        Teller { to: self.to.clone(), clock }
    }

    /// Rings the bell, here and on every pane that is attached.
    pub(super) fn ring(&self) {
        self.to.audience.ring();
        _ = self.to.told.send(Told::Bell);
    }

    /// Requests are counted by this proxy.
    pub(super) fn count_requests(&self, proxy: Arc<Proxy>) {
        _ = self.to.told.send(Told::Proxy(proxy));
    }

    /// The terminal has another size.
    pub(super) fn resized(&self) {
        _ = self.to.told.send(Told::Resized);
    }

    /// Gives the terminal back; returns when that is done.
    pub(super) async fn suspend(&self) {
        let (done, wait) = oneshot::channel();
        _ = self.to.told.send(Told::Suspend(done));
        // A thread that has ended has nothing to give back; one that is stuck must not keep anybody.
        _ = tokio::time::timeout(STUCK, wait).await;
    }

    /// Takes the terminal again.
    pub(super) fn resume(&self, clock: Clock) {
        _ = self.to.told.send(Told::Resume(clock));
    }

    /// Whether something else has the terminal for a while, an editor: then its keys are not for devloop.
    pub(super) fn has_guest(&self) -> bool {
        self.guest.load(Ordering::SeqCst)
    }
}

impl Drop for Showing {
    /// Shows what is left, and waits for that; however devloop ends, the terminal is given back first.
    fn drop(&mut self) {
        _ = self.to.told.send(Told::End);
        if let Some(ended) = self.ended.take() {
            match self.patience {
                Patience::Endless => _ = ended.recv(),
                Patience::UpTo(limit) => _ = ended.recv_timeout(limit),
            }
        }
    }
}

/// A terminal that takes nothing for so long is stuck.
pub(super) const STUCK: Duration = Duration::from_secs(2);

/// So many lines are printed before it is looked whether there is something else to say.
const BATCH: usize = 1_000;

/// What a pane needs beside what everything that shows needs.
pub(super) struct Wheel {
    pub(super) status: watch::Receiver<Arc<Status>>,
    pub(super) inbox: UnboundedSender<Happening>,
}

/// Begins to show, with the times of `clock`.
pub(super) fn begin(picture: Picture, plan: &Plan, clock: Clock, wheel: Wheel, audience: Audience) -> Show {
    let (sender, told) = unbounded_channel();
    let (lines, reader) = queue();
    let (end, ended) = channel();
    let guest = Arc::new(AtomicBool::new(false));
    let names: Vec<Arc<str>> = plan.steps.iter().map(|step| step.name.clone()).collect();
    let names: Vec<Arc<str>> = names.into_iter().chain(plan.services.iter().map(|node| node.name.clone())).collect();
    let work = Work { told, lines: reader, names, clock, runtime: Handle::current(), _end: end };
    let (thread, patience) = match picture {
        Picture::Lines(format) => (thread("print", move || work.print(format)), Patience::Endless),
        Picture::Pane(theme) => {
            let Wheel { status, inbox } = wheel;
            let feed = Feed {
                status,
                steering: Steering::Own(inbox),
                window: plan.notify.window,
                folders: folders(plan),
                guest: guest.clone(),
            };
            (thread("pane", move || work.pane(theme, feed)), Patience::UpTo(STUCK))
        }
    };
    let ended = thread.ok().map(|_| ended);
    let to = To { told: sender, lines: lines.clone(), audience };
    let showing = Showing { to, ended, patience, guest };
    Show { showing, lines, ears: Ears::default() }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Where a program that names a file may have meant it: the project's root, and the folders that its steps run in.
pub(super) fn folders(plan: &Plan) -> Vec<std::path::PathBuf> {
    let mut folders = vec![plan.root.clone()];
    let others = plan.steps.iter().map(|step| &step.cwd).chain(plan.services.iter().map(|service| &service.cwd));
    for folder in others {
        if !folders.contains(folder) {
            folders.push(folder.clone());
        }
    }
    folders
}

/// What the thread works with.
struct Work {
    told: UnboundedReceiver<Told>,
    lines: LineReader,
    names: Vec<Arc<str>>,
    clock: Clock,
    runtime: Handle,
    /// Dropped with everything else, at the end.
    _end: Sender<()>,
}

impl Work {
    fn print(mut self, format: Format) {
        let printer = Printer::new(BufWriter::new(io::stdout()), format, std::mem::take(&mut self.names));
        self.runtime.block_on(print(printer, &mut self.told, &mut self.lines, self.clock));
    }

    /// The pane; should it fail, plain lines are better than nothing.
    fn pane(mut self, theme: Theme, feed: Feed) {
        let (told, lines) = (&mut self.told, &mut self.lines);
        let pane = || self.runtime.block_on(pane::run(theme, feed, self.clock, told, lines));
        match catch_unwind(AssertUnwindSafe(pane)) {
            Ok(Outcome::Ended | Outcome::Left) => {}
            Ok(Outcome::HungUp) => {
                let printer = pane::nowhere(self.names);
                self.runtime.block_on(print(printer, &mut self.told, &mut self.lines, self.clock));
            }
            Ok(Outcome::Refused) | Err(_) => self.print(Format::Plain(theme.colour)),
        }
    }
}

/// One byte that moves nothing on the screen; nowhere if there is no terminal.
fn ring() {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        // Who cannot be rung for is not rung for.
        _ = stderr.write_all(b"\x07");
    }
}

/// What every line of every program goes through.
pub(super) fn sink(
    lines: LineSender,
    ears: Ears,
    log: Log,
    audience: Audience,
) -> impl Fn(Output) + Send + Sync + 'static {
    move |output| {
        if let Output::Line(line) = &output {
            log.line(line);
            audience.line(line);
            if let Some(ear) = lock(&ears).get(&line.run) {
                ear.hear(&strip_escapes(&line.text));
            }
        }
        lines.push(output);
    }
}

/// What pages write to their console becomes lines of `browser`.
pub(super) fn hear(lines: LineSender, log: Log) -> Hear {
    let source: Arc<str> = Arc::from("browser");
    Arc::new(move |Heard { level, text }| {
        let stream = match level {
            Level::Info => Stream::Out,
            Level::Warning | Level::Error => Stream::Err,
        };
        for part in text.lines() {
            // A page is not to steer the terminal. No run has this number.
            let line = Line { source: source.clone(), run: RunId(0), stream, text: strip_escapes(part) };
            log.line(&line);
            lines.push(Output::Line(line));
        }
    })
}

async fn print<W: Write>(
    mut printer: Printer<W>,
    told: &mut UnboundedReceiver<Told>,
    lines: &mut LineReader,
    mut clock: Clock,
) {
    let mut partial = Partial::default();
    loop {
        // Lines may come without end: what was told goes first.
        tokio::select! {
            biased;
            fact = told.recv() => match fact {
                Some(Told::Fact(when, fact, mark)) => {
                    // What a program said before it ended comes before what is said about its end.
                    while let Some(output) = lines.try_before(mark) {
                        partial.print(&mut printer, stamp(clock.now()), output);
                    }
                    printer.fact(when, &fact);
                }
                Some(Told::Suspend(done)) => _ = done.send(()),
                Some(Told::Resume(now)) => clock = now,
                // Only a pane counts, has a size, and is told what another devloop says.
                Some(Told::Proxy(_) | Told::Resized | Told::Requests(_) | Told::Say(_)) => {}
                Some(Told::Line(..) | Told::Missed(..) | Told::Clock(_)) => {}
                // Whoever prints lines may write to a file: the bell is for the terminal.
                Some(Told::Bell) => ring(),
                Some(Told::End) | None => break,
            },
            output = lines.next() => {
                let batch = std::iter::once(output).chain(std::iter::from_fn(|| lines.try_next()));
                batch.take(BATCH).for_each(|output| partial.print(&mut printer, stamp(clock.now()), output));
            }
        }
        if told.is_empty() {
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
