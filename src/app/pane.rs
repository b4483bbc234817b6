//! The pane beside the loop: a thread that owns the terminal, and is fed with what the printer would be fed with. A
//! slow terminal slows only this thread; it draws when something has changed, and at most 30 times a second.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::{Pid, getpgrp},
};
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    watch,
};

use super::{load::Meter, show::Told, stamp, steering::Steering};
use crate::{
    core::{fact::Fact, status::Status},
    error::Colour,
    model::{Place, Time},
    plan::WindowSigns,
    process::{LineReader, Output},
    sys::Clock,
    ui::{
        Format, Printer, Stamp,
        pane::{
            Ask, Editor, Input, Mouse, News, Pace, Screen, Spots, Steer, Theme, Typed, View, browse, start_apart,
            start_here, window,
        },
    },
};

/// Between two pictures: 30 a second.
const FRAME: Duration = Duration::from_millis(33);
/// Between two pictures in which only time has passed.
const TICK: Duration = Duration::from_millis(100);
/// Between two looks at how many requests came, ...
const METER: Duration = Duration::from_secs(1);
/// ... and while some may be held.
const METER_AT_WORK: Duration = Duration::from_millis(200);
/// So many lines are taken before anything else has its turn.
const BATCH: usize = 5_000;

/// What the pane needs beside facts and lines.
pub(super) struct Feed {
    pub(super) status: watch::Receiver<Arc<Status>>,
    /// What the keys steer.
    pub(super) steering: Steering,
    /// What the terminal's window is to show.
    pub(super) window: WindowSigns,
    /// Where files that a problem names may lie.
    pub(super) folders: Vec<PathBuf>,
    /// Set while an editor has our terminal: then Ctrl-C is for that.
    pub(super) guest: Arc<AtomicBool>,
}

/// How the pane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was told to.
    Ended,
    /// A person has left it.
    Left,
    /// The terminal cannot be taken.
    Refused,
    /// There is no terminal any more.
    HungUp,
}

/// An editor has ended, or could not be started.
type Back = io::Result<()>;

struct Pane<'a> {
    view: View,
    theme: Theme,
    feed: Feed,
    clock: Clock,
    told: &'a mut UnboundedReceiver<Told>,
    lines: &'a mut LineReader,
    screen: Option<Screen>,
    input: Option<Input>,
    typed: (UnboundedSender<Typed>, UnboundedReceiver<Typed>),
    back: (UnboundedSender<Back>, UnboundedReceiver<Back>),
    /// Why what was asked for is not done.
    refused: (UnboundedSender<String>, UnboundedReceiver<String>),
    mouse: Mouse,
    spots: Spots,
    meter: Meter,
    picture: Picture,
    drawn: Time,
    parting: Vec<(Stamp, Fact)>,
    last_bad: Option<(Stamp, Fact)>,
}

/// Whether what is on the screen is true.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Picture {
    True,
    Old,
}

/// Whether the pane goes on.
enum Turn {
    Next,
    Over(Outcome),
}

/// Shows everything until it is told to end, or until the terminal is gone.
pub(super) async fn run(
    theme: Theme,
    feed: Feed,
    clock: Clock,
    told: &mut UnboundedReceiver<Told>,
    lines: &mut LineReader,
) -> Outcome {
    let view = View::new(theme, feed.status.borrow().clone());
    let view = match &feed.steering {
        Steering::Own(_) => view,
        Steering::Far { url, .. } => view.attached(url.clone()),
    };
    let mut pane = Pane {
        view,
        theme,
        feed,
        clock,
        told,
        lines,
        screen: None,
        input: None,
        typed: unbounded_channel(),
        back: unbounded_channel(),
        refused: unbounded_channel(),
        mouse: Mouse::Ours,
        spots: Spots::default(),
        meter: Meter::default(),
        picture: Picture::Old,
        drawn: Time::ZERO,
        parting: Vec::new(),
        last_bad: None,
    };
    if pane.take_terminal().is_err() {
        return Outcome::Refused;
    }
    pane.run().await
}

