//! What clients notice of swaps: `BENCH_SWAPS` (1,000) of them in both modes, under 16 clients that never stop asking.
//!
//! An answer is *unmarked stale* if its request was sent more than `GRACE` after the end of a write, it is older than
//! that write, and no header says so. Within the grace the operating system may not have reported the write yet; how
//! late a request got an old answer is shown beside.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::support::{
    client::{Client, until_it_answers},
    devloop::Devloop,
    ms, number,
    project::{Kind, Project},
    stats::Sample,
    table::Table,
};

const CLIENTS: usize = 16;
const GRACE: Duration = Duration::from_millis(5);

pub fn run() {
    let swaps = number("BENCH_SWAPS", 1000);
    println!("{swaps} swaps under {CLIENTS} clients");
    let mut table = Table::new(&[
        "swap",
        "requests",
        "failed",
        "unmarked stale",
        "latest unmarked old answer",
        "longest wait",
        "median save to live",
    ]);
    for mode in ["overlap", "exclusive"] {
        table.row(&measure(mode, swaps));
    }
    table.done("swaps");
}

/// What one request met.
struct Request {
    sent: Instant,
    wait: Duration,
    outcome: Outcome,
}

enum Outcome {
    Failed,
    /// The number of the version that answered.
    Answered(usize),
    Marked,
}

fn measure(mode: &str, swaps: usize) -> Vec<String> {
    let project = Project::new(Kind::Script, &format!("swap = \"{mode}\"\n"));
    project.write("version.txt", "0\n");
    let mut devloop = Devloop::start(&project);
    let addr = devloop.address();
    devloop.event("live");
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (over, seen) = (over.clone(), seen.clone());
            thread::spawn(move || ask(addr, number, &over, &seen))
        })
        .collect();
    let mut written = vec![(Instant::now(), 0)];
    let mut times = Vec::new();
    for version in 1..=swaps {
        project.write("version.txt", &format!("{version}\n"));
        written.push((Instant::now(), version));
        times.push(ms(until_it_answers(addr, &version.to_string())));
        devloop.event("live");
    }
    over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("nobody panics"));
    devloop.stop();
    let seen = seen.lock().expect("nobody panics");
    let failed = seen.iter().filter(|request| matches!(request.outcome, Outcome::Failed)).count();
    let lags = seen.iter().filter_map(|request| lag(request, &written));
    let lags: Vec<Duration> = lags.collect();
    let stale = lags.iter().filter(|lag| **lag > GRACE).count();
    let longest = seen.iter().map(|request| request.wait).max().unwrap_or_default();
    vec![
        mode.to_owned(),
        seen.len().to_string(),
        failed.to_string(),
        stale.to_string(),
        format!("{:.2} ms after the write", ms(lags.iter().max().copied().unwrap_or_default())),
        format!("{:.0} ms", ms(longest)),
        format!("{:.0} ms", Sample::of(times).median()),
    ]
}

/// How long after a write a request was sent whose answer is older than that write, without saying so.
fn lag(request: &Request, written: &[(Instant, usize)]) -> Option<Duration> {
    let Outcome::Answered(version) = request.outcome else { return None };
    let next = written.iter().find(|(_, newer)| *newer > version)?;
    request.sent.checked_duration_since(next.0)
}

fn ask(addr: SocketAddr, number: usize, over: &AtomicBool, seen: &Mutex<Vec<Request>>) {
    let mut client = Client::new(addr);
    let request = match number % 2 {
        0 => "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        _ => "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello",
    };
    while !over.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let outcome = match client.send(request) {
            Ok(answer) if answer.stale => Outcome::Marked,
            Ok(answer) if answer.status == 200 => answer.body.parse().map_or(Outcome::Failed, Outcome::Answered),
            Ok(_) | Err(_) => Outcome::Failed,
        };
        let wait = sent.elapsed();
        seen.lock().expect("nobody panics").push(Request { sent, wait, outcome });
        thread::sleep(Duration::from_millis(2));
    }
}
