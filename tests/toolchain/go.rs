//! `inputs = "go"` on real modules: nothing that a build reads may be missing.

use std::{fs, process::Command};

use devloop::{
    plan::{Learned, Tool},
    toolchain::{Question, ask},
};

use crate::{all_read, folder::Folder, have::have, none_read, question};

fn asked(project: &Folder, root: &str, command: &str) -> Question {
    question(project, Tool::Go, root, command, std::env::vars_os().collect())
}

async fn learn(project: &Folder, root: &str, command: &str) -> Learned {
    ask(asked(project, root, command)).await.unwrap()
}

#[tokio::test]
async fn a_build_reads_its_packages_and_no_others_and_no_tests() {
    if !have("go") {
        return;
    }
    let project = Folder::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("cmd/api/main.go", "package main\n\nimport \"example.com/app/used\"\n\nfunc main() { used.F() }\n"),
        ("cmd/api/main_test.go", "package main\n"),
        ("used/used.go", "package used\n\nimport \"fmt\"\n\nfunc F() { fmt.Println() }\n"),
        ("used/used_windows.go", "package used\n"),
        ("unused/unused.go", "package unused\n"),
    ]);
    let learned = learn(&project, "", "go build -o {out} ./cmd/api").await;
    all_read(&learned, &["cmd/api/main.go", "used/used.go", "used/new.go", "used/t.go", "used/contest.go", "go.mod"]);
    all_read(&learned, &["used/used_windows.go", "go.sum", "go.work", "cmd/api/default.pgo"]);
    none_read(&learned, &["unused/unused.go", "cmd/api/main_test.go", "used/new_test.go", "README.md", "used/x.txt"]);
    none_read(&learned, &["used/deep/new.go", "used/_test.go"]);
}

#[tokio::test]
async fn tests_read_tests_and_their_data() {
    if !have("go") {
        return;
    }
    let project = Folder::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("a.go", "package a\n"),
        ("a_test.go", "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {}\n"),
        (
            "x_test.go",
            "package a_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/app/helper\"\n)\n\nfunc TestX(t *testing.T) { helper.F() }\n",
        ),
        ("helper/helper.go", "package helper\n\nfunc F() {}\n"),
    ]);
    let learned = learn(&project, "", "go test ./...").await;
    all_read(&learned, &["a.go", "a_test.go", "x_test.go", "new_test.go", "helper/helper.go", "testdata/x/y.json"]);
}

#[tokio::test]
async fn embedded_files_are_read_and_new_ones_too() {
    if !have("go") {
        return;
    }
    let project = Folder::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        (
            "main.go",
            "package main\n\nimport \"embed\"\n\n//go:embed static all:templates *.sql\nvar files embed.FS\n\nfunc main() { _ = files }\n",
        ),
        ("static/app.css", ""),
        ("templates/_layout.html", ""),
        ("schema.sql", ""),
    ]);
    let learned = learn(&project, "", "go run .").await;
    all_read(&learned, &["static/app.css", "templates/_layout.html", "schema.sql"]);
    all_read(&learned, &["static/img/new.png", "templates/deep/new.html", "new.sql"]);
    none_read(&learned, &["other/new.sql", "notes.txt"]);
}

#[tokio::test]
async fn replaced_modules_outside_the_root_are_read() {
    if !have("go") {
        return;
    }
    let project = Folder::new(&[
        (
            "app/go.mod",
            "module example.com/app\n\ngo 1.21\n\nrequire example.com/lib v0.0.0\n\nreplace example.com/lib => ../lib\n",
        ),
        ("app/main.go", "package main\n\nimport \"example.com/lib/deep\"\n\nfunc main() { deep.F() }\n"),
        ("lib/go.mod", "module example.com/lib\n\ngo 1.21\n"),
        ("lib/deep/deep.go", "package deep\n\nfunc F() {}\n"),
        ("lib/other/other.go", "package other\n"),
    ]);
    let learned = learn(&project, "app", "go build .").await;
    all_read(&learned, &["main.go", "../lib/deep/deep.go", "../lib/deep/new.go", "../lib/go.mod", "go.mod"]);
    none_read(&learned, &["../lib/other/other.go"]);
}

#[tokio::test]
async fn workspaces_are_read_across_their_modules() {
    if !have("go") {
        return;
    }
    let project = Folder::new(&[
        ("go.work", "go 1.21\n\nuse (\n\t./app\n\t./lib\n)\n"),
        ("app/go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("app/main.go", "package main\n\nimport \"example.com/lib\"\n\nfunc main() { lib.F() }\n"),
        ("lib/go.mod", "module example.com/lib\n\ngo 1.21\n"),
        ("lib/lib.go", "package lib\n\nfunc F() {}\n"),
    ]);
    let files = ["lib/lib.go", "lib/go.mod", "app/main.go", "app/go.mod", "go.work", "go.work.sum"];
    all_read(&learn(&project, "", "go build ./app").await, &files);
    let from_below = ["../lib/lib.go", "../lib/go.mod", "main.go", "../go.work", "../go.work.sum"];
    all_read(&learn(&project, "app", "go build .").await, &from_below);
}

