//! templ's errors: `… "/work/a.templ": /work/a.templ parsing error: what: line 4, col 8 ]`.

use super::{Hit, error, number, place};

/// One such line.
pub(super) fn parsing(lines: &[&str]) -> Option<Hit> {
    let (before, after) = lines[0].split_once(" parsing error: ")?;
    // The file is named twice, the first time in quotes; it may have spaces.
    let (_, named) = before.split_once('"')?;
    let (file, again) = named.split_once("\": ")?;
    if again != file {
        return None;
    }
    let (message, at) = after.rsplit_once(": line ")?;
    let (line, column) = at.trim_end_matches(" ]").split_once(", col ")?;
    Some(error(place(file, number(line)?, number(column.trim()), message), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_and_the_column_stand_at_the_end() {
        // What templ 0.3.943 prints.
        let line = "(✗) Error [ error=failed to generate code for \"/w/a b/hello.templ\": /w/a b/hello.templ parsing error: \
            string expression: missing close brace: line 4, col 8 ]";
        let place = parsing(&[line]).and_then(|hit| hit.place).expect("a place");
        assert_eq!((place.file.as_str(), place.line, place.column), ("/w/a b/hello.templ", 4, Some(8)));
        assert_eq!(place.message, "string expression: missing close brace");
        assert!(parsing(&["json parsing error: line 4, col 8"]).is_none());
    }
}
