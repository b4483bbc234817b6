//! Where fuzzers come in: pages, their codings and their policies, as any bytes. Each function panics if a rule is
//! broken.

use bytes::Bytes;

use super::{
    csp::{Policies, Wanted, widen},
    decode::{Coding, Decode},
    insert::{Certainty, Insert},
};

const TAG: &[u8] = b"<script async></script>";
/// Every border is tried: longer pages would take too long.
const LONGEST: usize = 400;

/// A page, after one byte that says how sure it is that it is one: with a border at every byte of it, and byte by byte,
/// the tag comes to the same place, and not one other byte changes.
pub fn insertion(bytes: &[u8]) {
    let Some((first, page)) = bytes.split_first() else { return };
    let certainty = if first % 2 == 0 { Certainty::Page } else { Certainty::Perhaps };
    let page = &page[..page.len().min(LONGEST)];
    let whole = inserted([page], certainty);
    // It may have come with the page, too.
    let mut tags = whole.windows(TAG.len()).enumerate().filter(|(_, window)| *window == TAG);
    let without = |at: usize| [&whole[..at], &whole[at + TAG.len()..]].concat();
    assert!(
        whole == page || tags.any(|(at, _)| without(at) == page),
        "more than the tag is new: {}",
        whole.escape_ascii()
    );
    for border in 0..=page.len() {
        let (first, second) = page.split_at(border);
        assert_eq!(inserted([first, second], certainty), whole, "with a border at {border}");
    }
    assert_eq!(inserted(page.chunks(1), certainty), whole, "byte by byte");
}

fn inserted<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, certainty: Certainty) -> Vec<u8> {
    let mut insert = Insert::new(Bytes::from_static(TAG), certainty);
    let mut out: Vec<u8> =
        pieces.into_iter().flat_map(|piece| insert.feed(Bytes::copy_from_slice(piece)).concat()).collect();
    out.extend(insert.finish().concat());
    out
}

/// A compressed page, after one byte for its coding and one for a border: it comes out the same with the border and
/// without it, or not at all.
pub fn coding(bytes: &[u8]) {
    let [coding, border, packed @ ..] = bytes else { return };
    let coding = if coding % 2 == 0 { Coding::Gzip } else { Coding::Brotli };
    let (first, second) = packed.split_at(usize::from(*border).min(packed.len()));
    let (whole, halves) = (unpacked(coding, &[packed]), unpacked(coding, &[first, second]));
    assert_eq!(whole.is_ok(), halves.is_ok());
    if let (Ok(whole), Ok(halves)) = (whole, halves) {
        assert!(whole == halves, "a border at {border} changes the page");
    }
}

fn unpacked(coding: Coding, pieces: &[&[u8]]) -> std::io::Result<Vec<u8>> {
    let mut decode = Decode::new(coding);
    let mut out = Vec::new();
    for piece in pieces {
        let mut piece = Bytes::copy_from_slice(piece);
        while !piece.is_empty() {
            out.extend(decode.take(&mut piece)?);
        }
    }
    out.extend(decode.finish()?);
    Ok(out)
}

/// The values of `Content-Security-Policy`, one a line: each directive keeps what it had, in its place, and gets
/// nothing but what devloop's tag needs; once that is there, nothing more is added.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let values: Vec<&str> = text.lines().filter(|line| !line.contains(|letter: char| letter.is_control())).collect();
    let wanted = Wanted { script: "http://a:1/.devloop/client.js", requests: "http://a:1/.devloop/", nonce: "OURS" };
    let Policies::Open(widened, nonce) = widen(&values, wanted) else { return };
    assert_eq!(widened.len(), values.len());
    let own = [
        wanted.script.to_owned(),
        wanted.requests.to_owned(),
        format!("'nonce-{}'", nonce.clone().unwrap_or_default()),
    ];
    for (before, after) in values.iter().zip(&widened) {
        for (before, after) in before.split(',').zip(after.split(',')) {
            let (before, after) = (directives(before), directives(after));
            for (before, after) in before.iter().zip(&after) {
                let kept = |word: &&&str| !word.eq_ignore_ascii_case("'none'");
                assert!(before.iter().filter(kept).all(|word| after.contains(word)), "{before:?} became {after:?}");
                assert!(
                    after.iter().all(|word| before.contains(word) || own.iter().any(|own| own == word)),
                    "{before:?} became {after:?}"
                );
            }
            for more in after.iter().skip(before.len()) {
                assert!(["script-src", "connect-src"].contains(&more[0]), "{more:?} is new");
            }
        }
    }
    let again: Vec<&str> = widened.iter().map(String::as_str).collect();
    assert_eq!(widen(&again, wanted), Policies::Open(widened.clone(), nonce), "the second time");
}

/// Name and sources of each.
fn directives(policy: &str) -> Vec<Vec<&str>> {
    let words = policy.split(';').map(|part| part.split_ascii_whitespace().collect::<Vec<_>>());
    words.filter(|words| !words.is_empty()).collect()
}
