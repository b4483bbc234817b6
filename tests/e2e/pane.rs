//! The pane in a real terminal: keys in, screen out; and the terminal given back, however it ends.

use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, ExitStatus},
};

use devloop::{
    error::Colour,
    plan::WindowSigns,
    ui::pane::{Mouse, Screen, theme, window},
};

use nix::sys::signal::Signal;

use crate::{
    have::have,
    seat::Seat,
    support::{Project, get, is_alive, until},
};

/// A project whose build fails as a compiler fails.
fn project() -> Project {
    Project::with_app("")
}

fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}

/// The address of the proxy, as the pane shows it.
fn address(text: &str) -> String {
    let (_, port) = text.split_once("http://localhost:").expect("the pane shows where it listens");
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    format!("127.0.0.1:{port}")
}

#[test]
fn a_save_travels_over_the_screen_and_q_ends_it_in_order() {
    if !have("setsid") {
        return;
    }
    let project = project();
    let mut seat = Seat::take(&project, &[], 100, 30);
    seat.sees("● app  live  revision 1");
    seat.sees("at rest: everything is at revision 1");
    project.write("version", "2");
    let text = seat.until("revision 2 is live", |text| text.contains("● app  live  revision 2"));
    assert_eq!(get(&address(&text), "/").body, "2\n");
    project.write("version", "bad");
    seat.sees("✗ build failed");
    let text = seat.sees("✗ step `build` failed: exit code 1");
    assert!(text.contains("build.sh:1:5: syntax error near bad") && text.contains("● app  stale"), "{text}");
    seat.types("?");
    seat.sees("roll back to the program before");
    seat.types("?");
    seat.until("the help is gone", |text| !text.contains("roll back to the program before"));
    seat.types("q");
    assert_eq!(code(seat.ended()), Some(0));
    seat.is_as_before();
    let text = seat.sees("ending: q");
    assert!(text.contains("build failed after"), "what is still wrong stays on the terminal: {text}");
}

#[test]
fn keys_rebuild_restart_roll_back_pause_and_search() {
    if !have("setsid") {
        return;
    }
    let project = project();
    let mut seat = Seat::take(&project, &[], 120, 40);
    seat.sees("● app  live  revision 1");
    project.write("version", "2");
    seat.sees("● app  live  revision 2");
    seat.types("b");
    let text = seat.until("it is rolled back", |text| {
        text.contains("rolled back to revision 1 until the next save") && text.contains("app  stale  revision 1")
    });
    assert_eq!(get(&address(&text), "/").body, "1\n");
    seat.types("b");
    seat.sees("no earlier program");
    seat.types("p");
    seat.sees("● app  live  revision 2");
    seat.types("p");
    seat.sees("paused, p resumes; nothing was saved yet");
    project.write("version", "3");
    seat.sees("saved meanwhile: version");
    seat.types("p");
    seat.sees("● app  live  revision 3");
    seat.types("R");
    seat.sees("asked for");
    seat.types("/version 3 listens\r");
    seat.sees("/version 3 listens");
    seat.types("\u{1b}");
    seat.until("the search is over", |text| !text.contains("/version 3 listens"));
    seat.types(":only build\r");
    seat.sees("── log of build");
    seat.types("\u{1b}[<0;3;3M");
    seat.sees("── log of app");
}

#[test]
fn ctrl_c_is_what_it_is_without_the_pane() {
    if !have("setsid") {
        return;
    }
    let project = project();
    let mut seat = Seat::take(&project, &[], 80, 24);
    seat.sees("● app  live");
    seat.types("\u{3}");
    assert_eq!(code(seat.ended()), Some(130));
    seat.is_as_before();
    seat.sees("ending: Ctrl-C");
}

#[test]
fn ctrl_z_gives_the_terminal_back_until_it_goes_on() {
    if !have("setsid") {
        return;
    }
    let project = project();
    let mut seat = Seat::take(&project, &[], 80, 24);
    seat.sees("● app  live");
    seat.types("\u{1a}");
    let stat = format!("/proc/{}/stat", seat.pid());
    let stands_still = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
    until("devloop stands still", stands_still);
    seat.is_as_before();
    seat.signal(Signal::SIGCONT);
    seat.has_other_screen(true);
    seat.sees("● app  live");
    project.write("version", "2");
    seat.sees("● app  live  revision 2");
    seat.types("q");
    assert_eq!(code(seat.ended()), Some(0));
    seat.is_as_before();
}

#[test]
fn a_terminal_that_is_closed_ends_devloop_and_everything_it_started() {
    if !have("setsid") {
        return;
    }
    let project = Project::with_app("");
    project.write("app", "stamp=pid");
    let mut seat = Seat::take(&project, &[], 80, 24);
    seat.sees("● app  live");
    let app: u32 = project.read("pid").parse().expect("a pid");
    seat.hang_up();
    assert_eq!(code(seat.ended()), Some(129));
    until("the program has ended", || !is_alive(app));
}

