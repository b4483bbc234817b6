//! Requests beside swaps: who may ask, who has to wait, and what is marked.

use std::{thread, time::Duration};

use crate::{
    support::{Project, build_script, request, until},
    traffic::Client,
};

/// The script that asks an address from inside of a step and keeps what came.
fn asking(address: &str) -> String {
    format!("curl -s -i --max-time 20 http://{address}/ > answer.tmp; mv answer.tmp answer\n")
}

#[test]
fn a_step_that_calls_the_proxy_is_told_at_once_that_it_waits_for_itself() {
    if !crate::have::have("curl") {
        return;
    }
    let project = Project::with_app("");
    project.write("build.sh", "exit 1\n");
    let mut devloop = project.up();
    devloop.rest();
    project.write("build.sh", asking(&devloop.address()) + &build_script());
    assert_eq!(devloop.get("/").body, "1\n", "others wait for the step");
    let answer = project.read("answer");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("x-devloop: waits-for-itself"), "{answer}");
    // once something is live, the step is answered by it: it is never held for what it makes itself
    project.write("version", "2");
    assert_eq!(devloop.get("/").body, "2\n");
    let answer = project.read("answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.trim().ends_with('1'), "{answer}");
    devloop.stop();
}

#[test]
fn a_candidate_that_calls_itself_through_the_proxy_is_told_so() {
    if !crate::have::have("curl") {
        return;
    }
    let project = Project::with_app("swap = \"exclusive\"");
    let mut devloop = project.up();
    devloop.rest();
    let script = project.read("build.sh").replace("echo '#!/bin/sh'", "echo '#!/bin/sh'; cat before.sh");
    project.write("before.sh", asking(&devloop.address()));
    project.write("build.sh", script);
    project.write("version", "2");
    assert_eq!(devloop.get("/").body, "2\n");
    let answer = project.read("answer");
    assert!(answer.contains("x-devloop: waits-for-itself"), "{answer}");
    devloop.stop();
}

#[test]
fn a_service_may_call_another_one_through_the_proxy_at_any_time() {
    let project = Project::with_app("");
    let toml = project.read("dev.toml");
    project.write(
        "dev.toml",
        format!("{toml}\n[[service]]\nname = \"web\"\nrun = \"{{build}}\"\ninputs = []\nafter = [\"build\"]\n"),
    );
    let mut devloop = project.up();
    let web = devloop.wait("web starts", |event| event["event"] == "probing" && event["service"] == "web");
    devloop.rest();
    let address = devloop.address();
    let web = format!("127.0.0.1:{}", web["port"]);
    let answer = Client::new(&web).get(&format!("/call?{address}/")).expect("an answer");
    assert_eq!(answer.body, "200 1\n");
    // while a save is being built, it is answered by what is live: it is not a person who waits for the new one
    let script = project.read("build.sh");
    project.write("build.sh", format!("while [ -e wait ]; do sleep 0.01; done\n{script}"));
    devloop.rest();
    let web = devloop
        .events()
        .iter()
        .rev()
        .find(|event| event["event"] == "probing" && event["service"] == "web")
        .map(|event| format!("127.0.0.1:{}", event["port"]))
        .expect("it runs");
    project.write("wait", "");
    project.write("version", "2");
    devloop.event("step_started");
    let answer = Client::new(&web).get(&format!("/call?{address}/")).expect("an answer");
    assert_eq!(answer.body, "200 1\n");
    std::fs::remove_file(project.path("wait")).expect("it is there");
    assert_eq!(devloop.get("/").body, "2\n");
    devloop.stop();
}

#[test]
fn only_hosts_of_this_machine_and_those_written_down_are_answered() {
    let project = Project::with_app("");
    let toml = project.read("dev.toml");
    project.write("dev.toml", format!("[proxy]\nhosts = [\"app.test\"]\n\n{toml}"));
    let mut devloop = project.up();
    devloop.rest();
    let address = devloop.address();
    let ask = |host: &str| {
        request(&address, &format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).expect("an answer")
    };
    let port = address.rsplit(':').next().expect("a port");
    for good in ["localhost", "LOCALHOST.", "127.0.0.1", "[::1]", "app.test", "x.localhost"] {
        assert_eq!(ask(good).status, 200, "{good}");
        assert_eq!(ask(&format!("{good}:{port}")).status, 200, "{good} with a port");
    }
    for evil in ["evil.test", "localhost.evil.test", "127.0.0.1.nip.io", "app.test.evil.test", "xapp.test"] {
        let answer = ask(evil);
        assert_eq!((answer.status, answer.header("x-devloop")), (403, Some("host-not-allowed")), "{evil}");
        let page =
            request(&address, &format!("GET /.devloop/status HTTP/1.1\r\nhost: {evil}\r\nconnection: close\r\n\r\n"));
        assert_eq!(page.expect("an answer").status, 403, "{evil}");
    }
    for bad in ["", "a b", "local host"] {
        assert!([400, 403].contains(&ask(bad).status), "{bad:?}");
    }
    let text = project.read("dev.toml").replace("app.test", "other.test");
    project.write("dev.toml", text);
    devloop.event("plan_changed");
    until("the new name is known", || ask("other.test").status == 200);
    assert_eq!(ask("app.test").status, 403);
    devloop.stop();
}

