//! Which files that are served as they are have changed: told to pages, which exchange what they show. Numbered, so
//! that a page that was written before a change learns of it whenever it listens.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::model::Provider;

/// So many changes of each provider are remembered.
const MOST: usize = 64;

/// The changes so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Assets {
    newest: u64,
    by_provider: BTreeMap<Provider, Changes>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Changes {
    /// The newest one that is forgotten; 0: none is.
    forgotten: u64,
    known: VecDeque<(u64, String)>,
}

impl Assets {
    /// These files have changed. None: more than can be named.
    pub(in super::super) fn change(&mut self, provider: Provider, files: Option<Vec<String>>) {
        let changes = self.by_provider.entry(provider).or_default();
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

    /// The changes of a provider as pages read them.
    pub(in super::super) fn of(&self, provider: &Provider) -> Value {
        self.by_provider.get(provider).map_or_else(|| json!({ "forgotten": 0, "changes": [] }), Changes::told)
    }

    /// The folders in which something has changed, and their changes.
    pub(in super::super) fn folders(&self) -> impl Iterator<Item = (&str, Value)> {
        self.by_provider.iter().filter_map(|(provider, changes)| match provider {
            Provider::Folder(folder) => Some((&**folder, changes.told())),
            Provider::Service(_) => None,
        })
    }
}

impl Changes {
    fn told(&self) -> Value {
        let known = self.known.iter().map(|(number, file)| json!({ "number": number, "file": file }));
        json!({ "forgotten": self.forgotten, "changes": known.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_can_tell_what_it_has_missed_and_what_is_forgotten() {
        let [api, web] = ["api", "web"].map(|name| Provider::Service(name.into()));
        let mut assets = Assets::default();
        assert_eq!(assets.of(&api), json!({ "forgotten": 0, "changes": [] }));
        assets.change(api.clone(), Some(vec!["a.css".into(), "b.png".into()]));
        assets.change(web, Some(vec!["c.css".into()]));
        let changes = json!([{ "number": 1, "file": "a.css" }, { "number": 2, "file": "b.png" }]);
        assert_eq!(assets.of(&api), json!({ "forgotten": 0, "changes": changes }));
        assert_eq!(assets.newest(), 3);
        for _ in 0..MOST {
            assets.change(api.clone(), Some(vec!["a.css".into()]));
        }
        assert_eq!(assets.of(&api)["forgotten"], 2);
        assets.change(api.clone(), None);
        assert_eq!(assets.of(&api), json!({ "forgotten": assets.newest(), "changes": [] }));
        assert_eq!(assets.folders().count(), 0);
        assets.change(Provider::Folder("public".into()), Some(vec!["public/a.css".into()]));
        let changes = json!([{ "number": assets.newest(), "file": "public/a.css" }]);
        let told: Vec<_> = assets.folders().collect();
        assert_eq!(told, [("public", json!({ "forgotten": 0, "changes": changes }))]);
    }
}
