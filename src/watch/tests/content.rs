//! Verdicts, outputs, inputs, owners: content decides, and what was never looked at counts as changed.

use std::{fs::File, io::Write, process::Stdio};

use super::*;
use crate::watch::{
    Examined,
    digest::{changed, look},
};

#[tokio::test]
async fn the_same_bytes_are_no_change_and_other_bytes_are() {
    let mut world = World::new();
    world.write("a.go", "one");
    world.watch();
    world.baseline().await;
    world.write("a.go", "one");
    assert_eq!(world.verdict("a.go").await, Verdict::Same);
    world.write("a.go", "two");
    assert_eq!(world.verdict("a.go").await, Verdict::Changed);
    assert_eq!(world.verdict("a.go").await, Verdict::Same);
    world.remove("a.go");
    assert_eq!(world.verdict("a.go").await, Verdict::Gone);
    assert_eq!(world.verdict("never-was.go").await, Verdict::Same);
}

#[tokio::test]
async fn an_edit_that_keeps_size_and_time_is_seen() {
    let mut world = World::new();
    world.write("a.go", "one");
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let keep_time = |world: &World| {
        File::options().write(true).open(world.at("a.go")).unwrap().set_modified(long_ago).unwrap();
    };
    keep_time(&world);
    world.watch();
    world.baseline().await;
    for content in ["two", "six", "ten"] {
        world.write("a.go", content);
        keep_time(&world);
        assert_eq!(world.verdict("a.go").await, Verdict::Changed);
    }
}

#[tokio::test]
async fn a_save_before_the_baseline_is_a_change() {
    let mut world = World::new();
    for number in 0..300 {
        world.write(&format!("d/{number}.go"), "one");
    }
    world.watch();
    for number in (0..300).rev() {
        world.write(&format!("d/{number}.go"), "two");
    }
    world.fence().await;
    world.baseline().await;
    for number in 0..300 {
        assert_eq!(world.verdict(&format!("d/{number}.go")).await, Verdict::Changed, "{number}");
    }
}

/// Between asking for its time and reading it: what is read is no longer what was there at that time.
#[test]
fn a_file_that_is_written_while_it_is_looked_at_is_as_young_as_what_was_read() {
    let world = World::new();
    world.write("a.go", "one");
    world.let_the_clock_tick();
    let seen = look(&world.at("a.go"), |_| {
        world.write("a.go", "two");
        None
    });
    assert_eq!(seen.changed, changed(&world.at("a.go")));
}

#[tokio::test]
async fn fifos_and_sockets_and_large_files_are_looked_at_without_reading() {
    let mut world = World::watched();
    world.baseline().await;
    nix::unistd::mkfifo(&world.at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.at("socket")).unwrap();
    let large = File::create(world.at("large")).unwrap();
    large.set_len(40 * 1024 * 1024 * 1024).unwrap();
    world.fence().await;
    for file in ["pipe", "socket", "large"] {
        assert_eq!(world.verdict(file).await, Verdict::Changed);
        assert_eq!(world.verdict(file).await, Verdict::Same);
    }
    large.set_len(41 * 1024 * 1024 * 1024).unwrap();
    assert_eq!(world.verdict("large").await, Verdict::Changed);
    world.overflow();
    world.fence().await;
}

#[tokio::test]
async fn links_are_compared_by_where_they_point() {
    let mut world = World::new();
    world.write("a", "same");
    world.write("b", "same");
    std::os::unix::fs::symlink("a", world.at("link")).unwrap();
    world.watch();
    world.baseline().await;
    world.remove("link");
    std::os::unix::fs::symlink("a", world.at("link")).unwrap();
    assert_eq!(world.verdict("link").await, Verdict::Same);
    world.remove("link");
    std::os::unix::fs::symlink("b", world.at("link")).unwrap();
    assert_eq!(world.verdict("link").await, Verdict::Changed);
}

