//! Which files that services serve as they are have changed: told to pages, which exchange what they show. Numbered, so that
//! a page that was written before a change learns of it whenever it listens.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};

/// So many changes of each service are remembered.
const MOST: usize = 64;

/// The changes so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Assets {
    newest: u64,
    by_service: HashMap<Arc<str>, Changes>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Changes {
    /// The newest one that is forgotten; 0: none is.
    forgotten: u64,
    known: VecDeque<(u64, String)>,
}

impl Assets {
    /// These files have changed. None: more than can be named.
    pub(in super::super) fn change(&mut self, service: &str, files: Option<Vec<String>>) {
        let changes = self.by_service.entry(Arc::from(service)).or_default();
        let Some(files) = files else {
            self.newest += 1;
            *changes = Changes { forgotten: self.newest, known: VecDeque::new() };
            return;
        };
        for file in files {
            self.newest += 1;
            changes.known.push_back((self.newest, file));
            if changes.known.len() > MOST
                && let Some((number, _)) = changes.known.pop_front()
            {
                changes.forgotten = number;
            }
        }
    }

    /// The number of the newest change.
    pub(in super::super) fn newest(&self) -> u64 {
        self.newest
    }

    /// The changes of a service as pages read them.
    pub(in super::super) fn of(&self, service: &str) -> Value {
        let Some(changes) = self.by_service.get(service) else { return json!({ "forgotten": 0, "changes": [] }) };
        let known = changes.known.iter().map(|(number, file)| json!({ "number": number, "file": file }));
        json!({ "forgotten": changes.forgotten, "changes": known.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_can_tell_what_it_has_missed_and_what_is_forgotten() {
        let mut assets = Assets::default();
        assert_eq!(assets.of("api"), json!({ "forgotten": 0, "changes": [] }));
        assets.change("api", Some(vec!["a.css".into(), "b.png".into()]));
        assets.change("web", Some(vec!["c.css".into()]));
        let changes = json!([{ "number": 1, "file": "a.css" }, { "number": 2, "file": "b.png" }]);
        assert_eq!(assets.of("api"), json!({ "forgotten": 0, "changes": changes }));
        assert_eq!(assets.newest(), 3);
        for _ in 0..MOST {
            assets.change("api", Some(vec!["a.css".into()]));
        }
        assert_eq!(assets.of("api")["forgotten"], 2);
        assets.change("api", None);
        assert_eq!(assets.of("api"), json!({ "forgotten": assets.newest(), "changes": [] }));
    }
}
