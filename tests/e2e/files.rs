//! Files as people and their tools write them: editors, git, mode changes, deletes, databases.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    have::have,
    support::{Devloop, Project, build_script},
};

/// A build that reads everything there is, and a service that `service` says more of.
fn all_reading(project: &Project, service: &str) {
    project.write("version", "1");
    project.write("app", "");
    project.write("build.sh", build_script());
    project.write(
        "dev.toml",
        format!(
            "[[step]]\nname = \"build\"\nrun = \"sh build.sh {{out}}\"\n\n[[service]]\nname = \"app\"\nrun = \"{{build}}\"\n{service}\n"
        ),
    );
}

pub fn reading_everything() -> Project {
    let project = Project::new();
    all_reading(&project, "");
    project
}

/// Saves so that nothing came of it but the `marker` that comes last: what was done before it started no run.
fn nothing_came_of_it(project: &Project, devloop: &mut Devloop, runs: usize, marker: &str) {
    project.write("version", marker);
    devloop.answers(marker);
    devloop.rest_now();
    assert_eq!(devloop.started("build"), runs + 1, "{:#?}", saves(devloop));
    for save in saves(devloop).iter().rev().take(1) {
        assert_eq!(save["files"].as_array().map(Vec::len), Some(1), "{save}");
    }
}

fn saves(devloop: &Devloop) -> Vec<Value> {
    devloop.events().into_iter().filter(|event| event["event"] == "saved").collect()
}

fn save_by(project: &Project, pattern: &str, text: &str) {
    let path = |name: &str| project.path(name);
    let rename = |from: &str, to: &str| fs::rename(path(from), path(to)).expect("it is there");
    let remove = |name: &str| fs::remove_file(path(name)).expect("it is there");
    match pattern {
        "in place" => project.write("version", text),
        "vim" => {
            project.write(".version.swp", "swap");
            project.write("4913", "");
            remove("4913");
            rename("version", "version~");
            project.write("version", text);
            File::open(path("version")).and_then(|file| file.sync_all()).expect("it syncs");
            remove("version~");
            remove(".version.swp");
        }
        "emacs" => {
            std::os::unix::fs::symlink("me@here.1", path(".#version")).expect("a lock");
            fs::copy(path("version"), path("version~")).expect("a backup");
            project.write("version", text);
            remove(".#version");
            remove("version~");
        }
        "atomic rename" => {
            project.write(".version.tmp.123", text);
            rename(".version.tmp.123", "version");
        }
        "jetbrains" => {
            project.write("version___jb_tmp___", text);
            rename("version", "version___jb_old___");
            rename("version___jb_tmp___", "version");
            remove("version___jb_old___");
        }
        "gedit" => {
            project.write(".goutputstream-ABC", text);
            fs::hard_link(path("version"), path("version~")).expect("a backup");
            rename(".goutputstream-ABC", "version");
            remove("version~");
        }
        "helix" => {
            rename("version", "version.bck");
            project.write("version", text);
            remove("version.bck");
        }
        other => panic!("{other}?"),
    }
}

#[test]
fn one_save_of_every_editor_is_one_run() {
    let project = reading_everything();
    let mut devloop = project.up();
    devloop.rest();
    let patterns = ["in place", "vim", "emacs", "atomic rename", "jetbrains", "gedit", "helix"];
    for (number, pattern) in patterns.into_iter().enumerate() {
        let runs = devloop.started("build");
        let version = (number + 2).to_string();
        save_by(&project, pattern, &version);
        devloop.answers(&version);
        devloop.rest_now();
        let again = devloop.started("build") - runs;
        // A machine that stands still in the middle of a save shows its middle: then two runs are right.
        assert!((1..=2).contains(&again), "{pattern}: {again} runs, {:#?}", saves(&devloop));
        assert_eq!(saves(&devloop).last().expect("one")["files"], serde_json::json!(["version"]), "{pattern}");
    }
    assert!(devloop.started("build") <= patterns.len() + 2, "{:#?}", saves(&devloop));
}

#[test]
fn a_save_by_the_real_vim_is_one_run() {
    if !have("vim") {
        return;
    }
    let project = reading_everything();
    let mut devloop = project.up();
    devloop.rest();
    let vim = Command::new("vim")
        .args(["-u", "NONE", "-es", "-c", "set backup writebackup swapfile", "-c", "%s/1/2/", "-c", "wq", "version"])
        .current_dir(project.root())
        .stdin(Stdio::null())
        .status();
    assert!(vim.is_ok_and(|status| status.success()));
    devloop.answers("2");
    devloop.rest_now();
    assert_eq!(devloop.started("build"), 2, "{:#?}", saves(&devloop));
}

