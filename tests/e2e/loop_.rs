//! From a save to the new program.

use crate::support::Project;

#[test]
fn a_save_is_answered_by_the_new_program_and_by_no_other() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    assert_eq!(devloop.get("/").body, "1\n", "the first request waits for the first program");
    for version in 2..8 {
        project.write("version", version.to_string());
        assert_eq!(devloop.get("/").body, format!("{version}\n"), "a request after the save sees the save");
    }
    assert_eq!(devloop.stop().code(), Some(130));
}

#[test]
fn a_program_that_does_not_compile_changes_nothing_and_that_is_said() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    project.write("version", "bad one");
    let failed = devloop.event("step_failed");
    assert_eq!(failed["report"]["places"][0]["file"], "build.sh");
    let answer = devloop.get("/");
    assert_eq!((answer.status, answer.body.as_str()), (200, "1\n"));
    assert_eq!(answer.header("x-devloop-stale"), Some("step `build` failed: exit code 1"));
    project.write("version", "2");
    let answer = devloop.get("/");
    assert_eq!((answer.body.as_str(), answer.header("x-devloop-stale")), ("2\n", None));
}

#[test]
fn going_back_to_what_was_built_before_needs_no_build() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    project.write("version", "2");
    devloop.rest();
    let runs = devloop.count("step_started");
    project.write("version", "1");
    devloop.event("step_reused");
    assert_eq!(devloop.get("/").body, "1\n");
    assert_eq!(devloop.count("step_started"), runs);
}
