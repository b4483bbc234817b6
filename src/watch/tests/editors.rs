//! How editors save: whatever they do on the way, the file they save is touched and done, and their litter is not.

use std::{fs::File, io::Write};

use super::*;

/// Saves `main.go` this way three times; each time it must be told as done, hold new content, and nothing else counts.
async fn saves(save: impl Fn(&World, &str)) {
    let mut world = World::new();
    world.write("main.go", "zero");
    world.watch();
    world.baseline().await;
    for content in ["one", "two", "three"] {
        save(&world, content);
        let mail = world.settled().await;
        let counting: Vec<_> = mail.touches.iter().filter(|touch| *touch.path != *Path::new("main.go")).collect();
        for touch in counting {
            let left = world.verdict(touch.path.to_str().unwrap()).await;
            assert_eq!(left, Verdict::Same, "{touch:?} is left of the save");
        }
        let last = mail.touches.iter().rev().find(|touch| *touch.path == *Path::new("main.go")).unwrap();
        assert_eq!(last.writer, Writer::Done);
        assert_eq!(world.verdict("main.go").await, Verdict::Changed);
        assert_eq!(std::fs::read_to_string(world.at("main.go")).unwrap(), content);
    }
    save(&world, "three");
    assert!(world.touched().await.contains(&"main.go".to_owned()));
    assert_eq!(world.verdict("main.go").await, Verdict::Same);
}

#[tokio::test]
async fn vim_renames_the_old_file_away_and_writes_a_new_one() {
    saves(|world, content| {
        world.write("4913", "");
        world.remove("4913");
        world.rename("main.go", "main.go~");
        world.write(".main.go.swp", "swap");
        world.write("main.go", content);
        world.remove("main.go~");
        world.remove(".main.go.swp");
    })
    .await;
}

#[tokio::test]
async fn vim_with_backupcopy_writes_in_place_beside_a_copy() {
    saves(|world, content| {
        std::fs::copy(world.at("main.go"), world.at("main.go~")).unwrap();
        world.write("main.go", content);
        world.remove("main.go~");
    })
    .await;
}

#[tokio::test]
async fn the_real_vim_saves() {
    if !has("vim") {
        return;
    }
    saves(|world, content| {
        let insert = format!("normal! cc{content}");
        run(
            &world.root,
            "vim",
            &[
                "-u",
                "NONE",
                "-i",
                "NONE",
                "-N",
                "-es",
                "-c",
                "set writebackup noeol nofixeol",
                "-c",
                &insert,
                "-c",
                "wq",
                "main.go",
            ],
        );
    })
    .await;
}

#[tokio::test]
async fn emacs_renames_a_backup_and_holds_a_lock_link() {
    saves(|world, content| {
        std::os::unix::fs::symlink("me@host.1:2", world.at(".#main.go")).unwrap();
        world.write("#main.go#", "auto-save");
        world.rename("main.go", "main.go~");
        world.write("main.go", content);
        world.remove("#main.go#");
        world.remove(".#main.go");
    })
    .await;
}

#[tokio::test]
async fn jetbrains_writes_a_temporary_file_and_swaps_names() {
    saves(|world, content| {
        world.write("main.go___jb_tmp___", content);
        world.rename("main.go", "main.go___jb_old___");
        world.rename("main.go___jb_tmp___", "main.go");
        world.remove("main.go___jb_old___");
    })
    .await;
}

#[tokio::test]
async fn vs_code_writes_in_place() {
    saves(|world, content| {
        let mut file = File::options().write(true).open(world.at("main.go")).unwrap();
        file.set_len(0).unwrap();
        file.write_all(content.as_bytes()).unwrap();
    })
    .await;
}

#[tokio::test]
async fn helix_keeps_a_backup_while_it_writes() {
    saves(|world, content| {
        world.rename("main.go", "main.goA1b2C3.bck");
        world.write("main.go", content);
        world.remove("main.goA1b2C3.bck");
    })
    .await;
}

#[tokio::test]
async fn kate_and_gedit_rename_a_temporary_file_onto_the_real_one() {
    saves(|world, content| {
        world.write(".goutputstream-X1Y2", content);
        world.rename(".goutputstream-X1Y2", "main.go");
        world.write(".main.go.kate-swp", "x");
        world.remove(".main.go.kate-swp");
    })
    .await;
}

#[tokio::test]
async fn any_temporary_file_that_comes_and_goes_leaves_no_change() {
    saves(|world, content| {
        world.write("sedAbCdEf", content);
        world.rename("sedAbCdEf", "main.go");
        world.write("whatever.tmp.17", "x");
        world.write("unknown-tool.part", "x");
        world.remove("unknown-tool.part");
    })
    .await;
}

#[tokio::test]
async fn explicit_globs_do_not_bring_litter_back() {
    let mut world = World::new();
    let step = world.step("build");
    step.inputs = Inputs::Globs(globs(&["**/*.go", "src/**", ".#*"]));
    world.write("src/main.go", "zero");
    world.watch();
    std::os::unix::fs::symlink("me@host.1:2", world.at("src/.#main.go")).unwrap();
    world.write("src/4913", "");
    world.write("src/main.go~", "");
    world.write("src/.main.go.swp", "");
    assert!(world.touched().await.is_empty());
}
