//! Where the tag goes into a page: a stream of bytes in, the same bytes and the tag out. It changes and drops nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lol_html::{
    MemorySettings, doctype, element,
    html_content::Doctype,
    send::{Element, HtmlRewriter, Settings},
};

/// A page that has not shown by then where its head is stays as it is.
const FAR: usize = 64 * 1024;
/// The parser gets so much at first, and as much again as it has got each time that does not show where the head is:
/// mostly that is in the first lines, and the rest of the page, whatever it came in, need not be parsed.
const GLANCE: usize = 512;
/// What the parser may keep of an unfinished tag or comment.
const PARSER_MEMORY: usize = 256 * 1024;

/// How sure it is that a whole page comes, and not a fragment for one that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Certainty {
    /// The browser said that it navigates: whatever comes becomes a page.
    Page,
    /// Nobody said anything: only what has a doctype, `<html>` or `<head>` is a page.
    Perhaps,
}

/// Puts a tag into one page.
pub(super) struct Insert(State);

/// Looking => Done.
enum State {
    Looking(Box<Looking>),
    /// The rest goes through as it is.
    Done,
}

struct Looking {
    tag: Bytes,
    parser: HtmlRewriter<'static, Passed>,
    sight: Arc<Mutex<Sight>>,
    /// What the parser has got and not passed yet, and where in the page that begins.
    held: Vec<u8>,
    begins: usize,
}

/// What the parser has seen so far.
#[derive(Debug)]
struct Sight {
    certainty: Certainty,
    passed: usize,
    place: Place,
}

/// Where the tag belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Not seen yet.
    Unknown,
    /// Before this byte of the page.
    Before(usize),
    /// Nowhere: a fragment.
    Nowhere,
}

/// Counts what the parser is done with. It modifies nothing, so that is the page's own bytes.
struct Passed(Arc<Mutex<Sight>>);

impl lol_html::OutputSink for Passed {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        lock(&self.0).passed += chunk.len();
    }
}

impl Insert {
    /// Of `tag` into the page to come.
    pub(super) fn new(tag: Bytes, certainty: Certainty) -> Insert {
        let sight = Arc::new(Mutex::new(Sight { certainty, passed: 0, place: Place::Unknown }));
        let (of_doctype, of_element) = (Arc::clone(&sight), Arc::clone(&sight));
        let memory = MemorySettings::new().with_max_allowed_memory_usage(PARSER_MEMORY);
        let settings = Settings::new_send()
            .with_memory_settings(memory)
            .with_strict(false)
            .append_document_content_handler(doctype!(move |_: &mut Doctype<'_>| {
                lock(&of_doctype).certainty = Certainty::Page;
                Ok(())
            }))
            .append_element_content_handler(element!("*", move |element: &mut Element<'_, '_>| {
                lock(&of_element).see(element);
                Ok(())
            }));
        let parser = HtmlRewriter::new(settings, Passed(Arc::clone(&sight)));
        Insert(State::Looking(Box::new(Looking { tag, parser, sight, held: Vec::new(), begins: 0 })))
    }

    /// Takes the next bytes of the page; gives those that may go on, in order.
    pub(super) fn feed(&mut self, data: Bytes) -> Vec<Bytes> {
        let State::Looking(looking) = &mut self.0 else { return vec![data] };
        match looking.feed(&data) {
            Step::More(pieces) => pieces,
            Step::Decided(pieces) => {
                self.0 = State::Done;
                pieces
            }
        }
    }

    /// The page is complete: what is still to go out.
    pub(super) fn finish(&mut self) -> Vec<Bytes> {
        match std::mem::replace(&mut self.0, State::Done) {
            State::Looking(looking) => looking.finish(),
            State::Done => Vec::new(),
        }
    }
}

impl std::fmt::Debug for Insert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            State::Looking(_) => "looking",
            State::Done => "done",
        })
    }
}

/// What came of some bytes.
enum Step {
    More(Vec<Bytes>),
    Decided(Vec<Bytes>),
}

impl Looking {
    fn feed(&mut self, data: &[u8]) -> Step {
        let mut parsed = self.begins + self.held.len();
        self.held.extend_from_slice(data);
        if self.begins == 0 && is_utf_16(&self.held) {
            return Step::Decided(self.rest());
        }
        let mut data = &data[..data.len().min(FAR - parsed)];
        while !data.is_empty() {
            let (glance, rest) = data.split_at(data.len().min(parsed.max(GLANCE)));
            if self.parser.write(glance).is_err() {
                return Step::Decided(self.rest());
            }
            (parsed, data) = (parsed + glance.len(), rest);
            let place = lock(&self.sight).place;
            match place {
                Place::Before(at) => return Step::Decided(self.split(at)),
                Place::Nowhere => return Step::Decided(self.rest()),
                Place::Unknown => {}
            }
        }
        let passed = lock(&self.sight).passed;
        match parsed {
            FAR => Step::Decided(self.rest()),
            // Half a byte order mark says nothing yet.
            0 | 1 => Step::More(Vec::new()),
            _ => Step::More(self.pass(passed)),
        }
    }

