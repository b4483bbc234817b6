//! dev.toml and env files that change while devloop runs.

use std::fs;

use crate::support::{Project, app_toml, free_port, is_alive};

/// `app` as in `Project::with_app`, and a service `other` without a port that runs on.
fn two_services() -> Project {
    let project = Project::with_app("");
    project.write("dev.toml", app_toml("") + OTHER);
    project
}

const OTHER: &str = "\n[[service]]\nname = \"other\"\nrun = \"sh -c 'echo other runs with $WORD; exec sleep 1000'\"\nport = \"none\"\nafter = []\ninputs = []\n";

fn pid_of(devloop: &crate::support::Devloop, service: &str) -> u32 {
    let events = devloop.events();
    let probing = events.iter().rfind(|event| event["event"] == "probing" && event["service"] == service);
    probing.and_then(|event| event["pid"].as_u64()).map(|pid| u32::try_from(pid).expect("a pid")).expect("it runs")
}

#[test]
fn a_valid_change_touches_only_what_changed() {
    let project = two_services();
    let mut devloop = project.up();
    devloop.rest();
    let (app, other) = (pid_of(&devloop, "app"), pid_of(&devloop, "other"));
    let builds = devloop.started("build");
    project.write("dev.toml", app_toml("") + OTHER + "env = { WORD = \"two\" }\n");
    let changed = devloop.event("plan_changed");
    assert_eq!(changed["touched"], serde_json::json!(["other"]));
    devloop.wait("its word", |event| event["event"] == "output" && event["text"] == "other runs with two");
    devloop.wait("other is live again", |event| event["event"] == "live" && event["service"] == "other");
    devloop.rest_now();
    crate::support::until("the old one has ended", || !is_alive(other));
    assert!(is_alive(app));
    assert_eq!((pid_of(&devloop, "app"), devloop.started("build")), (app, builds));
    assert_eq!(devloop.get("/").body, "1\n");
}

#[test]
fn a_comment_or_a_reordered_table_touches_nothing() {
    let project = two_services();
    // Without `inputs` it reads everything there is: dev.toml is no part of that.
    let other = OTHER.replace("inputs = []\n", "");
    project.write("dev.toml", app_toml("") + &other);
    let mut devloop = project.up();
    devloop.rest();
    let (app, pid) = (pid_of(&devloop, "app"), pid_of(&devloop, "other"));
    project.write("dev.toml", format!("# a comment\n{}{other}", app_toml("")));
    assert_eq!(devloop.event("plan_changed")["touched"], serde_json::json!([]));
    devloop.rest_now();
    project.write("dev.toml", format!("{other}{}", app_toml("")));
    devloop.event("plan_changed");
    devloop.rest_now();
    assert!(is_alive(app) && is_alive(pid));
    project.write("version", "2");
    devloop.answers("2");
}

#[test]
fn an_invalid_change_is_told_with_its_place_and_the_old_plan_goes_on() {
    let project = two_services();
    let mut devloop = project.up();
    devloop.rest();
    let (app, other) = (pid_of(&devloop, "app"), pid_of(&devloop, "other"));
    project.write("dev.toml", format!("{}helth = \"/x\"\n{OTHER}", app_toml("")));
    let invalid = devloop.event("plan_invalid");
    let text = invalid["report"].to_string();
    assert!(text.contains("dev.toml:10:1") && text.contains("did you mean `health`?"), "{text}");
    devloop.rest_now();
    assert!(is_alive(app) && is_alive(other));
    project.write("version", "2");
    devloop.answers("2");
    project.write("dev.toml", "[[step]\n");
    assert!(devloop.event("plan_invalid")["report"].to_string().contains("dev.toml:1:"));
    fs::remove_file(project.path("dev.toml")).expect("it is there");
    let gone = devloop.event("plan_invalid");
    assert!(gone["report"].to_string().contains("dev.toml"), "{gone}");
    project.write("version", "3");
    devloop.answers("3");
    let app = pid_of(&devloop, "app");
    project.write("dev.toml", app_toml("env = { X = \"y\" }") + OTHER);
    let changed = devloop.event("plan_changed");
    assert_eq!(changed["touched"], serde_json::json!(["app"]));
    devloop.wait("app is live again", |event| event["event"] == "live" && event["service"] == "app");
    devloop.rest_now();
    crate::support::until("the old one has ended", || !is_alive(app));
    assert!(is_alive(other));
    assert_eq!(devloop.get("/").body, "3\n");
}

