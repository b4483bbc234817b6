//! When devloop ends, by whatever way, nothing of it is left.

use std::{
    collections::HashSet,
    net::TcpListener,
    process::{Command, Stdio},
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::{Devloop, Project, is_alive, until};

/// Every process below this one.
fn descendants(pid: u32) -> Vec<u32> {
    let all: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .expect("there is /proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = HashSet::from([pid]);
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|(pid, parent)| found.contains(parent) && !found.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            found.remove(&pid);
            return found.into_iter().collect();
        }
        found.extend(more);
    }
}

/// Everything that is there now and has to be gone later.
struct Family {
    processes: Vec<u32>,
    port: u16,
}

impl Family {
    fn of(project: &Project, devloop: &mut Devloop) -> Family {
        let mut processes = descendants(devloop.pid());
        if project.path("pids").exists() {
            let told: Vec<u32> = project.read("pids").lines().map(|line| line.parse().expect("a pid")).collect();
            assert!(told.iter().filter(|pid| processes.contains(pid)).count() >= 3, "all are descendants of devloop");
            processes.extend(told);
        }
        let port = devloop.address().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        Family { processes, port }
    }

    /// At once: what is there when devloop has ended stays.
    fn is_gone(&self) {
        let left: Vec<String> = self.processes.iter().filter(|pid| is_alive(**pid)).map(|pid| name(*pid)).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        TcpListener::bind(("127.0.0.1", self.port)).expect("the proxy's port is free");
    }

    /// The guards need a moment when devloop itself was killed.
    fn goes_away(&self) {
        until("everything has ended", || !self.processes.iter().any(|pid| is_alive(*pid)));
        self.is_gone();
    }
}

fn name(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid} {}", String::from_utf8_lossy(&line).replace('\0', " "))
}

/// A program of the worst kind, live: it ignores SIGTERM and so do its children, one of which left its session.
fn worst() -> (Project, Devloop, Family) {
    let project = Project::with_app("stop = { grace = \"200ms\" }");
    project.write("app", "forks=pids deaf");
    let mut devloop = project.up();
    devloop.event("live");
    let family = Family::of(&project, &mut devloop);
    (project, devloop, family)
}

#[test]
fn every_signal_ends_everything_and_gives_its_exit_code() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let (_project, mut devloop, family) = worst();
        devloop.signal(signal);
        assert_eq!(devloop.ended().code(), Some(code), "{signal}");
        family.is_gone();
        assert_eq!(devloop.count("quitting"), 1);
    }
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_grace() {
    let project = Project::with_app("stop = { grace = \"1h\" }");
    project.write("app", "forks=pids deaf");
    let mut devloop = project.up();
    devloop.event("live");
    let family = Family::of(&project, &mut devloop);
    devloop.signal(Signal::SIGINT);
    devloop.event("quitting");
    devloop.signal(Signal::SIGINT);
    assert_eq!(devloop.ended().code(), Some(130));
    family.is_gone();
}

#[test]
fn kill_9_of_devloop_leaves_nothing_behind_and_the_next_up_works() {
    let (project, mut devloop, family) = worst();
    devloop.signal(Signal::SIGKILL);
    devloop.ended();
    family.goes_away();
    project.write("app", "");
    let mut again = project.up();
    assert_eq!(again.get("/").body, "1\n");
    again.stop();
}

#[test]
fn kill_9_during_a_step_and_during_a_start_leaves_nothing_behind() {
    for slow in ["step", "start"] {
        let project = Project::with_app("");
        match slow {
            "step" => project.write("build.sh", "echo $$ >> step.pid; trap '' TERM; setsid sleep 1000 & sleep 1000\n"),
            _ => project.write("app", "forks=pids never"),
        }
        let mut devloop = project.up();
        match slow {
            "step" => until("the step runs", || project.path("step.pid").exists()),
            _ => {
                devloop.event("probing");
                until("it has children", || project.path("pids").exists() && project.read("pids").lines().count() >= 3);
            }
        }
        let family = Family::of(&project, &mut devloop);
        assert!(family.processes.len() >= 2, "{:?}", family.processes);
        devloop.signal(Signal::SIGKILL);
        devloop.ended();
        family.goes_away();
    }
}

