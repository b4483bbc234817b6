//! `inputs = "go"` on real modules: nothing that a build reads may be missing.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use devloop::{
    plan::{Learned, Tool},
    toolchain::{Question, ask},
};

/// A temporary folder with a project in it.
struct Project {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Project {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let project = Project { _folder: folder, root };
        files.iter().for_each(|(path, text)| project.write(path, text));
        project
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn question(&self, root: &str, command: &str) -> Question {
        let root = self.root.join(root).canonicalize().unwrap();
        let command = command.split(' ').map(str::to_owned).collect();
        Question { tool: Tool::Go, cwd: root.clone(), root, command, env: std::env::vars_os().collect() }
    }

    async fn learn(&self, root: &str, command: &str) -> Learned {
        ask(self.question(root, command)).await.unwrap()
    }
}

fn reads(learned: &Learned, path: &str) -> bool {
    learned.files.contains(Path::new(path)) || learned.globs.matches(Path::new(path))
}

#[track_caller]
fn all_read(learned: &Learned, paths: &[&str]) {
    for path in paths {
        assert!(reads(learned, path), "{path} must be read: {learned:#?}");
    }
}

#[track_caller]
fn none_read(learned: &Learned, paths: &[&str]) {
    for path in paths {
        assert!(!reads(learned, path), "{path} must not be read: {learned:#?}");
    }
}

/// False, with a line that says so, where the tool is missing and may be missing.
fn has_go() -> bool {
    let found = Command::new("go").arg("version").output().is_ok_and(|output| output.status.success());
    let required = std::env::var("DEVLOOP_TEST_REQUIRE").unwrap_or_default();
    assert!(found || !required.split(',').any(|tool| tool == "go"), "`go` is required and missing");
    if !found {
        eprintln!("skipped: `go` is missing");
    }
    found
}

#[tokio::test]
async fn a_build_reads_its_packages_and_no_others_and_no_tests() {
    if !has_go() {
        return;
    }
    let project = Project::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("cmd/api/main.go", "package main\n\nimport \"example.com/app/used\"\n\nfunc main() { used.F() }\n"),
        ("cmd/api/main_test.go", "package main\n"),
        ("used/used.go", "package used\n\nimport \"fmt\"\n\nfunc F() { fmt.Println() }\n"),
        ("used/used_windows.go", "package used\n"),
        ("unused/unused.go", "package unused\n"),
    ]);
    let learned = project.learn("", "go build -o {out} ./cmd/api").await;
    all_read(&learned, &["cmd/api/main.go", "used/used.go", "used/new.go", "used/t.go", "used/contest.go", "go.mod"]);
    all_read(&learned, &["used/used_windows.go", "go.sum", "go.work", "cmd/api/default.pgo"]);
    none_read(&learned, &["unused/unused.go", "cmd/api/main_test.go", "used/new_test.go", "README.md", "used/x.txt"]);
    none_read(&learned, &["used/deep/new.go", "used/_test.go"]);
}

#[tokio::test]
async fn tests_read_tests_and_their_data() {
    if !has_go() {
        return;
    }
    let project = Project::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("a.go", "package a\n"),
        ("a_test.go", "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {}\n"),
        (
            "x_test.go",
            "package a_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/app/helper\"\n)\n\nfunc TestX(t *testing.T) { helper.F() }\n",
        ),
        ("helper/helper.go", "package helper\n\nfunc F() {}\n"),
    ]);
    let learned = project.learn("", "go test ./...").await;
    all_read(&learned, &["a.go", "a_test.go", "x_test.go", "new_test.go", "helper/helper.go", "testdata/x/y.json"]);
}

#[tokio::test]
async fn embedded_files_are_read_and_new_ones_too() {
    if !has_go() {
        return;
    }
    let project = Project::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        (
            "main.go",
            "package main\n\nimport \"embed\"\n\n//go:embed static all:templates *.sql\nvar files embed.FS\n\nfunc main() { _ = files }\n",
        ),
        ("static/app.css", ""),
        ("templates/_layout.html", ""),
        ("schema.sql", ""),
    ]);
    let learned = project.learn("", "go run .").await;
    all_read(&learned, &["static/app.css", "templates/_layout.html", "schema.sql"]);
    all_read(&learned, &["static/img/new.png", "templates/deep/new.html", "new.sql"]);
    none_read(&learned, &["other/new.sql", "notes.txt"]);
}

#[tokio::test]
async fn replaced_modules_outside_the_root_are_read() {
    if !has_go() {
        return;
    }
    let project = Project::new(&[
        (
            "app/go.mod",
            "module example.com/app\n\ngo 1.21\n\nrequire example.com/lib v0.0.0\n\nreplace example.com/lib => ../lib\n",
        ),
        ("app/main.go", "package main\n\nimport \"example.com/lib/deep\"\n\nfunc main() { deep.F() }\n"),
        ("lib/go.mod", "module example.com/lib\n\ngo 1.21\n"),
        ("lib/deep/deep.go", "package deep\n\nfunc F() {}\n"),
        ("lib/other/other.go", "package other\n"),
    ]);
    let learned = project.learn("app", "go build .").await;
    all_read(&learned, &["main.go", "../lib/deep/deep.go", "../lib/deep/new.go", "../lib/go.mod", "go.mod"]);
    none_read(&learned, &["../lib/other/other.go"]);
}

