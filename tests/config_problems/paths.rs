//! Patterns, files and folders.

use super::problem_of;

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
