//! Several steps and services: order, parallel work, what is left out, what gates nothing.

use serde_json::Value;

use crate::{
    have::have,
    support::{Devloop, Project, is_alive, until},
};

fn done(devloop: &mut Devloop, step: &str) -> Value {
    devloop.wait(step, |event| event["event"] == "step_done" && event["step"] == step)
}

/// A service without a port that ends never.
fn sleeper(name: &str, more: &str) -> String {
    format!("[[service]]\nname = \"{name}\"\nrun = \"sleep 1000\"\nport = \"none\"\n{more}\n")
}

fn step(name: &str, run: &str, more: &str) -> String {
    format!("[[step]]\nname = \"{name}\"\nrun = '''{run}'''\n{more}\n\n")
}

fn lives(devloop: &Devloop, service: &str) -> usize {
    devloop.events().iter().filter(|event| event["event"] == "live" && event["service"] == service).count()
}

#[test]
fn two_services_share_a_step_and_each_takes_only_what_concerns_it() {
    let project = Project::new();
    ["shared", "one", "two"].iter().for_each(|file| project.write(file, "0"));
    let build = |name: &str| {
        step(
            name,
            &format!("cat made {name} > {{out}}"),
            &format!("inputs = [\"made\", \"{name}\"]\nafter = [\"gen\"]"),
        )
    };
    project.write(
        "dev.toml",
        step("gen", "cp shared made", "inputs = [\"shared\"]\noutputs = [\"made\"]")
            + &build("one")
            + &build("two")
            + "[[service]]\nname = \"first\"\nrun = \"tail -f {one}\"\nport = \"none\"\nafter = [\"one\"]\n\n"
            + "[[service]]\nname = \"second\"\nrun = \"tail -f {two}\"\nport = \"none\"\nafter = [\"two\"]\n",
    );
    let mut devloop = project.up();
    devloop.rest();
    project.write("one", "1");
    devloop.rest();
    assert_eq!((lives(&devloop, "first"), lives(&devloop, "second")), (2, 1));
    project.write("shared", "1");
    devloop.rest();
    assert_eq!((lives(&devloop, "first"), lives(&devloop, "second")), (3, 2));
    assert_eq!((devloop.started("gen"), devloop.started("one"), devloop.started("two")), (2, 3, 2));
}

#[test]
fn steps_that_do_not_depend_on_each_other_run_at_the_same_time() {
    let project = Project::new();
    // Each waits for the other: one after the other they would never end.
    let meet = |me: &str, other: &str| {
        step(me, &format!("touch {me}.here; until [ -e {other}.here ]; do sleep 0.01; done"), "inputs = []\nafter = []")
    };
    project.write(
        "dev.toml",
        meet("left", "right")
            + &meet("right", "left")
            + &step("last", "true", "inputs = []\nafter = [\"left\", \"right\"]"),
    );
    let mut devloop = project.up();
    done(&mut devloop, "last");
    devloop.rest();
    let events = devloop.events();
    let place = |kind: &str, name: &str| {
        events.iter().position(|event| event["event"] == kind && event["step"] == name).expect("it is there")
    };
    for before in ["left", "right"] {
        assert!(place("step_done", before) < place("step_started", "last"));
    }
}

#[test]
fn a_service_and_a_step_wait_for_what_they_need() {
    let project = Project::with_app("needs = [\"db\"]");
    let toml = project.read("dev.toml");
    project.write(
        "dev.toml",
        "[[service]]\nname = \"db\"\nrun = \"sh -c 'until [ -e go ]; do sleep 0.01; done; echo db is up; sleep 1000'\"\n".to_owned()
            + "port = \"none\"\nhealth = { log = \"db is up\" }\nafter = []\ninputs = []\n\n"
            + &step("migrate", "echo migrated", "needs = [\"db\"]\ninputs = []\nafter = []")
            + &toml,
    );
    let mut devloop = project.up();
    devloop.wait("db is probed", |event| event["event"] == "probing" && event["service"] == "db");
    assert_eq!((devloop.started("migrate"), lives(&devloop, "app")), (0, 0));
    project.write("go", "");
    devloop.answers("1");
    let events = devloop.events();
    let place = |kind: &str, key: &str, name: &str| {
        events.iter().position(|event| event["event"] == kind && event[key] == name).expect("it is there")
    };
    let db = place("live", "service", "db");
    assert!(db < place("step_started", "step", "migrate"));
    assert!(place("step_done", "step", "migrate") < place("starting", "service", "app"), "it is written before it");
}

