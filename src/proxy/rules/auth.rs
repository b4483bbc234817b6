//! Who may come in (`basic_auth`; RFC 7617).

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{HeaderMap, header};

/// The credentials that are good.
#[derive(Clone)]
pub(super) struct Guests(Vec<Vec<u8>>);

impl Guests {
    /// None if everybody may come in.
    pub(super) fn new(known: &BTreeMap<String, String>) -> Option<Guests> {
        let credentials = known.iter().map(|(name, password)| format!("{name}:{password}").into_bytes());
        (!known.is_empty()).then(|| Guests(credentials.collect()))
    }

    /// Whether a request brings one of them.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(field) = headers.get(header::AUTHORIZATION) else { return false };
        let Some((scheme, token)) = field.to_str().ok().and_then(|text| text.trim().split_once(' ')) else {
            return false;
        };
        let Ok(given) = STANDARD.decode(token.trim()) else { return false };
        // Each is looked at, and to its end: the time tells nothing.
        let fits = self.0.iter().fold(false, |fits, known| fits | same(known, &given));
        scheme.eq_ignore_ascii_case("basic") && fits
    }
}

fn same(known: &[u8], given: &[u8]) -> bool {
    let differences = known.iter().zip(given).fold(0, |seen, (known, given)| seen | (known ^ given));
    known.len() == given.len() && differences == 0
}

impl std::fmt::Debug for Guests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guests({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn only_a_known_name_with_its_password_comes_in() {
        let known = [("ann", "s3cret:x"), ("bob", "é")].map(|(name, word)| (name.to_owned(), word.to_owned()));
        let guests = Guests::new(&known.into()).unwrap();
        let admitted = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", HeaderValue::from_str(value).unwrap());
            guests.admit(&headers)
        };
        let basic = |text: &str| admitted(&format!("Basic {}", STANDARD.encode(text)));
        assert!(basic("ann:s3cret:x") && basic("bob:é") && admitted(&format!("basic  {}", STANDARD.encode("bob:é"))));
        for wrong in ["ann:s3cret", "ann:", "ann", "", ":s3cret:x", "bob:s3cret:x", "ann:s3cret:xx"] {
            assert!(!basic(wrong), "{wrong}");
        }
        assert!(
            !admitted(&format!("Bearer {}", STANDARD.encode("bob:é"))) && !admitted("Basic") && !admitted("Basic ?")
        );
        assert!(!guests.admit(&HeaderMap::new()));
        assert!(Guests::new(&BTreeMap::new()).is_none());
    }
}
