//! A page's Content Security Policy, widened by exactly what devloop's tag needs: its script, and its requests to
//! `/.devloop/` (CSP Level 3, sections 2.2, 2.3 and 6.7). Pure.

use std::fmt::Write;

/// What has to be allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The address of the script; `'self'` where a policy cannot name it.
    pub(super) script: &'a str,
    /// The folder of the requests.
    pub(super) requests: &'a str,
    /// Names the tag if a policy asks for that and has no name of its own.
    pub(super) nonce: &'a str,
}

/// All policies of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Policies {
    /// The page may run no script of its origin, whatever is added.
    Closed,
    /// As they are to be sent, one for each given value; and what the tag needs.
    Open(Vec<String>, Option<String>),
}

/// One policy: its directives, in order.
struct Policy<'a>(Vec<Directive<'a>>);

struct Directive<'a> {
    name: &'a str,
    sources: Vec<&'a str>,
}

/// Widens the policies in these values of `Content-Security-Policy` (each may hold several, with commas).
pub(super) fn widen(values: &[&str], wanted: Wanted<'_>) -> Policies {
    let parsed: Vec<Vec<Policy<'_>>> =
        values.iter().map(|value| value.split(',').map(Policy::parse).collect()).collect();
    if parsed.iter().flatten().any(Policy::is_closed) {
        return Policies::Closed;
    }
    let own = parsed.iter().flatten().find_map(Policy::nonce);
    let nonce = own.unwrap_or(wanted.nonce);
    let mut used = Use::No;
    let widened = parsed.iter().map(|policies| {
        let policies: Vec<String> = policies.iter().map(|policy| policy.widened(wanted, nonce, &mut used)).collect();
        policies.join(",")
    });
    let widened = widened.collect();
    Policies::Open(widened, (used == Use::Yes).then(|| nonce.to_owned()))
}

/// Whether the tag has to bear the nonce.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    No,
    Yes,
}

/// What a source list gets.
enum Addition {
    Nothing,
    Nonce(String),
    Address,
}

impl<'a> Policy<'a> {
    fn parse(text: &'a str) -> Policy<'a> {
        let directives = text.split(';').filter_map(|part| {
            let mut words = part.split_ascii_whitespace();
            Some(Directive { name: words.next()?, sources: words.collect() })
        });
        Policy(directives.collect())
    }

    /// The first one of this name counts.
    fn find(&self, name: &str) -> Option<&Directive<'a>> {
        self.0.iter().find(|directive| directive.name.eq_ignore_ascii_case(name))
    }

    /// What governs scripts that come from elsewhere.
    fn scripts(&self) -> Option<&Directive<'a>> {
        ["script-src-elem", "script-src", "default-src"].iter().find_map(|name| self.find(name))
    }

    fn nonce(&self) -> Option<&'a str> {
        self.scripts()?.nonces().next()
    }

    fn is_closed(&self) -> bool {
        let sandbox = self.find("sandbox");
        sandbox.is_some_and(|sandbox| !["allow-scripts", "allow-same-origin"].iter().all(|flag| sandbox.has(flag)))
    }

    fn widened(&self, wanted: Wanted<'_>, nonce: &str, used: &mut Use) -> String {
        let mut text = String::new();
        let scripts = self.scripts().map(|directive| (directive, directive.for_script(wanted.script, nonce)));
        if let Some((_, Addition::Nonce(_))) = &scripts {
            *used = Use::Yes;
        }
        let scripts = scripts.and_then(|(directive, addition)| match addition {
            Addition::Nothing => None,
            Addition::Nonce(nonce) => Some((directive, nonce)),
            Addition::Address => Some((directive, wanted.script.to_owned())),
        });
        let requests = ["connect-src", "default-src"].iter().find_map(|name| self.find(name));
        let requests =
            requests.filter(|directive| !["*", "'self'", wanted.requests].iter().any(|known| directive.has(known)));
        let requests = requests.map(|directive| (directive, wanted.requests.to_owned()));
        for directive in &self.0 {
            let more = [&scripts, &requests].into_iter().flatten().find(|(of, _)| std::ptr::eq(*of, directive));
            match more.filter(|_| !directive.is_default()) {
                Some((_, more)) => directive.push_to(&mut text, directive.name, more),
                None => directive.push_to(&mut text, directive.name, ""),
            }
        }
        // What `default-src` allows is allowed to images and all else, too: the addition gets a directive of its own.
        for (name, more) in [("script-src", &scripts), ("connect-src", &requests)] {
            if let Some((directive, more)) = more.as_ref().filter(|(directive, _)| directive.is_default()) {
                directive.push_to(&mut text, name, more);
            }
        }
        text
    }
}

