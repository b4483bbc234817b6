//! The pane on a devloop that runs elsewhere: it comes and goes, and devloop goes on.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process::{Command, ExitStatus, Output},
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    have::have,
    seat::Seat,
    support::{DEADLINE, Devloop, Project, until},
};

fn run(project: &Project, arguments: &[&str]) -> Output {
    project.command(arguments).output().expect("devloop starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A devloop in the background, ended with this.
struct Detached<'a>(&'a Project);

impl Detached<'_> {
    fn start(project: &Project) -> Detached<'_> {
        let output = run(project, &["up", "--detach", "--listen", "0"]);
        assert!(output.status.success(), "{output:?}");
        assert!(said(&output).contains("`devloop attach` shows its pane"), "{output:?}");
        Detached(project)
    }
}

impl Drop for Detached<'_> {
    fn drop(&mut self) {
        _ = run(self.0, &["stop"]);
    }
}

fn attach(project: &Project) -> Seat {
    Seat::take_with(project, &["attach"], 100, 30)
}

fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}

/// Starts devloop without a pane, and waits until it can be asked.
fn up(project: &Project) -> Devloop {
    let devloop = project.up();
    until("it answers", || run(project, &["status"]).status.code() != Some(4));
    devloop
}

#[test]
fn a_detached_devloop_is_steered_by_keys_and_goes_on_when_they_are_gone() {
    if !have("setsid") {
        return;
    }
    let project = Project::with_app("");
    let _detached = Detached::start(&project);
    let mut seat = attach(&project);
    let text = seat.sees("● app  live  revision 1");
    assert!(text.contains("http://localhost:") && text.contains("q leave"), "{text}");
    // What was said before it came is in its log.
    seat.sees("version 1 listens");
    project.write("version", "2");
    seat.sees("● app  live  revision 2");
    seat.types("b");
    seat.sees("rolled back to revision 1 until the next save");
    seat.types("p");
    seat.sees("● app  live  revision 2");
    seat.types("p");
    seat.sees("paused, p resumes");
    seat.types("p");
    seat.until("it counts again", |text| !text.contains("paused, p resumes"));
    seat.types("R");
    seat.sees("app starts for revision 2 (overlap): asked for");
    seat.types(":rebbuild\r");
    seat.sees("build runs for revision 2: asked for");
    project.write("version", "bad");
    let text = seat.sees("✗ step `build` failed: exit code 1");
    assert!(text.contains("build.sh:1:5: syntax error near bad"), "{text}");
    project.write("version", "3");
    seat.sees("● app  live  revision 4");
    seat.types("/version 3 listens\r");
    seat.sees("/version 3 listens");
    seat.types("\u{1b}?");
    seat.sees("leave this pane; devloop goes on");
    seat.types("?q");
    assert_eq!(code(seat.ended()), Some(0));
    seat.is_as_before();
    seat.sees("devloop goes on: `devloop attach` comes back, `devloop stop` ends it");
    assert_eq!(code(run(&project, &["status"]).status), Some(0));
}

#[test]
fn a_second_up_names_attach_and_attach_without_a_devloop_or_a_terminal_says_what_to_do() {
    let project = Project::with_app("");
    let output = run(&project, &["attach", "--json"]);
    assert_eq!(code(output.status), Some(4), "{output:?}");
    assert!(said(&output).starts_with("error: no devloop runs in this project"), "{output:?}");
    let output = run(&project, &["attach"]);
    assert_eq!(code(output.status), Some(2), "{output:?}");
    assert!(said(&output).contains("that needs a terminal") && said(&output).contains("logs -f"), "{output:?}");
    let _devloop = up(&project);
    for more in [&["up"][..], &["up", "--detach"]] {
        let output = run(&project, more);
        assert_eq!(code(output.status), Some(3), "{output:?}");
        assert!(said(&output).contains("`devloop attach` shows its pane here"), "{output:?}");
    }
}

