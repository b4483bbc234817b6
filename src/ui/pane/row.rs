//! What one line of the log becomes on a screen of some width: its source, its colours, what was searched for.

use std::sync::Arc;

use ansi_to_tui::IntoText;
use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::{
    log::{Entry, Level, Record, Source},
    logview::{Form, LogView, Times, Wrap},
    theme::{Sign, Theme},
};
use crate::{
    error::Colour,
    ui::{sanitize, wording::Tone},
};

/// Everything that decides what a line looks like.
pub(super) struct Look<'a> {
    pub(super) theme: Theme,
    pub(super) log: &'a LogView,
    pub(super) sources: &'a [Arc<str>],
    pub(super) prefix: Prefix,
    pub(super) width: usize,
}

/// What stands before what a source says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    Name,
    Nothing,
}

/// Names longer than this are cut.
const LONGEST_NAME: usize = 16;
/// On less than this there is no room for names.
const NARROW: usize = 30;
/// More of a line is not shown, so that a screen full of endless lines is drawn as fast as any other.
const SHOWN: usize = 8 * 1024;

impl Look<'_> {
    /// A line of the log as rows; at least one.
    pub(super) fn rows(&self, entry: &Entry) -> Vec<Line<'static>> {
        let prefix = self.prefix(entry);
        let indent: usize = prefix.iter().map(Span::width).sum();
        let room = self.width.saturating_sub(indent).max(1);
        let mut cells = cells(self.body(entry));
        self.mark(&mut cells);
        let mut rows = Vec::new();
        for (nth, row) in lines(cells).into_iter().flat_map(|line| self.cut(line, room)).enumerate() {
            let mut spans = match nth {
                0 => prefix.clone(),
                _ => vec![Span::raw(" ".repeat(indent))],
            };
            spans.extend(joined(row));
            rows.push(Line::from(spans));
        }
        rows
    }

    fn prefix(&self, entry: &Entry) -> Vec<Span<'static>> {
        let mut prefix = Vec::new();
        if self.log.times == Times::Shown {
            prefix.push(Span::styled(format!("{} ", entry.at.since_start()), self.theme.dim()));
        }
        if self.prefix == Prefix::Nothing || self.width < NARROW {
            return prefix;
        }
        let longest = self.sources.iter().map(|name| Span::raw(&**name).width()).max().unwrap_or_default();
        let room = longest.clamp(OWN_NAME.len(), LONGEST_NAME);
        let (name, style) = match &entry.source {
            Source::Own(_) => (OWN_NAME, self.theme.dim()),
            Source::Program(name) => (&**name, self.theme.source(Theme::place_of(self.sources, name))),
        };
        let name: String = name.chars().take(room).collect();
        let pad = " ".repeat(room.saturating_sub(Span::raw(&name).width()));
        prefix.push(Span::styled(format!("{name}{pad}"), style));
        prefix.push(Span::styled(format!(" {} ", self.theme.sign(Sign::Bar)), self.theme.dim()));
        prefix
    }

    /// The words in their colours.
    fn body(&self, entry: &Entry) -> Vec<Span<'static>> {
        match &entry.source {
            Source::Own(tone) => {
                // What belongs to a fact is set in, and stands below it without its colour.
                let style = if entry.text.starts_with("  ") { self.theme.plain() } else { self.theme.tone(*tone) };
                vec![Span::styled(sanitize(&entry.text, Colour::Never), style)]
            }
            Source::Program(_) => {
                let record = match self.log.form {
                    Form::Readable => Record::read(&entry.plain()),
                    Form::Raw => None,
                };
                match record {
                    Some(record) => self.record(record),
                    None => self.coloured(&entry.text),
                }
            }
        }
    }

    fn record(&self, record: Record) -> Vec<Span<'static>> {
        let mut spans = Vec::new();
        if let Some(level) = record.level {
            let tone = match level {
                Level::Error => Tone::Bad,
                Level::Warning => Tone::Attention,
                Level::Info | Level::Debug => Tone::Neutral,
            };
            spans.push(Span::styled(level.short(), self.theme.tone(tone)));
            spans.push(Span::raw(" "));
        }
        let (first, rest) = record.message_parts();
        let (first, rest) = (first.to_owned(), rest.to_owned());
        spans.push(Span::raw(first));
        for (name, value) in record.fields {
            spans.push(Span::styled(format!("  {name}="), self.theme.dim()));
            spans.push(Span::raw(value));
        }
        spans.push(Span::raw(rest));
        spans
    }

    fn coloured(&self, text: &str) -> Vec<Span<'static>> {
        let text = beginning(text);
        let clean = without_links(&sanitize(&text, self.theme.colour));
        if !clean.contains('\u{1b}') {
            return vec![Span::raw(clean)];
        }
        let lines = clean.into_text().map(|text| text.lines).unwrap_or_default();
        lines.into_iter().flat_map(|line| line.spans).collect()
    }

    /// Marks what was searched for.
    fn mark(&self, cells: &mut [Cell]) {
        let Some(search) = &self.log.search else { return };
        let text: String = cells.iter().map(|cell| cell.text.as_str()).collect();
        let places = search.places(&text);
        let mut at = 0;
        for cell in cells {
            if places.iter().any(|place| place.contains(&at)) {
                cell.style = cell.style.patch(self.theme.marked());
            }
            at += cell.text.len();
        }
    }

    fn cut(&self, cells: Vec<Cell>, room: usize) -> Vec<Vec<Cell>> {
        match self.log.wrap {
            Wrap::On => wrapped(cells, room),
            Wrap::Off => vec![self.part(cells, room)],
        }
    }

    /// What fits, from `across` on; with a sign where something is left out.
    fn part(&self, cells: Vec<Cell>, room: usize) -> Vec<Cell> {
        let mut left = self.log.across;
        let mut cells = cells.into_iter().skip_while(|cell| {
            let is_left = left > 0;
            left = left.saturating_sub(cell.width);
            is_left
        });
        let mut part: Vec<Cell> = Vec::new();
        let mut width = 0;
        for cell in cells.by_ref() {
            if width + cell.width > room {
                while width >= room
                    && let Some(last) = part.pop()
                {
                    width -= last.width;
                }
                part.push(Cell { text: self.theme.sign(Sign::Cut).to_owned(), style: self.theme.dim(), width: 1 });
                break;
            }
            width += cell.width;
            part.push(cell);
        }
        part
    }
}

