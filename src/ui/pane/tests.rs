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

use super::{Ask, Load, Pace, Signs, Spots, Theme, View, draw};
use crate::{
    core::{
        event::{Earlier, Event},
        fact::{Fact, Times},
        status::{GateState, InstanceStatus, ServiceStatus, Status, StepState, StepStatus, WatchingState},
    },
    error::Colour,
    model::{Line, Place, Report, Revision, RunId, Stream, Time},
    ui::Stamp,
};

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
    let times =
        Times { settle_ms: Some(12.0), steps: vec![("build".into(), 1_380.0)], total_ms: 1_500.0, ..Times::default() };
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
    ("crashed", |status| {
        status.services[0].live = None;
        status.services[0].gate = GateState::Failed;
        let output = vec!["panic: boom".to_owned(), "goroutine 1 [running]:".to_owned()];
        let report = Report { output, ..Report::new("service `api` crashed: exit code 2") };
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
    let docs = include_str!("../../../docs/pane.md");
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

#[test]
fn keys_ask_for_what_they_say() {
    let mut view = view("failed");
    assert!(matches!(press(&mut view, 'r'), Some(Ask::Tell(Event::Rebuild(None)))));
    assert!(matches!(press(&mut view, 'R'), Some(Ask::Tell(Event::Restart(name))) if &*name == "api"));
    assert!(matches!(press(&mut view, 'b'), Some(Ask::Tell(Event::RollBack(Earlier::Back(1))))));
    assert!(matches!(press(&mut view, 'p'), Some(Ask::Tell(Event::Pause))));
    assert!(matches!(press(&mut view, 'o'), Some(Ask::Browse(url)) if url == "http://localhost:3000"));
    assert!(matches!(press(&mut view, 'e'), Some(Ask::Edit(place)) if place.file == "cmd/api/main.go"));
    assert!(matches!(press(&mut view, 'q'), Some(Ask::Quit)));
    for (letter, wanted) in [('c', "Interrupt"), ('z', "Suspend"), ('\\', "Abort")] {
        let ask = view.key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL));
        assert_eq!(format!("{:?}", ask.expect("an ask")), wanted);
    }
}

#[test]
fn the_second_q_is_as_ctrl_c() {
    let mut view = view("live");
    view.fact(at(7_000), &Fact::Quitting { why: "q".to_owned() });
    assert!(matches!(press(&mut view, 'q'), Some(Ask::Interrupt)));
}

#[test]
fn p_lets_go_of_what_is_paused_or_pinned() {
    assert!(matches!(press(&mut view("paused"), 'p'), Some(Ask::Tell(Event::Resume))));
    assert!(matches!(press(&mut view("rolled-back"), 'p'), Some(Ask::Tell(Event::Resume))));
}

#[test]
fn what_cannot_be_done_is_said() {
    let mut view = view("live");
    assert!(press(&mut view, 'e').is_none());
    assert!(text(&mut view, 80, 24).contains("no problem with a place in a file"));
}

#[test]
fn with_several_services_one_is_chosen_to_be_restarted() {
    let mut view = view("many");
    assert!(press(&mut view, 'R').is_none());
    type_in(&mut view, "mai");
    let ask = press_code(&mut view, KeyCode::Enter);
    assert!(matches!(ask, Some(Ask::Tell(Event::Restart(name))) if &*name == "mailer"));
}

#[test]
fn the_log_shows_one_source_or_only_what_is_serious() {
    let mut view = view("live");
    press(&mut view, 'l');
    let picture = text(&mut view, 80, 24);
    assert!(picture.contains("log of wire") && picture.contains("\nwire: wrote") && !picture.contains("listening"));
    press(&mut view, 'a');
    press(&mut view, 's');
    press(&mut view, 's');
    let picture = text(&mut view, 80, 24);
    assert!(picture.contains("slow query") && picture.contains("payment") && !picture.contains("wrote"), "{picture}");
    press(&mut view, 's');
    assert!(!text(&mut view, 80, 24).contains("slow query"));
    press_code(&mut view, KeyCode::Esc);
    assert!(text(&mut view, 80, 24).contains("wrote"));
}

#[test]
fn a_click_on_a_name_shows_its_lines_and_a_second_one_all() {
    let mut view = view("live");
    let (_, spots) = picture(&mut view, 80, 24);
    let click =
        MouseEvent { kind: MouseEventKind::Down(MouseButton::Left), column: 3, row: 2, modifiers: KeyModifiers::NONE };
    view.mouse(click, &spots);
    assert!(text(&mut view, 80, 24).contains("log of api"));
    view.mouse(click, &spots);
    assert!(!text(&mut view, 80, 24).contains("log of api"));
}

fn flooded() -> View {
    let mut view = view("live");
    for number in 0..1_000 {
        let text = if number % 100 == 50 { format!("ERROR number {number}") } else { format!("line {number}") };
        view.line(at(3_000), Line { source: "api".into(), run: RunId(3), stream: Stream::Out, text });
    }
    view
}

