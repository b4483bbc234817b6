//! Every fact, as text and as JSON, word for word; docs/json.md shows the same lines.

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use super::{Format, Printer, Reader, Stamp};
use crate::{
    core::fact::{Fact, SwapHow, Times},
    error::Colour,
    model::{Exit, Line, Place, Report, Revision, RunId, Stream, Time},
    plan::{Attach, Begin},
};

const DOCS: &str = include_str!("../../docs/json.md");

fn stamp() -> Stamp {
    // 2026-11-22T15:04:05.123Z
    Stamp { at: Time::from_start(Duration::from_micros(1_234_500)), unix: Duration::from_millis(1_795_359_845_123) }
}

fn report() -> Report {
    Report {
        title: "step `build` failed: exit code 1".to_owned(),
        output: vec!["# example/cmd/api".to_owned(), "cmd/api/main.go:12:5: undefined: x".to_owned()],
        coloured: Vec::new(),
        places: vec![Place {
            file: "cmd/api/main.go".to_owned(),
            line: 12,
            column: Some(5),
            message: "undefined: x".to_owned(),
        }],
        hint: Some("fix the first one first".to_owned()),
    }
}

fn times() -> Times {
    Times {
        settle_ms: Some(11.2),
        steps: vec![("build".into(), 310.4)],
        start_ms: 3.1,
        ready_ms: 85.0,
        swap_ms: 0.8,
        total_ms: 411.5,
    }
}

#[test]
fn what_is_told_as_json_is_read_again_as_it_was() {
    for (fact, _) in samples() {
        let text = super::json::fact(stamp(), &fact);
        assert_eq!(serde_json::from_str::<Fact>(&text).expect("it can be read"), fact, "{text}");
    }
}

