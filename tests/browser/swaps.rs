//! Pages that poll, listen, talk and post, through many swaps of a real program: nothing is seen of them but the new
//! answers.

use std::collections::HashSet;

use crate::{
    chrome::{Chrome, Page},
    have::have,
    project::Project,
};

const SERVER: &str = include_str!("swaps.js");

/// So many in each test.
fn swaps() -> u64 {
    std::env::var("DEVLOOP_TEST_SWAPS").ok().and_then(|count| count.parse().ok()).unwrap_or(20)
}

/// Everything that the page does is answered by this version.
fn is_at(page: &Page, version: &str) {
    page.until(&format!("['poll', 'event', 'socket', 'form'].every((part) => seen[part] === {version:?})"));
}

fn nothing_is_seen_of_swaps(mode: &str) {
    let Some(chrome) = Chrome::get() else { return };
    if !have("node") {
        return;
    }
    let config = format!(
        "[[service]]\nname = \"app\"\nrun = \"node server.js\"\ninputs = [\"server.js\", \"version\"]\nswap = \"{mode}\"\n"
    );
    let project = Project::up(&[("dev.toml", &config), ("server.js", SERVER), ("version", "v0")]);
    let address = project.address();
    project.fact("at_rest");
    let page = chrome.page();
    page.go(&address);
    let own = page.another();
    [&page, &own].into_iter().for_each(Page::forgets_requests);
    own.go(&format!("{address}own"));
    for swap in 0..=swaps() {
        let version = format!("v{swap}");
        if swap > 0 {
            project.write("version", &version);
        }
        for page in [&page, &own] {
            is_at(page, &version);
            assert_eq!(page.complaints(), Vec::<String>::new(), "at {version}");
        }
        page.until("window.__devloop");
        assert_eq!((page.loads() as u64, own.loads()), (swap + 1, 1), "at {version}");
    }
    let posts = std::fs::read_to_string(project.path("posts.log")).expect("there were some");
    let different: HashSet<&str> = posts.lines().collect();
    assert_eq!(posts.lines().count(), different.len(), "a form was sent twice");
    let of_own = own.eval("[...Array(seen.forms).keys()].map((number) => `${page}-${number}`)");
    for id in of_own.as_array().expect("a list").iter().filter_map(serde_json::Value::as_str) {
        assert!(different.contains(id), "{id} was answered and not taken");
    }
    println!(
        "{mode}: {} swaps, {} forms, {} polls of the page that stayed",
        swaps(),
        posts.lines().count(),
        own.eval("seen.polls")
    );
}

#[test]
fn nothing_is_seen_of_swaps_where_the_new_one_starts_beside_the_old_one() {
    nothing_is_seen_of_swaps("overlap");
}

#[test]
fn nothing_is_seen_of_swaps_where_the_old_one_ends_first() {
    nothing_is_seen_of_swaps("exclusive");
}