#[tokio::test]
async fn outputs_are_compared_and_foreign_files_are_given_back() {
    let mut world = World::new();
    world.add_step("gen", Inputs::None, &["gen/**", "**/wire_gen.go"]);
    world.write("gen/same.go", "same");
    world.write("gen/gone.go", "gone");
    world.write("a/wire_gen.go", "one");
    world.watch();
    world.baseline().await;
    world.write("gen/same.go", "same");
    world.write("a/wire_gen.go", "two");
    world.remove("gen/gone.go");
    world.write("main.go", "a person's");
    let touched = ["gen/same.go", "a/wire_gen.go", "gen/gone.go", "main.go"].map(path).to_vec();
    let step = world.plan.steps[1].clone();
    let examined = world.watcher().examine(step.clone(), touched.clone()).await;
    let changed = ["a/wire_gen.go", "gen/gone.go"].map(path).to_vec();
    assert_eq!(examined, Examined { changed, foreign: vec![path("main.go")] });
    let again = world.watcher().examine(step, touched).await;
    assert_eq!(again.changed, [], "it is known from now on");
    assert_eq!(world.verdict("main.go").await, Verdict::Changed, "what is foreign is still to be looked at");
}

#[tokio::test]
async fn outputs_in_folders_that_are_not_watched_are_found_by_walking() {
    let mut world = World::new();
    world.add_step("gen", Inputs::None, &["web/**/*.gen.ts"]);
    world.write(".gitignore", "web/out/\n");
    world.write("web/out/deep/a.gen.ts", "one");
    world.write("web/out/deep/b.txt", "one");
    world.watch();
    world.baseline().await;
    let step = world.plan.steps[1].clone();
    assert_eq!(world.watcher().examine(step.clone(), vec![]).await.changed, [path("web/out/deep/a.gen.ts")]);
    assert_eq!(world.watcher().examine(step.clone(), vec![]).await.changed, []);
    world.write("web/out/deep/a.gen.ts", "two");
    world.write("web/out/c.gen.ts", "new");
    let changed = ["web/out/c.gen.ts", "web/out/deep/a.gen.ts"].map(path);
    assert_eq!(world.watcher().examine(step.clone(), vec![]).await.changed, changed);
    world.remove("web/out/deep/a.gen.ts");
    assert_eq!(world.watcher().examine(step, vec![]).await.changed, [path("web/out/deep/a.gen.ts")]);
}

#[tokio::test]
async fn generated_go_files_are_outputs_of_a_step_that_generates() {
    let mut world = World::new();
    world.step("build").generates = true;
    world.watch();
    world.baseline().await;
    world.write("a_string.go", "// Code generated by \"stringer\"; DO NOT EDIT.\n\npackage a\n");
    world.write("b.go", "package b\n\n// Code generated by hand. DO NOT EDIT.\n");
    world.write("c.txt", "// Code generated by x. DO NOT EDIT.\n");
    world.write("d.go", "//go:build linux\r\n\r\n// Code generated by x. DO NOT EDIT.\r\npackage d\r\n");
    let step = world.plan.steps[0].clone();
    let touched = ["a_string.go", "b.go", "c.txt", "d.go"].map(path).to_vec();
    let examined = world.watcher().examine(step.clone(), touched).await;
    assert_eq!(examined.changed, ["a_string.go", "d.go"].map(path));
    assert_eq!(examined.foreign, ["b.go", "c.txt"].map(path));
    world.remove("a_string.go");
    let examined = world.watcher().examine(step, vec![path("a_string.go")]).await;
    assert_eq!(examined.changed, [path("a_string.go")], "what was generated is still known to have been");
    assert!(world.watcher().is_generated(Path::new("d.go")));
}