#[test]
fn once_the_fresh_limit_is_over_answers_are_marked_and_nobody_waits() {
    let project = Project::with_app("");
    let toml = project.read("dev.toml");
    project.write("dev.toml", format!("[proxy]\nfresh = \"200ms\"\n\n{toml}"));
    let script = project.read("build.sh");
    project.write("build.sh", format!("while [ -e wait ]; do sleep 0.01; done\n{script}"));
    let mut devloop = project.up();
    devloop.rest();
    project.write("wait", "");
    project.write("version", "2");
    for _ in 0..5 {
        let answer = devloop.get("/");
        assert_eq!((answer.status, answer.body.as_str()), (200, "1\n"));
        let why = answer.header("x-devloop-stale").expect("it is marked");
        assert!(why.contains("running `build`"), "{why}");
    }
    std::fs::remove_file(project.path("wait")).expect("it is there");
    devloop.event("live");
    let answer = devloop.get("/");
    assert_eq!((answer.body.as_str(), answer.header("x-devloop-stale")), ("2\n", None));
    devloop.stop();
}

/// By what earlier builds took, this one cannot be there in time: nobody waits for it in vain.
#[test]
fn nobody_waits_for_what_cannot_come_in_time() {
    let project = Project::with_app("");
    let toml = project.read("dev.toml");
    project.write("dev.toml", format!("[proxy]\nfresh = \"1s\"\n\n{toml}"));
    let script = project.read("build.sh");
    project.write("build.sh", format!("sleep 1.2\nwhile [ -e wait ]; do sleep 0.01; done\n{script}"));
    let mut devloop = project.up();
    devloop.rest();
    project.write("version", "2");
    devloop.rest();
    project.write("wait", "");
    project.write("version", "3");
    devloop.event("step_started");
    let status: serde_json::Value = serde_json::from_str(&devloop.get("/.devloop/status").body).expect("JSON");
    assert_eq!(status["services"][0]["gate"], "open", "{status}");
    let answer = devloop.get("/");
    let why = answer.header("x-devloop-stale").unwrap_or_default();
    assert_eq!((answer.body.as_str(), why), ("2\n", "newer content is not live yet: running `build`"));
    std::fs::remove_file(project.path("wait")).expect("it is there");
    devloop.event("live");
    assert_eq!(devloop.get("/").body, "3\n");
    devloop.stop();
}

#[test]
fn what_a_loaded_page_asks_for_by_itself_waits_less_than_a_navigation() {
    let project = Project::with_app("");
    let toml = project.read("dev.toml");
    project.write("dev.toml", format!("[proxy]\nfresh = \"1m\"\n\n{toml}"));
    let script = project.read("build.sh");
    project.write("build.sh", format!("while [ -e wait ]; do sleep 0.01; done\n{script}"));
    let mut devloop = project.up();
    devloop.rest();
    project.write("wait", "");
    project.write("version", "2");
    let address = devloop.address();
    let ask = |more: &str| {
        let (address, more) = (address.clone(), more.to_owned());
        thread::spawn(move || {
            let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n");
            request(&address, &head).expect("an answer")
        })
    };
    let navigation = ask("sec-fetch-mode: navigate\r\nreferer: http://localhost/\r\n");
    let background = ask("sec-fetch-mode: cors\r\nreferer: http://localhost/\r\n").join().expect("no panic");
    assert_eq!((background.body.as_str(), background.header("x-devloop-stale").is_some()), ("1\n", true));
    std::fs::remove_file(project.path("wait")).expect("it is there");
    let navigation = navigation.join().expect("no panic");
    assert_eq!((navigation.body.as_str(), navigation.header("x-devloop-stale")), ("2\n", None));
    devloop.stop();
}

