//! What keys and the mouse do to what is seen.

use super::*;

#[test]
fn keys_ask_for_what_they_say() {
    let mut view = view("failed");
    assert!(matches!(press(&mut view, 'r'), Some(Ask::Steer(Steer::Rebuild(None)))));
    assert!(matches!(press(&mut view, 'R'), Some(Ask::Steer(Steer::Restart(name))) if &*name == "api"));
    assert!(matches!(press(&mut view, 'b'), Some(Ask::Steer(Steer::RollBack(Earlier::Back(1))))));
    assert!(matches!(press(&mut view, 'p'), Some(Ask::Steer(Steer::Pause))));
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
fn who_is_attached_goes_alone_and_ends_devloop_only_by_its_words() {
    let mut view = view("live");
    view.seat = Seat::Attached;
    assert!(matches!(press(&mut view, 'q'), Some(Ask::Leave)));
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert!(matches!(view.key(ctrl_c), Some(Ask::Leave)));
    press(&mut view, ':');
    type_in(&mut view, "quit");
    assert!(matches!(press_code(&mut view, KeyCode::Enter), Some(Ask::Steer(Steer::Stop))));
    view.fact(at(7_000), &Fact::Quitting { why: "`devloop stop`".to_owned() });
    assert!(text(&mut view, 80, 24).contains("waits for programs to end\n"), "q would not hurry it");
    assert!(matches!(press(&mut view, 'q'), Some(Ask::Leave)));
}

#[test]
fn p_lets_go_of_what_is_paused_or_pinned() {
    assert!(matches!(press(&mut view("paused"), 'p'), Some(Ask::Steer(Steer::Resume))));
    assert!(matches!(press(&mut view("rolled-back"), 'p'), Some(Ask::Steer(Steer::Resume))));
}

#[test]
fn escape_and_a_quick_letter_are_both_meant() {
    let mut view = view("live");
    press(&mut view, '/');
    type_in(&mut view, "port");
    view.key(KeyEvent::new(KeyCode::Char('t'), KeyModifiers::ALT));
    let picture = text(&mut view, 80, 24);
    assert!(!picture.contains("/port") && !picture.contains("search:") && picture.contains("+2.000s"), "{picture}");
}

#[test]
fn what_is_live_is_nothing_to_go_back_to() {
    let mut view = view("live");
    let mut status = (*view.status).clone();
    status.services[0].kept = vec![Revision(4), Revision(3)];
    view.status(Arc::new(status));
    press(&mut view, ':');
    type_in(&mut view, "roll back to revision");
    let picture = text(&mut view, 80, 24);
    assert!(picture.contains("roll back to revision 3") && !picture.contains("roll back to revision 4"), "{picture}");
}

#[test]
fn behind_a_failed_step_nothing_is_going_to_run() {
    let mut status = status();
    status.steps[0].state = StepState::Failed;
    status.steps[0].report = Some(Arc::new(report()));
    status.steps[1].state = StepState::Waiting;
    status.steps[1].why = Some("cmd/api/main.go changed".to_owned());
    let picture = text(&mut view_of(status, theme()), 80, 24);
    assert!(picture.contains("waits for a save that mends it") && !picture.contains("is to run"), "{picture}");
}

#[test]
fn what_stays_for_a_new_revision_is_said_as_what_is_live() {
    let mut view = view("live");
    let why = "artifact of `build` is the same".to_owned();
    view.fact(at(7_000), &Fact::Kept { revision: Revision(5), service: "api".into(), why });
    assert!(text(&mut view, 80, 24).contains("\napi stays for revision 5: artifact of `build` is the same\n"));
}

#[test]
fn a_message_of_several_lines_has_several_rows_and_its_fields_behind_the_first() {
    let mut view = view("live");
    let message =
        r#"{"level":"INFO","msg":"http: panic serving 127.0.0.1:1: oh no\ngoroutine 5 [running]:\n\tmain.go:3","n":7}"#;
    let line = Line { source: "api".into(), run: RunId(3), stream: Stream::Out, text: message.to_owned() };
    view.line(at(3_000), line);
    let picture = text(&mut view, 80, 24);
    let rows = "INF http: panic serving 127.0.0.1:1: oh no  n=7\n          goroutine 5 [running]:\n                  main.go:3\n";
    assert!(picture.contains(rows), "{picture}");
    press(&mut view, 'x');
    assert!(text(&mut view, 80, 24).contains("panic serving"), "it is an error, whatever it calls itself");
    press(&mut view, 's');
    press(&mut view, 's');
    press(&mut view, 's');
    assert!(text(&mut view, 80, 24).contains("panic serving"));
}

#[test]
fn of_an_error_that_is_taller_than_the_screen_the_beginning_is_shown() {
    let mut view = flooded();
    let trace = "\\n\\tmain.go:3".repeat(50);
    let message = format!(r#"{{"level":"ERROR","msg":"the handler broke{trace}"}}"#);
    let line = |text: String| Line { source: "api".into(), run: RunId(3), stream: Stream::Out, text };
    view.line(at(3_000), line(message));
    text(&mut view, 80, 24);
    press(&mut view, 'x');
    let picture = text(&mut view, 80, 24);
    assert!(picture.contains("api     │ ERR the handler broke\n"), "{picture}");
    for number in 0..100 {
        view.line(at(3_000), line(format!("later {number}")));
    }
    press(&mut view, 'f');
    press(&mut view, 'x');
    let picture = text(&mut view, 80, 24);
    assert!(picture.contains("api     │ ERR the handler broke\n"), "{picture}");
}

#[test]
fn what_the_output_names_is_not_said_twice() {
    let mut view = view("live");
    let exit = crate::model::Exit::Code(1);
    let failed = |output: &str| {
        let report = Report { output: vec![output.to_owned()], ..report() };
        let (revision, run, step) = (Revision(5), RunId(8), "build".into());
        Fact::StepFailed { revision, run, step, exit: exit.clone(), took_ms: 1.0, report }
    };
    view.fact(at(7_000), &failed("wire: /home/me/shop/cmd/api/main.go:12:5: undefined: x"));
    let picture = text(&mut view, 80, 24);
    assert!(!picture.contains("undefined: x") && picture.contains("cmd/api/server.go:7: missing return"), "{picture}");
    view.fact(at(7_000), &failed("{\"reason\":\"compiler-message\"}"));
    assert!(text(&mut view, 80, 24).contains("undefined: x"), "it is in no words that one can read");
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
    assert!(matches!(ask, Some(Ask::Steer(Steer::Restart(name))) if &*name == "mailer"));
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
    assert!(matches!(press(&mut view, 'c'), Some(Ask::Mouse(crate::ui::pane::Mouse::Theirs))));
    let picture = text(&mut view, 80, 8);
    assert!(picture.starts_with("listening on http://localhost:3000\n"), "{picture}");
    assert!(matches!(press(&mut view, 'c'), Some(Ask::Mouse(crate::ui::pane::Mouse::Ours))));
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
