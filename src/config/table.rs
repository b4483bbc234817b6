//! Reads the values of one TOML table by key. What is wrong becomes a problem with its place, and reading goes on:
//! a decoder that stops at its first error could not show all problems of a file at once.

use std::{ops::Range, path::Path, sync::Arc, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    units::{self, Wrong},
    written::{At, Strings},
};
use crate::error::{Problem, Source, did_you_mean};

/// The file, and the problems found in it so far.
pub(super) struct Report {
    file: Arc<Path>,
    text: Arc<str>,
    /// Problems, in the order found.
    pub(super) problems: Vec<Problem>,
    /// What a person should know although it is no problem.
    pub(super) warnings: Vec<Problem>,
}

impl Report {
    pub(super) fn new(text: &str, file: &Path) -> Report {
        Report { file: file.into(), text: text.into(), problems: Vec::new(), warnings: Vec::new() }
    }

    fn at(&self, problem: Problem, span: Range<usize>) -> Problem {
        problem.at(Source { file: self.file.to_path_buf(), text: Arc::clone(&self.text), span })
    }

    /// The number of the line with this byte, from 1.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    pub(super) fn problem(&mut self, problem: Problem, span: Range<usize>) {
        let problem = self.at(problem, span);
        self.problems.push(problem);
    }

    pub(super) fn warning(&mut self, warning: Problem, span: Range<usize>) {
        let warning = self.at(warning, span);
        self.warnings.push(warning);
    }

    pub(super) fn wrong(&mut self, wrong: Wrong, span: Range<usize>) {
        let mut problem = Problem::new(wrong.message);
        problem.hint = wrong.hint;
        self.problem(problem, span);
    }
}

/// One table whose keys are known.
pub(super) struct Table<'t, 'i> {
    /// How messages call it, such as "`[watch]`".
    pub(super) title: String,
    entries: &'t DeTable<'i>,
    /// Its header, or the whole of an inline table.
    pub(super) span: Range<usize>,
}

type Value<'t, 'i> = &'t Spanned<DeValue<'i>>;

