//! A command line as its parts between `&&`, `;`, `|`: which program, where, with which variables. Pure.

use std::path::{Path, PathBuf};

/// One simple command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Simple {
    /// Where it runs, after every `cd` before it.
    pub(super) cwd: PathBuf,
    /// `NAME=value` in front of it.
    pub(super) assignments: Vec<(String, String)>,
    /// The program and its arguments; never empty.
    pub(super) words: Vec<String>,
}

/// The simple commands in `words`, in order. What only a shell understands beyond that stays in the words.
pub(super) fn split(words: &[String], cwd: &Path) -> Vec<Simple> {
    let mut cwd = cwd.to_owned();
    let mut found = Vec::new();
    let words = apart(words);
    for part in words.split(|word| is_operator(word)) {
        let mut assignments = Vec::new();
        let mut rest = part;
        while let Some((first, after)) = rest.split_first() {
            match assignment(first) {
                Some(pair) => assignments.push(pair),
                None if PREFIXES.contains(&first.as_str()) => {}
                None => break,
            }
            rest = after;
        }
        match rest {
            [] => {}
            [cd, folder] if cd == "cd" => cwd = cwd.join(folder),
            _ => found.push(Simple { cwd: cwd.clone(), assignments, words: rest.to_vec() }),
        }
    }
    found
}

/// Words before a program that do not change what it is.
const PREFIXES: [&str; 6] = ["env", "exec", "time", "command", "nice", "then"];

fn is_operator(word: &str) -> bool {
    matches!(word, "&&" | "||" | "|" | ";" | "&")
}

/// The words with `;` and brackets that stand at a word (`build;`, `(cd`) taken off: what follows is another command.
fn apart(words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for word in words {
        let bare = word.trim_start_matches('(').trim_end_matches([';', ')']);
        if !bare.is_empty() {
            found.push(bare.to_owned());
        }
        if word.ends_with([';', ')']) {
            found.push(";".to_owned());
        }
    }
    found
}

fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let plain = name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    let begins = name.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic());
    (plain && begins).then(|| (name.to_owned(), value.to_owned()))
}

/// The last part of a path.
pub(super) fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_folders_and_variables_are_told_apart() {
        let words: Vec<String> =
            "cd api && GOOS=linux env CGO_ENABLED=0 go build ./cmd; echo done".split(' ').map(str::to_owned).collect();
        let found = split(&words, Path::new("/work"));
        assert_eq!(found[0].cwd, Path::new("/work/api"));
        assert_eq!(found[0].words, ["go", "build", "./cmd"]);
        let names: Vec<&str> = found[0].assignments.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["GOOS", "CGO_ENABLED"]);
    }
}