#[test]
fn a_step_whose_outputs_come_out_the_same_stops_the_run_there() {
    let project = Project::with_app("");
    project.write("schema", "columns a b # comment one");
    let toml = project.read("dev.toml").replace("\"version\", ", "\"version\", \"made\", ");
    project.write(
        "dev.toml",
        step("gen", "sed 's/ #.*//' schema > made", "inputs = [\"schema\"]\noutputs = [\"made\"]") + &toml,
    );
    let mut devloop = project.up();
    devloop.rest();
    let builds = devloop.started("build");
    project.write("schema", "columns a b # another comment");
    let gen_done = done(&mut devloop, "gen");
    assert_eq!(gen_done["result"], "outputs are the same");
    devloop.event("kept");
    devloop.rest();
    assert_eq!((devloop.started("build"), lives(&devloop, "app")), (builds, 1));
    project.write("schema", "columns a b c");
    done(&mut devloop, "build");
    devloop.rest();
    assert_eq!(lives(&devloop, "app"), 1, "the artifact came out the same");
}

#[test]
fn a_step_whose_inputs_match_its_outputs_is_not_started_by_what_it_writes_itself() {
    let project = Project::new();
    project.write("a.txt", "1");
    project.write("dev.toml", step("gen", "cat a.txt > made.txt", "inputs = [\"*.txt\"]\noutputs = [\"made.txt\"]"));
    let mut devloop = project.up();
    devloop.rest();
    assert_eq!(devloop.started("gen"), 1, "{:#?}", devloop.events());
    project.write("a.txt", "2");
    devloop.rest();
    assert_eq!((devloop.started("gen"), project.read("made.txt").as_str()), (2, "2"), "{:#?}", devloop.events());
    project.write("made.txt", "a person's edit");
    devloop.rest();
    assert_eq!((devloop.started("gen"), project.read("made.txt").as_str()), (3, "2"), "{:#?}", devloop.events());
}

#[test]
fn a_step_after_the_last_service_gates_nothing() {
    let project = Project::with_app("");
    let toml = project.read("dev.toml");
    project.write("dev.toml", toml + &step("test", "grep -q good verdict", "inputs = [\"verdict\", \"version\"]"));
    project.write("verdict", "bad");
    let mut devloop = project.up();
    devloop.wait("the test fails", |event| event["event"] == "step_failed" && event["step"] == "test");
    let answer = devloop.get("/");
    assert_eq!((answer.status, answer.body.as_str(), answer.header("x-devloop-stale")), (200, "1\n", None));
    let rest = devloop.rest();
    assert_eq!(rest["ok"], false, "a failed test is not ok");
    project.write("version", "2");
    devloop.answers("2");
    project.write("verdict", "good");
    done(&mut devloop, "test");
    assert_eq!(devloop.rest()["ok"], true);
    assert_eq!(lives(&devloop, "app"), 2);
}

#[test]
fn a_step_that_never_ends_is_ended_after_its_timeout_and_a_save_starts_it_again() {
    let project = Project::new();
    project.write("source", "1");
    project.write(
        "dev.toml",
        step(
            "stuck",
            "echo $$ > pid; if grep -q 1 source; then sleep 1000; fi",
            "inputs = [\"source\"]\noutputs = [\"pid\"]\ntimeout = \"300ms\"",
        ) + &sleeper("app", "inputs = []"),
    );
    let mut devloop = project.up();
    let failed = devloop.event("step_failed");
    assert!(failed["report"]["title"].as_str().is_some_and(|title| title.contains("timeout")), "{failed}");
    let pid: u32 = project.read("pid").trim().parse().expect("a pid");
    until("it has ended", || !is_alive(pid));
    assert_eq!(devloop.rest()["ok"], false);
    project.write("source", "2");
    done(&mut devloop, "stuck");
    assert_eq!(devloop.rest()["ok"], true);
}

#[test]
fn a_step_that_may_not_be_cancelled_runs_to_its_end_and_then_again() {
    let project = Project::new();
    project.write("source", "1");
    project.write(
        "dev.toml",
        step(
            "migrate",
            "cp source reading; until [ -e \"go$(cat reading)\" ]; do sleep 0.01; done; cat reading >> log; echo >> log",
            "inputs = [\"source\"]\noutputs = [\"reading\", \"log\"]\ncancel = false",
        ),
    );
    let mut devloop = project.up();
    until("it reads", || std::fs::read(project.path("reading")).is_ok_and(|text| text == b"1"));
    project.write("source", "2");
    devloop.event("saved");
    project.write("go1", "");
    project.write("go2", "");
    devloop.rest();
    assert_eq!(project.read("log"), "1\n2\n");
    assert_eq!(devloop.count("cancelled"), 0);
}

