//! What README.md shows: the example of this repository, run as a newcomer runs it.

use std::{path::Path, process::Command};

use crate::{
    have::have,
    plain::{Plain, number_after},
    support::{Project, is_alive, until},
};

const FILES: [&str; 5] = [
    "dev.toml",
    "examples/hello/.gitignore",
    "examples/hello/page.txt",
    "examples/hello/generate.sh",
    "examples/hello/server.rs",
];

/// A copy of what the example consists of, and of the repository's .gitignore.
fn copy() -> Project {
    let project = Project::new();
    for file in FILES.into_iter().chain([".gitignore"]) {
        project.write(file, std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("it is there"));
    }
    project
}

fn git(project: &Project, arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).current_dir(project.root()).output().expect("git starts");
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A line without its numbers and units, which differ from run to run.
fn shape(line: &str) -> String {
    let words = line.split_whitespace().map(|word| match word.starts_with(|letter: char| letter.is_ascii_digit()) {
        true => "N",
        false => word,
    });
    let words: Vec<String> = words
        .map(|word| word.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect())
        .collect();
    // "+0.641s devloop | …": the moment goes.
    let text = words[1.min(words.len())..].join(" ").replace("N ms", "N").replace("N s", "N");
    let mut shape = String::new();
    for letter in text.chars() {
        if letter != '0' || !shape.ends_with('0') {
            shape.push(letter);
        }
    }
    shape
}

#[test]
fn the_example_lives_up_to_the_readme_and_leaves_nothing_behind() {
    let project = copy();
    let with_git = have("git");
    if with_git {
        git(&project, &["init", "-q"]);
        git(&project, &["add", "-A"]);
    }
    let mut said = Plain::up(&project);
    assert!(said.get("/text").body.starts_with("Hello.\n"), "the first request waits for the first program");
    let first = number_after(&said.wait("runs as process"), "process ");
    said.wait("at rest");
    assert!(said.get("/").body.contains("revision 1"));

    let page = project.read("examples/hello/page.txt");
    project.write("examples/hello/page.txt", page.replacen("Hello.", "Hello \"you\" & \\n.", 1));
    assert!(said.get("/text").body.starts_with("Hello \"you\" & \\n.\n"), "a request after the save sees the save");
    let second = number_after(&said.wait("runs as process"), "process ");
    said.wait("at rest");
    assert!(said.get("/").body.contains("revision 2"));
    said.wait("hello stopped");

    project.write("examples/hello/page.txt", page);
    assert!(said.get("/text").body.starts_with("Hello.\n"));
    said.wait("build not needed");
    let third = number_after(&said.wait("runs as process"), "process ");
    said.wait("at rest");

    assert_eq!(said.stop().code(), Some(130));
    for pid in [first, second, third] {
        until("the program has ended", || !is_alive(pid));
    }
    if with_git {
        assert_eq!(git(&project, &["ls-files", "--others", "--exclude-standard"]), "");
        assert_eq!(git(&project, &["diff", "--name-only"]), "");
    }

    let readme = include_str!("../../README.md");
    let shown = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it shows a run");
    let real: Vec<String> = said.all.iter().map(|line| shape(line)).collect();
    for line in shown.lines().filter(|line| line.contains('|')) {
        assert!(real.contains(&shape(line)), "README.md shows\n{line}\nand devloop says\n{}", said.all.join("\n"));
    }
}
