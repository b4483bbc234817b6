//! Problems with a place and a hint, and their one renderer.

use std::{ops::Range, path::PathBuf, sync::Arc};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Whether text for people carries colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// With escape sequences.
    Always,
}

/// Something wrong with what a person wrote or asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What is wrong: a lowercase fragment without a final full stop, names in backticks.
    pub message: String,
    /// Where, if it is in a file.
    pub place: Option<Box<Source>>,
    /// What it was caused by, outermost first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A range of bytes in a text that a person wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The file, as it is to be shown.
    pub file: PathBuf,
    /// Its whole text.
    pub text: Arc<str>,
    /// The bytes that are wrong.
    pub span: Range<usize>,
}

impl Problem {
    /// A problem without a place.
    pub fn new(message: impl Into<String>) -> Problem {
        Problem { message: message.into(), place: None, causes: Vec::new(), hint: None }
    }

    /// The same with this hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with this hint if it has none.
    pub fn or_hint(self, hint: impl Into<String>) -> Problem {
        if self.hint.is_some() { self } else { self.hint(hint) }
    }

    /// The same with this cause.
    pub fn caused_by(mut self, cause: impl ToString) -> Problem {
        self.causes.push(cause.to_string());
        self
    }

    /// The same with this place.
    pub fn at(mut self, place: Source) -> Problem {
        self.place = Some(Box::new(place));
        self
    }

    /// One line for logs and reports: `dev.toml:14:1: message`.
    pub fn one_line(&self) -> String {
        match &self.place {
            Some(place) => {
                let (line, column) = place.line_column();
                format!("{}:{line}:{column}: {}", place.file.display(), visible(&self.message))
            }
            None => visible(&self.message),
        }
    }
}

impl Source {
    /// Line and column of the first wrong byte, both from 1; columns count characters.
    pub fn line_column(&self) -> (usize, usize) {
        let mut start = self.span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The span, moved to whole characters within the text.
    fn shown_span(&self) -> Range<usize> {
        let whole = |mut at: usize| {
            at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = whole(self.span.start);
        start..whole(self.span.end).max(start)
    }
}

/// Problems as people read them: `error: …`, the place with its line, causes, a hint; after several, their count.
/// Ends with a line end; empty if there are none.
pub fn render(problems: &[Problem], colour: Colour) -> String {
    let mut text = render_as(Level::ERROR, problems, colour);
    if problems.len() > 1 {
        text.push_str(&format!("\n{} problems\n", problems.len()));
    }
    text
}

/// What a person should know although nothing is wrong enough to stop: as `render`, with `warning: …` and no count.
pub fn render_warnings(warnings: &[Problem], colour: Colour) -> String {
    render_as(Level::WARNING, warnings, colour)
}

fn render_as(level: Level<'static>, problems: &[Problem], colour: Colour) -> String {
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    };
    let rendered: Vec<String> = problems.iter().map(|problem| render_one(&renderer, level.clone(), problem)).collect();
    rendered.join("\n")
}

fn render_one(renderer: &Renderer, level: Level<'static>, problem: &Problem) -> String {
    let hint = problem.hint.as_deref().map(visible);
    // Further lines of a hint are there to be copied: they stand by themselves.
    let (hint, to_copy) = match hint.as_deref().map(|hint| hint.split_once('\n').unwrap_or((hint, ""))) {
        Some((first, rest)) => (Some(first), rest),
        None => (None, ""),
    };
    let mut notes: Vec<(&str, String)> = problem.causes.iter().map(|cause| ("caused by", visible(cause))).collect();
    notes.extend(hint.map(|hint| ("hint", hint.to_owned())));
    let mut group = Group::with_title(level.primary_title(visible(&problem.message)));
    let mut below = String::new();
    match &problem.place {
        Some(place) => {
            let annotation = AnnotationKind::Primary.span(place.shown_span());
            let file = place.file.display().to_string();
            group = group.element(Snippet::source(&*place.text).path(visible(&file)).annotation(annotation));
            group = group.elements(notes.into_iter().map(|(name, note)| Level::HELP.with_name(name).message(note)));
        }
        None => notes.iter().for_each(|(name, note)| below.push_str(&format!("  {name}: {note}\n"))),
    }
    if !to_copy.is_empty() {
        below.push_str(&format!("{}\n", to_copy.trim_end_matches('\n')));
    }
    format!("{}\n{below}", renderer.render(&[group]))
}

/// `text` with every control character but the line end written as an escape, so that nothing a file holds can drive
/// the terminal.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => shown.push('\n'),
            other if other.is_control() => shown.extend(other.escape_default()),
            other => shown.push(other),
        }
    }
    shown
}

/// The known name that `written` was probably meant to be: at most a third of it is different.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    let limit = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&written, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= limit && *distance < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str, wrong: &str) -> Problem {
        let start = text.find(wrong).unwrap();
        let span = start..start + wrong.len();
        Problem::new("unknown key `helth`").at(Source { file: "dev.toml".into(), text: text.into(), span })
    }

    #[test]
    fn a_problem_shows_its_place_its_causes_and_its_hint() {
        let text = "[[service]]\nname = \"api\"\nhelth = \"/\"\n";
        let shown = render(&[problem(text, "helth").caused_by("a slip").hint("did you mean `health`?")], Colour::Never);
        let wanted = "\
error: unknown key `helth`
 --> dev.toml:3:1
  |
3 | helth = \"/\"
  | ^^^^^
  |
  = caused by: a slip
  = hint: did you mean `health`?
";
        assert_eq!(shown, wanted);
    }

    #[test]
    fn a_problem_without_a_place_is_its_message_and_hint() {
        let shown = render(&[Problem::new("no dev.toml").hint("write one")], Colour::Never);
        assert_eq!(shown, "error: no dev.toml\n  hint: write one\n");
    }

    #[test]
    fn several_problems_end_with_their_count() {
        let shown = render(&[Problem::new("one"), Problem::new("two")], Colour::Never);
        assert_eq!(shown, "error: one\n\nerror: two\n\n2 problems\n");
        assert_eq!(render(&[], Colour::Never), "");
    }

    #[test]
    fn colours_come_only_when_wanted_and_control_characters_never_pass() {
        let evil = Problem::new("unknown name `\u{1b}[31mred\u{7}`");
        assert!(render(std::slice::from_ref(&evil), Colour::Always).contains("\u{1b}["));
        let plain = render(&[evil], Colour::Never);
        assert_eq!(plain, "error: unknown name `\\u{1b}[31mred\\u{7}`\n");
    }

    #[test]
    fn places_count_characters_and_survive_spans_outside_the_text() {
        let text = "a = 1\nü = é\n";
        let place = |span| Source { file: "f".into(), text: text.into(), span };
        assert_eq!(place(6..7).line_column(), (2, 1));
        assert_eq!(place(text.find('é').unwrap()..99).line_column(), (2, 5));
        for (start, end) in [(7, 8), (500, 600), (0, 0), (12, 13), (9, 3)] {
            let shown = render(&[Problem::new("x").at(place(Range { start, end }))], Colour::Never);
            assert!(shown.contains("--> f:"), "{shown}");
        }
    }

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let known = ["health", "inputs", "run"];
        assert_eq!(did_you_mean("helth", known), Some("health"));
        assert_eq!(did_you_mean("Input", known), Some("inputs"));
        assert_eq!(did_you_mean("tls", known), None);
        assert_eq!(did_you_mean("", known), None);
    }
}
