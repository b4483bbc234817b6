//! `[[hook]]` and `[notify]`.

use super::problem_of;

const SERVICE: &str = "\n[[service]]\nname = \"api\"\nrun = \"x\"\n";

#[test]
fn a_hook_that_waits_for_something_unknown_is_told_what_there_is() {
    let toml = format!("[[hook]]\non = [\"failed\", \"restored\"]\nrun = \"x\"\n{SERVICE}");
    let message = r#"error: `on` cannot be `restored`
 --> dev.toml:2:17
  |
2 | on = ["failed", "restored"]
  |                 ^^^^^^^^^^
  |
  = hint: it can be `failed`, `recovered`, `live`, `stale` or `saved`"#;
    assert_eq!(problem_of(&toml), message);
}

#[test]
fn a_misspelled_moment_is_recognised() {
    let toml = format!("[[hook]]\non = \"faild\"\nrun = \"x\"\n{SERVICE}");
    let message = r#"error: `on` cannot be `faild`
 --> dev.toml:2:6
  |
2 | on = "faild"
  |      ^^^^^^^
  |
  = hint: did you mean `failed`?"#;
    assert_eq!(problem_of(&toml), message);
}

#[test]
fn a_hook_needs_a_moment_and_a_command() {
    let toml = format!("[[hook]]\n{SERVICE}");
    let message = r#"error: `[[hook]]` has no `on`
 --> dev.toml:1:1
  |
1 | [[hook]]
  | ^^^^^^^^
  |
  = hint: such as `on = "failed"`

error: `[[hook]]` has no `run`
 --> dev.toml:1:1
  |
1 | [[hook]]
  | ^^^^^^^^
  |
  = hint: such as `run = "make-noise"`

2 problems"#;
    assert_eq!(problem_of(&toml), message);
}

#[test]
fn a_hook_that_waits_for_nothing_is_a_mistake() {
    let toml = format!("[[hook]]\non = []\nrun = \"x\"\n{SERVICE}");
    let message = r#"error: this hook waits for nothing
 --> dev.toml:2:6
  |
2 | on = []
  |      ^^
  |
  = hint: such as `on = "failed"`"#;
    assert_eq!(problem_of(&toml), message);
}

#[test]
fn ways_to_be_told_are_true_or_false() {
    let toml = format!("[notify]\nbell = \"loud\"\n{SERVICE}");
    let message = r#"error: `bell` must be `true` or `false`, not a string
 --> dev.toml:2:8
  |
2 | bell = "loud"
  |        ^^^^^^"#;
    assert_eq!(problem_of(&toml), message);
}

#[test]
fn a_pattern_for_problems_is_a_regular_expression_with_file_and_line() {
    let toml = "[[service]]\nname = \"api\"\nrun = \"x\"\nproblems = '(?P<file>.+'\n";
    let problem = problem_of(toml);
    assert!(problem.starts_with("error: not a regular expression: unclosed group\n --> dev.toml:4:12\n"), "{problem}");
    let toml = "[[service]]\nname = \"api\"\nrun = \"x\"\nproblems = '(?P<file>.+)'\n";
    let problem = problem_of(toml);
    assert!(problem.starts_with("error: the pattern has no group `line`\n --> dev.toml:4:12\n"), "{problem}");
}

#[test]
fn what_the_window_shows_is_one_of_three_words() {
    let toml = format!("[notify]\nwindow = \"sometimes\"\n{SERVICE}");
    let message = r#"error: `window` cannot be `sometimes`
 --> dev.toml:2:10
  |
2 | window = "sometimes"
  |          ^^^^^^^^^^^
  |
  = hint: it can be `auto`, `always` or `never`"#;
    assert_eq!(problem_of(&toml), message);
}
