//! The pane on another devloop: what that one tells over its control socket is shown here, and what is typed here is
//! asked of it. It may come and go as it likes; devloop goes on.
//!
//! Three threads: one reads what is told, one asks what keys want, one is the pane. This one waits for signals.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nix::sys::signal::Signal;
use tokio::{
    runtime::Handle,
    sync::{
        Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot, watch,
    },
};

use super::{
    pane::{self, Feed, Outcome},
    show::{STUCK, Told},
    steering::Steering,
};
use crate::{
    control::{Ask, AttachAsk, Client, Hello, Next, Piece, Silence},
    core::{fact::Fact, status::Status},
    error::Problem,
    model::Time,
    process::{Asked, Mark, Signals, queue, stop_self},
    sys::Clock,
    ui::{Stamp, pane::Theme},
};

/// So many lines wait to be shown; then devloop is read no further, and counts what it forgets meanwhile.
const WAITING: usize = 20_000;
/// A devloop that does not begin to tell in this time is stuck.
const BEGINS: Duration = Duration::from_secs(10);
/// A wish that is not answered in this time is not waited for.
const ANSWERS: Duration = Duration::from_secs(10);
/// Clocks that differ by less show the same.
const SAME: Duration = Duration::from_millis(50);

/// What `devloop attach` needs.
pub struct Attach {
    /// The connection on which everything is told.
    pub client: Client,
    /// Where to connect for what is asked.
    pub socket: PathBuf,
    /// How the pane looks.
    pub theme: Theme,
}

/// How the pane and devloop have parted.
#[derive(Debug)]
pub enum Parting {
    /// A person has left; devloop goes on.
    Left,
    /// devloop has ended, in order.
    Ended,
    /// devloop is gone without a word.
    Gone,
    /// A signal, or a terminal that was closed, has ended this pane.
    Signal(i32),
    /// There is no answer.
    Silent(Silence),
    /// It could not begin.
    Refused(Problem),
}

/// Shows the pane until somebody leaves it or devloop ends.
pub fn attach(attach: Attach) -> Parting {
    let Attach { mut client, socket, theme } = attach;
    let hello = match begin(&mut client) {
        Ok(hello) => hello,
        Err(parting) => return parting,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Parting::Refused(Problem::new("cannot start the runtime").caused_by(error)),
    };
    let handle = runtime.handle().clone();
    let shown = runtime.block_on(show(client, socket, theme, hello, handle));
    // Who still reads or asks has nobody to do it for.
    runtime.shutdown_background();
    shown.unwrap_or_else(|error| Parting::Refused(Problem::new("cannot show the pane").caused_by(error)))
}

/// Asks to be told everything, and reads the first word.
fn begin(client: &mut Client) -> Result<Hello, Parting> {
    client.limit(Some(BEGINS));
    let first = client.begin(&Ask::Attach(AttachAsk::default())).and_then(|()| client.next_line());
    client.limit(None);
    let line = match first.map_err(Parting::Silent)? {
        Next::Line(line) => line,
        Next::Answer(_) => return Err(Parting::Silent(Silence::Ended)),
    };
    Hello::read(&line).map_err(|why| {
        let problem = Problem::new("the devloop that runs here speaks otherwise than this one").caused_by(why);
        Parting::Refused(problem.hint("`devloop logs -f` follows it; start it again with this version"))
    })
}

async fn show(client: Client, socket: PathBuf, theme: Theme, hello: Hello, runtime: Handle) -> io::Result<Parting> {
    let mut signals = Signals::new()?;
    let (tell, mut told) = unbounded_channel();
    let (statuses, status) = watch::channel(hello.status.clone());
    let (asks, wishes) = unbounded_channel();
    let (said, how) = oneshot::channel();
    let (over, outcome) = oneshot::channel();
    let guest = Arc::new(AtomicBool::new(false));
    let Hello { url, window, folders, at, .. } = hello;
    let clock = Clock::showing(at);
    let (set_clock, clocks) = watch::channel(clock);
    let teller = Teller { tell: tell.clone(), statuses, clock: set_clock, runtime: runtime.clone() };
    let feed = Feed { status, steering: Steering::Far { url, asks }, window, folders, guest: guest.clone() };
    thread("told", move || _ = said.send(teller.read(client)))?;
    let asked_of = tell.clone();
    thread("asks", move || ask(&socket, wishes, &asked_of))?;
    thread("pane", move || {
        // Nobody pushes: lines come with what is told.
        let (_nobody, mut lines) = queue();
        let pane = || runtime.block_on(pane::run(theme, feed, clock, &mut told, &mut lines));
        _ = over.send(catch_unwind(AssertUnwindSafe(pane)).unwrap_or(Outcome::Refused));
    })?;
    let mut parting = Parting::Left;
    let (mut how, mut outcome) = (Some(how), outcome);
    loop {
        tokio::select! {
            ended = &mut outcome => return Ok(match ended {
                Ok(Outcome::Ended) => parting,
                Ok(Outcome::Left) => Parting::Left,
                Ok(Outcome::HungUp) => Parting::Signal(Signal::SIGHUP as i32),
                Ok(Outcome::Refused) | Err(_) => Parting::Refused(Problem::new("the terminal cannot show a pane")),
            }),
            over = said_all(&mut how) => {
                parting = over;
                _ = tell.send(Told::End);
            }
            asked = signals.next() => match asked {
                // It is meant for what has the terminal.
                Asked::Quit(Signal::SIGINT | Signal::SIGQUIT) if guest.load(Ordering::SeqCst) => {}
                Asked::Quit(signal) => {
                    parting = Parting::Signal(signal as i32);
                    _ = tell.send(Told::End);
                    // A terminal that is stuck must not keep anybody.
                    _ = tokio::time::timeout(STUCK, &mut outcome).await;
                    return Ok(parting);
                }
                Asked::Resized => _ = tell.send(Told::Resized),
                Asked::Suspend => {
                    let (done, wait) = oneshot::channel();
                    _ = tell.send(Told::Suspend(done));
                    _ = tokio::time::timeout(STUCK, wait).await;
                    stop_self();
                    // devloop went on meanwhile, and its clock too.
                    let clock = *clocks.borrow();
                    _ = tell.send(Told::Resume(clock));
                }
            },
        }
    }
}

