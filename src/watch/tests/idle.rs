//! What wakes the watcher: what others do to the files that it watches must not, unless they change.

use super::*;

/// Set for the process that has no other tests beside it.
const ALONE: &str = "DEVLOOP_TEST_ALONE";

#[tokio::test]
async fn neither_idleness_nor_reading_wakes_the_watcher() {
    if std::env::var_os(ALONE).is_none() {
        let own = std::process::Command::new(std::env::current_exe().unwrap());
        return alone(own, "idle::neither_idleness_nor_reading_wakes_the_watcher", ALONE).unwrap();
    }
    let mut world = World::new();
    let files: Vec<String> = (0..200).map(|number| format!("d{number}/a.go")).collect();
    files.iter().for_each(|file| world.write(file, "x"));
    world.watch();
    world.baseline().await;
    world.fence().await;
    let before = settled().await;
    assert!(before.len() >= 2, "{before:?}");
    // The only way to see nothing happen is to let time pass.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(wake_ups(), before, "while nothing happened");
    for _ in 0..10 {
        files.iter().for_each(|file| drop(std::fs::read(world.at(file)).unwrap()));
    }
    assert_eq!(settled().await, before, "while files were read");
    world.write("d7/a.go", "y");
    world.until_done("d7/a.go").await;
    assert_ne!(wake_ups(), before, "a save does");
}

/// The wake-ups once two looks have found the same: the cookie's own events may still be on their way.
async fn settled() -> BTreeMap<String, u64> {
    let mut before = wake_ups();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = wake_ups();
        if now == before {
            return now;
        }
        before = now;
    }
}

/// How often each of the watcher's threads has given up the processor by itself.
fn wake_ups() -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let name = read("comm");
        if name.trim() != "watch" && !name.starts_with("watch-") && !name.starts_with("notify") {
            continue;
        }
        let status = read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let count = line.and_then(|count| count.trim().parse().ok()).unwrap_or(0);
        counts.insert(format!("{} {}", name.trim(), task.file_name().display()), count);
    }
    counts
}
