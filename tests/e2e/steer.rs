//! A running devloop is looked at and steered from another terminal.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::{Value, json};

use super::{
    have::have,
    support::{DEADLINE, Devloop, Project, is_alive, until},
};

/// Starts devloop, and waits until it can be asked.
fn up(project: &Project) -> Devloop {
    let devloop = project.up();
    until("it answers", || run(project, &["status"]).status.code() != Some(4));
    devloop
}

/// Runs a command beside devloop.
fn run(project: &Project, arguments: &[&str]) -> Output {
    project.command(arguments).output().expect("devloop starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it prints, if it ends well.
fn good(project: &Project, arguments: &[&str]) -> String {
    let output = run(project, arguments);
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// How it ends, and what it says about that.
fn bad(project: &Project, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(project, arguments);
    (output.status.code(), text(&output.stderr))
}

fn socket(project: &Project) -> PathBuf {
    PathBuf::from(project.read(".devloop/control"))
}

#[test]
fn a_save_and_a_wait_show_the_new_program_or_why_not() {
    let project = Project::with_app("");
    let mut devloop = up(&project);
    assert!(good(&project, &["wait"]).starts_with("app live: revision 1, process "));
    for version in ["2", "3"] {
        project.write("version", version);
        good(&project, &["wait"]);
        assert_eq!(devloop.get("/").body.trim(), version);
    }
    project.write("version", "bad");
    let output = run(&project, &["wait", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!((output.status.code(), answer["outcome"].as_str()), (Some(1), Some("failed")));
    assert_eq!(answer["status"]["services"][0]["live"]["revision"], 3);
    let (code, said) = bad(&project, &["wait", "--healthy", "--timeout", "50ms"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.starts_with("error: nothing was decided within 50ms\n"), "{said}");
    assert_eq!(run(&project, &["status"]).status.code(), Some(1));
    project.write("version", "4");
    good(&project, &["wait", "--revision", "5"]);
    assert_eq!(devloop.get("/").body.trim(), "4");
}

#[test]
fn an_earlier_program_comes_back_without_a_build_until_the_next_save() {
    let project = Project::with_app("");
    let mut devloop = up(&project);
    for version in ["2", "3"] {
        good(&project, &["wait"]);
        project.write("version", version);
    }
    good(&project, &["wait"]);
    let built = devloop.started("build");
    let said = good(&project, &["rollback"]);
    assert!(said.contains("revision 2") && said.contains("; stale: rolled back to revision 2; "), "{said}");
    let answer = devloop.get("/");
    assert_eq!(answer.body.trim(), "2");
    assert_eq!(answer.header("x-devloop-stale"), Some("rolled back to revision 2; the next save goes forward again"));
    good(&project, &["rollback", "1"]);
    assert_eq!(devloop.get("/").body.trim(), "1");
    assert_eq!(devloop.started("build"), built, "going back builds nothing");
    let status: Value = serde_json::from_slice(&run(&project, &["status", "--json"]).stdout).expect("it is JSON");
    assert_eq!(status["status"]["services"][0]["pinned"], 1);
    assert_eq!(status["status"]["services"][0]["kept"], json!([3, 2, 1]));
    good(&project, &["resume"]);
    assert_eq!(devloop.get("/").body.trim(), "3");
    good(&project, &["rollback", "-2"]);
    assert_eq!(devloop.get("/").body.trim(), "1");
    project.write("version", "4");
    good(&project, &["wait"]);
    let answer = devloop.get("/");
    assert_eq!((answer.body.trim(), answer.header("x-devloop-stale")), ("4", None));
    let (code, said) = bad(&project, &["rollback", "99"]);
    assert_eq!((code, said.as_str()), (Some(1), "error: there is no revision 99 yet; the newest one is 4\n"));
}

#[test]
fn an_earlier_program_that_does_not_come_up_changes_nothing() {
    let project = Project::with_app("");
    let mut devloop = up(&project);
    good(&project, &["wait"]);
    project.write("version", "2");
    good(&project, &["wait"]);
    // What is kept of the first program is gone: somebody has cleaned up.
    let first = devloop.events().iter().find(|event| event["event"] == "step_done").cloned().expect("it was built");
    let kept = project.path(".devloop/artifacts");
    let end = format!("-{}", first["run"]);
    let is_of_first = |path: &&PathBuf| path.parent().is_some_and(|folder| folder.to_string_lossy().ends_with(&end));
    let files = walk(&kept);
    let of_first: Vec<&PathBuf> = files.iter().filter(is_of_first).collect();
    assert_eq!(of_first.len(), 1, "{files:?}");
    std::fs::remove_file(of_first[0]).expect("it is ours");
    let (code, said) = bad(&project, &["rollback"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("error: `app` of revision 1 did not come up\n"), "{said}");
    let answer = devloop.get("/");
    assert_eq!((answer.body.trim(), answer.header("x-devloop-stale")), ("2", None));
}

fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn in_a_pause_saves_start_nothing_and_answers_say_so() {
    let project = Project::with_app("");
    let mut devloop = up(&project);
    good(&project, &["wait"]);
    good(&project, &["pause"]);
    let built = devloop.started("build");
    project.write("version", "2");
    let (code, said) = bad(&project, &["wait"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("error: watching is paused, so saves start nothing\n"), "{said}");
    let answer = devloop.get("/");
    assert_eq!(answer.body.trim(), "1");
    assert!(answer.header("x-devloop-stale").is_some_and(|why| why.starts_with("watching is paused")), "{answer:?}");
    assert_eq!(devloop.started("build"), built);
    assert!(text(&run(&project, &["status"]).stdout).contains("written and not counted yet: version\n"));
    good(&project, &["resume"]);
    assert_eq!(devloop.get("/").body.trim(), "2");
}

#[test]
fn what_is_as_it_was_after_a_pause_starts_nothing() {
    let project = Project::with_app("");
    let devloop = up(&project);
    good(&project, &["wait"]);
    let (built, started) = (devloop.started("build"), devloop.count("starting"));
    good(&project, &["pause"]);
    project.write("version", "2");
    assert_eq!(run(&project, &["wait"]).status.code(), Some(1));
    project.write("version", "1");
    good(&project, &["resume"]);
    assert_eq!((devloop.started("build"), devloop.count("starting")), (built, started));
}

#[test]
fn steps_and_services_start_again_when_they_are_asked_to() {
    let project = Project::with_app("");
    let devloop = up(&project);
    good(&project, &["wait"]);
    let live = || -> Value {
        let status: Value = serde_json::from_slice(&run(&project, &["status", "--json"]).stdout).expect("it is JSON");
        status["status"]["services"][0]["live"]["run"].clone()
    };
    let (first, built) = (live(), devloop.started("build"));
    good(&project, &["rebuild"]);
    assert_eq!((live(), devloop.started("build")), (first.clone(), built + 1), "the same artifact needs no restart");
    good(&project, &["restart", "app"]);
    assert_ne!(live(), first);
    let (code, said) = bad(&project, &["restart", "apo"]);
    assert_eq!((code, said.as_str()), (Some(1), "error: no service is named `apo`\n  hint: did you mean `app`?\n"));
    let (code, said) = bad(&project, &["rebuild", "xyzzy"]);
    assert_eq!((code, said.as_str()), (Some(1), "error: no step is named `xyzzy`\n  hint: the steps are `build`\n"));
}

#[test]
fn it_says_what_became_of_a_revision_and_who_reads_a_file() {
    let project = Project::with_app("");
    project.write("README.md", "read me");
    let _devloop = up(&project);
    good(&project, &["wait"]);
    project.write("version", "2");
    good(&project, &["wait"]);
    let why = good(&project, &["why"]);
    for said in ["saved version: revision 2", "build runs for revision 2: version changed", "app live: revision 2"] {
        assert!(why.contains(said), "{why}");
    }
    let why: Value = serde_json::from_str(&good(&project, &["why", "2", "--json"])).expect("it is JSON");
    assert_eq!((&why["revision"], &why["saved"]["files"]), (&json!(2), &json!(["version"])));
    assert_eq!(
        good(&project, &["why", "version"]),
        "version is read by step `build` (inputs has \"version\")\nit reaches app by way of steps\n\
         its last change was revision 2: `devloop why 2`\n"
    );
    assert_eq!(good(&project, &["why", "README.md"]), "no step reads README.md, and no service restarts for it\n");
    let (code, said) = bad(&project, &["why", "3"]);
    assert_eq!(code, Some(1));
    assert!(said.starts_with("error: there is no revision 3\n  hint: the newest one is 2"), "{said}");
}

#[test]
fn the_log_is_read_while_devloop_runs_and_when_it_does_not() {
    let project = Project::with_app("");
    let mut devloop = up(&project);
    good(&project, &["wait"]);
    let lines = good(&project, &["logs", "--source", "devloop", "--json"]);
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("each is JSON")).collect();
    assert!(events.iter().any(|event| event["event"] == "live"), "{lines}");
    assert_eq!(good(&project, &["logs", "-n", "1"]).lines().count(), 1);
    let (code, said) = bad(&project, &["logs", "--source", "ap"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no step or service is named `ap`"), "{said}");

    let mut follower = project
        .command(&["logs", "-f", "-n", "0", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("devloop starts");
    let mut followed = BufReader::new(follower.stdout.take().expect("it is piped")).lines();
    let mut version = 1;
    // It may not listen yet: what was said before it did is not for it.
    let (saved, rx) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let line = followed.by_ref().map_while(Result::ok).find(|line| line.contains("\"event\":\"saved\""));
        _ = saved.send(line);
        followed.map_while(Result::ok).count()
    });
    let line = loop {
        version += 1;
        project.write("version", version.to_string());
        good(&project, &["wait"]);
        if let Ok(line) = rx.try_recv() {
            break line;
        }
    };
    assert!(line.is_some_and(|line| line.contains("\"files\":[\"version\"]")));
    devloop.stop();
    assert!(follower.wait().expect("it is our child").success(), "it ends with what it follows");
    reader.join().expect("it reads to the end");

    let files = good(&project, &["logs", "-n", "3"]);
    assert_eq!(files.lines().count(), 3, "{files}");
    assert!(files.contains("devloop: {\"event\":"), "{files}");
    let events = good(&project, &["logs", "--source", "devloop", "--since", "1h", "--json"]);
    assert!(
        events.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|event| event["event"].is_string()))
    );
    assert_eq!(bad(&project, &["logs", "-f"]).0, Some(4));
}

#[test]
fn a_program_of_the_persons_own_gets_the_environment_of_a_service() {
    let project = Project::with_app("env = { GREETING = \"hello there\" }");
    let mut devloop = up(&project);
    good(&project, &["wait"]);
    let live = devloop.event("probing");
    let said = good(&project, &["run", "sh", "-c", "echo \"$GREETING $PORT ${DEVLOOP_SESSION-none}\""]);
    assert_eq!(said, format!("hello there {} none\n", live["port"]));
    assert_eq!(run(&project, &["run", "--service", "app", "--", "sh", "-c", "exit 7"]).status.code(), Some(7));
    let (code, said) = bad(&project, &["run", "no-such-program"]);
    assert_eq!(code, Some(1));
    assert!(said.starts_with("error: cannot start `no-such-program`\n"), "{said}");
}

#[test]
fn the_address_is_opened_in_the_persons_browser() {
    let project = Project::with_app("");
    project.write("browser", "#!/bin/sh\necho \"$1\" > opened\n");
    let script = project.path("browser");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it is ours");
    let project = project.env("BROWSER", &script.display().to_string());
    let mut devloop = up(&project);
    let url = devloop.event("listening")["url"].as_str().expect("it is text").to_owned();
    assert_eq!(good(&project, &["open"]), format!("{url}\n"));
    until("the browser runs", || {
        std::fs::read_to_string(project.path("opened")).is_ok_and(|text| text.ends_with('\n'))
    });
    assert_eq!(project.read("opened"), format!("{url}\n"));
    assert_eq!(bad(&project, &["open", "db"]).0, Some(1));
}

#[test]
fn in_the_background_it_runs_until_it_is_stopped() {
    let project = Project::with_app("");
    let said = good(&project, &["-C", ".", "up", "--detach", "--listen", "0"]);
    assert!(said.contains("/.devloop/up.log\n"), "{said}");
    let status: Value = serde_json::from_slice(&run(&project, &["status", "--json"]).stdout).expect("it is JSON");
    let pid = status["devloop"]["pid"].as_u64().expect("it is a number") as u32;
    assert!(said.contains(&format!("(process {pid}, http://localhost:")), "{said}");
    good(&project, &["wait"]);
    let (code, said) = bad(&project, &["up"]);
    assert_eq!(code, Some(3));
    assert!(said.contains("`devloop attach`") && said.contains("`devloop stop`"), "{said}");
    assert_eq!(bad(&project, &["up", "--detach"]).0, Some(3));
    assert!(project.read(".devloop/up.log").contains("listening on http://localhost:"));
    assert_eq!(good(&project, &["stop"]), "devloop has ended\n");
    until("its process is gone", || !is_alive(pid));
    assert!(!project.path(".devloop/control").exists());
    let (code, said) = bad(&project, &["stop"]);
    assert_eq!(code, Some(4));
    assert!(said.starts_with("error: no devloop runs in this project\n  hint: start one: `devloop up`"), "{said}");
}

#[test]
fn in_the_background_it_says_why_it_cannot_start() {
    let project = Project::with_app("");
    project.write("dev.toml", "[[step]]\nname = \"build\"\nrunn = \"true\"\n");
    let (code, said) = bad(&project, &["up", "--detach"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("did you mean `run`"), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it listens").port().to_string();
    project.write("dev.toml", super::support::app_toml(""));
    let (code, said) = bad(&project, &["up", "--detach", "--listen", &format!("127.0.0.1:{port}")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&port), "{said}");
}

#[test]
fn the_socket_is_private_and_that_of_a_dead_devloop_is_replaced() {
    let project = Project::with_app("");
    let mut devloop = up(&project);
    good(&project, &["wait"]);
    let path = socket(&project);
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().expect("it is in a folder"))), (0o600, 0o700));
    devloop.signal(nix::sys::signal::Signal::SIGKILL);
    devloop.ended();
    assert!(path.exists(), "nobody could clean up");
    assert_eq!(bad(&project, &["status"]).0, Some(4));
    let _again = up(&project);
    good(&project, &["wait"]);
    assert_eq!(socket(&project), path);
}

#[test]
fn what_is_no_wish_is_answered_and_the_connection_stays() {
    let project = Project::with_app("");
    let _devloop = up(&project);
    good(&project, &["wait"]);
    let stream = UnixStream::connect(socket(&project)).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("it is a time");
    let mut lines = BufReader::new(stream.try_clone().expect("it can be cloned")).lines();
    let mut ask = |line: &str| -> Value {
        (&stream).write_all(format!("{line}\n").as_bytes()).expect("it listens");
        let answer = lines.next().expect("it answers").expect("it answers");
        serde_json::from_str(&answer).expect("it is JSON")
    };
    for (line, error) in [
        ("hello", "this is no JSON object on one line"),
        ("[1]", "no version is given"),
        (r#"{"ask":"status"}"#, "no version is given"),
        (r#"{"v":9,"ask":"status"}"#, "this devloop speaks version 1 of the protocol, not 9"),
        (r#"{"v":1,"ask":"explode"}"#, "this cannot be asked: unknown variant `explode`"),
        (r#"{"v":1,"ask":"rollback","revision":1,"back":1}"#, "either a revision or how far back, not both"),
    ] {
        let answer = ask(line);
        assert_eq!(answer["ok"], false, "{line}");
        assert!(answer["error"].as_str().is_some_and(|said| said.starts_with(error)), "{line}: {answer}");
    }
    assert_eq!(ask(r#"{"v":1,"ask":"status"}"#)["status"]["watching"], "on");
    let long = ask(&format!("{{\"v\":1,\"ask\":\"{}\"}}", "x".repeat(70_000)));
    assert_eq!(long["error"], "this line is too long");
}

/// The client that docs/control.md shows.
#[test]
fn the_client_in_the_documentation_works() {
    if !have("python3") {
        return;
    }
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/control.md")).expect("it is there");
    let (_, rest) = docs.split_once("```python\n").expect("a client is shown");
    let (client, _) = rest.split_once("```").expect("it has an end");
    let project = Project::with_app("");
    project.write("client.py", client);
    let _devloop = up(&project);
    good(&project, &["wait"]);
    project.write("version", "2");
    let output = Command::new("python3").arg("client.py").current_dir(project.root()).output().expect("python starts");
    assert_eq!(text(&output.stdout), "live at revision 2\n", "{}", text(&output.stderr));
}
