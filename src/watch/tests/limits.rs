//! Limits of the kernel and of machines: watches, instances, large trees.

use super::*;

/// Set for the process that runs in a world with few watches.
const FEW: &str = "DEVLOOP_TEST_FEW_WATCHES";

/// Runs one of these tests again, as root of a user namespace that `prepare` has furnished, where there are any.
fn again(test: &str, prepare: &str) {
    let script = format!("{prepare} && exec \"$0\" \"$@\"");
    let mut command = std::process::Command::new("unshare");
    command.args(["-Urm", "sh", "-c", &script]).arg(std::env::current_exe().unwrap());
    if let Err(why) = alone(command, &format!("limits::{test}"), FEW) {
        println!("skipped: no user namespaces here: {why}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn out_of_watches_the_rest_is_polled_and_it_is_said_once() {
    if std::env::var_os(FEW).is_none() {
        let test = "out_of_watches_the_rest_is_polled_and_it_is_said_once";
        again(test, "echo 40 > /proc/sys/user/max_inotify_watches");
        return;
    }
    let mut world = World::new();
    for number in 0..100 {
        world.write(&format!("d{number}/a.go"), "one");
    }
    world.watch();
    world.baseline().await;
    let mail = world.fence().await;
    let notes: Vec<_> = mail.notes.iter().filter(|note| matches!(note, Note::OutOfWatches { .. })).collect();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].hint().unwrap().contains("max_user_watches"));
    let summary = world.summary();
    assert_eq!(summary.backend, "inotify and polling");
    assert_eq!(summary.watched + summary.polled, 101);
    assert!(summary.watched > 20 && summary.polled > 20, "{summary:?}");
    for number in 0..100 {
        world.write(&format!("d{number}/a.go"), "two");
    }
    assert_eq!(world.touched().await.len(), 100);
    for number in 0..100 {
        world.write(&format!("new{number}/deep/a.go"), "two");
        world.until_touched(&format!("new{number}/deep/a.go")).await;
    }
    assert!(!told(&world.fence().await, |note| matches!(note, Note::OutOfWatches { .. })));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_an_instance_native_fails_with_the_limit_to_raise_and_auto_polls() {
    if std::env::var_os(FEW).is_none() {
        let test = "without_an_instance_native_fails_with_the_limit_to_raise_and_auto_polls";
        again(test, "echo 0 > /proc/sys/user/max_inotify_instances");
        return;
    }
    let mut world = World::new();
    let problem = Watcher::start(&world.plan, &world.at(".devloop")).unwrap_err();
    assert!(problem.hint.unwrap().contains("max_user_instances"));
    world.plan.watch.backend = Backend::Auto;
    world.watch();
    assert_eq!(world.summary().backend, "polling");
    let mail = world.fence().await;
    assert!(told(&mail, |note| note.text().contains("inotify instance")), "{mail:?}");
    world.write("a.go", "x");
    assert_eq!(world.touched().await, ["a.go"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_an_unmounting_lays_bare_is_seen_and_watched() {
    if std::env::var_os(FEW).is_none() {
        again("what_an_unmounting_lays_bare_is_seen_and_watched", "true");
        return;
    }
    let mut world = World::new();
    world.write("mnt/below/a.go", "one");
    let folder = world.at("mnt");
    let mount = |program: &str, args: &[&str]| {
        let status = std::process::Command::new(program).args(args).arg(&folder).status();
        status.is_ok_and(|status| status.success())
    };
    if !mount("mount", &["-t", "tmpfs", "tmpfs"]) {
        println!("skipped: nothing can be mounted here");
        return;
    }
    world.write("mnt/over/b.go", "one");
    world.watch();
    world.baseline().await;
    assert!(mount("umount", &[]));
    world.until_touched("mnt/over/b.go").await;
    let mail = world.fence().await;
    assert!(!told(&mail, |note| matches!(note, Note::Rescanned)), "{mail:?}");
    world.write("mnt/below/a.go", "two");
    world.until_done("mnt/below/a.go").await;
}

#[tokio::test]
async fn a_root_that_is_not_there_is_a_problem() {
    let world = World::new();
    let state = world.at(".devloop");
    let nowhere = Plan { root: world.at("nowhere"), ..world.plan.clone() };
    assert!(Watcher::start(&nowhere, &state).unwrap_err().message.contains("nowhere"));
    std::fs::remove_dir(&state).unwrap();
    std::fs::write(&state, "a file").unwrap();
    assert!(Watcher::start(&world.plan, &state).unwrap_err().message.contains(".devloop"));
}

#[tokio::test]
async fn a_folder_that_may_not_be_read_is_told_and_the_rest_is_watched() {
    let mut world = World::new();
    world.write("closed/a.go", "x");
    let closed = world.at("closed");
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(&closed, mode(0o000)).unwrap();
    let readable = std::fs::read_dir(&closed).is_ok();
    world.watch();
    let mail = world.fence().await;
    if readable {
        println!("skipped: this user may read everything");
    } else {
        assert!(told(&mail, |note| matches!(note, Note::Unreadable { folder, .. } if *folder == closed)), "{mail:?}");
    }
    world.write("b.go", "x");
    assert_eq!(world.touched().await, ["b.go"]);
    std::fs::set_permissions(&closed, mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_large_tree_beside_a_larger_ignored_one_costs_its_own_folders_only() {
    let mut world = World::new();
    let fill = |place: &str, folders: usize, files: usize| {
        for folder in 0..folders {
            let folder = world.at(&format!("{place}/{}/{folder}", folder % 50));
            std::fs::create_dir_all(&folder).unwrap();
            (0..files).for_each(|file| std::fs::write(folder.join(format!("{file}.go")), format!("{file}")).unwrap());
        }
    };
    // The full size of the promise is for the benchmark; this one counts watches.
    let scale: usize = std::env::var("DEVLOOP_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    fill("src", 2000 / scale, 25);
    fill("node_modules", 4000 / scale, 25);
    let clock = crate::sys::Clock::start();
    world.watch();
    let started = clock.now();
    let memory_before = memory();
    world.baseline().await;
    let summary = world.summary();
    println!(
        "{} files: started in {:?}, baseline after {:?}, {summary:?}, memory {memory_before} -> {} KiB",
        summary.files,
        started.since_start(),
        clock.now().since_start(),
        memory()
    );
    assert_eq!(summary.watched, 1 + 1 + 50.min(2000 / scale) + 2000 / scale);
    assert_eq!(summary.files, 2000 / scale * 25);
}

/// Resident memory in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
