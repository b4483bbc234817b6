//! What a release is made of: the files that packages take are there, and the scripts that make them are well-formed.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/have.rs"]
mod have;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use have::have;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn manifest() -> toml::Table {
    fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap()
}

/// `packaging/formula.sh` for a tag of a repository that does not exist.
fn formula(folder: &Path) -> Output {
    let source = folder.join("source.tar.gz");
    fs::write(&source, "the source of a tag").unwrap();
    let mut command = Command::new(root().join("packaging/formula.sh"));
    command.arg("v1.2.3").env("DEVLOOP_REPOSITORY", "https://git.example/devloop").env("DEVLOOP_SOURCE", source);
    command.output().unwrap()
}

#[test]
fn every_file_that_the_debian_package_takes_is_there() {
    let manifest = manifest();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    assert!(assets.len() > 5);
    for asset in assets {
        let from = asset[0].as_str().unwrap();
        let folder = root().join(from).parent().unwrap().to_owned();
        let is_there = match from {
            _ if from.starts_with("target/") => true,
            _ if from.ends_with("/*.md") => fs::read_dir(folder).unwrap().count() > 0,
            file => root().join(file).is_file(),
        };
        assert!(is_there, "{from}");
    }
}

#[test]
fn every_file_that_the_archive_takes_is_there() {
    let script = fs::read_to_string(root().join("packaging/archive.sh")).unwrap();
    let line = script.lines().find(|line| line.starts_with("cp -R ")).unwrap();
    let files: Vec<&str> = line.split_whitespace().skip(3).filter(|word| !word.contains('$')).collect();
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        assert!(root().join(file).exists(), "{file}");
    }
}

#[test]
fn the_formula_names_the_tag_s_source_and_its_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let output = formula(folder.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("url \"https://git.example/devloop/archive/refs/tags/v1.2.3.tar.gz\""), "{text}");
    let sum = text.lines().find_map(|line| line.trim().strip_prefix("sha256 \"")?.strip_suffix('"')).unwrap();
    assert!(sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()), "{sum}");
    assert!(!text.contains('@'), "{text}");
}

#[test]
fn the_formula_is_ruby() {
    if !have("ruby") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devloop.rb");
    fs::write(&file, formula(folder.path()).stdout).unwrap();
    let output = Command::new("ruby").arg("-c").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Until there is an address, nobody is told one.
#[test]
fn a_formula_without_a_repository_is_refused_with_what_to_do() {
    if manifest()["package"].get("repository").is_some() {
        return;
    }
    let mut command = Command::new(root().join("packaging/formula.sh"));
    let output = command.arg("v1.2.3").env_remove("DEVLOOP_REPOSITORY").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("hint: add it, or set DEVLOOP_REPOSITORY"), "{said}");
}
