//! Many files at once, and content that was there before: `git checkout` of a branch in which `BENCH_CHANGED` (2,000)
//! files differ, back and forth, and the undo of an edit.

use std::{process::Command, time::Instant};

use super::support::{
    by_hand,
    client::until_it_answers,
    devloop::Devloop,
    installed, ms, number,
    project::{Kind, Project},
    stats::Sample,
    table::Table,
};

const ROUNDS: usize = 10;
const UNDOS: usize = 50;

pub fn run() {
    undo();
    if installed("git").is_some() {
        checkout();
    }
}

/// Two contents in turn: both were built before, so that only the program has to start.
fn undo() {
    let (project, twin) = (Project::new(Kind::Script, ""), Project::new(Kind::Script, ""));
    let mut devloop = Devloop::start(&project);
    let addr = devloop.address();
    devloop.event("at_rest");
    let (mut totals, mut outside, mut built) = (Vec::new(), Vec::new(), 0);
    for turn in 0..UNDOS + 2 {
        let hand = by_hand::edit(Kind::Script, &twin, "undo");
        let before = devloop.count("step_started");
        let version = ["one", "two"][turn % 2];
        project.write("version.txt", &Kind::Script.content(version));
        let total = until_it_answers(addr, version);
        devloop.event("at_rest");
        if turn >= 2 {
            built += devloop.count("step_started") - before;
            totals.push(ms(total));
            outside.push(ms(total) - ms(hand.start));
        }
    }
    devloop.stop();
    println!("{UNDOS} undos, times in ms");
    let mut table = Table::new(&["undo", "median", "95 of 100"]);
    for (name, numbers) in [("save to the old answer", totals), ("… without the program's own start", outside)] {
        let sample = Sample::of(numbers);
        table.row(&[name.to_owned(), format!("{:.1}", sample.median()), format!("{:.1}", sample.p95())]);
    }
    table.row(&["builds".to_owned(), built.to_string(), String::new()]);
    table.done("undo");
}

fn checkout() {
    let files = number("BENCH_CHANGED", 2000);
    let project = Project::new(Kind::Script, "");
    let plan = std::fs::read_to_string(project.path("dev.toml")).expect("it was just written");
    let plan = plan.replace("inputs = [\"version.txt\", \"build.sh\"]\n", "cache = false\n");
    project.write("dev.toml", &plan);
    project.write(".gitignore", ".devloop\n");
    let git = |words: &[&str]| {
        let words = [&["-c", "user.name=bench", "-c", "user.email=bench@example.com"], words].concat();
        let done = Command::new("git").args(words).current_dir(project.root()).output().expect("git starts");
        assert!(done.status.success(), "git fails: {}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "-q", "-b", "one"]);
    for branch in ["one", "two"] {
        if branch == "two" {
            git(&["checkout", "-q", "-b", "two"]);
        }
        project.write("version.txt", &format!("{branch}\n"));
        for file in 0..files {
            project.write(format!("src/part{}/file{file}.txt", file / 40), &format!("{branch} {file}\n"));
        }
        git(&["add", "."]);
        git(&["commit", "-q", "-m", branch]);
    }
    let mut devloop = Devloop::start(&project);
    let addr = devloop.address();
    devloop.event("at_rest");
    let (mut runs, mut gits, mut waits) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let branch = ["one", "two"][round % 2];
        let before = devloop.count("step_started");
        let begin = Instant::now();
        git(&["checkout", "-q", branch]);
        gits.push(ms(begin.elapsed()));
        waits.push(ms(until_it_answers(addr, branch)));
        devloop.event("at_rest");
        runs.push((devloop.count("step_started") - before) as f64);
    }
    devloop.stop();
    println!("{ROUNDS} checkouts of {files} files");
    let mut table = Table::new(&["checkout", "median", "worst"]);
    let rows = [("runs of the step", runs), ("git itself, ms", gits), ("from then to the new answer, ms", waits)];
    for (name, numbers) in rows {
        let sample = Sample::of(numbers);
        table.row(&[name.to_owned(), format!("{:.0}", sample.median()), format!("{:.0}", sample.max())]);
    }
    table.done("checkout");
}
