//! What README.md shows: the example of this repository, run as a newcomer runs it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{ChildStdout, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::{Project, get, have, is_alive, until};

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

/// Lines of `--plain`, as they come.
struct Said {
    lines: std::io::Lines<BufReader<ChildStdout>>,
    all: Vec<String>,
}

impl Said {
    /// The next line that holds `text`.
    fn wait(&mut self, text: &str) -> String {
        for line in self.lines.by_ref() {
            let line = line.expect("it is text");
            self.all.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
        panic!("never came: {text}; devloop said:\n{}", self.all.join("\n"));
    }
}

/// The number that follows `text`.
fn number_after(line: &str, text: &str) -> u32 {
    let rest = line.split(text).nth(1).unwrap_or_else(|| panic!("no {text} in {line}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number after {text} in {line}"))
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
    let mut command = project.command(&["up", "--plain", "--listen", "0"]);
    let mut devloop = command.stdout(Stdio::piped()).spawn().expect("devloop starts");
    let stdout = BufReader::new(devloop.stdout.take().expect("it is piped"));
    let mut said = Said { lines: stdout.lines(), all: Vec::new() };
    let port = number_after(&said.wait("listening on http://"), "localhost:");
    let address = format!("127.0.0.1:{port}");
    assert!(get(&address, "/text").body.starts_with("Hello.\n"), "the first request waits for the first program");
    let first = number_after(&said.wait("runs as process"), "process ");
    said.wait("at rest");
    assert!(get(&address, "/").body.contains("revision 1"));

    let page = project.read("examples/hello/page.txt");
    project.write("examples/hello/page.txt", page.replacen("Hello.", "Hello \"you\" & \\n.", 1));
    assert!(
        get(&address, "/text").body.starts_with("Hello \"you\" & \\n.\n"),
        "a request after the save sees the save"
    );
    let second = number_after(&said.wait("runs as process"), "process ");
    said.wait("at rest");
    assert!(get(&address, "/").body.contains("revision 2"));
    said.wait("hello stopped");

    project.write("examples/hello/page.txt", page);
    assert!(get(&address, "/text").body.starts_with("Hello.\n"));
    said.wait("build not needed");
    let third = number_after(&said.wait("runs as process"), "process ");
    said.wait("at rest");

    kill(Pid::from_raw(devloop.id() as i32), Signal::SIGINT).expect("it runs");
    said.wait("ending: Ctrl-C");
    assert_eq!(devloop.wait().expect("it is our child").code(), Some(130));
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
