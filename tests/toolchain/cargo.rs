//! `inputs = "cargo"` on real packages: nothing that a build reads may be missing.

use devloop::{
    plan::{Learned, Tool},
    toolchain::{Question, ask},
};

use crate::{all_read, folder::Folder, none_read, question};

async fn learn(project: &Folder, root: &str, command: &str) -> Learned {
    // what cargo told this test about its own package must not lead the other one astray
    let foreign = |name: &str| name.starts_with("CARGO_") && name != "CARGO_HOME";
    let env = std::env::vars_os().filter(|(name, _)| !foreign(&name.to_string_lossy())).collect();
    ask(question(project, Tool::Cargo, root, command, env)).await.unwrap()
}

fn manifest(name: &str, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{rest}")
}

#[tokio::test]
async fn a_plain_package_is_its_sources_and_manifests() {
    let project = Folder::new(&[
        ("Cargo.toml", &manifest("app", "")),
        ("src/main.rs", "mod a;\nfn main() {}\n"),
        ("src/a.rs", ""),
        ("tests/t.rs", ""),
        ("README.md", ""),
    ]);
    let learned = learn(&project, "", "cargo build").await;
    all_read(&learned, &["src/main.rs", "src/a.rs", "src/new/deep.rs", "Cargo.toml", "Cargo.lock", "build.rs"]);
    all_read(&learned, &[".cargo/config.toml", "rust-toolchain.toml"]);
    none_read(&learned, &["README.md", "tests/t.rs", "target/debug/app", "data.json"]);
    all_read(&learn(&project, "", "cargo test").await, &["src/main.rs", "tests/t.rs", "tests/data/new.json"]);
}

#[tokio::test]
async fn only_packages_that_are_reached_count() {
    let project = Folder::new(&[
        ("Cargo.toml", "[workspace]\nmembers = [\"app\", \"lib\", \"other\", \"only-tests\"]\nresolver = \"2\"\n"),
        (
            "app/Cargo.toml",
            &manifest(
                "app",
                "[dependencies]\nlib = { path = \"../lib\" }\n[dev-dependencies]\nonly-tests = { path = \"../only-tests\" }\n",
            ),
        ),
        ("app/src/main.rs", "fn main() {}\n"),
        ("lib/Cargo.toml", &manifest("lib", "")),
        ("lib/src/lib.rs", ""),
        ("other/Cargo.toml", &manifest("other", "")),
        ("other/src/lib.rs", ""),
        ("only-tests/Cargo.toml", &manifest("only-tests", "")),
        ("only-tests/src/lib.rs", ""),
    ]);
    let learned = learn(&project, "", "cargo run -p app").await;
    all_read(&learned, &["app/src/main.rs", "lib/src/lib.rs", "lib/Cargo.toml", "Cargo.toml", "Cargo.lock"]);
    none_read(&learned, &["other/src/lib.rs", "only-tests/src/lib.rs"]);
    all_read(&learn(&project, "", "cargo build").await, &["other/src/lib.rs", "app/src/main.rs"]);
    let from_below = learn(&project, "app", "cargo build").await;
    all_read(&from_below, &["src/main.rs", "../lib/src/lib.rs", "../Cargo.toml", "../Cargo.lock"]);
    none_read(&from_below, &["../other/src/lib.rs"]);
}

#[tokio::test]
async fn packages_outside_the_workspace_are_followed() {
    let project = Folder::new(&[
        ("app/Cargo.toml", &manifest("app", "[dependencies]\nfar = { path = \"../far\" }\n")),
        ("app/src/main.rs", "fn main() {}\n"),
        ("far/Cargo.toml", &manifest("far", "[dependencies]\nfarther = { path = \"../farther\" }\n")),
        ("far/src/lib.rs", ""),
        ("farther/Cargo.toml", &manifest("farther", "")),
        ("farther/src/lib.rs", ""),
    ]);
    let learned = learn(&project, "app", "cargo build").await;
    all_read(&learned, &["src/main.rs", "../far/src/lib.rs", "../farther/src/lib.rs", "../farther/Cargo.toml"]);
}

#[tokio::test]
async fn a_package_that_may_read_anything_counts_as_a_whole() {
    let cases: [&[(&str, &str)]; 3] = [
        &[("src/main.rs", "fn main() { let _ = include_str!(\"../page.html\"); }\n")],
        &[("src/main.rs", "fn main() {}\n"), ("build.rs", "fn main() {}\n")],
        &[("src/main.rs", "fn main() {}\n"), ("src/deep/x.rs", "const X: &str = env!(\"CARGO_MANIFEST_DIR\");\n")],
    ];
    for files in cases {
        let manifest = manifest("app", "");
        let mut all = vec![("Cargo.toml", manifest.as_str()), ("page.html", "")];
        all.extend(files);
        let learned = learn(&Folder::new(&all), "", "cargo build").await;
        all_read(&learned, &["page.html", "templates/new.html", "src/main.rs"]);
        none_read(&learned, &["target/debug/app", "tests/x.rs"]);
    }
}

#[tokio::test]
async fn patched_crates_and_programs_in_odd_places_are_read() {
    let project = Folder::new(&[
        (
            "Cargo.toml",
            &manifest(
                "app",
                "[[bin]]\nname = \"app\"\npath = \"cmd/app.rs\"\n[patch.crates-io]\nlib = { path = \"forks/lib\" }\n",
            ),
        ),
        ("cmd/app.rs", "fn main() {}\n"),
        ("forks/lib/Cargo.toml", &manifest("lib", "")),
        ("forks/lib/src/lib.rs", ""),
    ]);
    let learned = learn(&project, "", "cargo build").await;
    all_read(&learned, &["cmd/app.rs", "cmd/new.rs", "forks/lib/src/lib.rs"]);
}

#[tokio::test]
async fn a_folder_without_a_package_is_an_error_in_one_line() {
    let project = Folder::new(&[("x.txt", "")]);
    let root = project.root.clone();
    let command = vec!["cargo".to_owned(), "build".to_owned()];
    let env = std::env::vars_os().collect();
    let error = ask(Question { tool: Tool::Cargo, cwd: root.clone(), root, command, env }).await.unwrap_err();
    assert!(error.contains("`cargo` failed") && !error.contains('\n'), "{error}");
}
