//! A command as dev.toml writes it, and what is really executed. Pure: no file, no environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use super::script::{Quoting, scan};

/// `run = …`, split into words or kept for a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// As written; an array is shown joined.
    pub text: String,
    pub(crate) kind: Kind,
}

/// How a command is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// These words, the first one is the program.
    Words(Vec<Template>),
    /// This script, by the `-c` of this shell (its program and options).
    Shell { shell: Vec<String>, script: Template },
}

/// Text with places for values.
pub(crate) type Template = Vec<Piece>;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// As it is.
    Text(String),
    /// The value of `{name}`; in a script quoted for its place, in a word as it is.
    Value { name: String, quoting: Option<Quoting> },
}

/// Values for `{name}` placeholders: `out`, `port`, and the names of steps with an artifact.
pub type Vars = BTreeMap<String, OsString>;

/// What is handed to `exec`: the program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The program: a name to be found in PATH, or a path.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// First words that mean something to a shell only.
const BUILTINS: &[&str] = &[
    "!", ".", ":", "alias", "bg", "builtin", "cd", "command", "declare", "disown", "eval", "exec", "exit", "export",
    "fg", "hash", "jobs", "let", "local", "popd", "pushd", "read", "readonly", "return", "set", "shift", "shopt",
    "source", "times", "trap", "type", "typeset", "ulimit", "umask", "unalias", "unset", "wait",
];

/// Words that a shell reads as grammar, and built-ins that also exist as programs but differ from them: `exec` must
/// not be put before them.
const NOT_FOR_EXEC: &[&str] = &[
    "[", "[[", "case", "do", "done", "echo", "elif", "else", "esac", "false", "fi", "for", "function", "getopts", "if",
    "in", "kill", "printf", "pwd", "select", "test", "then", "time", "true", "until", "while", "{", "}",
];

/// Shells that know `exec` as POSIX describes it.
const POSIX_SHELLS: &[&str] = &["ash", "bash", "dash", "ksh", "mksh", "sh", "zsh"];

impl Command {
    /// A command written as one string. Words are split as a shell splits them, and only then the `{name}`s in
    /// `known` become placeholders; `{{name}}`, `${name}` and other braces stay. It is given to a shell if it needs
    /// one (an unquoted operator, expansion or line end; an assignment or a built-in as its first word) or if `shell`
    /// names one, such as `bash` or `bash -eu`.
    ///
    /// # Errors
    /// Why it is no command: nothing to run, a quote without its end, a NUL character.
    pub fn parse(text: &str, known: &[&str], shell: Option<&str>) -> Result<Command, String> {
        let script = trimmed(text);
        if script.is_empty() {
            return Err("nothing to run".to_owned());
        }
        if script.contains('\0') {
            return Err("a command cannot hold a NUL character".to_owned());
        }
        let look = scan(script);
        let has_heredoc = script.contains("<<");
        if look.open && !has_heredoc && shell.is_none() {
            return Err("a quote or bracket is not closed".to_owned());
        }
        if shell.is_some() || look.special || starts_for_a_shell(script) {
            let shell = shell_words(shell)?;
            let script = script_template(script, &look.braces, known);
            return Ok(Command { text: text.to_owned(), kind: Kind::Shell { shell, script } });
        }
        let words = shell_words::split(script).map_err(|_| "a quote is not closed".to_owned())?;
        let command = Command::from_words(words, known)?;
        Ok(Command { text: text.to_owned(), ..command })
    }

    /// A command written as its words; never given to a shell. The `{name}`s in `known` become placeholders.
    ///
    /// # Errors
    /// Why it is no command: no words, an empty first word, a NUL character.
    pub fn from_words(words: Vec<String>, known: &[&str]) -> Result<Command, String> {
        if words.first().is_none_or(|program| program.trim().is_empty()) {
            return Err("nothing to run".to_owned());
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err("a command cannot hold a NUL character".to_owned());
        }
        let text = shell_words::join(&words);
        let words = words.iter().map(|word| word_template(word, known)).collect();
        Ok(Command { text, kind: Kind::Words(words) })
    }

    /// The placeholders it uses.
    pub fn names(&self) -> BTreeSet<&str> {
        self.templates().flatten().filter_map(Piece::name).collect()
    }

    /// What to execute, with these values. A placeholder without a value stays as it was written.
    pub fn resolve(&self, vars: &Vars) -> Resolved {
        match &self.kind {
            Kind::Words(words) => {
                let mut words = words.iter().map(|word| fill(word, vars));
                Resolved { program: words.next().unwrap_or_default(), args: words.collect() }
            }
            Kind::Shell { shell, script } => {
                let mut args: Vec<OsString> = shell.iter().skip(1).map(OsString::from).collect();
                args.push("-c".into());
                let mut whole = OsString::from(if can_exec(shell, script, &self.text) { "exec " } else { "" });
                whole.push(fill(script, vars));
                args.push(whole);
                Resolved { program: shell.first().map_or("sh", String::as_str).into(), args }
            }
        }
    }

