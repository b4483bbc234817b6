//! The documentation is true: its tables of keys, defaults and exit codes, its dev.tomls, its commands.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{CommandFactory, Parser};
use devloop::{
    cli::{Cli, Exit},
    config,
    error::{Colour, render},
    plan::{Listen, Plan, Settle, show_time},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

/// Every text that people read, by its name.
fn documents() -> Vec<(String, String)> {
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned);
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().into_string().unwrap()));
    top.into_iter().chain(docs).map(|name| (name.clone(), read(&name))).collect()
}

/// The fenced blocks in this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(&format!("```{language}\n")) {
        let (block, after) = after.split_once("\n```").unwrap();
        blocks.push(block);
        rest = after;
    }
    blocks
}

/// What stands in single back-quotes outside of blocks.
fn spans(text: &str) -> Vec<&str> {
    let outside: Vec<&str> = text.split("```").step_by(2).collect();
    outside.into_iter().flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

fn load(toml: &str) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    for file in [".env", "certs/ca.pem", "certs/clients.pem"] {
        fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
        fs::write(folder.join(file), "").unwrap();
    }
    let cwds = toml.lines().filter_map(|line| line.strip_prefix("cwd = \"")?.strip_suffix('"'));
    cwds.for_each(|cwd| fs::create_dir_all(folder.join(cwd)).unwrap());
    let loaded = config::load(toml, Path::new("dev.toml"), &folder)
        .unwrap_or_else(|problems| panic!("{toml}\n{}", render(&problems, Colour::Never)));
    assert_eq!(loaded.warnings, [], "{toml}");
    loaded.plan
}

/// The rows of the table under this heading, as cells.
fn table<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let section = text.split(heading).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    rows.skip(1).map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn every_dev_toml_in_the_documentation_is_good() {
    let mut seen = 0;
    for (_, text) in documents() {
        for block in blocks(&text, "toml") {
            load(block);
            seen += 1;
        }
    }
    assert!(seen > 5);
}

#[test]
fn our_own_dev_toml_is_good_and_names_files_that_are_there() {
    let loaded = config::read(&root().join("dev.toml")).unwrap();
    assert_eq!(loaded.warnings, []);
    for step in &loaded.plan.steps {
        assert!(step.cwd.is_dir(), "{}", step.cwd.display());
    }
    for file in ["page.txt", "generate.sh", "server.rs"] {
        let file = Path::new("examples/hello").join(file);
        let read = (0..loaded.plan.steps.len()).any(|step| loaded.plan.step_reads(step, &file, None));
        assert!(read && root().join(&file).exists(), "{}", file.display());
    }
}

/// The words of a command line, without its comment; placeholders become names.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap();
    let line =
        line.replace("[SERVICE…]", "api").replace("[NAME…]", "api").replace("CMD…", "cmd").replace("SHELL", "bash");
    let line = ["[SERVICE]", "[STEP]", "FILE"].iter().fold(line, |line, name| line.replace(name, "api"));
    let line = line.replace("[REVISION]", "7").replace("TIME", "5s").replace("-n N", "-n 3");
    shell_words::split(&line).unwrap()
}

fn assert_command_works(document: &str, line: &str) {
    let words = words(line);
    let ours = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["devloop", ..] => Some(words.clone()),
        ["cargo", "run", "--release", "--", ..] => Some([&["devloop".to_owned()], &words[4..]].concat()),
        ["cargo", rest @ ..] => {
            let known = [
                "test", "fmt", "clippy", "doc", "deny", "bench", "install", "mutants", "build", "metadata", "run",
                "publish", "deb", "binstall",
            ];
            assert!(known.contains(&rest[0]), "{document}: {line}");
            for pair in rest.windows(2).filter(|pair| pair[0] == "--test") {
                let test = root().join("tests").join(pair[1]);
                assert!(test.with_extension("rs").exists() || test.join("main.rs").exists(), "{document}: {line}");
            }
            None
        }
        [program, ..] => {
            let known = program.contains('=')
                || ["git", "rg", "curl", "sed"].contains(program)
                || root().join(program).exists();
            assert!(known, "{document}: {line}");
            None
        }
        [] => None,
    };
    if let Some(words) = ours.filter(|words| words.len() > 1)
        && let Err(error) = Cli::try_parse_from(&words)
    {
        assert!(!error.use_stderr(), "{document}: `{line}`: {error}");
    }
}

#[test]
fn every_command_in_the_documentation_exists() {
    for (name, text) in documents() {
        for block in blocks(&text, "sh") {
            block.lines().for_each(|line| assert_command_works(&name, line));
        }
        let inline = spans(&text).into_iter().filter(|span| span.starts_with("devloop ") || span.starts_with("cargo "));
        inline.for_each(|span| assert_command_works(&name, span));
    }
}

#[test]
fn every_flag_in_the_readme_exists() {
    let mut command = Cli::command();
    let helps: Vec<String> = command
        .get_subcommands_mut()
        .map(|command| command.render_long_help().to_string())
        .collect::<Vec<_>>()
        .into_iter()
        .chain([Cli::command().render_long_help().to_string()])
        .collect();
    let text = read("README.md");
    let flags: Vec<&str> = spans(&text).into_iter().filter(|span| span.starts_with('-')).collect();
    assert!(flags.len() > 6, "{flags:?}");
    for flag in flags {
        assert!(flag == "--help" || helps.iter().any(|help| help.contains(flag.split(' ').next().unwrap())), "{flag}");
    }
}

