//! The journal as a page reads it.

use std::{sync::Arc, time::Duration};

use super::{Journal, lines, story};
use crate::{
    core::fact::{Fact, SwapHow, Times},
    model::{Exit, Line, Report, Revision, RunId, Stream},
};

fn at(millis: u64) -> Duration {
    Duration::from_millis(1_000 + millis)
}

fn journal(facts: &[(u64, Fact)]) -> Journal {
    let journal = Journal::default();
    facts.iter().for_each(|(millis, fact)| journal.fact(at(*millis), fact, "said", "neutral"));
    journal
}

fn step(revision: u64, run: u64) -> Fact {
    let (step, why) = ("build".into(), "main.go changed".to_owned());
    Fact::StepStarted { revision: Revision(revision), run: RunId(run), step, why }
}

fn starting(revision: u64, run: u64) -> Fact {
    let (service, why) = ("api".into(), "new artifact".to_owned());
    Fact::Starting { revision: Revision(revision), run: RunId(run), service, swap: SwapHow::Overlap, why }
}

fn live(revision: u64, run: u64) -> Fact {
    let times = Times { swap_ms: 1.0, ..Times::default() };
    let (service, revision, run) = ("api".into(), Revision(revision), RunId(run));
    Fact::Live { revision, run, service, times, warning: None, stale: None }
}

/// `kind from-to state` of every phase of the newest revision.
fn phases(journal: &Journal) -> Vec<String> {
    let all = journal.since(0).unwrap();
    let newest = all["revisions"].as_array().unwrap().last().unwrap().clone();
    let shown = |phase: &serde_json::Value| {
        let (from, to) = (phase["from"].as_f64().unwrap() - 1_000.0, phase["to"].as_f64().map(|to| to - 1_000.0));
        let to = to.map(|to| to.to_string()).unwrap_or_default();
        let word = |key: &str| phase[key].as_str().unwrap().to_owned();
        format!("{} {from}-{to} {}", word("kind"), word("state"))
    };
    newest["phases"].as_array().unwrap().iter().map(shown).collect()
}

#[test]
fn a_save_is_told_from_its_first_event_to_the_end_of_the_old_instance() {
    let saved = Fact::Saved {
        revision: Revision(2),
        files: vec!["main.go".to_owned()],
        count: 1,
        settle_ms: 12.0,
        reads: vec!["build".into()],
    };
    let done = Fact::StepDone {
        revision: Revision(2),
        run: RunId(3),
        step: "build".into(),
        took_ms: 300.0,
        result: "new artifact".to_owned(),
    };
    let probing = Fact::Probing { run: RunId(4), service: "api".into(), pid: 9, port: Some(20_000) };
    let stopped = Fact::Stopped { run: RunId(2), name: "api".into(), exit: Exit::Code(0) };
    let journal = journal(&[
        (50, live(1, 2)),
        (112, saved),
        (112, step(2, 3)),
        (412, done),
        (412, starting(2, 4)),
        (415, probing),
        (460, live(2, 4)),
        (500, stopped),
    ]);
    assert_eq!(
        phases(&journal),
        [
            "settle 100-112 good",
            "step 112-412 good",
            "start 412-415 good",
            "ready 415-459 good",
            "swap 459-460 good",
            "drain 460-500 good",
        ]
    );
    let all = journal.since(0).unwrap();
    let newest = &all["revisions"][1];
    assert_eq!((&newest["files"][0], &newest["began"]), (&"main.go".into(), &1_100.0.into()));
}

#[test]
fn what_failed_or_was_cancelled_or_runs_says_so() {
    let failed = Fact::StepFailed {
        revision: Revision(1),
        run: RunId(1),
        step: "build".into(),
        exit: Exit::Code(1),
        took_ms: 10.0,
        report: Report::new("step `build` failed"),
    };
    let cancelled = Fact::Cancelled { run: RunId(2), name: "build".into(), why: "a.go changed".to_owned() };
    let journal = journal(&[(0, step(1, 1)), (10, failed), (10, step(1, 2)), (20, cancelled), (20, step(1, 3))]);
    assert_eq!(phases(&journal), ["step 0-10 failed", "step 10-20 cancelled", "step 20- running"]);
}

#[test]
fn only_what_is_new_is_told_again() {
    let journal = journal(&[(0, step(1, 1)), (1, step(2, 2))]);
    let first = journal.since(0).unwrap();
    assert_eq!((first["revisions"].as_array().unwrap().len(), first["lines"].as_array().unwrap().len()), (2, 2));
    let version = first["version"].as_u64().unwrap();
    assert_eq!(journal.since(version), None);
    journal.fact(at(2), &starting(2, 3), "api starts", "good");
    let next = journal.since(version).unwrap();
    assert_eq!((&next["revisions"][0]["revision"], &next["revisions"][1]), (&2.into(), &serde_json::Value::Null));
    assert_eq!((&next["lines"][0]["text"], &next["lines"][0]["tone"]), (&"api starts".into(), &"good".into()));
}

#[test]
fn lines_are_kept_without_escapes_and_cut() {
    let journal = Journal::default();
    let line = |text: String| Line { source: "api".into(), run: RunId(1), stream: Stream::Err, text };
    journal.line(at(5), &line("\u{1b}[31mred\u{1b}[0m ü".to_owned()));
    journal.line(at(6), &line("é".repeat(1_000_000)));
    let all = journal.since(0).unwrap();
    assert_eq!((&all["lines"][0]["text"], &all["lines"][0]["stream"]), (&"red ü".into(), &"err".into()));
    assert_eq!(all["lines"][1]["text"].as_str().unwrap().chars().count(), lines::LONGEST);
}

#[test]
fn whatever_happens_the_journal_stays_small() {
    let journal = Journal::default();
    let text: Arc<str> = "x".repeat(1_000).into();
    for number in 0..10_000 {
        let line = Line { source: "api".into(), run: RunId(1), stream: Stream::Out, text: text.to_string() };
        journal.line(at(number), &line);
        journal.fact(at(number), &step(1_000, number), "x", "neutral");
        journal.fact(at(number), &step(number, number), "x", "neutral");
    }
    let all = journal.since(0).unwrap();
    let kept = all["lines"].as_array().unwrap();
    assert!(kept.len() <= lines::MOST);
    assert!(kept.iter().map(|line| line["text"].as_str().unwrap().len()).sum::<usize>() <= lines::BYTES);
    let revisions = all["revisions"].as_array().unwrap();
    assert_eq!(revisions.len(), story::MOST);
    assert!(revisions.iter().all(|story| story["phases"].as_array().unwrap().len() <= story::PHASES));
}
