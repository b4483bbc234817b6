//! The keys that `[proxy]` and `[[route]]` share: headers, CORS, limits and the rest.

use super::problem_of;

fn proxy(keys: &str) -> String {
    problem_of(&format!("[proxy]\n{keys}\n\n[[service]]\nname = \"api\"\nrun = \"x\""))
}

#[test]
fn a_field_that_frames_the_message_cannot_be_set() {
    let message = r#"error: `content-length` cannot be changed
 --> dev.toml:2:22
  |
2 | response_headers = { Content-Length = "5" }
  |                      ^^^^^^^^^^^^^^
  |
  = hint: it says how the message travels, and the proxy sees to that"#;
    assert_eq!(proxy("response_headers = { Content-Length = \"5\" }"), message);
}

#[test]
fn a_host_among_the_request_headers_is_sent_to_its_own_key() {
    let message = r#"error: `host` cannot be set here
 --> dev.toml:2:21
  |
2 | request_headers = { Host = "app.test" }
  |                     ^^^^
  |
  = hint: `host_header` does that"#;
    assert_eq!(proxy("request_headers = { Host = \"app.test\" }"), message);
}

#[test]
fn a_rate_limit_needs_its_number() {
    let message = r#"error: `rate_limit` has no `requests`
 --> dev.toml:2:14
  |
2 | rate_limit = { per = "1s" }
  |              ^^^^^^^^^^^^^^
  |
  = hint: such as `rate_limit = { requests = 10, per = "1s" }`"#;
    assert_eq!(proxy("rate_limit = { per = \"1s\" }"), message);
}

#[test]
fn credentials_for_all_origins_are_refused_before_browsers_do() {
    let message = r#"error: `credentials` cannot be allowed to all origins: browsers refuse it
 --> dev.toml:2:27
  |
2 | cors = { origins = ["*"], credentials = true }
  |                           ^^^^^^^^^^^
  |
  = hint: list the origins that need them"#;
    assert_eq!(proxy("cors = { origins = [\"*\"], credentials = true }"), message);
}

#[test]
fn a_size_without_a_unit_is_told_how() {
    let message = r#"error: `max_body` needs a unit
 --> dev.toml:2:12
  |
2 | max_body = 1000
  |            ^^^^
  |
  = hint: write `max_body = "1000B"`, or such as `"64KiB"` or `"10MiB"`"#;
    assert_eq!(proxy("max_body = 1000"), message);
}

#[test]
fn every_value_has_its_own_words() {
    for (keys, message) in [
        ("request_headers = [\"x\"]", "`request_headers` must be a table, not an array"),
        ("request_headers = { \"a b\" = \"x\" }", "`a b` is not the name of a field"),
        ("request_headers = { x = 1 }", "`x` must be a string or `false`, not a number"),
        ("request_headers = { x = true }", "`x` must be a string or `false`, not `true`"),
        ("request_headers = { x = \"a\\nb\" }", "the value of `x` cannot be sent"),
        ("request_headers = { x = \"a\", X = \"b\" }", "the field `x` is named twice"),
        ("security_headers = \"yes\"", "`security_headers` must be `true` or `false`, not a string"),
        ("cors = \"*\"", "`cors` must be `true`, `false` or a table, not a string"),
        ("cors = { origins = [\"app.test\"] }", "`app.test` is not an origin"),
        ("cors = { origins = [\"http://app.test/x\"] }", "`http://app.test/x` is not an origin"),
        ("cors = { origin = [\"*\"] }", "unknown key `origin` in `cors`"),
        ("cors = { methods = [\"G ET\"] }", "`G ET` is not a name"),
        ("host_header = \"http://app.test\"", "`host_header` cannot be `http://app.test`"),
        ("basic_auth = \"ann:secret\"", "`basic_auth` must be a table, not a string"),
        ("basic_auth = {}", "`basic_auth` names nobody: nobody would be let in"),
        ("basic_auth = { \"a:b\" = \"x\" }", "a name cannot hold a `:` (it ends there)"),
        ("rate_limit = { requests = 0 }", "`requests` must be from 1 to 65535, not 0"),
        ("rate_limit = { requests = \"5\" }", "`requests` must be a number, not a string"),
        ("rate_limit = true", "`rate_limit` must be a table, not `true`"),
        ("max_body = \"10 apples\"", "`apples` is not a unit of size"),
        ("max_headers = \"0B\"", "the size `0B` is not one that a message can have"),
        ("latency = [\"2s\", \"1s\"]", "`latency` must be a time, or the shortest and the longest one"),
        ("latency = 5", "`latency` needs a unit"),
        ("fail = 1.5", "`fail` must be from 0 to 1, not 1.5"),
        ("fail = \"10%\"", "`fail` must be a number, not a string"),
        ("fail = { status = 500 }", "`fail` has no `rate`"),
        ("fail = { rate = 0.1, status = 200 }", "`status` must be from 400 to 599, not 200"),
        ("compress = \"gzip\"", "`compress` must be `true` or `false`, not a string"),
        ("access_log = 1", "`access_log` must be `true` or `false`, not a number"),
    ] {
        let told = proxy(keys);
        assert!(told.starts_with(&format!("error: {message}\n")), "{keys}\n{told}");
    }
}
