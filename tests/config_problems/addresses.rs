//! Ports, addresses and hosts.

use super::problem_of;

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
