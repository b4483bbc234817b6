//! Turbo's and htmx's own libraries in pages behind devloop: what they fetch is what the program wrote, and their page
//! is one page to devloop, however many visits they make of it.

use std::process::Command;

use serde_json::json;

use crate::{
    chrome::{Chrome, Page},
    have::have,
    overlay::{explain, report, sees, sees_nothing, stale},
    reload::{address, fresh, listens, open, shows, whole},
    stage::{App, Message, Stage, holding},
};

/// A file of a package as npm brings it; none, with a line that says so, where npm is missing.
fn library(package: &str, file: &str) -> Option<String> {
    if !have("npm") {
        return None;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(folder.path());
    let output = npm.arg(package).output().expect("npm starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(std::fs::read_to_string(folder.path().join("node_modules").join(file)).expect("it is in the package"))
}

fn turbo() -> Option<String> {
    library("@hotwired/turbo@8.0.23", "@hotwired/turbo/dist/turbo.es2017-umd.js")
}

/// Each answer that Turbo gets is kept, as it came.
const RECORDS: &str = "window.answers ??= []; addEventListener('turbo:before-fetch-response', ({ detail }) =>\
    detail.fetchResponse.responseHTML.then((text) => answers.push([detail.fetchResponse.location.pathname, text])));";

/// Without previews: what is seen is what was fetched.
fn page(name: &str, path: &str) -> String {
    format!(
        "<!doctype html><html><head><title>{name} {path}</title><meta name=turbo-cache-control content=no-preview><script src=/turbo.js></script><script>{RECORDS}</script></head>\
         <body><h1>{name} {path}</h1><a href=/>first</a> <a href=/two>second</a> <a href=/three>third</a>\
         <form action=/save method=post><input name=x value=1><button>save</button></form>\
         <form action=/wrong method=post><button>wrong</button></form>\
         <turbo-frame id=part src=/frame{path}></turbo-frame></body></html>"
    )
}

fn is_of_frame(path: &str) -> bool {
    path.starts_with("/frame") || path == "/more"
}

fn frame(name: &str, path: &str) -> String {
    format!("<turbo-frame id=part><p>{name} {path}</p><a href=/more>more</a></turbo-frame>")
}

async fn program(name: &'static str, library: &str) -> App {
    let library = library.to_owned();
    App::http(move |request: Message| {
        let library = library.clone();
        async move {
            match request.target() {
                "/turbo.js" => whole("text/javascript; charset=utf-8", "", &library),
                "/save" => b"HTTP/1.1 303 See Other\r\nLocation: /two\r\nContent-Length: 0\r\n\r\n".to_vec(),
                "/wrong" => {
                    let answer = String::from_utf8(whole("text/html", "", &page(name, "/wrong"))).expect("it is text");
                    answer.replacen("200 OK", "422 Unprocessable Content", 1).into_bytes()
                }
                path if is_of_frame(path) => whole("text/html", "ETag: \"x\"\r\n", &frame(name, path)),
                path => whole("text/html", "", &page(name, path)),
            }
        }
    })
    .await
}

/// A click on what stands there.
fn clicks(page: &Page, selector: &str) {
    page.eval(&format!("void document.querySelector({selector:?}).click()"));
}

/// The page shows this, with its frame filled, and has one tag of devloop's.
fn is_at(page: &Page, name: &str, path: &str) {
    shows(page, &format!("{name} {path}"));
    page.until(&format!("document.querySelector('turbo-frame p')?.textContent === '{name} /frame{path}'"));
    page.until("window.__devloop");
    assert_eq!(page.eval("document.querySelectorAll('script[src^=\"/.devloop/\"]').length"), 1, "at {path}");
}

/// How often the page has asked for news.
fn listeners(page: &Page) -> usize {
    page.requests().iter().filter(|address| address.contains("/.devloop/events")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turbo_visits_frames_and_forms_pass_as_they_are_and_a_swap_is_one_reload() {
    let Some(chrome) = Chrome::get() else { return };
    let Some(library) = turbo() else { return };
    let stage = Stage::new().await;
    let (old, new) = (program("old", &library).await, program("new", &library).await);
    stage.gate(fresh(&stage, &old));
    let tab = chrome.page();
    tab.go(&address(&stage));
    is_at(&tab, "old", "/");
    let visits = [("a[href='/two']", "/two"), ("a[href='/three']", "/three"), ("a[href='/']", "/")];
    for (link, path) in visits.iter().cycle().take(9) {
        clicks(&tab, link);
        is_at(&tab, "old", path);
    }
    clicks(&tab, "form[action='/save'] button");
    is_at(&tab, "old", "/two");
    clicks(&tab, "form[action='/wrong'] button");
    is_at(&tab, "old", "/wrong");
    clicks(&tab, "turbo-frame a");
    tab.until("document.querySelector('turbo-frame p')?.textContent === 'old /more'");
    tab.eval("void history.back()");
    tab.until("document.title !== 'old /wrong'");
    assert_eq!((tab.loads(), listeners(&tab)), (1, 1), "{:?}", tab.requests());

    // Byte for byte, whatever it was fetched for.
    let answers = tab.eval("answers");
    let answers = answers.as_array().expect("a list");
    assert!(answers.len() > 20, "Turbo has fetched: {answers:?}");
    for answer in answers {
        let path = answer[0].as_str().expect("a path");
        let written = if is_of_frame(path) { frame("old", path) } else { page("old", path) };
        assert_eq!(answer[1], json!(written), "{path}");
    }
    let seen = old.seen.lock().unwrap().clone();
    let framed = seen.iter().filter(|asked| asked.header("turbo-frame") == Some("part")).count();
    assert!(framed > 10, "frames say that they are frames: {framed}");

    // And a swap after all that: one reload, of the page where the person is.
    let mut loads = 1;
    for (swap, app, name, link, path) in [
        (1, &new, "new", "a[href='/three']", "/three"),
        (2, &old, "old", "a[href='/']", "/"),
        (3, &new, "new", "a[href='/two']", "/two"),
    ] {
        let before = if swap % 2 == 1 { "old" } else { "new" };
        clicks(&tab, link);
        is_at(&tab, before, path);
        stage.gate(fresh(&stage, app));
        loads += 1;
        tab.loaded(loads);
        is_at(&tab, name, path);
        listens(&tab);
    }
    assert_eq!((tab.loads(), tab.eval("answers.some(([, text]) => text.includes('devloop'))")), (4, json!(false)));
    assert!(listeners(&tab) <= tab.loads(), "one for each document: {:?}", tab.requests());
    assert_eq!(tab.complaints().iter().filter(|line| !line.contains("422")).count(), 0, "{:?}", tab.complaints());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_stays_in_view_over_turbos_visits_and_a_held_visit_ends_in_the_new_page() {
    let Some(chrome) = Chrome::get() else { return };
    let Some(library) = turbo() else { return };
    let stage = Stage::new().await;
    let (old, new) = (program("old", &library).await, program("new", &library).await);
    let run = stage.add(old.addr);
    stage.gate(open(run, 4));
    let tab = chrome.page();
    tab.go(&address(&stage));
    is_at(&tab, "old", "/");
    explain(&stage, report());
    stage.gate(stale(run, 4, "step `build` failed: exit code 1"));
    sees(&tab, ".sheet");
    for (link, path) in [("a[href='/two']", "/two"), ("a[href='/three']", "/three")] {
        clicks(&tab, link);
        is_at(&tab, "old", path);
        sees(&tab, ".sheet");
    }
    assert_eq!(tab.loads(), 1);
    explain(&stage, json!(null));
    stage.gate(holding());
    clicks(&tab, "a[href='/two']");
    stage.held(1).await;
    stage.gate(fresh(&stage, &new));
    tab.until("document.title.startsWith('new ')");
    tab.loaded(2);
    listens(&tab);
    sees_nothing(&tab);
    assert_eq!(tab.loads(), 2);
}

/// A page whose links and form htmx follows, and which it fills.
fn boosted(name: &str, path: &str) -> String {
    let records = "window.answers ??= []; document.addEventListener('htmx:afterRequest', ({ detail }) =>\
                   answers.push([detail.pathInfo.requestPath, detail.xhr.responseText]));";
    format!(
        "<!doctype html><html><head><title>{name} {path}</title><script src=/htmx.js></script><script>{records}</script></head>\
         <body hx-boost=true><h1>{name} {path}</h1><a href=/>first</a> <a href=/two>second</a>\
         <div hx-get=/part{path} hx-trigger=load>nothing yet</div></body></html>"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_htmx_asks_for_passes_as_it_is_and_its_page_listens_once() {
    let Some(chrome) = Chrome::get() else { return };
    let Some(library) = library("htmx.org@2", "htmx.org/dist/htmx.min.js") else { return };
    let stage = Stage::new().await;
    let program = |name: &'static str| {
        let library = library.clone();
        App::http(move |request: Message| {
            let library = library.clone();
            async move {
                match request.target() {
                    "/htmx.js" => whole("text/javascript; charset=utf-8", "", &library),
                    path if path.starts_with("/part") => whole("text/html", "", &format!("<p>{name} {path}</p>")),
                    path => whole("text/html", "", &boosted(name, path)),
                }
            }
        })
    };
    let (old, new) = (program("old").await, program("new").await);
    stage.gate(fresh(&stage, &old));
    let tab = chrome.page();
    tab.go(&address(&stage));
    let is_at = |name: &str, path: &str| {
        shows(&tab, &format!("{name} {path}"));
        tab.until(&format!("document.querySelector('div p')?.textContent === '{name} /part{path}'"));
        assert_eq!(tab.eval("document.querySelectorAll('script[src^=\"/.devloop/\"]').length"), 1, "at {path}");
    };
    is_at("old", "/");
    for _ in 0..5 {
        for (link, path) in [("a[href='/two']", "/two"), ("a[href='/']", "/")] {
            clicks(&tab, link);
            is_at("old", path);
        }
    }
    listens(&tab);
    assert_eq!((tab.loads(), listeners(&tab)), (1, 1), "{:?}", tab.requests());
    let answers = tab.eval("answers");
    let answers = answers.as_array().expect("a list");
    assert!(answers.len() > 20, "htmx has asked: {answers:?}");
    for answer in answers {
        let path = answer[0].as_str().expect("a path");
        let part = format!("<p>old {path}</p>");
        assert_eq!(answer[1], json!(if path.starts_with("/part") { part } else { boosted("old", path) }), "{path}");
    }
    stage.gate(fresh(&stage, &new));
    tab.loaded(2);
    is_at("new", "/");
    listens(&tab);
    assert_eq!((tab.loads(), tab.complaints()), (2, Vec::new()));
}
