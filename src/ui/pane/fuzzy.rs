//! Does what was typed mean these words? Its letters have to come in them in order; the closer together and the nearer
//! to the beginnings of words, the better.

/// How well `typed` fits; none if a letter of it is missing. Blanks are skipped, capitals are small letters.
pub(super) fn score(words: &str, typed: &str) -> Option<u32> {
    let wanted: Vec<char> = typed.to_lowercase().chars().filter(|letter| !letter.is_whitespace()).collect();
    let words: Vec<char> = words.to_lowercase().chars().collect();
    if wanted.is_empty() {
        return Some(0);
    }
    // The best way to have come to each place with the letter that is taken there.
    let mut best: Vec<Option<u32>> = words.iter().map(|letter| (*letter == wanted[0]).then_some(0)).collect();
    add_places(&words, &mut best);
    for letter in &wanted[1..] {
        let mut next = vec![None; words.len()];
        for at in (1..words.len()).filter(|at| words[*at] == *letter) {
            let from_afar = best[..at - 1].iter().flatten().max().copied();
            let follows = best[at - 1].map(|score| score + FOLLOWS);
            next[at] = from_afar.max(follows);
        }
        add_places(&words, &mut next);
        best = next;
    }
    best.into_iter().flatten().max()
}

/// For a letter right behind the one before.
const FOLLOWS: u32 = 10;
/// For a letter that begins a word.
const BEGINS: u32 = 8;

/// What a letter is worth by its place alone.
fn add_places(words: &[char], scores: &mut [Option<u32>]) {
    for (at, score) in scores.iter_mut().enumerate() {
        let begins = at == 0 || !words[at - 1].is_alphanumeric();
        *score = score.map(|score| score + 1 + if begins { BEGINS } else { 0 });
    }
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
        better("ra", "restart api", "log: clear all");
        better("wrap", "log: wrap long lines", "window: rearrange a pane");
    }
}
