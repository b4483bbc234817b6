//! Fields of a head that dev.toml sets or removes.

use std::collections::BTreeMap;

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

use crate::plan::Field;

/// What becomes of which field.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Fields(Vec<(HeaderName, Option<HeaderValue>)>);

impl Fields {
    /// As checked; what is no field all the same is left out.
    pub(super) fn new(written: &BTreeMap<String, Field>) -> Fields {
        let field = |(name, field): (&String, &Field)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            match field {
                Field::Removed => Some((name, None)),
                Field::Set(value) => HeaderValue::from_str(value).ok().map(|value| (name, Some(value))),
            }
        };
        Fields(written.iter().filter_map(field).collect())
    }

    /// Those of these names, and the others.
    pub(super) fn split(self, names: &[HeaderName]) -> (Fields, Fields) {
        let (of, others) = self.0.into_iter().partition(|(name, _)| names.contains(name));
        (Fields(of), Fields(others))
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Changes a head.
    pub(in super::super) fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            match value {
                Some(value) => drop(headers.insert(name, value.clone())),
                None => drop(headers.remove(name)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_set_replaces_all_of_its_name_and_one_that_is_removed_goes() {
        let written = [
            ("x-set".to_owned(), Field::Set("new".to_owned())),
            ("cookie".to_owned(), Field::Removed),
            ("x-none".to_owned(), Field::Removed),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-set", "a"), ("x-set", "b"), ("cookie", "c"), ("x-other", "d")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        Fields::new(&written.into()).apply(&mut headers);
        let left: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(left, [("x-set", "new"), ("x-other", "d")]);
    }
}
