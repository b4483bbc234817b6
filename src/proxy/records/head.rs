//! The head of a message as it is kept: in one piece of memory of its own. The fields of a message on its way are
//! slices of the buffer it was read into, and whoever keeps one keeps all of its buffer, with the body that came in it.

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

/// `name:value` and the end of a line for each field: neither of them is in a name or a value that hyper lets pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Head(Box<[u8]>);

impl Head {
    /// Of these fields.
    pub(super) fn of(fields: &HeaderMap) -> Head {
        let length = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
        let mut text = Vec::with_capacity(length);
        for (name, value) in fields {
            text.extend_from_slice(name.as_str().as_bytes());
            text.push(b':');
            text.extend_from_slice(value.as_bytes());
            text.push(b'\n');
        }
        Head(text.into_boxed_slice())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that it takes.
    pub(super) fn weight(&self) -> usize {
        self.0.len()
    }

    /// Names in lower case, and values.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.split(|byte| *byte == b'\n').filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((std::str::from_utf8(&line[..colon]).ok()?, &line[colon + 1..]))
        })
    }

    /// The first value of this name.
    pub(super) fn get(&self, wanted: &HeaderName) -> Option<&[u8]> {
        self.fields().find(|(name, _)| *name == wanted.as_str()).map(|(_, value)| value)
    }

    /// The fields, to be sent again.
    pub(super) fn to_map(&self) -> HeaderMap {
        let field = |(name, value): (&str, &[u8])| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?))
        };
        let mut map = HeaderMap::new();
        self.fields().filter_map(field).for_each(|(name, value)| _ = map.append(name, value));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was_kept() {
        let mut fields = HeaderMap::new();
        for (name, value) in [("host", "a:1"), ("x-empty", ""), ("cookie", "a=b"), ("x-two", "1"), ("x-two", "2 \t:")] {
            fields.append(name, HeaderValue::from_static(value));
        }
        fields.insert("x-odd", HeaderValue::from_bytes(b"\xff:\x80").unwrap());
        let head = Head::of(&fields);
        assert_eq!(head.to_map(), fields);
        assert_eq!(head.get(&HeaderName::from_static("host")), Some(&b"a:1"[..]));
        assert_eq!(head.get(&HeaderName::from_static("x-two")), Some(&b"1"[..]));
        assert!(head.get(&HeaderName::from_static("ost")).is_none());
        assert!(Head::of(&HeaderMap::new()).is_empty());
    }
}
