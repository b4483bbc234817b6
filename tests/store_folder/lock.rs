//! Who has the folder: one devloop at a time.

use super::*;

#[test]
fn a_second_devloop_is_told_the_pid_of_the_first_and_how_to_reach_it() {
    let project = Project::new();
    let store = project.open();
    let problem = Store::open(&project.root).unwrap_err().problem().clone();
    let pid = std::process::id();
    assert_eq!(problem.message, format!("devloop is already running in this project (pid {pid})"));
    assert!(problem.hint.unwrap().contains(&format!("kill {pid}")));
    drop(store);
    project.open();
}

/// Not a test: the first devloop, which is going to be killed.
#[test]
fn holder() {
    let Ok(root) = std::env::var("HOLDER_ROOT") else { return };
    let _store = Store::open(Path::new(&root)).unwrap();
    println!("held");
    let _ = std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new());
}

#[test]
fn a_killed_devloop_does_not_keep_the_lock() {
    use std::io::{BufRead, BufReader};
    let project = Project::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "lock::holder", "--nocapture"]).env("HOLDER_ROOT", &project.root);
    let mut holder = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("held")));
    let problem = Store::open(&project.root).unwrap_err().problem().clone();
    assert!(problem.message.contains(&format!("(pid {})", holder.id())), "{problem:?}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    project.open();
}
