//! What programs write: told by line, never in their way.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    have::have,
    world::{World, is_alive, setup},
};
use devloop::{
    core::event::StopHow,
    model::{Exit, Stream},
    process::{Kind, Launch, Notice, Output, Programs, Terminal, WindowSize, queue},
};

#[tokio::test]
async fn lines_come_with_their_stream_source_and_run() {
    let mut world = World::new();
    let run = world.step(r"printf 'one\ntwo\r\n'; printf 'bad \377 byte\n' >&2; printf 'no end'");
    let ended = world.ended(run).await;
    let lines = world.said.lines();
    let of = |stream| lines.iter().filter(move |line| line.stream == stream).map(|line| line.text.as_str());
    assert_eq!(of(Stream::Out).collect::<Vec<_>>(), ["one", "two", "no end"]);
    assert_eq!(of(Stream::Err).collect::<Vec<_>>(), ["bad \u{fffd} byte"]);
    assert!(lines.iter().all(|line| line.run == run && &*line.source == "api"));
    assert_eq!(ended.tail.len(), 4);
}

#[tokio::test]
async fn a_partial_line_is_shown_and_then_completed() {
    let mut world = World::new();
    let run = world.service("printf 'Continue? '; until [ -e go ]; do sleep 0.02; done; echo yes");
    let partial = |output: &Output| matches!(output, Output::Partial(line) if line.text == "Continue? ").then_some(());
    world.said.output(partial).await;
    assert_eq!(world.said.texts(), Vec::<String>::new());
    std::fs::write(world.path("go"), "").unwrap();
    world.ended(run).await;
    assert_eq!(world.said.texts(), ["Continue? yes"]);
}

#[tokio::test]
async fn progress_is_shown_while_it_lasts_and_leaves_one_line() {
    let mut world = World::new();
    let run = world.service(r"printf '10%%\r20%%\r'; until [ -e go ]; do sleep 0.02; done; printf '100%%\n'");
    let shown = |output: &Output| matches!(output, Output::Partial(line) if line.text == "20%").then_some(());
    world.said.output(shown).await;
    std::fs::write(world.path("go"), "").unwrap();
    world.ended(run).await;
    assert_eq!(world.said.texts(), ["100%"]);
}

#[tokio::test]
async fn a_terminal_is_a_terminal_with_colours_and_the_right_size() {
    if !have("python3") {
        return;
    }
    let mut world = World::new();
    let program = r"import os, sys
print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty(), os.get_terminal_size())
print('\033[31mred\033[0m')
print(os.tcgetpgrp(0) == os.getpgid(0), open('/dev/tty').isatty())";
    let launch = Launch { terminal: Terminal::Pty, ..world.launch_of("python3", &["-c", program]) };
    let run = world.launch(launch);
    let ended = world.ended(run).await;
    assert_eq!(ended.tail[0], "True True True os.terminal_size(columns=99, lines=33)");
    assert_eq!(ended.tail[1..], ["\u{1b}[31mred\u{1b}[0m", "True True"]);
    assert_eq!(world.said.texts()[1], "\u{1b}[31mred\u{1b}[0m");
}

#[tokio::test]
async fn the_last_words_on_a_terminal_are_never_lost() {
    let mut world = World::new();
    for number in 0..30 {
        let launch = Launch {
            kind: Kind::Step,
            terminal: Terminal::Pty,
            ..world.script(&format!("seq 200; echo last {number}"))
        };
        let run = world.launch(launch);
        let ended = world.ended(run).await;
        assert_eq!((ended.tail.len(), ended.tail.last()), (50, Some(&format!("last {number}"))));
    }
    assert_eq!(world.said.lines().len(), 30 * 201);
}

#[tokio::test]
async fn a_running_program_is_told_of_a_new_size() {
    if !have("python3") {
        return;
    }
    let mut world = World::new();
    let program = "import os, signal, time
signal.signal(signal.SIGWINCH, lambda *_: print('now', os.get_terminal_size().columns, flush=True))
print('up', flush=True)
while True: time.sleep(1000)";
    let launch = Launch { terminal: Terminal::Pty, ..world.launch_of("python3", &["-c", program]) };
    world.launch(launch);
    world.said.heard("up").await;
    world.programs.resize(WindowSize { rows: 10, columns: 123 });
    world.said.heard("now 123").await;
    world.programs.end_all(StopHow::Ask).await;
}

