//! `devloop init` on a terminal: what it asks, what an answer does, and that who leaves in the middle leaves nothing
//! behind.

use std::os::unix::process::ExitStatusExt;

use crate::{have::have, seat::Seat, support::Project};

const LISTENS: &str = "package main\n\nimport (\n\t\"net/http\"\n\t\"os\"\n)\n\nfunc main() { http.ListenAndServe(\":\"+os.Getenv(\"PORT\"), nil) }\n";

fn two_programs() -> Project {
    let project = Project::new();
    project.write("go.mod", "module example.com/shop\n\ngo 1.21\n");
    project.write("cmd/admin/main.go", LISTENS);
    project.write("cmd/api/main.go", LISTENS);
    project
}

/// A program of which the port is not known: one doubt with a key.
fn one_doubt() -> Project {
    let project = Project::new();
    project.write("server.py", "HTTPServer(('', load_port()), Answer).serve_forever()\n");
    project
}

fn init(project: &Project) -> Option<Seat> {
    have("setsid").then(|| Seat::take_with(project, &["init"], 120, 40))
}

#[test]
fn of_several_programs_it_asks_which_and_asks_again_for_a_name_that_is_none() {
    let project = two_programs();
    let Some(mut seat) = init(&project) else { return };
    seat.sees("Which, with spaces between? [admin]");
    seat.types("shop\r");
    seat.sees("`shop` is none of them");
    seat.types("api\r");
    assert_eq!(seat.ended().code(), Some(0), "{}", seat.text());
    let text = project.read("dev.toml");
    assert!(text.contains("./cmd/api") && !text.contains("./cmd/admin"), "{text}");
}

#[test]
fn enter_takes_what_was_detected() {
    let project = two_programs();
    let Some(mut seat) = init(&project) else { return };
    seat.sees("[admin]");
    seat.types("\r");
    assert_eq!(seat.ended().code(), Some(0), "{}", seat.text());
    assert!(project.read("dev.toml").contains("./cmd/admin"));
}

#[test]
fn an_answer_that_dev_toml_does_not_take_is_explained_and_asked_for_again() {
    let project = one_doubt();
    let Some(mut seat) = init(&project) else { return };
    seat.sees("`port` of `app` [\"auto\"]");
    seat.types("99999\r");
    seat.sees("must be from 1 to 65535");
    seat.types("8001\r");
    seat.sees("wrote dev.toml");
    assert_eq!(seat.ended().code(), Some(0), "{}", seat.text());
    assert!(project.read("dev.toml").contains("port = 8001"), "{}", project.read("dev.toml"));
}

#[test]
fn who_leaves_at_a_question_leaves_no_file_behind() {
    let project = one_doubt();
    let Some(mut seat) = init(&project) else { return };
    seat.sees("`port` of `app`");
    seat.types("\x03");
    assert_eq!(seat.ended().signal(), Some(2), "{}", seat.text());
    assert!(!project.path("dev.toml").exists() && !project.path(".devloop").exists());
    assert!(seat.modes_are_restored());
}

#[test]
fn the_first_line_leads_an_editor_to_the_schema_of_this_very_devloop() {
    let project = one_doubt();
    let run = |arguments: &[&str]| project.command(arguments).output().expect("devloop starts");
    assert_eq!(run(&["init"]).status.code(), Some(0));
    let text = project.read("dev.toml");
    let path = text.lines().next().and_then(|line| line.strip_prefix("#:schema ./")).expect("it is the first line");
    let schema = String::from_utf8(run(&["config", "--schema"]).stdout).expect("it is text");
    assert_eq!(project.read(path), schema);
    assert_eq!(project.read(".devloop/.gitignore"), "*\n");
    // A clone has the line and not the file: `up` brings it, also instead of an older one.
    project.write(path, "{}");
    project.write("dev.toml", format!("{text}\n[[step]]\nname = \"fails\"\nrun = \"false\"\nafter = []\n"));
    assert_eq!(run(&["up", "--once", "--plain", "--listen", "0"]).status.code(), Some(1));
    assert_eq!(project.read(path), schema);
}
