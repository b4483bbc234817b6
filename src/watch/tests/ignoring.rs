//! What counts: built-in list, nested git rules, what dev.toml names; and that the ignored costs nothing.

use std::os::unix::fs::symlink;

use super::*;

#[tokio::test]
async fn ignored_folders_cost_no_watches() {
    let mut world = World::new();
    for number in 0..30 {
        for folder in ["node_modules", "target/debug", "web/node_modules", "gen", ".git/objects", "dist"] {
            world.write(&format!("{folder}/p{number}/lib/index.js"), "x");
        }
    }
    world.write(".gitignore", "gen/\n");
    world.write("src/main.go", "x");
    world.watch();
    let summary = world.summary();
    assert_eq!((summary.watched, summary.polled), (3, 0), "the root, src and web: {summary:?}");
    world.write("node_modules/p3/lib/new/index.js", "y");
    world.write("gen/p3/a.go", "y");
    world.write("web/dist/a/b/c.js", "y");
    assert!(world.touched().await.is_empty());
    assert_eq!(world.summary().watched, 3);
}

#[tokio::test]
async fn git_rules_are_nested_and_negated_as_git_does_it() {
    let mut world = World::new();
    world.write(".git/HEAD", "x");
    world.write(".git/info/exclude", "excluded.txt\n");
    world.write(".gitignore", "*.gen\n/top.txt\n!keep.gen\nbuild/\n");
    world.write("a/.gitignore", "!mine.gen\nlocal.txt\n");
    world.write("a/b/.gitignore", "*\n!.gitignore\n!c.txt\n");
    world.write("a/.ignore", "secret.txt\n!c.gen\n");
    world.watch();
    let counting =
        ["keep.gen", "a/mine.gen", "a/c.gen", "a/top.txt", "a/b/c.txt", "local.txt", "secret.txt", "build.txt"];
    let ignored = [
        "x.gen",
        "top.txt",
        "a/local.txt",
        "a/x.gen",
        "a/b/d.txt",
        "a/secret.txt",
        "excluded.txt",
        "a/excluded.txt",
        "build/keep.gen",
        "a/build/x.txt",
        "app.log",
        "data.db",
        "data.sqlite3",
        ".git/x",
        "a/.git/x",
        ".devloop/x",
    ];
    for file in counting.iter().chain(&ignored) {
        world.write(file, "x");
    }
    let mut wanted: Vec<_> = counting.iter().map(|file| (*file).to_owned()).collect();
    wanted.sort();
    assert_eq!(world.touched().await, wanted);
}

#[tokio::test]
async fn rules_above_the_project_count_up_to_the_work_trees_top() {
    let mut world = World::new();
    world.write("../.git/HEAD", "x");
    world.write("../.gitignore", "*.gen\n/project/private/\n");
    world.write("private/a.go", "x");
    world.watch();
    assert_eq!(world.summary().watched, 1);
    world.write("a.gen", "x");
    world.write("private/a.go", "y");
    world.write("a.go", "x");
    assert_eq!(world.touched().await, ["a.go"]);
}

#[tokio::test]
async fn changed_rules_are_in_force_at_once() {
    let mut world = World::new();
    world.write("gen/a/b.go", "x");
    world.write("src/x.go", "x");
    world.watch();
    world.baseline().await;
    world.write(".gitignore", "gen/\n*.tmpl\n");
    assert_eq!(world.touched().await, [".gitignore"]);
    assert_eq!(world.summary().watched, 2);
    world.write("gen/a/b.go", "y");
    world.write("src/a.tmpl", "y");
    assert!(world.touched().await.is_empty());
    world.write(".gitignore", "");
    let touched = world.touched().await;
    assert_eq!(touched, [".gitignore", "gen/a/b.go", "src/a.tmpl"], "what counts again and is not what it was");
    assert_eq!(world.summary().watched, 4);
    world.write("gen/a/b.go", "z");
    assert_eq!(world.touched().await, ["gen/a/b.go"]);
    world.write("src/.gitignore", "x.go\n");
    world.touched().await;
    world.write("src/x.go", "y");
    assert!(world.touched().await.is_empty());
    world.remove("src/.gitignore");
    assert!(world.touched().await.contains(&"src/x.go".to_owned()));
}