#[test]
fn the_newest_line_is_followed_until_somebody_looks_back() {
    let mut view = flooded();
    assert!(text(&mut view, 80, 24).contains("line 999"));
    press_code(&mut view, KeyCode::PageUp);
    let before = text(&mut view, 80, 24);
    assert!(!before.contains("line 999") && before.contains("17 lines below"), "{before}");
    let line = Line { source: "api".into(), run: RunId(3), stream: Stream::Out, text: "new".to_owned() };
    view.line(at(3_000), line);
    let after = text(&mut view, 80, 24);
    assert!(after.contains("18 lines below") && after.contains("line 982"), "{after}");
    press(&mut view, 'g');
    assert!(text(&mut view, 80, 24).contains("listening on http://localhost:3000"));
    press(&mut view, 'f');
    assert!(text(&mut view, 80, 24).contains("api     │ new"));
}

#[test]
fn scrolling_up_and_down_again_leads_to_where_it_began() {
    let mut view = flooded();
    text(&mut view, 20, 12);
    for _ in 0..30 {
        press_code(&mut view, KeyCode::Up);
    }
    let there = text(&mut view, 20, 12);
    for _ in 0..40 {
        press_code(&mut view, KeyCode::Up);
    }
    for _ in 0..40 {
        press_code(&mut view, KeyCode::Down);
    }
    assert_eq!(text(&mut view, 20, 12), there);
    for _ in 0..31 {
        press_code(&mut view, KeyCode::Down);
    }
    assert!(text(&mut view, 20, 12).contains("line 999"));
}

#[test]
fn a_search_marks_what_it_finds_and_leads_to_it() {
    let mut view = flooded();
    text(&mut view, 80, 24);
    press(&mut view, '/');
    type_in(&mut view, "line 51");
    press_code(&mut view, KeyCode::Enter);
    let (buffer, _) = picture(&mut view, 80, 24);
    let marked = buffer.content().iter().filter(|cell| cell.modifier.contains(Modifier::REVERSED)).count();
    assert!(marked >= "line 51".len(), "{marked}");
    assert!(text(&mut view, 80, 24).contains("line 519"));
    press(&mut view, 'n');
    press(&mut view, 'n');
    press(&mut view, 'N');
    assert!(text(&mut view, 80, 24).contains("line 518"));
    press(&mut view, '/');
    type_in(&mut view, "nowhere");
    press_code(&mut view, KeyCode::Enter);
    assert!(text(&mut view, 80, 24).contains("not found above"));
}

#[test]
fn errors_are_jumped_to_one_by_one() {
    let mut view = flooded();
    text(&mut view, 80, 24);
    press(&mut view, 'x');
    assert!(text(&mut view, 80, 24).contains("ERROR number 950"));
    press(&mut view, 'x');
    assert!(text(&mut view, 80, 24).contains("ERROR number 850"));
    press(&mut view, 'X');
    assert!(text(&mut view, 80, 24).contains("ERROR number 950"));
    press(&mut view, 'X');
    assert!(text(&mut view, 80, 24).contains("no error below"));
}

#[test]
fn to_copy_from_the_log_there_is_nothing_but_the_log() {
    let mut view = view("live");
    assert!(matches!(press(&mut view, 'c'), Some(Ask::Mouse(super::Mouse::Theirs))));
    let picture = text(&mut view, 80, 8);
    assert!(picture.starts_with("listening on http://localhost:3000\n"), "{picture}");
    assert!(matches!(press(&mut view, 'c'), Some(Ask::Mouse(super::Mouse::Ours))));
}

#[test]
fn clear_forgets_the_lines_and_times_can_be_shown() {
    let mut view = view("live");
    press(&mut view, 't');
    assert!(text(&mut view, 80, 24).contains("+2.000s wire    │ wire: wrote"));
    view.key(KeyEvent::new(KeyCode::Char('l'), KeyModifiers::CONTROL));
    assert!(!text(&mut view, 80, 24).contains("wire: wrote"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_size_and_no_keys_break_it(
        state in 0..STATES.len(),
        acts in prop::collection::vec((any::<char>(), 0..12u8, 1..130u16, 1..50u16), 1..30),
    ) {
        let mut view = view(STATES[state].0);
        for (letter, kind, width, height) in acts {
            let code = match kind {
                0 => KeyCode::Char(letter),
                1 => KeyCode::Up,
                2 => KeyCode::Down,
                3 => KeyCode::PageUp,
                4 => KeyCode::Home,
                5 => KeyCode::Enter,
                6 => KeyCode::Esc,
                7 => KeyCode::Right,
                nth => KeyCode::Char(['w', 'x', '/', ':'][usize::from(nth - 8)]),
            };
            _ = press_code(&mut view, code);
            let (buffer, _) = picture(&mut view, width, height);
            prop_assert_eq!(buffer.area, Rect::new(0, 0, width, height));
        }
    }
}