#[test]
fn a_step_a_start_and_a_drain_are_interrupted() {
    for moment in ["step", "start", "drain"] {
        let project = Project::with_app("");
        let mut devloop = project.up();
        devloop.event("live");
        let address = devloop.address();
        let hanging =
            thread::spawn(move || crate::support::request(&address, "GET /hang HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        match moment {
            "step" => {
                project.write("build.sh", "echo $$ > step.pid; trap '' TERM; setsid sleep 1000 & sleep 1000\n");
                devloop.event("step_started");
                until("the step runs", || project.path("step.pid").exists());
            }
            "start" => {
                project.write("app", "never");
                devloop.event("probing");
            }
            _ => {
                project.write("version", "2");
                devloop.event("live");
            }
        }
        let family = Family::of(&project, &mut devloop);
        devloop.signal(Signal::SIGINT);
        if moment == "step" {
            // it ignores SIGTERM
            devloop.event("quitting");
            devloop.signal(Signal::SIGINT);
        }
        assert_eq!(devloop.ended().code(), Some(130), "{moment}");
        family.is_gone();
        drop(hanging);
    }
}

#[test]
fn what_a_step_leaves_running_lives_until_devloop_ends() {
    let project = Project::with_app("");
    let script = project.read("build.sh");
    project.write(
        "build.sh",
        format!("setsid sh -c 'echo $$ > daemon.pid; trap \"\" TERM; while :; do sleep 1000; done' &\n{script}"),
    );
    let mut devloop = project.up();
    devloop.rest();
    until("the daemon has told its id", || {
        project.path("daemon.pid").exists() && project.read("daemon.pid").ends_with('\n')
    });
    let daemon: u32 = project.read("daemon.pid").trim().parse().expect("a pid");
    project.write("version", "2");
    devloop.rest();
    assert!(is_alive(daemon), "a build daemon stays");
    devloop.signal(Signal::SIGINT);
    devloop.event("quitting");
    devloop.signal(Signal::SIGINT);
    devloop.ended();
    assert!(!is_alive(daemon), "but not longer than devloop");
}

#[test]
fn the_stop_command_is_run_and_the_stop_signal_is_sent() {
    let project = Project::new();
    project.write(
        "dev.toml",
        "[[service]]\nname = \"app\"\nrun = \"sh app.sh\"\nport = \"none\"\nhealth = { log = \"up\" }\ninputs = [\"app.sh\"]\n\
         stop = { signal = \"SIGUSR1\", run = \"echo stopped >> said\" }\n",
    );
    project.write("app.sh", "trap 'echo asked >> said; exit 0' USR1\necho up\nwhile :; do sleep 0.01; done\n");
    let mut devloop = project.up();
    devloop.rest();
    assert_eq!(devloop.stop().code(), Some(130));
    let said = project.read("said");
    assert!(said.contains("asked") && said.contains("stopped"), "{said}");
}

#[test]
fn a_second_devloop_in_the_project_is_told_who_is_there() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    let second = project.command(&["up", "--listen", "0"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success());
    assert!(text.contains("already running") && text.contains(&devloop.pid().to_string()), "{text}");
    assert_eq!(devloop.get("/").body, "1\n", "the first one has not noticed");
    devloop.stop();
}

#[test]
fn up_once_ends_by_itself_with_0_or_1_and_leaves_nothing() {
    let project = Project::with_app("");
    project.write("app", "forks=pids");
    let mut devloop = project.up_with(&["--once"]);
    assert_eq!(devloop.ended().code(), Some(0));
    assert!(project.read("pids").lines().all(|pid| !is_alive(pid.parse().expect("a pid"))));
    project.write("version", "bad");
    assert_eq!(project.up_with(&["--once"]).ended().code(), Some(1));
    project.write("version", "2");
    project.write("app", "exit=1");
    assert_eq!(project.up_with(&["--once"]).ended().code(), Some(1));
}

#[test]
fn a_reader_of_its_output_that_leaves_does_not_keep_devloop_from_its_order() {
    let project = Project::with_app("");
    project.write("app", "forks=pids");
    let mut command = project.command(&["up", "--json", "--listen", "0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    drop(child.stdout.take());
    until("the program runs", || project.path("pids").exists() && project.read("pids").lines().count() >= 3);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("it runs");
    until("it ends", || matches!(child.try_wait(), Ok(Some(_))));
    assert!(project.read("pids").lines().all(|pid| !is_alive(pid.parse().expect("a pid"))));
}

#[test]
fn strays_of_an_earlier_devloop_are_ended_and_those_of_others_are_not() {
    let project = Project::with_app("");
    project.write("app", "forks=pids");
    let mut devloop = project.up();
    devloop.event("live");
    let family = Family::of(&project, &mut devloop);
    // the guards go first, so that nobody is left who could end the rest
    let guards: Vec<u32> = family.processes.iter().copied().filter(|pid| name(*pid).contains("devloop")).collect();
    assert!(!guards.is_empty(), "{:?}", family.processes.iter().map(|pid| name(*pid)).collect::<Vec<_>>());
    let mut other =
        Command::new("sleep").arg("1000").env("DEVLOOP_SESSION", "somebody-else").spawn().expect("it starts");
    devloop.signal(Signal::SIGSTOP);
    guards.iter().for_each(|guard| kill(Pid::from_raw(*guard as i32), Signal::SIGKILL).expect("it runs"));
    devloop.signal(Signal::SIGKILL);
    devloop.ended();
    let strays: Vec<u32> = family.processes.iter().copied().filter(|pid| is_alive(*pid)).collect();
    assert!(!strays.is_empty(), "that is the point");
    project.write("app", "");
    let mut again = project.up();
    again.rest();
    let left: Vec<String> = strays.iter().filter(|pid| is_alive(**pid)).map(|pid| name(*pid)).collect();
    assert!(is_alive(other.id()), "it is not ours");
    other.kill().and_then(|()| other.wait()).expect("it ends");
    again.stop();
    assert!(left.is_empty(), "{left:?}");
    let notes: Vec<_> = again.events().into_iter().filter(|event| event["event"] == "note").collect();
    assert!(
        notes.iter().any(|note| note["text"].to_string().contains("left behind by an earlier devloop")),
        "{notes:?}"
    );
}

#[test]
fn a_project_that_is_deleted_under_devloop_leaves_nothing_running() {
    let (project, mut devloop, family) = worst();
    // What runs may write into a folder that is being emptied.
    until("the project is deleted", || std::fs::remove_dir_all(project.root()).is_ok());
    assert_eq!(devloop.get("/").body, "1\n", "what runs goes on");
    devloop.signal(Signal::SIGINT);
    assert_eq!(devloop.ended().code(), Some(130));
    family.is_gone();
}
