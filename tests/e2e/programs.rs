//! Programs while they run: what they print, how they end by themselves, and standing still with devloop.

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    support::{Devloop, Project, get, is_alive, until},
    traffic::{Client, connect, read_head},
};

/// The texts that a source has printed so far.
fn printed(devloop: &Devloop, source: &str) -> Vec<String> {
    let lines = devloop.events().into_iter().filter(|event| event["event"] == "output" && event["source"] == source);
    lines.filter_map(|event| event["text"].as_str().map(str::to_owned)).collect()
}

/// The state letter of a process.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

fn live_pid(devloop: &mut Devloop) -> u32 {
    devloop.get("/pid").body.parse().expect("a pid")
}

#[test]
fn a_crash_is_said_and_requests_wait_for_the_restart() {
    let project = Project::with_app("");
    project.write("app", "crash=/crash");
    let mut devloop = project.up();
    devloop.rest();
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let before = live_pid(&mut devloop);
        let address = devloop.address();
        let answer = Client::new(&address).post("/crash", b"").expect("an answer");
        assert_eq!((answer.status, answer.header("x-devloop")), (502, Some("upstream-died")), "a POST is not repeated");
        let answer = devloop.get("/");
        assert_eq!((answer.status, answer.body.as_str()), (200, "1\n"), "it waits for the restart");
        let crashed = devloop.event("crashed");
        assert_eq!(crashed["exit"]["code"], 3);
        assert!(crashed["report"].to_string().contains("asked to crash"), "{crashed}");
        pauses.push(crashed["restart_in_ms"].as_f64().expect("it is restarted"));
        devloop.event("live");
        assert_ne!(live_pid(&mut devloop), before);
    }
    assert_eq!(pauses, [0.0, 200.0, 1000.0]);
    project.write("version", "2");
    assert_eq!(devloop.get("/").body, "2\n");
    Client::new(&devloop.address()).post("/crash", b"").expect("an answer");
    assert_eq!(devloop.event("crashed")["restart_in_ms"], 0.0, "a save ends the pauses");
    devloop.stop();
}

#[test]
fn a_program_that_crashes_again_and_again_is_reported_instead_of_waited_for() {
    let project = Project::with_app("");
    project.write("app", "crash=/crash lock=first");
    let mut devloop = project.up();
    devloop.rest();
    // from now on it cannot come up any more
    let lock = std::fs::File::options().append(true).open(project.path("first")).expect("it is there");
    let pid = live_pid(&mut devloop);
    kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("it runs");
    until("it has ended", || !is_alive(pid));
    until("we have the lock", || lock.try_lock().is_ok());
    let first = devloop.event("crashed");
    assert_eq!(first["exit"]["signal"], 9);
    devloop.event("start_failed");
    devloop.event("start_failed");
    until("it is reported", || {
        let answer = devloop.get("/");
        answer.status == 503
            && answer.header("x-devloop") == Some("failed")
            && answer.body.contains("database is locked")
    });
    drop(lock);
    project.write("version", "2");
    assert_eq!(devloop.get("/").body, "2\n", "a save ends it");
    devloop.stop();
}

#[test]
fn a_restart_after_a_crash_does_not_make_a_service_exclusive() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    for _ in 0..2 {
        let pid = live_pid(&mut devloop);
        kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("it runs");
        devloop.event("crashed");
        assert_eq!(devloop.get("/").body, "1\n");
        devloop.event("live");
    }
    assert_eq!(devloop.count("exclusive"), 0);
    devloop.stop();
}

#[test]
fn a_service_that_is_left_alone_when_it_ends_is_reported() {
    let project = Project::with_app("restart = \"no\"");
    project.write("app", "crash=/crash");
    let mut devloop = project.up();
    devloop.rest();
    Client::new(&devloop.address()).post("/crash", b"").expect("an answer");
    let crashed = devloop.event("crashed");
    assert!(crashed["restart_in_ms"].is_null(), "{crashed}");
    let answer = devloop.get("/");
    assert_eq!((answer.status, answer.header("x-devloop")), (503, Some("failed")));
    assert!(answer.body.contains("exit code 3"), "{answer:?}");
    project.write("version", "2");
    assert_eq!(devloop.get("/").body, "2\n", "a save starts it");
    devloop.stop();
}

#[test]
fn a_crash_while_the_next_one_is_being_built_is_answered_by_the_next_one() {
    let project = Project::with_app("");
    project.write("app", "crash=/crash");
    let script = project.read("build.sh");
    project.write("build.sh", format!("while [ -e wait ]; do sleep 0.01; done\n{script}"));
    let mut devloop = project.up();
    devloop.rest();
    project.write("wait", "");
    project.write("version", "2");
    devloop.event("step_started");
    Client::new(&devloop.address()).post("/crash", b"").map(|answer| assert_ne!(answer.status, 200)).ok();
    std::fs::remove_file(project.path("wait")).expect("it is there");
    assert_eq!(devloop.get("/").body, "2\n");
    devloop.stop();
}

