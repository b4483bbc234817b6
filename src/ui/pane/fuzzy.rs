//! Does what was typed mean these words? Its letters have to come in them in order; the closer together and the nearer
//! to the beginnings of words, the better.

/// How well `typed` fits; none if a letter of it is missing. Blanks are skipped, capitals are small letters.
pub(super) fn score(words: &str, typed: &str) -> Option<u32> {
    let wanted: Vec<char> = typed.to_lowercase().chars().filter(|letter| !letter.is_whitespace()).collect();
    let words: Vec<char> = words.to_lowercase().chars().collect();
    if wanted.is_empty() {
        return Some(0);
    }
    let starts = (0..words.len()).filter(|at| words[*at] == wanted[0]);
    starts.filter_map(|start| score_from(&words, start, &wanted)).max()
}

/// Takes each letter where it comes first, from `start` on.
fn score_from(words: &[char], start: usize, wanted: &[char]) -> Option<u32> {
    let mut score = 0;
    let mut last: Option<usize> = None;
    let mut at = start;
    for letter in wanted {
        let found = at + words.get(at..)?.iter().position(|known| known == letter)?;
        let begins_word = found == 0 || !words[found - 1].is_alphanumeric();
        let follows = last.is_some_and(|last| last + 1 == found);
        score += 1 + if begins_word { 8 } else { 0 } + if follows { 5 } else { 0 };
        last = Some(found);
        at = found + 1;
    }
    Some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_to_come_in_order() {
        assert!(score("restart api", "rapi").is_some());
        assert!(score("restart api", "ra pi").is_some());
        assert!(score("restart api", "ipa").is_none());
        assert!(score("restart api", "RESTART").is_some());
        assert_eq!(score("anything", ""), Some(0));
    }

    #[test]
    fn whole_words_and_beginnings_are_better() {
        let better = |typed: &str, better: &str, worse: &str| {
            assert!(score(better, typed) > score(worse, typed), "{typed}: {better} or {worse}");
        };
        better("api", "restart api", "log: above picture is");
        better("ra", "restart api", "log: clear all a");
        better("wrap", "log: wrap long lines", "window: rearrange a pane");
    }
}
