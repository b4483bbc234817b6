//! The command line as a person uses it: exit codes, what is printed where.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

const GOOD: &str = "[[service]]\nname = \"api\"\nrun = \"my-server\"\n";

fn devloop(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devloop"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    for variable in ["NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "TERM"] {
        command.env_remove(variable);
    }
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    devloop(folder, args).output().unwrap()
}

fn project(toml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dev.toml"), toml).unwrap();
    folder
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn check_prints_the_plan_and_ends_with_0() {
    let folder = project(GOOD);
    let output = run(folder.path(), &["check"]);
    assert_eq!((code(&output), err(&output)), (Some(0), String::new()));
    assert!(out(&output).contains("\nservice api\n"), "{}", out(&output));
}

#[test]
fn check_prints_problems_to_standard_error_and_ends_with_2() {
    let folder = project("[[service]]\nname = \"api\"\nrun = \"x\"\nhelth = 1\n");
    let output = run(folder.path(), &["check"]);
    assert_eq!((code(&output), out(&output)), (Some(2), String::new()));
    assert!(
        err(&output).starts_with("error: unknown key `helth` in service `api`\n --> dev.toml:4:1\n"),
        "{}",
        err(&output)
    );
}

#[test]
fn check_speaks_json() {
    let folder = project(&format!("[[step]]\nname = \"gen\"\nrun = \"x\"\n{GOOD}"));
    let output = run(folder.path(), &["check", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code(&output), &json["ok"]), (Some(0), &serde_json::json!(true)));
    assert_eq!(
        json["services"],
        serde_json::json!([{"name": "api", "run": "my-server", "after": ["gen"], "needs": []}])
    );
    let folder = project("zzz = 1\n");
    let output = run(folder.path(), &["check", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code(&output), &json["ok"]), (Some(2), &serde_json::json!(false)));
    let problem = &json["problems"][0];
    assert_eq!((&problem["file"], &problem["line"], &problem["column"]), (&"dev.toml".into(), &1.into(), &1.into()));
}

#[test]
fn the_file_is_searched_upward_and_shown_from_here() {
    let folder = project("zzz = 1\n");
    std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
    let output = run(&folder.path().join("a/b"), &["check"]);
    assert!(err(&output).contains(" --> ../../dev.toml:1:1\n"), "{}", err(&output));
}

#[test]
fn another_folder_and_another_file_can_be_named() {
    let folder = project(GOOD);
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/other.toml"), "zzz = 1\n").unwrap();
    let there = folder.path().to_str().unwrap();
    assert_eq!(code(&run(Path::new("/"), &["-C", there, "check"])), Some(0));
    let output = run(Path::new("/"), &["check", "-C", there, "--config", "sub/other.toml"]);
    assert_eq!(code(&output), Some(2));
    assert!(err(&output).contains(" --> sub/other.toml:1:1\n"), "{}", err(&output));
    let output = run(folder.path(), &["-C", "nowhere", "check"]);
    assert_eq!(code(&output), Some(2));
    assert!(
        err(&output).starts_with("error: `-C nowhere`: this folder cannot be entered\n  caused by: "),
        "{}",
        err(&output)
    );
}

#[test]
fn without_a_file_both_commands_say_how_to_begin() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["up", "check"] {
        let output = run(folder.path(), &[command]);
        assert_eq!(code(&output), Some(2));
        let said = err(&output);
        assert!(said.starts_with("error: no dev.toml in `"), "{said}");
        assert!(said.contains("`devloop up -- "), "{said}");
        // What is there to be copied is a dev.toml.
        let toml = &said[said.find("[[").unwrap()..];
        let folder = project(toml);
        assert_eq!(code(&run(folder.path(), &["check"])), Some(0), "{toml}");
    }
}

