//! `[proxy]`: what is wrong with what it says about pages.

use crate::problem_of;

/// With a service, so that nothing else is wrong.
fn problem(proxy: &str) -> String {
    problem_of(&format!("[proxy]\n{proxy}\n\n[[service]]\nname = \"api\"\nrun = \"x\""))
}

#[test]
fn reload_is_one_of_three() {
    let message = r#"error: `reload` must be `true`, `false` or `"all"`, not `"always"`
 --> dev.toml:2:10
  |
2 | reload = "always"
  |          ^^^^^^^^
  |
  = hint: `true`: pages reload for swaps of the service that wrote them; `"all"`: for every swap"#;
    assert_eq!(problem("reload = \"always\""), message);
    assert!(problem("reload = 1").contains("not a number"), "{}", problem("reload = 1"));
}

#[test]
fn an_editor_is_known_or_an_address() {
    let message = r#"error: `editor` cannot be `vscod`
 --> dev.toml:2:10
  |
2 | editor = "vscod"
  |          ^^^^^^^
  |
  = hint: did you mean `vscode`?; or an address such as `"vscode://file{file}:{line}:{column}"`"#;
    assert_eq!(problem("editor = \"vscod\""), message);
}

#[test]
fn an_editors_address_opens_an_editor_and_nothing_in_the_page() {
    let message = r#"error: `editor` cannot open `javascript:` addresses
 --> dev.toml:2:10
  |
2 | editor = "javascript:alert({file})"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: the scheme is that of the editor, such as `vscode://`"#;
    assert_eq!(problem("editor = \"javascript:alert({file})\""), message);
    for bad in ["Data:{file}", " vscode:{file}", ":{file}", "1x:{file}"] {
        assert!(problem(&format!("editor = \"{bad}\"")).contains("addresses"), "{bad}");
    }
}

#[test]
fn an_editors_address_says_where_the_file_goes() {
    let message = r#"error: `editor` does not say where the file goes
 --> dev.toml:2:10
  |
2 | editor = "emacs://open?line={line}"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: put `{file}` into it, and `{line}` and `{column}` where it knows them"#;
    assert_eq!(problem("editor = \"emacs://open?line={line}\""), message);
}

#[test]
fn waiting_is_a_time_or_false() {
    let message = r#"error: `waiting` needs a unit
 --> dev.toml:2:11
  |
2 | waiting = 1
  |           ^
  |
  = hint: write `waiting = "1s"` or `"1ms"`"#;
    assert_eq!(problem("waiting = 1"), message);
    assert!(problem("waiting = true").contains("must be a time or `false`"), "{}", problem("waiting = true"));
}
