//! Values with a form of their own: signals, choices, numbers.

use super::problem_of;

#[test]
fn a_backend_is_one_of_three() {
    let toml = r#"[watch]
backend = "polling"

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `backend` cannot be `polling`
 --> dev.toml:2:11
  |
2 | backend = "polling"
  |           ^^^^^^^^^
  |
  = hint: it can be `auto`, `native` or `poll`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_swap_is_one_of_three() {
    let toml = r#"[[service]]
name = "api"
run = "x"
swap = "rolling""#;
    let message = r#"error: `swap` cannot be `rolling`
 --> dev.toml:4:8
  |
4 | swap = "rolling"
  |        ^^^^^^^^^
  |
  = hint: it can be `auto`, `overlap` or `exclusive`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_restart_that_is_a_boolean_is_told_how() {
    let toml = r#"[[service]]
name = "api"
run = "x"
restart = false"#;
    let message = r#"error: `restart` must be a string, not `false`
 --> dev.toml:4:11
  |
4 | restart = false
  |           ^^^^^
  |
  = hint: it can be `on-exit` or `no`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_restart_that_is_unknown_lists_the_choices() {
    let toml = r#"[[service]]
name = "api"
run = "x"
restart = "always""#;
    let message = r#"error: `restart` cannot be `always`
 --> dev.toml:4:11
  |
4 | restart = "always"
  |           ^^^^^^^^
  |
  = hint: it can be `on-exit` or `no`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_protocol_that_does_not_exist_is_refused() {
    let toml = r#"[[service]]
name = "api"
run = "x"
protocol = "h3""#;
    let message = r#"error: `protocol` cannot be `h3`
 --> dev.toml:4:12
  |
4 | protocol = "h3"
  |            ^^^^
  |
  = hint: did you mean `h2`?"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_signal_that_is_misspelled_is_recognised() {
    let toml = r#"[[service]]
name = "api"
run = "x"
stop = { signal = "SIGTREM" }"#;
    let message = r#"error: `SIGTREM` is not a signal
 --> dev.toml:4:19
  |
4 | stop = { signal = "SIGTREM" }
  |                   ^^^^^^^^^
  |
  = hint: did you mean `SIGTERM`?"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_signal_that_ends_nothing_is_refused() {
    let toml = r#"[[service]]
name = "api"
run = "x"
stop = { signal = "SIGCONT" }"#;
    let message = r#"error: `SIGCONT` does not end a program
 --> dev.toml:4:19
  |
4 | stop = { signal = "SIGCONT" }
  |                   ^^^^^^^^^
  |
  = hint: `stop.signal` is the signal that asks it to end, such as `"SIGTERM"` or `"SIGINT"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_stop_that_is_a_signal_is_shown_as_a_table() {
    let toml = r#"[[service]]
name = "api"
run = "x"
stop = "SIGINT""#;
    let message = r#"error: `stop` must be a table, not a string
 --> dev.toml:4:1
  |
4 | stop = "SIGINT"
  | ^^^^
  |
  = hint: write `stop = { signal = "SIGINT" }`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn the_number_of_remembered_requests_has_bounds() {
    let toml = r#"[proxy]
record = 20000

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `record` must be from 0 to 10000, not 20000
 --> dev.toml:2:10
  |
2 | record = 20000
  |          ^^^^^
"#;
    assert_eq!(problem_of(toml), message.trim_end());
}

#[test]
fn the_number_of_remembered_requests_is_a_number() {
    let toml = r#"[proxy]
record = true

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `record` must be a number, not `true`
 --> dev.toml:2:10
  |
2 | record = true
  |          ^^^^
  |
  = hint: so many of the last requests are remembered, such as `500`; `0`: none"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn bodies_of_requests_that_are_not_remembered_cannot_be_remembered() {
    let toml = r#"[proxy]
record = 0
record_bodies = true

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `record_bodies` has no effect: with `record = 0` no request is remembered
 --> dev.toml:3:1
  |
3 | record_bodies = true
  | ^^^^^^^^^^^^^
  |
  = hint: leave `record` out, or say how many requests are remembered"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn trust_is_given_or_not() {
    let toml = r#"[proxy]
trust_forwarded = ["127.0.0.1"]

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `trust_forwarded` must be `true` or `false`, not an array
 --> dev.toml:2:19
  |
2 | trust_forwarded = ["127.0.0.1"]
  |                   ^^^^^^^^^^^^^"#;
    assert_eq!(problem_of(toml), message);
}
