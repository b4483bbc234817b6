//! What is searched for in the log: a regular expression, or, where it is none, the words as they are.

use std::ops::Range;

use regex::{Regex, RegexBuilder};

/// Small letters find capitals, too; a capital letter finds only itself.
#[derive(Clone, Debug)]
pub(in super::super) struct Search {
    /// As it was typed.
    pub(in super::super) words: String,
    pattern: Regex,
}

impl Search {
    /// None for nothing.
    pub(in super::super) fn new(words: &str) -> Option<Search> {
        if words.is_empty() {
            return None;
        }
        let insensitive = !words.chars().any(char::is_uppercase);
        let build =
            |pattern: &str| RegexBuilder::new(pattern).case_insensitive(insensitive).size_limit(1 << 20).build();
        let pattern = build(words).or_else(|_| build(&regex::escape(words))).ok()?;
        Some(Search { words: words.to_owned(), pattern })
    }

    pub(in super::super) fn finds(&self, text: &str) -> bool {
        self.pattern.is_match(text)
    }

    /// The bytes of `text` that were searched for.
    pub(in super::super) fn places(&self, text: &str) -> Vec<Range<usize>> {
        self.pattern.find_iter(text).map(|found| found.range()).filter(|range| !range.is_empty()).collect()
    }
}

impl PartialEq for Search {
    fn eq(&self, other: &Search) -> bool {
        self.words == other.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_pattern_if_they_can_be_one() {
        let finds = |words: &str, text: &str| Search::new(words).expect("words").finds(text);
        assert!(finds("error", "an ERROR"));
        assert!(!finds("Error", "an ERROR"));
        assert!(finds("a.c", "abc"));
        assert!(finds("f(", "f(x)"));
        assert!(finds("[", "a[0]"));
        assert!(Search::new("").is_none());
        assert_eq!(Search::new("a").expect("words").places("banana"), [1..2, 3..4, 5..6]);
    }
}
