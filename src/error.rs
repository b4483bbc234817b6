//! Problems with a place and a hint, and their one renderer.

use std::{ops::Range, path::PathBuf, sync::Arc};

/// Something wrong with what a person wrote or asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What is wrong: a lowercase fragment without a final full stop, names in backticks.
    pub message: String,
    /// Where, if it is in a file.
    pub place: Option<Source>,
    /// What it was caused by, outermost first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A range of bytes in a text that a person wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The file, as it is to be shown.
    pub file: PathBuf,
    /// Its whole text.
    pub text: Arc<str>,
    /// The bytes that are wrong.
    pub span: Range<usize>,
}

impl Problem {
    /// A problem without a place.
    pub fn new(message: impl Into<String>) -> Problem {
        Problem { message: message.into(), place: None, causes: Vec::new(), hint: None }
    }

    /// The same with this hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// The same with this cause.
    pub fn caused_by(mut self, cause: impl ToString) -> Problem {
        self.causes.push(cause.to_string());
        self
    }

    /// The same with this place.
    pub fn at(mut self, place: Source) -> Problem {
        self.place = Some(place);
        self
    }
}
