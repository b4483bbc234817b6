//! Values with a form of their own: times, ports, addresses, patterns, signals, choices.

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

#[test]
fn a_port_in_quotes_is_shown_without() {
    let toml = r#"[[service]]
name = "api"
run = "x"
port = "8080""#;
    let message = r#"error: `port` cannot be `8080`
 --> dev.toml:4:8
  |
4 | port = "8080"
  |        ^^^^^^
  |
  = hint: write `port = 8080` without quotes"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_port_is_auto_or_none_or_a_number() {
    let toml = r#"[[service]]
name = "api"
run = "x"
port = "atuo""#;
    let message = r#"error: `port` cannot be `atuo`
 --> dev.toml:4:8
  |
4 | port = "atuo"
  |        ^^^^^^
  |
  = hint: did you mean `auto`?"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_port_that_is_too_large_is_said() {
    let toml = r#"[[service]]
name = "api"
run = "x"
port = 70000"#;
    let message = r#"error: `port` must be from 1 to 65535, not 70000
 --> dev.toml:4:8
  |
4 | port = 70000
  |        ^^^^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn port_zero_is_no_fixed_port() {
    let toml = r#"[[service]]
name = "api"
run = "x"
port = 0"#;
    let message = r#"error: `port` must be from 1 to 65535, not 0
 --> dev.toml:4:8
  |
4 | port = 0
  |        ^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_port_that_is_false_is_told_the_choices() {
    let toml = r#"[[service]]
name = "api"
run = "x"
port = false"#;
    let message = r#"error: `port` cannot be `false`
 --> dev.toml:4:8
  |
4 | port = false
  |        ^^^^^
  |
  = hint: `port` is `"auto"`, a number or `"none"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_listen_that_is_a_url_is_said() {
    let toml = r#"[proxy]
listen = "http://localhost:3000"

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `http://localhost:3000` is a URL, not an address to listen on
 --> dev.toml:2:10
  |
2 | listen = "http://localhost:3000"
  |          ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: write a port like `3000`, or an address like `"127.0.0.1:3000"` or `"[::1]:3000"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_listen_without_a_port_is_said() {
    let toml = r#"[proxy]
listen = "localhost"

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `localhost` has no port
 --> dev.toml:2:10
  |
2 | listen = "localhost"
  |          ^^^^^^^^^^^
  |
  = hint: write a port like `3000`, or an address like `"127.0.0.1:3000"` or `"[::1]:3000"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_listen_with_a_bare_ipv6_address_needs_brackets() {
    let toml = r#"[proxy]
listen = "::1:3000"

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: the IPv6 address in `::1:3000` needs brackets
 --> dev.toml:2:10
  |
2 | listen = "::1:3000"
  |          ^^^^^^^^^^
  |
  = hint: write a port like `3000`, or an address like `"127.0.0.1:3000"` or `"[::1]:3000"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_listen_above_the_last_port_is_said() {
    let toml = r#"[proxy]
listen = 65536

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `listen` must be from 0 to 65535, not 65536
 --> dev.toml:2:10
  |
2 | listen = 65536
  |          ^^^^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_host_with_a_port_is_no_host() {
    let toml = r#"[proxy]
hosts = ["app.test:3000"]

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: `app.test:3000` is not a host name
 --> dev.toml:2:10
  |
2 | hosts = ["app.test:3000"]
  |          ^^^^^^^^^^^^^^^
  |
  = hint: write the name alone, such as `"app.test"`, or `"*.app.test"` for every name below it: no scheme, no port"#;
    assert_eq!(problem_of(toml), message);
}

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
fn a_pattern_that_is_none_is_pointed_at_in_its_array() {
    let toml = r#"[[step]]
name = "a"
run = "x"
inputs = ["a/**", "b[", "c/{d"]"#;
    let message = r#"error: `b[` is not a pattern: unclosed character class; missing ']'
 --> dev.toml:4:19
  |
4 | inputs = ["a/**", "b[", "c/{d"]
  |                   ^^^^

error: `c/{d` is not a pattern: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
 --> dev.toml:4:25
  |
4 | inputs = ["a/**", "b[", "c/{d"]
  |                         ^^^^^^

2 problems"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_absolute_pattern_is_refused() {
    let toml = r#"[[service]]
name = "api"
run = "x"
inputs = ["/etc/**"]"#;
    let message = r#"error: the pattern `/etc/**` is not relative
 --> dev.toml:4:11
  |
4 | inputs = ["/etc/**"]
  |           ^^^^^^^^^
  |
  = hint: patterns are relative to the folder of dev.toml; `../lib/**` reaches outside of it"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_empty_pattern_is_refused() {
    let toml = r#"[watch]
ignore = [""]

[[service]]
name = "api"
run = "x""#;
    let message = r#"error: an empty pattern matches nothing
 --> dev.toml:2:11
  |
2 | ignore = [""]
  |           ^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn patterns_that_only_take_out_match_nothing() {
    let toml = r#"[[step]]
name = "a"
run = "x"
outputs = ["!a"]"#;
    let message = r#"error: these patterns only take paths out: nothing matches
 --> dev.toml:4:11
  |
4 | outputs = ["!a"]
  |           ^^^^^^
  |
  = hint: put `"**"` before them for everything else"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn inputs_of_an_unknown_tool_chain_are_told_how() {
    let toml = r#"[[step]]
name = "a"
run = "x"
inputs = "**/*.go""#;
    let message = r#"error: `**/*.go` is not a tool chain that `inputs` can be asked of
 --> dev.toml:4:10
  |
4 | inputs = "**/*.go"
  |          ^^^^^^^^^
  |
  = hint: write `inputs = ["**/*.go"]` for a pattern, or one of `"go"` and `"cargo"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_folder_that_does_not_exist_is_said() {
    let toml = r#"[[service]]
name = "api"
run = "x"
cwd = "wbe""#;
    let message = r#"error: the folder `wbe` does not exist
 --> dev.toml:4:7
  |
4 | cwd = "wbe"
  |       ^^^^^
  |
  = hint: `cwd` is relative to the folder of dev.toml"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_cwd_that_is_a_file_is_said() {
    let toml = r#"[[service]]
name = "api"
run = "x"
cwd = "file""#;
    let message = r#"error: `file` is not a folder
 --> dev.toml:4:7
  |
4 | cwd = "file"
  |       ^^^^^^
  |
  = hint: `cwd` is relative to the folder of dev.toml"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_env_file_that_is_a_folder_is_said() {
    let toml = r#"[[service]]
name = "api"
run = "x"
env_files = ["web"]"#;
    let message = r#"error: `web` is a folder, not a file
 --> dev.toml:4:14
  |
4 | env_files = ["web"]
  |              ^^^^^"#;
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
