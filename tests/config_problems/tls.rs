//! What is said about certificates: `tls` of a service, `client_certs`.

use super::{problem_of, warnings_of};

const SERVICE: &str = "[[service]]\nname = \"api\"\nrun = \"x\"\n";

#[test]
fn http_2_inside_tls_needs_tls_and_http_2_without_it_does_not_go_with_it() {
    let message = r#"error: `protocol = "h2"` is HTTP/2 inside TLS, and there is no `tls`
 --> dev.toml:4:12
  |
4 | protocol = "h2"
  |            ^^^^
  |
  = hint: add `tls = true`; HTTP/2 without TLS is `protocol = "h2c"`"#;
    assert_eq!(problem_of(&format!("{SERVICE}protocol = \"h2\"")), message);
    let message = r#"error: `protocol = "h2c"` is HTTP/2 without TLS, and there is a `tls`
 --> dev.toml:5:12
  |
5 | protocol = "h2c"
  |            ^^^^^
  |
  = hint: HTTP/2 inside TLS is `protocol = "h2"`"#;
    assert_eq!(problem_of(&format!("{SERVICE}tls = true\nprotocol = \"h2c\"")), message);
}

#[test]
fn tls_needs_somebody_to_speak_to() {
    let message = r#"error: `tls` has no effect: with `port = "none"` the program is not spoken to
 --> dev.toml:5:1
  |
5 | tls = true
  | ^^^
  |
  = hint: leave one of them out"#;
    assert_eq!(problem_of(&format!("{SERVICE}port = \"none\"\ntls = true")), message);
}

#[test]
fn whom_to_trust_is_said_once_and_soundly() {
    let message = r#"error: `insecure` contradicts `ca`: one checks certificates, the other does not
 --> dev.toml:4:23
  |
4 | tls = { ca = "file", insecure = true }
  |                      ^^^^^^^^
  |
  = hint: keep `ca`"#;
    assert_eq!(
        problem_of(&format!("{SERVICE}tls = {{ ca = \"file\", insecure = true }}")),
        message.replace(":4:23", ":4:22")
    );
    let message = r#"error: `web` is a folder, not a file
 --> dev.toml:4:14
  |
4 | tls = { ca = "web" }
  |              ^^^^^"#;
    assert_eq!(problem_of(&format!("{SERVICE}tls = {{ ca = \"web\" }}")), message);
    let message = r#"error: unknown key `servername` in `tls`
 --> dev.toml:4:9
  |
4 | tls = { servername = "a.test" }
  |         ^^^^^^^^^^
  |
  = hint: did you mean `server_name`?"#;
    assert_eq!(problem_of(&format!("{SERVICE}tls = {{ servername = \"a.test\" }}")), message);
    let message = r#"error: `server_name` is one name, not a pattern like `*.a.test`
 --> dev.toml:4:23
  |
4 | tls = { server_name = "*.a.test" }
  |                       ^^^^^^^^^^
  |
  = hint: a name that the certificate is for, such as `"www.app.test"`"#;
    assert_eq!(problem_of(&format!("{SERVICE}tls = {{ server_name = \"*.a.test\" }}")), message);
    let message = r#"error: `tls` must be `true`, `false` or a table, not a string
 --> dev.toml:4:7
  |
4 | tls = "yes"
  |       ^^^^^
  |
  = hint: the keys of the table are `ca`, `server_name` and `insecure`"#;
    assert_eq!(problem_of(&format!("{SERVICE}tls = \"yes\"")), message);
}

#[test]
fn who_checks_nothing_is_warned_and_who_names_a_file_that_is_not_there_too() {
    let warning = warnings_of(&format!("{SERVICE}tls = {{ insecure = true }}"));
    assert!(warning.contains("nobody checks who answers"), "{warning}");
    assert!(warning.contains("dev.toml:4:9"), "{warning}");
    let warning = warnings_of(&format!("{SERVICE}tls = {{ ca = \"certs/ca.pem\" }}"));
    assert!(warning.contains("`certs/ca.pem` does not exist"), "{warning}");
    assert_eq!(warnings_of(&format!("{SERVICE}tls = {{ ca = \"file\", server_name = \"a.test\" }}")), "");
}

#[test]
fn certificates_of_clients_need_https_an_authority_and_a_field_that_can_carry_them() {
    let message = r#"error: `client_certs` has no effect: certificates are shown in HTTPS only
 --> dev.toml:2:1
  |
2 | client_certs = { ca = "file" }
  | ^^^^^^^^^^^^
  |
  = hint: add `tls = true`"#;
    assert_eq!(problem_of(&format!("[proxy]\nclient_certs = {{ ca = \"file\" }}\n{SERVICE}")), message);
    let message = r#"error: `client_certs` has no `ca`
 --> dev.toml:3:1
  |
3 | client_certs = { required = true }
  | ^^^^^^^^^^^^
  |
  = hint: the authority that signs certificates of clients, such as `ca = "certs/clients.pem"`"#;
    assert_eq!(problem_of(&format!("[proxy]\ntls = true\nclient_certs = {{ required = true }}\n{SERVICE}")), message);
    let message = r#"error: `Connection` cannot carry a certificate
 --> dev.toml:3:41
  |
3 | client_certs = { ca = "file", header = "Connection" }
  |                                        ^^^^^^^^^^^^
  |
  = hint: leave `header` out for `Client-Cert`, as RFC 9440 has it"#;
    let toml = format!("[proxy]\ntls = true\nclient_certs = {{ ca = \"file\", header = \"Connection\" }}\n{SERVICE}");
    assert_eq!(problem_of(&toml), message.replace(":3:41", ":3:40"));
}
