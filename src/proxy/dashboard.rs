//! The page at `/.devloop/` and its two files. The page itself is the same for everybody but for the project's name,
//! the token and a nonce; everything else it is told by `live`.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use hyper::{
    HeaderMap, Response,
    header::{self, HeaderName, HeaderValue},
};

use super::{download::Answer, pages::escape, refusal::text, shared::Shared};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// What belongs to the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The page.
    Page,
    /// Its style.
    Style,
    /// Its script.
    Script,
}

impl Part {
    /// By its path below `/.devloop/`.
    pub(super) fn at(path: &str) -> Option<Part> {
        match path {
            "" => Some(Part::Page),
            "page.css" => Some(Part::Style),
            "page.js" => Some(Part::Script),
            _ => None,
        }
    }

    /// Whether the browser says that it wants it for something else than to show it: a script of the program's pages
    /// that fetches the page would read the token. Browsers do not let scripts write this field; who sends none is no
    /// browser.
    pub(super) fn is_wanted_for_itself(self, asking: &HeaderMap) -> bool {
        let wanted = match self {
            Part::Page => "document",
            Part::Style | Part::Script => return true,
        };
        asking.get("sec-fetch-dest").is_none_or(|dest| dest == wanted)
    }

    /// The answer.
    pub(super) fn response(self, shared: &Arc<Shared>) -> Response<Answer> {
        match self {
            Part::Style => text("text/css; charset=utf-8", STYLE.to_owned()),
            Part::Script => text("text/javascript; charset=utf-8", SCRIPT.to_owned()),
            Part::Page => page(&shared.project, &shared.token),
        }
    }
}

fn page(project: &str, token: &str) -> Response<Answer> {
    let nonce = nonce();
    let html =
        PAGE.replace("{nonce}", &nonce).replace("{token}", &escape(token)).replace("{project}", &escape(project));
    let mut response = text("text/html; charset=utf-8", html);
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    );
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // A page of the program that opens this one in a window gets no hold of it.
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    response
}

/// Nobody can know it before: the standard library's keys are random.
fn nonce() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one(1), RandomState::new().hash_one(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_nonce_of_its_own_and_names_are_escaped() {
        let policy = |response: &Response<Answer>| {
            response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
        };
        let (one, other) = (page("<b>&\"", "t"), page("x", "t"));
        assert_ne!(policy(&one), policy(&other));
        let Answer::Own(Some(html)) = one.into_body() else { panic!("no page") };
        let html = String::from_utf8(html.to_vec()).unwrap();
        assert!(!html.contains("<b>") && html.contains("&lt;b&gt;"), "{html}");
        assert!(!html.contains("{nonce}") && !html.contains("{token}") && !html.contains("{project}"));
    }

    #[test]
    fn the_page_can_never_be_made_to_read_text_as_markup() {
        for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
            assert!(!SCRIPT.contains(forbidden), "{forbidden}");
        }
        for inline in [" style=", " onclick=", "javascript:"] {
            assert!(!PAGE.contains(inline), "{inline}");
        }
    }
}