#[test]
fn even_after_kill_9_the_terminal_is_as_it_was() {
    if !have("setsid") {
        return;
    }
    let project = project();
    let mut seat = Seat::take(&project, &[], 80, 24);
    seat.sees("● app  live");
    seat.signal(Signal::SIGKILL);
    seat.ended();
    seat.is_as_before();
}

#[test]
fn after_every_size_the_picture_is_whole() {
    if !have("setsid") {
        return;
    }
    let project = project();
    let mut seat = Seat::take(&project, &[], 80, 24);
    seat.sees("● app  live");
    let rounds = std::env::var("DEVLOOP_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(25);
    let mut random = 12_345_u32;
    let mut below = |bound: u32| {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (random >> 16) % bound
    };
    for _ in 0..rounds {
        let (columns, rows) = (20 + below(180) as u16, 6 + below(60) as u16);
        seat.resize(columns, rows);
        seat.types(["\u{1b}[5~", "\u{1b}[6~", "w", "f"][below(4) as usize]);
        seat.until(&format!("a whole picture of {columns}x{rows}"), |text| {
            let lines: Vec<&str> = text.lines().collect();
            let folder = lines.first().is_some_and(|line| line.starts_with("devloop e2e "));
            folder && lines.len() == usize::from(rows) && lines.last().is_some_and(|line| line.starts_with("? help"))
        });
    }
    seat.types("q");
    assert_eq!(code(seat.ended()), Some(0));
    seat.is_as_before();
}

#[test]
fn a_flood_neither_blocks_the_keys_nor_grows_the_memory() {
    if !have("setsid") {
        return;
    }
    let project = project();
    let flood = "[[step]]\nname = \"flood\"\nrun = \"seq 1000001 3000000\"\nafter = []\ninputs = [\"go\"]\n";
    project.write("dev.toml", format!("{}{flood}", project.read("dev.toml")));
    let mut seat = Seat::take(&project, &[], 80, 24);
    seat.types("?");
    seat.sees("roll back to the program before");
    seat.types("?");
    seat.sees("3000000");
    let before = seat.bytes();
    // 2,000,000 lines are 16 MB; pictures of them are drawn at most 30 times a second.
    assert!(before < 8 << 20, "{before} bytes were drawn");
    let status = std::fs::read_to_string(format!("/proc/{}/status", seat.pid())).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak < 200_000, "{peak} kB");
    seat.types("l");
    seat.sees("log of build");
    seat.types("q");
    assert_eq!(code(seat.ended()), Some(0));
}

#[test]
fn requests_that_wait_are_shown_while_they_wait() {
    if !have("setsid") {
        return;
    }
    let project = project();
    project.write("dev.toml", format!("{}\n[proxy]\nfresh = \"60s\"\n", project.read("dev.toml")));
    let mut seat = Seat::take(&project, &[], 100, 24);
    let address = address(&seat.sees("● app  live  revision 1"));
    // The build waits for a file.
    project.write("build.sh", format!("while [ ! -e go ]; do sleep 0.05; done\n{}", project.read("build.sh")));
    seat.sees("▸ build");
    let asking = std::thread::spawn(move || get(&address, "/").body);
    seat.sees("live  1 held");
    project.write("go", "");
    seat.until("nobody waits", |text| !text.contains("held"));
    assert_eq!(asking.join().expect("an answer"), "1\n");
    seat.types("q");
    seat.ended();
}

#[test]
fn nothing_is_drawn_while_nothing_happens() {
    if !have("setsid") {
        return;
    }
    let project = project();
    let mut seat = Seat::take(&project, &[], 80, 24);
    seat.sees("at rest: everything is at revision 1");
    // A key that changes nothing is drawn, and so is everything before it.
    seat.types("\u{1b}[C");
    let (mut bytes, mut quiet) = (seat.bytes(), 0);
    until("a hundred looks in a row see nothing new", || {
        let now = seat.bytes();
        quiet = if now == bytes { quiet + 1 } else { 0 };
        bytes = now;
        quiet > 100
    });
}

#[test]
fn an_editor_gets_the_terminal_and_the_place_and_devloop_goes_on_meanwhile() {
    if !have("setsid") {
        return;
    }
    let project = project();
    // As an editor does: takes a key, and writes the file.
    let editor =
        "#!/bin/sh\nstty -a < /dev/tty > modes\necho \"$@\" > arguments\necho EDITING\nread key\necho 7 > version\n";
    project.write("hx", editor);
    std::fs::set_permissions(project.path("hx"), PermissionsExt::from_mode(0o755)).expect("it can be executed");
    let editor = project.path("hx").display().to_string();
    let project = project.env("EDITOR", &format!("'{editor}' --flag"));
    project.write("version", "bad");
    let mut seat = Seat::take(&project, &[], 100, 30);
    seat.sees("✗ step `build` failed");
    seat.types("e");
    seat.sees("EDITING");
    seat.is_as_before();
    // Ctrl-C is for the editor's line; devloop lives on.
    let place = format!("--flag {}:1:5", project.path("build.sh").display());
    until("the editor was told the place", || project.read("arguments").trim() == place);
    assert!(project.read("modes").contains(" icanon"));
    seat.types("\n");
    seat.has_other_screen(true);
    let text = seat.sees("● app  live");
    assert_eq!(get(&address(&text), "/").body, "7\n");
}