#[tokio::test]
async fn tags_choose_packages_and_c_files_count() {
    if !have("go") {
        return;
    }
    let project = Folder::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("main.go", "package main\n\nfunc main() {}\n"),
        ("dev.go", "//go:build dev\n\npackage main\n\nimport _ \"example.com/app/debug\"\n"),
        ("debug/debug.go", "package debug\n"),
        ("native/native.go", "package native\n\n// #include \"x.h\"\nimport \"C\"\n"),
        ("native/x.h", ""),
        ("native/x.c", ""),
    ]);
    none_read(&learn(&project, "", "go build .").await, &["debug/debug.go"]);
    all_read(&learn(&project, "", "go build -tags dev .").await, &["debug/debug.go", "dev.go"]);
    let learned = learn(&project, "", "CGO_ENABLED=1 go build ./native").await;
    all_read(&learned, &["native/native.go", "native/x.h", "native/x.c", "native/new.c", "native/asm.s"]);
}

#[tokio::test]
async fn code_that_a_generator_has_not_written_yet_is_expected() {
    if !have("go") {
        return;
    }
    let project = Folder::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("main.go", "package main\n\nimport \"example.com/app/gen/db\"\n\nfunc main() { db.F() }\n"),
        ("half.go", "package main\n\nfunc half( {\n"),
    ]);
    let learned = learn(&project, "", "go build .").await;
    all_read(&learned, &["main.go", "half.go", "gen/db/query.go", "go.mod"]);
}

#[tokio::test]
async fn a_command_that_is_not_gos_stands_for_every_package() {
    if !have("go") {
        return;
    }
    let project = Folder::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("a/a.go", "package a\n"),
        ("my files/b.go", "package b\n"),
    ]);
    let learned = learn(&project, "", "make all").await;
    all_read(&learned, &["a/a.go", "a/new.go", "my files/b.go", "my files/new.go"]);
}

#[tokio::test]
async fn a_vendor_folder_is_read() {
    if !have("go") {
        return;
    }
    let project = Folder::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n\nrequire example.com/lib v1.0.0\n"),
        ("main.go", "package main\n\nimport \"example.com/lib\"\n\nfunc main() { lib.F() }\n"),
        ("vendor/modules.txt", "# example.com/lib v1.0.0\n## explicit; go 1.21\nexample.com/lib\n"),
        ("vendor/example.com/lib/lib.go", "package lib\n\nfunc F() {}\n"),
    ]);
    let learned = learn(&project, "", "go build -mod=vendor .").await;
    all_read(&learned, &["main.go", "vendor/modules.txt", "vendor/example.com/lib/lib.go"]);
}

#[tokio::test]
async fn what_go_cannot_say_is_an_error_in_one_line() {
    let project = Folder::new(&[("x.txt", "")]);
    let mut question = asked(&project, "", "go build .");
    question.env = vec![("PATH".into(), "/nowhere".into())];
    let error = ask(question).await.unwrap_err();
    assert!(error.contains("`go`") && !error.contains('\n'), "{error}");
}

#[tokio::test]
async fn dropping_the_question_ends_the_tool_and_its_children() {
    let project = Folder::new(&[]);
    let (program, pids) = (project.root.join("go"), project.root.join("pids"));
    let script = "#!/bin/sh\nsleep 1000 &\necho \"$$ $!\" > pids.new\nmv pids.new pids\nwait\n";
    fs::write(&program, script).unwrap();
    Command::new("chmod").arg("+x").arg(&program).status().unwrap();
    let mut question = asked(&project, "", "go build .");
    let path = std::env::var("PATH").unwrap();
    question.env = vec![("PATH".into(), format!("{}:{path}", project.root.display()).into())];
    let asking = tokio::spawn(ask(question));
    let text = wait_for(|| fs::read_to_string(&pids).ok()).await;
    asking.abort();
    for pid in text.split_whitespace() {
        let is_gone = || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let gone = if cfg!(target_os = "linux") {
                stat.is_empty() || stat.contains(") Z ")
            } else {
                !Command::new("kill").args(["-0", pid]).status().is_ok_and(|status| status.success())
            };
            gone.then_some(())
        };
        wait_for(is_gone).await;
    }
}

/// Looks again and again, for 30 s.
async fn wait_for<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("waited 30 s in vain")
}