#[test]
fn several_panes_see_the_same_and_one_that_stands_still_holds_nobody_up() {
    if !have("setsid") {
        return;
    }
    let project = Project::with_app("");
    let _devloop = up(&project);
    let (mut first, mut second) = (attach(&project), attach(&project));
    first.sees("● app  live  revision 1");
    second.sees("● app  live  revision 1");
    first.types("r");
    second.sees("build runs for revision 1: asked for");
    // Ctrl-Z is for one pane only.
    first.types("\u{1a}");
    let stat = format!("/proc/{}/stat", first.pid());
    until("it stands still", || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T ")));
    first.is_as_before();
    project.write("version", "2");
    second.sees("● app  live  revision 2");
    first.signal(Signal::SIGCONT);
    first.has_other_screen(true);
    first.sees("● app  live  revision 2");
    first.signal(Signal::SIGSTOP);
    until("it stands still", || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T ")));
    let output = run(&project, &["stop"]);
    assert_eq!(code(output.status), Some(0), "{output:?}");
    assert_eq!(code(second.ended()), Some(0));
    second.is_as_before();
    let text = second.sees("devloop has ended");
    assert!(text.contains("ending: `devloop stop`"), "{text}");
    first.signal(Signal::SIGCONT);
    assert_eq!(code(first.ended()), Some(0));
    first.is_as_before();
}

#[test]
fn quit_from_the_list_ends_devloop_itself() {
    if !have("setsid") {
        return;
    }
    let project = Project::with_app("");
    let mut devloop = up(&project);
    let mut seat = attach(&project);
    seat.sees("● app  live  revision 1");
    seat.types(":quit\r");
    assert_eq!(code(seat.ended()), Some(0));
    seat.is_as_before();
    assert_eq!(code(devloop.ended()), Some(0));
}

#[test]
fn when_devloop_is_killed_the_pane_says_so_and_gives_the_terminal_back() {
    if !have("setsid") {
        return;
    }
    let project = Project::with_app("");
    let devloop = up(&project);
    let mut seat = attach(&project);
    seat.sees("● app  live  revision 1");
    devloop.signal(Signal::SIGKILL);
    assert_eq!(code(seat.ended()), Some(1));
    seat.is_as_before();
    seat.sees("error: devloop is gone: it was killed");
}

#[test]
fn a_terminal_that_is_closed_ends_the_pane_and_not_devloop() {
    if !have("setsid") {
        return;
    }
    let project = Project::with_app("");
    let mut devloop = up(&project);
    let mut seat = attach(&project);
    seat.sees("● app  live  revision 1");
    seat.hang_up();
    assert_eq!(code(seat.ended()), Some(129));
    project.write("version", "2");
    project.wait();
    assert_eq!(devloop.get("/").body.trim(), "2");
}

/// Only who leads the session is told that its terminal is closed; who was started by a shell has to find out.
#[test]
fn a_pane_that_nobody_tells_of_its_closed_terminal_finds_out_and_ends() {
    if !have("setsid") {
        return;
    }
    let project = Project::with_app("");
    let closes = |words: &str| {
        let mut shell = Command::new("sh");
        let devloop = env!("CARGO_BIN_EXE_devloop");
        shell.args(["-c", &format!("trap '' HUP; '{devloop}' {words}; echo $? > ended.new; mv ended.new ended")]);
        let mut seat = Seat::of(shell, &project, 100, 30);
        seat.sees("● app  live  revision");
        seat.hang_up();
        seat.ended();
        assert_eq!(project.read("ended").trim(), "129", "devloop {words}");
    };
    closes("up --listen 0");
    let _devloop = up(&project);
    closes("attach");
}

/// Asks for the stream, and reads its first line.
fn stream(project: &Project) -> (BufReader<UnixStream>, Value) {
    let mut stream = UnixStream::connect(project.read(".devloop/control")).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
    stream.write_all(b"{\"v\":1,\"ask\":\"attach\",\"lines\":0}\n").expect("it reads");
    let mut reader = BufReader::new(stream);
    let first = next(&mut reader);
    (reader, first)
}

fn next(reader: &mut BufReader<UnixStream>) -> Value {
    let mut line = String::new();
    reader.read_line(&mut line).expect("it goes on");
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"))
}

#[test]
fn who_reads_too_slowly_is_told_how_many_lines_are_missing_and_nobody_waits() {
    const LINES: u64 = 300_000;
    let project = Project::with_app("");
    let flood = format!("[[step]]\nname = \"flood\"\nrun = \"seq 1 {LINES}\"\nafter = []\ninputs = [\"flood\"]\n");
    project.write(
        "dev.toml",
        format!("{}{flood}", project.read("dev.toml").replace("[[service]]\n", "[[service]]\nafter = [\"build\"]\n")),
    );
    let mut devloop = up(&project);
    devloop.rest();
    let (mut slow, first) = stream(&project);
    assert_eq!(first["devloop"]["pid"], devloop.pid());
    assert_eq!(first["status"]["services"][0]["live"]["revision"], 1);
    // It reads nothing, and the flood comes to its end all the same.
    project.write("flood", "now");
    devloop.wait("the flood is over", |event| event["event"] == "step_done" && event["step"] == "flood");
    devloop.rest();
    let (mut read, mut lost, mut numbers) = (0, 0, Vec::new());
    loop {
        let line = next(&mut slow);
        lost += line["lines"].as_u64().unwrap_or_default();
        let said = &line["line"];
        if said["event"] == "output" && said["source"] == "flood" {
            read += 1;
            numbers.push(said["text"].as_str().expect("it has a text").parse::<u64>().expect("a number"));
        }
        if said["event"] == "step_done" && said["step"] == "flood" {
            break;
        }
    }
    assert!(lost > 0, "it was slow enough");
    assert_eq!(read + lost, LINES, "every line is read or counted");
    assert!(numbers.is_sorted(), "in their order");
    assert_eq!(numbers.last(), Some(&LINES), "the newest are there");
}

#[test]
fn the_stream_tells_what_a_pane_shows_until_the_end() {
    let project = Project::with_app("");
    let devloop = up(&project);
    let (mut reader, _) = stream(&project);
    project.write("version", "2");
    let mut statuses = Vec::new();
    loop {
        let line = next(&mut reader);
        statuses.extend(line["status"]["revision"].as_u64());
        if line["line"]["event"] == "live" && line["line"]["revision"] == 2 {
            break;
        }
    }
    assert!(statuses.contains(&2), "the status comes before what is said about it: {statuses:?}");
    devloop.signal(Signal::SIGTERM);
    let mut last_words = Vec::new();
    loop {
        let line = next(&mut reader);
        if line["ok"] == true {
            break;
        }
        last_words.extend(line["line"]["event"].as_str().map(str::to_owned));
    }
    assert!(last_words.contains(&"quitting".to_owned()), "{last_words:?}");
}

#[test]
fn the_second_client_in_the_documentation_follows_a_save() {
    if !have("python3") {
        return;
    }
    let docs = include_str!("../../docs/control.md");
    let mut clients = docs.split("```python\n").skip(2).filter_map(|rest| rest.split_once("```"));
    let (client, _) = clients.next().expect("a second client is shown");
    let project = Project::with_app("");
    project.write("follow.py", client);
    let _devloop = up(&project);
    project.wait();
    let mut following = Command::new("python3");
    following.arg("follow.py").current_dir(project.root()).stdout(std::process::Stdio::piped());
    let mut following = following.spawn().expect("python starts");
    let mut lines = BufReader::new(following.stdout.take().expect("it is piped")).lines();
    let mut next = || lines.next().expect("it goes on").expect("it is text");
    assert_eq!(next(), "revision 1 is at rest: True");
    project.write("version", "2");
    until("it says that revision 2 is live", || next() == "live: app at revision 2");
    assert_eq!(code(run(&project, &["stop"]).status), Some(0));
    let status = following.wait().expect("it ends");
    assert!(status.success(), "the stream has an end");
}

#[test]
fn the_shell_completes_revisions_that_one_can_go_back_to() {
    let project = Project::with_app("");
    // As the script of fish asks: the words so far, the last one unfinished.
    let completed = |words: &[&str]| {
        let arguments = [&["--", "devloop"], words].concat();
        let output = project.command(&arguments).env("DEVLOOP_COMPLETE", "fish").output().expect("devloop starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed(&["rollback", ""]), [""; 0], "none runs");
    let _devloop = up(&project);
    project.wait();
    project.write("version", "2");
    project.wait();
    assert_eq!(completed(&["rollback", ""]), ["2\tapp (live)", "1\tapp"]);
    assert_eq!(completed(&["why", "1"]), ["1"]);
    assert!(completed(&["why", "ver"]).contains(&"version".to_owned()));
    assert_eq!(completed(&["restart", ""]), ["app"]);
}
