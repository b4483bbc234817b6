//! The guide's walk-through, walked: its files are written, its commands are typed, and what it says they print, they
//! print.

use std::{path::Path, process::Command};

use crate::{have::have, support::Project};

/// What a page tells to do.
#[derive(Debug)]
enum Act<'p> {
    /// "… `main.go`:" and a block.
    Write(&'p str, &'p str),
    /// "`dev.toml` holds …:" and a block.
    Holds(&'p str, &'p str),
    /// A block of commands, and what the last one prints, if the page tells.
    Type(&'p str, Option<&'p str>),
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    std::fs::read_to_string(path).expect("the page is there")
}

/// What to do, in the page's order, from this heading on.
fn acts<'p>(page: &'p str, heading: &str) -> Vec<Act<'p>> {
    let (_, page) = page.split_once(heading).expect("the heading is there");
    let parts: Vec<&str> = page.split("```").collect();
    let mut acts = Vec::new();
    for pair in parts.chunks_exact(2) {
        let (before, block) = (pair[0].trim(), pair[1]);
        let paragraph = before.rsplit("\n\n").next().unwrap_or_default();
        let (language, block) = block.split_once('\n').expect("a block has a first line");
        let file = paragraph.split('`').skip(1).step_by(2).last();
        match (language, acts.last_mut(), file) {
            ("sh", ..) => acts.push(Act::Type(block, None)),
            ("text", Some(Act::Type(_, prints @ None)), _) if before.is_empty() => *prints = Some(block),
            (_, _, Some(file)) if paragraph.contains("holds") => acts.push(Act::Holds(file, block)),
            (_, _, Some(file)) => acts.push(Act::Write(file, block)),
            (language, ..) => panic!("what is to be done with this block of {language}? {block}"),
        }
    }
    acts
}

/// Without comments and empty lines.
fn plain(toml: &str) -> Vec<&str> {
    let lines = toml.lines().map(|line| line.split("  #").next().unwrap_or(line).trim_end());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// A shell in the project that knows `devloop`.
fn shell(project: &Project, line: &str) -> std::process::Output {
    let devloop = Path::new(env!("CARGO_BIN_EXE_devloop")).parent().expect("it is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(line).current_dir(project.root()).env("PATH", format!("{}:{path}", devloop.display()));
    shell.env_remove("PORT").env("GOFLAGS", "-buildvcs=false").output().expect("sh starts")
}

/// Ends the devloop in the background, however the test ends.
struct Leave<'p>(&'p Project);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        _ = self.0.command(&["stop"]).output();
    }
}

#[test]
fn the_quick_start_does_what_it_says() {
    if !have("go") || !have("curl") {
        return;
    }
    let page = page("quick-start.md");
    let project = Project::new();
    let _leave = Leave(&project);
    let mut address = String::new();
    let (mut typed, mut compared) = (0, 0);
    for act in acts(&page, "\n## A program\n") {
        match act {
            Act::Write(file, text) => project.write(file, text),
            Act::Holds(file, text) => assert_eq!(plain(&project.read(file)), plain(text)),
            Act::Type("devloop up\n", None) => {
                let output = shell(&project, "devloop up --detach --listen 0 && devloop wait --timeout 60s");
                assert!(output.status.success(), "{output:?}");
                let status = shell(&project, "devloop status --json");
                let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("it is JSON");
                address = status["devloop"]["url"].as_str().expect("it listens").to_owned();
            }
            Act::Type(lines, prints) => {
                typed += 1;
                // The page promises the new answer at once. A machine on which the build takes longer than `fresh` gets
                // the old one, marked; so here somebody waits. (That requests wait by themselves is in `saves.rs`.)
                const WAIT: &str = "devloop wait --timeout 60s > waited 2>&1;";
                let lines = match prints {
                    Some(_) => lines.replace("curl", &format!("{WAIT} curl")),
                    None => lines.replace("devloop status", &format!("{WAIT} devloop status")),
                };
                let output = shell(&project, &lines.replace("http://localhost:3000", &address));
                let said = String::from_utf8_lossy(&output.stdout);
                if let Some(wanted) = prints {
                    compared += 1;
                    assert_eq!(said, wanted, "{lines}{output:?}");
                }
                if lines.contains("/Fprintln/Frintln/") {
                    assert!(said.contains("x-devloop-stale: ") && said.contains("good morning"), "{said}");
                    assert!(said.contains("main.go:"), "{said}");
                }
            }
        }
    }
    assert!(typed >= 7 && compared >= 4, "{typed} {compared}");
    assert_eq!(project.command(&["status"]).output().expect("devloop starts").status.code(), Some(4));
}

/// The commands of the documentation that need no running devloop.
#[test]
fn commands_of_the_documentation_that_need_no_running_devloop_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![folder.join("README.md")];
    let docs = std::fs::read_dir(folder.join("docs")).expect("it is there").flatten().map(|entry| entry.path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
    let project = Project::new();
    project.write("server.py", "HTTPServer(('', int(os.environ['PORT'])), Answer).serve_forever()\n");
    project.write(".air.toml", "");
    let mut ran = std::collections::BTreeSet::new();
    for text in pages.iter().map(|page| std::fs::read_to_string(page).expect("it is text")) {
        let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
        for line in blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap_or(line).trim()) {
            let alone =
                ["devloop check", "devloop config", "devloop init --stdout", "devloop init --from", "devloop init"];
            let is_one = alone.iter().any(|start| line == *start || line.starts_with(&format!("{start} -")));
            if !is_one || !ran.insert(line.to_owned()) {
                continue;
            }
            _ = std::fs::remove_file(project.path("dev.toml"));
            if !line.contains("init") {
                project.write("dev.toml", "[[service]]\nname = \"api\"\nrun = \"sleep 1\"\n");
            }
            let output = shell(&project, line);
            assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        }
    }
    assert!(ran.len() >= 5, "{ran:?}");
}