#[test]
fn a_save_that_changes_nothing_lets_requests_go_on() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    for _ in 0..5 {
        project.write("version", "1");
        let answer = devloop.get("/");
        assert_eq!((answer.body.as_str(), answer.header("x-devloop-stale")), ("1\n", None));
    }
    assert_eq!((devloop.count("step_started"), devloop.count("live")), (1, 1));
    devloop.stop();
}

#[test]
fn a_failed_start_is_shown_in_the_form_that_was_asked_for_and_ends_with_a_save() {
    let project = Project::with_app("");
    project.write("version", "bad thing");
    let mut devloop = project.up();
    devloop.rest();
    let address = devloop.address();
    let ask = |more: &str| {
        let head = format!("GET /x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n");
        request(&address, &head)
    };
    let page = ask("accept: text/html\r\nsec-fetch-mode: navigate\r\n").expect("an answer");
    assert_eq!(page.status, 503);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{page:?}");
    assert!(page.body.contains("build.sh") && page.body.contains("syntax error near bad thing"), "{page:?}");
    let json = ask("accept: application/json\r\n").expect("an answer");
    let problem: serde_json::Value = serde_json::from_str(&json.body).expect("JSON");
    assert_eq!((&problem["status"], &problem["places"][0]["line"]), (&503.into(), &1.into()), "{problem}");
    assert!(ask("accept: text/event-stream\r\n").is_none(), "a 5xx would end an EventSource for good");
    project.write("version", "2");
    assert_eq!(devloop.get("/").body, "2\n");
    devloop.stop();
}

#[test]
fn a_listen_address_that_is_taken_is_explained_or_moved() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("an address").port();
    let project = Project::with_app("");
    let output = project.command(&["up", "--json", "--listen", &port.to_string()]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "a port that is written down is not replaced");
    assert!(text.contains(&port.to_string()) && text.contains(&std::process::id().to_string()), "{text}");
}

#[test]
fn clients_that_leave_while_they_are_held_never_reach_the_program() {
    let project = Project::with_app("");
    project.write("app", "start=500 log=requests.txt");
    let mut devloop = project.up();
    let address = devloop.address();
    devloop.event("starting");
    for number in 0..10 {
        let mut stream = std::net::TcpStream::connect(&address).expect("it listens");
        let head = format!("POST /left?{number} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello");
        std::io::Write::write_all(&mut stream, head.as_bytes()).expect("written");
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(devloop.get("/").body, "1\n");
    devloop.rest();
    devloop.get("/");
    let log = project.read("requests.txt");
    assert!(!log.contains("/left"), "{log}");
    devloop.stop();
}

#[test]
fn a_hold_without_anything_visible_to_wait_for_ends_at_its_limit() {
    let project = Project::with_app("");
    let toml = project.read("dev.toml");
    project.write("dev.toml", format!("[proxy]\nhold = \"300ms\"\n\n{toml}"));
    project.write("app", "crash=/crash");
    let mut devloop = project.up();
    devloop.rest();
    for pause in [0.0, 200.0, 1000.0, 5000.0] {
        Client::new(&devloop.address()).post("/crash", b"").expect("an answer");
        assert_eq!(devloop.event("crashed")["restart_in_ms"], pause);
        if pause < 5000.0 {
            devloop.event("live");
        }
    }
    let answer = devloop.get("/");
    assert_eq!((answer.status, answer.header("x-devloop")), (504, Some("holding-limit")), "{answer:?}");
    assert!(answer.body.contains("ended by itself and is started again"), "{answer:?}");
    project.write("version", "2");
    assert_eq!(devloop.get("/").body, "2\n");
    devloop.stop();
}

#[test]
fn who_is_held_when_devloop_ends_is_told_and_holds_up_nothing() {
    let project = Project::with_app("");
    project.write("app", "never");
    let mut devloop = project.up();
    devloop.event("probing");
    let address = devloop.address();
    let mut held = crate::traffic::connect(&address).expect("it listens");
    std::io::Write::write_all(held.get_mut(), b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("written");
    // an idle connection, as browsers open them beforehand
    let _idle = crate::traffic::connect(&address).expect("it listens");
    until("it is held", || {
        let head = "GET /.devloop/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        request(&address, head).is_some_and(|answer| answer.status == 200)
    });
    assert_eq!(devloop.stop().code(), Some(130));
    let mut all = String::new();
    _ = std::io::Read::read_to_string(&mut held, &mut all);
    assert!(all.is_empty() || (all.starts_with("HTTP/1.1 503") && all.contains("x-devloop: closing")), "{all}");
}
