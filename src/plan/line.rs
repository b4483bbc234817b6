//! A command as one program and its words, so that another program can be put before it. It executes nothing.

use std::ops::Range;

use super::{
    command::{Command, Kind, Piece, Template, can_exec},
    script::{Quotes, Quoting},
};

/// A command that is certainly one program with its words.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    command: &'a Command,
    words: Vec<Template>,
}

/// What is known of a word before the command is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Plain text, without its quotes.
    Plain(String),
    /// The artifact of this step, or the port.
    Value(String),
    /// Something that is put together when it is run.
    Mixed,
}

impl Word {
    /// Its text, if it is plain.
    pub(super) fn plain(&self) -> Option<&str> {
        match self {
            Word::Plain(text) => Some(text),
            Word::Value(_) | Word::Mixed => None,
        }
    }
}

impl<'a> Line<'a> {
    /// None for what only a shell can run: several commands, a pipe, an assignment before the program.
    pub(super) fn of(command: &'a Command) -> Option<Line<'a>> {
        let words = match &command.kind {
            Kind::Words(words) => words.clone(),
            Kind::Shell { shell, script } if can_exec(shell, script, &command.text) => split(script),
            Kind::Shell { .. } => return None,
        };
        Some(Line { command, words })
    }

    /// Its words.
    pub(super) fn words(&self) -> Vec<Word> {
        self.words.iter().map(|word| self.word(word)).collect()
    }

    fn word(&self, word: &[Piece]) -> Word {
        match (word, &self.command.kind) {
            ([Piece::Value { name, .. }], _) => Word::Value(name.clone()),
            ([], _) => Word::Plain(String::new()),
            ([Piece::Text(text)], Kind::Words(_)) => Word::Plain(text.clone()),
            ([Piece::Text(text)], Kind::Shell { .. }) if text.contains(['$', '`', '*', '?', '~']) => Word::Mixed,
            ([Piece::Text(text)], Kind::Shell { .. }) => match shell_words::split(text).as_deref() {
                Ok([word]) => Word::Plain(word.clone()),
                _ => Word::Mixed,
            },
            _ => Word::Mixed,
        }
    }

    /// The command with `words` in place of those at `range`.
    pub(super) fn replace(&self, range: Range<usize>, words: &[String]) -> Command {
        self.edit(&[(range, words.to_vec())])
    }

    /// A new word. What it has in braces at its end becomes a placeholder.
    fn template(&self, word: &str) -> Template {
        let (text, value) = match word.split_once('{').and_then(|(text, name)| Some((text, name.strip_suffix('}')?))) {
            Some((text, name)) => (text, Some(name.to_owned())),
            None => (word, None),
        };
        let (text, quoting) = match &self.command.kind {
            Kind::Words(_) => (text.to_owned(), None),
            Kind::Shell { .. } => {
                (shell_words::quote(text).into_owned(), Some(Quoting { quotes: Quotes::Bare, backs: 0 }))
            }
        };
        let value = value.map(|name| Piece::Value { name, quoting });
        std::iter::once(Piece::Text(text)).chain(value).collect()
    }

    /// The command with several such changes, in order and apart.
    pub(super) fn edit(&self, changes: &[(Range<usize>, Vec<String>)]) -> Command {
        let quoted = |word: &String| self.template(word);
        let mut all = Vec::new();
        let mut done = 0;
        for (range, words) in changes {
            all.extend(self.words[done..range.start].iter().cloned());
            all.extend(words.iter().map(quoted));
            done = range.end;
        }
        all.extend(self.words[done..].iter().cloned());
        let text: Vec<String> = all.iter().map(|word| shown(word)).collect();
        let kind = match &self.command.kind {
            Kind::Words(_) => Kind::Words(all),
            Kind::Shell { shell, .. } => Kind::Shell { shell: shell.clone(), script: join(all) },
        };
        Command { text: text.join(" "), kind }
    }
}

/// A script's words with their quotes.
fn split(script: &[Piece]) -> Vec<Template> {
    let mut words: Vec<Template> = Vec::new();
    let mut word: Template = Vec::new();
    let mut quote: Option<char> = None;
    for piece in script {
        let Piece::Text(text) = piece else {
            word.push(piece.clone());
            continue;
        };
        let mut part = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match (letter, quote) {
                ('\\', None | Some('"')) => {
                    part.push(letter);
                    part.extend(letters.next());
                    continue;
                }
                ('\'' | '"', None) => quote = Some(letter),
                (closing, Some(open)) if closing == open => quote = None,
                (blank, None) if blank.is_whitespace() => {
                    end_part(&mut word, &mut part);
                    if !word.is_empty() {
                        words.push(std::mem::take(&mut word));
                    }
                    continue;
                }
                _ => {}
            }
            part.push(letter);
        }
        end_part(&mut word, &mut part);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn end_part(word: &mut Template, part: &mut String) {
    if !part.is_empty() {
        word.push(Piece::Text(std::mem::take(part)));
    }
}

fn join(words: Vec<Template>) -> Template {
    let mut script = Template::new();
    for (nth, word) in words.into_iter().enumerate() {
        if nth > 0 {
            script.push(Piece::Text(" ".to_owned()));
        }
        script.extend(word);
    }
    script
}

fn shown(word: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Value { name, .. } => format!("{{{name}}}"),
    };
    word.iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Vars;

    const KNOWN: &[&str] = &["build", "port"];

    fn command(text: &str) -> Command {
        Command::parse(text, KNOWN, None).expect("a command")
    }

    fn resolved(command: &Command) -> Vec<String> {
        let vars: Vars = [("build".to_owned(), "/a b/api".into()), ("port".to_owned(), "80".into())].into();
        let resolved = command.resolve(&vars);
        let words = std::iter::once(resolved.program).chain(resolved.args);
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    fn under(text: &str) -> Vec<String> {
        let command = command(text);
        let line = Line::of(&command).expect("one program");
        let before = vec!["dlv".to_owned(), "it's".to_owned()];
        resolved(&line.edit(&[(0..0, before), (1..1, vec!["--".to_owned()])]))
    }

    #[test]
    fn words_are_put_before_a_program_and_after_it() {
        assert_eq!(under("{build} -addr :{port}"), ["dlv", "it's", "/a b/api", "--", "-addr", ":80"]);
    }

    #[test]
    fn a_script_of_one_program_keeps_its_quotes_and_values() {
        assert_eq!(
            under("{build} -addr \":$PORT\" --name 'a  b' {port}"),
            ["sh", "-c", "exec dlv 'it'\\''s' '/a b/api' -- -addr \":$PORT\" --name 'a  b' 80"]
        );
    }

    #[test]
    fn several_commands_are_no_line() {
        for text in ["{build} | tee log", "A=1 {build}", "cd x && {build}", "if true; then {build}; fi"] {
            assert!(Line::of(&command(text)).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_put_together_later_is_not_taken_for_text() {
        let command = command("node \"server.js\" $X {build} a{port}");
        let words = Line::of(&command).expect("one program").words();
        let plain = |text: &str| Word::Plain(text.to_owned());
        let expected = [plain("node"), plain("server.js"), Word::Mixed, Word::Value("build".to_owned()), Word::Mixed];
        assert_eq!(words, expected);
    }
}