#[tokio::test]
async fn a_program_that_closes_its_streams_runs_on() {
    let mut world = World::new();
    for terminal in [Terminal::Pipes, Terminal::Pty] {
        let script = "exec >/dev/null 2>&1 </dev/null; until [ -e go ]; do sleep 0.02; done; exit 9";
        let launch = Launch { terminal, ..world.script(script) };
        let run = world.launch(launch);
        let pid = world.started(run).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(is_alive(pid) && world.told(run).len() == 1);
        std::fs::write(world.path("go"), "").unwrap();
        assert_eq!(world.exit(run).await, Exit::Code(9));
        std::fs::remove_file(world.path("go")).unwrap();
    }
}

#[tokio::test]
async fn the_end_of_a_step_does_not_wait_for_whoever_holds_its_output_open() {
    for terminal in [Terminal::Pipes, Terminal::Pty] {
        let mut world = World::new();
        let launch =
            Launch { kind: Kind::Step, terminal, ..world.script("echo before; sleep 100000 & printf 'the end'") };
        let run = world.launch(launch);
        let ended = world.ended(run).await;
        assert_eq!((ended.exit, ended.tail), (Exit::Code(0), vec!["before".to_owned(), "the end".to_owned()]));
        world.programs.end_all(StopHow::Kill).await;
    }
}

#[tokio::test]
async fn a_very_long_line_is_cut_and_the_next_one_is_whole() {
    let mut world = World::new();
    let run = world.step("head -c 300000 /dev/zero | tr '\\0' x; echo; echo next");
    world.ended(run).await;
    let texts = world.said.texts();
    assert_eq!(texts[0], format!("{} … ({} bytes cut)", "x".repeat(65536), 300_000 - 65536));
    assert_eq!(texts[1], "next");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_lines_do_not_wait_for_a_reader_who_does_not_come() {
    if !is_alone("output::a_million_lines_do_not_wait_for_a_reader_who_does_not_come") {
        return;
    }
    let (sender, mut reader) = queue();
    let count = Arc::new(AtomicU64::new(0));
    let (counter, (notice, mut notices)) = (count.clone(), tokio::sync::mpsc::unbounded_channel());
    let sink = move |output: Output| {
        counter.fetch_add(u64::from(matches!(output, Output::Line(_))), Ordering::Relaxed);
        sender.push(output);
    };
    let mut world = World::new();
    let programs = Programs::new(setup("flood"), move |told| drop(notice.send(told)), sink);
    let before = resident();
    programs.launch(world.script("seq 1000000; echo last"));
    let exit = loop {
        match tokio::time::timeout(crate::world::DEADLINE, notices.recv()).await.unwrap().unwrap() {
            Notice::Started { .. } => {}
            Notice::Exited { exit, tail, .. } => break (exit, tail.last().cloned()),
        }
    };
    assert_eq!(exit, (Exit::Code(0), Some("last".to_owned())));
    assert_eq!(count.load(Ordering::Relaxed), 1_000_001);
    let grown = resident().saturating_sub(before);
    assert!(grown < 48 << 20, "memory grew by {grown} bytes");
    let (mut kept, mut dropped, mut last) = (0, 0, String::new());
    while let Some(output) = reader.try_next() {
        match output {
            Output::Line(line) => (kept, last) = (kept + 1, line.text),
            Output::Dropped { lines, .. } => dropped += lines,
            Output::Partial(_) => {}
        }
    }
    assert_eq!((kept + dropped, last.as_str()), (1_000_001, "last"));
    assert!(kept <= 10_000);
    programs.end_all(StopHow::Kill).await;
}

/// Whether this process runs nothing but the test of this name. If not, the test is run in one that does: the tests of
/// one program share its memory, and whoever weighs it would weigh what runs beside him, too.
fn is_alone(name: &str) -> bool {
    const MARK: &str = "DEVLOOP_TEST_IS_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let this = std::env::current_exe().unwrap();
    let done = std::process::Command::new(this).args(["--exact", name]).env(MARK, "yes").output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// Bytes of memory in use; 0 where the OS does not tell.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