impl Pane<'_> {
    async fn run(&mut self) -> Outcome {
        loop {
            if self.draw_if_due().is_err() {
                return self.hung_up();
            }
            let wait = self.until_next();
            let turn = tokio::select! {
                Some(typed) = self.typed.1.recv() => self.typed(typed),
                Some(back) = self.back.1.recv() => self.guest_left(back),
                Some(why) = self.refused.1.recv() => { self.say(why); Turn::Next }
                told = self.told.recv() => self.told_all(told),
                Ok(()) = self.feed.status.changed() => { self.news(); Turn::Next }
                output = self.lines.next() => { self.output(output); self.read_lines(BATCH); Turn::Next }
                () = tokio::time::sleep(wait) => Turn::Next,
            };
            if let Turn::Over(outcome) = turn {
                return outcome;
            }
        }
    }

    /// How long nothing has to be done, if nothing happens.
    fn until_next(&self) -> Duration {
        let now = self.clock.now();
        let since_drawn = now.since(self.drawn);
        let meter = self.meter.due(now, self.meter_pace());
        match (self.screen.is_some(), self.picture, self.view.pace()) {
            (true, Picture::Old, _) => FRAME.saturating_sub(since_drawn),
            (true, Picture::True, Pace::Ticking) => TICK.saturating_sub(since_drawn).min(meter),
            (true, Picture::True, Pace::Still) => meter,
            // Nobody looks.
            (false, ..) => Duration::from_secs(3_600),
        }
    }

    fn meter_pace(&self) -> Duration {
        if self.feed.status.borrow().at_rest { METER } else { METER_AT_WORK }
    }

    fn draw_if_due(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        if self.screen.is_none() {
            return Ok(());
        }
        if self.meter.due(now, self.meter_pace()).is_zero() && self.view.load(self.meter.read(now)) == News::Some {
            self.news();
        }
        if self.view.pace() == Pace::Ticking && now.since(self.drawn) >= TICK {
            self.news();
        }
        if self.picture == Picture::True || now.since(self.drawn) < FRAME {
            return Ok(());
        }
        self.view.at(now);
        let status = self.feed.status.borrow_and_update().clone();
        self.view.status(status);
        if self.screen.as_ref().is_some_and(Screen::was_lost) {
            self.release_terminal();
            self.take_terminal()?;
        }
        if let Some(screen) = &mut self.screen {
            self.spots = screen.draw(&mut self.view)?;
        }
        self.drawn = self.clock.now();
        self.picture = Picture::True;
        Ok(())
    }

    /// The picture is out of date.
    fn news(&mut self) {
        self.picture = Picture::Old;
    }

    fn take_terminal(&mut self) -> io::Result<()> {
        self.screen = Some(Screen::take(self.theme, self.mouse, window(self.feed.window))?);
        let tell = self.typed.0.clone();
        self.input = Some(Input::start(move |typed| _ = tell.send(typed))?);
        self.picture = Picture::Old;
        Ok(())
    }

    fn release_terminal(&mut self) {
        self.input = None;
        self.screen = None;
    }

    /// Takes what was told, and what has come behind it meanwhile.
    fn told_all(&mut self, told: Option<Told>) -> Turn {
        let mut turn = self.told(told);
        for _ in 0..BATCH {
            match turn {
                Turn::Over(_) => break,
                Turn::Next => {}
            }
            let Ok(told) = self.told.try_recv() else { break };
            turn = self.told(Some(told));
        }
        turn
    }

    fn told(&mut self, told: Option<Told>) -> Turn {
        match told {
            Some(Told::Fact(stamp, fact, mark)) => {
                // What a program said before it ended comes before what is said about its end.
                while let Some(output) = self.lines.try_before(mark) {
                    self.output(output);
                }
                self.fact(stamp, *fact);
            }
            Some(Told::Line(stamp, line, permit)) => {
                self.view.line(stamp, line);
                drop(permit);
                self.news();
            }
            Some(Told::Missed(stamp, lines)) => {
                self.view.missed(stamp, lines);
                self.news();
            }
            Some(Told::Proxy(proxy)) => self.meter.of(proxy),
            Some(Told::Requests(counts)) => self.meter.told(counts),
            Some(Told::Say(text)) => self.say(text),
            Some(Told::Bell) => {
                if let Some(screen) = &mut self.screen {
                    // If the terminal is gone, the next picture finds out.
                    _ = screen.ring();
                }
            }
            Some(Told::Suspend(done)) => {
                self.release_terminal();
                _ = done.send(());
            }
            Some(Told::Resume(clock)) => {
                self.clock = clock;
                if !self.feed.guest.load(Ordering::SeqCst) && self.take_terminal().is_err() {
                    return Turn::Over(self.hung_up());
                }
            }
            Some(Told::Clock(clock)) => self.clock = clock,
            Some(Told::Resized) => self.news(),
            Some(Told::End) | None => {
                self.read_lines(usize::MAX);
                self.part();
                return Turn::Over(Outcome::Ended);
            }
        }
        Turn::Next
    }

    fn fact(&mut self, stamp: Stamp, fact: Fact) {
        self.view.fact(stamp, &fact);
        match &fact {
            Fact::StepFailed { .. } | Fact::StartFailed { .. } | Fact::Crashed { .. } | Fact::PlanInvalid { .. } => {
                self.last_bad = Some((stamp, fact))
            }
            Fact::Quitting { .. } => self.parting.push((stamp, fact)),
            Fact::Note { .. } if !self.parting.is_empty() => self.parting.push((stamp, fact)),
            _ => {}
        }
        self.news();
    }

    fn read_lines(&mut self, most: usize) {
        for _ in 0..most {
            let Some(output) = self.lines.try_next() else { return };
            self.output(output);
        }
    }

    fn output(&mut self, output: Output) {
        let stamp = stamp(self.clock.now());
        match output {
            Output::Line(line) => self.view.line(stamp, line),
            Output::Partial(line) => self.view.partial(stamp, line),
            Output::Dropped { source, lines, .. } => self.view.dropped(stamp, &source, lines),
        }
        self.news();
    }

    fn typed(&mut self, typed: Typed) -> Turn {
        let event = match typed {
            Typed::Gone if self.input.is_some() => return Turn::Over(self.hung_up()),
            Typed::Gone => return Turn::Next,
            Typed::Event(event) => event,
        };
        self.view.at(self.clock.now());
        let ask = match event {
            crossterm::event::Event::Key(key) => self.view.key(key),
            crossterm::event::Event::Mouse(mouse) => self.view.mouse(mouse, &self.spots),
            crossterm::event::Event::Paste(text) => {
                self.view.pasted(&text);
                None
            }
            _ => None,
        };
        self.news();
        ask.map_or(Turn::Next, |ask| self.ask(ask))
    }

    fn ask(&mut self, ask: Ask) -> Turn {
        match ask {
            Ask::Steer(steer) => self.feed.steering.steer(steer, &self.refused.0),
            Ask::Quit => self.feed.steering.steer(Steer::Stop, &self.refused.0),
            Ask::Leave => {
                self.release_terminal();
                return Turn::Over(Outcome::Left);
            }
            // As a terminal does it: to everything in the foreground, a wrapper like `cargo run` included.
            Ask::Interrupt => _ = killpg(getpgrp(), Signal::SIGINT),
            Ask::Abort => _ = killpg(getpgrp(), Signal::SIGQUIT),
            Ask::Suspend => _ = killpg(getpgrp(), Signal::SIGTSTP),
            Ask::Mouse(mouse) => {
                self.mouse = mouse;
                if let Some(screen) = &mut self.screen {
                    // If the terminal is gone, the next picture finds out.
                    _ = screen.mouse(mouse);
                }
            }
            Ask::Browse(url) => match browse(&url) {
                Ok(()) => self.say(format!("opens {url}")),
                Err(error) => self.say(format!("cannot open a browser: {error}; $BROWSER says which")),
            },
            Ask::Edit(place) => self.edit(&place),
        }
        Turn::Next
    }

    fn edit(&mut self, place: &Place) {
        let found = self.feed.folders.iter().map(|folder| folder.join(&place.file)).find(|path| path.is_file());
        let Some(file) = found else { return self.say(format!("there is no file {}", place.file)) };
        match Editor::at(&file, place) {
            Err(why) => self.say(why),
            Ok(Editor::Window(command)) => match start_apart(command) {
                Ok(()) => self.say(format!("opens {}", place.file)),
                Err(error) => self.say(format!("cannot start the editor: {error}; $EDITOR says which")),
            },
            Ok(Editor::Terminal(command)) => {
                self.feed.guest.store(true, Ordering::SeqCst);
                self.release_terminal();
                let (started, back) = (start_here(command), self.back.0.clone());
                let wait = move || _ = back.send(started.and_then(|mut child| child.wait()).map(drop));
                // Without a thread to wait on, the sender is dropped, and nobody is waited for.
                if std::thread::Builder::new().name("guest".to_owned()).spawn(wait).is_err() {
                    _ = self.back.0.send(Ok(()));
                }
            }
        }
    }

    fn guest_left(&mut self, back: Back) -> Turn {
        self.feed.guest.store(false, Ordering::SeqCst);
        if self.take_terminal().is_err() {
            return Turn::Over(self.hung_up());
        }
        if let Err(error) = back {
            self.say(format!("cannot start the editor: {error}; $EDITOR says which"));
        }
        Turn::Next
    }

    fn say(&mut self, text: String) {
        self.view.say(text);
        self.news();
    }

    /// The terminal is gone: what it would have done by itself is done, and devloop ends.
    fn hung_up(&mut self) -> Outcome {
        self.release_terminal();
        _ = kill(Pid::this(), Signal::SIGHUP);
        Outcome::HungUp
    }

    /// What should stay on the terminal when the pane is gone: what is still wrong, and how it ended.
    fn part(&mut self) {
        let had_screen = self.screen.is_some();
        self.release_terminal();
        if !had_screen {
            // An editor has the terminal.
            return;
        }
        let mut printer = Printer::new(io::stdout(), Format::Plain(self.theme.colour), []);
        if let Some((stamp, fact)) = self.last_bad.take().filter(|_| self.view.is_wrong()) {
            printer.fact(stamp, &fact);
        }
        for (stamp, fact) in self.parting.drain(..) {
            printer.fact(stamp, &fact);
        }
        printer.flush();
    }
}

/// Prints to nobody: for a terminal that is gone.
pub(super) fn nowhere(names: Vec<Arc<str>>) -> Printer<impl Write> {
    Printer::new(io::sink(), Format::Plain(Colour::Never), names)
}
