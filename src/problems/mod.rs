//! Places and messages out of what compilers and crashing programs print. Pure; does not know which files exist.

mod advice;
mod cargo;
mod clue;
mod generic;
mod go;
mod javascript;
mod own;
mod python;
mod rust;
mod templ;

pub use self::{advice::advice, clue::clue};
use crate::escapes::strip_escapes;
use crate::{model::Place, plan::Pattern};

/// At most this many places are returned.
pub const MOST_PLACES: usize = 20;

/// Longer messages are cut, in characters.
const LONGEST_MESSAGE: usize = 300;

/// The places that these lines of output are about: errors before warnings, else in the order printed; none twice; at
/// most `MOST_PLACES`. Escape sequences may still be in the lines. Names of files are as printed: relative ones are
/// relative to wherever the program thought it was.
pub fn read(lines: &[String]) -> Vec<Place> {
    read_with(lines, None)
}

/// The same, with a person's own pattern before everything else.
pub fn read_with(lines: &[String], own: Option<&Pattern>) -> Vec<Place> {
    let plain: Vec<String> = lines.iter().map(|line| strip_escapes(line)).collect();
    let plain: Vec<&str> = plain.iter().map(|line| line.trim_end()).collect();
    let mut hits = Vec::new();
    let mut next = 0;
    while next < plain.len() {
        let of_pattern = own.and_then(|pattern| own::line(pattern, plain[next]));
        match of_pattern.or_else(|| first_hit(&plain[next..])) {
            Some(hit) => {
                next += hit.lines.max(1);
                hits.extend(hit.place.map(|place| (hit.weight, place)));
            }
            None => next += 1,
        }
    }
    hits.sort_by_key(|(weight, _)| *weight);
    distinct(hits)
}

/// How much a place matters; what sorts first is shown first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Error,
    Warning,
}

/// What a reader made of the lines at its start.
struct Hit {
    weight: Weight,
    /// None: these lines are understood and about no place.
    place: Option<Place>,
    /// How many lines it used, at least one.
    lines: usize,
}

/// Reads a message that begins at the first of the lines; there is at least one.
type Reader = fn(&[&str]) -> Option<Hit>;

/// The more telling a format's first line is, the earlier it is tried.
const READERS: [Reader; 14] = [
    cargo::message,
    rust::panic,
    rust::diagnostic,
    go::panic,
    go::race,
    go::race_in_test,
    python::traceback,
    python::syntax_error,
    javascript::esbuild,
    javascript::vite,
    javascript::stack,
    javascript::typescript,
    templ::parsing,
    generic::line,
];

fn first_hit(lines: &[&str]) -> Option<Hit> {
    READERS.iter().find_map(|reader| reader(lines))
}

fn distinct(hits: Vec<(Weight, Place)>) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for (_, place) in hits {
        let known =
            |other: &Place| other.file == place.file && other.line == place.line && other.message == place.message;
        if places.len() < MOST_PLACES && !places.iter().any(known) {
            places.push(place);
        }
    }
    places
}

fn error(place: Place, lines: usize) -> Hit {
    Hit { weight: Weight::Error, place: Some(place), lines }
}

fn place(file: &str, line: u32, column: Option<u32>, message: &str) -> Place {
    Place { file: file.to_owned(), line, column, message: shorten(message) }
}

fn shorten(message: &str) -> String {
    let message = message.trim();
    match message.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", message[..end].trim_end()),
        None => message.to_owned(),
    }
}

/// `file:12:3` or `file:12` as file, line and column. The file must look like one.
fn location(text: &str) -> Option<(&str, u32, Option<u32>)> {
    let (rest, last) = text.rsplit_once(':')?;
    let last: u32 = number(last)?;
    if let Some((file, line)) = rest.rsplit_once(':')
        && let Some(line) = number(line)
    {
        return (!file.is_empty()).then_some((file, line, Some(last)));
    }
    (!rest.is_empty()).then_some((rest, last, None))
}

/// A line or column: digits only, from 1.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn shown(text: &str) -> Vec<String> {
        let show = |place: &Place| match place.column {
            Some(column) => format!("{}:{}:{}: {}", place.file, place.line, column, place.message),
            None => format!("{}:{}: {}", place.file, place.line, place.message),
        };
        read(&lines(text)).iter().map(show).collect()
    }

    #[test]
    fn errors_come_before_warnings_and_nothing_comes_twice() {
        let text = "a.c:1:1: warning: unused\nb.c:2:2: error: broken\nb.c:2:2: error: broken\n";
        assert_eq!(shown(text), ["b.c:2:2: broken", "a.c:1:1: unused"]);
    }

    #[test]
    fn at_most_twenty_places_are_returned_and_errors_are_not_crowded_out() {
        let mut text: String = (1..=50).map(|n| format!("a.c:{n}:1: warning: w{n}\n")).collect();
        text.push_str("b.c:9:9: error: the one that counts\n");
        let found = shown(&text);
        assert_eq!(found.len(), MOST_PLACES);
        assert_eq!(found[0], "b.c:9:9: the one that counts");
    }

    #[test]
    fn colours_do_not_hide_a_place() {
        assert_eq!(shown("\x1b[1m./main.go\x1b[0m:\x1b[36m3\x1b[0m:2: undefined: x"), ["./main.go:3:2: undefined: x"]);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let found = read(&lines(&format!("a.go:1:1: {}", "ü".repeat(1000))));
        assert_eq!(found[0].message.chars().count(), LONGEST_MESSAGE + 1);
        assert!(found[0].message.ends_with('…'));
    }

    #[test]
    fn odd_lines_are_no_places_and_do_not_panic() {
        let odd = [
            "",
            ":",
            "::",
            ":::",
            "a:b:c",
            "1:2:3",
            "x.go::",
            "x.go:0:0: zero",
            "x.go:99999999999:1: big",
            "ü:1:1: u",
            "http://localhost:3000: up",
            "127.0.0.1:8080: dial",
            "12:30:45: tick",
            "-->",
            " --> ",
            "    at ",
            "panic:",
            "error:",
            "Traceback (most recent call last):",
            "  File \"",
            "goroutine 1 [running]:",
            "✘ [ERROR] ",
            "2026/11/22 10:00:00 listening on :8080",
            "thread 'main' panicked at ",
            "File: ",
            "(1,2): error",
        ];
        for line in odd {
            assert_eq!(read(&lines(line)), [], "{line}");
        }
        assert_eq!(read(&odd.map(str::to_owned)), []);
    }
}
