//! Files of variables (`.env`): `NAME=value` lines, as other tools read them. Pure: the text comes in.

use std::{ops::Range, path::Path, sync::Arc};

use crate::error::{Problem, Source};

/// The variables of `text`, in order; a later one of the same name comes later. Known: `export NAME=value`; comments;
/// `'…'` as it is; `"…"` over several lines, with `\n \r \t \" \\ \$`; unquoted values up to ` #` without spaces at
/// their ends; `${OTHER}` and `$OTHER` in double quotes and unquoted values: a variable of an earlier line, else
/// nothing; `${OTHER:-this}` has a value of its own for that.
///
/// # Errors
/// All lines that are none of this, each with line and column in `file`.
pub fn parse(text: &str, file: &Path) -> Result<Vec<(String, String)>, Vec<Problem>> {
    parse_over(text, file, &|_| None)
}

/// As `parse`, where `outer` knows the variables that no earlier line has: those of the environment below.
///
/// # Errors
/// As `parse`.
pub fn parse_over(
    text: &str,
    file: &Path,
    outer: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut parser = Parser { text, at: start, variables: Vec::new(), outer, problems: Vec::new() };
    while parser.at < text.len() {
        if let Err((problem, span)) = parser.line() {
            parser.problems.push(problem.at(Source { file: file.to_path_buf(), text: Arc::from(text), span }));
            parser.skip_line();
        }
    }
    if parser.problems.is_empty() { Ok(parser.variables) } else { Err(parser.problems) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    variables: Vec<(String, String)>,
    outer: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

type Wrong = (Problem, Range<usize>);

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &str {
        let start = self.at;
        let rest = &self.text[start..];
        self.at += rest.find(|letter| !belongs(letter)).unwrap_or(rest.len());
        &self.text[start..self.at]
    }

    fn skip_line(&mut self) {
        self.take_while(|letter| letter != '\n');
        self.take();
    }

    fn skip_spaces(&mut self) {
        self.take_while(|letter| letter != '\n' && letter.is_whitespace());
    }

    fn line(&mut self) -> Result<(), Wrong> {
        self.skip_spaces();
        match self.peek() {
            None => return Ok(()),
            Some('\n' | '#') => {
                self.skip_line();
                return Ok(());
            }
            Some(_) => {}
        }
        let name = self.name()?;
        let value = self.value()?;
        self.variables.push((name, value));
        Ok(())
    }

    fn name(&mut self) -> Result<String, Wrong> {
        let mut start = self.at;
        let mut name = self.take_while(is_name).to_owned();
        if name == "export" && self.peek().is_some_and(|letter| letter == ' ' || letter == '\t') {
            self.skip_spaces();
            start = self.at;
            name = self.take_while(is_name).to_owned();
        }
        let end = self.at;
        self.skip_spaces();
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            let problem = Problem::new("a line must be `NAME=value`");
            return Err((
                problem.hint("names are made of letters, digits and `_`; `#` starts a comment"),
                start..end.max(start + 1),
            ));
        }
        match self.peek() {
            Some('=') => {
                self.take();
                Ok(name)
            }
            Some(other) if other != '\n' => {
                let problem = Problem::new(format!("`{}` cannot be in the name of a variable", other.escape_debug()));
                Err((problem.hint("a line is `NAME=value`"), self.at..self.at + other.len_utf8()))
            }
            _ => Err((
                Problem::new(format!("`{name}` has no `=`")).hint(format!("write `{name}=` for an empty value")),
                start..end,
            )),
        }
    }

    fn value(&mut self) -> Result<String, Wrong> {
        self.skip_spaces();
        let value = match self.peek() {
            Some('\'') => self.single_quoted()?,
            Some('"') => self.double_quoted()?,
            _ => return self.unquoted(),
        };
        self.skip_spaces();
        match self.peek() {
            None => Ok(value),
            Some('\n' | '#') => {
                self.skip_line();
                Ok(value)
            }
            Some(other) => {
                let problem = Problem::new("there is more after the closing quote");
                Err((problem.hint("put all of the value in the quotes"), self.at..self.at + other.len_utf8()))
            }
        }
    }

    fn single_quoted(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        self.take();
        let value = self.take_while(|letter| letter != '\'').to_owned();
        self.closed(start)?;
        Ok(value)
    }

    fn closed(&mut self, start: usize) -> Result<(), Wrong> {
        match self.take() {
            Some(_) => Ok(()),
            None => {
                // Everything after it was taken for the value: go on with the next line.
                self.at = start;
                Err((Problem::new("this quote is not closed"), start..start + 1))
            }
        }
    }

    fn double_quoted(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        self.take();
        let mut value = String::new();
        loop {
            match self.peek() {
                None => {
                    self.closed(start)?;
                }
                Some('"') => {
                    self.take();
                    return Ok(value);
                }
                Some('\\') => {
                    self.take();
                    value.push_str(&escaped(self.take()));
                }
                Some('$') => value.push_str(&self.reference()?),
                Some(other) => {
                    self.take();
                    value.push(other);
                }
            }
        }
    }

    fn unquoted(&mut self) -> Result<String, Wrong> {
        let mut value = String::new();
        let mut after_space = true;
        loop {
            match self.peek() {
                None | Some('\n') => break,
                Some('#') if after_space => break,
                Some('$') => value.push_str(&self.reference()?),
                Some(other) => {
                    self.take();
                    value.push(other);
                }
            }
            after_space = value.ends_with([' ', '\t']);
        }
        self.skip_line();
        value.truncate(value.trim_end().len());
        Ok(value)
    }

    /// `$NAME`, `${NAME}`, `${NAME:-else}`; a `$` before anything else is a `$`.
    fn reference(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        self.take();
        if self.peek() != Some('{') {
            let name = self.take_while(is_name).to_owned();
            let is_reference = name.starts_with(|first: char| !first.is_ascii_digit());
            return Ok(if is_reference { self.lookup(&name).unwrap_or_default() } else { format!("${name}") });
        }
        self.take();
        let inside = self.take_while(|letter| letter != '}' && letter != '\n').to_owned();
        if self.peek() != Some('}') {
            return Err((Problem::new("this `${` is not closed"), start..start + 2));
        }
        self.take();
        let (name, fallback) = inside.split_once(":-").unwrap_or((&inside, ""));
        if name.is_empty() || !name.chars().all(is_name) {
            let problem = Problem::new(format!("`{name}` is not the name of a variable"));
            return Err((
                problem.hint("write `${NAME}` or `${NAME:-else}`, or put the value in single quotes"),
                start..self.at,
            ));
        }
        Ok(self.lookup(name).filter(|value| !value.is_empty()).unwrap_or_else(|| fallback.to_owned()))
    }

    fn lookup(&self, name: &str) -> Option<String> {
        let earlier = self.variables.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        earlier.or_else(|| (self.outer)(name))
    }
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn escaped(letter: Option<char>) -> String {
    match letter {
        Some('n') => "\n".to_owned(),
        Some('r') => "\r".to_owned(),
        Some('t') => "\t".to_owned(),
        Some('\n') => String::new(),
        Some(plain @ ('"' | '\\' | '$' | '`' | '\'')) => plain.to_string(),
        Some(other) => format!("\\{other}"),
        None => "\\".to_owned(),
    }
}