impl<'t, 'i> Table<'t, 'i> {
    /// The table, after a look for keys that are not in `known`.
    pub(super) fn new(
        report: &mut Report,
        title: impl Into<String>,
        entries: &'t DeTable<'i>,
        span: Range<usize>,
        known: &[&str],
    ) -> Table<'t, 'i> {
        let table = Table { title: title.into(), entries, span };
        for key in table.entries.keys() {
            if !known.contains(&&**key.get_ref()) {
                let problem = unknown_key(&table.title, key.get_ref(), known);
                report.problem(problem, key.span());
            }
        }
        table
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The place of this key.
    pub(super) fn key_span(&self, key: &str) -> Range<usize> {
        self.entries.get_key_value(key).map_or(self.span.clone(), |(key, _)| key.span())
    }

    pub(super) fn get(&self, key: &str) -> Option<Value<'t, 'i>> {
        self.entries.get(key)
    }

    /// Every key and its value.
    pub(super) fn entries(&self) -> impl Iterator<Item = (At<String>, Value<'t, 'i>)> {
        self.entries.iter().map(|(key, value)| (At::new(key.get_ref().to_string(), key.span()), value))
    }

    pub(super) fn string(&self, report: &mut Report, key: &str) -> Option<At<String>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(At::new(text.to_string(), value.span())),
            other => {
                let mut problem = Problem::new(format!("`{key}` must be a string, not {}", kind(other)));
                if let Some(text) = scalar_text(other) {
                    problem = problem.hint(format!("write `{key} = \"{text}\"`"));
                }
                report.problem(problem, value.span());
                None
            }
        }
    }

    pub(super) fn boolean(&self, report: &mut Report, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            other => {
                let mut problem = Problem::new(format!("`{key}` must be `true` or `false`, not {}", kind(other)));
                if let DeValue::String(text) = other
                    && matches!(&**text, "true" | "false")
                {
                    problem = problem.hint(format!("write `{key} = {text}` without quotes"));
                }
                report.problem(problem, value.span());
                None
            }
        }
    }

    pub(super) fn strings(&self, report: &mut Report, key: &str) -> Option<Strings> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Array(_) => string_array(report, key, value),
            other => {
                let mut problem = Problem::new(format!("`{key}` must be an array of strings, not {}", kind(other)));
                if let DeValue::String(text) = other {
                    problem = problem.hint(format!("write `{key} = [\"{text}\"]`"));
                }
                report.problem(problem, value.span());
                None
            }
        }
    }

    /// A time with a unit. `zero` says what zero means: none if it is an error.
    pub(super) fn time(&self, report: &mut Report, key: &str, zero: Zero) -> Option<At<Duration>> {
        let value = self.get(key)?;
        let checked = match value.get_ref() {
            DeValue::String(text) => units::time(text).and_then(|time| match (time.is_zero(), zero) {
                (true, Zero::Meaningless) => Err(Wrong::new(format!("`{key}` must be longer than zero"), NO_ZERO)),
                _ => Ok(time),
            }),
            DeValue::Integer(_) | DeValue::Float(_) => {
                let text = scalar_text(value.get_ref()).unwrap_or_default();
                let hint = format!("write `{key} = \"{text}s\"` or `\"{text}ms\"`");
                Err(Wrong::new(format!("`{key}` needs a unit"), hint))
            }
            other => {
                let message = format!("`{key}` must be a time, not {}", kind(other));
                Err(Wrong::new(message, "times are written like `\"250ms\"`, `\"5s\"` or `\"1m30s\"`"))
            }
        };
        match checked {
            Ok(time) => Some(At::new(time, value.span())),
            Err(wrong) => {
                report.wrong(wrong, value.span());
                None
            }
        }
    }

    /// A number of bytes with a unit.
    pub(super) fn size(&self, report: &mut Report, key: &str) -> Option<u64> {
        let value = self.get(key)?;
        let checked = match value.get_ref() {
            DeValue::String(text) => units::size(text),
            DeValue::Integer(digits) => {
                let hint = format!("write `{key} = \"{digits}B\"`, or such as `\"64KiB\"` or `\"10MiB\"`");
                Err(Wrong::new(format!("`{key}` needs a unit"), hint))
            }
            other => {
                let message = format!("`{key}` must be a size, not {}", kind(other));
                Err(Wrong::new(message, "sizes are written like `\"64KiB\"` or `\"10MiB\"`"))
            }
        };
        match checked {
            Ok(size) => Some(size),
            Err(wrong) => {
                report.wrong(wrong, value.span());
                None
            }
        }
    }

    /// One of these words.
    pub(super) fn choice<T: Copy>(&self, report: &mut Report, key: &str, words: &[(&str, T)]) -> Option<At<T>> {
        let value = self.get(key)?;
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let DeValue::String(text) = value.get_ref() else {
            let problem = Problem::new(format!("`{key}` must be a string, not {}", kind(value.get_ref())));
            report.problem(problem.hint(format!("it can be {}", listed(&names))), value.span());
            return None;
        };
        let text = At::new(text.to_string(), value.span());
        let found = words.iter().find(|(word, _)| *word == text.value);
        if let Some((_, value)) = found {
            return Some(At::new(*value, text.span));
        }
        let problem = Problem::new(format!("`{key}` cannot be `{}`", text.value)).hint(choose(&text.value, &names));
        report.problem(problem, text.span);
        None
    }

    /// A table with these keys, written inline or with a header of its own.
    pub(super) fn table(&self, report: &mut Report, key: &str, title: &str, known: &[&str]) -> Option<Table<'t, 'i>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(entries) => Some(Table::new(report, title, entries, value.span(), known)),
            other => {
                let problem = Problem::new(format!("`{key}` must be a table, not {}", kind(other)));
                let hint = match other {
                    DeValue::Array(_) if title.contains('[') => format!("there is only one: {title}"),
                    _ => format!("its keys are {}", listed(known).replace(" or ", " and ")),
                };
                report.problem(problem.hint(hint), value.span());
                None
            }
        }
    }
}

