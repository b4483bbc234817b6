//! Writes, renames, removals and new folders: nothing is lost, nothing is invented.

use std::{
    fs::File,
    io::Write,
    os::unix::{
        ffi::OsStringExt,
        fs::{PermissionsExt, symlink},
    },
};

use super::*;

#[tokio::test]
async fn a_write_is_touched_as_being_written_and_then_as_done() {
    let mut world = World::new();
    world.write("main.go", "one");
    world.watch();
    let mut file = File::options().append(true).open(world.at("main.go")).unwrap();
    file.write_all(b"two").unwrap();
    assert_eq!(world.writer("main.go").await, Some(Writer::Writing));
    drop(file);
    world.until_done("main.go").await;
}

#[tokio::test]
async fn a_new_file_is_open_until_it_is_closed() {
    let mut world = World::watched();
    let mut file = File::create(world.at("new.go")).unwrap();
    assert_eq!(world.writer("new.go").await, Some(Writer::Writing));
    for _ in 0..10 {
        file.write_all(b"piece\n").unwrap();
        assert_eq!(world.writer("new.go").await, Some(Writer::Writing));
    }
    let mode = file.metadata().unwrap().permissions();
    file.set_permissions(PermissionsExt::from_mode(mode.mode() | 0o100)).unwrap();
    assert_eq!(world.writer("new.go").await, Some(Writer::Writing), "a new mode does not close a file");
    drop(file);
    world.until_done("new.go").await;
}

#[tokio::test]
async fn reading_touches_nothing() {
    let mut world = World::new();
    world.write("a/b.go", "one");
    world.watch();
    for _ in 0..100 {
        std::fs::read(world.at("a/b.go")).unwrap();
    }
    assert!(world.touched().await.is_empty());
}

#[tokio::test]
async fn renames_touch_both_names() {
    let mut world = World::new();
    world.write("a.go", "one");
    world.write("dir/x.go", "one");
    world.watch();
    world.baseline().await;
    world.rename("a.go", "b.go");
    assert_eq!(world.touched().await, ["a.go", "b.go"]);
    world.rename("b.go", "B.go");
    assert_eq!(world.touched().await, ["B.go", "b.go"]);
    assert_eq!(world.verdict("b.go").await, Verdict::Same, "it was never looked at as b.go");
    assert_eq!(world.verdict("a.go").await, Verdict::Gone);
    assert_eq!(world.verdict("B.go").await, Verdict::Changed);
    world.rename("dir", "other");
    assert_eq!(world.touched().await, ["dir/x.go", "other/x.go"]);
    world.write("other/x.go", "two");
    assert_eq!(world.touched().await, ["other/x.go"]);
}

#[tokio::test]
async fn what_is_moved_in_or_out_of_the_tree_is_touched() {
    let mut world = World::new();
    world.write("lib/deep/a.go", "one");
    world.write("../outside/b.go", "two");
    world.watch();
    world.baseline().await;
    world.rename("lib", "../outside/lib");
    assert_eq!(world.touched().await, ["lib/deep/a.go"]);
    assert_eq!(world.verdict("lib/deep/a.go").await, Verdict::Gone);
    world.write("../outside/lib/deep/a.go", "not ours any more");
    assert!(world.touched().await.is_empty());
    world.rename("../outside", "in");
    assert_eq!(world.touched().await, ["in/b.go", "in/lib/deep/a.go"]);
    world.write("in/lib/deep/a.go", "ours again");
    assert_eq!(world.touched().await, ["in/lib/deep/a.go"]);
}

#[tokio::test]
async fn removing_folders_touches_their_files() {
    let mut world = World::new();
    for file in ["a/1.go", "a/b/2.go", "a/b/c/3.go", "d.go"] {
        world.write(file, "x");
    }
    world.watch();
    world.baseline().await;
    std::fs::remove_dir_all(world.at("a")).unwrap();
    world.remove("d.go");
    assert_eq!(world.touched().await, ["a/1.go", "a/b/2.go", "a/b/c/3.go", "d.go"]);
    for file in ["a/1.go", "a/b/c/3.go", "d.go"] {
        assert_eq!(world.verdict(file).await, Verdict::Gone);
    }
    assert_eq!(world.summary().watched, 1);
    world.write("a/b/2.go", "back");
    assert_eq!(world.touched().await, ["a/b/2.go"]);
}

