//! What an env file says: `NAME=value` lines, as dotenv tools and `docker compose` read them. It opens no file, and
//! nothing is executed or looked up: `$` means itself.

/// A line that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What is wrong with it: a lowercase fragment.
    pub message: String,
}

/// The variables in `text`, in order. Empty lines and those that begin with `#` are skipped, `export ` in front of a
/// name too. A bare value ends at ` #` and is trimmed; one in single quotes is taken as it is; in double quotes `\n`,
/// `\r`, `\t`, `\\`, `\"` and `\$` are replaced. Quoted values may go over several lines.
///
/// # Errors
/// Every line that is not understood; none of the file counts then.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, Vec<BadLine>> {
    let (mut found, mut bad) = (Vec::new(), Vec::new());
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while !rest.is_empty() {
        let line = text[..text.len() - rest.len()].matches('\n').count() + 1;
        match assignment(rest) {
            Ok((variable, after)) => {
                found.extend(variable);
                rest = after;
            }
            Err(message) => {
                bad.push(BadLine { line, message });
                rest = rest.split_once('\n').map_or("", |(_, after)| after);
            }
        }
    }
    if bad.is_empty() { Ok(found) } else { Err(bad) }
}

type Variable = (String, String);

/// The assignment at the start of `text`, if its first line has one, and what follows.
fn assignment(text: &str) -> Result<(Option<Variable>, &str), String> {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    let shown = line.trim();
    if shown.is_empty() || shown.starts_with('#') {
        return Ok((None, after));
    }
    let Some((name, _)) = line.split_once('=') else {
        return Err(format!("`{shown}` has no `=`"));
    };
    let value = &text[name.len() + 1..];
    let name = name.trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if name.is_empty() || !name.bytes().all(is_fine) || name.as_bytes()[0].is_ascii_digit() {
        return Err(format!("`{name}` is not a name for a variable"));
    }
    let start = value.trim_start_matches([' ', '\t']);
    let (value, after) = match start.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(&start[1..], quote)?,
        _ => (bare(value.split('\n').next().unwrap_or("")), after),
    };
    if value.contains('\0') {
        return Err(format!("the value of `{name}` holds a NUL byte"));
    }
    Ok((Some((name.to_owned(), value)), after))
}

fn bare(value: &str) -> String {
    let comment = value
        .char_indices()
        .zip(value.chars().skip(1))
        .find(|((_, space), next)| matches!(space, ' ' | '\t') && *next == '#');
    let end = comment.map_or(value.len(), |((at, _), _)| at);
    value[..end].trim().to_owned()
}

/// The value up to the closing quote; nothing but a comment may follow it.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => {
                let (tail, after) = text[at + 1..].split_once('\n').unwrap_or((&text[at + 1..], ""));
                let tail = tail.trim();
                return match tail.is_empty() || tail.starts_with('#') {
                    true => Ok((value, after)),
                    false => Err(format!("`{tail}` follows the closing quote")),
                };
            }
            '\\' if quote == '"' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, known @ ('\\' | '"' | '$'))) => value.push(known),
                Some((_, other)) => value.extend(['\\', other]),
                None => {}
            },
            other => value.push(other),
        }
    }
    Err(format!("the closing `{quote}` is missing"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_usual_notations_are_understood() {
        let text = "\u{feff}# comment\n\nA=1\r\nexport B = two words  # comment\nC=\nD='a $b \\n'\nE=\"x\\ty\\\"\" # c\nF=a#b\nG=\"1\n2\"\nURL=postgres://u:p@h/d?x=y";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", ""),
            ("D", "a $b \\n"),
            ("E", "x\ty\""),
            ("F", "a#b"),
            ("G", "1\n2"),
            ("URL", "postgres://u:p@h/d?x=y"),
        ];
        let found = parse(text).unwrap();
        assert_eq!(found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_bad_line_is_named() {
        let bad = parse("A=1\nnonsense\n1X=2\nB='x' y\nC=\"open").unwrap_err();
        let lines: Vec<usize> = bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
        assert_eq!(bad[0].message, "`nonsense` has no `=`");
        assert_eq!(bad[3].message, "the closing `\"` is missing");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_single_quotes_keep_everything(text in "\\PC*", value in "[^'\\x00]*") {
            let _ = parse(&text);
            prop_assert_eq!(parse(&format!("A='{value}'\n")), Ok(vec![("A".to_owned(), value)]));
        }
    }
}
