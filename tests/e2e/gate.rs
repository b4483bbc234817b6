//! What a person reads when a program is not simply ready: what is going on, what to do about it, and how long it took.

use std::net::TcpListener;

use serde_json::Value;

use crate::{
    plain::{Plain, number_after},
    support::{Project, until},
};

/// The service of the proxy's status.
fn status(devloop: &mut Plain) -> Value {
    let text = devloop.get("/.devloop/status").body;
    let status: Value = serde_json::from_str(&text).expect("JSON");
    status["services"][0].clone()
}

/// Waits until the status says that requests wait for this.
fn waits_for(devloop: &mut Plain, what: &str) {
    until(what, || status(devloop)["waiting_for"] == what);
}

/// A project whose program has this to say about its health and behaves so.
fn project(service: &str, app: &str) -> Project {
    let project = Project::with_app(service);
    project.write("app", app);
    project
}

/// Waits for the line about a failed start: it begins so after its time, which is told, and then comes this hint.
fn fails(devloop: &mut Plain, why: &str, hint: &str) -> u32 {
    let line = devloop.wait("app did not come up for revision ");
    assert!(line.contains(" after ") && line.contains(&format!(": {why}")), "{line}");
    assert!(line.ends_with("; nothing serves"), "{line}");
    devloop.wait(&format!("hint: {hint}"));
    let answer = devloop.get("/");
    assert_eq!((answer.status, answer.header("x-devloop")), (503, Some("failed")), "{answer:?}");
    assert!(answer.body.contains(why) && answer.body.contains(hint), "{answer:?}");
    took(&line)
}

/// The milliseconds after which a start has failed.
fn took(line: &str) -> u32 {
    let after = number_after(line, " after ");
    if line.contains(&format!(" after {after} ms: ")) { after } else { after * 1000 }
}

#[test]
fn a_path_that_answers_404_is_named_beside_one_that_answers() {
    let project = project("health = \"/healthz\"", "only=/health");
    let mut devloop = Plain::up(&project);
    waits_for(&mut devloop, "starting `app`: `GET /healthz` answers 404");
    let took = fails(
        &mut devloop,
        "`/healthz` answers 404 while `GET /` answers 200: is `health` wrong?",
        "set `health` to a path that answers 2xx, or leave it out: then any answer counts",
    );
    assert!(took >= 3000, "routes that are registered late have their time: {took}");
    // What the hint says helps, without another save.
    project.write("dev.toml", project.read("dev.toml").replace("/healthz", "/health"));
    assert_eq!(devloop.get("/").body, "1\n");
}

#[test]
fn a_program_that_answers_503_is_waited_for_and_that_is_said() {
    let project = project("", "cold=cold.txt");
    project.write("cold.txt", "");
    let mut devloop = Plain::up(&project);
    waits_for(&mut devloop, "starting `app`: `GET /` answers 503");
    std::fs::remove_file(project.path("cold.txt")).expect("it is there");
    assert_eq!(devloop.get("/").body, "1\n");
    assert!(devloop.wait("app live: revision 1, total").contains("ready "));
    devloop.wait("at rest");
    // The next one, while the old one serves: whoever asks waits for it, and is told what for.
    project.write("cold.txt", "");
    project.write("version", "2");
    waits_for(&mut devloop, "starting `app`: `GET /` answers 503");
    std::fs::remove_file(project.path("cold.txt")).expect("it is there");
    assert_eq!(devloop.get("/").body, "2\n");
    assert!(!devloop.all.iter().any(|line| line.contains("stale") || line.contains("warning")), "{:#?}", devloop.all);
}

#[test]
fn a_program_that_never_gets_warm_goes_live_with_a_warning_or_fails_where_a_path_was_given() {
    let project = project("health = { path = \"/ready\", timeout = \"3s\" }", "cold=app");
    let mut devloop = Plain::up(&project);
    let took = fails(
        &mut devloop,
        "service `app` was not ready after 3s: `GET /ready` answers 503",
        "`health = { timeout = \"120s\" }` waits longer",
    );
    assert!(took >= 3000, "{took}");
    let text = project.read("dev.toml").replace("health = { path = \"/ready\", timeout = \"3s\" }", "");
    project.write("dev.toml", text);
    assert_eq!(devloop.get("/").status, 503, "it is the program's own answer by now");
    devloop.wait("app live: revision");
    devloop.wait("warning: `GET /` still answers 503 after 5 s");
}