#[tokio::test]
async fn a_new_mode_is_a_touch_and_a_change() {
    let mut world = World::new();
    world.write("run.sh", "x");
    world.watch();
    world.baseline().await;
    std::fs::set_permissions(world.at("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(world.writer("run.sh").await, Some(Writer::Done));
    assert_eq!(world.verdict("run.sh").await, Verdict::Changed);
}

#[tokio::test]
async fn a_new_mode_of_a_folder_touches_nothing() {
    let mut world = World::new();
    world.write("dir/a.go", "x");
    world.write("node_modules/a.js", "x");
    world.watch();
    for folder in ["dir", "node_modules"] {
        std::fs::set_permissions(world.at(folder), PermissionsExt::from_mode(0o700)).unwrap();
    }
    assert!(world.touched().await.is_empty());
}

#[tokio::test]
async fn nested_folders_filled_at_once_lose_nothing_in_two_hundred_trials() {
    let mut world = World::watched();
    for trial in 0..200 {
        let folder = world.at(&format!("t{trial}/a/b/c"));
        std::fs::create_dir_all(&folder).unwrap();
        let mut wanted = Vec::new();
        for (number, place) in ["", "a/", "a/b/", "a/b/c/", "a/b/c/", "a/"].into_iter().enumerate() {
            let file = format!("t{trial}/{place}{number}.go");
            std::fs::write(world.at(&file), "x").unwrap();
            wanted.push(file);
        }
        wanted.sort();
        let mut touched = world.touched().await;
        touched.sort();
        assert_eq!(touched, wanted, "trial {trial}");
    }
    world.write("t17/a/b/c/5.go", "later");
    assert_eq!(world.touched().await, ["t17/a/b/c/5.go"]);
}

#[tokio::test]
async fn a_folder_that_is_removed_and_made_again_at_once_stays_watched() {
    let mut world = World::watched();
    for _ in 0..50 {
        world.write("gen/deep/x.go", "x");
        std::fs::remove_dir_all(world.at("gen")).unwrap();
        world.write("gen/deep/y.go", "y");
        // How its writer is may stay open: he may have closed it while the folder was being watched anew.
        assert!(names(&world.fence().await).contains(&"gen/deep/y.go".to_owned()));
        world.write("gen/deep/y.go", "z");
        assert_eq!(names(&world.fence().await), ["gen/deep/y.go"]);
    }
}

#[tokio::test]
async fn names_with_newlines_and_without_utf8_are_told_as_they_are() {
    let mut world = World::watched();
    let odd = std::ffi::OsString::from_vec(b"new\nline \xff\xfe.go".to_vec());
    std::fs::write(world.root.join(&odd), "x").unwrap();
    let folder = std::ffi::OsString::from_vec(b"dir\xc3\x28".to_vec());
    std::fs::create_dir(world.root.join(&folder)).unwrap();
    std::fs::write(world.root.join(&folder).join("in.go"), "x").unwrap();
    let mail = world.fence().await;
    let touched: Vec<_> = mail.touches.iter().map(|touch| &*touch.path).collect();
    assert!(touched.contains(&Path::new(&odd)), "{touched:?}");
    assert!(touched.contains(&Path::new(&folder).join("in.go").as_path()), "{touched:?}");
    let paths: std::collections::BTreeSet<_> = mail.touches.iter().map(|touch| touch.path.clone()).collect();
    let verdicts = world.watcher().digest(paths.into_iter().collect(), vec![]).await;
    assert!(verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Changed));
}

#[tokio::test]
async fn links_and_second_names_are_complete_as_they_come() {
    let mut world = World::new();
    world.write("a.go", "x");
    world.write("../elsewhere/b.go", "x");
    world.watch();
    symlink("a.go", world.at("link.go")).unwrap();
    assert_eq!(world.writer("link.go").await, Some(Writer::Done));
    std::fs::hard_link(world.at("a.go"), world.at("twin.go")).unwrap();
    assert_eq!(world.writer("twin.go").await, Some(Writer::Done));
    symlink(world.at("../elsewhere"), world.at("far")).unwrap();
    assert_eq!(world.touched().await, ["far"], "what is behind a link is not looked at");
    world.write("../elsewhere/b.go", "y");
    assert!(world.touched().await.is_empty());
}

#[tokio::test]
async fn a_lost_queue_is_made_up_for_by_comparing() {
    let mut world = World::new();
    for file in ["same.go", "changed.go", "gone.go", "dir/deep.go"] {
        world.write(file, "one");
    }
    world.watch();
    world.baseline().await;
    world.overflow();
    let mail = world.fence().await;
    assert!(told(&mail, |note| *note == Note::Rescanned));
    assert!(mail.touches.is_empty(), "nothing has changed: {mail:?}");
    world.write("changed.go", "two");
    world.remove("gone.go");
    world.write("new/deep/new.go", "new");
    world.overflow();
    assert_eq!(world.touched().await, ["changed.go", "gone.go", "new/deep/new.go"]);
    world.write("new/deep/new.go", "newer");
    assert_eq!(world.touched().await, ["new/deep/new.go"], "it is watched after the rescan");
}

#[tokio::test]
async fn after_a_flood_every_file_has_been_told() {
    let mut world = World::watched();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let root = world.root.clone();
            std::thread::spawn(move || {
                for number in 0..1500 {
                    let folder = root.join(format!("f{thread}/{}", number % 7));
                    std::fs::create_dir_all(&folder).unwrap();
                    let file = folder.join(format!("{number}.go"));
                    for content in ["a", "b", "c"] {
                        std::fs::write(&file, content).unwrap();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mail = world.fence().await;
    println!("lost queue: {}", told(&mail, |note| *note == Note::Rescanned));
    assert_eq!(names(&mail).len(), 6000);
}

#[tokio::test]
async fn the_root_may_go_and_come_back() {
    let mut world = World::new();
    world.write("cmd/main.go", "one");
    world.watch();
    world.baseline().await;
    // Once this has passed, devloop writes nothing there any more by itself.
    world.fence().await;
    // But where `.devloop` goes first, it may be back before the rest has gone.
    while let Err(error) = std::fs::remove_dir_all(&world.root) {
        assert_eq!(error.kind(), std::io::ErrorKind::DirectoryNotEmpty);
    }
    let root = world.root.clone();
    world.until("it is said", |mail| told(mail, |note| *note == Note::Gone { root: root.clone() })).await;
    world.until_touched("cmd/main.go").await;
    assert_eq!(world.verdict("cmd/main.go").await, Verdict::Gone);
    assert!(world.fence().await.fences.len() == 1, "fences pass meanwhile");
    world.write("cmd/main.go", "two");
    world.until("it is said", |mail| told(mail, |note| *note == Note::Back { root: root.clone() })).await;
    world.until_touched("cmd/main.go").await;
    world.fence().await;
    world.write("cmd/main.go", "three");
    assert_eq!(world.touched().await, ["cmd/main.go"]);
    world.rename("../project", "../moved");
    world.until("it is said", |mail| told(mail, |note| *note == Note::Gone { root: root.clone() })).await;
    world.rename("../moved", "../project");
    world.until("it is said", |mail| told(mail, |note| *note == Note::Back { root: root.clone() })).await;
    world.fence().await;
    world.write("cmd/other.go", "x");
    assert_eq!(world.touched().await, ["cmd/other.go"]);
}

#[tokio::test]
async fn a_program_that_runs_in_the_root_does_not_hide_its_going() {
    let mut world = World::watched();
    let mut program = std::process::Command::new("sleep").arg("60").current_dir(&world.root).spawn().unwrap();
    world.fence().await;
    std::fs::remove_dir_all(&world.root).unwrap();
    let root = world.root.clone();
    world.until("it is said", |mail| told(mail, |note| *note == Note::Gone { root: root.clone() })).await;
    world.write("main.go", "x");
    world.until_touched("main.go").await;
    program.kill().unwrap();
    program.wait().unwrap();
}

#[tokio::test]
async fn a_checkout_is_framed_by_gits_lock() {
    if !has("git") {
        return;
    }
    let mut world = World::new();
    let root = world.root.clone();
    let git = move |args: &[&str]| {
        let identity =
            ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main", "-c", "gc.auto=0"];
        run(&root, "git", &[&identity[..], args].concat());
    };
    git(&["init", "-q"]);
    for content in ["one", "two"] {
        for number in 0..2000 {
            world.write(&format!("d{}/{number}.go", number % 40), content);
        }
        git(&["add", "-A"]);
        git(&["commit", "-qm", content]);
    }
    world.watch();
    world.fence().await;
    let root = world.root.clone();
    let checkout = std::thread::spawn(move || run(&root, "git", &["checkout", "-q", "HEAD~1"]));
    // It is only said to be free if it was said to be held before.
    world.until("the lock is free", |mail| mail.git_lock == Some(false)).await;
    checkout.join().unwrap();
    assert_eq!(world.touched().await.len(), 2000, "those that came with the lock are kept");

    // The same in a linked work tree, where `.git` is a file.
    git(&["worktree", "add", "-q", "../linked", "main"]);
    let linked = world.at("../linked");
    let mut other = World { root: linked.clone(), running: None, ..World::new() };
    other.plan.root = linked.clone();
    std::fs::create_dir(linked.join(".devloop")).unwrap();
    other.watch();
    let checkout = std::thread::spawn(move || run(&linked, "git", &["checkout", "-q", "HEAD~1"]));
    other.until("the lock is free", |mail| mail.git_lock == Some(false)).await;
    checkout.join().unwrap();
}

#[tokio::test]
async fn a_lock_that_was_there_before_is_not_reported() {
    let mut world = World::new();
    world.write(".git/HEAD", "ref: refs/heads/main");
    world.write(".git/index.lock", "");
    world.watch();
    world.write("main.go", "x");
    assert_eq!(world.fence().await.git_lock, None);
    world.remove(".git/index.lock");
    assert_eq!(world.fence().await.git_lock, None);
    world.write(".git/index.lock", "");
    assert_eq!(world.fence().await.git_lock, Some(true));
    world.rename(".git/index.lock", ".git/index");
    assert_eq!(world.fence().await.git_lock, Some(false));
}
