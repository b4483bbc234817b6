//! How a program is asked whether it is ready.

use super::problem_of;

#[test]
fn a_health_path_starts_with_a_slash() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = "health""#;
    let message = r#"error: the health path `health` does not start with `/`
 --> dev.toml:4:10
  |
4 | health = "health"
  |          ^^^^^^^^
  |
  = hint: write `"/health"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_empty_health_path_is_refused() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = """#;
    let message = r#"error: the health path `` does not start with `/`
 --> dev.toml:4:10
  |
4 | health = ""
  |          ^^
  |
  = hint: write `"/health"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_health_path_is_no_url() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = "http://localhost/health""#;
    let message = r#"error: the health path is a whole URL
 --> dev.toml:4:10
  |
4 | health = "http://localhost/health"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: write its path alone, such as `"/health"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_health_path_is_sent_as_it_is() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = "/a b""#;
    let message = r#"error: the health path `/a b` cannot be sent as it is
 --> dev.toml:4:10
  |
4 | health = "/a b"
  |          ^^^^^^
  |
  = hint: write spaces and other letters percent-encoded, and no `#…`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_health_that_is_false_is_told_the_keys() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = false"#;
    let message = r#"error: `health` must be a path or a table, not `false`
 --> dev.toml:4:10
  |
4 | health = false
  |          ^^^^^
  |
  = hint: write `health = "/health"`, or a table with the keys `path`, `status`, `log`, `tcp`, `timeout` and `interval`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn health_is_one_of_path_and_log() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = { path = "/", log = "ready" }"#;
    let message = r#"error: `log` contradicts `path`: one of them says when it is ready
 --> dev.toml:4:24
  |
4 | health = { path = "/", log = "ready" }
  |                        ^^^
  |
  = hint: keep one of `path`, `log` and `tcp`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn health_is_one_of_path_and_tcp() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = { tcp = true, path = "/" }"#;
    let message = r#"error: `path` contradicts `tcp`: one of them says when it is ready
 --> dev.toml:4:31
  |
4 | health = { tcp = true, path = "/" }
  |                               ^^^
  |
  = hint: keep one of `path`, `log` and `tcp`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_status_needs_a_path() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = { status = 200 }"#;
    let message = r#"error: `status` needs a `path` to ask for
 --> dev.toml:4:12
  |
4 | health = { status = 200 }
  |            ^^^^^^
  |
  = hint: add `path = "/health"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_status_has_no_effect_with_tcp() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = { tcp = true, status = [200] }"#;
    let message = r#"error: `status` has no effect without an HTTP request
 --> dev.toml:4:24
  |
4 | health = { tcp = true, status = [200] }
  |                        ^^^^^^
  |
  = hint: it belongs to `path`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_status_is_a_number_from_200() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = { path = "/", status = [200, 99, "ok"] }"#;
    let message = r#"error: `status` must be from 200 to 599, not 99
 --> dev.toml:4:39
  |
4 | health = { path = "/", status = [200, 99, "ok"] }
  |                                       ^^

error: `status` must be a number or an array of them, not a string
 --> dev.toml:4:43
  |
4 | health = { path = "/", status = [200, 99, "ok"] }
  |                                           ^^^^
  |
  = hint: such as `200` or `[200, 204]`

2 problems"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_interval_has_no_effect_with_a_log() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = { log = "ready", interval = "1s" }"#;
    let message = r#"error: `interval` has no effect: with `log` nothing is probed
 --> dev.toml:4:27
  |
4 | health = { log = "ready", interval = "1s" }
  |                           ^^^^^^^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_empty_log_would_match_everything() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = { log = "" }"#;
    let message = r#"error: `log` is empty: every line would match
 --> dev.toml:4:18
  |
4 | health = { log = "" }
  |                  ^^
  |
  = hint: a piece of the line that says it is ready, such as `"listening on"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_service_without_a_port_has_no_path_to_ask() {
    let toml = r#"[[service]]
name = "api"
run = "x"
port = "none"
health = "/""#;
    let message = r#"error: `health` cannot ask a service with `port = "none"` (`path`)
 --> dev.toml:5:10
  |
5 | health = "/"
  |          ^^^
  |
  = hint: `health = { log = "…" }` waits for a line of its output"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_service_without_a_port_accepts_no_connection() {
    let toml = r#"[[service]]
name = "api"
run = "x"
port = "none"
health = { tcp = true }"#;
    let message = r#"error: `health` cannot ask a service with `port = "none"` (`tcp`)
 --> dev.toml:5:10
  |
5 | health = { tcp = true }
  |          ^^^^^^^^^^^^^^
  |
  = hint: `health = { log = "…" }` waits for a line of its output"#;
    assert_eq!(problem_of(toml), message);
}
