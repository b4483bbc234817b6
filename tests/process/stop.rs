//! Ending programs: everything they started goes with them, and nothing else.
use std::time::Duration;

use crate::{
    have::have,
    world::{DEADLINE, World, is_alive, members, until},
};
use devloop::{
    core::event::StopHow,
    model::{Exit, RunId},
    plan::Resolved,
    process::{Ending, Kind, Launch, Notice, Terminal},
};

/// Ignores SIGTERM, with a child, an orphan and a `setsid` daemon that ignore it too; says `up` once all of them run.
const ZOO: &str = r#"
trap '' TERM
sh -c 'echo child $$; while :; do sleep 1000; done' &
( sh -c 'echo orphan $$; while :; do sleep 1000; done' & )
setsid sh -c '( setsid sh -c "echo daemon \$\$; while :; do sleep 1000; done" & )'
echo leader $$
while :; do sleep 1000; done
"#;

async fn zoo(world: &World) -> Vec<u32> {
    let mut pids = Vec::new();
    for name in ["leader ", "child ", "orphan ", "daemon "] {
        pids.push(world.pid_after(name).await);
    }
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    pids
}

#[tokio::test]
async fn whatever_ignores_the_signal_or_leaves_the_group_is_gone_when_the_end_is_told() {
    if !have("setsid") {
        return;
    }
    for kind in [Kind::Service, Kind::Step] {
        for (how, terminal) in
            [(StopHow::Ask, Terminal::Pipes), (StopHow::Kill, Terminal::Pipes), (StopHow::Ask, Terminal::Pty)]
        {
            let mut world = World::new();
            let launch = Launch { kind, terminal, ..world.script(ZOO) };
            let run = world.launch(launch);
            let pids = zoo(&world).await;
            world.programs.stop(run, how);
            let ended = world.ended(run).await;
            assert_eq!(ended.exit, Exit::Signal(9));
            assert_eq!(ended.survivors, []);
            assert!(!pids.into_iter().any(is_alive));
            world.gone().await;
        }
    }
}

#[tokio::test]
async fn nothing_is_left_when_all_is_ended() {
    if !have("setsid") {
        return;
    }
    let mut world = World::new();
    let services: Vec<RunId> = (0..3).map(|_| world.service(ZOO)).collect();
    zoo(&world).await;
    for run in &services {
        world.started(*run).await;
    }
    let step = world.step("(setsid sleep 1000 &) ; sleep 1000 & echo done");
    assert_eq!(world.exit(step).await, Exit::Code(0));
    assert_eq!(world.programs.end_all(StopHow::Ask).await, []);
    assert_eq!(members(&world.session), Vec::<u32>::new());
    for run in services {
        assert_eq!(world.exit(run).await, Exit::Signal(9));
    }
}

#[tokio::test]
async fn a_program_that_ends_when_asked_ends_as_it_likes() {
    let mut world = World::new();
    let mut launch = world.script("trap 'echo bye; exit 7' INT; echo up; while :; do sleep 0.02; done");
    launch.ending = Ending { signal: nix::libc::SIGINT, grace: DEADLINE, run: None };
    let run = world.launch(launch);
    world.said.heard("up").await;
    world.programs.stop(run, StopHow::Ask);
    world.programs.stop(run, StopHow::Ask);
    let ended = world.ended(run).await;
    assert_eq!((ended.exit, ended.tail), (Exit::Code(7), vec!["up".to_owned(), "bye".to_owned()]));
}

#[tokio::test]
async fn a_daemon_of_a_group_that_is_gone_is_asked_before_it_is_killed() {
    if !have("setsid") {
        return;
    }
    let mut world = World::new();
    let mut launch = world.script(
        "setsid sh -c 'trap \"echo daemon says bye; exit\" TERM; echo daemon up; while :; do sleep 0.02; done' &
         sleep 1000",
    );
    launch.ending.grace = DEADLINE;
    let run = world.launch(launch);
    world.said.heard("daemon up").await;
    world.programs.stop(run, StopHow::Ask);
    let ended = world.ended(run).await;
    assert_eq!(ended.exit, Exit::Signal(15));
    assert!(ended.tail.contains(&"daemon says bye".to_owned()), "{:?}", ended.tail);
}

#[tokio::test]
async fn a_second_harder_stop_does_not_wait_for_the_first_ones_grace() {
    let mut world = World::new();
    let mut launch = world.script("trap '' TERM; echo up; while :; do sleep 1000; done");
    launch.ending.grace = Duration::from_secs(100_000);
    let run = world.launch(launch);
    world.said.heard("up").await;
    world.programs.stop(run, StopHow::Ask);
    world.programs.stop(run, StopHow::Kill);
    assert_eq!(world.exit(run).await, Exit::Signal(9));
}

