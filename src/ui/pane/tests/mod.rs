//! The picture as text, for many states and sizes; and what keys do to it.
#![expect(clippy::disallowed_methods, reason = "a test's own files and variables")]

use std::{fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier},
};

use super::{Ask, Load, Pace, Seat, Signs, Spots, Steer, Theme, View, draw};
use crate::{
    core::{
        event::Earlier,
        fact::{Fact, Times},
        status::{GateState, InstanceStatus, ServiceStatus, Status, StepState, StepStatus, WatchingState},
    },
    error::Colour,
    model::{Line, Place, Report, Revision, RunId, Stream, Time},
    ui::Stamp,
};

mod keys;

fn at(millis: u64) -> Stamp {
    Stamp { at: Time::from_start(Duration::from_millis(millis)), unix: Duration::ZERO }
}

fn step(name: &str, state: StepState) -> StepStatus {
    StepStatus {
        name: name.into(),
        state,
        after: Vec::new(),
        why: None,
        began_ms: None,
        expected_ms: Some(1_400.0),
        took_ms: Some(1_380.0),
        report: None,
    }
}

fn instance(run: u64, revision: u64) -> InstanceStatus {
    InstanceStatus {
        run: RunId(run),
        revision: Revision(revision),
        since_ms: 1_000.0,
        pid: Some(4_711),
        port: Some(20_123),
    }
}

fn service(name: &str) -> ServiceStatus {
    ServiceStatus {
        name: name.into(),
        gate: GateState::Open,
        outcome: crate::core::status::OutcomeState::Live,
        live: Some(instance(3, 4)),
        starting: None,
        pinned: None,
        debugging: None,
        kept: vec![Revision(3)],
        draining: 0,
        stopping: 0,
        expected_ms: Some(600.0),
        waiting_for: None,
        stale: None,
        report: None,
    }
}

fn report() -> Report {
    Report {
        output: vec!["# example/cmd/api".to_owned(), "cmd/api/main.go:12:5: undefined: x".to_owned()],
        places: vec![
            Place { file: "cmd/api/main.go".into(), line: 12, column: Some(5), message: "undefined: x".into() },
            Place { file: "cmd/api/server.go".into(), line: 7, column: None, message: "missing return".into() },
        ],
        ..Report::new("step `build` failed: exit code 1").hint("fix the first one first")
    }
}

/// Two steps and a service, all is well.
fn status() -> Status {
    let mut build = step("build", StepState::Clean);
    build.after = vec!["wire".into()];
    Status {
        project: "shop".to_owned(),
        revision: Revision(4),
        steps: vec![step("wire", StepState::Clean), build],
        services: vec![service("api")],
        settling: Vec::new(),
        at_rest: true,
        watching: WatchingState::On,
        invalid_plan: None,
    }
}

fn theme() -> Theme {
    Theme { signs: Signs::Unicode, colour: Colour::Always }
}

