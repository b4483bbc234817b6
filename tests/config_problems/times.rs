//! Times as they are written.

use super::problem_of;

#[test]
fn a_time_without_a_unit_is_told_how() {
    let toml = r#"[[step]]
name = "a"
run = "x"
timeout = 5"#;
    let message = r#"error: `timeout` needs a unit
 --> dev.toml:4:11
  |
4 | timeout = 5
  |           ^
  |
  = hint: write `timeout = "5s"` or `"5ms"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_time_in_quotes_without_a_unit_is_told_how() {
    let toml = r#"[watch]
settle = "50"

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: the time `50` has no unit
 --> dev.toml:2:10
  |
2 | settle = "50"
  |          ^^^^
  |
  = hint: times are written like `"250ms"`, `"5s"` or `"1m30s"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_time_with_a_wrong_unit_names_the_right_one() {
    let toml = r#"[[service]]
name = "api"
run = "x"
drain = "5 sec""#;
    let message = r#"error: `sec` is not a unit of time
 --> dev.toml:4:9
  |
4 | drain = "5 sec"
  |         ^^^^^^^
  |
  = hint: write `s`; the units are `ms`, `s`, `m` and `h`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_time_that_is_none_is_said() {
    let toml = r#"[proxy]
hold = "soon"

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `soon` is not a time
 --> dev.toml:2:8
  |
2 | hold = "soon"
  |        ^^^^^^
  |
  = hint: times are written like `"250ms"`, `"5s"` or `"1m30s"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_negative_time_is_none() {
    let toml = r#"[proxy]
hold = "-1s"

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `-1s` is not a time
 --> dev.toml:2:8
  |
2 | hold = "-1s"
  |        ^^^^^
  |
  = hint: times are written like `"250ms"`, `"5s"` or `"1m30s"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_time_that_is_true_is_none() {
    let toml = r#"[proxy]
fresh = true

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `fresh` must be a time, not `true`
 --> dev.toml:2:9
  |
2 | fresh = true
  |         ^^^^
  |
  = hint: times are written like `"250ms"`, `"5s"` or `"1m30s"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_timeout_of_zero_is_a_mistake() {
    let toml = r#"[[step]]
name = "a"
run = "x"
timeout = "0s""#;
    let message = r#"error: `timeout` must be longer than zero
 --> dev.toml:4:11
  |
4 | timeout = "0s"
  |           ^^^^
  |
  = hint: leave it out for the default"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_time_of_ages_is_a_mistake() {
    let toml = r#"[proxy]
hold = "99999h"

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: the time `99999h` is longer than a year
 --> dev.toml:2:8
  |
2 | hold = "99999h"
  |        ^^^^^^^^
  |
  = hint: times are written like `"250ms"`, `"5s"` or `"1m30s"`"#;
    assert_eq!(problem_of(toml), message);
}