    /// What the parser is done with.
    fn pass(&mut self, passed: usize) -> Vec<Bytes> {
        let count = passed.saturating_sub(self.begins).min(self.held.len());
        self.begins += count;
        let rest = self.held.split_off(count);
        vec![Bytes::from(std::mem::replace(&mut self.held, rest))]
    }

    fn split(&mut self, at: usize) -> Vec<Bytes> {
        // The place has not gone out: its tag had not been passed.
        let Some(before) = at.checked_sub(self.begins).filter(|before| *before <= self.held.len()) else {
            return self.rest();
        };
        let mut held = Bytes::from(std::mem::take(&mut self.held));
        let first = held.split_to(before);
        vec![first, self.tag.clone(), held]
    }

    fn rest(&mut self) -> Vec<Bytes> {
        vec![Bytes::from(std::mem::take(&mut self.held))]
    }

    fn finish(mut self) -> Vec<Bytes> {
        let seen = self.begins + self.held.len();
        let mut pieces = self.rest();
        // No tag at all, such as "Hello": where it ends is as good as any place.
        if seen > 0 && lock(&self.sight).certainty == Certainty::Page {
            pieces.push(self.tag.clone());
        }
        pieces
    }
}

impl Sight {
    fn see(&mut self, element: &Element<'_, '_>) {
        if self.place != Place::Unknown {
            return;
        }
        let location = element.source_location().bytes();
        match element.tag_name().as_str() {
            "html" => self.certainty = Certainty::Page,
            "head" => self.place = Place::Before(location.end),
            // The head begins here without being written, unless this is a piece for another page.
            _ if self.certainty == Certainty::Page => self.place = Place::Before(location.start),
            _ => self.place = Place::Nowhere,
        }
    }
}

/// A byte order mark of an encoding in which `<` is not one byte.
fn is_utf_16(page: &[u8]) -> bool {
    page.starts_with(&[0xfe, 0xff]) || page.starts_with(&[0xff, 0xfe])
}

