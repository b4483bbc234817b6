//! `problems`: a person's own pattern for places in the output of a step or service.

use regex::Regex;

/// A regular expression with the groups `file` and `line`. Equal if it is written alike.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Checks it.
    ///
    /// # Errors
    ///
    /// Why it is none, in one line.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let regex = Regex::new(text).map_err(|error| {
            // The library draws a picture over several lines; its last line says what is wrong.
            let told = error.to_string();
            let last = told.lines().last().unwrap_or_default();
            format!("not a regular expression: {}", last.trim_start_matches("error: "))
        })?;
        for needed in ["file", "line"] {
            if !regex.capture_names().flatten().any(|name| name == needed) {
                return Err(format!("the pattern has no group `{needed}`"));
            }
        }
        Ok(Pattern(regex))
    }

    /// To be matched with lines without escape sequences.
    pub fn regex(&self) -> &Regex {
        &self.0
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}