#[tokio::test]
async fn what_is_named_beats_the_lists_but_not_git_and_ourselves() {
    let mut world = World::new();
    world.step("build").inputs = Inputs::Globs(globs(&["**/*.go", "target/gen/*.rs", "logs/*.log", "conf/app.db"]));
    world.add_step("gen", Inputs::None, &["dist/api/**", "**/wire_gen.go"]);
    world.add_service(&[".env", "dist/.env.local"]);
    world.write(".gitignore", "wire_gen.go\n.env\ndev.toml\nconf/\n");
    for folder in
        ["target/debug/deps", "target/gen/deep", "dist/api/v1/deep", "dist/other/deep", "node_modules/x", "conf/y"]
    {
        world.write(&format!("{folder}/seed"), "x");
    }
    world.watch();
    let counting = [
        "dev.toml",
        ".env",
        "dist/.env.local",
        "a/wire_gen.go",
        "target/gen/a.rs",
        "logs/a.log",
        "conf/app.db",
        "dist/api/a.json",
        "dist/api/v1/b.json",
        "dist/api/v1/deep/c.json",
    ];
    let ignored = [
        "target/debug/a.rs",
        "target/gen/a.txt",
        "target/gen/deep/a.rs",
        "target/a.go",
        "node_modules/x/a.go",
        "logs/a.pid",
        "conf/other.txt",
        "dist/other/a.json",
        ".git/x.go",
        ".devloop/x.go",
        "conf/y/a.txt",
    ];
    for file in counting.iter().chain(&ignored) {
        world.write(file, "x");
    }
    let mut wanted: Vec<_> = counting.iter().map(|file| (*file).to_owned()).collect();
    wanted.sort();
    assert_eq!(world.touched().await, wanted);
    let watched = world.summary().watched;
    // . target target/gen dist dist/api dist/api/v1 dist/api/v1/deep conf logs a
    assert_eq!(watched, 10, "{:?}", world.summary());
}

#[tokio::test]
async fn a_rule_that_hides_everything_in_a_named_folder_does_not_hide_it() {
    let mut world = World::new();
    world.add_step("gen", Inputs::None, &["gen/**"]);
    world.write(".gitignore", "/gen/*\n!/gen/.keep\n");
    world.write("gen/proto/a.pb.go", "x");
    world.watch();
    world.write("gen/proto/a.pb.go", "y");
    world.write("gen/b.go", "y");
    assert_eq!(world.touched().await, ["gen/b.go", "gen/proto/a.pb.go"]);
}

#[tokio::test]
async fn a_persons_own_list_is_beaten_only_by_single_files() {
    let mut world = World::new();
    world.plan.watch.ignore = globs(&["docs/", "*.md", "data", "**/*.svg"]);
    world.step("build").inputs = Inputs::Globs(globs(&["**/*.md", "**/*.go"]));
    world.write("docs/deep/a.go", "x");
    world.write("data/deep/a.go", "x");
    world.write("web/img/a.svg", "x");
    world.watch();
    assert_eq!(world.summary().watched, 3, ". web web/img");
    for file in ["docs/a.go", "docs/deep/a.go", "README.md", "data/a.go", "web/img/b.svg", "web/a.go", "web/x.md"] {
        world.write(file, "y");
    }
    assert_eq!(world.touched().await, ["web/a.go", "web/x.md"]);
}

#[tokio::test]
async fn another_plan_brings_other_rules() {
    let mut world = World::new();
    world.write("vendor/a/b.go", "x");
    world.write("main.go", "x");
    world.watch();
    world.baseline().await;
    world.plan.watch.ignore = globs(&["vendor/"]);
    world.watcher().replan(&world.plan);
    assert!(world.touched().await.is_empty());
    assert_eq!(world.summary().watched, 1);
    world.write("vendor/a/b.go", "y");
    assert!(world.touched().await.is_empty());
    world.baseline().await;
    world.plan.watch.ignore = Globs::default();
    world.watcher().replan(&world.plan);
    assert_eq!(world.touched().await, ["vendor/a/b.go"]);
    world.write("vendor/a/c.go", "y");
    assert_eq!(world.touched().await, ["vendor/a/c.go"]);
}

#[tokio::test]
async fn names_outside_the_project_are_watched_and_nothing_beside_them() {
    let mut world = World::new();
    world.step("build").inputs = Inputs::Globs(globs(&["**/*.go", "../lib/**"]));
    world.add_service(&["../.env"]);
    world.write("../lib/deep/a.go", "x");
    world.write("../lib/node_modules/x/a.js", "x");
    world.write("../other/b.go", "x");
    world.watch();
    for file in
        ["../lib/deep/a.go", "../lib/new/b.txt", "../lib/node_modules/x/a.js", "../other/b.go", "../.env", "../c.go"]
    {
        world.write(file, "y");
    }
    assert_eq!(world.touched().await, ["../.env", "../lib/deep/a.go", "../lib/new/b.txt"]);
    std::fs::remove_dir_all(world.at("../lib")).unwrap();
    let lib = world.at("../lib");
    world.until("it is said", |mail| told(mail, |note| *note == Note::Gone { root: lib.clone() })).await;
    world.fence().await;
    world.write("../lib/deep/a.go", "back");
    world.until_touched("../lib/deep/a.go").await;
    world.fence().await;
    world.write("../lib/deep/a.go", "and written");
    assert_eq!(world.touched().await, ["../lib/deep/a.go"]);
}