#[test]
fn plain_lines_are_printed_where_they_are_asked_for() {
    if !have("setsid") {
        return;
    }
    for arguments in [&["--plain"][..], &["--once"]] {
        let project = project();
        let mut seat = Seat::take(&project, arguments, 100, 60);
        let text = seat.sees("at rest: everything is at revision 1");
        assert!(text.contains("devloop | build runs for revision 1: first run"), "{text}");
        seat.has_other_screen(false);
        if arguments == ["--plain"] {
            seat.signal(Signal::SIGINT);
        }
        seat.ended();
        seat.is_as_before();
    }
}

#[test]
fn the_window_says_how_the_project_is_and_is_as_before_afterwards() {
    if !have("setsid") {
        return;
    }
    for end in ["q", "kill -9"] {
        let project = project().env("TERM_PROGRAM", "WezTerm");
        let mut seat = Seat::take(&project, &[], 80, 24);
        seat.is_told("\u{1b}[22;0t", 0);
        seat.sees("● app  live");
        seat.is_told(": live\u{1b}\\", 0);
        let before = seat.bytes();
        project.write("version", "bad");
        seat.is_told(": failed\u{1b}\\", before);
        seat.is_told("\u{1b}]9;4;2;100\u{1b}\\", before);
        let before = seat.bytes();
        project.write("version", "2");
        seat.is_told(": live\u{1b}\\", before);
        seat.is_told("\u{1b}]9;4;0;0\u{1b}\\", before);
        let before = seat.bytes();
        match end {
            "q" => seat.types("q"),
            _ => seat.signal(Signal::SIGKILL),
        }
        seat.ended();
        seat.is_told("\u{1b}[23;0t\u{1b}]9;4;0;0\u{1b}\\", before);
        seat.is_as_before();
    }
}

#[test]
fn the_bell_rings_on_failure_and_recovery_in_every_pane_and_only_if_it_is_asked_for() {
    if !have("setsid") {
        return;
    }
    let project = project();
    let mut seat = Seat::take(&project, &[], 80, 24);
    seat.sees("● app  live");
    project.write("version", "bad");
    seat.sees("✗ step `build` failed");
    project.write("version", "2");
    seat.sees("● app  live  revision 3");
    seat.types("q");
    seat.ended();
    assert!(!seat.was_told("\u{7}"), "nobody has asked for it");
    project.write("dev.toml", format!("{}\n[notify]\nbell = true\n", project.read("dev.toml")));
    let mut seat = Seat::take(&project, &[], 80, 24);
    seat.sees("● app  live");
    let attached = Seat::take_with(&project, &["attach"], 80, 24);
    attached.sees("● app  live");
    // Revisions go on from those of the first devloop.
    for (version, after) in [("bad", "✗ step `build` failed"), ("3", "● app  live  revision 6")] {
        let before = [seat.bytes(), attached.bytes()];
        project.write("version", version);
        seat.sees(after);
        attached.sees(after);
        seat.is_told("\u{7}", before[0]);
        attached.is_told("\u{7}", before[1]);
    }
    seat.types("q");
    seat.ended();
}

/// Set for the process that panics.
pub const PANICS: &str = "DEVLOOP_TEST_PANICS";

/// Takes the terminal as the pane does, and panics.
pub fn panic_in_a_pane() {
    let theme = theme(Colour::Always).expect("this terminal can show a pane");
    let _screen = Screen::take(theme, Mouse::Ours, window(WindowSigns::Always)).expect("it is a terminal");
    // Not even the thread that has the terminal: any one.
    let thread = std::thread::Builder::new().name("elsewhere".to_owned()).spawn(|| panic!("it broke"));
    _ = thread.expect("a thread").join();
    // It stays for ever: the terminal has to be given back without its end.
    loop {
        std::thread::park();
    }
}

#[test]
fn a_panic_on_any_thread_gives_the_terminal_back_before_it_says_what_happened() {
    if !have("setsid") {
        return;
    }
    let project = Project::new();
    let own = std::env::current_exe().expect("this binary has a path");
    let mut command = Command::new(own);
    command.args(["--exact", "the_pane_that_panics", "--nocapture"]).env(PANICS, "1");
    let mut seat = Seat::of(command, &project, 80, 24);
    seat.is_told("\u{1b}[?1049h", 0);
    let text = seat.sees("it broke");
    assert!(text.contains("thread 'elsewhere'"), "{text}");
    seat.is_told("\u{1b}[23;0t", 0);
    seat.is_as_before();
    seat.signal(Signal::SIGKILL);
    seat.ended();
}