#[test]
fn rules_that_are_mended_while_they_keep_a_program_waiting_hold_at_once() {
    let project = project("health = { path = \"/missing\", status = [200], timeout = \"600s\" }", "cold=app");
    let mut devloop = Plain::up(&project);
    waits_for(&mut devloop, "starting `app`: `GET /missing` answers 503");
    project.write("dev.toml", project.read("dev.toml").replace("[200]", "[503]"));
    assert_eq!(devloop.get("/").status, 503);
    devloop.wait("app cancelled");
    devloop.wait("app live: revision");
    // A live one stays, whatever is asked of the next one.
    devloop.wait("at rest");
    project.write("dev.toml", project.read("dev.toml").replace("[503]", "[204]"));
    devloop.wait("dev.toml changed: nothing has to start again");
}

#[test]
fn a_step_that_was_stopped_after_its_timeout_runs_again_with_another_one() {
    let project = Project::with_app("");
    project.write("build.sh", format!("sleep 1\n{}", project.read("build.sh")));
    let text = project.read("dev.toml");
    project.write("dev.toml", text.replacen("inputs", "timeout = \"100ms\"\ninputs", 1));
    let mut devloop = Plain::up(&project);
    devloop.wait("step `build` was stopped after 100ms, its `timeout`");
    devloop.wait("at rest");
    project.write("dev.toml", text.replacen("inputs", "timeout = \"60s\"\ninputs", 1));
    assert_eq!(devloop.get("/").body, "1\n");
}

#[test]
fn a_redirect_to_https_is_an_answer_and_a_person_is_told_where_it_leads() {
    let project = project("", "status=301 head=location:https://localhost/");
    let mut devloop = Plain::up(&project);
    assert_eq!(devloop.get("/").status, 301);
    devloop.wait("app live: revision 1, total");
    devloop.wait(
        "warning: `GET /` redirects to `https://localhost/`, which does not lead through devloop: let it do so in production \
         only, or write `tls = true` in `[proxy]`",
    );
}

#[test]
fn a_program_that_wants_https_is_content_where_devloop_speaks_it() {
    let project = project("health = { path = \"/\", status = 200, timeout = \"3s\" }", "https");
    let home = project.path("home").display().to_string();
    let project = project.env("HOME", &home).env("XDG_DATA_HOME", &home);
    let mut devloop = Plain::up(&project);
    let port = devloop.address().rsplit(':').next().expect("a port").to_owned();
    let why = format!(
        "service `app` was not ready after 3s: `GET /` answers 301, and redirects to `https://localhost:{port}/`"
    );
    fails(&mut devloop, &why, "`health = { timeout = \"120s\" }` waits longer");
    drop(devloop);
    project.write("dev.toml", format!("[proxy]\ntls = true\n\n{}", project.read("dev.toml")));
    let mut devloop = Plain::up(&project);
    devloop.wait("listening on https://localhost:");
    devloop.wait("app live: revision");
    devloop.wait("at rest: everything");
    assert!(!devloop.all.iter().any(|line| line.contains("warning")), "{:#?}", devloop.all);
}

#[test]
fn a_program_that_refuses_the_host_is_told_apart_and_the_name_is_given() {
    let project = project("", "host=internal.test");
    let mut devloop = Plain::up(&project);
    assert_eq!(devloop.get("/").status, 403);
    let port = devloop.address().rsplit(':').next().expect("a port").to_owned();
    devloop.wait("app live: revision 1, total");
    let warning = devloop.wait("warning: ");
    assert!(
        warning.contains(&format!(
            "`GET /` answers 403: does it refuse the host `localhost:{port}`? `host_header` sends another one"
        )),
        "{warning}"
    );
    drop(devloop);
    // With a path of its own it never becomes ready.
    project.write("dev.toml", project.read("dev.toml") + "health = { path = \"/\", timeout = \"3s\" }\n");
    let mut devloop = Plain::up(&project);
    let port = devloop.address().rsplit(':').next().expect("a port").to_owned();
    let why = format!(
        "service `app` was not ready after 3s: `GET /` answers 403: does it refuse the host `localhost:{port}`? `host_header` sends another one"
    );
    fails(&mut devloop, &why, "`health = { timeout = \"120s\" }` waits longer");
}

