//! What a test needs and this machine may not have.

use std::process::Command;

/// Whether this program can be used here.
pub fn have(program: &str) -> bool {
    let found = Command::new(program).arg(if program == "go" { "version" } else { "--version" }).output();
    // `certutil` has no way to ask it nothing.
    usable(program, found.is_ok_and(|output| output.status.success() || program == "certutil"))
}

/// Whether it is usable, as was found. Says so if not; fails if `DEVLOOP_TEST_REQUIRE` names it.
pub fn usable(program: &str, found: bool) -> bool {
    let required = std::env::var("DEVLOOP_TEST_REQUIRE").unwrap_or_default();
    assert!(found || !required.split(',').any(|name| name == program), "`{program}` is required and missing");
    if !found {
        eprintln!("skipped: `{program}` is not installed");
    }
    found
}