#[test]
fn a_file_that_was_invalid_and_is_again_what_it_was_touches_nothing() {
    let project = two_services();
    let mut devloop = project.up();
    devloop.rest();
    let (app, other) = (pid_of(&devloop, "app"), pid_of(&devloop, "other"));
    let good = project.read("dev.toml");
    project.write("dev.toml", format!("{good}nonsense\n"));
    devloop.event("plan_invalid");
    project.write("dev.toml", &good);
    assert_eq!(devloop.event("plan_changed")["touched"], serde_json::json!([]));
    devloop.rest_now();
    assert!(is_alive(app) && is_alive(other));
    assert!(devloop.events().iter().rfind(|event| event["event"] == "at_rest").is_some_and(|rest| rest["ok"] == true));
}

#[test]
fn services_come_and_go_with_the_file() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    let app = pid_of(&devloop, "app");
    project.write("dev.toml", app_toml("") + OTHER);
    devloop.wait("other is live", |event| event["event"] == "live" && event["service"] == "other");
    let other = pid_of(&devloop, "other");
    devloop.rest_now();
    project.write("dev.toml", app_toml(""));
    devloop.event("plan_changed");
    crate::support::until("other has ended", || !is_alive(other));
    devloop.rest_now();
    assert!(is_alive(app));
    // The last service goes, and comes back under another name.
    project.write("dev.toml", app_toml("").replace("\"app\"\nrun", "\"web\"\nrun"));
    devloop.wait("web is live", |event| event["event"] == "live" && event["service"] == "web");
    crate::support::until("app has ended", || !is_alive(app));
    devloop.answers("1");
    devloop.rest_now();
    assert_eq!(devloop.stop().code(), Some(130));
}

#[test]
fn a_step_that_comes_goes_or_changes_while_it_runs_is_followed() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    let step =
        |text: &str| format!("[[step]]\nname = \"gen\"\nrun = \"{text}\"\ninputs = []\noutputs = [\"made\"]\n\n");
    project.write("dev.toml", step("sh -c 'echo one > made; sleep 1000'") + &app_toml(""));
    devloop.wait("gen runs", |event| event["event"] == "step_started" && event["step"] == "gen");
    project.write("dev.toml", step("sh -c 'echo two > made'") + &app_toml(""));
    devloop.wait("gen is done", |event| event["event"] == "step_done" && event["step"] == "gen");
    devloop.rest();
    assert_eq!(project.read("made"), "two\n");
    project.write("dev.toml", step("sh -c 'sleep 1000'") + &app_toml(""));
    devloop.wait("gen runs", |event| event["event"] == "step_started" && event["step"] == "gen");
    project.write("dev.toml", app_toml(""));
    devloop.wait("gen is gone", |event| event["event"] == "plan_changed");
    devloop.rest();
    project.write("version", "2");
    devloop.answers("2");
}

#[test]
fn dev_toml_saved_together_with_sources_brings_both() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    for round in 2..8 {
        project.write("version", format!("{round}"));
        project.write("dev.toml", app_toml(&format!("env = {{ ROUND = \"{round}\" }}")));
        if round % 2 == 0 {
            devloop.event("plan_changed");
        }
        devloop.answers(&format!("{round}"));
    }
    devloop.rest_now();
    assert!(devloop.events().iter().rfind(|event| event["event"] == "at_rest").is_some_and(|rest| rest["ok"] == true));
}

