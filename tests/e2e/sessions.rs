//! What one devloop leaves for the next one: earlier programs to go back to, and revisions that go on counting.

use serde_json::{Value, json};

use super::support::{Devloop, Project};

fn good(project: &Project, arguments: &[&str]) -> String {
    let output = project.command(arguments).output().expect("devloop starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn app(project: &Project) -> Value {
    let output = project.command(&["status", "--json"]).output().expect("devloop starts");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    answer["status"]["services"][0].clone()
}

/// A session in which version 1, 2 and 3 were live, as revisions 1, 2 and 3.
fn earlier_session(project: &Project) {
    let mut devloop = project.up();
    devloop.rest();
    for version in ["2", "3"] {
        project.write("version", version);
        devloop.event("live");
        devloop.rest();
    }
    good(project, &["stop"]);
    devloop.ended();
}

fn live(devloop: &mut Devloop) -> Value {
    let live = devloop.event("live");
    devloop.rest();
    live["revision"].clone()
}

#[test]
fn programs_of_the_session_before_can_be_gone_back_to() {
    let project = Project::with_app("");
    earlier_session(&project);
    project.write("version", "4");
    let mut devloop = project.up();
    assert_eq!(live(&mut devloop), 4, "revisions go on counting");
    assert_eq!(app(&project)["kept"], json!([4, 3, 2, 1]));
    let built = devloop.started("build");
    let said = good(&project, &["rollback"]);
    assert!(said.contains("revision 3") && said.contains("; stale: rolled back to revision 3; "), "{said}");
    devloop.answers("3");
    good(&project, &["rollback", "1"]);
    devloop.answers("1");
    assert_eq!(devloop.started("build"), built, "going back builds nothing");
    project.write("version", "5");
    good(&project, &["wait"]);
    let answer = devloop.get("/");
    assert_eq!((answer.body.trim(), answer.header("x-devloop-stale")), ("5", None));
    assert_eq!(app(&project)["kept"], json!([5, 4, 3, 2, 1]));
    project.write("version", "6");
    good(&project, &["wait"]);
    assert_eq!(app(&project)["kept"], json!([6, 5, 4, 3, 2]), "five are kept, whoever made them");
    good(&project, &["stop"]);
    devloop.ended();
    let mut devloop = project.up();
    devloop.rest();
    good(&project, &["rollback", "2"]);
    devloop.answers("2");
}

#[test]
fn what_the_session_before_left_serves_where_nothing_else_does() {
    let project = Project::with_app("");
    earlier_session(&project);
    project.write("version", "bad");
    let mut devloop = project.up();
    devloop.rest();
    assert_eq!(devloop.get("/").status, 503);
    good(&project, &["rollback"]);
    devloop.answers("3");
    project.write("version", "4");
    good(&project, &["wait"]);
    devloop.answers("4");
}

#[test]
fn the_same_program_again_is_not_kept_twice() {
    let project = Project::with_app("");
    earlier_session(&project);
    let mut devloop = project.up();
    assert_eq!(live(&mut devloop), 4);
    assert_eq!(app(&project)["kept"], json!([3, 2, 1]));
    good(&project, &["rollback"]);
    devloop.answers("2");
}

#[test]
fn a_killed_session_leaves_its_programs_and_no_number_means_two_things() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    project.write("version", "2");
    assert_eq!(live(&mut devloop), 2);
    let is_written = || project.read(".devloop/state.json").contains("\"revision\": 2");
    super::support::until("the second program is written down", is_written);
    devloop.signal(nix::sys::signal::Signal::SIGKILL);
    devloop.ended();
    project.write("version", "3");
    let mut devloop = project.up();
    let revision = live(&mut devloop);
    assert!(revision.as_u64().is_some_and(|revision| revision > 2), "{revision}");
    good(&project, &["rollback"]);
    devloop.answers("2");
    good(&project, &["rollback", "1"]);
    devloop.answers("1");
}

#[test]
fn what_is_damaged_of_earlier_programs_is_said_and_forgotten() {
    let project = Project::with_app("");
    earlier_session(&project);
    let mut state: Value = serde_json::from_str(&project.read(".devloop/state.json")).expect("it is JSON");
    state["programs"]["services"]["app"][1] = json!({ "revision": "two" });
    state["programs"]["services"]["app"][0]["artifacts"][0]["folder"] = json!("../../..");
    project.write(".devloop/state.json", state.to_string());
    let mut devloop = project.up();
    let note = devloop.event("note");
    assert!(note["text"].as_str().is_some_and(|text| text.starts_with("2 earlier programs are forgotten")), "{note}");
    assert_eq!(live(&mut devloop), 4);
    assert_eq!(app(&project)["kept"], json!([3]));
}