impl<'a> Directive<'a> {
    fn has(&self, wanted: &str) -> bool {
        self.sources.iter().any(|source| source.eq_ignore_ascii_case(wanted))
    }

    fn is_default(&self) -> bool {
        self.name.eq_ignore_ascii_case("default-src")
    }

    fn nonces(&self) -> impl Iterator<Item = &'a str> {
        let quoted = self.sources.iter().filter_map(|source| source.strip_prefix('\'')?.strip_suffix('\''));
        quoted.filter_map(|inside| inside.split_at_checked(6)).filter_map(|(kind, nonce)| {
            let sound = nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte));
            (kind.eq_ignore_ascii_case("nonce-") && sound && !nonce.is_empty()).then_some(nonce)
        })
    }

    fn has_hash(&self) -> bool {
        let is_hash = |source: &&str| {
            let lower = source.to_ascii_lowercase();
            ["'sha256-", "'sha384-", "'sha512-"].iter().any(|kind| lower.starts_with(kind))
        };
        self.sources.iter().any(is_hash)
    }

    /// How this list, which governs scripts, comes to allow devloop's.
    fn for_script(&self, address: &str, nonce: &str) -> Addition {
        let strict = self.has("'strict-dynamic'");
        if self.nonces().any(|known| known == nonce) {
            return Addition::Nonce(String::new());
        }
        if !strict && ["*", "'self'", address].iter().any(|known| self.has(known)) {
            return Addition::Nothing;
        }
        // A nonce would switch off the `'unsafe-inline'` that the page's own scripts live on.
        let relies_on_inline =
            self.has("'unsafe-inline'") && !strict && !self.has_hash() && self.nonces().next().is_none();
        match relies_on_inline {
            true => Addition::Address,
            false => Addition::Nonce(format!("'nonce-{nonce}'")),
        }
    }

    /// As a directive `name` with one more source.
    fn push_to(&self, text: &mut String, name: &str, more: &str) {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(name);
        let alone = more.is_empty();
        let sources = self.sources.iter().filter(|source| alone || !source.eq_ignore_ascii_case("'none'"));
        for source in sources.chain([&more]).filter(|source| !source.is_empty()) {
            write!(text, " {source}").expect("writing to a string cannot fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted<'_> = Wanted {
        script: "http://localhost:3000/.devloop/client.js",
        requests: "http://localhost:3000/.devloop/",
        nonce: "OURS",
    };

    fn widened(value: &str) -> (String, Option<String>) {
        match widen(&[value], WANTED) {
            Policies::Closed => ("closed".to_owned(), None),
            Policies::Open(values, nonce) => (values.concat(), nonce),
        }
    }

    /// With S for our script's address, R for our requests'.
    fn cases(cases: &[(&str, &str, Option<&str>)]) {
        for (before, after, nonce) in cases {
            let (text, used) = widened(before);
            let text = text.replace(WANTED.script, "S").replace(WANTED.requests, "R");
            assert_eq!((text.as_str(), used.as_deref()), (*after, *nonce), "{before}");
        }
    }

    #[test]
    fn a_policy_that_allows_it_already_stays_as_it_is() {
        cases(&[
            ("default-src 'self'; img-src *", "default-src 'self'; img-src *", None),
            ("img-src 'none'", "img-src 'none'", None),
            ("script-src *; connect-src 'SELF'", "script-src *; connect-src 'SELF'", None),
            ("", "", None),
        ]);
    }

    #[test]
    fn a_nonce_is_copied_and_else_added() {
        cases(&[
            ("script-src 'nonce-abc+/='", "script-src 'nonce-abc+/='", Some("abc+/=")),
            ("script-src 'nonce-abc' 'strict-dynamic'", "script-src 'nonce-abc' 'strict-dynamic'", Some("abc")),
            ("script-src 'strict-dynamic' 'self'", "script-src 'strict-dynamic' 'self' 'nonce-OURS'", Some("OURS")),
            ("script-src 'none'", "script-src 'nonce-OURS'", Some("OURS")),
            ("script-src", "script-src 'nonce-OURS'", Some("OURS")),
            (
                "script-src 'sha256-x' 'unsafe-inline'",
                "script-src 'sha256-x' 'unsafe-inline' 'nonce-OURS'",
                Some("OURS"),
            ),
            ("script-src https://cdn.test", "script-src https://cdn.test 'nonce-OURS'", Some("OURS")),
            ("script-src 'nonce-\"><x>'", "script-src 'nonce-\"><x>' 'nonce-OURS'", Some("OURS")),
        ]);
    }

    #[test]
    fn the_address_is_added_where_a_nonce_would_switch_off_inline_scripts() {
        cases(&[
            ("script-src 'unsafe-inline'", "script-src 'unsafe-inline' S", None),
            ("script-src 'unsafe-inline' https://cdn.test", "script-src 'unsafe-inline' https://cdn.test S", None),
            (
                "script-src-elem 'unsafe-inline'; script-src 'none'",
                "script-src-elem 'unsafe-inline' S; script-src 'none'",
                None,
            ),
        ]);
    }

    #[test]
    fn requests_are_allowed_where_they_are_governed() {
        cases(&[
            ("connect-src 'none'", "connect-src R", None),
            ("connect-src https://api.test", "connect-src https://api.test R", None),
            ("connect-src *", "connect-src *", None),
        ]);
    }

    #[test]
    fn what_the_default_allows_is_not_widened_for_everything_else() {
        cases(&[
            ("default-src 'none'", "default-src 'none'; script-src 'nonce-OURS'; connect-src R", Some("OURS")),
            (
                "DEFAULT-SRC https://a.test 'unsafe-inline'; style-src 'none'",
                "DEFAULT-SRC https://a.test 'unsafe-inline'; style-src 'none'; \
                 script-src https://a.test 'unsafe-inline' S; connect-src https://a.test 'unsafe-inline' R",
                None,
            ),
            ("default-src 'none'; script-src 'self'", "default-src 'none'; script-src 'self'; connect-src R", None),
        ]);
    }

    #[test]
    fn of_two_directives_of_one_name_the_first_one_counts() {
        cases(&[("script-src 'none'; script-src 'self'", "script-src 'nonce-OURS'; script-src 'self'", Some("OURS"))]);
    }

    #[test]
    fn every_policy_of_every_field_is_widened_for_the_same_nonce() {
        let values = ["script-src 'self', script-src 'nonce-b'", "script-src https://x.test"];
        let expected =
            vec!["script-src 'self',script-src 'nonce-b'".to_owned(), "script-src https://x.test 'nonce-b'".to_owned()];
        assert_eq!(widen(&values, WANTED), Policies::Open(expected, Some("b".to_owned())));
        let two = widen(&["script-src 'nonce-a'", "script-src 'nonce-b'"], WANTED);
        let expected = vec!["script-src 'nonce-a'".to_owned(), "script-src 'nonce-b' 'nonce-a'".to_owned()];
        assert_eq!(two, Policies::Open(expected, Some("a".to_owned())));
    }

    #[test]
    fn a_sandbox_without_scripts_or_origin_is_closed() {
        for closed in ["sandbox", "sandbox allow-scripts", "default-src 'self'; Sandbox allow-same-origin"] {
            assert_eq!(widen(&["img-src *", closed], WANTED), Policies::Closed, "{closed}");
        }
        cases(&[("sandbox allow-scripts allow-same-origin", "sandbox allow-scripts allow-same-origin", None)]);
    }
}