#[test]
fn an_env_file_that_changes_comes_or_goes_restarts_who_reads_it() {
    let project = Project::with_app("");
    project.write("dev.toml", app_toml("") + OTHER + "env_files = [\".env\"]\n");
    project.write(".env", "WORD=one\n");
    let mut devloop = project.up();
    devloop.wait("its word", |event| event["event"] == "output" && event["text"] == "other runs with one");
    devloop.rest();
    let app = pid_of(&devloop, "app");
    project.write(".env", "WORD='two words' # said\n");
    devloop.wait("its word", |event| event["event"] == "output" && event["text"] == "other runs with two words");
    devloop.rest_now();
    project.write(".env", "WORD='two words' # said\n");
    devloop.event("unchanged");
    fs::rename(project.path(".env"), project.path("aside")).expect("it is there");
    let runs = devloop.count("starting");
    devloop.rest();
    fs::rename(project.path("aside"), project.path(".env")).expect("it is there");
    devloop.rest();
    assert!(is_alive(app));
    project.write(".env", "WORD=three\n");
    devloop.wait("its word", |event| event["event"] == "output" && event["text"] == "other runs with three");
    assert!(devloop.count("starting") > runs);
}

#[test]
fn an_env_file_that_is_broken_is_told_with_its_place_and_the_old_program_stays() {
    let project = Project::with_app("env_files = [\".env\"]");
    project.write(".env", "WORD=one\n");
    let mut devloop = project.up();
    devloop.rest();
    project.write(".env", "WORD=one\nOTHER='never closed\n");
    let failed = devloop.event("start_failed");
    assert!(failed.to_string().contains(".env"), "{failed}");
    assert_eq!(devloop.get("/").body, "1\n");
    project.write(".env", "WORD=two\n");
    devloop.event("live");
    devloop.rest_now();
    assert_eq!(devloop.get("/").header("x-devloop-stale"), None);
}

#[test]
fn dev_toml_is_saved_by_editors_like_any_file() {
    let project = two_services();
    let mut devloop = project.up();
    devloop.rest();
    fs::rename(project.path("dev.toml"), project.path("dev.toml~")).expect("it is there");
    project.write("dev.toml", app_toml("") + OTHER + "env = { WORD = \"vim\" }\n");
    fs::remove_file(project.path("dev.toml~")).expect("it is there");
    devloop.wait("its word", |event| event["event"] == "output" && event["text"] == "other runs with vim");
    project.write("dev.toml.tmp", app_toml("") + OTHER + "env = { WORD = \"atomic\" }\n");
    fs::rename(project.path("dev.toml.tmp"), project.path("dev.toml")).expect("it is there");
    devloop.wait("its word", |event| event["event"] == "output" && event["text"] == "other runs with atomic");
    assert_eq!(devloop.count("plan_invalid"), 0, "{:#?}", devloop.events());
}

#[test]
fn ignore_rules_and_settle_of_a_new_plan_hold_at_once() {
    let project = Project::with_app("");
    let everything = app_toml("").replace("inputs = [\"version\", \"app\", \"build.sh\"]\n", "");
    project.write("dev.toml", &everything);
    let mut devloop = project.up();
    devloop.rest();
    project.write("notes/a", "1");
    devloop.event("saved");
    devloop.rest();
    project.write("dev.toml", format!("[watch]\nignore = [\"notes/**\"]\nsettle = \"30ms\"\n{everything}"));
    devloop.event("plan_changed");
    devloop.rest_now();
    let runs = devloop.started("build");
    project.write("notes/a", "2");
    project.write("version", "2");
    devloop.answers("2");
    devloop.rest_now();
    assert_eq!(devloop.started("build"), runs + 1);
    let saved = devloop.events().into_iter().rfind(|event| event["event"] == "saved").expect("one");
    assert_eq!(saved["files"], serde_json::json!(["version"]));
}

/// It is another service then; but the program of the old name still has the port for a while.
#[test]
fn a_service_with_a_fixed_port_can_be_given_another_name() {
    let project = Project::with_app("");
    project.write("app", "deaf");
    let port = free_port();
    let toml = app_toml(&format!("port = {port}\nstop = {{ grace = \"700ms\" }}"));
    project.write("dev.toml", &toml);
    let mut devloop = project.up();
    devloop.rest();
    project.write("dev.toml", toml.replace("\"app\"\nrun = \"{build}\"", "\"web\"\nrun = \"{build}\""));
    let live = devloop.wait("the renamed one", |event| event["event"] == "live" && event["service"] == "web");
    assert_eq!(live["stale"], serde_json::Value::Null);
    assert_eq!(devloop.count("start_failed") + devloop.count("crashed"), 0);
    assert_eq!(devloop.get("/").body, "1\n");
}
