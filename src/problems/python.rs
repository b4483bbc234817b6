//! Python's tracebacks: the last frame in the user's own files, and the exception.

use super::{Hit, Weight, error, number, place};

/// How far below a syntax error's place its name may stand.
const NEAR: usize = 6;

/// `Traceback (most recent call last):`, its frames, and the exception.
pub(super) fn traceback(lines: &[&str]) -> Option<Hit> {
    let indent = lines[0].len() - lines[0].trim_start().len();
    if lines[0].trim_start() != "Traceback (most recent call last):" {
        return None;
    }
    let mut frames = Vec::new();
    for (at, line) in lines.iter().enumerate().skip(1) {
        if let Some(frame) = frame(line) {
            frames.push(frame);
            continue;
        }
        // deeper lines are source text and marks below it
        let deep = line.len() - line.trim_start().len() > indent || line.is_empty();
        if deep {
            continue;
        }
        let message = line.trim_start();
        let own = frames.iter().rev().find(|(file, _)| !is_foreign(file)).or(frames.last());
        let found = own.map(|(file, number)| place(file, *number, None, message));
        return Some(Hit { weight: Weight::Error, place: found, lines: at + 1 });
    }
    None
}

/// `File "x.py", line 3` without a traceback, then source text, then `SyntaxError: …`.
pub(super) fn syntax_error(lines: &[&str]) -> Option<Hit> {
    let (file, number) = frame(lines[0])?;
    let (at, message) = lines.iter().enumerate().take(NEAR).skip(1).find(|(_, line)| is_syntax_error(line))?;
    Some(error(place(file, number, None, message), at + 1))
}

fn is_syntax_error(line: &str) -> bool {
    ["SyntaxError: ", "IndentationError: ", "TabError: "].iter().any(|name| line.trim_start().starts_with(name))
}

fn frame(line: &str) -> Option<(&str, u32)> {
    let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once("\", line ")?;
    let digits = rest.split(|character: char| !character.is_ascii_digit()).next()?;
    Some((file, number(digits)?))
}

fn is_foreign(file: &str) -> bool {
    file.starts_with('<')
        || ["/site-packages/", "/dist-packages/", "/lib/python"].iter().any(|part| file.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_own_frame_and_the_exception_are_told() {
        let text = "Traceback (most recent call last):\n  File \"/app/main.py\", line 9, in <module>\n    f()\n    ~^^\n  \
            File \"/app/.venv/lib/python3.12/site-packages/x.py\", line 2, in f\n    raise ValueError(1)\nValueError: 1\nnext";
        let lines: Vec<&str> = text.lines().collect();
        let hit = traceback(&lines).expect("a traceback");
        let found = hit.place.expect("a place");
        assert_eq!(
            (found.file.as_str(), found.line, found.message.as_str(), hit.lines),
            ("/app/main.py", 9, "ValueError: 1", 7)
        );
    }

    #[test]
    fn a_traceback_without_an_end_is_none() {
        assert!(traceback(&["Traceback (most recent call last):", "  File \"a.py\", line 1, in f"]).is_none());
    }
}
