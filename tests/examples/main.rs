//! Every folder of examples/ really runs: copied, started, edited, and the new answer comes. The package registries of
//! Go, npm, PyPI and crates.io are asked, through the ordinary clients. (Without its tools a test says so and passes.)
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

#[expect(dead_code, reason = "shared with the tests of pages, which use all of it")]
#[path = "../browser/chrome.rs"]
mod chrome;
#[path = "../support/have.rs"]
mod have;
mod support;

use chrome::Chrome;
use support::{Example, have, root};

#[test]
fn go_wire_puts_the_parts_together_anew() {
    if !have(&["go"]) {
        return;
    }
    let mut example = Example::up("go-wire", &[]);
    example.rest();
    example.answers("/", "hello from wire");
    example.edit("shop.go", "hello from wire", "hello again");
    example.answers("/", "hello again");
    // Another provider: wire itself has to run before the build.
    example.write("loud.go", "package main\n\nfunc NewLoud() Greeting { return \"HELLO\" }\n");
    example.edit("wire.go", "NewGreeting", "NewLoud");
    example.answers("/", "HELLO");
}

#[test]
fn go_templ_shows_the_changed_page() {
    if !have(&["go"]) {
        return;
    }
    let mut example = Example::up("go-templ", &[]);
    example.rest();
    example.answers("/", "hello from templ, you");
    example.edit("page.templ", "hello from templ", "good day");
    example.answers("/", "good day, you");
}

#[test]
fn go_sqlc_asks_the_changed_query_and_keeps_the_data() {
    if !have(&["go"]) {
        return;
    }
    let mut example = Example::up("go-sqlc", &[]);
    example.rest();
    example.answers("/", "0 notes");
    example.request("POST", "localhost", "/");
    example.answers("/", "1 notes");
    example.edit("db/queries.sql", "SELECT count(*) FROM", "SELECT 41 + count(*) FROM");
    example.answers("/", "42 notes");
}

#[test]
fn go_htmx_reloads_the_page_once_and_leaves_its_pieces_alone() {
    if !have(&["go", "node", "npm"]) {
        return;
    }
    let mut example = Example::up("go-htmx", &[]);
    example.rest();
    example.answers("/", "hello from htmx");
    let Some(chrome) = Chrome::get() else { return };
    let page = chrome.page();
    page.go(&example.address());
    page.until("window.__devloop");
    page.until("document.querySelector('#late').innerHTML === '<i>a piece that came late</i>'");
    for count in 1..=3 {
        page.eval("document.querySelector('button').click()");
        page.until(&format!("document.querySelector('#clicks').innerHTML === '<b>{count} clicks</b>'"));
    }
    // Its style is exchanged in place, and what htmx has put into the page stays.
    example.edit("static/site.css", "43, 92, 138", "1, 2, 3");
    page.until("getComputedStyle(document.querySelector('h1')).color === 'rgb(1, 2, 3)'");
    assert_eq!((page.loads(), page.eval("document.querySelector('#clicks').textContent")), (1, "3 clicks".into()));
    example.edit("page.templ", "hello from htmx", "good day");
    page.until("document.querySelector('h1').textContent === 'good day'");
    page.until("window.__devloop");
    page.until("document.querySelector('#late').innerHTML === '<i>a piece that came late</i>'");
    assert_eq!((page.loads(), page.complaints()), (2, Vec::new()));
    let listening = page.requests().iter().filter(|address| address.contains("/.devloop/events")).count();
    assert!(listening <= 2, "one for each document: {:?}", page.requests());
}

