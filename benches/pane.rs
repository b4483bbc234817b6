//! What the pane costs who looks at it: bytes and processor time while nothing happens (`BENCH_IDLE`, 10 s), the time
//! from a line that a program writes to the screen (`BENCH_SAYS`, 200), and memory after `BENCH_LINES` (1,000,000)
//! lines.

use std::{
    net::SocketAddr,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::support::{
    by_hand::free_port,
    client::{Client, until_it_answers},
    ms, number,
    process::{cpu, status},
    program,
    project::Project,
    screen::{on_a_terminal, until_it_is_calm},
    stats::Sample,
    table::Table,
};
use crate::terminal::{Eyes, Terminal};

pub fn run() {
    let (idle, says, lines) = (number("BENCH_IDLE", 10), number("BENCH_SAYS", 200), number("BENCH_LINES", 1_000_000));
    let (project, addr) = (Project::empty(), free_port());
    project.write("dev.toml", &program::server(&format!("port = {}", addr.port())));
    let mut command = Command::new(env!("CARGO_BIN_EXE_devloop"));
    command.args(["up", "--listen", "0"]).current_dir(project.root());
    let Some(terminal) = on_a_terminal(&command, Eyes::Open) else { return };
    until_it_answers(addr, "first");
    until_it_is_calm(&terminal, Duration::from_secs(2));

    let (bytes, spent) = (terminal.bytes(), cpu(terminal.pid()));
    thread::sleep(Duration::from_secs(idle as u64));
    let (bytes, spent) = (terminal.bytes() - bytes, cpu(terminal.pid()).saturating_sub(spent));
    let times = Sample::of((0..says).map(|number| say(&terminal, addr, number)));
    let before = status(terminal.pid(), "VmRSS");
    _ = Client::new(addr).send(&format!("GET /flood/{lines} HTTP/1.1\r\nhost: localhost\r\n\r\n")).expect("it answers");
    terminal.sees(&format!("/api/orders/{} ", lines - 1));
    until_it_is_calm(&terminal, Duration::from_secs(1));

    println!("a pane of 120 columns and 40 rows");
    let mut table = Table::new(&["", ""]);
    table.row(&[format!("bytes to the terminal in {idle} s without news"), bytes.to_string()]);
    let share = spent.as_secs_f64() / idle as f64 * 100.0;
    table.row(&["CPU meanwhile".to_owned(), format!("{share:.2} % of a core")]);
    let times = format!("{:.1} ms, {:.1} ms, {:.1} ms", times.median(), times.p95(), times.max());
    table.row(&[format!("from a line to the screen, {says} times (median, 95 of 100, worst)"), times]);
    let after = status(terminal.pid(), "VmRSS");
    table.row(&[format!("memory before {lines} lines"), format!("{:.1} MiB", before / 1024.0)]);
    table.row(&["… after them".to_owned(), format!("{:.1} MiB", after / 1024.0)]);
    table.row(&["… at most".to_owned(), format!("{:.1} MiB", status(terminal.pid(), "VmHWM") / 1024.0)]);
    table.done("pane");
}

/// From the request that makes the program write a line until the line is on the screen, in milliseconds. The pauses
/// between are uneven, so that they do not fall into step with the frames.
fn say(terminal: &Terminal, addr: SocketAddr, number: usize) -> f64 {
    thread::sleep(Duration::from_millis(60 + number as u64 * 7 % 40));
    let text = format!("said-{number}-end");
    let mut client = Client::new(addr);
    let begin = Instant::now();
    _ = client.send(&format!("GET /say/{text} HTTP/1.1\r\nhost: localhost\r\n\r\n")).expect("it answers");
    terminal.sees(&text);
    ms(begin.elapsed())
}
