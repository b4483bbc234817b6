//! How quickly a program can write that devloop shows: `BENCH_LINES` (1,000,000) lines of 100 bytes, through `devloop
//! up --plain` and through the pane on a terminal, against a bare pipe into `cat` and a bare terminal. `BENCH_ROUNDS`
//! (5), and everybody has a turn in each. A line that is cut in two by a late write is shown before its rest comes, so
//! there can be some more lines than were written.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use super::support::{
    DEADLINE,
    by_hand::Running,
    number,
    process::{cpu, status},
    program,
    project::Project,
    screen::on_a_terminal,
    stats::Sample,
    table::Table,
};
use crate::terminal::Eyes;

/// One turn.
#[derive(Clone, Copy)]
struct Turn {
    /// Lines a second that the program could write.
    written: f64,
    /// How many of them were shown; NaN where that cannot be counted.
    shown: f64,
    /// From the first line to the last one shown, in seconds.
    until_shown: f64,
    /// Of devloop: seconds on a processor, and the most memory in MiB.
    cpu: f64,
    peak: f64,
}

impl Turn {
    fn bare(written: f64) -> Turn {
        Turn { written, shown: f64::NAN, until_shown: f64::NAN, cpu: f64::NAN, peak: f64::NAN }
    }
}

type Way = fn(usize) -> Option<Turn>;

pub fn run() {
    let (lines, rounds) = (number("BENCH_LINES", 1_000_000), number("BENCH_ROUNDS", 5));
    let ways: [(&str, Way); 4] =
        [("a pipe into `cat`", pipe), ("`up --plain`", plain), ("a terminal", terminal), ("`up` with the pane", pane)];
    let mut turns: [Vec<Turn>; 4] = Default::default();
    for _ in 0..rounds {
        for ((_, way), turns) in ways.iter().zip(&mut turns) {
            turns.extend(way(lines));
        }
    }
    println!("{lines} lines of 100 bytes, {rounds} rounds");
    let columns = [
        "",
        "lines/s written",
        "of the bare way",
        "lines shown",
        "last one shown after, s",
        "CPU, s",
        "peak memory, MiB",
    ];
    let mut table = Table::new(&columns);
    for (at, ((name, _), mine)) in ways.iter().zip(&turns).enumerate() {
        let of = |value: fn(&Turn) -> f64| Sample::of(mine.iter().map(value)).median();
        // The bare way stands before each of devloop's.
        let bare = &turns[at / 2 * 2];
        let share = Sample::of(mine.iter().zip(bare).map(|(mine, bare)| mine.written / bare.written)).median();
        let cell = |value: f64, digits: usize| if value.is_nan() { String::new() } else { format!("{value:.digits$}") };
        table.row(&[
            (*name).to_owned(),
            cell(of(|turn| turn.written), 0),
            cell(share, 2),
            cell(of(|turn| turn.shown), 0),
            cell(of(|turn| turn.until_shown), 2),
            cell(of(|turn| turn.cpu), 2),
            cell(of(|turn| turn.peak), 1),
        ]);
    }
    table.done("log");
}

fn pipe(lines: usize) -> Option<Turn> {
    let project = Project::empty();
    let result = project.path("result");
    let mut flood = by_itself(lines, &result).stdout(Stdio::piped()).spawn().expect("it is this binary");
    let out = flood.stdout.take().expect("it is a pipe");
    let cat = Command::new("cat").stdin(out).stdout(Stdio::null()).spawn().expect("cat is there");
    let (_flood, _cat) = (Running(flood), Running(cat));
    Some(Turn::bare(lines as f64 / wait(&result).as_secs_f64()))
}

fn terminal(lines: usize) -> Option<Turn> {
    let project = Project::empty();
    let result = project.path("result");
    let _terminal = on_a_terminal(&by_itself(lines, &result), Eyes::Closed)?;
    Some(Turn::bare(lines as f64 / wait(&result).as_secs_f64()))
}

fn by_itself(lines: usize, result: &Path) -> Command {
    let (program, env) = program::flood_alone(lines, result);
    let mut command = Command::new(program);
    command.envs(env).stdin(Stdio::null());
    command
}

/// A project whose service floods, and where the result will be: outside of what is watched.
fn flooding(lines: usize) -> (Project, PathBuf) {
    let project = Project::empty();
    let result = project.path("node_modules/result");
    project.write("node_modules/there", "");
    project.write("dev.toml", &program::flood(lines, &result));
    (project, result)
}

fn devloop(project: &Project, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devloop"));
    command.args(["up", "--listen", "0"]).args(words).current_dir(project.root());
    command
}

fn plain(lines: usize) -> Option<Turn> {
    let (project, result) = flooding(lines);
    let mut command = devloop(&project, &["--plain"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("devloop starts");
    let shown = count(&mut child, lines);
    let child = Ended(child);
    let written = wait(&result);
    let (count, until_shown) = shown.recv_timeout(DEADLINE).expect("the last line is always shown");
    let pid = child.0.id();
    Some(Turn {
        written: lines as f64 / written.as_secs_f64(),
        shown: count as f64,
        until_shown: until_shown.as_secs_f64(),
        cpu: cpu(pid).as_secs_f64(),
        peak: status(pid, "VmHWM") / 1024.0,
    })
}

/// Ended decently when it is dropped, so that its programs end, too.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.0.id() as i32), nix::sys::signal::Signal::SIGINT);
        _ = self.0.wait();
    }
}

/// Counts lines of the flood up to its last one, and the time between.
fn count(child: &mut Child, lines: usize) -> Receiver<(usize, Duration)> {
    let (sender, receiver) = channel();
    let mut out = BufReader::with_capacity(64 * 1024, child.stdout.take().expect("it is a pipe"));
    thread::spawn(move || {
        _ = sender.send(shown(&mut out, lines));
        // Whoever stops reading stops who writes.
        _ = std::io::copy(&mut out, &mut std::io::sink());
    });
    receiver
}

fn shown(out: &mut BufReader<ChildStdout>, lines: usize) -> (usize, Duration) {
    let last = format!("/api/orders/{} ", lines - 1);
    let (mut count, mut begin, mut line) = (0, None, Vec::new());
    while out.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        if line.windows(12).any(|word| word == b"/api/orders/") {
            count += 1;
            begin.get_or_insert_with(Instant::now);
            if line.windows(last.len()).any(|word| word == last.as_bytes()) {
                break;
            }
        }
        line.clear();
    }
    (count, begin.map_or(Duration::ZERO, |begin: Instant| begin.elapsed()))
}

fn pane(lines: usize) -> Option<Turn> {
    let (project, result) = flooding(lines);
    let terminal = on_a_terminal(&devloop(&project, &[]), Eyes::Open)?;
    let written = wait(&result);
    terminal.sees(&format!("/api/orders/{} ", lines - 1));
    let pid = terminal.pid();
    Some(Turn {
        written: lines as f64 / written.as_secs_f64(),
        cpu: cpu(pid).as_secs_f64(),
        peak: status(pid, "VmHWM") / 1024.0,
        ..Turn::bare(0.0)
    })
}

/// How long the flood took, once it is over.
fn wait(result: &Path) -> Duration {
    let end = Instant::now() + 2 * DEADLINE;
    loop {
        match std::fs::read_to_string(result) {
            Ok(text) => return Duration::from_nanos(text.parse().expect("a number")),
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
        assert!(Instant::now() < end, "the flood never ends");
    }
}