#[test]
fn node_vite_serves_the_page_and_swaps_the_api_behind_it() {
    if !have(&["go", "node", "npm"]) {
        return;
    }
    let mut example = Example::up("node-vite", &[]);
    example.rest();
    example.answers("/", "/@vite/client");
    example.answers("/api/greeting", "hello from the API");
    let page = Chrome::get().map(|chrome| chrome.page());
    if let Some(page) = &page {
        page.go(&example.address());
        page.until("document.getElementById('greeting').textContent.includes('hello from the API')");
        page.until("window.__devloop");
    }
    example.edit("api/main.go", "hello from the API", "the API has changed");
    example.answers("/api/greeting", "the API has changed");
    if let Some(page) = &page {
        // Nobody reloads for another service, and Vite's own connection has lived through that.
        let asked = "fetch('/api/greeting').then((answer) => answer.text())";
        assert_eq!(page.eval(asked), "the API has changed\n");
        assert_eq!(page.loads(), 1);
    }
    // Vite reloads its own files; devloop leaves it alone.
    example.edit("src/main.js", "await answer.text()", "\"changed\"");
    example.answers("/src/main.js", "\"changed\"");
    if let Some(page) = &page {
        page.until("document.getElementById('greeting').textContent === 'changed'");
        page.until("window.__devloop");
        assert_eq!((page.loads(), page.complaints()), (2, Vec::new()));
        // Where Vite itself is replaced its client reloads the page when the new one is there, and nobody else does.
        example.devloop(&["restart", "web"]);
        page.loaded(3);
        page.until("document.getElementById('greeting').textContent === 'changed'");
        page.until("window.__devloop");
        assert_eq!((page.loads(), page.complaints()), (3, Vec::new()));
    }
}

#[test]
fn python_fastapi_answers_with_the_new_code() {
    if !have(&["python3", "python3-venv"]) {
        return;
    }
    let mut example = Example::up("python-fastapi", &[]);
    example.rest();
    example.answers("/", "hello from FastAPI");
    example.edit("app.py", "hello from FastAPI", "changed");
    example.answers("/", "changed");
}

#[test]
fn rust_axum_answers_with_the_new_code() {
    if !have(&["cargo"]) {
        return;
    }
    let mut example = Example::up("rust-axum", &[]);
    example.rest();
    example.answers("/", "hello from axum");
    example.edit("src/main.rs", "hello from axum", "changed");
    example.answers("/", "changed");
}

#[test]
fn fixed_port_starts_the_new_one_when_the_old_one_has_ended() {
    if !have(&["node"]) {
        return;
    }
    let mut example = Example::up("fixed-port", &[8081]);
    example.rest();
    example.answers("/", "hello from a fixed port");
    example.edit("server.js", "hello from a fixed port", "changed");
    example.answers("/", "changed");
}

#[test]
fn two_services_are_built_from_one_protocol() {
    if !have(&["go", "protoc"]) {
        return;
    }
    let mut example = Example::up("two-services", &[]);
    example.rest();
    example.answers("/", "hello from the shop, you");
    example.edit("shop/main.go", "hello from the shop", "good day");
    example.answers("/", "good day, you");
    // Both sides of the protocol change in one save.
    example.edit("proto/shop.proto", "string text = 1;", "string words = 2;");
    example.edit("shop/main.go", "Text: \"good day", "Words: \"new words");
    example.edit("web/main.go", "reply.GetText()", "reply.GetWords()");
    example.answers("/", "new words, you");
}

#[test]
fn postgres_runs_the_new_migration_before_the_program_is_asked() {
    if !have(&["go", "postgres", "psql"]) {
        return;
    }
    let mut example = Example::up("postgres", &[54321]);
    example.rest();
    example.answers("/", "hello from postgres");
    example.write("migrations/002_more.sql", "INSERT INTO greetings (text) VALUES ('migrated');\n");
    example.answers("/", "migrated");
}

#[test]
fn every_example_is_in_the_readme() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("it is there");
    let folders = std::fs::read_dir(root().join("examples")).expect("it is there");
    let mut seen = 0;
    for folder in folders.map(|folder| folder.expect("it can be read")) {
        let name = folder.file_name().into_string().expect("names are text");
        // What is no project of its own is told elsewhere; hello is run by the dev.toml of this repository.
        if name != "hello" && !folder.path().join("dev.toml").exists() {
            continue;
        }
        assert!(readme.contains(&format!("| [{name}](examples/{name}")), "README.md does not name examples/{name}");
        seen += 1;
    }
    assert!(seen >= 10);
}