#[tokio::test]
async fn the_digest_of_inputs_is_that_of_what_is_on_disk_now() {
    let mut world = World::new();
    world.step("build").inputs = Inputs::Globs(globs(&["**/*.go", "go.mod"]));
    world.write("a/b.go", "one");
    world.write("go.mod", "one");
    world.write("README.md", "one");
    world.watch();
    world.baseline().await;
    let plan = Arc::new(world.plan.clone());
    let watcher = world.watcher();
    let digest = async || watcher.inputs_digest(plan.clone(), Arc::from("build"), None).await.unwrap();
    let first = digest().await;
    world.write("README.md", "two");
    world.fence().await;
    assert_eq!(digest().await, first);
    let mut seen = vec![first];
    for (file, content) in [("a/b.go", "two"), ("go.mod", "two"), ("new.go", "new"), ("new.go", "newer")] {
        world.write(file, content);
        world.fence().await;
        let now = digest().await;
        assert!(!seen.contains(&now), "{file} counts before any verdict about it");
        seen.push(now);
        assert_eq!(world.verdict(file).await, Verdict::Changed, "the digest took nothing for known");
        assert_eq!(digest().await, now);
    }
    world.remove("new.go");
    world.write("go.mod", "one");
    world.write("a/b.go", "one");
    world.fence().await;
    assert_eq!(digest().await, first, "what comes back is the same again");
    assert!(watcher.inputs_digest(plan.clone(), Arc::from("nobody"), None).await.is_none());
    let files = [path("README.md"), path("a/b.go")].into_iter().collect();
    let mut of_tool = world.plan.clone();
    Arc::make_mut(&mut of_tool.steps[0]).inputs = Inputs::Tool(plan::Tool::Go);
    let learned = Arc::new(plan::Learned { files, globs: Globs::default() });
    let by_tool = |learned| watcher.inputs_digest(Arc::new(of_tool.clone()), Arc::from("build"), learned);
    let known = by_tool(Some(learned.clone())).await.unwrap();
    assert_ne!(known, first);
    world.write("README.md", "three");
    world.fence().await;
    assert_ne!(by_tool(Some(learned)).await.unwrap(), known);
}

#[tokio::test]
async fn the_next_start_takes_digests_from_the_last_one() {
    let mut world = World::new();
    for number in 0..50 {
        world.write(&format!("{number}.go"), "one");
        let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(world.at(&format!("{number}.go"))).unwrap().set_modified(long_ago).unwrap();
    }
    world.watch();
    world.baseline().await;
    drop(world.running.take());
    world.write("7.go", "two");
    world.watch();
    world.baseline().await;
    for number in 0..50 {
        assert_eq!(world.verdict(&format!("{number}.go")).await, Verdict::Same);
    }
    world.write("7.go", "one");
    assert_eq!(world.verdict("7.go").await, Verdict::Changed);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_service_of_ours_keeps_open_is_its_own() {
    let mut world = World::new();
    world.write("app.out", "start\n");
    world.write("main.go", "x");
    world.watch();
    world.baseline().await;
    // A child of the leader writes a line for each one it reads, and ends with its input.
    let mut service = std::process::Command::new("sh")
        .args(["-c", "sh -c 'while read line; do echo \"$line\"; done' >> app.out; true"])
        .current_dir(&world.root)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = service.stdin.take().unwrap();
    let owners = [service.id()];
    input.write_all(b"one\n").unwrap();
    world.until_touched("app.out").await;
    assert_eq!(world.verdict_with("app.out", &owners).await, Verdict::Owned);
    let mail = world.fence().await;
    assert!(
        told(&mail, |note| matches!(note, Note::Owned { path, .. } if **path == *Path::new("app.out"))),
        "{mail:?}"
    );
    for _ in 0..20 {
        input.write_all(b"more\n").unwrap();
    }
    let written = || std::fs::read_to_string(world.root.join("app.out")).unwrap().matches("more").count() == 20;
    while !written() {
        tokio::task::yield_now().await;
    }
    world.write("main.go", "y");
    let mail = world.fence().await;
    assert_eq!(names(&mail), ["main.go"], "its writes keep no save from settling");
    assert!(mail.notes.is_empty(), "told once");
    drop(input);
    service.wait().unwrap();
    assert!(world.touched().await.is_empty(), "what it leaves behind is no save either");
    world.write("app.out", "a person's");
    assert_eq!(world.touched().await, ["app.out"]);
    assert_eq!(world.verdict_with("app.out", &owners).await, Verdict::Changed);
}
