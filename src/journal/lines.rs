//! The last lines as a page shows them: what programs wrote, and what devloop said.

use std::time::Duration;

use serde_json::{Value, json};

use super::millis;
use crate::{escapes::strip_escapes, model::Line};

/// So many lines are shown ...
pub const MOST: usize = 2_000;
/// ... of so many bytes in all ...
pub(super) const BYTES: usize = 1024 * 1024;
/// ... and so many characters each.
pub(super) const LONGEST: usize = 2_000;

/// One of them.
#[derive(Debug)]
pub struct Said<'a> {
    /// Grows with each.
    pub number: u64,
    /// When, since 1970.
    pub at: Duration,
    /// By whom, and what.
    pub voice: Voice<'a>,
}

/// Who speaks.
#[derive(Debug)]
pub enum Voice<'a> {
    /// A program.
    Program(&'a Line),
    /// devloop: these words, in this tone.
    Own(String, &'static str),
}

/// The newest of them, as JSON, in the order in which they came: oldest first.
pub fn shown<'a>(said: impl DoubleEndedIterator<Item = Said<'a>>) -> Vec<Value> {
    let mut bytes = 0;
    let newest_first = said.rev().take(MOST).map(|said| (said.text(), said)).take_while(|(text, _)| {
        bytes += text.len();
        bytes <= BYTES
    });
    let mut shown: Vec<Value> = newest_first.map(|(text, said)| said.json(&text)).collect();
    shown.reverse();
    shown
}

impl Said<'_> {
    fn text(&self) -> String {
        match &self.voice {
            // Cut before it is read: a line may be a megabyte.
            Voice::Program(line) => cut(strip_escapes(cut(&line.text, 4 * LONGEST)).trim_end(), LONGEST).to_owned(),
            Voice::Own(words, _) => cut(words, LONGEST).to_owned(),
        }
    }

    fn json(&self, text: &str) -> Value {
        let (number, time) = (self.number, millis(self.at));
        match &self.voice {
            Voice::Program(Line { source, run, stream, .. }) => {
                json!({ "n": number, "time": time, "source": source, "run": run, "stream": stream, "text": text })
            }
            Voice::Own(_, tone) => {
                json!({ "n": number, "time": time, "source": "devloop", "tone": tone, "text": text })
            }
        }
    }
}

fn cut(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}