#[test]
fn up_refuses_what_it_cannot_run_with_2() {
    let folder = project(GOOD);
    for (args, said) in [
        (&["up", "apo"][..], "error: no service is named `apo`\n  hint: did you mean `api`?\n"),
        (&["up", "--listen", "x"], "error: `--listen`: `x` has no port\n"),
        (&["up", "--json", "--plain"], "error: the argument '--json' cannot be used with '--plain'"),
        (&["up", "api", "--", "x"], "error: the argument '[SERVICE]...' cannot be used with '[CMD]...'"),
        (&["up", "--", ""], "error: nothing to run\n"),
        (&["upp"], "error: unrecognized subcommand 'upp'"),
    ] {
        let output = run(folder.path(), args);
        assert_eq!(code(&output), Some(2), "{args:?}");
        assert!(err(&output).starts_with(said), "{args:?}: {}", err(&output));
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for args in [&["--help"][..], &["up", "--help"], &["check", "--help"], &["completions", "--help"], &["--version"]] {
        let output = run(Path::new("/"), args);
        assert_eq!((code(&output), err(&output)), (Some(0), String::new()), "{args:?}");
    }
    let help = out(&run(Path::new("/"), &["--help"]));
    for part in ["Examples:", "Exit codes:", "Environment:", "NO_COLOR"] {
        assert!(help.contains(part), "{part}");
    }
    assert_eq!(code(&run(Path::new("/"), &[])), Some(2));
}

#[test]
fn completions_ask_devloop_for_commands_and_the_names_of_dev_toml() {
    let folder = project("[[step]]\nname = \"build\"\nrun = \"x\"\n\n[[service]]\nname = \"api\"\nrun = \"y\"\n");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(folder.path(), &["completions", shell]);
        assert_eq!(code(&output), Some(0));
        assert!(out(&output).contains("DEVLOOP_COMPLETE"), "{shell}");
    }
    // As the script of fish asks: the words so far, the last one unfinished.
    let completed = |words: &[&str]| {
        let arguments = [&["--", "devloop"], words].concat();
        out(&devloop(folder.path(), &arguments).env("DEVLOOP_COMPLETE", "fish").output().unwrap())
    };
    let names = |text: &str| text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert!(names(&completed(&["ch"])).contains(&"check".to_owned()));
    assert_eq!(names(&completed(&["up", "a"])), ["api"]);
    assert!(completed(&["up", "--o"]).contains("--once"));
}

#[test]
fn colours_come_only_when_wanted() {
    let folder = project("zzz = 1\n");
    let with = |variables: &[(&str, &str)]| {
        err(&devloop(folder.path(), &["check"]).envs(variables.to_vec()).output().unwrap())
    };
    assert!(!with(&[]).contains('\u{1b}'));
    assert!(with(&[("CLICOLOR_FORCE", "1")]).contains('\u{1b}'));
    assert!(!with(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'));
    assert!(!with(&[("CLICOLOR_FORCE", "0")]).contains('\u{1b}'));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = project(GOOD);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = devloop(folder.path(), &["check"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said), (Some(0), String::new()));
}

#[test]
fn config_tells_what_holds_and_where_it_comes_from() {
    let folder = project("[[service]]\nname = \"api\"\nrun = \"node api.js\"\ndrain = \"90s\"\n");
    let output = run(folder.path(), &["config", "--listen", "8080"]);
    assert_eq!((code(&output), err(&output)), (Some(0), String::new()));
    let text = out(&output);
    for line in [
        "drain = \"90s\"                            # dev.toml:4",
        "port = \"auto\"                            # default",
        "listen = 8080                            # command line",
    ] {
        assert!(text.contains(line), "no `{line}` in:\n{text}");
    }
    // What is printed is a dev.toml that says the same.
    std::fs::write(folder.path().join("again.toml"), &text).unwrap();
    assert_eq!(code(&run(folder.path(), &["--config", "again.toml", "check"])), Some(0), "{text}");
    let json: serde_json::Value = serde_json::from_str(&out(&run(folder.path(), &["config", "--json"]))).unwrap();
    let keys = json["tables"][1]["keys"].as_array().unwrap();
    let drain = keys.iter().find(|key| key["key"] == "drain").unwrap();
    assert_eq!(*drain, serde_json::json!({ "key": "drain", "value": "90s", "origin": "file", "line": 4 }));
    let wrong = run(folder.path(), &["--config", "none.toml", "config"]);
    assert_eq!(code(&wrong), Some(2));
}
