//! Whether anything grows: 16 clients that never stop asking and a swap every second, for `BENCH_SOAK` (3) minutes, in
//! the mode `BENCH_SWAP` (overlap). Memory, files and threads of devloop at minute 2 and at the end, each as the median
//! of 20 s.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::support::{
    client::{Client, until_it_answers},
    devloop::Devloop,
    ms, number,
    process::{open_files, status},
    project::{Kind, Project},
    stats::Sample,
    table::Table,
};

const CLIENTS: usize = 16;
const PACE: Duration = Duration::from_secs(1);
/// Samples that one figure is the median of; there is one a second.
const WINDOW: usize = 20;

#[derive(Default)]
struct Tally {
    requests: AtomicU64,
    failed: AtomicU64,
}

pub fn run() {
    let mode = std::env::var("BENCH_SWAP").unwrap_or_else(|_| "overlap".to_owned());
    measure(&mode, (number("BENCH_SOAK", 3) * 60).max(2));
}

fn measure(mode: &str, seconds: usize) {
    let project = Project::new(Kind::Script, &format!("swap = \"{mode}\"\n"));
    project.write("version.txt", "0\n");
    let mut devloop = Devloop::start(&project);
    let addr = devloop.address();
    devloop.event("live");
    let (over, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Tally::default()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (over, tally) = (over.clone(), tally.clone());
            thread::spawn(move || ask(addr, &over, &tally))
        })
        .collect();
    let (begin, mut samples, mut times) = (Instant::now(), Vec::new(), Vec::new());
    for version in 1..=seconds {
        project.write("version.txt", &format!("{version}\n"));
        times.push(ms(until_it_answers(addr, &version.to_string())));
        thread::sleep((PACE * version as u32).saturating_sub(begin.elapsed()));
        let pid = devloop.pid();
        let memory = ["VmRSS", "RssAnon", "Threads"].map(|name| status(pid, name));
        samples.push([memory[0] / 1024.0, memory[1] / 1024.0, open_files(pid) as f64, memory[2]]);
    }
    over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("nobody panics"));
    devloop.stop();
    show(mode, &samples, &tally, &Sample::of(times));
}

fn show(mode: &str, samples: &[[f64; 4]], tally: &Tally, times: &Sample) {
    let (requests, failed) = (tally.requests.load(Ordering::Relaxed), tally.failed.load(Ordering::Relaxed));
    println!(
        "{mode}: {} swaps in {} s under {CLIENTS} clients, {requests} requests, {failed} failed, median save to live {:.0} ms",
        samples.len(),
        samples.len(),
        times.median()
    );
    // Of a shorter run its middle.
    let (middle, end) = (if samples.len() > 120 + WINDOW { 120 } else { samples.len() / 2 }, samples.len());
    let mut table = Table::new(&["", &format!("at second {middle}"), &format!("at second {end}"), "grown by"]);
    for (at, name) in ["VmRSS, MiB", "RssAnon, MiB", "open files", "threads"].into_iter().enumerate() {
        let around = |second: usize| {
            let window = &samples[second.saturating_sub(WINDOW)..second];
            Sample::of(window.iter().map(|sample| sample[at])).median()
        };
        let (before, after) = (around(middle), around(end));
        let grown = (after / before - 1.0) * 100.0;
        table.row(&[name.to_owned(), format!("{before:.1}"), format!("{after:.1}"), format!("{grown:.1} %")]);
    }
    table.done(&format!("soak_{mode}"));
}

fn ask(addr: SocketAddr, over: &AtomicBool, tally: &Tally) {
    let mut client = Client::new(addr);
    while !over.load(Ordering::Relaxed) {
        tally.requests.fetch_add(1, Ordering::Relaxed);
        if !client.get().is_ok_and(|answer| answer.status == 200) {
            tally.failed.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(2));
    }
}
