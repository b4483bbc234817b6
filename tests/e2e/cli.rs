//! The command line: what is printed, where, and the exit code.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    process::{Output, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::{Devloop, Project, app_toml, is_alive, until};

fn run(project: &Project, arguments: &[&str]) -> Output {
    project.command(arguments).output().expect("devloop starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// No panic, no debug words, whatever happened.
fn assert_decent(output: &Output) {
    let all = out(output) + &err(output);
    for word in ["panicked", "RUST_BACKTRACE", "Some(", "Err(", "unwrap"] {
        assert!(!all.contains(word), "{word}: {all}");
    }
}

#[test]
fn check_prints_the_plan_and_ends_with_0() {
    let project = Project::with_app("health = \"/health\"");
    let output = run(&project, &["check"]);
    assert_decent(&output);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for word in ["build", "app", "version", "/health", "sh build.sh {out}"] {
        assert!(out(&output).contains(word), "{word}: {}", out(&output));
    }
    let json = run(&project, &["check", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out(&json)).expect("JSON");
    assert_eq!((json["ok"].as_bool(), json["services"][0]["name"].as_str()), (Some(true), Some("app")));
}

#[test]
fn check_and_up_print_every_problem_with_its_place_and_end_with_2() {
    let project = Project::new();
    project.write("dev.toml", "[[step]]\nnam = \"a\"\nrun = \"x\"\ntimeout = 5\n\n[[service]]\nname = \"s\"\nrun = \"{bild}\"\nport = \"aut\"\n");
    for arguments in [&["check"][..], &["up"], &["up", "--once", "--json"]] {
        let output = run(&project, arguments);
        assert_decent(&output);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert_eq!(out(&output), "", "problems go to standard error");
        for place in ["dev.toml:2:1", "dev.toml:4:", "dev.toml:9:", "did you mean `name`?"] {
            assert!(err(&output).contains(place), "{place}: {}", err(&output));
        }
    }
}

#[test]
fn without_a_dev_toml_one_is_told_what_to_do() {
    let project = Project::new();
    for arguments in [&["check"][..], &["up"]] {
        let output = run(&project, arguments);
        assert_decent(&output);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains("dev.toml") && err(&output).contains("hint:"), "{}", err(&output));
    }
}

#[test]
fn a_dev_toml_that_cannot_be_read_is_a_problem_not_a_panic() {
    let project = Project::with_app("");
    std::fs::remove_file(project.path("dev.toml")).expect("it is there");
    std::fs::create_dir(project.path("dev.toml")).expect("a folder");
    let output = run(&project, &["check", "--config", "dev.toml"]);
    assert_decent(&output);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    std::fs::remove_dir(project.path("dev.toml")).expect("it is there");
    project.write("dev.toml", b"name = \"\xff\xfe\"\n");
    let output = run(&project, &["check"]);
    assert_decent(&output);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("dev.toml"), "{}", err(&output));
    project.write("dev.toml", app_toml(""));
    std::fs::set_permissions(project.path("dev.toml"), std::fs::Permissions::from_mode(0o000)).expect("chmod");
    if std::fs::read(project.path("dev.toml")).is_ok() {
        eprintln!("skipped: whoever runs this may read everything");
        return;
    }
    let output = run(&project, &["up"]);
    assert_decent(&output);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("dev.toml"), "{}", err(&output));
}

#[test]
fn up_twice_in_one_project_ends_with_3_and_says_who_runs_there() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    let second = run(&project, &["up", "--listen", "0"]);
    assert_decent(&second);
    assert_eq!(second.status.code(), Some(3), "{}", err(&second));
    assert!(err(&second).contains(&devloop.pid().to_string()), "{}", err(&second));
    assert_eq!(devloop.get("/").body, "1\n");
    devloop.stop();
    let third = run(&project, &["up", "--once", "--listen", "0"]);
    assert_eq!(third.status.code(), Some(0), "{}{}", out(&third), err(&third));
}

