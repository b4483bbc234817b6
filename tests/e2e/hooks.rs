//! Hooks and notifications under attack: nothing that they do slows the loop or is left behind.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{
    have::have,
    support::{Devloop, Project, is_alive, until},
};

/// The app, and a hook that runs this script whenever something is live.
fn with_hook(script: &str, more: &str) -> Project {
    let project = Project::with_app("");
    let toml = project.read("dev.toml");
    project.write("hook.sh", script);
    project.write("dev.toml", format!("{toml}\n[[hook]]\non = \"live\"\nrun = \"sh hook.sh\"\n{more}\n"));
    project
}

/// The process id in this file, once it is there.
fn pid_in(project: &Project, file: &str) -> u32 {
    let read = || std::fs::read_to_string(project.path(file)).unwrap_or_default().trim().parse().ok();
    until(&format!("{file} has a process id"), || read().is_some());
    read().expect("it is there")
}

fn swap(project: &Project, devloop: &mut Devloop, version: &str) {
    project.write("version", version);
    devloop.answers(version);
}

#[test]
fn a_hook_that_floods_slows_nothing_and_ends_with_devloop() {
    let project = with_hook("echo $$ > pid\nexec yes a line of a hook that never ends", "");
    let mut devloop = project.up();
    let pid = pid_in(&project, "pid");
    devloop.wait("its lines are shown", |event| event["event"] == "output" && event["source"] == "hook");
    for version in ["2", "3", "4"] {
        swap(&project, &mut devloop, version);
        devloop.event("live");
    }
    assert!(is_alive(pid), "it still floods");
    assert_eq!(devloop.stop().code(), Some(130));
    assert!(!is_alive(pid));
}

#[test]
fn a_hook_that_ignores_signals_ends_at_its_timeout_with_what_it_started() {
    let script = "trap '' TERM\nsetsid sh -c 'echo $$ > away; trap \"\" TERM; sleep 1000' &\necho $$ > pid\nsleep 1000\nsleep 1000\n";
    let project = with_hook(script, "timeout = \"300ms\"");
    let mut devloop = project.up();
    let (pid, away) = (pid_in(&project, "pid"), pid_in(&project, "away"));
    swap(&project, &mut devloop, "2");
    let failed = |event: &Value| {
        event["event"] == "note" && event["text"].as_str().is_some_and(|text| text.starts_with("the hook `sh hook.sh`"))
    };
    devloop.wait("its end is said", failed);
    until("it and what left it are gone", || !is_alive(pid) && !is_alive(away));
}

#[test]
fn what_a_hook_leaves_running_ends_with_devloop() {
    let script = "setsid sh -c 'echo $$ > away; trap \"\" TERM HUP; while :; do sleep 1000; done' > /dev/null 2>&1 &\n";
    let project = with_hook(script, "");
    let mut devloop = project.up();
    let away = pid_in(&project, "away");
    swap(&project, &mut devloop, "2");
    assert!(is_alive(away), "a player that goes on is left alone");
    assert_eq!(devloop.stop().code(), Some(130));
    assert!(!is_alive(away));
}

#[test]
fn hooks_of_a_killed_devloop_are_gone() {
    let project =
        with_hook("trap '' TERM HUP\nsetsid sh -c 'echo $$ > away; sleep 1000' &\necho $$ > pid\nsleep 1000\n", "");
    let mut devloop = project.up();
    let (pid, away) = (pid_in(&project, "pid"), pid_in(&project, "away"));
    devloop.signal(nix::sys::signal::Signal::SIGKILL);
    devloop.ended();
    until("nothing of the hook is left", || !is_alive(pid) && !is_alive(away));
}

#[test]
fn a_hook_that_is_taken_out_of_dev_toml_while_it_runs_does_no_harm() {
    let project = with_hook("echo $$ > pid\nsleep 1000\n", "timeout = \"2s\"");
    let with = project.read("dev.toml");
    let mut devloop = project.up();
    let pid = pid_in(&project, "pid");
    project.write("dev.toml", with.split("[[hook]]").next().expect("the rest"));
    devloop.event("plan_changed");
    project.write("dev.toml", &with);
    devloop.event("plan_changed");
    until("the old run ends", || !is_alive(pid));
    swap(&project, &mut devloop, "2");
    until("the hook is called again", || pid_in(&project, "pid") != pid);
}

