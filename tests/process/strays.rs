//! When devloop itself dies: nothing survives it, and what survived even its guards is ended by the next one.
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::{
    have::have,
    world::{World, gone, is_alive, members, setup, until},
};
use devloop::{
    core::event::StopHow,
    process::{Asked, Programs, Session, Signals, Taken, stop_self, who_has},
    sys,
};
use nix::{
    sys::signal::{SIGKILL, Signal, kill},
    unistd::Pid,
};

const ROLE: &str = "DEVLOOP_TEST_ROLE";

/// Not a test by itself: what stands in for devloop in the tests below, which run it in a process of its own.
#[test]
fn driver() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    threads.block_on(async {
        let mut world = World::new();
        if role == "churn" {
            println!("\nsession {}", world.session);
            churn(&mut world).await;
        }
        let services = (0..2).map(|_| world.service(ZOO)).collect::<Vec<_>>();
        for run in services {
            world.started(run).await;
        }
        let step = world.step("(setsid sleep 1000 &); sleep 1000 & exit 0");
        world.ended(step).await;
        for name in ["leader ", "child ", "orphan ", "daemon "] {
            world.pid_after(name).await;
        }
        let mut signals = Signals::new().unwrap();
        println!("\nsession {}", world.session);
        match role.as_str() {
            "panic" => std::thread::spawn(|| panic!("as asked")).join().unwrap_or_else(|_| std::process::abort()),
            "suspend" => loop {
                match signals.next().await {
                    Asked::Suspend => {
                        world.programs.suspend().await;
                        stop_self();
                        world.programs.resume();
                    }
                    Asked::Quit(_) => break drop(world.programs.end_all(StopHow::Ask).await),
                    Asked::Resized => {}
                }
            },
            _ => std::future::pending().await,
        }
    });
}

/// Starts and ends programs for ever.
async fn churn(world: &mut World) {
    loop {
        let (one, other) = (world.service(ZOO), world.step("(setsid sleep 1000 &); sleep 1000 &"));
        println!("\nround");
        world.ended(other).await;
        world.programs.stop(one, StopHow::Ask);
        println!("\nround");
        world.ended(one).await;
        println!("\nround");
    }
}

const ZOO: &str = r#"
trap '' TERM
sh -c 'echo child $$; while :; do sleep 1000; done' &
( sh -c 'echo orphan $$; while :; do sleep 1000; done' & )
setsid sh -c '( setsid sh -c "echo daemon \$\$; while :; do sleep 1000; done" & )'
echo leader $$
while :; do sleep 1000; done
"#;

struct Driver {
    child: Child,
    session: String,
    rounds: std::sync::mpsc::Receiver<()>,
}

impl Driver {
    /// Starts the stand-in, and comes back when its programs run.
    fn start(role: &str) -> Driver {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["strays::driver", "--exact", "--nocapture"])
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let session =
            lines.find_map(|line| line.strip_prefix("session ").map(str::to_owned)).expect("the driver came up");
        let (said, rounds) = std::sync::mpsc::channel();
        std::thread::spawn(move || lines.filter(|line| line == "round").try_for_each(|_| said.send(())));
        Driver { child, session, rounds }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }
}

#[tokio::test]
async fn nothing_survives_the_kill_of_devloop() {
    if !have("setsid") {
        return;
    }
    let mut driver = Driver::start("wait");
    let before = members(&driver.session).len();
    assert!(before >= 2 * 5, "{before} processes");
    driver.signal(SIGKILL);
    driver.child.wait().unwrap();
    gone(&driver.session).await;
}

#[tokio::test]
async fn nothing_survives_the_kill_of_devloop_at_any_moment() {
    if !have("setsid") {
        return;
    }
    for moment in 0..12 {
        let mut driver = Driver::start("churn");
        for _ in 0..moment {
            driver.rounds.recv_timeout(crate::world::DEADLINE).unwrap();
        }
        driver.signal(SIGKILL);
        driver.child.wait().unwrap();
        gone(&driver.session).await;
    }
}

#[tokio::test]
async fn nothing_survives_an_abort_of_devloop() {
    if !have("setsid") {
        return;
    }
    let mut driver = Driver::start("panic");
    driver.child.wait().unwrap();
    gone(&driver.session).await;
}

