//! Starting programs: what they find, how their end is told, and why one could not be started.
use std::{os::unix::fs::PermissionsExt, time::Instant};

use crate::{
    have::have,
    world::{World, is_alive},
};
use devloop::{
    core::event::StopHow,
    model::{Exit, RunId},
    process::{GuardBinary, Kind, Launch, Notice, Programs, Setup, Terminal},
    sys,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

#[tokio::test]
async fn exit_codes_and_signals_are_told_exactly() {
    let mut world = World::new();
    for kind in [Kind::Step, Kind::Service] {
        for terminal in [Terminal::Pipes, Terminal::Pty] {
            for code in [0, 1, 3, 127, 128 + 15, 255] {
                let launch = Launch { kind, terminal, ..world.script(&format!("exit {code}")) };
                let run = world.launch(launch);
                assert_eq!(world.exit(run).await, Exit::Code(code));
            }
            for signal in [1, 2, 9, 11, 15] {
                let launch = Launch { kind, terminal, ..world.script(&format!("kill -{signal} $$; sleep 30")) };
                let run = world.launch(launch);
                assert_eq!(world.exit(run).await, Exit::Signal(signal));
            }
        }
    }
}

#[tokio::test]
async fn a_program_may_open_as_many_files_as_devloop_might_when_it_was_started() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // Enough for the tests beside this one.
    let before = 4000.min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, before, hard).unwrap();
    sys::raise_open_files();
    let (raised, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(raised > before || raised == hard, "{raised} of {hard}");
    let mut world = World::new();
    let run = world.step("ulimit -n");
    world.ended(run).await;
    assert_eq!(world.said.texts(), [before.to_string()]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_real_time_signal_is_told_too() {
    let mut world = World::new();
    let launch = Launch { kind: Kind::Step, ..world.launch_of("bash", &["-c", "kill -40 $$; sleep 30"]) };
    if !have("bash") {
        return;
    }
    let run = world.launch(launch);
    assert_eq!(world.exit(run).await, Exit::Signal(40));
}

#[tokio::test]
async fn every_launch_is_answered_by_one_started_and_one_exited() {
    let mut world = World::new();
    let runs: Vec<RunId> =
        (0..20).map(|n| if n % 2 == 0 { world.step("echo x") } else { world.service("echo x") }).collect();
    for run in &runs {
        world.ended(*run).await;
    }
    world.programs.end_all(StopHow::Ask).await;
    for run in runs {
        let told = world.told(run);
        assert!(matches!(told[..], [Notice::Started { .. }, Notice::Exited { .. }]), "{told:?}");
    }
}

#[tokio::test]
async fn why_a_program_does_not_start_is_said() {
    let mut world = World::new();
    let script = |name: &str, text: &str, mode: u32| {
        let path = world.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    };
    script("plain", "#!/bin/sh\n", 0o644);
    script("no-interpreter", "#!/nowhere/sh -e\n", 0o755);
    script("no-line", "just text", 0o755);
    for (program, expected) in [
        ("no-such-program-anywhere", "program `no-such-program-anywhere` not found in PATH"),
        ("./none", "program `./none` does not exist"),
        ("./plain", "`./plain` is not executable"),
        (
            "./no-interpreter",
            "the interpreter of `./no-interpreter` does not exist: its first line is `#!/nowhere/sh -e`",
        ),
        ("./no-line", "exec format error in `./no-line`: is its `#!` line missing?"),
        ("./sessions", "`./sessions` is a folder"),
        ("", "the command is empty"),
        ("a\0b", "NUL byte"),
    ] {
        let launch = world.launch_of(program, &[]);
        let run = world.launch(launch);
        let Exit::NotStarted(why) = world.exit(run).await else { panic!("`{program}` was started") };
        assert!(why.contains(expected), "{why}");
    }
    for (folder, expected) in [("none", "does not exist"), ("plain", "is not a folder")] {
        let cwd = world.path(folder);
        let launch = Launch { cwd, ..world.script("true") };
        let run = world.launch(launch);
        let Exit::NotStarted(why) = world.exit(run).await else { panic!("started in `{folder}`") };
        assert!(why.contains(expected) && why.contains(folder), "{why}");
    }
    world.gone().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_file_that_is_still_being_written_is_waited_for() {
    let mut world = World::new();
    let path = world.path("program");
    std::fs::copy("/bin/sh", &path).unwrap();
    let writer = std::fs::File::options().append(true).open(&path).unwrap();
    let (kept, gone) =
        (world.launch_of("./program", &["-c", "exit 8"]), world.launch_of("./program", &["-c", "exit 8"]));
    let run = world.launch(kept);
    assert_eq!(world.exit(run).await, Exit::NotStarted("`./program` is still being written".to_owned()));
    let run = world.launch(gone);
    drop(writer);
    assert_eq!(world.exit(run).await, Exit::Code(8));
}

#[tokio::test]
async fn after_the_end_nothing_is_started() {
    let mut world = World::new();
    world.programs.end_all(StopHow::Ask).await;
    let run = world.service("echo never");
    assert_eq!(world.exit(run).await, Exit::NotStarted("devloop is ending".to_owned()));
}

#[tokio::test]
async fn a_program_finds_its_folder_arguments_and_environment_byte_for_byte() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};
    let mut world = World::new();
    let odd = OsString::from_vec(b"a b\n\xff".to_vec());
    let cwd = world.path("folder").join(&odd);
    std::fs::create_dir_all(&cwd).unwrap();
    let mut launch =
        world.launch_of("sh", &["-c", r#"test "$1" = "$ODD" && pwd > where && printf %s "$ODD" > odd"#, "sh"]);
    launch.command.args.push(odd.clone());
    launch.env.push(("ODD".into(), odd.clone()));
    launch.cwd = cwd.clone();
    let run = world.launch(launch);
    assert_eq!(world.exit(run).await, Exit::Code(0));
    assert_eq!(std::fs::read(cwd.join("odd")).unwrap(), odd.into_vec());
}

#[tokio::test]
async fn a_large_environment_arrives() {
    let mut world = World::new();
    let mut launch = world.script("echo ${#V0} ${#V9}");
    launch.env.extend((0..10).map(|n| (format!("V{n}").into(), "x".repeat(100_000).into())));
    let run = world.launch(launch);
    assert_eq!(world.ended(run).await.tail, ["100000 100000"]);
}

#[tokio::test]
async fn a_program_leads_its_own_group_and_has_no_signal_blocked_or_ignored() {
    if !have("python3") {
        return;
    }
    let mut world = World::new();
    let program = "import os, signal
print(os.getpgid(0) == os.getpid(), os.getsid(0) == os.getppid())
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
print([s for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN])
print(sorted(int(fd) for fd in os.listdir('/dev/fd'))[:3], len(os.listdir('/dev/fd')))";
    let launch = world.launch_of("python3", &["-c", program]);
    let run = world.launch(launch);
    let ended = world.ended(run).await;
    // python itself ignores SIGPIPE and SIGXFSZ; beside the three streams it has the folder open that it lists.
    assert_eq!(ended.tail[..2], ["True True", "set()"], "{:?}", ended.tail);
    assert!(!ended.tail[2].contains("SIGINT") && !ended.tail[2].contains("SIGHUP"), "{:?}", ended.tail);
    assert_eq!(ended.tail[3], "[0, 1, 2] 4");
}

#[tokio::test]
async fn stdin_is_open_and_silent() {
    for terminal in [Terminal::Pipes, Terminal::Pty] {
        let mut world = World::new();
        let launch = Launch { terminal, ..world.script("echo reading; cat; echo stdin has ended") };
        let run = world.launch(launch);
        let pid = world.started(run).await;
        world.said.heard("reading").await;
        assert!(is_alive(pid));
        world.programs.stop(run, StopHow::Ask);
        let ended = world.ended(run).await;
        assert_eq!(ended.tail, ["reading"]);
    }
}

#[tokio::test]
async fn a_listening_socket_is_handed_over_as_descriptor_3() {
    if !have("python3") {
        return;
    }
    let mut world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let program = "import os, socket
assert int(os.environ['LISTEN_PID']) == os.getpid() and os.environ['LISTEN_FDS'] == '1'
s = socket.socket(fileno=3); s.setblocking(True)
c, _ = s.accept(); c.sendall(b'hello'); c.close()";
    let launch = Launch { listen: Some(listener.into()), ..world.launch_of("python3", &["-c", program]) };
    let run = world.launch(launch);
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(crate::world::DEADLINE)).unwrap();
    let answer = tokio::task::spawn_blocking(move || std::io::read_to_string(&mut client)).await.unwrap();
    let ended = world.ended(run).await;
    assert_eq!((answer.unwrap().as_str(), ended.exit), ("hello", Exit::Code(0)), "{:?}", ended.tail);
    assert!(std::net::TcpStream::connect(address).is_err(), "somebody still listens");
}

#[tokio::test]
async fn two_sets_of_programs_do_not_touch_each_other() {
    let (mut one, mut other) = (World::new(), World::new());
    let (a, b) = (one.service("sleep 1000"), other.service("sleep 1000"));
    let (a_pid, b_pid) = (one.started(a).await, other.started(b).await);
    assert_eq!((one.programs.owner_of(a_pid), one.programs.owner_of(b_pid)), (Some(a), None));
    one.programs.end_all(StopHow::Ask).await;
    assert!(!is_alive(a_pid) && is_alive(b_pid));
    other.programs.end_all(StopHow::Ask).await;
    assert!(!is_alive(b_pid));
}

#[tokio::test]
async fn every_process_of_a_tree_is_known_to_be_its_runs() {
    if !have("setsid") {
        return;
    }
    let mut world = World::new();
    let other = world.service("sleep 1000");
    let run = world.service("(setsid sh -c 'echo daemon $$; sleep 1000' &) ; echo leader $$; sleep 1000");
    let (daemon, leader) = (world.pid_after("daemon ").await, world.pid_after("leader ").await);
    assert_eq!(world.programs.leader(run), Some(leader));
    assert_eq!((world.programs.owner_of(leader), world.programs.owner_of(daemon)), (Some(run), Some(run)));
    assert_eq!(world.programs.owner_of(std::process::id()), None);
    let other_pid = world.started(other).await;
    assert_eq!(world.programs.owner_of(other_pid), Some(other));
    world.programs.end_all(StopHow::Ask).await;
    assert_eq!((world.programs.leader(run), world.programs.owner_of(daemon)), (None, None));
}

#[tokio::test]
async fn programs_are_started_although_devloop_was_upgraded_or_removed_on_disk() {
    let mut world = World::new();
    let (notice, mut notices) = tokio::sync::mpsc::unbounded_channel();
    let copy = world.path("devloop");
    // Not written by this process: what other tests are just forking would have it open, and it could not be executed.
    assert!(std::process::Command::new("cp").arg(env!("CARGO_BIN_EXE_devloop")).arg(&copy).status().unwrap().success());
    let setup = Setup { guard: GuardBinary::at(&copy).unwrap(), ..crate::world::setup(&world.session) };
    if cfg!(target_os = "linux") {
        std::fs::remove_file(&copy).unwrap();
        std::fs::write(&copy, "another version").unwrap();
    }
    let programs = Programs::new(setup, move |told| drop(notice.send(told)), |_| {});
    programs.launch(world.script("exit 6"));
    let Some(Notice::Started { .. }) = notices.recv().await else { panic!("not started") };
    assert!(matches!(notices.recv().await, Some(Notice::Exited { exit: Exit::Code(6), .. })));
}

#[tokio::test]
async fn what_a_start_costs_is_printed() {
    let mut world = World::new();
    let mut through: Vec<_> = Vec::new();
    for _ in 0..30 {
        let launch = world.launch_of("true", &[]);
        let begin = Instant::now();
        let run = world.launch(launch);
        world.ended(run).await;
        through.push(begin.elapsed());
    }
    let mut direct: Vec<_> = (0..30)
        .map(|_| {
            let begin = Instant::now();
            std::process::Command::new("true").status().unwrap();
            begin.elapsed()
        })
        .collect();
    through.sort();
    direct.sort();
    println!("start and end of `true`, median of 30: {:?} through a guard, {:?} directly", through[15], direct[15]);
}
