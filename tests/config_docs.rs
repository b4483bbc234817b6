//! docs/config.md is true: its blocks load, and it describes every key that dev.toml knows.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use devloop::{
    config,
    error::{Colour, render},
};

const DOCS: &str = include_str!("../docs/config.md");

fn load(toml: &str) -> Result<config::Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "").unwrap();
    let root = folder.path().canonicalize().unwrap();
    config::load(toml, Path::new("dev.toml"), &root).map_err(|problems| render(&problems, Colour::Never))
}

#[test]
fn every_block_is_a_good_dev_toml_without_warnings() {
    let blocks: Vec<&str> = DOCS.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 6);
    for block in blocks {
        let loaded = load(block).unwrap_or_else(|problems| panic!("{block}\n{problems}"));
        assert_eq!(loaded.warnings, [], "{block}");
    }
}

/// The keys that devloop itself lists for an unknown one.
fn keys_of(toml: &str) -> Vec<String> {
    let problems = load(toml).unwrap_err();
    let hint = problems.lines().find(|line| line.contains("the keys are")).unwrap_or_else(|| panic!("{problems}"));
    hint.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_key_is_in_the_table_of_its_section() {
    let service = "[[service]]\nname = \"a\"\nrun = \"x\"\n";
    for (heading, toml) in [
        ("## `[watch]`", "[watch]\nqqqqqqqq = 1\n".to_owned()),
        ("## `[proxy]`", "[proxy]\nqqqqqqqq = 1\n".to_owned()),
        ("## `[[route]]`", "[[route]]\nqqqqqqqq = 1\n".to_owned()),
        ("## `[[hook]]`", "[[hook]]\nqqqqqqqq = 1\n".to_owned()),
        ("## `[[step]]`", "[[step]]\nqqqqqqqq = 1\n".to_owned()),
        ("## `[[service]]`", "[[service]]\nqqqqqqqq = 1\n".to_owned()),
        ("### `health`", format!("{service}health = {{ qqqqqqqq = 1 }}\n")),
        ("### `tls`", format!("{service}tls = {{ qqqqqqqq = 1 }}\n")),
        ("### `stop`", format!("{service}stop = {{ qqqqqqqq = 1 }}\n")),
        ("### `debug`", format!("{service}debug = {{ qqqqqqqq = 1 }}\n")),
    ] {
        let section = DOCS.split(&format!("{heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
        let section = section.split("\n##").next().unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let keys = keys_of(&toml);
        assert!(keys.len() >= 3, "{keys:?}");
        for key in keys {
            let described = |row: &&&str| row.split('|').nth(1).unwrap().contains(&format!("`{key}`"));
            assert!(rows.iter().find(described).is_some(), "{heading} does not describe `{key}`");
        }
    }
}