#[test]
fn once_ends_with_0_when_all_is_live_and_with_1_when_not() {
    let project = Project::with_app("");
    let output = run(&project, &["up", "--once", "--json", "--listen", "0"]);
    assert_decent(&output);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let events: Vec<serde_json::Value> =
        out(&output).lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect();
    let pid = events.iter().find(|event| event["event"] == "probing").and_then(|event| event["pid"].as_u64());
    assert!(!is_alive(u32::try_from(pid.expect("it ran")).expect("a pid")), "nothing is left");
    project.write("version", "bad");
    let output = run(&project, &["up", "--once", "--plain", "--listen", "0"]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(out(&output).contains("build.sh:1:5"), "{}", out(&output));
    project.write("version", "1");
    project.write("app", "exit=4");
    let output = run(&project, &["up", "--once", "--plain", "--listen", "0"]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(out(&output).contains("exit code 4"), "{}", out(&output));
}

#[test]
fn plain_output_is_one_line_for_each_fact_and_has_no_colours() {
    let project = Project::with_app("");
    let output = run(&project, &["up", "--once", "--plain", "--listen", "0"]);
    let text = out(&output);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert!(text.lines().all(|line| line.contains(" | ") || line.ends_with(" |")), "{text}");
    for word in ["listening on http://localhost:", "build done in", "app live: revision 1, total", "build 1"] {
        if word != "build 1" {
            assert_eq!(text.lines().filter(|line| line.contains(word)).count(), 1, "{word}: {text}");
        }
    }
    let coloured = project.command(&["up", "--once", "--plain", "--listen", "0"]).env("CLICOLOR_FORCE", "1").output();
    assert!(out(&coloured.expect("it runs")).contains("\u{1b}["));
    let mut plain = project.command(&["up", "--once", "--plain", "--listen", "0"]);
    let plain = plain.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").output().expect("it runs");
    assert!(!out(&plain).contains('\u{1b}'), "NO_COLOR wins: {:?}", out(&plain));
}

#[test]
fn only_the_services_asked_for_run_and_what_they_need() {
    let project = Project::with_app("needs = [\"db\"]");
    let sleeper =
        |name: &str| format!("\n[[service]]\nname = \"{name}\"\nrun = \"sleep 1000\"\nport = \"none\"\ninputs = []\n");
    project.write("dev.toml", sleeper("db") + &project.read("dev.toml") + &sleeper("other"));
    let mut devloop = project.up_with(&["app"]);
    devloop.answers("1");
    devloop.rest_now();
    let started: Vec<_> = devloop.events().iter().filter(|event| event["event"] == "starting").cloned().collect();
    let names: std::collections::BTreeSet<_> = started.iter().filter_map(|event| event["service"].as_str()).collect();
    assert_eq!(names, ["app", "db"].into(), "{started:?}");
    devloop.stop();
    let unknown = run(&project, &["up", "ap", "--listen", "0"]);
    assert_decent(&unknown);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(err(&unknown).contains("did you mean `app`?"), "{}", err(&unknown));
}

#[test]
fn a_command_after_two_dashes_needs_no_dev_toml_and_is_restarted_by_a_save() {
    let project = Project::with_app("");
    std::fs::remove_file(project.path("dev.toml")).expect("it is there");
    project.write("run.sh", "sh build.sh ./made.bin.log && exec ./made.bin.log\n");
    let mut devloop = project.up_with(&["--", "sh", "run.sh"]);
    devloop.answers("1");
    project.write("version", "2");
    devloop.answers("2");
    assert_eq!(devloop.stop().code(), Some(130));
}

#[test]
fn listen_is_where_the_proxy_listens_and_a_taken_port_is_an_error() {
    let project = Project::with_app("");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it has one").port().to_string();
    let output = run(&project, &["up", "--once", "--listen", &port]);
    assert_decent(&output);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(err(&output).contains(&port), "{}", err(&output));
    drop(taken);
    let mut devloop = Devloop::start(project.command(&["up", "--json", "--listen", &format!("127.0.0.1:{port}")]));
    assert_eq!(devloop.address(), format!("127.0.0.1:{port}"));
    devloop.answers("1");
    let wrong = run(&project, &["up", "--listen", "not a port"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", err(&wrong));
}

#[test]
fn help_version_and_completions_are_printed() {
    let project = Project::new();
    for (arguments, words) in [
        (&["--help"][..], &["up", "check", "completions", "Exit codes", "NO_COLOR"][..]),
        (&["up", "--help"], &["--once", "--listen", "--json", "Examples"]),
        (&["--version"], &["devloop"]),
        (&["completions", "bash"], &["devloop"]),
        (&["completions", "zsh"], &["#compdef devloop"]),
        (&["completions", "fish"], &["complete --keep-order --exclusive --command devloop"]),
    ] {
        let output = run(&project, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        words.iter().for_each(|word| assert!(out(&output).contains(word), "{arguments:?}: {word}: {}", out(&output)));
    }
    for arguments in [&["upp"][..], &["up", "--no-such"], &["completions", "tcsh"], &[]] {
        let output = run(&project, arguments);
        assert_decent(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn a_reader_of_the_output_that_goes_away_leaves_nothing_behind() {
    let project = Project::with_app("");
    let mut child = project
        .command(&["up", "--plain", "--listen", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("devloop starts");
    let mut reader = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    drop(reader);
    project.write("version", "2");
    until("it has built again", || project.path(".devloop").exists());
    // Whether it goes on or ends: it can be ended, and says nothing about panics.
    if matches!(child.try_wait(), Ok(None)) {
        kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("it runs");
    }
    let status = {
        let end = std::time::Instant::now() + crate::support::DEADLINE;
        loop {
            if let Some(status) = child.try_wait().expect("it is ours") {
                break status;
            }
            assert!(std::time::Instant::now() < end, "it does not end");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    };
    let mut text = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut text).expect("text");
    assert!(!text.contains("panicked"), "{text}");
    assert!(status.code().is_some(), "it was not killed by a signal: {status:?}");
}

#[test]
fn dev_toml_is_found_from_folders_below_and_by_name() {
    let project = Project::with_app("");
    project.write("deep/er/file", "");
    let mut check = project.command(&["check"]);
    assert!(check.current_dir(project.path("deep/er")).output().expect("it runs").status.success());
    assert!(run(&project, &["-C", "deep/er", "check"]).status.success());
    std::fs::rename(project.path("dev.toml"), project.path("other.toml")).expect("it is there");
    assert!(run(&project, &["check", "--config", "other.toml"]).status.success());
    let mut devloop = project.up_with(&["--config", "other.toml"]);
    devloop.answers("1");
    project.write("other.toml", project.read("other.toml") + "env = { X = \"1\" }\n");
    assert_eq!(devloop.event("plan_changed")["touched"], serde_json::json!(["app"]));
    let nowhere = run(&project, &["-C", "no/such", "check"]);
    assert_decent(&nowhere);
    assert_eq!(nowhere.status.code(), Some(2), "{}", err(&nowhere));
}