fn lock(sight: &Mutex<Sight>) -> MutexGuard<'_, Sight> {
    sight.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAG: &str = "<script async></script>";

    /// The page with the tag, fed in pieces that end at `borders`.
    fn inserted(page: &[u8], borders: &[usize], certainty: Certainty) -> Vec<u8> {
        let mut insert = Insert::new(Bytes::from_static(TAG.as_bytes()), certainty);
        let mut out = Vec::new();
        let mut from = 0;
        for to in borders.iter().copied().chain([page.len()]) {
            insert.feed(Bytes::copy_from_slice(&page[from..to])).iter().for_each(|piece| out.extend_from_slice(piece));
            from = to;
        }
        insert.finish().iter().for_each(|piece| out.extend_from_slice(piece));
        out
    }

    /// Pages with `|` where the tag belongs: for a navigation, and where nobody said what it is.
    const PAGES: &[(&str, Certainty)] = &[
        ("<!doctype html><html><head>|<title>x</title></head><body></body></html>", Certainty::Perhaps),
        ("<!DOCTYPE html>\n<HTML lang=en>\n<HEAD data-x='>' >|\n<meta charset=utf-8>", Certainty::Perhaps),
        ("<html><!-- <head> --><head>|<title></title>", Certainty::Perhaps),
        ("<!-- <head> --><!doctype html><head>|", Certainty::Perhaps),
        ("<head\n class=\"a b\"\n>|<script>'<head>'</script>", Certainty::Perhaps),
        ("<!doctype html>\n|<title>x</title><p>y", Certainty::Perhaps),
        ("<html lang=\"de\">|<body>y</body></html>", Certainty::Perhaps),
        ("<!doctype html>|<header>x</header>", Certainty::Perhaps),
        ("<!doctype html>|<heads>x</heads>", Certainty::Perhaps),
        ("\u{feff}<!doctype html><head>|", Certainty::Perhaps),
        ("<p>a fragment</p>", Certainty::Perhaps),
        ("|<h1>Hello</h1>", Certainty::Page),
        ("1 < 2 |<p>x</p>", Certainty::Page),
        ("just text, <<<, &lt;head&gt;|", Certainty::Page),
        ("just text", Certainty::Perhaps),
        ("<!-- only a comment -->|", Certainty::Page),
        ("<!doctype html><!-- <head> |", Certainty::Page),
        ("", Certainty::Page),
        ("<!doctype html>|", Certainty::Perhaps),
        ("<html><head>|</head><frameset><frame></frameset></html>", Certainty::Page),
        ("|<svg><head></head></svg>", Certainty::Page),
        ("|<title><head></title>", Certainty::Page),
        ("</head></html>|<p>", Certainty::Page),
    ];

    #[test]
    fn the_tag_comes_right_after_the_head_begins_with_a_chunk_border_at_every_byte() {
        for (marked, certainty) in PAGES {
            let page = marked.replacen('|', "", 1);
            let expected = marked.replacen('|', TAG, 1);
            let whole = inserted(page.as_bytes(), &[], *certainty);
            assert_eq!(String::from_utf8_lossy(&whole), expected);
            for border in 0..=page.len() {
                let halves = inserted(page.as_bytes(), &[border], *certainty);
                assert_eq!(String::from_utf8_lossy(&halves), expected, "border at {border}");
            }
            let single: Vec<usize> = (0..page.len()).collect();
            let bytes = inserted(page.as_bytes(), &single, *certainty);
            assert_eq!(String::from_utf8_lossy(&bytes), expected, "byte by byte");
        }
    }

    #[test]
    fn utf_16_stays_as_it_is() {
        for page in [&b"\xff\xfe<\0h\0e\0a\0d\0>\0"[..], b"\xfe\xff\0<\0h\0e\0a\0d\0>"] {
            for border in 0..page.len() {
                assert_eq!(inserted(page, &[border], Certainty::Page), page);
            }
        }
    }

    #[test]
    fn a_head_that_is_too_far_away_is_not_waited_for_and_not_found_whatever_it_comes_in() {
        let page = format!("<!doctype html>{}<head>", " ".repeat(FAR));
        for borders in [&[][..], &[FAR + 1], &[FAR - 1], &[1, FAR, FAR + 16]] {
            let got = inserted(page.as_bytes(), borders, Certainty::Page);
            assert!(got == page.as_bytes(), "borders at {borders:?}");
        }
        let comment = format!("<!doctype html><!--{}", "x".repeat(2 * PARSER_MEMORY));
        assert_eq!(inserted(comment.as_bytes(), &[100], Certainty::Page), comment.as_bytes());
    }

    #[test]
    fn a_head_behind_many_small_pieces_is_found() {
        let page = format!("<!doctype html>{}<head>", " ".repeat(3 * GLANCE));
        let single: Vec<usize> = (0..page.len()).collect();
        for borders in [&single[..], &[], &[GLANCE], &[1, GLANCE + 1]] {
            assert!(inserted(page.as_bytes(), borders, Certainty::Page) == format!("{page}{TAG}").as_bytes());
        }
    }

    #[test]
    fn what_cannot_hold_the_place_goes_on_at_once() {
        let mut insert = Insert::new(Bytes::from_static(b"T"), Certainty::Page);
        let first: Vec<u8> = insert.feed(Bytes::from_static(b"<!doctype html>\n text <!-- x --> <hea")).concat();
        assert!(first.starts_with(b"<!doctype html>\n text <!-- x --> "), "{first:?}");
        assert_eq!(insert.feed(Bytes::from_static(b"d>more")).concat(), b"<head>Tmore");
        assert_eq!(insert.feed(Bytes::from_static(b"<head>")).concat(), b"<head>");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn not_one_other_byte_changes(
            parts in prop::collection::vec(
                prop_oneof![
                    Just("<head>".to_owned()), Just("<HTML a='>'>".to_owned()), Just("<!doctype html>".to_owned()),
                    Just("<!--".to_owned()), Just("-->".to_owned()), Just("<script>".to_owned()), Just("</script>".to_owned()),
                    Just("<".to_owned()), Just("<![CDATA[".to_owned()), Just("\0".to_owned()), "[a-z <>'\"/=\\n]{0,8}",
                ],
                0..12,
            ),
            raw in prop::collection::vec(any::<u8>(), 0..8),
            borders in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            certain in any::<bool>(),
        ) {
            let mut page = parts.concat().into_bytes();
            page.extend(raw);
            let certainty = if certain { Certainty::Page } else { Certainty::Perhaps };
            let mut cuts: Vec<usize> = borders.iter().map(|index| index.index(page.len() + 1)).collect();
            cuts.sort_unstable();
            let whole = inserted(&page, &[], certainty);
            let cut = inserted(&page, &cuts, certainty);
            prop_assert_eq!(&whole, &cut);
            let tag = TAG.as_bytes();
            if whole != page {
                let at = whole.windows(tag.len()).position(|window| window == tag).expect("only the tag is new");
                let without = [&whole[..at], &whole[at + tag.len()..]].concat();
                prop_assert_eq!(without, page);
            }
        }
    }
}
