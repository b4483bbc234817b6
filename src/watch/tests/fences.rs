//! The fence: whatever was written before it is in the mail no later than it.

use super::*;

#[tokio::test]
async fn three_hundred_rounds_of_writes_are_all_told_before_their_fences() {
    let mut world = World::watched();
    let watcher = world.watcher();
    for round in 0..300_u64 {
        let count = 1 + round % 17;
        let mut wanted = Vec::new();
        for number in 0..count {
            let file = match number % 3 {
                0 => format!("{number}.go"),
                1 => format!("kept/{number}.go"),
                _ => format!("r{round}/new/{number}.go"),
            };
            world.write(&file, format!("{round}"));
            wanted.push(file);
        }
        let run = RunId(1000 + round);
        watcher.fence(run);
        // Not a drain more than until the fence is there.
        world.until("the fence passes", |mail| mail.fences.contains(&run)).await;
        let mut touched = names(&std::mem::take(&mut world.seen));
        touched.retain(|file| wanted.contains(file));
        wanted.sort();
        assert_eq!(touched, wanted, "round {round}");
    }
}

#[tokio::test]
async fn many_fences_at_once_all_pass_in_order() {
    let mut world = World::watched();
    for run in 1..=100 {
        world.watcher().fence(RunId(run));
    }
    world.until("all pass", |mail| mail.fences.len() == 100).await;
    assert!(world.seen.fences.is_sorted());
    let left = std::fs::read_dir(world.at(".devloop/cookies")).unwrap().count();
    assert_eq!(left, 0, "no cookie stays");
}

#[tokio::test]
async fn a_fence_passes_although_someone_removed_our_folder() {
    let mut world = World::watched();
    // Its end writes into the folder.
    world.baseline().await;
    while !world.at(".devloop/digests").exists() {
        tokio::task::yield_now().await;
    }
    std::fs::remove_dir_all(world.at(".devloop")).unwrap();
    world.write("a.go", "x");
    assert_eq!(world.touched().await, ["a.go"]);
    world.write("b.go", "x");
    assert_eq!(world.touched().await, ["b.go"]);
}

#[tokio::test]
async fn what_an_earlier_devloop_left_is_swept_and_no_fence_of_ours() {
    let mut world = World::new();
    world.write(".devloop/cookies/17-4", "");
    world.watch();
    assert!(!world.at(".devloop/cookies/17-4").exists());
    world.write(".devloop/cookies/17-5", "");
    let mail = world.fence().await;
    assert_eq!(mail.fences.len(), 1);
    assert!(mail.touches.is_empty());
}

#[tokio::test]
async fn nothing_wakes_the_watcher_when_nothing_happens() {
    let mut world = World::new();
    for number in 0..200 {
        world.write(&format!("d{number}/a.go"), "x");
    }
    world.watch();
    world.baseline().await;
    world.fence().await;
    // The only way to see nothing happen is to let time pass; first, the cookie's own events.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = wake_ups();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let after = wake_ups();
    let woken: Vec<_> =
        after.iter().filter(|(task, count)| before.get(*task).is_some_and(|was| was != *count)).collect();
    println!("wake-ups of the watcher's threads in 1.5 s of idleness (other tests run beside it): {woken:?}");
}

/// How often each thread named as a watcher's has given up the processor by itself.
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
