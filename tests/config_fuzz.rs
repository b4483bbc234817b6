//! Any text at all: a plan or problems, never a panic; each problem has a place in the text and can be shown.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use devloop::{
    config,
    error::{Colour, render},
    plan::describe,
};
use proptest::prelude::*;

const WHOLE: &str = include_str!("../docs/config.md");

/// The blocks of the reference.
fn blocks() -> Vec<String> {
    WHOLE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn check(text: &str) {
    match config::load(text, Path::new("dev.toml"), Path::new("/")) {
        Ok(loaded) => {
            describe(&loaded.plan);
            for step in 0..loaded.plan.steps.len() {
                loaded.plan.before_step(step);
            }
            for service in &loaded.plan.services {
                loaded.plan.only(&[service.name.to_string()]).unwrap();
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in &problems {
                let place = problem.place.as_ref().unwrap();
                assert!(place.span.start <= text.len(), "{problem:?}");
            }
            assert!(render(&problems, Colour::Never).starts_with("error: "));
            render(&problems, Colour::Always);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_file_with_some_letters_changed(
        block in 0..8_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..8_usize, "[\\[\\]{}=\"',.#a-z0-9\n\\\\é]{0,3}"), 1..4),
    ) {
        let blocks = blocks();
        let mut letters: Vec<char> = blocks[block % blocks.len()].chars().collect();
        for (place, removed, added) in changes {
            let start = place.index(letters.len() + 1);
            let end = (start + removed).min(letters.len());
            letters.splice(start..end, added.chars());
        }
        check(&letters.into_iter().collect::<String>());
    }

    #[test]
    fn lines_in_any_order(mut lines in Just(blocks().concat().lines().map(str::to_owned).collect::<Vec<_>>()).prop_shuffle(), kept in 1..30_usize) {
        lines.truncate(kept);
        check(&lines.join("\n"));
    }

    #[test]
    fn any_text(text in "\\PC{0,80}") {
        check(&text);
    }
}
