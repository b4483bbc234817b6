//! A person's own pattern for places (`problems` in dev.toml).

use super::{Hit, Weight, error, place};
use crate::plan::Pattern;

/// One line that fits. A place needs a file and a line; without a message the whole line is it.
pub(super) fn line(pattern: &Pattern, text: &str) -> Option<Hit> {
    let found = pattern.regex().captures(text)?;
    let group = |name: &str| found.name(name).map(|part| part.as_str());
    let number = |name: &str| group(name).and_then(super::number);
    let message = group("message").unwrap_or(text);
    let hit = error(place(group("file")?, number("line")?, number("column"), message), 1);
    let is_warning = group("level").is_some_and(|level| level.to_ascii_lowercase().starts_with('w'));
    Some(if is_warning { Hit { weight: Weight::Warning, ..hit } } else { hit })
}

#[cfg(test)]
mod tests {
    use super::super::read_with;
    use crate::plan::Pattern;

    fn places(pattern: &str, text: &str) -> Vec<String> {
        let pattern = Pattern::new(pattern).expect("a pattern");
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let shown = |place: &crate::model::Place| format!("{}:{}: {}", place.file, place.line, place.message);
        read_with(&lines, Some(&pattern)).iter().map(shown).collect()
    }

    #[test]
    fn a_pattern_finds_what_nothing_else_knows() {
        let pattern = r"^(?P<level>\w+) in (?P<file>\S+) at line (?P<line>\d+): (?P<message>.+)$";
        let text = "warning in a.xyz at line 3: odd\nerror in b.xyz at line 4: broken\nb.go:1:2: usual";
        assert_eq!(places(pattern, text), ["b.xyz:4: broken", "b.go:1: usual", "a.xyz:3: odd"]);
    }

    #[test]
    fn without_a_message_the_whole_line_is_it() {
        assert_eq!(places(r"(?P<file>\w+)@(?P<line>\d+)", "see main@7"), ["main:7: see main@7"]);
    }

    #[test]
    fn a_line_number_that_is_none_is_no_place() {
        assert!(places(r"(?P<file>\w+)@(?P<line>\w+)", "see main@seven, main@0").is_empty());
    }
}