/// One of each kind, with what is printed for it below the time.
fn samples() -> Vec<(Fact, &'static str)> {
    let api: Arc<str> = "api".into();
    let build: Arc<str> = "build".into();
    let main = || "cmd/api/main.go".to_owned();
    let (revision, run) = (Revision(5), RunId(12));
    vec![
        (
            Fact::Saved {
                revision,
                files: vec![main()],
                count: 1,
                settle_ms: 11.2,
                reads: vec![build.clone(), api.clone()],
            },
            "saved cmd/api/main.go: revision 5, settled in 11 ms, read by build, api",
        ),
        (
            Fact::Unchanged { files: vec![main()], why: "same content".to_owned() },
            "nothing to do for cmd/api/main.go: same content",
        ),
        (
            Fact::StepStarted { revision, run, step: build.clone(), why: "cmd/api/main.go changed".to_owned() },
            "build runs for revision 5: cmd/api/main.go changed",
        ),
        (
            Fact::StepDone { revision, run, step: build.clone(), took_ms: 310.4, result: "a new artifact".to_owned() },
            "build done in 310 ms: a new artifact",
        ),
        (
            Fact::StepReused { revision, step: build.clone(), made_by: RunId(7) },
            "build not needed for revision 5: run 7 made it from the same content",
        ),
        (
            Fact::StepFailed {
                revision,
                run,
                step: build.clone(),
                exit: Exit::Code(1),
                took_ms: 12_345.6,
                report: report(),
            },
            "build failed after 12.3 s: exit code 1\n  cmd/api/main.go:12:5: undefined: x\n  output:\n    # example/cmd/api\n    \
             cmd/api/main.go:12:5: undefined: x\n  hint: fix the first one first",
        ),
        (
            Fact::Cancelled { run, name: build.clone(), why: "cmd/api/main.go changed again".to_owned() },
            "build cancelled (run 12): cmd/api/main.go changed again",
        ),
        (
            Fact::Void { run, step: build.clone(), file: main() },
            "build runs again: cmd/api/main.go was written while it ran",
        ),
        (
            Fact::Starting {
                revision,
                run,
                service: api.clone(),
                swap: SwapHow::Overlap,
                why: "artifact of `build` changed".to_owned(),
            },
            "api starts for revision 5 (overlap): artifact of `build` changed",
        ),
        (
            Fact::Probing { run, service: api.clone(), pid: 4711, port: Some(20_123) },
            "api runs as process 4711 on port 20123: waiting until it is ready",
        ),
        (
            Fact::Debugging {
                service: api.clone(),
                run,
                debugger: "dlv".into(),
                address: "127.0.0.1:2345".to_owned(),
                begin: Begin::Run,
                attach: vec![Attach { editor: "terminal".to_owned(), how: "dlv connect 127.0.0.1:2345".to_owned() }],
            },
            "api runs under dlv: attach to 127.0.0.1:2345\n  terminal: dlv connect 127.0.0.1:2345",
        ),
        (Fact::DebuggingOver { service: api.clone() }, "api is not debugged any more"),
        (
            Fact::Live {
                revision,
                run,
                service: api.clone(),
                times: times(),
                warning: Some("`GET /` answers 500".to_owned()),
                stale: Some("cmd/api/main.go was saved again".to_owned()),
            },
            "api live: revision 5, total 412 ms (settle 11, build 310, start 3, ready 85, swap 1)\n  warning: `GET /` answers 500\n  \
             already stale: cmd/api/main.go was saved again",
        ),
        (
            Fact::Kept { revision, service: api.clone(), why: "artifact of `build` is the same".to_owned() },
            "api stays for revision 5: artifact of `build` is the same",
        ),
        (
            Fact::Assets { service: api.clone(), files: vec!["static/app.css".to_owned()], count: 1 },
            "pages of api are told of static/app.css",
        ),
        (
            Fact::Files { folder: "public".into(), files: vec!["public/app.css".to_owned()], count: 1 },
            "pages are told of public/app.css",
        ),
        (
            Fact::StartFailed {
                revision,
                run,
                service: api.clone(),
                took_ms: 60_012.3,
                report: Report::new("not ready within 60 s: connection refused on port 20123")
                    .hint("does it read $PORT?"),
                serving: "revision 4 still serves".to_owned(),
            },
            "api did not come up for revision 5 after 60.0 s: not ready within 60 s: connection refused on port 20123; \
             revision 4 still serves\n  hint: does it read $PORT?",
        ),
        (
            Fact::Crashed {
                run,
                service: api.clone(),
                exit: Exit::Signal(11),
                report: Report::new("service `api` crashed: killed by SIGSEGV"),
                restart_in_ms: Some(200.0),
            },
            "api crashed: killed by SIGSEGV; starts again in 200 ms",
        ),
        (Fact::Stopped { run, name: api.clone(), exit: Exit::Code(0) }, "api stopped (run 12): exit code 0"),
        (
            Fact::Stale { service: api.clone(), why: "step `build` failed".to_owned() },
            "api is stale: step `build` failed",
        ),
        (
            Fact::Breaker {
                step: build.clone(),
                file: "gen/version.go".to_owned(),
                wait_ms: 6_000.0,
                hint: "add gen/version.go to its `outputs`".to_owned(),
            },
            "build waits 6000 ms: gen/version.go starts it again and again\n  hint: add gen/version.go to its `outputs`",
        ),
        (Fact::PlanChanged { touched: vec![build.clone(), api.clone()] }, "dev.toml changed: build, api"),
        (
            Fact::PlanInvalid {
                report: Report {
                    output: vec!["dev.toml:3:1: unknown key".to_owned()],
                    ..Report::new("1 problem in dev.toml")
                },
            },
            "the old plan stays: 1 problem in dev.toml\n  output:\n    dev.toml:3:1: unknown key",
        ),
        (
            Fact::Exclusive { service: api.clone(), why: "address in use on port 8080".to_owned() },
            "api is replaced exclusively from now on, the old one stops first: address in use on port 8080",
        ),
        (
            Fact::Note {
                text: "port 3000 is taken: the proxy listens on 3001".to_owned(),
                hint: Some("set `listen` in `[proxy]`".to_owned()),
            },
            "port 3000 is taken: the proxy listens on 3001\n  hint: set `listen` in `[proxy]`",
        ),
        (
            Fact::Pinned { service: api.clone(), revision: Revision(4) },
            "api goes back to revision 4; the next save goes forward again",
        ),
        (Fact::Unpinned { service: api.clone(), why: "a save".to_owned() }, "api goes forward again: a save"),
        (Fact::Paused, "watching is paused: saves start nothing until `devloop resume`"),
        (Fact::Resumed { files: 2 }, "watching goes on: 2 files were written meanwhile"),
        (
            Fact::Listening {
                url: "http://localhost:3000".to_owned(),
                addresses: vec!["127.0.0.1:3000".to_owned(), "[::1]:3000".to_owned()],
            },
            "listening on http://localhost:3000",
        ),
        (Fact::AtRest { ok: true, revision }, "at rest: everything is at revision 5"),
        (Fact::Quitting { why: "Ctrl-C".to_owned() }, "ending: Ctrl-C"),
    ]
}

