//! Keys and types: what is not known, what is not of the right kind, what is not TOML.

use super::problem_of;

#[test]
fn an_unknown_key_comes_with_the_one_that_was_meant() {
    let toml = r#"[[service]]
name = "api"
run = "x"
helth = "/""#;
    let message = r#"error: unknown key `helth` in service `api`
 --> dev.toml:4:1
  |
4 | helth = "/"
  | ^^^^^
  |
  = hint: did you mean `health`?"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_unknown_key_of_another_tool_comes_with_ours() {
    let toml = r#"[[service]]
name = "api"
cmd = "x"
run = "x""#;
    let message = r#"error: unknown key `cmd` in service `api`
 --> dev.toml:3:1
  |
3 | cmd = "x"
  | ^^^
  |
  = hint: did you mean `run`?"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_unknown_key_that_nothing_resembles_comes_with_all_keys() {
    let toml = r#"[watch]
zzzzzz = 1

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: unknown key `zzzzzz` in `[watch]`
 --> dev.toml:2:1
  |
2 | zzzzzz = 1
  | ^^^^^^
  |
  = hint: the keys are `ignore`, `settle` and `backend`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_table_that_does_not_exist_comes_with_all_that_do() {
    let toml = r#"[[service]]
name = "api"
run = "x"

[[plugin]]
path = "/""#;
    let message = r#"error: unknown key `plugin` in dev.toml
 --> dev.toml:5:3
  |
5 | [[plugin]]
  |   ^^^^^^
  |
  = hint: the keys are `watch`, `step`, `service`, `proxy`, `route`, `hook` and `notify`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_key_that_the_proxy_does_not_have_comes_with_all_that_it_has() {
    let toml = r#"[proxy]
quic = true

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: unknown key `quic` in `[proxy]`
 --> dev.toml:2:1
  |
2 | quic = true
  | ^^^^
  |
  = hint: the keys are `listen`, `hosts`, `fresh`, `hold`, `reload`, `editor`, `waiting`, `console`, `tls`, `client_certs`, `record`, `record_bodies`, `server_timing`, `trust_forwarded`, `enabled`, `request_headers`, `response_headers`, `security_headers`, `cors`, `host_header`, `basic_auth`, `rate_limit`, `max_body`, `max_headers`, `latency`, `fail`, `compress` and `access_log`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_plural_is_recognised() {
    let toml = r#"[[steps]]
name = "a"
run = "x""#;
    let message = r#"error: unknown key `steps` in dev.toml
 --> dev.toml:1:3
  |
1 | [[steps]]
  |   ^^^^^
  |
  = hint: did you mean `step`?"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_step_knows_no_port() {
    let toml = r#"[[step]]
name = "a"
run = "x"
port = 3001"#;
    let message = r#"error: unknown key `port` in step `a`
 --> dev.toml:4:1
  |
4 | port = 3001
  | ^^^^
  |
  = hint: the keys are `name`, `run`, `shell`, `inputs`, `outputs`, `after`, `needs`, `cwd`, `env`, `env_files`, `pty`, `problems`, `cancel`, `cache`, `timeout` and `generates`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_unknown_key_in_health_is_said() {
    let toml = r#"[[service]]
name = "api"
run = "x"
health = { pth = "/" }"#;
    let message = r#"error: unknown key `pth` in `health`
 --> dev.toml:4:12
  |
4 | health = { pth = "/" }
  |            ^^^
  |
  = hint: did you mean `path`?"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_unknown_key_in_stop_is_said() {
    let toml = r#"[[service]]
name = "api"
run = "x"
stop = { sginal = "SIGINT" }"#;
    let message = r#"error: unknown key `sginal` in `stop`
 --> dev.toml:4:10
  |
4 | stop = { sginal = "SIGINT" }
  |          ^^^^^^
  |
  = hint: did you mean `signal`?"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_step_in_single_brackets_is_told_how() {
    let toml = r#"[step]
name = "a"
run = "x""#;
    let message = r#"error: `step` must be an array of tables, not a table
 --> dev.toml:1:1
  |
1 | [step]
  | ^^^^^^
  |
  = hint: each step is a table of its own: `[[step]]`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_watch_in_double_brackets_is_told_how() {
    let toml = r#"[[watch]]
settle = "5s"

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `watch` must be a table, not an array
 --> dev.toml:1:1
  |
1 | [[watch]]
  | ^^^^^^^^^
  |
  = hint: there is only one: `[watch]`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_missing_run_is_said_at_the_header() {
    let toml = r#"[[service]]
name = "api""#;
    let message = r#"error: service `api` has no `run`
 --> dev.toml:1:1
  |
1 | [[service]]
  | ^^^^^^^^^^^
  |
  = hint: such as `run = "go run ./cmd/api"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_missing_name_is_said_at_the_header() {
    let toml = r#"[[step]]
run = "x""#;
    let message = r#"error: `[[step]]` has no `name`
 --> dev.toml:1:1
  |
1 | [[step]]
  | ^^^^^^^^
  |
  = hint: such as `name = "build"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_run_that_is_a_number_is_no_command() {
    let toml = r#"[[service]]
name = "api"
run = 5"#;
    let message = r#"error: `run` must be a string or an array of strings, not a number
 --> dev.toml:3:7
  |
3 | run = 5
  |       ^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_string_where_an_array_belongs_is_shown_as_one() {
    let toml = r#"[[step]]
name = "a"
run = "x"
outputs = "gen/**""#;
    let message = r#"error: `outputs` must be an array of strings, not a string
 --> dev.toml:4:11
  |
4 | outputs = "gen/**"
  |           ^^^^^^^^
  |
  = hint: write `outputs = ["gen/**"]`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_string_where_a_boolean_belongs_is_shown_without_quotes() {
    let toml = r#"[[step]]
name = "a"
run = "x"
cancel = "false""#;
    let message = r#"error: `cancel` must be `true` or `false`, not a string
 --> dev.toml:4:10
  |
4 | cancel = "false"
  |          ^^^^^^^
  |
  = hint: write `cancel = false` without quotes"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_number_in_an_array_of_strings_is_pointed_at() {
    let toml = r#"[[service]]
name = "api"
run = "x"
inputs = ["a", 5]"#;
    let message = r#"error: `inputs` must hold strings, not a number
 --> dev.toml:4:16
  |
4 | inputs = ["a", 5]
  |                ^
  |
  = hint: write `"5"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_env_value_must_be_a_string() {
    let toml = r#"[[service]]
name = "api"
run = "x"
env = { DEBUG = 1 }"#;
    let message = r#"error: `DEBUG` must be a string, not a number
 --> dev.toml:4:17
  |
4 | env = { DEBUG = 1 }
  |                 ^
  |
  = hint: write `DEBUG = "1"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_env_that_is_an_array_is_told_how() {
    let toml = r#"[[service]]
name = "api"
run = "x"
env = ["A=b"]"#;
    let message = r#"error: `env` must be a table, not an array
 --> dev.toml:4:7
  |
4 | env = ["A=b"]
  |       ^^^^^^^
  |
  = hint: write `env = { NAME = "value" }`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_env_name_cannot_hold_an_equals_sign() {
    let toml = r#"[[service]]
name = "api"
run = "x"
env = { "A=B" = "c" }"#;
    let message = r#"error: `A=B` is not the name of a variable
 --> dev.toml:4:9
  |
4 | env = { "A=B" = "c" }
  |         ^^^^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn text_that_is_not_toml_is_shown_where_it_breaks() {
    let toml = r#"[[service]]
name = "api
run = "x""#;
    let message = r#"error: not valid TOML: invalid basic string, expected `"`
 --> dev.toml:2:12
  |
2 | name = "api
  |            ^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_key_without_a_value_is_shown() {
    let toml = r#"[[service]]
name =
run = "x""#;
    let message = r#"error: not valid TOML: string values must be quoted, expected literal string
 --> dev.toml:2:7
  |
2 | name =
  |       ^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_key_that_is_written_twice_is_shown() {
    let toml = r#"[[service]]
name = "api"
run = "x"
run = "y""#;
    let message = r#"error: not valid TOML: duplicate key
 --> dev.toml:4:1
  |
4 | run = "y"
  | ^^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_empty_file_has_nothing_to_do() {
    let toml = r#""#;
    let message = r#"error: there is nothing to do: no `[[step]]` and no `[[service]]`
 --> dev.toml:1:1
  |
1 |
  | ^
  |
  = hint: such as `[[service]]` with `name = "api"` and `run = "go run ./cmd/api"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_file_with_a_proxy_only_has_nothing_to_do() {
    let toml = r#"[proxy]
listen = 3000"#;
    let message = r#"error: there is nothing to do: no `[[step]]` and no `[[service]]`
 --> dev.toml:1:1
  |
1 | [proxy]
  | ^
  |
  = hint: such as `[[service]]` with `name = "api"` and `run = "go run ./cmd/api"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn several_problems_come_in_the_order_of_the_file() {
    let toml = r#"[proxy]
fresh = 5

[[service]]
name = "api"
run = "x"
helth = "/"
swap = "blue-green"
needs = ["bd"]"#;
    let message = r#"error: `fresh` needs a unit
 --> dev.toml:2:9
  |
2 | fresh = 5
  |         ^
  |
  = hint: write `fresh = "5s"` or `"5ms"`

error: unknown key `helth` in service `api`
 --> dev.toml:7:1
  |
7 | helth = "/"
  | ^^^^^
  |
  = hint: did you mean `health`?

error: `swap` cannot be `blue-green`
 --> dev.toml:8:8
  |
8 | swap = "blue-green"
  |        ^^^^^^^^^^^^
  |
  = hint: it can be `auto`, `overlap` or `exclusive`

error: no service is named `bd`
 --> dev.toml:9:10
  |
9 | needs = ["bd"]
  |          ^^^^
  |
  = hint: the only service is `api`

4 problems"#;
    assert_eq!(problem_of(toml), message);
}