#[tokio::test]
async fn a_stop_right_behind_the_launch_is_not_lost() {
    let mut world = World::new();
    for _ in 0..10 {
        let run = world.service("sleep 1000");
        world.programs.stop(run, StopHow::Ask);
        assert_eq!(world.exit(run).await, Exit::Signal(15));
    }
    world.gone().await;
}

#[tokio::test]
async fn a_service_whose_leader_ends_first_is_over_when_its_port_is_free() {
    if !have("python3") {
        return;
    }
    let mut world = World::new();
    let listen = "import socket, time
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print('port', s.getsockname()[1], flush=True); time.sleep(1000)";
    std::fs::write(world.path("listen.py"), listen).unwrap();
    let run = world.service("python3 listen.py & until [ -e go ]; do sleep 0.02; done; exit 5");
    let port: u16 = u16::try_from(world.pid_after("port ").await).unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    std::fs::write(world.path("go"), "").unwrap();
    assert_eq!(world.exit(run).await, Exit::Code(5));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[tokio::test]
async fn what_a_step_leaves_running_lives_until_the_end_of_all() {
    for terminal in [Terminal::Pipes, Terminal::Pty] {
        let mut world = World::new();
        let script =
            "sh -c 'echo left $$; while :; do sleep 0.05; [ -e speak ] && echo spoke && rm speak; done' & exit 3";
        let launch = Launch { kind: Kind::Step, terminal, ..world.script(script) };
        let run = world.launch(launch);
        assert_eq!(world.exit(run).await, Exit::Code(3));
        let left = world.pid_after("left ").await;
        assert!(is_alive(left));
        std::fs::write(world.path("speak"), "").unwrap();
        world.said.heard("spoke").await;
        assert_eq!(world.programs.owner_of(left), Some(run));
        world.programs.end_all(StopHow::Ask).await;
        assert!(!is_alive(left));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_guard_of_a_step_leaves_with_the_last_of_its_processes() {
    let mut world = World::new();
    let run = world.step("until [ -e go ]; do sleep 0.02; done & echo done");
    world.ended(run).await;
    assert!(!members(&world.session).is_empty());
    std::fs::write(world.path("go"), "").unwrap();
    world.gone().await;
}

#[tokio::test]
async fn the_stop_command_runs_before_the_signal_and_at_most_for_the_grace_time() {
    let mut world = World::new();
    let stop = |script: &str| Some(Resolved { program: "sh".into(), args: vec!["-c".into(), script.into()] });
    let script = "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.02; done";
    for (command, expected) in [
        ("sleep 0.1; echo stop in $PWD", "asked"),
        ("exit 4", "devloop: the stop command `sh` failed: exit code 4"),
        ("sleep 1000", "devloop: the stop command `sh` failed: not over after 200ms, so it was killed"),
    ] {
        let mut world = World::new();
        let mut launch = world.script(script);
        launch.ending = Ending { grace: Duration::from_millis(200), run: stop(command), ..launch.ending };
        if command.starts_with("sleep 0.1") {
            launch.ending.grace = DEADLINE;
        }
        let run = world.launch(launch);
        world.said.heard("up").await;
        world.programs.stop(run, StopHow::Ask);
        world.ended(run).await;
        let said = world.said.texts();
        assert!(said.contains(&expected.to_owned()), "{said:?}");
        let at = |text: &str| said.iter().position(|line| line.starts_with(text));
        assert!(at("asked") > at("stop in").or(at("devloop:")), "{said:?}");
        world.gone().await;
    }
    // A service that ends by itself: its stop command waits until the end, unless the service is started again.
    for again in [false, true] {
        let mut launch = world.script("true");
        launch.ending.run = stop("echo ran late");
        let run = world.launch(launch);
        world.ended(run).await;
        if again {
            let run = world.service("true");
            world.ended(run).await;
        }
    }
    world.programs.end_all(StopHow::Ask).await;
    assert!(!world.said.texts().contains(&"ran late".to_owned()));
    let mut world = World::new();
    let mut launch = world.script("true");
    launch.ending = Ending { run: stop("echo ran late"), grace: DEADLINE, ..launch.ending };
    let run = world.launch(launch);
    world.ended(run).await;
    world.programs.end_all(StopHow::Ask).await;
    assert_eq!(world.said.texts(), ["ran late"]);
}

#[tokio::test]
async fn whenever_a_run_is_stopped_its_end_is_told_once_and_nothing_is_left() {
    let mut world = World::new();
    let mut random = 12345u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut runs = Vec::new();
    for _ in 0..60 {
        let script = match next(3) {
            0 => "exit 3",
            1 => "sleep 1000 & sleep 0.02",
            _ => "trap '' TERM; sleep 0.05; sleep 1000",
        };
        let kind = if next(2) == 0 { Kind::Step } else { Kind::Service };
        let terminal = if next(2) == 0 { Terminal::Pty } else { Terminal::Pipes };
        let mut launch = Launch { kind, terminal, ..world.script(script) };
        launch.ending.grace = Duration::from_millis(next(40));
        runs.push(world.launch(launch));
        // How much happens in between is up to the machine: every interleaving must do.
        tokio::time::sleep(Duration::from_millis(next(12))).await;
        for _ in 0..next(3) {
            let victim = runs[usize::try_from(next(runs.len() as u64)).unwrap()];
            world.programs.stop(victim, if next(3) == 0 { StopHow::Kill } else { StopHow::Ask });
        }
    }
    world.programs.end_all(StopHow::Ask).await;
    assert_eq!(members(&world.session), Vec::<u32>::new());
    for run in runs {
        world.ended(run).await;
        let ends = world.told(run).into_iter().filter(|notice| matches!(notice, Notice::Exited { .. })).count();
        assert_eq!(ends, 1, "{run}");
    }
}

#[tokio::test]
async fn in_a_hurry_the_stop_command_is_killed_too() {
    let mut world = World::new();
    let mut launch = world.script("trap '' TERM; echo up; while :; do sleep 1000; done");
    let wait = Resolved { program: "sh".into(), args: vec!["-c".into(), "echo stopping; sleep 1000; true".into()] };
    launch.ending = Ending { grace: Duration::from_secs(100_000), run: Some(wait), ..launch.ending };
    let run = world.launch(launch);
    world.said.heard("up").await;
    world.programs.stop(run, StopHow::Ask);
    world.said.heard("stopping").await;
    world.programs.stop(run, StopHow::Kill);
    assert_eq!(world.exit(run).await, Exit::Signal(9));
    world.programs.end_all(StopHow::Kill).await;
    assert_eq!(members(&world.session), Vec::<u32>::new());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_killed_guard_takes_its_program_with_it_and_the_end_is_told() {
    if !have("setsid") {
        return;
    }
    let mut world = World::new();
    let other = world.service("sleep 1000");
    let other = world.started(other).await;
    let run = world.service(ZOO);
    world.started(run).await;
    let pids = zoo(&world).await;
    let guard = devloop::sys::parent(pids[0]).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(guard.cast_signed()), nix::sys::signal::SIGKILL).unwrap();
    let ended = world.ended(run).await;
    assert_eq!((ended.exit, ended.survivors), (Exit::Signal(9), vec![]));
    assert!(ended.tail.last().unwrap().contains("guard"), "{:?}", ended.tail);
    assert!(!pids.into_iter().any(is_alive));
    assert!(is_alive(other));
    world.programs.end_all(StopHow::Ask).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn signals_to_a_guard_do_not_impress_it() {
    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };
    let mut world = World::new();
    let run = world.service("sleep 1000");
    let pid = world.started(run).await;
    let guard = Pid::from_raw(devloop::sys::parent(pid).unwrap().cast_signed());
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP, Signal::SIGUSR1] {
        kill(guard, signal).unwrap();
    }
    world.programs.stop(run, StopHow::Ask);
    assert_eq!(world.exit(run).await, Exit::Signal(15));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn everything_stands_still_and_goes_on_with_devloop_and_ends_even_while_it_stands() {
    let state = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
    };
    let mut world = World::new();
    // They start nothing: one that waits for the exec of its child does not stand still before that.
    let run = world.service("exec 3<&0; sh -c 'echo child $$; read x <&3' & echo leader $$; read x");
    let pids = [world.pid_after("leader ").await, world.pid_after("child ").await];
    world.programs.suspend().await;
    until("they stand still", || pids.iter().all(|pid| state(*pid) == Some('T'))).await;
    world.programs.resume();
    until("they go on", || pids.iter().all(|pid| matches!(state(*pid), Some('S' | 'R')))).await;
    world.programs.suspend().await;
    until("they stand still again", || pids.iter().all(|pid| state(*pid) == Some('T'))).await;
    world.programs.stop(run, StopHow::Ask);
    assert_eq!(world.exit(run).await, Exit::Signal(15));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_guard_that_waits_does_not_wake_up() {
    let switches = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap().to_owned()
    };
    let mut world = World::new();
    let run = world.service("sleep 1000");
    let pid = world.started(run).await;
    let guard = devloop::sys::parent(pid).unwrap();
    until("it sleeps", || std::fs::read_to_string(format!("/proc/{guard}/wchan")).is_ok()).await;
    // One look is enough: other programs come and go meanwhile, none of which is this guard's business.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = switches(guard);
    for _ in 0..5 {
        let other = world.step("true");
        world.ended(other).await;
    }
    assert_eq!(switches(guard), before);
    world.programs.end_all(StopHow::Kill).await;
}
