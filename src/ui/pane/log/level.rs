//! How serious a line is, by what it says about itself.

/// From what is only for the curious to what is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Level {
    Debug,
    /// Also: the line does not say.
    Info,
    Warning,
    Error,
}

/// So many words at the beginning of a line may name its level.
const WORDS: usize = 8;
/// And so many bytes are looked at.
const LOOKED_AT: usize = 240;

impl Level {
    /// A level as logging libraries write it in a field of its own.
    pub(super) fn named(name: &str) -> Option<Level> {
        Some(match name.to_ascii_lowercase().as_str() {
            "trace" | "trc" | "debug" | "dbg" | "dbug" | "verbose" | "10" | "20" => Level::Debug,
            "info" | "inf" | "information" | "notice" | "30" => Level::Info,
            "warn" | "wrn" | "warning" | "40" => Level::Warning,
            "error" | "err" | "eror" | "fatal" | "ftl" | "crit" | "critical" | "panic" | "dpanic" | "alert"
            | "emergency" | "50" | "60" => Level::Error,
            _ => return None,
        })
    }

    /// Three letters.
    pub(in super::super) fn short(self) -> &'static str {
        match self {
            Level::Debug => "DBG",
            Level::Info => "INF",
            Level::Warning => "WRN",
            Level::Error => "ERR",
        }
    }

    /// Out of what some programs say instead of a level.
    pub(super) fn of_phrase(text: &str) -> Option<Level> {
        by_phrase(text)
    }

    /// Out of a line of text without escape sequences; none if it does not say.
    pub(super) fn of(text: &str) -> Option<Level> {
        let mut end = text.len().min(LOOKED_AT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = &text[..end];
        by_key(text).or_else(|| by_phrase(text)).or_else(|| by_word(text))
    }
}

/// `level=error`
fn by_key(text: &str) -> Option<Level> {
    let value = ["level=", "lvl=", "severity="].into_iter().find_map(|key| Some(text.split_once(key)?.1))?;
    let value = value.trim_start_matches('"');
    Level::named(value.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default())
}

/// What some programs say instead of a level.
fn by_phrase(text: &str) -> Option<Level> {
    const PHRASES: [(&str, Level); 8] = [
        // Go's net/http, about a handler.
        ("http: panic serving", Level::Error),
        ("panicked at", Level::Error),
        ("Traceback (most recent call last)", Level::Error),
        ("DATA RACE", Level::Error),
        ("--- FAIL", Level::Error),
        ("Uncaught ", Level::Error),
        ("Segmentation fault", Level::Error),
        ("DeprecationWarning", Level::Warning),
    ];
    PHRASES.into_iter().find(|(phrase, _)| text.contains(phrase)).map(|(_, level)| level)
}

/// `ERROR`, `[warn]`, `error:`, `error[E0308]:`, `TypeError:`: in capitals anywhere among the first words, else only
/// where a sign shows that it is a label.
fn by_word(text: &str) -> Option<Level> {
    let mut before = None;
    for word in text.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()).take(WORDS * 2) {
        let (name, after) = match word.char_indices().next_back() {
            Some((at, last)) if !last.is_ascii_alphanumeric() => (&word[..at], Some(last)),
            _ => (word, None),
        };
        let is_label = matches!(after, Some(':' | ']' | '[')) && !matches!(before, Some('.' | '/' | '-' | '_'));
        let opens = matches!(before, None | Some(' ' | '[' | '(' | '|'));
        let in_capitals = name.len() >= 3 && name.bytes().all(|byte| byte.is_ascii_uppercase());
        if ((in_capitals && opens) || is_label)
            && let Some(level) = Level::named(name)
            && !name.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Some(level);
        }
        if after == Some(':') && name.len() > 5 && (name.ends_with("Error") || name.ends_with("Exception")) {
            return Some(Level::Error);
        }
        before = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_itself_how_serious_it_is() {
        for (line, level) in [
            ("2026/11/26 12:00:00 ERROR cannot connect", Some(Level::Error)),
            ("time=2026-11-26T12:00:00Z level=WARN msg=\"slow\"", Some(Level::Warning)),
            ("12:00:00.123 [debug] cache miss", Some(Level::Debug)),
            ("error[E0308]: mismatched types", Some(Level::Error)),
            ("warning: unused variable", Some(Level::Warning)),
            ("panic: runtime error: index out of range", Some(Level::Error)),
            ("thread 'main' panicked at src/main.rs:3:5:", Some(Level::Error)),
            ("TypeError: x is not a function", Some(Level::Error)),
            ("WARNING: DATA RACE", Some(Level::Error)),
            ("12:00PM INF listening port=8080", Some(Level::Info)),
            ("listening on port 8080", None),
            ("GET /error/50 200", None),
            ("no error so far", None),
            ("src/error: compiled", None),
            ("", None),
            ("ünïcödé ERROR", Some(Level::Error)),
        ] {
            assert_eq!(Level::of(line), level, "{line}");
        }
    }
}