/// A number for each kind; no kind can be forgotten here, and so none above.
fn kind(fact: &Fact) -> usize {
    match fact {
        Fact::Saved { .. } => 0,
        Fact::Unchanged { .. } => 1,
        Fact::StepStarted { .. } => 2,
        Fact::StepDone { .. } => 3,
        Fact::StepReused { .. } => 4,
        Fact::StepFailed { .. } => 5,
        Fact::Cancelled { .. } => 6,
        Fact::Void { .. } => 7,
        Fact::Starting { .. } => 8,
        Fact::Probing { .. } => 9,
        Fact::Live { .. } => 10,
        Fact::Kept { .. } => 11,
        Fact::StartFailed { .. } => 12,
        Fact::Crashed { .. } => 13,
        Fact::Stopped { .. } => 14,
        Fact::Stale { .. } => 15,
        Fact::Breaker { .. } => 16,
        Fact::PlanChanged { .. } => 17,
        Fact::PlanInvalid { .. } => 18,
        Fact::Exclusive { .. } => 19,
        Fact::Note { .. } => 20,
        Fact::AtRest { .. } => 21,
        Fact::Quitting { .. } => 22,
        Fact::Listening { .. } => 23,
        Fact::Pinned { .. } => 24,
        Fact::Unpinned { .. } => 25,
        Fact::Paused => 26,
        Fact::Resumed { .. } => 27,
        Fact::Assets { .. } => 28,
        Fact::Debugging { .. } => 29,
        Fact::DebuggingOver { .. } => 30,
        Fact::Files { .. } => 31,
    }
}

fn printer(format: Format) -> Printer<Vec<u8>> {
    Printer::new(Vec::new(), format, ["api".into(), "build".into()])
}

fn text(printer: Printer<Vec<u8>>) -> String {
    String::from_utf8(printer.into_inner()).unwrap()
}

fn printed(format: Format, fact: &Fact) -> String {
    let mut printer = printer(format);
    printer.fact(stamp(), fact);
    text(printer)
}

fn line(source: &str, written: &str) -> Line {
    Line { source: source.into(), run: RunId(12), stream: Stream::Out, text: written.to_owned() }
}

fn printed_line(format: Format, line: &Line) -> String {
    let mut printer = printer(format);
    printer.line(stamp(), line);
    text(printer)
}

#[test]
fn there_is_a_sample_of_every_kind_of_fact() {
    let kinds: Vec<usize> = samples().iter().map(|(fact, _)| kind(fact)).collect();
    let mut kinds = kinds;
    kinds.sort_unstable();
    assert_eq!(kinds, (0..=31).collect::<Vec<_>>());
}

#[test]
fn every_fact_has_its_words() {
    for (fact, said) in samples() {
        let wanted: String = said.lines().map(|line| format!("  +1.234s devloop | {line}\n")).collect();
        assert_eq!(printed(Format::Plain(Colour::Never), &fact), wanted);
    }
}

#[test]
fn the_words_follow_what_a_fact_leaves_out() {
    let api: Arc<str> = "api".into();
    let revision = Revision(5);
    let files = |count| (0..count).map(|index| format!("{index}.go")).collect::<Vec<_>>();
    for (fact, said) in [
        (
            Fact::Saved { revision, files: files(10), count: 2_000, settle_ms: 60.0, reads: vec![api.clone()] },
            "saved 0.go, 1.go, 2.go and 1997 more: revision 5, settled in 60 ms, read by api",
        ),
        (
            Fact::Probing { run: RunId(1), service: api.clone(), pid: 1, port: None },
            "api runs as process 1: waiting until it is ready",
        ),
        (
            Fact::Live {
                revision,
                run: RunId(1),
                service: api.clone(),
                times: Times { total_ms: 75_000.0, steps: vec![("build".into(), 74_000.0)], ..Times::default() },
                warning: None,
                stale: None,
            },
            "api live: revision 5, total 75.0 s (build 74.0 s, start 0 ms, ready 0 ms, swap 0 ms)",
        ),
        (
            Fact::Crashed {
                run: RunId(1),
                service: api.clone(),
                exit: Exit::Code(0),
                report: Report::new("x"),
                restart_in_ms: None,
            },
            "api ended by itself: exit code 0; left alone until the next change",
        ),
        (
            Fact::Crashed {
                run: RunId(1),
                service: api.clone(),
                exit: Exit::Code(2),
                report: Report::new("x"),
                restart_in_ms: Some(0.0),
            },
            "api crashed: exit code 2; starts again at once",
        ),
        (Fact::PlanChanged { touched: Vec::new() }, "dev.toml changed: nothing has to start again"),
        (Fact::Note { text: "a note".to_owned(), hint: None }, "a note"),
        (Fact::AtRest { ok: false, revision }, "at rest: revision 5 is not live, see above"),
    ] {
        assert_eq!(printed(Format::Plain(Colour::Never), &fact), format!("  +1.234s devloop | {said}\n"));
    }
}

