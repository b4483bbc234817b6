//! `[[route]]`: what leads nowhere, what is never reached, and what contradicts itself.

use super::problem_of;

const SERVICE: &str = "[[service]]\nname = \"api\"\nrun = \"x\"\n\n";

fn route(keys: &str) -> String {
    problem_of(&format!("{SERVICE}[[route]]\n{keys}"))
}

#[test]
fn two_routes_for_the_same_requests_are_told_with_both_places() {
    let keys = "path = \"/v1/\"\nservice = \"api\"\n\n[[route]]\npath = \"/%76%31\"\nfiles = \"web\"";
    let message = r#"error: two routes are for `/v1` of all hosts
  --> dev.toml:10:8
   |
10 | path = "/%76%31"
   |        ^^^^^^^^^
   |
   = hint: the other one is in line 5; give one of them another `host` or `path`"#;
    assert_eq!(route(keys), message);
}

#[test]
fn two_routes_for_the_same_host_are_told_even_without_a_path() {
    let keys = "host = \"API.localhost\"\nservice = \"api\"\n\n[[route]]\nhost = \"api.localhost\"\npath = \"/\"\nfiles = \"web\"";
    let message = r#"error: two routes are for `api.localhost/`
  --> dev.toml:11:8
   |
11 | path = "/"
   |        ^^^
   |
   = hint: the other one is in line 5; give one of them another `host` or `path`"#;
    assert_eq!(route(keys), message);
}

#[test]
fn a_route_below_devloops_own_paths_is_never_reached() {
    let message = r#"error: no request reaches this route
 --> dev.toml:6:8
  |
6 | path = "/.devloop/x"
  |        ^^^^^^^^^^^^^
  |
  = hint: what is below `/.devloop` is answered by devloop itself"#;
    assert_eq!(route("path = \"/.devloop/x\"\nservice = \"api\""), message);
}

#[test]
fn a_route_leads_somewhere_and_to_one_thing_only() {
    let message = r#"error: the route leads nowhere
 --> dev.toml:5:1
  |
5 | [[route]]
  | ^^^^^^^^^
  |
  = hint: add `service = "api"`, `redirect = "/new"` or `files = "public"`"#;
    assert_eq!(route("path = \"/x\""), message);
    let message = r#"error: `files` contradicts `service`: a route leads to one thing
 --> dev.toml:7:9
  |
7 | files = "web"
  |         ^^^^^
  |
  = hint: make two routes of it"#;
    assert_eq!(route("service = \"api\"\nfiles = \"web\""), message);
}

#[test]
fn the_service_of_a_route_exists_and_listens() {
    let message = r#"error: no service is named `apo`
 --> dev.toml:6:11
  |
6 | service = "apo"
  |           ^^^^^
  |
  = hint: did you mean `api`?"#;
    assert_eq!(route("service = \"apo\""), message);
    let toml = "[[service]]\nname = \"worker\"\nrun = \"x\"\nport = \"none\"\n\n[[route]]\nservice = \"worker\"";
    let message = r#"error: service `worker` takes no requests: it has `port = "none"`
 --> dev.toml:7:11
  |
7 | service = "worker"
  |           ^^^^^^^^
  |
  = hint: that is in line 4"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_step_is_no_place_for_requests() {
    let toml = "[[step]]\nname = \"build\"\nrun = \"x\"\n\n[[route]]\nservice = \"build\"";
    let message = r#"error: `build` is a step; `service` names services
 --> dev.toml:6:11
  |
6 | service = "build"
  |           ^^^^^^^"#;
    assert_eq!(problem_of(toml), message);
}

#[test]
fn a_host_is_a_name_and_a_path_a_prefix() {
    let message = r#"error: `localhost:3000` is not a host name
 --> dev.toml:6:8
  |
6 | host = "localhost:3000"
  |        ^^^^^^^^^^^^^^^^
  |
  = hint: write the name alone, such as `"app.test"`, or `"*.app.test"` for every name below it: no scheme, no port"#;
    assert_eq!(route("host = \"localhost:3000\"\nservice = \"api\""), message);
    for (keys, message, hint) in [
        ("host = \"*\"", "`host` cannot be `*` alone", "a route without `host` is for all hosts"),
        ("path = \"v1\"", "the path `v1` does not start with `/`", "write `\"/v1\"`"),
        (
            "path = \"/v1/*\"",
            "the path `/v1/*` has a pattern in it",
            "write `\"/v1\"`: a route is for its path and everything below it",
        ),
        (
            "path = \"/**\"",
            "the path `/**` has a pattern in it",
            "write `\"/\"`: a route is for its path and everything below it",
        ),
        (
            "path = \"/a b\"",
            "the path `/a b` cannot be that of a request",
            "write spaces and other letters percent-encoded, and no `?…` and no `#…`",
        ),
        ("path = \"http://localhost/v1\"", "the path of a route is a whole URL", "write `host` and `path` apart"),
    ] {
        let told = route(&format!("{keys}\nservice = \"api\""));
        assert!(told.starts_with(&format!("error: {message}\n")) && told.ends_with(&format!("hint: {hint}")), "{told}");
    }
}

#[test]
fn keys_that_belong_to_another_one_are_told_so() {
    for (keys, message) in [
        ("files = \"web\"\nstrip_prefix = true", "`strip_prefix` has no effect without `service`"),
        ("service = \"api\"\nstatus = 301", "`status` has no effect without `redirect`"),
        ("service = \"api\"\nfallback = \"index.html\"", "`fallback` has no effect without `files`"),
        ("service = \"api\"\nstrip_prefix = true", "`strip_prefix` has nothing to cut off"),
        ("files = \"file\"", "`file` is not a folder"),
        ("files = \"\"", "`files` is empty"),
        ("files = \"web\"\nfallback = \"../x\"", "`../x` is not a file in the folder of `files`"),
        ("path = \"/a\"\nredirect = \"/x\"\nstatus = 200", "`status` must be 301, 302, 303, 307 or 308"),
        ("path = \"/a\"\nredirect = \"/x\"\nstatus = \"301\"", "`status` must be a number, not a string"),
        ("path = \"/a\"\nredirect = \"new\"", "`new` is neither a path nor a URL"),
        ("path = \"/a\"\nredirect = \"//evil.test\"", "`//evil.test` is neither a path nor a URL"),
        ("path = \"/a\"\nredirect = \"http://{path}/\"", "`{path}` cannot be part of a host"),
        ("path = \"/a\"\nredirect = \"/{rest}\"", "`/{rest}` has something else in braces than `{path}`"),
        ("path = \"/a\"\nredirect = \"/a/{path}\"", "the redirect leads back to its own route: `/a/any` is below `/a`"),
        ("to = \"api\"", "unknown key `to` in `[[route]]`"),
    ] {
        let told = route(keys);
        assert!(told.starts_with(&format!("error: {message}\n")), "{keys}\n{told}");
    }
}

#[test]
fn one_route_that_is_no_array_is_told_how() {
    let message = r#"error: `route` must be an array of tables, not a table
 --> dev.toml:5:1
  |
5 | [route]
  | ^^^^^^^
  |
  = hint: each route is a table of its own: `[[route]]`"#;
    assert_eq!(problem_of(&format!("{SERVICE}[route]\nservice = \"api\"")), message);
}