#[test]
fn a_missing_program_is_said_and_comes_to_life_with_the_config() {
    let project = Project::new();
    project.write(
        "dev.toml",
        step("gen", "no-such-program-anywhere --flag", "inputs = []") + &sleeper("app", "inputs = []"),
    );
    let mut devloop = project.up();
    let failed = devloop.event("step_failed");
    assert!(failed["report"].to_string().contains("no-such-program-anywhere"), "{failed}");
    assert!(failed["exit"]["not_started"].is_string(), "{failed}");
    project.write("dev.toml", "[[service]]\nname = \"app\"\nrun = \"./bin/missing\"\nport = \"none\"\ninputs = []\n");
    let failed = devloop.event("start_failed");
    assert!(failed["report"].to_string().contains("bin/missing"), "{failed}");
    // The program named in `run` appears: that is a change of what the service runs.
    project.write("bin/missing.new", "#!/bin/sh\nexec sleep 1000\n");
    let path = project.path("bin/missing.new");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    std::fs::rename(path, project.path("bin/missing")).expect("rename");
    devloop.event("live");
}

#[test]
fn an_artifact_that_is_cached_for_good_is_reused_by_the_next_devloop() {
    let project = Project::with_app("");
    project.write("dev.toml", project.read("dev.toml").replace("\n\n[[service]]", "\ncache = true\n\n[[service]]"));
    let mut first = project.up();
    first.answers("1");
    first.rest_now();
    first.stop();
    let mut second = project.up();
    second.answers("1");
    second.rest_now();
    assert_eq!((second.count("step_reused"), second.started("build")), (1, 0), "{:#?}", second.events());
    second.stop();
    project.write("version", "2");
    let mut third = project.up();
    third.answers("2");
    assert_eq!(third.started("build"), 1);
}

#[test]
fn cargo_says_what_a_build_reads() {
    if !have("cargo") {
        return;
    }
    let project = Project::new();
    let main = |text: &str| format!("fn main() {{ println!(\"{{}}\", {text}); loop {{ std::thread::park(); }} }}\n");
    project.write("Cargo.toml", "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n");
    project.write("src/main.rs", main("\"one\""));
    project.write("text.txt", "two");
    project.write("tests/it.rs", "");
    project.write(
        "dev.toml",
        step("build", "cargo build --offline --quiet && cp target/debug/tiny {out}", "inputs = \"cargo\"")
            + "[[service]]\nname = \"app\"\nrun = \"{build}\"\nport = \"none\"\n",
    );
    let project = project.env("CARGO_TERM_COLOR", "never").env("CARGO_TARGET_DIR", "target");
    let mut devloop = project.up();
    devloop.wait("one is said", |event| event["event"] == "output" && event["text"] == "one");
    devloop.rest_now();
    // What the build does not consist of builds nothing. It takes a moment until cargo has said what that is.
    let mut edits = 0;
    let mut quiet = false;
    while !quiet {
        edits += 1;
        assert!(edits < 50, "each edit of a test builds: {:#?}", devloop.events());
        let runs = devloop.started("build");
        project.write("tests/it.rs", format!("#[test] fn it_{edits}() {{}}"));
        project.write("notes.txt", format!("{edits}"));
        project.write("dev.toml", format!("# {edits}\n{}", project.read("dev.toml")));
        devloop.event("plan_changed");
        devloop.rest_now();
        quiet = devloop.started("build") == runs;
    }
    project.write("src/main.rs", main("include_str!(\"../text.txt\")"));
    devloop.wait("two is said", |event| event["event"] == "output" && event["text"] == "two");
    devloop.rest_now();
    project.write("text.txt", "two again");
    devloop.wait("two is said again", |event| event["event"] == "output" && event["text"] == "two again");
    project.write("src/part.rs", "pub const PART: &str = \"three\";\n");
    project
        .write("src/main.rs", "mod part; fn main() { println!(\"{}\", part::PART); loop { std::thread::park(); } }\n");
    devloop.wait("three is said", |event| event["event"] == "output" && event["text"] == "three");
    project.write("src/part.rs", "pub const PART: &str = \"four\";\n");
    devloop.wait("four is said", |event| event["event"] == "output" && event["text"] == "four");
}