#[test]
fn a_long_output_shows_its_last_lines() {
    let output = (1..=13).map(|number| format!("line {number}")).collect();
    let fact = Fact::PlanInvalid { report: Report { output, ..Report::new("bad") } };
    let shown = printed(Format::Plain(Colour::Never), &fact);
    assert!(shown.contains("|   output, 3 lines above left out:\n"), "{shown}");
    assert!(shown.contains("|     line 4\n") && !shown.contains("line 3\n"), "{shown}");
}

#[test]
fn every_fact_is_documented_with_exactly_this_line() {
    for (fact, _) in samples() {
        let json = printed(Format::Json, &fact);
        assert!(DOCS.contains(&json), "docs/json.md does not show\n{json}");
    }
    let json = printed_line(Format::Json, &line("api", "listening on :20123"));
    assert!(DOCS.contains(&json), "docs/json.md does not show\n{json}");
}

#[test]
fn every_field_is_described_in_the_section_of_its_event() {
    for (fact, _) in samples() {
        let json: serde_json::Value = serde_json::from_str(&printed(Format::Json, &fact)).unwrap();
        let event = json["event"].as_str().unwrap();
        let section =
            DOCS.split(&format!("### `{event}`\n")).nth(1).unwrap_or_else(|| panic!("no section for `{event}`"));
        let section = section.split("\n### ").next().unwrap();
        let fields: BTreeSet<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        for field in fields.difference(&BTreeSet::from(["time", "at_ms", "event"])) {
            assert!(section.contains(&format!("| `{field}` |")), "`{field}` of `{event}` is not described");
        }
    }
}

#[test]
fn output_is_prefixed_with_its_source_in_a_column_that_fits_all_names() {
    let mut printer = printer(Format::Plain(Colour::Never));
    printer.line(stamp(), &line("api", "listening"));
    printer.line(stamp(), &line("a-longer-name", "x"));
    printer.line(stamp(), &line("api", ""));
    printer.fact(stamp(), &Fact::Quitting { why: "Ctrl-C".to_owned() });
    let wanted = "  +1.234s api     | listening\n  +1.234s a-longer-name | x\n  +1.234s api           |\n  +1.234s devloop       | ending: Ctrl-C\n";
    assert_eq!(text(printer), wanted);
}

#[test]
fn colours_of_programs_stay_only_where_colours_are_wanted() {
    let red = line("api", "\u{1b}[31mred");
    assert_eq!(printed_line(Format::Plain(Colour::Never), &red), "  +1.234s api     | red\n");
    let coloured = printed_line(Format::Plain(Colour::Always), &red);
    assert!(coloured.ends_with(" | \u{1b}[31mred\u{1b}[0m\n"), "{coloured:?}");
    assert!(coloured.contains("\u{1b}[38;5;14mapi    \u{1b}[0m"), "{coloured:?}");
    let other = printed_line(Format::Plain(Colour::Always), &line("build", "x"));
    assert!(other.contains("\u{1b}[38;5;13mbuild  \u{1b}[0m"), "{other:?}");
}

#[test]
fn with_colours_a_fact_is_the_same_text() {
    for (fact, _) in samples() {
        let coloured = printed(Format::Plain(Colour::Always), &fact);
        let plain: String = coloured.lines().map(|line| super::sanitize(line, Colour::Never) + "\n").collect();
        assert_eq!(plain, printed(Format::Plain(Colour::Never), &fact));
    }
}

#[test]
fn what_a_fact_quotes_cannot_drive_the_terminal() {
    let fact = Fact::Unchanged { files: vec!["a\u{1b}[2J\nb".to_owned()], why: "same content".to_owned() };
    assert_eq!(
        printed(Format::Plain(Colour::Never), &fact),
        "  +1.234s devloop | nothing to do for a b: same content\n"
    );
}

#[test]
fn json_keeps_output_as_it_was_written() {
    let shown = printed_line(Format::Json, &line("api", "\u{1b}[31m\"é\u{0}"));
    let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(json["text"], "\u{1b}[31m\"é\u{0}");
    assert_eq!(shown.lines().count(), 1);
}

struct Closed;

impl io::Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_writing_only() {
    let mut printer = Printer::new(Closed, Format::Plain(Colour::Never), []);
    assert_eq!(printer.reader(), Reader::There);
    printer.line(stamp(), &line("api", "x"));
    assert_eq!(printer.reader(), Reader::Gone);
    printer.fact(stamp(), &Fact::Quitting { why: "Ctrl-C".to_owned() });
    printer.flush();
}