#[test]
fn a_program_is_asked_under_the_name_that_requests_will_have() {
    let project = project("health = \"/\"", "host=internal.test");
    let text = project.read("dev.toml");
    for rule in [
        "[proxy]\nhost_header = \"internal.test\"\n\n",
        "[[route]]\npath = \"/\"\nservice = \"app\"\nhost_header = \"internal.test\"\n\n",
    ] {
        project.write("dev.toml", format!("{rule}{text}"));
        let mut devloop = Plain::up(&project);
        assert_eq!(devloop.get("/").body, "1\n");
        devloop.wait("at rest: everything");
        assert!(!devloop.all.iter().any(|line| line.contains("warning")), "{:#?}", devloop.all);
    }
    // The address of the instance itself.
    project.write("app", "host=127.0.0.1");
    project.write("dev.toml", format!("[proxy]\nhost_header = \"upstream\"\n\n{text}"));
    let mut devloop = Plain::up(&project);
    assert_eq!(devloop.get("/").body, "1\n");
}

#[test]
fn a_program_on_the_other_loopback_address_alone_is_found_without_a_word() {
    if TcpListener::bind("[::1]:0").is_err() {
        return eprintln!("skipped: this machine has no IPv6");
    }
    let project = project("", "v6");
    let mut devloop = Plain::up(&project);
    assert_eq!(devloop.get("/").body, "1\n");
    devloop.wait("app live: revision 1, total");
    devloop.wait("at rest");
    project.write("version", "2");
    assert_eq!(devloop.get("/").body, "2\n");
    assert!(!devloop.all.iter().any(|line| line.contains("warning")), "{:#?}", devloop.all);
}

#[test]
fn a_line_of_the_log_is_waited_for_although_the_program_answers() {
    let project = project("health = { log = \"migrations are done\" }", "says=done.txt:migrations_are_done");
    let mut devloop = Plain::up(&project);
    waits_for(&mut devloop, "starting `app`: waiting for a line with `migrations are done`");
    project.write("done.txt", "");
    assert_eq!(devloop.get("/").body, "1\n");
    let said = devloop.wait("migrations are done");
    assert!(said.contains("app"), "{said}");
    devloop.wait("app live: revision 1, total");
    // The same without the line.
    drop(devloop);
    let text = project.read("dev.toml").replace("log = \"migrations are done\"", "log = \"never\", timeout = \"3s\"");
    project.write("dev.toml", text);
    let mut devloop = Plain::up(&project);
    fails(
        &mut devloop,
        "service `app` was not ready after 3s: waiting for a line with `never`",
        "`health = { timeout = \"120s\" }` waits longer",
    );
}

#[test]
fn another_program_on_the_port_is_named_with_what_to_do_about_it() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("an address").port();
    let project = project(&format!("port = {port}"), "start=600000");
    let mut devloop = Plain::up(&project);
    let pid = std::process::id();
    fails(
        &mut devloop,
        &format!("port {port} is answered by another program: pid {pid} `"),
        &format!("end it (`kill {pid}`), or give `app` another port"),
    );
}

#[test]
fn a_program_that_crashes_after_50_ms_fails_with_its_last_words_and_not_after_the_timeout() {
    let project = project("health = { timeout = \"600s\" }", "start=50 exit=9");
    let mut devloop = Plain::up(&project);
    let line = devloop.wait("app did not come up for revision 1 after");
    assert!(line.contains("service `app` ended before it was ready: exit code 9; nothing serves"), "{line}");
    assert!(took(&line) >= 50, "{line}");
    devloop.wait("this program does not want to start");
    assert!(devloop.get("/").body.contains("this program does not want to start"));
    // Beside an old one that serves it is no worse.
    project.write("app", "");
    assert_eq!(devloop.get("/").body, "1\n");
    devloop.wait("at rest: everything");
    project.write("app", "start=50 exit=9");
    let answer = devloop.get("/");
    let stale = answer.header("x-devloop-stale").unwrap_or_default();
    assert_eq!((answer.body.as_str(), stale), ("1\n", "service `app` ended before it was ready: exit code 9"));
    let line = devloop.wait("app did not come up for revision 3 after");
    assert!(line.ends_with("exit code 9; revision 2 still serves"), "{line}");
    assert_eq!(devloop.stop().code(), Some(130));
}
