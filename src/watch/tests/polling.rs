//! Polling, from end to end; and when it is chosen.

use super::*;

fn polled() -> World {
    let mut world = World::new();
    world.plan.watch.backend = Backend::Poll;
    world
}

#[tokio::test]
async fn everything_that_happens_is_told_without_the_kernels_events() {
    let mut world = polled();
    for file in ["a.go", "b.go", "run.sh", "dir/deep/c.go", "node_modules/x/y.js"] {
        world.write(file, "one");
    }
    world.watch();
    assert_eq!(world.summary().backend, "polling");
    assert_eq!((world.summary().watched, world.summary().polled), (0, 3));
    world.baseline().await;
    world.write("a.go", "two");
    world.until_touched("a.go").await;
    assert_eq!(world.verdict("a.go").await, Verdict::Changed);
    world.write("dir/deep/new/d.go", "new");
    world.until_touched("dir/deep/new/d.go").await;
    world.write("dir/deep/new/d.go", "newer");
    world.remove("b.go");
    world.until_touched("b.go").await;
    assert_eq!(world.verdict("b.go").await, Verdict::Gone);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(world.at("run.sh"), mode).unwrap();
    world.until_touched("run.sh").await;
    world.rename("dir/deep", "dir/moved");
    world.until_touched("dir/moved/c.go").await;
    world.until_touched("dir/deep/c.go").await;
    std::fs::remove_dir_all(world.at("dir")).unwrap();
    world.until_touched("dir/moved/c.go").await;
    assert!(world.seen.touches.iter().all(|touch| !touch.path.starts_with("node_modules")));
}

#[tokio::test]
async fn edits_of_the_same_size_within_one_tick_of_the_clock_are_told() {
    let mut world = polled();
    world.write("a.go", "000");
    world.watch();
    world.baseline().await;
    for number in 1..=10 {
        world.write("a.go", format!("{number:03}"));
        world.seen = Mail::default();
        world.until_touched("a.go").await;
        assert_eq!(world.verdict("a.go").await, Verdict::Changed);
    }
}

#[tokio::test]
async fn a_fence_compares_and_passes() {
    let mut world = polled();
    world.write("same.go", "one");
    world.write("old/a.go", "one");
    world.watch();
    world.baseline().await;
    for round in 0..20 {
        let file = format!("new{round}/deep/a.go");
        world.write(&file, "x");
        world.write("old/a.go", format!("{round}"));
        let mut touched = world.touched().await;
        touched.dedup();
        assert!(touched.contains(&file) && touched.contains(&"old/a.go".to_owned()), "{touched:?}");
        assert!(!touched.contains(&"same.go".to_owned()));
        world.verdict(&file).await;
        world.verdict("old/a.go").await;
    }
    // A poll between the last write and the last look may have told once more.
    world.fence().await;
    assert_eq!(world.fence().await.touches, [], "what was looked at since is not told again");
}

#[tokio::test]
async fn without_any_event_within_a_second_auto_goes_over_to_polling() {
    let mut world = World::new();
    world.write("main.go", "one");
    world.watch();
    world.baseline().await;
    world.fence().await;
    // As if the cookie that was written at the start had stayed without an event.
    world.inject(In::Ask(crate::watch::engine::Ask::TrialFailed));
    world.until("it is said", |mail| told(mail, |note| matches!(note, Note::Polling { .. }))).await;
    world.write("deep/er/main.go", "two");
    world.until_touched("deep/er/main.go").await;
    assert_eq!(world.summary().backend, "polling");
    assert_eq!(world.summary().watched, 0);
}

#[tokio::test]
async fn with_events_auto_stays_with_them() {
    let mut world = World::new();
    world.plan.watch.backend = Backend::Auto;
    world.watch();
    world.write("a.go", "x");
    let mail = world.fence().await;
    assert_eq!(names(&mail), ["a.go"]);
    assert!(mail.notes.is_empty(), "{mail:?}");
    assert_ne!(world.summary().backend, "polling");
}

/// What macOS gets: one stream for each root, debounced, with kinds that cannot be trusted.
fn by_trees(world: &mut World) {
    world.let_the_clock_tick();
    let native = crate::watch::backend::Wanted::Trees;
    world.running = Some(Watcher::start_with(&world.plan, &world.at(".devloop"), native).unwrap());
}

#[tokio::test]
async fn with_one_stream_for_the_tree_everything_is_told_and_the_ignored_is_not() {
    let mut world = World::new();
    for file in ["a.go", "dir/b.go", "node_modules/x/y.js"] {
        world.write(file, "one");
    }
    by_trees(&mut world);
    world.baseline().await;
    world.write("a.go", "two");
    world.write("node_modules/x/y.js", "two");
    world.write("dir/main.go.tmp.1", "new");
    world.rename("dir/main.go.tmp.1", "dir/b.go");
    let mail = world.fence().await;
    assert_eq!(names(&mail), ["a.go", "dir/b.go"]);
    assert!(mail.touches.iter().all(|touch| touch.writer == Writer::Unknown));
    world.rename("dir", "other");
    world.until_touched("other/b.go").await;
    world.until_touched("dir/b.go").await;
    assert_eq!(world.verdict("dir/b.go").await, Verdict::Gone);
    world.fence().await;
    for round in 0..20 {
        let file = format!("deep{round}/a/b/c.go");
        world.write(&file, "x");
        world.until_touched(&file).await;
    }
    world.remove("a.go");
    world.until_touched("a.go").await;
    assert_eq!(world.verdict("a.go").await, Verdict::Gone);
}
