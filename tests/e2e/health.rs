//! Whether an instance is ready: what is said if it is not, and what is done then.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::{Devloop, Project, free_port, until};

fn title(event: &Value) -> String {
    event["report"]["title"].as_str().unwrap_or_default().to_owned()
}

/// Waits for the report of a failed start and checks that requests get it, too.
fn fails(devloop: &mut Devloop, words: &[&str]) -> Value {
    let failed = devloop.event("start_failed");
    let all = failed["report"].to_string();
    for words in words {
        assert!(all.contains(words), "`{words}` is not in {all}");
    }
    let answer = devloop.get("/");
    assert_eq!((answer.status, answer.header("x-devloop")), (503, Some("failed")), "{answer:?}");
    assert!(answer.body.contains(&title(&failed)), "{answer:?}");
    assert_eq!(devloop.rest()["ok"], false);
    failed
}

/// Mends the app and sees it live.
fn recovers(project: &Project, devloop: &mut Devloop, app: &str) {
    project.write("app", app);
    project.write("version", "mended");
    let answer = devloop.get("/");
    assert_eq!((answer.status, answer.body.as_str()), (200, "mended\n"), "{answer:?}");
    assert_eq!(devloop.stop().code(), Some(130));
}

#[test]
fn a_program_that_never_listens_is_told_apart_after_its_time() {
    let project = Project::with_app("health = { timeout = \"1s\" }");
    project.write("app", "never");
    let mut devloop = project.up();
    fails(&mut devloop, &["not ready after 1s", "connection refused on port", "timeout"]);
    recovers(&project, &mut devloop, "");
}

#[test]
fn a_health_path_that_does_not_exist_is_its_own_error() {
    let project = Project::with_app("health = \"/healthz\"");
    project.write("app", "only=/health");
    let mut devloop = project.up();
    fails(&mut devloop, &["`/healthz` answers 404 while `GET /` answers 200: is `health` wrong?"]);
    let text = project.read("dev.toml").replace("/healthz", "/health");
    project.write("dev.toml", text);
    devloop.event("plan_changed");
    recovers(&project, &mut devloop, "only=/health");
}

#[test]
fn a_program_that_exits_at_its_start_is_told_at_once_with_its_last_words() {
    let project = Project::with_app("");
    project.write("app", "exit=9");
    let mut devloop = project.up();
    let failed =
        fails(&mut devloop, &["ended before it was ready: exit code 9", "this program does not want to start"]);
    assert_eq!(failed["serving"], "nothing serves");
    recovers(&project, &mut devloop, "");
}

#[test]
fn a_program_that_cannot_be_started_is_told_so() {
    let project = Project::new();
    project.write("dev.toml", "[[service]]\nname = \"app\"\nrun = \"./nothing-here\"\ninputs = [\"x\"]\n");
    let mut devloop = project.up();
    fails(&mut devloop, &["nothing-here"]);
    devloop.stop();
}

#[test]
fn a_program_that_answers_500_goes_live_with_a_warning() {
    let project = Project::with_app("");
    project.write("app", "status=500");
    let mut devloop = project.up();
    assert_eq!(devloop.get("/").status, 500);
    assert_eq!(devloop.event("live")["warning"], "`GET /` answers 500");
    recovers(&project, &mut devloop, "");
}

#[test]
fn a_program_that_ignores_its_port_is_found_used_and_told() {
    let port = free_port();
    let project = Project::with_app("");
    project.write("app", format!("port={port}"));
    let mut devloop = project.up();
    assert_eq!(devloop.get("/").body, "1\n");
    let live = devloop.event("live");
    let warning = live["warning"].as_str().unwrap_or_default();
    assert!(warning.contains("ignores PORT") && warning.contains(&format!("`port = {port}` in dev.toml")), "{live}");
    devloop.rest();
    project.write("version", "2");
    assert_eq!(devloop.get("/").body, "2\n");
    assert_eq!(devloop.event("starting")["swap"], "exclusive");
    devloop.stop();
}

#[test]
fn a_program_that_wants_the_proxys_own_port_is_told_exactly_that() {
    let project = Project::with_app("");
    project.write("app", "exit=1");
    let mut devloop = project.up();
    let address = devloop.address();
    let port = address.rsplit(':').next().expect("a port");
    devloop.event("start_failed");
    project.write("app", format!("port={port}"));
    fails(&mut devloop, &[&format!("port {port} is devloop's own proxy"), "$PORT", "[proxy] listen"]);
    assert_eq!(devloop.count("exclusive"), 0);
    recovers(&project, &mut devloop, "");
}

