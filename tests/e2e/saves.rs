//! Saves at every moment: while a generator holds a half-written file, while a build runs, while a program starts.

use std::path::Path;

use serde_json::Value;

use crate::support::{Devloop, Project, emit};

/// Rounds of the random tests; `DEVLOOP_TEST_ROUNDS` asks for more.
fn rounds(usual: usize) -> usize {
    std::env::var("DEVLOOP_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A generator that empties its output first and takes its time, a build that fails with a mark if it sees such a
/// half-written file, and a program that answers with all that it was made of.
fn generated_project() -> Project {
    let project = Project::new();
    project.write("schema", "s0");
    project.write("main", "m0");
    project.write("app", "start=40");
    project.write(
        "gen.sh",
        "schema=$(cat schema)\n: > generated\nsleep 0.05\nprintf 'begin ' >> generated\nsleep 0.05\necho \"$schema end\" >> generated\n",
    );
    project.write(
        "build.sh",
        format!(
            "generated=$(cat generated)\ncase \"$generated\" in 'begin '*' end') ;; *) echo HALF-WRITTEN; exit 99;; esac\n\
             main=$(cat main)\nsleep 0.05\n\
             [ \"$generated\" = \"$(cat generated)\" ] || {{ echo CHANGED-WHILE-BUILDING; touch torn; }}\n\
             generated=${{generated#begin }}; generated=${{generated% end}}\n{}",
            emit("$generated $main", "$(cat app)")
        ),
    );
    project.write(
        "dev.toml",
        r#"
[[step]]
name = "gen"
run = "sh gen.sh"
inputs = ["schema", "gen.sh"]
outputs = ["generated"]

[[step]]
name = "build"
run = "sh build.sh {out}"
inputs = ["generated", "main", "app", "build.sh"]

[[service]]
name = "app"
run = "{build}"
"#,
    );
    project
}

/// A small generator of numbers that look random: the same ones each time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("it is small")
    }
}

/// The moments at which somebody may save.
const MOMENTS: [&str; 8] =
    ["now", "saved", "step_started gen", "step_done gen", "step_started build", "starting", "probing", "live"];

fn await_moment(devloop: &mut Devloop, moment: &str) {
    let (kind, name) = moment.split_once(' ').unwrap_or((moment, ""));
    if kind == "now" {
        return;
    }
    // At rest there may be nothing of the kind to come: that is a moment, too.
    let wanted = |event: &Value| {
        event["event"] == "at_rest" || (event["event"] == kind && (name.is_empty() || event["step"] == name))
    };
    devloop.wait(moment, wanted);
}

fn assert_nothing_failed(devloop: &Devloop) {
    let failures: Vec<Value> = devloop.events().into_iter().filter(|event| event["event"] == "step_failed").collect();
    assert!(failures.is_empty(), "a step failed: {failures:#?}");
}

#[test]
fn no_build_reads_what_a_generator_has_half_written_in_whatever_order_files_are_saved() {
    let project = generated_project();
    let mut devloop = project.up();
    devloop.rest();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut schema, mut main) = (0, 0);
    for round in 0..rounds(12) {
        let mut story = String::new();
        for _ in 0..=dice.throw(3) {
            if dice.throw(2) == 0 {
                schema += 1;
                project.write("schema", format!("s{schema}"));
            } else {
                main += 1;
                project.write("main", format!("m{main}"));
            }
            let moment = MOMENTS[dice.throw(MOMENTS.len())];
            story.push_str(&format!("s{schema} m{main} {moment}; "));
            await_moment(&mut devloop, moment);
        }
        eprintln!("round {round}: {story}");
        devloop.answers(&format!("s{schema} m{main}"));
        assert_nothing_failed(&devloop);
        assert!(!project.path("torn").exists(), "the generated file changed under a build that counted");
        devloop.skip();
    }
}

