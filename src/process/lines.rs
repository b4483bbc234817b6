//! Bytes into lines: LF and CR LF end one, a lone CR starts it over (progress), too long ones are cut. It has no clock.

/// What is beyond this many bytes of a line is not kept.
pub(super) const LONGEST: usize = 64 * 1024;

/// Collects the bytes of a stream until they are lines.
#[derive(Default)]
pub(super) struct Splitter {
    held: Vec<u8>,
    cut: usize,
    at: At,
    shown: bool,
}

/// Where in a line the stream is.
#[derive(Default, PartialEq)]
enum At {
    #[default]
    Text,
    /// After a CR: LF ends the line, anything else starts it over.
    Return,
}

impl Splitter {
    /// Takes the next bytes; `line` gets every line that is complete now.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(String)) {
        while let Some(first) = bytes.first() {
            match first {
                b'\n' => {
                    line(self.take());
                    bytes = &bytes[1..];
                }
                b'\r' => {
                    self.at = At::Return;
                    bytes = &bytes[1..];
                }
                _ => {
                    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(bytes.len());
                    self.hold(&bytes[..end]);
                    bytes = &bytes[end..];
                }
            }
        }
    }

    /// Whether there is something that `partial` has not shown yet.
    pub(super) fn has_news(&self) -> bool {
        !self.shown && !self.held.is_empty()
    }

    /// The line so far, if it has not been shown yet. It is not taken away: it will come again as a whole.
    pub(super) fn partial(&mut self) -> Option<String> {
        let news = self.has_news();
        self.shown = true;
        news.then(|| self.text())
    }

    /// What is left at the end of the stream.
    pub(super) fn finish(&mut self) -> Option<String> {
        (!self.held.is_empty()).then(|| self.take())
    }

    fn hold(&mut self, text: &[u8]) {
        if self.at == At::Return {
            self.held.clear();
            self.cut = 0;
            self.at = At::Text;
        }
        let (kept, cut) = text.split_at(text.len().min(LONGEST - self.held.len()));
        self.held.extend_from_slice(kept);
        self.cut += cut.len();
        self.shown &= kept.is_empty();
    }

    fn take(&mut self) -> String {
        let text = self.text();
        let held = std::mem::take(&mut self.held);
        // Keep the room for the next line, but not that of an uncommonly long one.
        if held.capacity() <= 4096 {
            self.held = held;
            self.held.clear();
        }
        *self = Splitter { held: std::mem::take(&mut self.held), ..Splitter::default() };
        text
    }

    fn text(&self) -> String {
        if self.cut == 0 {
            return String::from_utf8_lossy(&self.held).into_owned();
        }
        let whole = whole_characters(&self.held);
        let cut = self.cut + self.held.len() - whole.len();
        format!("{} … ({cut} bytes cut)", String::from_utf8_lossy(whole))
    }
}

/// Without the character at the end that the cut has gone through.
fn whole_characters(text: &[u8]) -> &[u8] {
    match text.utf8_chunks().last() {
        Some(last) if last.invalid().len() < 4 && text.ends_with(last.invalid()) => {
            &text[..text.len() - last.invalid().len()]
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(parts: &[&[u8]]) -> (Vec<String>, Option<String>) {
        let (mut splitter, mut lines) = (Splitter::default(), Vec::new());
        for part in parts {
            splitter.push(part, |line| lines.push(line));
        }
        (lines, splitter.finish())
    }

    #[test]
    fn lines_end_with_lf_or_cr_lf_wherever_the_reads_fall() {
        let lines = vec!["a".to_owned(), "b".to_owned(), String::new(), "c".to_owned()];
        assert_eq!(split(&[b"a\nb\r\n\r\nc\n"]), (lines.clone(), None));
        assert_eq!(split(&[b"a\nb\r", b"\n\r", b"\n", b"c\r", b"\n"]), (lines, None));
    }

    #[test]
    fn a_terminals_doubled_cr_is_part_of_the_line_end() {
        assert_eq!(split(&[b"a\r\r\nb\r\r\n"]).0, ["a", "b"]);
    }

    #[test]
    fn progress_leaves_its_last_state() {
        assert_eq!(split(&[b"10%\r20%\r", b"100%\ndone\r"]), (vec!["100%".to_owned()], Some("done".to_owned())));
    }

    #[test]
    fn a_partial_line_is_shown_once_and_comes_again_as_a_whole() {
        let (mut splitter, mut lines) = (Splitter::default(), Vec::new());
        splitter.push(b"Pass", |line| lines.push(line));
        assert_eq!(splitter.partial().as_deref(), Some("Pass"));
        assert_eq!(splitter.partial(), None);
        splitter.push(b"word: ", |line| lines.push(line));
        assert_eq!(splitter.partial().as_deref(), Some("Password: "));
        splitter.push(b"ok\n", |line| lines.push(line));
        assert_eq!(lines, ["Password: ok"]);
        assert_eq!(splitter.partial(), None);
    }

    #[test]
    fn a_very_long_line_is_cut_between_characters_with_a_mark() {
        let long = "ä".repeat(LONGEST);
        let mut bytes = vec![b'x'];
        bytes.extend(long.as_bytes());
        bytes.push(b'\n');
        let (lines, rest) = split(&[&bytes, b"next\n"]);
        let kept = "ä".repeat(LONGEST / 2 - 1);
        assert_eq!(lines[0], format!("x{kept} … ({} bytes cut)", long.len() - kept.len()));
        assert_eq!((lines[1].as_str(), rest), ("next", None));
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        assert_eq!(split(&[b"a\xffb\n"]).0, ["a\u{fffd}b"]);
    }

    proptest! {
        #[test]
        fn where_reads_fall_does_not_matter(text in "[ab\\r\\n]{0,40}", cuts in prop::collection::vec(0usize..40, 0..6)) {
            let whole = split(&[text.as_bytes()]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(split(&parts), whole);
        }
    }
}
