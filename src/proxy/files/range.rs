//! Which part of a file is wanted (RFC 9110 section 14). Pure.

use std::ops::Range;

/// What `Range` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: no range, several of them, or one that says nothing.
    Whole,
    /// These bytes; at least one.
    Of(Range<u64>),
    /// Bytes that it does not have.
    Outside,
}

/// What `range`, a whole field, asks for in a file of this length.
pub(super) fn part(range: &[u8], length: u64) -> Part {
    let text = std::str::from_utf8(range).unwrap_or_default().trim();
    let Some((unit, set)) = text.split_once('=') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Part::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Part::Whole };
    let bytes = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.trim().is_empty() => first..length,
        (None, Some(last)) if first.trim().is_empty() => length.saturating_sub(last)..length,
        _ => return Part::Whole,
    };
    if bytes.is_empty() { Part::Outside } else { Part::Of(bytes) }
}

fn number(digits: &str) -> Option<u64> {
    let digits = digits.trim();
    // A number beyond all files is still one.
    let known = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    known.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_answered_and_several_are_not_cut() {
        for (range, wanted) in [
            ("bytes=0-0", Part::Of(0..1)),
            ("bytes=2-4", Part::Of(2..5)),
            ("Bytes = 2-", Part::Of(2..10)),
            ("bytes=-3", Part::Of(7..10)),
            ("bytes=-99", Part::Of(0..10)),
            ("bytes=9-99999999999999999999999", Part::Of(9..10)),
            ("bytes=10-", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=99999999999999999999-", Part::Outside),
            ("bytes=4-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(range.as_bytes(), 10), wanted, "{range}");
        }
        assert_eq!(part(b"bytes=0-", 0), Part::Outside);
        assert_eq!(part(b"\xff", 10), Part::Whole);
    }
}