#[test]
fn a_file_written_slowly_through_one_handle_is_built_once() {
    let project = reading_everything();
    let mut devloop = project.up();
    devloop.rest();
    for attempt in 0..5 {
        let runs = devloop.started("build");
        let mut longest = Duration::ZERO;
        let mut file = File::create(project.path("version")).expect("it can be written");
        for _ in 0..10 {
            let began = Instant::now();
            write!(file, "{attempt}").expect("it can be written");
            // The pause is what is tested: longer than a save takes to settle.
            thread::sleep(Duration::from_millis(40));
            longest = longest.max(began.elapsed());
        }
        drop(file);
        devloop.answers(&attempt.to_string().repeat(10));
        devloop.rest_now();
        // On a machine that stood still between two pieces the test has not done what it wanted to do.
        if longest < Duration::from_millis(150) {
            assert_eq!(devloop.started("build") - runs, 1, "{:#?}", saves(&devloop));
            return;
        }
    }
    eprintln!("skipped: this machine is too busy to write slowly");
}

#[test]
fn a_checkout_of_two_thousand_files_is_one_run() {
    if !have("git") {
        return;
    }
    let project = reading_everything();
    let git = |arguments: &[&str]| {
        let status = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false", "-c", "gc.auto=0"])
            .args(arguments)
            .current_dir(project.root())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "git {arguments:?}");
    };
    git(&["init", "-q", "-b", "one"]);
    let fill = |text: &str| {
        (0..2000).for_each(|number| project.write(format!("src/{}/{number}.txt", number % 50), text));
        project.write("version", text);
    };
    fill("1");
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    git(&["checkout", "-qb", "two"]);
    fill("2");
    git(&["commit", "-qam", "two"]);
    git(&["checkout", "-q", "one"]);
    let mut devloop = project.up();
    devloop.rest();
    let runs = devloop.started("build");
    git(&["checkout", "-q", "two"]);
    devloop.answers("2");
    devloop.rest_now();
    assert_eq!(devloop.started("build") - runs, 1, "{:#?}", saves(&devloop));
    assert_eq!(saves(&devloop).last().expect("one")["count"], 2001);
    git(&["checkout", "-q", "one"]);
    devloop.answers("1");
    devloop.rest_now();
    let runs = devloop.started("build");
    git(&["checkout", "-q", "two"]);
    devloop.answers("2");
    devloop.rest_now();
    assert_eq!(devloop.started("build"), runs, "back to what was built before: the artifact is still there");
}

#[test]
fn a_touch_a_mode_change_and_equal_bytes_start_nothing() {
    let project = reading_everything();
    let mut devloop = project.up();
    devloop.rest();
    let runs = devloop.started("build");
    let later = std::time::SystemTime::now() + Duration::from_secs(5);
    File::options()
        .append(true)
        .open(project.path("version"))
        .and_then(|file| file.set_modified(later))
        .expect("touch");
    devloop.event("unchanged");
    fs::set_permissions(project.path("version"), fs::Permissions::from_mode(0o600)).expect("chmod");
    devloop.event("unchanged");
    project.write("version", "1");
    devloop.event("unchanged");
    save_by(&project, "vim", "1");
    devloop.event("unchanged");
    nothing_came_of_it(&project, &mut devloop, runs, "2");
}

#[test]
fn making_an_input_executable_is_a_change() {
    let project = reading_everything();
    project.write("tool", "a tool");
    let mut devloop = project.up();
    devloop.rest();
    fs::set_permissions(project.path("tool"), fs::Permissions::from_mode(0o755)).expect("chmod");
    let saved = devloop.event("saved");
    assert_eq!(saved["files"], serde_json::json!(["tool"]));
    devloop.rest();
}

#[test]
fn what_is_ignored_starts_nothing() {
    let project = reading_everything();
    project.write(".gitignore", "scratch/\n*.out\n!keep.out\n");
    project.write("dev.toml", format!("[watch]\nignore = [\"notes/**\"]\n{}", project.read("dev.toml")));
    let mut devloop = project.up();
    devloop.rest();
    let runs = devloop.started("build");
    for file in
        ["scratch/a", "deep/er/b.out", "notes/c", "node_modules/d/e.js", "x.log", "f.db", "f.db-wal", "target/debug/g"]
    {
        project.write(file, "something");
    }
    nothing_came_of_it(&project, &mut devloop, runs, "2");
    project.write("keep.out", "counts");
    assert_eq!(devloop.event("saved")["files"], serde_json::json!(["keep.out"]));
    devloop.rest_now();
    // The rules themselves change: what was ignored counts from now on.
    project.write(".gitignore", "");
    devloop.event("saved");
    devloop.rest_now();
    project.write("scratch/a", "something else");
    devloop.wait("the save of what was ignored", |event| {
        event["event"] == "saved" && event["files"].as_array().is_some_and(|files| files.contains(&"scratch/a".into()))
    });
}