fn view_of(status: Status, theme: Theme) -> View {
    let mut view = View::new(theme, Arc::new(status));
    let url = "http://localhost:3000".to_owned();
    view.fact(at(60), &Fact::Listening { url, addresses: Vec::new() });
    let times = Times {
        settle_ms: Some(12.0),
        steps: vec![("build".into(), 1_380.0)],
        start_ms: 31.0,
        ready_ms: 76.0,
        swap_ms: 1.0,
        total_ms: 1_500.0,
    };
    view.fact(
        at(1_500),
        &Fact::Live { revision: Revision(4), run: RunId(3), service: "api".into(), times, warning: None, stale: None },
    );
    for (source, text) in [
        ("api", "\u{1b}[32mINFO\u{1b}[0m listening on port 20123"),
        ("api", r#"{"time":"t","level":"WARN","msg":"slow query","ms":812,"table":"orders"}"#),
        ("wire", "wire: wrote wire_gen.go"),
        ("api", "2026/11/26 12:00:00 ERROR cannot reach the payment service: connection refused"),
    ] {
        let line = Line { source: source.into(), run: RunId(3), stream: Stream::Out, text: text.to_owned() };
        view.line(at(2_000), line);
    }
    view.load(vec![Load { service: "api".to_owned(), held: 0, per_second: 12 }]);
    view.at(Time::from_start(Duration::from_millis(6_200)));
    view
}

type Change = fn(&mut Status);

/// Every state that is worth a picture, by name.
const STATES: &[(&str, Change)] = &[
    ("live", |_| {}),
    ("starting", |status| {
        status.at_rest = false;
        status.steps[0].state = StepState::Running;
        status.steps[0].why = Some("first run".to_owned());
        status.steps[0].began_ms = Some(6_000.0);
        status.steps[0].expected_ms = None;
        status.steps[1].state = StepState::Waiting;
        status.services[0].live = None;
        status.services[0].gate = GateState::Holding;
        status.services[0].waiting_for = Some("running `wire`".into());
    }),
    ("building", |status| {
        status.at_rest = false;
        status.revision = Revision(5);
        status.steps[1].state = StepState::Running;
        status.steps[1].why = Some("cmd/api/main.go changed".to_owned());
        status.steps[1].began_ms = Some(5_000.0);
        status.services[0].gate = GateState::Awaiting;
        status.services[0].waiting_for = Some("running `build`".into());
    }),
    ("swapping", |status| {
        status.at_rest = false;
        status.revision = Revision(5);
        status.services[0].starting = Some(InstanceStatus { since_ms: 5_900.0, ..instance(7, 5) });
        status.services[0].draining = 1;
    }),
    ("failed", |status| {
        status.revision = Revision(5);
        status.steps[1].state = StepState::Failed;
        status.steps[1].report = Some(Arc::new(report()));
        status.services[0].stale = Some("step `build` failed: exit code 1".into());
    }),
    ("logs-json", |status| {
        status.services[0].stale = Some("service `api` ended before it was ready: exit code 3".into());
        let output = vec![r#"{"time":"t","level":"ERROR","msg":"no config","file":"shop.yaml"}"#.to_owned()];
        let report = Report { output, ..Report::new("service `api` ended before it was ready: exit code 3") };
        status.services[0].report = Some(Arc::new(report));
    }),
    ("crashed", |status| {
        status.services[0].live = None;
        status.services[0].gate = GateState::Failed;
        let output = vec!["panic: boom".to_owned(), "goroutine 1 [running]:".to_owned()];
        let report = Report { output, ..Report::new("service `api` crashed: exit code 2") };
        status.services[0].report = Some(Arc::new(report));
    }),
    ("stopping", |status| {
        status.at_rest = false;
        status.revision = Revision(6);
        status.steps[0].state = StepState::Stopping;
        status.steps[1].state = StepState::Waiting;
        status.steps[1].why = Some("cmd/api/main.go changed".to_owned());
        status.services[0].gate = GateState::Awaiting;
        status.services[0].waiting_for = Some("stopping `wire`".into());
    }),
    ("start-failed", |status| {
        status.revision = Revision(5);
        let title = "`/healthz` answers 404 while `GET /` answers 200: is `health` wrong?";
        let report = Report::new(title).hint("dev.toml says `health = \"/healthz\"` for service `api`");
        status.services[0].stale = Some(title.into());
        status.services[0].report = Some(Arc::new(report));
    }),
    ("settling", |status| {
        status.at_rest = false;
        status.settling = vec!["cmd/api/main.go".to_owned()];
    }),
    ("paused", |status| {
        status.watching = WatchingState::Paused;
        status.settling = vec!["cmd/api/main.go".to_owned()];
    }),
    ("rolled-back", |status| {
        status.services[0].pinned = Some(Revision(3));
    }),
    ("invalid-plan", |status| {
        let output = vec!["error: unknown key `helth`".to_owned(), " --> dev.toml:3:1".to_owned()];
        status.invalid_plan = Some(Arc::new(Report { output, ..Report::new("dev.toml has a problem") }));
    }),
    ("many", |status| {
        for name in ["sqlc", "templ", "css", "protoc", "lint"] {
            let mut more = step(name, StepState::Clean);
            more.after = vec!["wire".into()];
            status.steps.insert(1, more);
        }
        for name in ["worker", "mailer", "frontend", "search", "database"] {
            status.services.push(service(name));
        }
        status.services[1].live = None;
        status.services[1].gate = GateState::Holding;
        status.services[1].waiting_for = Some("starting `worker`".into());
    }),
];

fn view(name: &str) -> View {
    let (_, change) = STATES.iter().find(|(known, _)| *known == name).expect("a known state");
    let mut status = status();
    change(&mut status);
    view_of(status, theme())
}

fn picture(view: &mut View, width: u16, height: u16) -> (Buffer, Spots) {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let spots = draw(view, area, &mut buffer);
    view.drawn(&spots);
    (buffer, spots)
}

fn text(view: &mut View, width: u16, height: u16) -> String {
    let (buffer, _) = picture(view, width, height);
    let mut text = String::new();
    for row in buffer.area.rows() {
        let mut line = String::new();
        let mut hidden = 0;
        for position in row.positions() {
            let symbol = buffer[position].symbol();
            if hidden == 0 {
                line.push_str(symbol);
                hidden = ratatui::text::Span::raw(symbol).width().saturating_sub(1);
            } else {
                hidden -= 1;
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Compares with `snapshots/NAME.txt`; with `DEVLOOP_TEST_WRITE=1` writes it instead.
fn snapshot(name: &str, text: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/ui/pane/snapshots");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("DEVLOOP_TEST_WRITE").is_some() {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(&path, text).expect("a file");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        wanted == text,
        "{} is another picture now; DEVLOOP_TEST_WRITE=1 writes it. It is:\n{text}\nIt was:\n{wanted}",
        path.display()
    );
}

#[test]
fn every_state_looks_as_it_did() {
    for (name, _) in STATES {
        let mut view = view(name);
        let mut all = String::new();
        for (width, height) in [(40, 10), (80, 24), (120, 40)] {
            _ = writeln!(all, "== {width}x{height}\n{}", text(&mut view, width, height));
        }
        snapshot(name, &all);
    }
}

type Deed = fn(&mut View);

/// What a person may have done with the picture.
const DEEDS: &[(&str, Deed)] = &[
    ("attached", |view| {
        view.seat = Seat::Attached;
        view.missed(at(2_100), 812);
    }),
    ("searching", |view| {
        press(view, '/');
        type_in(view, "port");
    }),
    ("filtered", |view| {
        press(view, 'l');
        press(view, 'l');
        press(view, 's');
        press(view, 's');
        view.said = None;
    }),
    ("scrolled", |view| {
        for nth in 0..100 {
            let text = format!("line {nth}");
            view.line(at(3_000), Line { source: "api".into(), run: RunId(3), stream: Stream::Out, text });
        }
        _ = text(view, 80, 24);
        press_code(view, KeyCode::PageUp);
        press_code(view, KeyCode::PageUp);
    }),
    ("copying", |view| {
        press(view, 'c');
    }),
    ("helping", |view| {
        press(view, '?');
    }),
    ("choosing", |view| {
        press(view, ':');
        type_in(view, "re");
    }),
];

#[test]
fn whatever_is_done_with_it_it_looks_as_it_did() {
    for (name, does) in DEEDS {
        let mut all = String::new();
        for (width, height) in [(40, 10), (80, 24), (120, 40)] {
            let mut view = view("live");
            _ = text(&mut view, width, height);
            does(&mut view);
            _ = writeln!(all, "== {width}x{height}\n{}", text(&mut view, width, height));
        }
        snapshot(name, &all);
    }
}

#[test]
fn a_very_large_terminal_is_filled() {
    let picture = text(&mut view("many"), 300, 100);
    snapshot("large", &picture);
    assert_eq!(picture.lines().count(), 100);
}

#[test]
fn without_unicode_only_ascii_is_drawn() {
    let mut all = String::new();
    for name in ["building", "failed"] {
        let mut view = view(name);
        view.theme.signs = Signs::Ascii;
        let picture = text(&mut view, 80, 24);
        assert!(picture.is_ascii(), "{picture}");
        all.push_str(&picture);
    }
    snapshot("ascii", &all);
}

#[test]
fn held_requests_are_counted() {
    let mut view = view("building");
    view.load(vec![Load { service: "api".to_owned(), held: 3, per_second: 0 }]);
    assert!(text(&mut view, 80, 24).contains("live  3 held"));
}

#[test]
fn the_pictures_of_the_readme_are_what_is_drawn() {
    let readme = include_str!("../../../../README.md");
    let mut building = view("building");
    building.load(vec![Load { service: "api".to_owned(), held: 3, per_second: 0 }]);
    for (mut view, lines) in [(view("live"), 4), (building, 4), (view("failed"), 7)] {
        let picture = text(&mut view, 80, 24);
        let top: Vec<&str> = picture.lines().take(lines).collect();
        let top = top.join("\n");
        assert!(readme.contains(&top), "README.md does not show\n{top}");
    }
}

#[test]
fn while_it_ends_it_says_why_and_how_to_end_at_once() {
    let mut view = view("live");
    view.fact(at(7_000), &Fact::Quitting { why: "q".to_owned() });
    snapshot("ending", &text(&mut view, 80, 24));
}

#[test]
fn the_help_and_the_palette_lie_over_the_picture() {
    let mut view = view("failed");
    press(&mut view, '?');
    let mut all = text(&mut view, 80, 24);
    press(&mut view, '?');
    press(&mut view, ':');
    type_in(&mut view, "log er");
    all.push_str(&text(&mut view, 80, 24));
    snapshot("overlays", &all);
}

#[test]
fn where_there_is_little_room_the_help_can_be_moved() {
    let mut view = view("live");
    press(&mut view, '?');
    assert!(!text(&mut view, 60, 10).contains("show everything again"));
    for _ in 0..30 {
        press_code(&mut view, KeyCode::Down);
    }
    assert!(text(&mut view, 60, 10).contains("show everything again"));
    press(&mut view, 'w');
    assert!(text(&mut view, 60, 10).contains("not wrapped"), "a key that does something does it");
}

#[test]
fn every_key_of_the_help_is_in_the_documentation() {
    let docs = include_str!("../../../../docs/pane.md");
    for (keys, does) in super::overlay::KEYS {
        let keys: Vec<String> = keys.split(", ").map(|key| format!("`{key}`")).collect();
        let row = format!("| {} | {does} |", keys.join(", "));
        assert!(docs.contains(&row), "docs/pane.md does not have\n{row}");
    }
}

#[test]
fn only_the_terminals_own_colours_are_used_and_neither_black_nor_white() {
    for (name, _) in STATES {
        let (buffer, _) = picture(&mut view(name), 120, 40);
        let allowed = [Color::Reset, Color::Red, Color::Green, Color::Yellow, Color::Blue, Color::Magenta, Color::Cyan];
        for cell in buffer.content() {
            assert!(allowed.contains(&cell.fg) && cell.bg == Color::Reset, "{name}: {cell:?}");
        }
    }
}

#[test]
fn without_colours_the_picture_is_the_same_and_has_none() {
    for (name, _) in STATES {
        let mut view = view(name);
        let coloured = text(&mut view, 80, 24);
        view.theme.colour = Colour::Never;
        assert_eq!(text(&mut view, 80, 24), coloured);
        let (buffer, _) = picture(&mut view, 80, 24);
        assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    }
}

#[test]
fn a_picture_grows_old_only_while_something_is_at_work() {
    for (name, pace) in [
        ("live", Pace::Still),
        ("failed", Pace::Still),
        ("paused", Pace::Still),
        ("building", Pace::Ticking),
        ("swapping", Pace::Ticking),
    ] {
        assert_eq!(view(name).pace(), pace, "{name}");
    }
    let mut view = view("live");
    view.say("for a moment");
    assert_eq!(view.pace(), Pace::Ticking);
    view.at(Time::from_start(Duration::from_secs(60)));
    assert_eq!(view.pace(), Pace::Still);
}

fn press(view: &mut View, letter: char) -> Option<Ask> {
    view.key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE))
}

fn press_code(view: &mut View, code: KeyCode) -> Option<Ask> {
    view.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn type_in(view: &mut View, words: &str) {
    for letter in words.chars() {
        assert!(press(view, letter).is_none());
    }
}