/// What a time of zero says.
#[derive(Clone, Copy)]
pub(super) enum Zero {
    /// Nothing is waited for.
    Allowed,
    /// It is a mistake.
    Meaningless,
}

const NO_ZERO: &str = "leave it out for the default";

/// The strings of an array; what is none is a problem at its own place.
pub(super) fn string_array(report: &mut Report, key: &str, value: Value<'_, '_>) -> Option<Strings> {
    let DeValue::Array(elements) = value.get_ref() else { return None };
    let mut strings = Vec::new();
    let mut complete = true;
    for element in elements.iter() {
        match element.get_ref() {
            DeValue::String(text) => strings.push(At::new(text.to_string(), element.span())),
            other => {
                complete = false;
                let mut problem = Problem::new(format!("`{key}` must hold strings, not {}", kind(other)));
                if let Some(text) = scalar_text(other) {
                    problem = problem.hint(format!("write `\"{text}\"`"));
                }
                report.problem(problem, element.span());
            }
        }
    }
    complete.then(|| At::new(strings, value.span()))
}

/// A whole number from `range`.
pub(super) fn number(report: &mut Report, key: &str, value: Value<'_, '_>, range: Range<u32>) -> Option<u16> {
    let DeValue::Integer(digits) = value.get_ref() else { return None };
    let parsed = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
    let found = parsed.and_then(|parsed| u32::try_from(parsed).ok()).filter(|parsed| range.contains(parsed));
    if found.is_none() {
        let message = format!("`{key}` must be from {} to {}, not {digits}", range.start, range.end - 1);
        report.problem(Problem::new(message), value.span());
    }
    found.and_then(|found| u16::try_from(found).ok())
}

/// How messages call a value's type.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

fn scalar_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(digits) => Some(digits.to_string()),
        DeValue::Float(digits) => Some(digits.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        _ => None,
    }
}

/// "did you mean …?", or all there is.
pub(super) fn choose(written: &str, known: &[&str]) -> String {
    match did_you_mean(written, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it can be {}", listed(known)),
    }
}

/// "`a`, `b` or `c`"
pub(super) fn listed(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// Names other tools have for what devloop calls differently.
const ALIASES: &[(&str, &str)] = &[
    ("args", "run"),
    ("build", "step"),
    ("cmd", "run"),
    ("command", "run"),
    ("debounce", "settle"),
    ("delay", "settle"),
    ("depends", "after"),
    ("depends_on", "after"),
    ("deps", "after"),
    ("dir", "cwd"),
    ("directory", "cwd"),
    ("env_file", "env_files"),
    ("environment", "env"),
    ("exclude", "ignore"),
    ("excludes", "ignore"),
    ("exec", "run"),
    ("files", "inputs"),
    ("health_path", "health"),
    ("healthcheck", "health"),
    ("include", "inputs"),
    ("kill_signal", "stop"),
    ("patterns", "inputs"),
    ("proxy_pass", "service"),
    ("root", "files"),
    ("server", "service"),
    ("static", "files"),
    ("to", "service"),
    ("upstream", "service"),
    ("sources", "inputs"),
    ("task", "step"),
    ("watch", "inputs"),
    ("working_dir", "cwd"),
    ("workdir", "cwd"),
];

fn unknown_key(title: &str, key: &str, known: &[&str]) -> Problem {
    let problem = Problem::new(format!("unknown key `{key}` in {title}"));
    let alias = ALIASES.iter().find(|(alias, name)| *alias == key && known.contains(name)).map(|(_, name)| *name);
    match alias.or_else(|| did_you_mean(key, known.iter().copied())) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("the keys are {}", listed(known).replace(" or ", " and "))),
    }
}