#[tokio::test]
async fn on_ctrl_z_everything_stands_still_and_on_fg_it_goes_on() {
    if !have("setsid") {
        return;
    }
    let mut driver = Driver::start("suspend");
    let state = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
    };
    let is_guard = |pid: &u32| sys::variable_of(*pid, "DEVLOOP_RUN").is_none();
    let programs: Vec<u32> = members(&driver.session).into_iter().filter(|pid| !is_guard(pid)).collect();
    // Some of them may be on their way out, or wait in the kernel for a child that stands still.
    let runs = |pid: &u32| matches!(state(*pid), Some('S' | 'R'));
    let stands = |pid: &u32| state(*pid) == Some('T');
    assert!(programs.iter().any(runs));
    for _ in 0..2 {
        driver.signal(Signal::SIGTSTP);
        let me = driver.child.id();
        until("all stand still", || stands(&me) && !programs.iter().any(runs)).await;
        driver.signal(Signal::SIGCONT);
        until("all go on", || !stands(&me) && !programs.iter().any(stands)).await;
    }
    driver.signal(Signal::SIGINT);
    driver.child.wait().unwrap();
    assert_eq!(members(&driver.session), Vec::<u32>::new());
}

#[tokio::test]
async fn strays_of_a_dead_session_are_ended_and_nobody_else() {
    if !have("setsid") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let session = Session::begin(folder.path()).unwrap();
    let programs = Programs::new(setup(session.id()), |_| {}, |_| {});
    let mut world = World::new();
    let launch = world.script("setsid sleep 54321 & trap '' TERM; while :; do sleep 54321; done");
    programs.launch(launch);
    let count =
        |session: &str| members(session).iter().filter(|pid| sys::variable_of(**pid, "DEVLOOP_RUN").is_some()).count();
    until("they run", || count(session.id()) == 3).await;
    let mut foreign = Command::new("sleep").arg("54321").spawn().unwrap();
    let living = world.service("sleep 54321");
    let living = world.started(living).await;

    // While the session lives, nothing is a stray.
    assert_eq!(Session::sweep(folder.path()), []);
    // Now it is dead: its record names a process that was started at another time, and its guards are killed.
    std::fs::write(folder.path().join(session.id()), format!("{} 1\n", std::process::id())).unwrap();
    for guard in members(session.id()).into_iter().filter(|pid| sys::variable_of(*pid, "DEVLOOP_RUN").is_none()) {
        kill(Pid::from_raw(guard.cast_signed()), Signal::SIGSTOP).unwrap();
    }
    let path = folder.path().to_owned();
    let ended = tokio::task::spawn_blocking(move || Session::sweep(&path)).await.unwrap();
    assert!(ended.iter().filter(|stray| stray.command.contains("54321")).count() >= 3, "{ended:?}");
    gone(session.id()).await;
    assert!(is_alive(foreign.id()) && is_alive(living));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the dead session is struck out");
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    world.programs.end_all(StopHow::Kill).await;
}

#[tokio::test]
async fn a_session_that_ended_well_leaves_no_record_and_odd_records_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::begin(folder.path()).unwrap();
    assert_eq!(session.id().len(), 32);
    session.end();
    std::fs::write(folder.path().join("README"), "not a record").unwrap();
    std::fs::write(folder.path().join("0".repeat(32)), [0xff; 10]).unwrap();
    assert_eq!(Session::sweep(folder.path()), []);
    assert!(folder.path().join("README").exists() && !folder.path().join("0".repeat(32)).exists());
    assert_eq!(Session::sweep(&folder.path().join("none")), []);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_has_a_port_is_explained() {
    if !have("python3") {
        return;
    }
    let listen = "import socket, time
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print('port', s.getsockname()[1], flush=True); time.sleep(1000)";
    let mut world = World::new();
    let launch = world.launch_of("python3", &["-c", listen]);
    let run = world.launch(launch);
    let port = u16::try_from(world.pid_after("port ").await).unwrap();
    let pid = world.programs.leader(run).unwrap();
    let Some(Taken::Ours { run: owner, pid: found, command }) = who_has(port, &world.programs) else {
        panic!("not ours")
    };
    assert_eq!((owner, found), (run, pid));
    assert!(command.contains("python3 -c import socket"), "{command}");
    let other = World::new();
    assert!(matches!(who_has(port, &other.programs), Some(Taken::AnotherDevloop { .. })));

    let mut foreign = Command::new("python3").args(["-c", listen]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(foreign.stdout.take().unwrap()).lines();
    let port: u16 = said.next().unwrap().unwrap().trim_start_matches("port ").parse().unwrap();
    let taken = who_has(port, &world.programs).unwrap();
    let problem = taken.problem(port);
    assert!(problem.message.starts_with(&format!("port {port} is taken by `")), "{problem:?}");
    assert!(problem.message.contains("python3 -c") && !problem.message.contains('\n'), "{problem:?}");
    assert!(problem.hint.unwrap().contains(&format!("`kill {}`", foreign.id())));
    foreign.kill().unwrap();
    foreign.wait().unwrap();

    let ours = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = ours.local_addr().unwrap().port();
    assert!(matches!(who_has(port, &world.programs), Some(Taken::Foreign { pid, .. }) if pid == std::process::id()));
    drop(ours);
    assert_eq!(who_has(port, &world.programs), None);
    world.programs.end_all(StopHow::Kill).await;
}