/// devloop's own name in the log.
const OWN_NAME: &str = "devloop";
/// Tabs lead to the next multiple of this.
const TAB: usize = 8;

/// What stands in one place of the screen, or in two.
struct Cell {
    text: String,
    style: Style,
    width: usize,
}

fn cells(spans: Vec<Span<'static>>) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut at = 0;
    for span in spans {
        for part in span.content.split_inclusive(['\t', '\n']) {
            let words = part.trim_end_matches(['\t', '\n']);
            for grapheme in Span::styled(words, span.style).styled_graphemes(Style::new()) {
                let width = Span::raw(grapheme.symbol).width();
                at += width;
                cells.push(Cell { text: grapheme.symbol.to_owned(), style: grapheme.style, width });
            }
            if part.ends_with('\t') {
                let blanks = TAB - at % TAB;
                at += blanks;
                cells.push(Cell { text: " ".repeat(blanks), style: span.style, width: blanks });
            }
            if part.ends_with('\n') {
                at = 0;
                cells.push(Cell { text: "\n".to_owned(), style: span.style, width: 0 });
            }
        }
    }
    cells
}

/// What a message of several lines consists of; at least one.
fn lines(cells: Vec<Cell>) -> Vec<Vec<Cell>> {
    let mut lines = vec![Vec::new()];
    for cell in cells {
        match lines.last_mut() {
            Some(line) if cell.text != "\n" => line.push(cell),
            _ => lines.push(Vec::new()),
        }
    }
    lines
}

fn wrapped(cells: Vec<Cell>, room: usize) -> Vec<Vec<Cell>> {
    let mut rows = vec![Vec::new()];
    let mut width = 0;
    for cell in cells {
        if width + cell.width > room && width > 0 {
            rows.push(Vec::new());
            width = 0;
        }
        width += cell.width;
        if let Some(row) = rows.last_mut() {
            row.push(cell);
        }
    }
    rows
}