#[test]
fn every_command_and_exit_code_is_in_the_readme() {
    let text = read("README.md");
    let rows = table(&text, "## The command line");
    for command in Cli::command().get_subcommands() {
        let name = format!("`devloop {}", command.get_name());
        assert!(rows.iter().any(|row| row[0].starts_with(&name)), "{name}");
    }
    let signals = [1, 2, 15].map(|signal| Exit::Signal(signal).code().to_string()).join(", ");
    let mut codes: Vec<String> =
        [Exit::Good, Exit::Failed, Exit::Usage, Exit::AlreadyRunning, Exit::NotRunning, Exit::TimedOut]
            .map(|exit| exit.code().to_string())
            .into();
    codes.push(signals);
    for code in codes {
        assert!(rows.iter().any(|row| row[0] == code), "{code}");
    }
}

#[test]
fn every_key_in_the_readme_is_in_the_reference_with_the_same_default() {
    let (readme, reference) = (read("README.md"), read("docs/config.md"));
    let mut heading = "";
    let mut seen = 0;
    for row in table(&readme, "## dev.toml") {
        if !row[0].is_empty() {
            heading = row[0].trim_matches('`');
        }
        let headings = if heading == "both" { vec!["[[step]]", "[[service]]"] } else { vec![heading] };
        for heading in headings {
            let rows = table(&reference, &format!("\n## `{heading}`\n"));
            for key in row[1].split(", ") {
                let named = |known: &&Vec<&str>| known[0].split(", ").any(|known| known == key);
                let known = rows.iter().find(named).unwrap_or_else(|| panic!("{heading} {key}"));
                if row[2].starts_with('`') {
                    assert_eq!(row[2], known[2], "{heading} {key}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 25, "{seen}");
}

#[test]
fn the_defaults_in_the_documentation_hold() {
    let plan = load("[[step]]\nname = \"build\"\nrun = \"x\"\n\n[[service]]\nname = \"api\"\nrun = \"y\"\n");
    let reference = read("docs/config.md");
    let service = &plan.services[0];
    for (heading, key, default) in [
        ("[proxy]", "fresh", format!("`\"{}\"`", show_time(plan.proxy.fresh))),
        ("[proxy]", "hold", format!("`\"{}\"`", show_time(plan.proxy.hold))),
        ("[proxy]", "reload", format!("`{}`", plan.proxy.reload == devloop::plan::Reload::Own)),
        ("[proxy]", "enabled", format!("`{}`", plan.proxy.enabled)),
        ("[[step]]", "cancel", format!("`{}`", plan.steps[0].cancel)),
        ("[[step]]", "generates", format!("`{}`", plan.steps[0].generates)),
    ] {
        let rows = table(&reference, &format!("\n## `{heading}`\n"));
        let row = rows.iter().find(|row| row[0] == format!("`{key}`")).unwrap();
        assert_eq!(row[2], default, "{heading} {key}");
    }
    assert_eq!(plan.proxy.listen, Listen { host: None, port: 3000, written: false });
    assert_eq!(plan.watch.settle, Settle::Auto);
    let seconds = [service.drain, service.health.timeout, service.stop.grace].map(|time| time.as_secs());
    assert_eq!(seconds, [60, 60, 5]);
    for text in ["| `drain` | time | `\"60s\"`", "| `timeout` | time | `\"60s\"`", "| `grace` | time | `\"5s\"`"] {
        assert!(reference.contains(text), "{text}");
    }
}

/// Whoever measures anew changes one page, and this names the other.
#[test]
fn the_figures_of_the_comparison_are_those_of_the_benchmarks() {
    let (page, measured) = (read("docs/comparison.md"), read("docs/benchmarks.md"));
    let after = page.split("<!-- figures -->").nth(1).unwrap();
    let rows = after.trim_start().lines().take_while(|line| line.starts_with('|')).skip(2);
    let mut seen = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let title = if cells[0].starts_with("trivial") { "### A trivial build" } else { "### A Go program" };
        let section = measured.split(title).nth(1).unwrap().split("\n### ").next().unwrap();
        for (name, figure) in ["by hand", "devloop", "air"].iter().zip(&cells[1..]) {
            let wanted = format!("| {name} | {figure} |");
            assert!(section.contains(&wanted), "docs/benchmarks.md does not say `{wanted}` for {}", cells[0]);
            seen += 1;
        }
    }
    assert_eq!(seen, 6);
}

#[test]
fn every_link_in_the_documentation_leads_to_a_file() {
    for (name, text) in documents() {
        let from = root().join(&name);
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let is_file = !link.starts_with("http") && !link.starts_with('#');
            let file = link.split('#').next().unwrap();
            assert!(!is_file || from.parent().unwrap().join(file).exists(), "{name}: {link}");
        }
    }
}

/// Fragments between the back-quotes of the first column, apart from what differs.
#[test]
fn the_messages_in_the_troubleshooting_page_are_those_of_the_program() {
    let mut sources = String::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => sources.push_str(&fs::read_to_string(path).unwrap()),
            }
        }
    }
    let text = read("docs/troubleshooting.md");
    let mut seen = 0;
    for cell in text.lines().filter(|line| line.starts_with("| `")).map(|line| line.split(" | ").next().unwrap()) {
        let quoted = cell.split('`').skip(1).step_by(2);
        for fragment in quoted.filter(|part| part.len() >= 10 && !part.starts_with("x-devloop")) {
            assert!(sources.contains(fragment), "devloop never says `{fragment}`");
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen}");
}
