//! The journal as a page reads it.

use std::time::Duration;

use serde_json::json;

use super::{Said, Stories, Voice, lines, shown, story};
use crate::{
    core::fact::{Fact, SwapHow, Times},
    model::{Exit, Line, Report, Revision, RunId, Stream},
};

fn at(millis: u64) -> Duration {
    Duration::from_millis(1_000 + millis)
}

fn stories(facts: &[(u64, Fact)]) -> Stories {
    let mut stories = Stories::default();
    (1..).zip(facts).for_each(|(number, (millis, fact))| stories.tell(number, at(*millis), fact));
    stories
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
fn phases(stories: &Stories) -> Vec<String> {
    let newest = stories.since(0).pop().unwrap();
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
    let stories = stories(&[
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
        phases(&stories),
        [
            "settle 100-112 good",
            "step 112-412 good",
            "start 412-415 good",
            "ready 415-459 good",
            "swap 459-460 good",
            "drain 460-500 good",
        ]
    );
    let newest = &stories.since(0)[1];
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
    let stories = stories(&[(0, step(1, 1)), (10, failed), (10, step(1, 2)), (20, cancelled), (20, step(1, 3))]);
    assert_eq!(phases(&stories), ["step 0-10 failed", "step 10-20 cancelled", "step 20- running"]);
}

#[test]
fn only_what_is_new_is_told_again() {
    let mut stories = stories(&[(0, step(1, 1)), (1, step(2, 2))]);
    assert_eq!((stories.since(0).len(), stories.told()), (2, 2));
    assert!(stories.since(2).is_empty());
    stories.tell(7, at(2), &starting(2, 3));
    let next = stories.since(2);
    assert_eq!((next.len(), &next[0]["revision"], stories.told()), (1, &2.into(), 7));
}

fn program(line: &Line) -> Said<'_> {
    Said { number: 1, at: at(5), voice: Voice::Program(line) }
}

fn line(text: impl Into<String>) -> Line {
    Line { source: "api".into(), run: RunId(1), stream: Stream::Err, text: text.into() }
}

#[test]
fn a_line_says_who_wrote_it_and_one_of_devloop_in_which_tone() {
    let line = line("ready");
    let own = Said { number: 2, at: at(6), voice: Voice::Own("api starts".to_owned(), "good") };
    let of_program = json!({ "n": 1, "time": 1_005.0, "source": "api", "run": 1, "stream": "err", "text": "ready" });
    let own_line = json!({ "n": 2, "time": 1_006.0, "source": "devloop", "tone": "good", "text": "api starts" });
    assert_eq!(shown([program(&line), own].into_iter()), [of_program, own_line]);
}

#[test]
fn lines_are_shown_without_escapes_and_cut() {
    let lines = [line("\u{1b}[31mred\u{1b}[0m ü"), line("é".repeat(1_000_000))];
    let shown = shown(lines.iter().map(program));
    assert_eq!(shown[0]["text"], "red ü");
    assert_eq!(shown[1]["text"].as_str().unwrap().chars().count(), lines::LONGEST);
}

#[test]
fn a_page_is_shown_the_newest_of_many_lines_and_not_too_much_of_them() {
    let short: Vec<Line> = (0..lines::MOST + 10).map(|number| line(number.to_string())).collect();
    let few = shown(short.iter().map(program));
    assert_eq!(
        (few.len(), &few[0]["text"], &few[lines::MOST - 1]["text"]),
        (lines::MOST, &"10".into(), &"2009".into())
    );
    let long: Vec<Line> = (0..lines::MOST).map(|_| line("x".repeat(1_000))).collect();
    assert_eq!(shown(long.iter().map(program)).len(), lines::BYTES / 1_000);
}

#[test]
fn whatever_happens_the_stories_stay_few_and_short() {
    let mut stories = Stories::default();
    for number in 0..10_000 {
        stories.tell(2 * number, at(number), &step(1_000, number));
        stories.tell(2 * number + 1, at(number), &step(number, number));
    }
    let all = stories.since(0);
    assert_eq!(all.len(), story::MOST);
    assert!(all.iter().all(|story| story["phases"].as_array().unwrap().len() <= story::PHASES));
}