#[test]
fn a_flood_of_output_slows_neither_the_program_nor_its_requests_nor_the_end() {
    let project = Project::with_app("");
    project.write("app", "flood=20000");
    let mut devloop = project.up();
    assert_eq!(devloop.get("/").body, "1\n");
    let address = devloop.address();
    let there = address.clone();
    let flood = thread::spawn(move || Client::new(&there).get("/flood?100000").expect("an answer").body);
    for _ in 0..50 {
        assert_eq!(get(&address, "/").body, "1\n");
    }
    assert_eq!(flood.join().expect("no panic").trim(), "1");
    project.write("version", "2");
    assert_eq!(devloop.get("/").body, "2\n");
    assert_eq!(devloop.stop().code(), Some(130));
    // shown or counted: nothing is dropped without a word
    let mut shown = printed(&devloop, "app").iter().filter(|text| text.contains("of a flood")).count();
    for event in devloop.events().iter().filter(|event| event["event"] == "note") {
        let text = event["text"].as_str().unwrap_or_default();
        if let Some((count, _)) = text.split_once(" lines of `app` were not shown") {
            shown += count.parse::<usize>().expect("a number");
        }
    }
    assert!(shown >= 140_000, "{shown} lines of 140000 are accounted for");
}

#[test]
fn a_flood_that_nobody_reads_holds_up_nothing() {
    let project = Project::with_app("");
    let mut command = project.command(&["up", "--json", "--listen", "0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("\"listening\"") {
        line.clear();
        assert!(lines.read_line(&mut line).expect("it can be read") > 0);
    }
    let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let address = event["addresses"][0].as_str().expect("an address").replace("[::1]", "127.0.0.1");
    // its output is not read from here on
    assert_eq!(get(&address, "/flood?200000").body.trim(), "1");
    for version in 2..5 {
        project.write("version", version.to_string());
        assert_eq!(get(&address, "/").body, format!("{version}\n"));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("it runs");
    // it prints what it has to print as soon as somebody reads
    let rest = thread::spawn(move || lines.lines().map_while(Result::ok).count());
    until("it ends", || matches!(child.try_wait(), Ok(Some(_))));
    assert!(rest.join().expect("no panic") > 0);
}

#[test]
fn a_line_without_an_end_is_shown_and_not_shown_twice() {
    for pty in ["true", "false"] {
        let project = Project::with_app(&format!("pty = {pty}"));
        let mut devloop = project.up();
        devloop.rest();
        devloop.get("/print?name:");
        devloop.wait("the prompt", |event| event["event"] == "output" && event["text"] == "name:");
        devloop.get("/print?joe_alone:");
        devloop.wait("the line", |event| event["event"] == "output" && event["text"] == "name:joe");
        devloop.wait("the next prompt", |event| event["event"] == "output" && event["text"] == "alone:");
        devloop.get("/print?_");
        devloop.get("/print?half");
        devloop.stop();
        let mut texts = printed(&devloop, "app");
        texts.retain(|text| ["name:", "alone:", "half"].iter().any(|known| text.contains(known)));
        assert_eq!(
            texts,
            ["name:", "name:joe", "alone:", "half"],
            "what stood without its end at the end is shown, too"
        );
    }
}

#[test]
fn programs_write_to_a_terminal_or_to_a_pipe_as_they_are_told() {
    for (pty, words) in [("true", "a terminal: true"), ("false", "a terminal: false")] {
        let project = Project::with_app(&format!("pty = {pty}"));
        project.write("app", "tty colour");
        let mut devloop = project.up();
        devloop.wait("it says so", |event| event["event"] == "output" && event["text"].to_string().contains(words));
        devloop.rest();
        assert!(printed(&devloop, "app").contains(&"\u{1b}[31mred\u{1b}[0m".to_owned()), "colours are kept");
        devloop.stop();
    }
}

#[test]
fn programs_find_the_environment_that_was_promised() {
    let project = Project::with_app("env = { GREETING = \"hello world\", PORT = \"1\" }\nenv_files = [\".env\"]");
    project.write(".env", "FROM_FILE='a b'\nGREETING=no\n");
    let mut devloop = project.up();
    assert_eq!(devloop.get("/env?GREETING").body, "hello world");
    assert_eq!(devloop.get("/env?FROM_FILE").body, "a b");
    assert_eq!(devloop.get("/env?DEVLOOP_REVISION").body, "1");
    assert_ne!(devloop.get("/env?PORT").body, "1");
    assert_eq!(devloop.get("/env?HOST").body, "127.0.0.1");
    devloop.rest();
    project.write(".env", "FROM_FILE=c\n");
    assert_eq!(devloop.get("/env?FROM_FILE").body, "c", "an env file is an input");
    assert_eq!(devloop.get("/env?DEVLOOP_REVISION").body, "2");
    devloop.stop();
}

#[test]
fn a_program_that_waits_for_the_end_of_its_input_goes_on() {
    let project = Project::new();
    project.write("dev.toml", "[[service]]\nname = \"app\"\nrun = \"cat\"\nport = \"none\"\ninputs = []\n");
    let mut devloop = project.up();
    devloop.event("live");
    assert_eq!(devloop.rest()["ok"], true);
    assert_eq!(devloop.count("crashed"), 0);
    devloop.stop();
}

#[test]
fn it_works_without_a_proxy() {
    let project = Project::with_app("");
    let toml = project.read("dev.toml");
    project.write("dev.toml", format!("[proxy]\nenabled = false\n\n{toml}"));
    let mut devloop = Devloop::start(project.command(&["up", "--json"]));
    for version in 1..4 {
        project.write("version", version.to_string());
        let probing = devloop.wait("it starts", |event| event["event"] == "probing");
        devloop.wait("it is live", |event| event["event"] == "live" && event["run"] == probing["run"]);
        devloop.rest();
        let address = format!("127.0.0.1:{}", probing["port"]);
        assert_eq!(Client::new(&address).get("/").expect("an answer").body, format!("{version}\n"));
    }
    assert_eq!(devloop.count("listening"), 0);
    devloop.stop();
}

#[test]
fn services_without_a_port_are_replaced_by_saves_too() {
    let project = Project::new();
    project.write(
        "dev.toml",
        "[[service]]\nname = \"worker\"\nrun = \"sh worker.sh\"\nport = \"none\"\ninputs = [\"worker.sh\"]\n",
    );
    project.write("worker.sh", "echo first\nexec sleep 1000\n");
    let mut devloop = project.up();
    devloop.rest();
    let pid = devloop.events().iter().find(|event| event["event"] == "probing").expect("it ran")["pid"].as_u64();
    assert!(devloop.events().iter().all(|event| event["event"] != "listening"), "there is nothing to proxy to");
    project.write("worker.sh", "echo second\nexec sleep 1000\n");
    devloop.wait("the new one", |event| event["event"] == "output" && event["text"] == "second");
    devloop.event("live");
    devloop.event("stopped");
    assert!(!is_alive(pid.expect("a pid") as u32));
    devloop.stop();
}

#[test]
fn everything_stands_still_with_devloop_and_goes_on_with_it() {
    let project = Project::with_app("health = { timeout = \"3s\" }");
    let mut devloop = project.up();
    devloop.rest();
    let old = live_pid(&mut devloop);
    project.write("app", "start=1500");
    let probing = devloop.event("probing");
    let new = probing["pid"].as_u64().expect("a pid") as u32;
    devloop.signal(Signal::SIGTSTP);
    let own = devloop.pid();
    until("devloop stands still", || state(own) == Some('T'));
    until("and its programs with it", || (state(old), state(new)) == (Some('T'), Some('T')));
    // longer than the time that the candidate has; what is measured is that it does not count
    thread::sleep(std::time::Duration::from_secs(4));
    devloop.signal(Signal::SIGCONT);
    devloop.event("live");
    assert_eq!(devloop.get("/").body, "1\n");
    assert_eq!(devloop.count("start_failed"), 0);
    // twice
    devloop.signal(Signal::SIGTSTP);
    until("devloop stands still again", || state(own) == Some('T'));
    until("and its program with it", || state(new) == Some('T'));
    project.write("version", "2");
    devloop.signal(Signal::SIGCONT);
    assert_eq!(devloop.get("/").body, "2\n");
    devloop.stop();
}

#[test]
fn devloop_can_be_ended_while_it_stands_still() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    let pid = live_pid(&mut devloop);
    let own = devloop.pid();
    devloop.signal(Signal::SIGTSTP);
    until("devloop stands still", || state(own) == Some('T'));
    devloop.signal(Signal::SIGTERM);
    devloop.signal(Signal::SIGCONT);
    assert_eq!(devloop.ended().code(), Some(143));
    assert!(!is_alive(pid));
}

#[test]
fn an_answer_that_has_begun_when_its_program_is_killed_is_not_made_to_look_whole() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    let pid = live_pid(&mut devloop);
    let mut stream = connect(&devloop.address()).expect("it listens");
    stream.get_mut().write_all(b"GET /drip HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("written");
    read_head(&mut stream).expect("an answer");
    kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("it runs");
    let mut all = Vec::new();
    _ = std::io::Read::read_to_end(&mut stream, &mut all);
    assert!(!all.ends_with(b"0\r\n\r\n"), "{:?}", String::from_utf8_lossy(&all));
    devloop.stop();
}