#[tokio::test]
async fn a_name_outside_that_is_not_there_yet_is_awaited() {
    let mut world = World::new();
    world.step("build").inputs = Inputs::Globs(globs(&["../libs/one/src/**"]));
    world.watch();
    world.write("../libs/one/src/a.c", "x");
    world.until_touched("../libs/one/src/a.c").await;
    world.fence().await;
    world.write("../libs/one/src/deep/b.c", "x");
    assert_eq!(world.touched().await, ["../libs/one/src/deep/b.c"]);
}

#[tokio::test]
async fn what_a_tool_chain_learned_is_watched_wherever_it_is() {
    let mut world = World::new();
    world.step("build").inputs = Inputs::Tool(plan::Tool::Go);
    world.write("../replaced/pkg/a.go", "x");
    world.write("target/embedded/page.html", "x");
    world.watch();
    let files = ["../replaced/pkg/a.go", "target/embedded/page.html", "main.go"];
    let learned =
        plan::Learned { files: files.iter().map(|file| path(file)).collect(), globs: globs(&["../replaced/pkg/*.go"]) };
    world.watcher().learned(Arc::from("build"), Arc::new(learned));
    world.fence().await;
    for file in files.iter().chain(&["../replaced/pkg/b.go", "../replaced/other.go", "target/embedded/other.html"]) {
        world.write(file, "y");
    }
    let touched = world.touched().await;
    assert_eq!(touched, ["../replaced/pkg/a.go", "../replaced/pkg/b.go", "main.go", "target/embedded/page.html"]);
    world.baseline().await;
    let files = ["main.go", "unread.txt"].map(path).into_iter().collect();
    let learned = plan::Learned { files, globs: globs(&["pkg/new/*.go"]) };
    world.watcher().learned(Arc::from("build"), Arc::new(learned));
    assert!(world.fence().await.touches.is_empty());
    assert!(world.summary().baseline, "what is watched anyway is not read anew");
    world.write("../replaced/pkg/a.go", "z");
    world.write("pkg/new/a.go", "z");
    assert_eq!(world.touched().await, ["pkg/new/a.go"]);
}

#[tokio::test]
async fn what_a_tool_chain_named_and_never_was_there_is_not_touched_by_another_plan() {
    let mut world = World::new();
    world.step("build").inputs = Inputs::Tool(plan::Tool::Go);
    world.write("main.go", "x");
    world.watch();
    world.baseline().await;
    let files = ["main.go", "go.work", "vendor/modules.txt"].map(path).into_iter().collect();
    let learned = plan::Learned { files, globs: globs(&["*.go"]) };
    world.watcher().learned(Arc::from("build"), Arc::new(learned));
    assert!(world.fence().await.touches.is_empty());
    world.watcher().replan(&world.plan);
    assert_eq!(world.touched().await, [""; 0]);
    world.write("go.work", "x");
    assert_eq!(world.touched().await, ["go.work"]);
}

#[tokio::test]
async fn a_linked_folder_is_watched_only_if_a_name_leads_through_it() {
    let mut world = World::new();
    world.step("build").inputs = Inputs::Globs(globs(&["shared/**", "**/*.go"]));
    world.write("../elsewhere/deep/a.txt", "x");
    world.write("../stranger/a.go", "x");
    world.write("real/b.go", "x");
    symlink("../elsewhere", world.at("shared")).unwrap();
    symlink("../stranger", world.at("unnamed")).unwrap();
    world.watch();
    world.baseline().await;
    world.write("../elsewhere/deep/a.txt", "y");
    world.write("../elsewhere/new/b.txt", "y");
    world.write("../stranger/a.go", "y");
    world.write("real/b.go", "y");
    assert_eq!(world.touched().await, ["real/b.go", "shared/deep/a.txt", "shared/new/b.txt"]);
    assert_eq!(world.verdict("shared/deep/a.txt").await, Verdict::Changed);
    std::fs::create_dir_all(world.at("../second/deep")).unwrap();
    std::fs::write(world.at("../second/deep/a.txt"), "second").unwrap();
    world.remove("shared");
    symlink("../second", world.at("shared")).unwrap();
    let touched = world.touched().await;
    assert!(touched.contains(&"shared/deep/a.txt".to_owned()), "{touched:?}");
    world.write("../second/deep/a.txt", "again");
    assert_eq!(world.touched().await, ["shared/deep/a.txt"]);
    world.verdict("shared/deep/a.txt").await;
    world.remove("shared");
    assert!(world.touched().await.contains(&"shared/deep/a.txt".to_owned()));
    assert_eq!(world.verdict("shared/deep/a.txt").await, Verdict::Gone);
}

#[tokio::test]
async fn a_link_into_the_tree_hides_nothing_under_its_real_name() {
    let mut world = World::new();
    world.step("build").inputs = Inputs::Globs(globs(&["alias/**", "**/*.go"]));
    world.write("real/a.go", "x");
    symlink("real", world.at("alias")).unwrap();
    world.watch();
    world.write("real/a.go", "y");
    assert_eq!(world.touched().await, ["alias/a.go", "real/a.go"]);
}
