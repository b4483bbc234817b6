//! What contradicts itself: commands, ports, swaps, debuggers.

use super::problem_of;

#[test]
fn an_empty_run_is_nothing_to_run() {
    let toml = r#"[[service]]
name = "api"
run = " ""#;
    let message = r#"error: nothing to run
 --> dev.toml:3:7
  |
3 | run = " "
  |       ^^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_empty_array_is_nothing_to_run() {
    let toml = r#"[[service]]
name = "api"
run = []"#;
    let message = r#"error: nothing to run
 --> dev.toml:3:7
  |
3 | run = []
  |       ^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_quote_without_its_end_is_said() {
    let toml = r#"[[service]]
name = "api"
run = "echo 'a""#;
    let message = r#"error: a quote or bracket is not closed
 --> dev.toml:3:7
  |
3 | run = "echo 'a"
  |       ^^^^^^^^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_shell_has_no_effect_on_an_array() {
    let toml = r#"[[service]]
name = "api"
run = ["x"]
shell = "bash""#;
    let message = r#"error: `shell` has no effect: an array is never given to a shell
 --> dev.toml:4:9
  |
4 | shell = "bash"
  |         ^^^^^^
  |
  = hint: write `run` as one string, or leave `shell` out"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_empty_shell_is_refused() {
    let toml = r#"[[service]]
name = "api"
run = "x"
shell = """#;
    let message = r#"error: `shell` is empty
 --> dev.toml:4:9
  |
4 | shell = ""
  |         ^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_number_in_run_is_shown_in_quotes() {
    let toml = r#"[[service]]
name = "api"
run = ["x", 5]"#;
    let message = r#"error: `run` must hold strings, not a number
 --> dev.toml:3:13
  |
3 | run = ["x", 5]
  |             ^
  |
  = hint: write `"5"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn port_in_a_command_without_a_port_has_no_value() {
    let toml = r#"[[service]]
name = "api"
run = "x {port}"
port = "none""#;
    let message = r#"error: `{port}` has no value: this service says `port = "none"`
 --> dev.toml:3:7
  |
3 | run = "x {port}"
  |       ^^^^^^^^^^
  |
  = hint: leave `port` out to be given a free one"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn two_services_cannot_have_one_port() {
    let toml = r#"[[service]]
name = "a"
run = "x"
port = 8080

[[service]]
name = "b"
run = "x"
port = 8080"#;
    let message = r#"error: port 8080 belongs to service `a` already
 --> dev.toml:9:8
  |
9 | port = 8080
  |        ^^^^
  |
  = hint: `port = "auto"` gives each instance a free one, in `$PORT`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_service_cannot_have_the_port_of_the_proxy() {
    let toml = r#"[proxy]
listen = "127.0.0.1:8080"

[[service]]
name = "api"
run = "x"
port = 8080"#;
    let message = r#"error: port 8080 is where the proxy listens
 --> dev.toml:7:8
  |
7 | port = 8080
  |        ^^^^
  |
  = hint: leave `port` out to be given a free one in `$PORT`, or set another `listen` in `[proxy]`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_service_cannot_have_the_port_that_the_proxy_has_by_default() {
    let toml = r#"[[service]]
name = "api"
run = "x"
port = 3000"#;
    let message = r#"error: port 3000 is where the proxy listens
 --> dev.toml:4:8
  |
4 | port = 3000
  |        ^^^^
  |
  = hint: leave `port` out to be given a free one in `$PORT`, or set another `listen` in `[proxy]`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn overlap_cannot_work_with_a_fixed_port() {
    let toml = r#"[[service]]
name = "api"
run = "x"
port = 8080
swap = "overlap""#;
    let message = r#"error: `swap = "overlap"` cannot work with the fixed port 8080
 --> dev.toml:5:8
  |
5 | swap = "overlap"
  |        ^^^^^^^^^
  |
  = hint: two instances overlap, and only one can have the port: leave `port` out, or use `swap = "exclusive"`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn the_stop_command_must_be_one() {
    let toml = r#"[[service]]
name = "api"
run = "x"
stop = { run = "" }"#;
    let message = r#"error: nothing to run
 --> dev.toml:4:16
  |
4 | stop = { run = "" }
  |                ^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn an_unknown_debugger_is_said_with_those_that_are_known() {
    let toml = r#"[[service]]
name = "api"
run = "./api"
debug = "dvl""#;
    let message = r#"error: devloop knows no debugger `dvl`
 --> dev.toml:4:9
  |
4 | debug = "dvl"
  |         ^^^^^
  |
  = hint: did you mean `dlv`?"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_debuggers_command_says_where_it_listens() {
    let toml = r#"[[service]]
name = "api"
run = "./api"
debug = "gdbserver :2345 ./api""#;
    let message = r#"error: the command of `debug` does not say where the debugger is to listen
 --> dev.toml:4:9
  |
4 | debug = "gdbserver :2345 ./api"
  |         ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: put `{debug_port}` where its port belongs, such as `gdbserver 127.0.0.1:{debug_port} {build}`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn waiting_is_up_to_a_debuggers_own_command() {
    let toml = r#"[[service]]
name = "api"
run = "./api"
debug = { run = "gdbserver :{debug_port} ./api", wait = true }"#;
    let message = r#"error: `wait` has no effect: whether the program waits is up to the command in `run`
 --> dev.toml:4:50
  |
4 | debug = { run = "gdbserver :{debug_port} ./api", wait = true }
  |                                                  ^^^^
  |
  = hint: leave `wait` out"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn debug_is_a_string_or_a_table() {
    let toml = r#"[[service]]
name = "api"
run = "./api"
debug = true"#;
    let message = r#"error: `debug` must be a string or a table, not `true`
 --> dev.toml:4:9
  |
4 | debug = true
  |         ^^^^
  |
  = hint: write the name of a debugger, a command with `{debug_port}`, or a table with the keys `run`, `port` and `wait`"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn the_port_of_a_debugger_is_a_number() {
    let toml = r#"[[service]]
name = "api"
run = "./api"
debug = { port = "auto" }"#;
    let message = r#"error: `port` of a debugger must be a number, not a string
 --> dev.toml:4:18
  |
4 | debug = { port = "auto" }
  |                  ^^^^^^
  |
  = hint: such as `2345`; without it: the usual one of the debugger, or the next free one"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_socket_cannot_be_handed_over_without_a_port() {
    let toml = r#"[[service]]
name = "api"
run = "x"
port = "none"
listen_fds = true"#;
    let message = r#"error: `listen_fds` needs a port, and `port` is `"none"`
 --> dev.toml:5:1
  |
5 | listen_fds = true
  | ^^^^^^^^^^
  |
  = hint: leave `port` out to be given a free one, or leave `listen_fds` out"#;
    assert_eq!(problem_of(toml), message);
}