#[test]
fn inputs_that_are_deleted_or_renamed_run_their_step() {
    let project = reading_everything();
    project.write("build.sh", format!("ls parts | tr '\\n' ' ' > version\n{}", build_script()));
    project.write("parts/a", "a");
    project.write("parts/b", "b");
    let toml = project.read("dev.toml").replace("{out}\"\n", "{out}\"\ninputs = [\"parts/**\", \"build.sh\"]\n");
    project.write("dev.toml", toml);
    let mut devloop = project.up();
    devloop.answers("a b");
    fs::rename(project.path("parts/b"), project.path("parts/c")).expect("rename");
    devloop.answers("a c");
    fs::remove_file(project.path("parts/a")).expect("delete");
    devloop.answers("c");
    fs::rename(project.path("parts"), project.path("gone")).expect("rename");
    devloop.answers("");
    project.write("gone/d", "d");
    fs::rename(project.path("gone"), project.path("parts")).expect("rename");
    devloop.answers("c d");
}

#[test]
fn new_folders_that_are_filled_at_once_lose_nothing() {
    let project = reading_everything();
    project.write("build.sh", format!("find tree -type f 2>/dev/null | wc -l > version\n{}", build_script()));
    let toml = project.read("dev.toml").replace("{out}\"\n", "{out}\"\ninputs = [\"tree/**\", \"build.sh\"]\n");
    project.write("dev.toml", toml);
    let mut devloop = project.up();
    devloop.answers("0");
    for round in 1..=5 {
        for file in 0..20 {
            project.write(format!("tree/{round}/a/b/{file}/c/d/file"), "text");
        }
        devloop.answers(&(20 * round).to_string());
    }
    fs::remove_dir_all(project.path("tree")).expect("delete");
    devloop.answers("0");
}

#[test]
fn a_deleted_output_is_made_again() {
    let project = Project::new();
    project.write("source", "1");
    project.write(
        "dev.toml",
        "[[step]]\nname = \"gen\"\nrun = \"cp source made\"\ninputs = [\"source\"]\noutputs = [\"made\"]\n\n\
         [[service]]\nname = \"app\"\nrun = \"sleep 1000\"\nport = \"none\"\ninputs = []\n",
    );
    let mut devloop = project.up();
    devloop.rest();
    fs::remove_file(project.path("made")).expect("it was made");
    devloop.wait("gen runs again", |event| event["event"] == "step_done" && event["step"] == "gen");
    assert_eq!(project.read("made"), "1");
    devloop.rest();
    assert_eq!(devloop.started("gen"), 2);
}

#[test]
fn a_log_and_a_database_that_a_service_keeps_open_in_the_tree_start_nothing() {
    let project = reading_everything();
    project.write("app", "log=requests.txt db=rows.data");
    let mut devloop = project.up();
    devloop.answers("1");
    devloop.rest_now();
    let runs = devloop.started("build");
    for _ in 0..30 {
        assert_eq!(devloop.get("/").body, "1\n");
    }
    nothing_came_of_it(&project, &mut devloop, runs, "2");
    for _ in 0..30 {
        assert_eq!(devloop.get("/").body, "2\n");
    }
    nothing_came_of_it(&project, &mut devloop, runs + 1, "3");
    assert!(project.read("requests.txt").lines().count() >= 60);
}

#[test]
fn a_step_that_always_writes_what_it_reads_is_slowed_down_and_named_and_saves_get_through() {
    let project = Project::with_app("");
    project.write("counter", "0");
    project.write(
        "dev.toml",
        "[[step]]\nname = \"loop\"\nrun = \"echo $(( $(cat counter) + 1 )) > counter\"\ninputs = [\"counter\"]\n\n"
            .to_owned()
            + &crate::support::app_toml(""),
    );
    let mut devloop = project.up();
    let breaker = devloop.event("breaker");
    assert_eq!((breaker["step"].as_str(), breaker["file"].as_str()), (Some("loop"), Some("counter")), "{breaker}");
    assert!(breaker["hint"].as_str().is_some_and(|hint| hint.contains("outputs")));
    let runs = devloop.started("loop");
    assert!(runs <= 20, "{runs} runs before it was slowed down");
    project.write("version", "2");
    devloop.answers("2");
}

#[test]
fn a_program_that_writes_what_its_build_reads_at_every_start_is_slowed_down_and_named() {
    let project = Project::with_app("");
    project.write("app", "stamp=stamp");
    let toml = project.read("dev.toml").replace("\"app\", ", "\"app\", \"stamp\", ");
    // The stamp makes a different program each time.
    project
        .write("build.sh", build_script().replace("{ echo", "cat stamp; { echo \"# $(cat stamp)\" > /dev/null; echo"));
    project.write("build.sh", build_script() + "echo \"# $(cat stamp)\" >> \"$1\"\n");
    project.write("dev.toml", toml);
    let mut devloop = project.up();
    let breaker = devloop.event("breaker");
    assert_eq!(breaker["file"], "stamp", "{breaker}");
    project.write("version", "2");
    devloop.answers("2");
}
