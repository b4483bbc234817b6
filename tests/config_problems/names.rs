//! Names, and what comes before what.

use super::problem_of;

#[test]
fn a_name_is_used_once_among_steps_and_services() {
    let toml = r#"[[step]]
name = "api"
run = "x"

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: the name `api` is used twice
 --> dev.toml:6:8
  |
6 | name = "api"
  |        ^^^^^
  |
  = hint: step `api` has it already; every step and service has a name of its own"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_empty_name_is_refused() {
    let toml = r#"[[step]]
name = ""
run = "x""#;
    let message = r#"error: the name is empty
 --> dev.toml:2:8
  |
2 | name = ""
  |        ^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_name_with_a_blank_is_refused() {
    let toml = r#"[[step]]
name = "my step"
run = "x""#;
    let message = r#"error: the name `my step` has a ` ` in it
 --> dev.toml:2:8
  |
2 | name = "my step"
  |        ^^^^^^^^^
  |
  = hint: names are made of letters from a to z, digits, `-` and `_`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_name_with_an_escape_sequence_is_shown_harmlessly() {
    let toml = r#"[[step]]
name = "a\u001b[31m"
run = "x""#;
    let message = r#"error: the name `a\u{1b}[31m` has a `\u{1b}` in it
 --> dev.toml:2:8
  |
2 | name = "a\u001b[31m"
  |        ^^^^^^^^^^^^^
  |
  = hint: names are made of letters from a to z, digits, `-` and `_`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn out_is_no_name() {
    let toml = r#"[[step]]
name = "out"
run = "x""#;
    let message = r#"error: `out` cannot be a name
 --> dev.toml:2:8
  |
2 | name = "out"
  |        ^^^^^
  |
  = hint: `{out}` has a meaning of its own in commands"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn port_is_no_name() {
    let toml = r#"[[service]]
name = "port"
run = "x""#;
    let message = r#"error: `port` cannot be a name
 --> dev.toml:2:8
  |
2 | name = "port"
  |        ^^^^^^
  |
  = hint: `{port}` has a meaning of its own in commands"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_unknown_step_in_after_comes_with_the_one_that_was_meant() {
    let toml = r#"[[step]]
name = "build"
run = "x -o {out}"

[[service]]
name = "api"
run = "x"
after = ["biuld"]"#;
    let message = r#"error: no step is named `biuld`
 --> dev.toml:8:10
  |
8 | after = ["biuld"]
  |          ^^^^^^^
  |
  = hint: did you mean `build`?"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_unknown_step_in_after_comes_with_all_of_them() {
    let toml = r#"[[step]]
name = "build"
run = "x -o {out}"

[[service]]
name = "api"
run = "x"
after = ["generate"]"#;
    let message = r#"error: no step is named `generate`
 --> dev.toml:8:10
  |
8 | after = ["generate"]
  |          ^^^^^^^^^^
  |
  = hint: the only step is `build`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn after_cannot_name_a_service() {
    let toml = r#"[[service]]
name = "api"
run = "x"

[[step]]
name = "test"
run = "x"
after = ["api"]"#;
    let message = r#"error: `api` is a service; `after` names steps
 --> dev.toml:8:10
  |
8 | after = ["api"]
  |          ^^^^^
  |
  = hint: `needs = ["api"]` waits until a service is ready"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn needs_cannot_name_a_step() {
    let toml = r#"[[step]]
name = "build"
run = "x -o {out}"

[[service]]
name = "api"
run = "x"
needs = ["build"]"#;
    let message = r#"error: `build` is a step; `needs` names services
 --> dev.toml:8:10
  |
8 | needs = ["build"]
  |          ^^^^^^^
  |
  = hint: `after = ["build"]` waits until a step is done"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_unknown_service_in_needs_is_said() {
    let toml = r#"[[service]]
name = "api"
run = "x"
needs = ["db"]

[[service]]
name = "dbx"
run = "x""#;
    let message = r#"error: no service is named `db`
 --> dev.toml:4:10
  |
4 | needs = ["db"]
  |          ^^^^
  |
  = hint: did you mean `dbx`?"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn needs_where_there_is_no_service_says_so() {
    let toml = r#"[[step]]
name = "a"
run = "x"
needs = ["db"]"#;
    let message = r#"error: no service is named `db`
 --> dev.toml:4:10
  |
4 | needs = ["db"]
  |          ^^^^
  |
  = hint: there are no services"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_step_cannot_wait_for_itself() {
    let toml = r#"[[step]]
name = "a"
run = "x"
after = ["a"]"#;
    let message = r#"error: step `a` waits for itself
 --> dev.toml:4:10
  |
4 | after = ["a"]
  |          ^^^
  |
  = hint: name others, or nobody"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_service_cannot_need_itself() {
    let toml = r#"[[service]]
name = "api"
run = "x"
needs = ["api"]"#;
    let message = r#"error: service `api` waits for itself
 --> dev.toml:4:10
  |
4 | needs = ["api"]
  |          ^^^^^
  |
  = hint: name others, or nobody"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn two_steps_that_wait_for_each_other_are_a_circle() {
    let toml = r#"[[step]]
name = "a"
run = "x"
after = ["b"]

[[step]]
name = "b"
run = "x"
after = ["a"]"#;
    let message = r#"error: step `a` waits for `b`, which waits for `a`
 --> dev.toml:4:10
  |
4 | after = ["b"]
  |          ^^^
  |
  = hint: one of them must not wait"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_circle_through_the_order_written_says_how_to_leave_it() {
    let toml = r#"[[step]]
name = "a"
run = "x"
after = ["b"]

[[step]]
name = "b"
run = "x""#;
    let message = r#"error: step `a` waits for `b`, which waits for `a`
 --> dev.toml:4:10
  |
4 | after = ["b"]
  |          ^^^
  |
  = hint: `b` waits for `a` because it is written after it: `after = […]` in `b` says what it really waits for, or write it before `a`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_circle_of_three_services_is_shown_whole() {
    let toml = r#"[[service]]
name = "a"
run = "x"
needs = ["b"]

[[service]]
name = "b"
run = "x"
needs = ["c"]

[[service]]
name = "c"
run = "x"
needs = ["a"]"#;
    let message = r#"error: service `a` waits for `b`, which waits for `c`, which waits for `a`
 --> dev.toml:4:10
  |
4 | needs = ["b"]
  |          ^^^
  |
  = hint: one of them must not wait"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_step_that_needs_a_service_written_after_it_is_a_circle() {
    let toml = r#"[[step]]
name = "migrate"
run = "x"
needs = ["db"]

[[service]]
name = "db"
run = "x""#;
    let message = r#"error: step `migrate` waits for `db`, which waits for `migrate`
 --> dev.toml:4:10
  |
4 | needs = ["db"]
  |          ^^^^
  |
  = hint: `db` waits for `migrate` because it is written after it: `after = […]` in `db` says what it really waits for, or write it before `migrate`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_artifact_of_a_step_that_makes_none_is_said() {
    let toml = r#"[[step]]
name = "build"
run = "x"

[[service]]
name = "api"
run = "{build}""#;
    let message = r#"error: step `build` makes no artifact that `{build}` could stand for
 --> dev.toml:7:7
  |
7 | run = "{build}"
  |       ^^^^^^^^^
  |
  = hint: let its command write to `{out}`, or write `{{build}}` to keep the braces as they are"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_artifact_of_a_later_step_is_a_circle() {
    let toml = r#"[[step]]
name = "a"
run = "x {b}"

[[step]]
name = "b"
run = "x {out}""#;
    let message = r#"error: step `a` waits for `b`, which waits for `a`
 --> dev.toml:3:7
  |
3 | run = "x {b}"
  |       ^^^^^^^
  |
  = hint: `b` waits for `a` because it is written after it: `after = […]` in `b` says what it really waits for, or write it before `a`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_step_cannot_name_its_own_artifact() {
    let toml = r#"[[step]]
name = "a"
run = "x {a} {out}""#;
    let message = r#"error: step `a` names its own artifact
 --> dev.toml:3:7
  |
3 | run = "x {a} {out}"
  |       ^^^^^^^^^^^^^
  |
  = hint: `{out}` is where it writes it"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_service_has_no_out() {
    let toml = r#"[[step]]
name = "build"
run = "x -o {out}"

[[service]]
name = "api"
run = "x {out}""#;
    let message = r#"error: a service has no `{out}`
 --> dev.toml:7:7
  |
7 | run = "x {out}"
  |       ^^^^^^^^^
  |
  = hint: the artifact of a step has the step's name, such as `{build}`"#;
    assert_eq!(problem_of(toml), message);
}