#[test]
fn a_save_in_any_phase_ends_with_the_newest_content_live() {
    let project = generated_project();
    let mut devloop = project.up();
    devloop.rest();
    let mut version = 0;
    for file in ["schema", "main"] {
        for moment in MOMENTS {
            devloop.skip();
            version += 1;
            project.write("schema", format!("s{version}"));
            await_moment(&mut devloop, moment);
            version += 1;
            project.write(file, format!("{}{version}", &file[..1]));
            let schema = project.read("schema");
            let main = project.read("main");
            project.wait();
            assert_eq!(devloop.get("/").body.trim(), format!("{schema} {main}"));
        }
    }
    assert_nothing_failed(&devloop);
}

#[test]
fn a_file_rewritten_with_equal_bytes_while_the_compiler_reads_it_makes_the_run_be_repeated() {
    let project = Project::with_app("");
    // The compiler waits in the middle, so that the rewrite comes while it reads.
    let slow = format!(
        "cat version > /dev/null\nif [ -e wait ]; then : > reading; while [ -e wait ]; do sleep 0.01; done; fi\n{}",
        crate::support::build_script()
    );
    project.write("build.sh", slow);
    let mut devloop = project.up();
    devloop.rest();
    project.write("wait", "");
    project.write("version", "2");
    crate::support::until("the compiler reads", || project.path("reading").exists());
    project.write("version", "");
    project.write("version", "2");
    std::fs::remove_file(project.path("wait")).expect("it is there");
    // Whether it is let end first is no promise; that it does not count is one.
    devloop.wait("a void or cancelled run", |event| event["event"] == "void" || event["event"] == "cancelled");
    devloop.answers("2");
    devloop.rest_now();
    let runs = devloop.events().iter().filter(|event| event["event"] == "step_started").count();
    assert!(runs >= 3, "the start, the void run, the repeated one: {runs}");
}

#[test]
fn a_change_and_its_undo_during_a_run_and_at_rest_end_with_the_first_content() {
    let project = generated_project();
    let mut devloop = project.up();
    devloop.rest();
    for moment in MOMENTS {
        devloop.skip();
        project.write("main", "mB");
        await_moment(&mut devloop, moment);
        project.write("main", "m0");
        devloop.answers("s0 m0");
        devloop.rest_now();
        assert_eq!(devloop.get("/").body, "s0 m0\n");
        assert_eq!(devloop.get("/").header("x-devloop-stale"), None, "{moment}");
    }
    // mB and m0 have both been built by now: going back and forth builds nothing.
    let built = |devloop: &Devloop| devloop.started("build");
    project.write("main", "mB");
    devloop.answers("s0 mB");
    devloop.rest_now();
    let runs = built(&devloop);
    for _ in 0..3 {
        project.write("main", "m0");
        devloop.answers("s0 m0");
        project.write("main", "mB");
        devloop.answers("s0 mB");
    }
    assert_eq!(built(&devloop), runs, "what was built before is not built again");
}

#[test]
fn compile_errors_are_followed_by_the_next_good_save_from_any_moment() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    for (number, moment) in ["saved", "step_started build", "step_failed", "at_rest"].into_iter().enumerate() {
        devloop.skip();
        project.write("version", format!("bad {number}"));
        await_moment(&mut devloop, moment);
        let good = (number + 2).to_string();
        project.write("version", &good);
        devloop.answers(&good);
        assert_eq!(devloop.get("/").header("x-devloop-stale"), None);
    }
}

#[test]
fn a_failing_generator_keeps_the_build_from_running() {
    let project = generated_project();
    let mut devloop = project.up();
    devloop.rest();
    let runs = devloop.started("build");
    let good = project.read("gen.sh");
    project.write("gen.sh", "echo 'gen.sh:1: no such table' >&2; : > generated; exit 7\n");
    let failed = devloop.event("step_failed");
    assert_eq!((failed["step"].as_str(), failed["exit"]["code"].as_i64()), (Some("gen"), Some(7)));
    project.write("main", "m1");
    devloop.wait("the save is seen", |event| {
        event["event"] == "saved" && event["files"].as_array().is_some_and(|files| files.contains(&"main".into()))
    });
    devloop.rest();
    assert_eq!(devloop.started("build"), runs, "nothing is built behind a failed step");
    assert!(devloop.get("/").header("x-devloop-stale").is_some_and(|why| why.contains("gen")));
    project.write("gen.sh", good);
    devloop.answers("s0 m1");
    assert!(Path::new(&project.path("generated")).exists());
}
