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