#[tokio::test]
async fn workspaces_are_read_across_their_modules() {
    if !has_go() {
        return;
    }
    let project = Project::new(&[
        ("go.work", "go 1.21\n\nuse (\n\t./app\n\t./lib\n)\n"),
        ("app/go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("app/main.go", "package main\n\nimport \"example.com/lib\"\n\nfunc main() { lib.F() }\n"),
        ("lib/go.mod", "module example.com/lib\n\ngo 1.21\n"),
        ("lib/lib.go", "package lib\n\nfunc F() {}\n"),
    ]);
    let files = ["lib/lib.go", "lib/go.mod", "app/main.go", "app/go.mod", "go.work", "go.work.sum"];
    all_read(&project.learn("", "go build ./app").await, &files);
    let from_below = ["../lib/lib.go", "../lib/go.mod", "main.go", "../go.work", "../go.work.sum"];
    all_read(&project.learn("app", "go build .").await, &from_below);
}

#[tokio::test]
async fn tags_choose_packages_and_c_files_count() {
    if !has_go() {
        return;
    }
    let project = Project::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("main.go", "package main\n\nfunc main() {}\n"),
        ("dev.go", "//go:build dev\n\npackage main\n\nimport _ \"example.com/app/debug\"\n"),
        ("debug/debug.go", "package debug\n"),
        ("native/native.go", "package native\n\n// #include \"x.h\"\nimport \"C\"\n"),
        ("native/x.h", ""),
        ("native/x.c", ""),
    ]);
    none_read(&project.learn("", "go build .").await, &["debug/debug.go"]);
    all_read(&project.learn("", "go build -tags dev .").await, &["debug/debug.go", "dev.go"]);
    let learned = project.learn("", "CGO_ENABLED=1 go build ./native").await;
    all_read(&learned, &["native/native.go", "native/x.h", "native/x.c", "native/new.c", "native/asm.s"]);
}

#[tokio::test]
async fn code_that_a_generator_has_not_written_yet_is_expected() {
    if !has_go() {
        return;
    }
    let project = Project::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("main.go", "package main\n\nimport \"example.com/app/gen/db\"\n\nfunc main() { db.F() }\n"),
        ("half.go", "package main\n\nfunc half( {\n"),
    ]);
    let learned = project.learn("", "go build .").await;
    all_read(&learned, &["main.go", "half.go", "gen/db/query.go", "go.mod"]);
}

#[tokio::test]
async fn a_command_that_is_not_gos_stands_for_every_package() {
    if !has_go() {
        return;
    }
    let project = Project::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("a/a.go", "package a\n"),
        ("my files/b.go", "package b\n"),
    ]);
    let learned = project.learn("", "make all").await;
    all_read(&learned, &["a/a.go", "a/new.go", "my files/b.go", "my files/new.go"]);
}

#[tokio::test]
async fn a_vendor_folder_is_read() {
    if !has_go() {
        return;
    }
    let project = Project::new(&[
        ("go.mod", "module example.com/app\n\ngo 1.21\n\nrequire example.com/lib v1.0.0\n"),
        ("main.go", "package main\n\nimport \"example.com/lib\"\n\nfunc main() { lib.F() }\n"),
        ("vendor/modules.txt", "# example.com/lib v1.0.0\n## explicit; go 1.21\nexample.com/lib\n"),
        ("vendor/example.com/lib/lib.go", "package lib\n\nfunc F() {}\n"),
    ]);
    let learned = project.learn("", "go build -mod=vendor .").await;
    all_read(&learned, &["main.go", "vendor/modules.txt", "vendor/example.com/lib/lib.go"]);
}

#[tokio::test]
async fn what_go_cannot_say_is_an_error_in_one_line() {
    let project = Project::new(&[("x.txt", "")]);
    let mut question = project.question("", "go build .");
    question.env = vec![("PATH".into(), "/nowhere".into())];
    let error = ask(question).await.unwrap_err();
    assert!(error.contains("`go`") && !error.contains('\n'), "{error}");
}

#[tokio::test]
async fn dropping_the_question_ends_the_tool_and_its_children() {
    let project = Project::new(&[]);
    let (program, pids) = (project.root.join("go"), project.root.join("pids"));
    let script = "#!/bin/sh\nsleep 1000 &\necho \"$$ $!\" > pids.new\nmv pids.new pids\nwait\n";
    fs::write(&program, script).unwrap();
    Command::new("chmod").arg("+x").arg(&program).status().unwrap();
    let mut question = project.question("", "go build .");
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
