//! Where a `redirect` leads.

/// The value of `Location`. `rest`: what follows the route's path, as the client wrote it. The client chooses a path
/// below the one in `to`, never a host: what it wrote loses its first slashes.
pub(in super::super) fn location(to: &str, rest: &str, query: Option<&str>) -> String {
    let below = rest.trim_start_matches(['/', '\\']);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    to.replace("{path}", &format!("{below}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_route_is_carried_over_where_it_is_asked_for() {
        assert_eq!(location("/new", "/a/b", Some("q=1")), "/new");
        assert_eq!(location("/new/{path}", "/a%2F/b", Some("q=1&r")), "/new/a%2F/b?q=1&r");
        assert_eq!(location("https://app.test/{path}", "/", None), "https://app.test/");
    }

    #[test]
    fn no_client_chooses_the_host() {
        for rest in ["//evil.test/", "/\\evil.test/", "/\\/\\evil.test/", "///evil.test/"] {
            assert_eq!(location("/{path}", rest, None), "/evil.test/", "{rest}");
        }
    }
}