    /// The first word, if the command is not given to a shell and the word is plain text.
    pub fn program(&self) -> Option<&str> {
        self.words()?.into_iter().next().flatten()
    }

    /// The words, if the command is not given to a shell; none for a word with a placeholder.
    pub(crate) fn words(&self) -> Option<Vec<Option<&str>>> {
        let Kind::Words(words) = &self.kind else { return None };
        Some(words.iter().map(|word| plain(word)).collect())
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        match &self.kind {
            Kind::Words(words) => words.as_slice(),
            Kind::Shell { script, .. } => std::slice::from_ref(script),
        }
        .iter()
    }
}

impl Piece {
    fn name(&self) -> Option<&str> {
        match self {
            Piece::Value { name, .. } => Some(name),
            Piece::Text(_) => None,
        }
    }
}

/// The text of a template without placeholders.
fn plain(template: &[Piece]) -> Option<&str> {
    match template {
        [] => Some(""),
        [Piece::Text(text)] => Some(text),
        _ => None,
    }
}

/// Without blanks around it; an escaped blank at its end belongs to it.
fn trimmed(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.trim_end();
    let backslashes = end.len() - end.trim_end_matches('\\').len();
    let escaped = text[end.len()..].chars().next().filter(|_| backslashes % 2 == 1);
    &text[..end.len() + escaped.map_or(0, char::len_utf8)]
}

fn shell_words(shell: Option<&str>) -> Result<Vec<String>, String> {
    let words =
        shell_words::split(shell.unwrap_or("sh")).map_err(|_| "`shell` has a quote without its end".to_owned())?;
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err("`shell` is empty".to_owned()),
    }
}

/// Whether the first word is an assignment or a shell's own command.
fn starts_for_a_shell(script: &str) -> bool {
    let first = script.split_whitespace().next().unwrap_or("");
    BUILTINS.contains(&first) || is_assignment(first)
}

/// `NAME=…`
pub(crate) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    })
}

/// Whether the script is certainly one command that is a program, so that `exec` lets it take the shell's place and
/// get the signals that are sent to it.
pub(super) fn can_exec(shell: &[String], script: &[Piece], text: &str) -> bool {
    let Some(program) = shell.first() else { return false };
    let shell_name = program.rsplit('/').next().unwrap_or(program);
    let first = text.split_whitespace().next().unwrap_or("");
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_-./+@%:".contains(letter);
    let starts_plain = match script.first() {
        Some(Piece::Text(_)) => !first.is_empty() && first.chars().all(is_word),
        Some(Piece::Value { .. }) => true,
        None => false,
    };
    POSIX_SHELLS.contains(&shell_name)
        && starts_plain
        && !BUILTINS.contains(&first)
        && !NOT_FOR_EXEC.contains(&first)
        && scan(trimmed(text)).single
}

/// The placeholder that starts at the `{` at byte `at`: `{name}`, not `{{name}}` and not `${name}`.
fn placeholder<'a>(text: &'a str, at: usize, known: &[&str]) -> Option<&'a str> {
    let before = text[..at].chars().next_back();
    let (name, after) = text[at + 1..].split_once('}')?;
    let doubled = before == Some('{') || after.starts_with('}');
    (!doubled && before != Some('$') && known.contains(&name)).then_some(name)
}

fn word_template(word: &str, known: &[&str]) -> Template {
    template(word, word.match_indices('{').map(|(at, _)| (at, None)), known)
}

fn script_template(script: &str, braces: &[(usize, Quoting)], known: &[&str]) -> Template {
    template(script, braces.iter().map(|(at, quoting)| (*at, Some(*quoting))), known)
}

fn template(text: &str, braces: impl Iterator<Item = (usize, Option<Quoting>)>, known: &[&str]) -> Template {
    let mut pieces = Vec::new();
    let mut done = 0;
    for (at, quoting) in braces {
        let Some(name) = placeholder(text, at, known) else { continue };
        if done < at {
            pieces.push(Piece::Text(text[done..at].to_owned()));
        }
        pieces.push(Piece::Value { name: name.to_owned(), quoting });
        done = at + name.len() + 2;
    }
    if done < text.len() {
        pieces.push(Piece::Text(text[done..].to_owned()));
    }
    pieces
}

fn fill(template: &[Piece], vars: &Vars) -> OsString {
    let mut filled = Vec::new();
    for piece in template {
        match piece {
            Piece::Text(text) => filled.extend(text.as_bytes()),
            Piece::Value { name, quoting } => match (vars.get(name), quoting) {
                (Some(value), Some(quoting)) => filled.extend(quoting.quote(value.as_bytes())),
                (Some(value), None) => filled.extend(value.as_bytes()),
                (None, _) => filled.extend(format!("{{{name}}}").as_bytes()),
            },
        }
    }
    OsString::from_vec(filled)
}

#[cfg(test)]
mod tests;
