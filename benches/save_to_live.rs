//! From the end of a write to the first new answer, less what the same build and the same program take by hand.
//!
//! `BENCH_EDITS` (100) edits of a shell-made program, and a fifth as many of one in Go. Everything is interleaved: each
//! edit is made by hand in a twin of the project, then under devloop, then under every other tool that is installed.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::{
    by_hand::{self, Cost},
    client::until_it_answers,
    devloop::Devloop,
    installed, ms, number, peers,
    project::{Kind, Project},
    stats::Sample,
    table::Table,
};

/// The time between two edits, so that everything before is over: nobody saves a hundred times a second.
const PAUSE: Duration = Duration::from_millis(20);

pub fn run() {
    let edits = number("BENCH_EDITS", 100);
    measure(Kind::Script, edits, "save_to_live", "a shell script");
    if installed("go").is_some() {
        measure(Kind::Go, (edits / 5).max(3), "save_to_live_go", "a Go program");
    }
}

/// One edit under devloop, and by hand beside it.
struct Edit {
    hand: Cost,
    total: Duration,
    live: Value,
}

fn measure(kind: Kind, edits: usize, file: &str, what: &str) {
    let (project, twin) = (Project::new(kind, ""), Project::new(kind, ""));
    let mut devloop = Devloop::start(&project);
    let addr = devloop.address();
    devloop.event("live");
    let others = peers::all(kind);
    let mut totals: Vec<Vec<Option<f64>>> = others.iter().map(|_| Vec::new()).collect();
    let mut done = Vec::new();
    // The first two warm the caches up.
    for edit in 0..edits + 2 {
        devloop.event("at_rest");
        std::thread::sleep(PAUSE);
        let hand = by_hand::edit(kind, &twin, &format!("hand-{edit}"));
        std::thread::sleep(PAUSE);
        let version = format!("version-{edit}");
        project.write(kind.source(), &kind.content(&version));
        let begin = Instant::now();
        until_it_answers(addr, &version);
        let total = begin.elapsed();
        let live = devloop.event("live");
        for (peer, totals) in others.iter().zip(&mut totals) {
            totals.push(peer.edit(&version).map(ms));
        }
        done.push(Edit { hand, total, live });
    }
    devloop.stop();
    show(&done[2..], file, what);
    compare(&done[2..], others.iter().map(|peer| peer.name).zip(totals), &format!("{file}_peers"));
}

fn show(edits: &[Edit], file: &str, what: &str) {
    println!("{} edits of {what}, times in ms", edits.len());
    let mut table = Table::new(&["", "10 of 100", "median", "95 of 100"]);
    let mut row = |name: &str, value: &dyn Fn(&Edit) -> f64| {
        let sample = Sample::of(edits.iter().map(value));
        let cells = [sample.quantile(0.1), sample.median(), sample.p95()].map(|value| format!("{value:.1}"));
        table.row(&[vec![name.to_owned()], cells.to_vec()].concat());
    };
    row("save to the first new answer", &|edit| ms(edit.total));
    row("the same work by hand", &|edit| ms(edit.hand.total));
    row("**time outside of it**", &|edit| ms(edit.total) - ms(edit.hand.total));
    row("settle", &|edit| time(edit, "settle_ms"));
    row("build", &step);
    row("… by hand", &|edit| ms(edit.hand.build));
    row("start", &|edit| time(edit, "start_ms"));
    row("ready", &|edit| time(edit, "ready_ms"));
    row("… start to answer by hand", &|edit| ms(edit.hand.start));
    row("swap", &|edit| time(edit, "swap_ms"));
    row("between them", &|edit| {
        let parts = ["settle_ms", "start_ms", "ready_ms", "swap_ms"].map(|name| time(edit, name));
        time(edit, "total_ms") - parts.iter().sum::<f64>() - step(edit)
    });
    row("from live to the answer", &|edit| ms(edit.total) - time(edit, "total_ms"));
    table.done(file);
}

fn compare(edits: &[Edit], others: impl Iterator<Item = (&'static str, Vec<Option<f64>>)>, file: &str) {
    let mut table = Table::new(&["save to the first new answer, ms", "median", "95 of 100", "never, within 10 s"]);
    let mut row = |name: &str, times: &[Option<f64>]| {
        let sample = Sample::of(times.iter().flatten().copied());
        let never = times.iter().filter(|time| time.is_none()).count();
        let cells = [format!("{:.0}", sample.median()), format!("{:.0}", sample.p95()), never.to_string()];
        table.row(&[vec![name.to_owned()], cells.to_vec()].concat());
    };
    row("by hand", &edits.iter().map(|edit| Some(ms(edit.hand.total))).collect::<Vec<_>>());
    row("devloop", &edits.iter().map(|edit| Some(ms(edit.total))).collect::<Vec<_>>());
    for (name, totals) in others {
        row(name, &totals[2..]);
    }
    table.done(file);
}

fn time(edit: &Edit, name: &str) -> f64 {
    edit.live["times"][name].as_f64().unwrap_or(f64::NAN)
}

fn step(edit: &Edit) -> f64 {
    edit.live["times"]["steps"][0][1].as_f64().unwrap_or(f64::NAN)
}