/// Comes once, when nothing will be told any more.
async fn said_all(how: &mut Option<oneshot::Receiver<Parting>>) -> Parting {
    match how {
        Some(receiver) => {
            let parting = receiver.await.unwrap_or(Parting::Gone);
            *how = None;
            parting
        }
        None => std::future::pending().await,
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Hands what devloop tells on to the pane.
struct Teller {
    tell: UnboundedSender<Told>,
    statuses: watch::Sender<Arc<Status>>,
    clock: watch::Sender<Clock>,
    runtime: Handle,
}

impl Teller {
    /// Until nothing comes any more: how that was.
    fn read(self, mut client: Client) -> Parting {
        let room = Arc::new(Semaphore::new(WAITING));
        let mut last_words = Parting::Gone;
        loop {
            let piece = match client.next_line() {
                Ok(Next::Line(line)) => Piece::read(&line),
                Ok(Next::Answer(_)) => return Parting::Ended,
                Err(_) => return last_words,
            };
            match piece {
                Some(Piece::Status(at, status)) => {
                    self.set_clock(at);
                    self.statuses.send_replace(status);
                }
                Some(Piece::Requests(at, counts)) => {
                    self.set_clock(at);
                    self.tell(Told::Requests(counts));
                }
                Some(Piece::Fact(at, fact)) => {
                    if matches!(*fact, Fact::Quitting { .. }) {
                        last_words = Parting::Ended;
                    }
                    self.tell(Told::Fact(stamp(at), fact, Mark::default()));
                }
                Some(Piece::Line(at, line)) => {
                    // Where nobody takes lines any more, nobody reads.
                    let permit = self.runtime.block_on(room.clone().acquire_owned());
                    let Ok(permit) = permit else { return last_words };
                    self.tell(Told::Line(stamp(at), line, permit));
                }
                Some(Piece::Lost(lines)) => {
                    let now = self.clock.borrow().now();
                    self.tell(Told::Missed(stamp(now), lines));
                }
                Some(Piece::Bell) => self.tell(Told::Bell),
                None => {}
            }
        }
    }

    fn tell(&self, told: Told) {
        // A pane that is over needs nothing.
        _ = self.tell.send(told);
    }

    /// devloop's clock stands still while devloop does (Ctrl-Z).
    fn set_clock(&self, at: Time) {
        let ours = self.clock.borrow().now();
        if at.since(ours).max(ours.since(at)) > SAME {
            let clock = Clock::showing(at);
            self.clock.send_replace(clock);
            self.tell(Told::Clock(clock));
        }
    }
}

/// A pane shows times since the start only.
fn stamp(at: Time) -> Stamp {
    Stamp { at, unix: Duration::ZERO }
}

/// Asks what is wished, one after the other, and says what is refused.
fn ask(socket: &std::path::Path, mut wishes: UnboundedReceiver<Ask>, tell: &UnboundedSender<Told>) {
    while let Some(wish) = wishes.blocking_recv() {
        let answer = Client::connect(socket).and_then(|mut client| {
            client.limit(Some(ANSWERS));
            client.ask(&wish)
        });
        let refusal = match answer {
            Ok(_) => continue,
            Err(Silence::Refused(refused)) => refused.error,
            Err(Silence::TimedOut) => "devloop does not answer".to_owned(),
            Err(Silence::NotRunning | Silence::Ended) => "devloop is gone".to_owned(),
        };
        _ = tell.send(Told::Say(refusal));
    }
}