#[test]
fn where_no_notification_can_be_shown_that_is_one_line_and_no_more() {
    let project =
        Project::with_app("").env("PATH", "/usr/bin:/bin").env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    let toml = project.read("dev.toml");
    project.write("dev.toml", format!("{toml}\n[notify]\ndesktop = true\n"));
    let mut devloop = project.up();
    devloop.rest();
    project.write("version", "bad");
    let about = |event: &Value| event["text"].as_str().is_some_and(|text| text.contains("notification"));
    let note = devloop.wait("a note", |event| event["event"] == "note" && about(event));
    assert!(note["hint"].as_str().is_some_and(|hint| hint.contains("notify-send")), "{note}");
    swap(&project, &mut devloop, "2");
    project.write("version", "bad again");
    devloop.event("step_failed");
    swap(&project, &mut devloop, "3");
    devloop.rest_now();
    let said: Vec<Value> = devloop
        .events()
        .into_iter()
        .filter(|event| event["event"] == "note" || event["event"] == "output")
        .filter(about)
        .collect();
    assert_eq!(said.len(), 1, "{said:#?}");
}

/// A desktop without a person: a screen in memory, a session bus, and the daemon that the bus starts.
struct Desktop {
    screen: Child,
    bus: Child,
    display: String,
    address: String,
}

impl Desktop {
    fn begin() -> Option<Desktop> {
        if !["dunst", "dunstctl", "dbus-daemon", "notify-send"].iter().all(|tool| exists(tool)) || !exists("Xvfb") {
            return None;
        }
        let first_line = |child: &mut Child| {
            let mut line = String::new();
            BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("it says where");
            line.trim().to_owned()
        };
        let start =
            |command: &mut Command| command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut screen = start(Command::new("Xvfb").args(["-displayfd", "1", "-nolisten", "tcp"]));
        let display = format!(":{}", first_line(&mut screen));
        let mut bus = start(
            Command::new("dbus-daemon").args(["--session", "--nofork", "--print-address=1"]).env("DISPLAY", &display),
        );
        let address = first_line(&mut bus);
        Some(Desktop { screen, bus, display, address })
    }

    fn put<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("DISPLAY", &self.display).env("DBUS_SESSION_BUS_ADDRESS", &self.address)
    }

    /// Title and text of every notification so far, oldest first.
    fn shown(&self) -> Vec<(String, String)> {
        // What is on the screen comes into the history when it is closed.
        _ = self.put(&mut Command::new("dunstctl")).arg("close-all").output();
        let output = self.put(&mut Command::new("dunstctl")).arg("history").output().expect("it starts");
        let history: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let all = history["data"][0].as_array().cloned().unwrap_or_default();
        let text = |one: &Value, key: &str| one[key]["data"].as_str().unwrap_or_default().to_owned();
        let mut all: Vec<(i64, (String, String))> = all
            .iter()
            .map(|one| (one["id"]["data"].as_i64().unwrap_or_default(), (text(one, "summary"), text(one, "body"))))
            .collect();
        all.sort();
        all.into_iter().map(|(_, words)| words).collect()
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for child in [&mut self.bus, &mut self.screen] {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

/// Whether this program is on the path. Some of them know no `--version`.
fn exists(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| File::open(folder.join(tool)).is_ok());
    found || have(tool)
}

#[test]
fn the_desktop_shows_a_failure_with_its_place_and_the_recovery() {
    let Some(desktop) = Desktop::begin() else { return };
    let project = Project::with_app("");
    let project = project.env("DISPLAY", &desktop.display).env("DBUS_SESSION_BUS_ADDRESS", &desktop.address);
    let toml = project.read("dev.toml");
    project.write("dev.toml", format!("{toml}\n[notify]\ndesktop = true\n"));
    let mut devloop = project.up();
    devloop.rest();
    assert_eq!(desktop.shown(), [], "nothing has failed");
    project.write("version", "bad <b> & \"$(x)\"");
    until("the failure is shown", || desktop.shown().len() == 1);
    swap(&project, &mut devloop, "2");
    until("the recovery is shown", || desktop.shown().len() == 2);
    let name = project.root().file_name().expect("a name").to_string_lossy().into_owned();
    let shown = desktop.shown();
    assert!(shown.iter().all(|(title, _)| *title == format!("devloop: {name}")), "{shown:?}");
    let (failed, recovered) = (&shown[0].1, &shown[1].1);
    assert!(failed.starts_with("build failed after ") && failed.contains("build.sh:1:5"), "{failed}");
    assert!(recovered.starts_with("at rest: everything is at revision 3"), "{recovered}");
    assert_eq!(devloop.stop().code(), Some(130));
}
