//! rustc's and cargo's messages for people, and panics of Rust programs.

use super::{Hit, Weight, error, location, place};

/// How far below its headline the place of a message may stand: a message may have several lines.
const NEAR: usize = 12;

/// `error[E0425]: …` or `warning: …`, and the `--> file:line:column` below it.
pub(super) fn diagnostic(lines: &[&str]) -> Option<Hit> {
    let (weight, message) = headline(lines[0])?;
    for (at, line) in lines.iter().enumerate().take(NEAR).skip(1) {
        if line.is_empty() || headline(line).is_some() {
            break;
        }
        if let Some(target) = line.trim_start().strip_prefix("--> ")
            && let Some((file, number, column)) = location(target)
        {
            return Some(Hit { weight, place: Some(place(file, number, column, message)), lines: at + 1 });
        }
    }
    None
}

fn headline(line: &str) -> Option<(Weight, &str)> {
    let (weight, rest) = match line.strip_prefix("error") {
        Some(rest) => (Weight::Error, rest),
        None => (Weight::Warning, line.strip_prefix("warning")?),
    };
    let rest = match rest.strip_prefix('[') {
        Some(code) => code.split_once(']')?.1,
        None => rest,
    };
    let message = rest.strip_prefix(": ")?;
    (!message.is_empty()).then_some((weight, message))
}

/// `thread 'main' panicked at src/main.rs:2:5:` and its message, which is the next line (before Rust 1.73 it stood in
/// front of the place, in quotes).
pub(super) fn panic(lines: &[&str]) -> Option<Hit> {
    let line = lines[0].trim_start();
    if !line.starts_with("thread ") {
        return None;
    }
    let (_, at) = line.split_once(" panicked at ")?;
    if let Some(target) = at.strip_suffix(':') {
        let (file, number, column) = location(target)?;
        let message = lines.get(1).map_or("panicked", |message| message);
        return Some(error(place(file, number, column, &format!("panicked: {message}")), lines.len().min(2)));
    }
    let (message, target) = at.rsplit_once("', ")?;
    let (file, number, column) = location(target)?;
    Some(error(place(file, number, column, &format!("panicked: {}", message.trim_start_matches('\''))), 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    fn with(reader: super::super::Reader, text: &str) -> Option<Place> {
        let lines: Vec<&str> = text.lines().collect();
        reader(&lines)?.place
    }

    #[test]
    fn the_message_stands_above_its_place() {
        let text = "error[E0308]: mismatched types\n  --> src/main.rs:4:18\n   |\n";
        assert_eq!(
            with(diagnostic, text),
            Some(Place {
                file: "src/main.rs".to_owned(),
                line: 4,
                column: Some(18),
                message: "mismatched types".to_owned()
            })
        );
    }

    #[test]
    fn a_summary_has_no_place() {
        assert_eq!(with(diagnostic, "error: aborting due to 1 previous error\n\n --> x.rs:1:1"), None);
        assert_eq!(with(diagnostic, "error: could not compile `x` (bin \"x\") due to 1 previous error"), None);
    }

    #[test]
    fn panics_are_read_in_the_old_and_in_the_new_form() {
        let new = with(panic, "thread 'main' (77) panicked at src/main.rs:2:5:\nboom").expect("new");
        let old = with(panic, "thread 'main' panicked at 'boom', src/main.rs:2:5").expect("old");
        assert_eq!(new, old);
        assert_eq!((new.line, new.message.as_str()), (2, "panicked: boom"));
    }
}