/// Neighbours of the same style become one.
fn joined(cells: Vec<Cell>) -> Vec<Span<'static>> {
    let mut spans: Vec<(String, Style)> = Vec::new();
    for cell in cells {
        match spans.last_mut() {
            Some((text, style)) if *style == cell.style => text.push_str(&cell.text),
            _ => spans.push((cell.text, cell.style)),
        }
    }
    spans.into_iter().map(|(text, style)| Span::styled(text, style)).collect()
}

/// As much of a line as is shown; the rest is in the log under `.devloop/`.
fn beginning(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= SHOWN {
        return text.into();
    }
    let mut end = SHOWN;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} ... ({} bytes more)", &text[..end], text.len() - end).into()
}

/// Links are commands to the terminal that no cell of ours can hold: their words stay.
fn without_links(text: &str) -> String {
    let mut parts = text.split("\u{1b}]8;");
    let mut rest: String = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        rest.push_str(part.split_once("\u{1b}\\").map_or("", |(_, words)| words));
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::{
        Stamp,
        pane::{log::Search, theme::Signs},
    };

    fn look(log: &LogView, width: usize) -> Look<'_> {
        let theme = Theme { signs: Signs::Ascii, colour: Colour::Always };
        Look { theme, log, sources: &[], prefix: Prefix::Nothing, width }
    }

    fn rows(log: &LogView, width: usize, text: &str) -> Vec<String> {
        let entry = Entry::new(Stamp::default(), Source::Program("api".into()), text);
        look(log, width).rows(&entry).iter().map(Line::to_string).collect()
    }

    #[test]
    fn long_lines_are_wrapped_or_cut_by_the_width_of_what_they_hold() {
        let mut log = LogView::default();
        assert_eq!(rows(&log, 4, "abcdefghij"), ["abcd", "efgh", "ij"]);
        assert_eq!(rows(&log, 5, "日本語で"), ["日本", "語で"]);
        assert_eq!(rows(&log, 12, "a\tb"), ["a       b"]);
        assert_eq!(rows(&log, 4, ""), [""]);
        log.wrap = Wrap::Off;
        assert_eq!(rows(&log, 4, "abcdefghij"), ["abc~"]);
        assert_eq!(rows(&log, 4, "abcd"), ["abcd"]);
        assert_eq!(rows(&log, 5, "日本語で"), ["日本~"]);
        log.across = 3;
        assert_eq!(rows(&log, 4, "abcdefghij"), ["def~"]);
    }

    #[test]
    fn colours_of_programs_are_kept_and_what_moves_the_cursor_is_not() {
        let log = LogView::default();
        let entry = Entry::new(
            Stamp::default(),
            Source::Program("api".into()),
            "\u{1b}[2J\u{1b}[31mred\u{1b}[0m \u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\",
        );
        let row = look(&log, 80).rows(&entry).remove(0);
        assert_eq!(row.to_string(), "red link");
        assert_eq!(row.spans[0].style.fg, Some(ratatui::style::Color::Red));
    }

    #[test]
    fn json_is_readable_or_raw() {
        let mut log = LogView::default();
        let json = r#"{"level":"warn","msg":"slow","ms":7}"#;
        assert_eq!(rows(&log, 80, json), ["WRN slow  ms=7"]);
        log.form = Form::Raw;
        assert_eq!(rows(&log, 80, json), [json]);
    }

    #[test]
    fn what_was_searched_for_is_marked() {
        let log = LogView { search: Search::new("an"), ..LogView::default() };
        let entry = Entry::new(Stamp::default(), Source::Program("api".into()), "banana");
        let row = look(&log, 80).rows(&entry).remove(0);
        let marked: Vec<String> = row
            .spans
            .iter()
            .filter(|span| span.style.add_modifier.contains(ratatui::style::Modifier::REVERSED))
            .map(|span| span.content.to_string())
            .collect();
        assert_eq!(marked, ["anan"]);
    }

    #[test]
    fn of_an_endless_line_the_beginning_is_shown() {
        let shown = rows(&LogView::default(), 100, &"x".repeat(64 * 1024));
        assert!(shown.len() < 100, "{}", shown.len());
        assert!(shown.last().expect("rows").ends_with("bytes more)"));
    }
}
