//! Regular expressions of the readings: compiled once, wherever they are used.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use regex::Regex;

static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);

/// `text` compiled. Every one of them is written in this room, and tests read trees with all of them.
pub(super) fn pattern(text: &str) -> Regex {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = compiled.get(text) {
        return known.clone();
    }
    let new = Regex::new(text).expect("the readings' own patterns are well-formed");
    compiled.insert(text.to_owned(), new.clone());
    new
}