#[test]
fn a_fixed_port_is_swapped_exclusively() {
    let port = free_port();
    let project = Project::with_app(&format!("port = {port}"));
    project.write("app", "log=requests.txt");
    let mut devloop = project.up();
    devloop.rest();
    for version in 2..6 {
        project.write("version", version.to_string());
        assert_eq!(devloop.get("/").body, format!("{version}\n"));
        assert_eq!(devloop.event("starting")["swap"], "exclusive");
    }
    devloop.stop();
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
}

#[test]
fn another_program_on_the_fixed_port_is_explained_and_never_served() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("an address").port();
    let project = Project::with_app(&format!("port = {port}"));
    let mut devloop = project.up();
    // by the program that could not get it, or by the probe that found the other one there
    fails(&mut devloop, &[&format!("port {port} is "), &format!("pid {}", std::process::id()), "e2e"]);
    drop(other);
    recovers(&project, &mut devloop, "");
}

#[test]
fn another_program_that_answers_on_the_fixed_port_does_not_pass_for_ours() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in other.incoming().flatten() {
            _ = std::io::Read::read(&mut stream, &mut [0; 1000]);
            _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nother\n");
        }
    });
    // ours takes its time: the other one answers first
    let project = Project::with_app(&format!("port = {port}"));
    project.write("app", "start=30000");
    let mut devloop = project.up();
    fails(&mut devloop, &[&format!("port {port}"), &format!("pid {}", std::process::id())]);
    devloop.stop();
}

#[test]
fn two_services_cannot_have_one_port() {
    let port = free_port();
    let project = Project::with_app("");
    project.write(
        "dev.toml",
        "[[step]]\nname = \"build\"\nrun = \"sh build.sh {out}\"\ninputs = [\"version\", \"app\"]\n\n\
             [[service]]\nname = \"one\"\nrun = \"{build}\"\n\n\
             [[service]]\nname = \"two\"\nrun = \"{build}\"\nneeds = [\"one\"]\n",
    );
    project.write("app", format!("port={port}"));
    let mut devloop = project.up();
    let failed = devloop.event("start_failed");
    assert_eq!(failed["service"], "two");
    let text = failed["report"].to_string();
    assert!(text.contains("started by this devloop"), "{text}");
    assert_eq!(devloop.get("/").body, "1\n");
    devloop.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn a_program_may_notify_that_it_is_ready_even_without_a_port() {
    let project = Project::with_app("port = \"none\"\nhealth = { log = \"never said\" }");
    project.write("app", "notify=100 never");
    let mut devloop = project.up_with(&[]);
    let live = devloop.event("live");
    assert_eq!(live["service"], "app");
    devloop.rest();
    devloop.stop();
}

#[test]
fn a_port_alone_is_enough_if_that_is_asked_for() {
    let project = Project::with_app("health = { tcp = true }");
    project.write("app", "status=503");
    let mut devloop = project.up();
    assert_eq!(devloop.get("/").status, 503);
    devloop.stop();
}

#[test]
fn a_candidate_that_dies_while_it_is_probed_fails_at_once_and_the_old_one_goes_on() {
    let project = Project::with_app("health = \"/health\"");
    project.write("app", "crash=/never");
    let mut devloop = project.up();
    devloop.rest();
    project.write("app", "crash=/health");
    let answer = devloop.get("/");
    assert_eq!((answer.status, answer.body.as_str()), (200, "1\n"));
    assert!(answer.header("x-devloop-stale").is_some_and(|why| why.contains("exit code 3")), "{answer:?}");
    let failed = devloop.event("start_failed");
    assert!(failed["report"].to_string().contains("asked to crash"), "{failed}");
    assert_eq!(failed["serving"], "revision 1 still serves");
    recovers(&project, &mut devloop, "");
}

#[test]
fn a_service_that_needs_another_waits_for_it() {
    let project = Project::with_app("");
    project.write(
        "dev.toml",
        "[[step]]\nname = \"build\"\nrun = \"sh build.sh {out}\"\ninputs = [\"version\", \"app\"]\n\n\
         [[service]]\nname = \"db\"\nrun = \"{build}\"\n\n[[service]]\nname = \"api\"\nrun = \"{build}\"\nneeds = [\"db\"]\n",
    );
    project.write("app", "start=100");
    let mut devloop = project.up();
    devloop.wait("db is live", |event| event["event"] == "live" && event["service"] == "db");
    devloop.wait("api starts", |event| event["event"] == "starting" && event["service"] == "api");
    devloop.rest();
    project.write("app", "exit=1");
    devloop.rest();
    assert_eq!(devloop.get("/").body, "1\n");
    devloop.stop();
    until("its port is free", || !devloop.events().is_empty());
}
