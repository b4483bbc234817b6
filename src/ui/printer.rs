//! Writes facts and output lines to a stream, one line each. It asks no clock and opens nothing; a reader that goes
//! away ends the writing, not devloop.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
    sync::Arc,
};

use crossterm::style::{Attribute, Color, ResetColor, SetAttribute, SetForegroundColor};

use super::{
    Stamp, json, sanitize,
    wording::{Said, Tone, say},
};
use crate::{core::fact::Fact, error::Colour, model::Line};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Plain(Colour),
    /// One object a line (docs/json.md).
    Json,
}

/// Whether anybody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// As far as is known.
    There,
    /// Writing failed (the pipe is closed): nothing is written any more.
    Gone,
}

/// The name facts are printed under.
const OWN_NAME: &str = "devloop";
/// Names longer than this do not widen the column for all.
const WIDEST: usize = 24;
const PALETTE: [Color; 6] =
    [Color::Cyan, Color::Magenta, Color::Blue, Color::Green, Color::DarkCyan, Color::DarkMagenta];

/// Prints to `W`. Writes each call's lines with one `write_all`; `flush` is the caller's, once nothing more waits.
pub struct Printer<W> {
    out: W,
    format: Format,
    reader: Reader,
    width: usize,
    colours: BTreeMap<Arc<str>, Color>,
}

impl<W: Write> Printer<W> {
    /// A printer for these steps and services (others may come: the column then grows with their names).
    pub fn new(out: W, format: Format, sources: impl IntoIterator<Item = Arc<str>>) -> Printer<W> {
        if format == Format::Plain(Colour::Always) {
            // The library would obey NO_COLOR a second time, after the command line has decided.
            crossterm::style::force_color_output(true);
        }
        let width = OWN_NAME.len();
        let mut printer = Printer { out, format, reader: Reader::There, width, colours: BTreeMap::new() };
        sources.into_iter().for_each(|source| printer.know(&source));
        printer
    }

    /// Prints a fact: one line, and below it what belongs to it.
    pub fn fact(&mut self, stamp: Stamp, fact: &Fact) {
        let text = match self.format {
            Format::Json => json::fact(stamp, fact) + "\n",
            Format::Plain(colour) => self.plain_fact(stamp, &say(fact), colour),
        };
        self.write(&text);
    }

    /// Prints one line of a program's output.
    pub fn line(&mut self, stamp: Stamp, line: &Line) {
        let text = match self.format {
            Format::Json => json::line(stamp, line) + "\n",
            Format::Plain(colour) => {
                self.know(&line.source);
                let painted = self.colours.get(&line.source).copied();
                let prefix = self.prefix(stamp, &line.source, painted, colour);
                let text = sanitize(&line.text, colour);
                ended(&prefix, &text)
            }
        };
        self.write(&text);
    }

    /// Writes out what `W` may still keep.
    pub fn flush(&mut self) {
        if self.reader == Reader::There {
            let result = self.out.flush();
            self.note(result);
        }
    }

    /// Whether anybody reads.
    pub fn reader(&self) -> Reader {
        self.reader
    }

    /// The stream, for whoever made it.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn write(&mut self, text: &str) {
        if self.reader == Reader::There {
            let result = self.out.write_all(text.as_bytes());
            self.note(result);
        }
    }

    fn note(&mut self, result: io::Result<()>) {
        if result.is_err() {
            self.reader = Reader::Gone;
        }
    }

    fn know(&mut self, source: &Arc<str>) {
        if self.colours.contains_key(source) {
            return;
        }
        let colour = PALETTE[self.colours.len() % PALETTE.len()];
        self.colours.insert(Arc::clone(source), colour);
        self.width = self.width.max(source.chars().count().min(WIDEST));
    }

    fn plain_fact(&self, stamp: Stamp, said: &Said, colour: Colour) -> String {
        let prefix = self.prefix(stamp, OWN_NAME, None, colour);
        let title = painted(&sanitize(&said.title, Colour::Never), tone_colour(said.tone), colour);
        let mut text = ended(&prefix, &title);
        for detail in said.details.iter().flat_map(|detail| detail.lines()) {
            text.push_str(&ended(&prefix, &format!("  {}", sanitize(detail, colour))));
        }
        text
    }

    /// `  +1.234s api     | `
    fn prefix(&self, stamp: Stamp, name: &str, name_colour: Option<Color>, colour: Colour) -> String {
        let width = self.width;
        let name = format!("{name:width$}");
        let name = match (name_colour, colour) {
            (Some(_), _) => painted(&name, name_colour, colour),
            (None, Colour::Always) => {
                format!("{}{name}{}", SetAttribute(Attribute::Bold), SetAttribute(Attribute::Reset))
            }
            (None, Colour::Never) => name,
        };
        let mut prefix = painted(&stamp.since_start(), Some(Color::DarkGrey), colour);
        // Writing to a string cannot fail.
        _ = write!(prefix, " {name} | ");
        prefix
    }
}

/// A whole line; blanks at its end are left out where nothing follows the bar.
fn ended(prefix: &str, text: &str) -> String {
    let mut line = format!("{prefix}{text}");
    line.truncate(line.trim_end_matches([' ', '\t']).len());
    line.push('\n');
    line
}

fn tone_colour(tone: Tone) -> Option<Color> {
    match tone {
        Tone::Neutral => None,
        Tone::Good => Some(Color::Green),
        Tone::Bad => Some(Color::Red),
        Tone::Attention => Some(Color::Yellow),
    }
}

fn painted(text: &str, paint: Option<Color>, colour: Colour) -> String {
    match (paint, colour) {
        (Some(paint), Colour::Always) => format!("{}{text}{ResetColor}", SetForegroundColor(paint)),
        _ => text.to_owned(),
    }
}
