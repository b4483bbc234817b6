//! What the rules read of a source: its text without comments, its words, and the paths that it imports.

use super::Source;

/// Text without comments, and with empty strings and characters.
pub(super) fn bare(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut bare = String::new();
    let mut at = 0;
    while at < letters.len() {
        let rest = &letters[at..];
        let previous = bare.chars().last().is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|letter| *letter == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => rest.windows(2).position(|pair| pair == ['*', '/']).map_or(rest.len(), |end| end + 2),
            ['r', '"' | '#', ..] if !previous => raw_string(rest),
            ['b', 'r', '"' | '#', ..] if !previous => 1 + raw_string(&rest[1..]),
            ['"', ..] => quoted(rest, '"'),
            ['\'', '\\', ..] => quoted(rest, '\''),
            ['\'', _, '\'', ..] => 3,
            _ => 0,
        };
        if length == 0 {
            bare.push(letters[at]);
            at += 1;
        } else {
            bare.push(' ');
            at += length;
        }
    }
    bare
}

/// The length of a string or character that begins here.
fn quoted(letters: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < letters.len() && letters[at] != quote {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a raw string that begins here; 0 if it is none (`r#type`).
fn raw_string(letters: &[char]) -> usize {
    let marks = letters[1..].iter().take_while(|letter| **letter == '#').count();
    if letters.get(1 + marks) != Some(&'"') {
        return 0;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', marks)).collect();
    let from = 2 + marks;
    letters[from..]
        .windows(end.len())
        .position(|part| part == end)
        .map_or(letters.len(), |found| from + found + end.len())
}

/// Names, `::`, and every other sign by itself.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let bare = bare(text);
    let mut tokens: Vec<String> = Vec::new();
    let mut glued = false;
    for letter in bare.chars() {
        let is_name = letter.is_alphanumeric() || letter == '_';
        match tokens.last_mut() {
            Some(last) if glued && is_name && last.chars().all(|old| old.is_alphanumeric() || old == '_') => {
                last.push(letter);
            }
            Some(last) if glued && letter == ':' && last == ":" => last.push(':'),
            _ if letter.is_whitespace() => {}
            _ => tokens.push(letter.to_string()),
        }
        glued = !letter.is_whitespace();
    }
    tokens
}

/// Every path in a file, with groups unfolded, as seen from the crate's root: `crate::watch::Mailbox`, `std::fs`.
pub(super) fn paths(source: &Source) -> Vec<String> {
    let tokens = tokens(&source.text);
    let mut paths = Vec::new();
    // The modules that are open around the place: the file's own, and those written in it.
    let file: Vec<String> = source.module().into_iter().map(str::to_owned).collect();
    let mut inner: Vec<(usize, String)> = Vec::new();
    let mut braces = 0_usize;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => {
                if at >= 2 && tokens[at - 2] == "mod" {
                    inner.push((braces, tokens[at - 1].clone()));
                }
                braces += 1;
            }
            "}" => {
                braces = braces.saturating_sub(1);
                inner.retain(|(depth, _)| *depth < braces);
            }
            _ if tokens.get(at + 1).is_some_and(|next| next == "::") && (at == 0 || tokens[at - 1] != "::") => {
                let here: Vec<String> =
                    file.iter().cloned().chain(inner.iter().map(|(_, name)| name.clone())).collect();
                let mut found = Vec::new();
                let end = unfold(&tokens, at, &[], &mut found);
                paths.extend(found.into_iter().map(|path| absolute(&here, path)));
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    paths
}

/// Unfolds the path that begins at `at` into `found`; returns where it ends.
fn unfold(tokens: &[String], mut at: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") if at > 0 && tokens[at - 1] == "::" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = if tokens[at] == "," { at + 1 } else { unfold(tokens, at, &path, found) };
                }
                return at + 1;
            }
            Some(name) if name.chars().all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '*') => {
                path.push(name.to_owned());
                at += 1;
            }
            _ => at += 1,
        }
        if tokens.get(at).is_some_and(|token| token == "::") {
            at += 1;
        } else {
            break;
        }
    }
    found.push(path);
    while !before.is_empty() && tokens.get(at).is_some_and(|token| token != "," && token != "}") {
        at += 1; // `as name`
    }
    at
}

/// A path with `self` and `super` replaced by what they stand for in the module `here`.
fn absolute(here: &[String], path: Vec<String>) -> String {
    let ups = path.iter().take_while(|name| *name == "super").count();
    let path = match path[0].as_str() {
        "super" => {
            let left = here.len().saturating_sub(ups);
            [&["crate".to_owned()], &here[..left], &path[ups..]].concat()
        }
        "self" => [&["crate".to_owned()], here, &path[1..]].concat(),
        _ => path,
    };
    path.join("::")
}
