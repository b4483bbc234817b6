//! The last lines: what programs wrote, and what devloop said.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::millis;
use crate::{
    escapes::strip_escapes,
    model::{Line, RunId, Stream},
};

/// So many lines are kept ...
pub(super) const MOST: usize = 2_000;
/// ... of so many bytes in all ...
pub(super) const BYTES: usize = 1024 * 1024;
/// ... and so many characters each.
pub(super) const LONGEST: usize = 2_000;

/// The lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    kept: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    version: u64,
    at: Duration,
    voice: Voice,
    text: String,
}

/// Who speaks.
#[derive(Debug)]
enum Voice {
    Program(Arc<str>, RunId, Stream),
    /// devloop, in this tone.
    Own(&'static str),
}

impl Lines {
    /// Of a program.
    pub(super) fn add(&mut self, version: u64, at: Duration, line: &Line) {
        let voice = Voice::Program(line.source.clone(), line.run, line.stream);
        // Cut before it is read: a line may be a megabyte.
        let text = strip_escapes(cut(&line.text, 4 * LONGEST));
        self.keep(Kept { version, at, voice, text: cut(text.trim_end(), LONGEST).to_owned() });
    }

    /// Of devloop.
    pub(super) fn say(&mut self, version: u64, at: Duration, words: &str, tone: &'static str) {
        self.keep(Kept { version, at, voice: Voice::Own(tone), text: cut(words, LONGEST).to_owned() });
    }

    fn keep(&mut self, line: Kept) {
        self.bytes += line.text.len();
        self.kept.push_back(line);
        while self.kept.len() > MOST || self.bytes > BYTES {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes -= oldest.text.len();
        }
    }

    /// Those after this version, oldest first.
    pub(super) fn since(&self, version: u64) -> Vec<Value> {
        // Versions only grow, so the new ones are at the end.
        let from = self.kept.partition_point(|line| line.version <= version);
        self.kept.range(from..).map(|line| line.json()).collect()
    }
}

impl Kept {
    fn json(&self) -> Value {
        let (version, time, text) = (self.version, millis(self.at), &self.text);
        match &self.voice {
            Voice::Program(source, run, stream) => {
                json!({ "n": version, "time": time, "source": &**source, "run": run, "stream": stream, "text": text })
            }
            Voice::Own(tone) => json!({ "n": version, "time": time, "source": "devloop", "tone": tone, "text": text }),
        }
    }
}

fn cut(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}
