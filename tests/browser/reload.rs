//! Pages reload once for each swap, and for nothing else.

use std::sync::Arc;

use devloop::{
    core::gate::Gate,
    model::{Provider, Revision, RunId},
    plan::Reload,
};

use crate::{
    chrome::{Chrome, Page},
    stage::{App, Message, Stage, awaiting, failed, holding, rules},
};

/// A program that answers every page with its name, under these header lines.
pub async fn program(name: &'static str, headers: &'static str) -> App {
    App::http(move |request| async move { answer(name, headers, &request) }).await
}

fn answer(name: &str, headers: &str, request: &Message) -> Vec<u8> {
    let (kind, body) = match request.target() {
        "/worker.js" => {
            let script = "addEventListener('install', () => skipWaiting());\
                          addEventListener('activate', (event) => event.waitUntil(clients.claim()));\
                          addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));";
            ("text/javascript", script.to_owned())
        }
        "/favicon.ico" => ("image/x-icon", String::new()),
        target => {
            let body = format!(
                "<!doctype html><html><head><meta name=viewport content='width=device-width'><title>{name}</title></head>\
                 <body><h1>{name}</h1>{target}</body></html>"
            );
            ("text/html; charset=utf-8", body)
        }
    };
    whole(kind, headers, &body)
}

/// A page of this name and nothing else.
pub fn html(name: &str) -> Vec<u8> {
    whole("text/html", "", &format!("<!doctype html><head><title>{name}</title></head><h1>{name}</h1>"))
}

/// An answer of this kind.
pub fn whole(kind: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Files of a service that it serves as they are have changed.
pub fn assets(stage: &Stage, service: &str, files: Option<Vec<String>>) {
    stage.proxy.changed(Provider::Service(service.into()), files);
}

pub fn open(run: RunId, revision: u64) -> Gate {
    Gate::Open { run, revision: Revision(revision), awaiting: None, stale: None }
}

/// An open gate to another run of this program, made from something else.
pub fn fresh(stage: &Stage, app: &App) -> Gate {
    let run = stage.add(app.addr);
    open(run, run.0)
}

pub fn shows(page: &Page, name: &str) {
    page.until(&format!("document.title === {name:?}"));
}

/// Waits until the script of the page has heard of the gate it was opened through.
pub fn listens(page: &Page) {
    page.until("window.__devloop");
}

pub fn address(stage: &Stage) -> String {
    format!("http://localhost:{}/", stage.addr.port())
}

async fn stage() -> Option<(Arc<Chrome>, Stage)> {
    let chrome = Chrome::get()?;
    Some((chrome, Stage::new().await))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_reloads_once_for_each_swap() {
    let Some((chrome, stage)) = stage().await else { return };
    let (old, new) = (program("old", "").await, program("new", "").await);
    stage.gate(open(stage.add(old.addr), 1));
    let page = chrome.page();
    page.go(&address(&stage));
    shows(&page, "old");
    for swap in 1..=12 {
        let (name, app) = if swap % 2 == 0 { ("old", &old) } else { ("new", &new) };
        listens(&page);
        stage.gate(open(stage.add(app.addr), swap + 1));
        page.loaded(usize::try_from(swap).unwrap() + 1);
        shows(&page, name);
    }
    listens(&page);
    assert_eq!(page.loads(), 13, "{:?}", page.requests());
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_stays_for_everything_that_is_not_a_swap_of_its_own_service() {
    let Some((chrome, stage)) = stage().await else { return };
    let app = program("app", "").await;
    stage.gate(open(stage.add(app.addr), 5));
    stage.gate_of("other", open(RunId(900), 5));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    // It crashed and was started again from the same content; another service was replaced; a save changed nothing.
    stage.gate(holding());
    stage.gate(open(stage.add(app.addr), 5));
    stage.gate_of("other", open(RunId(901), 6));
    stage.gate(awaiting(RunId(2)));
    stage.gate(open(RunId(2), 5));
    stage.gate(failed("it is broken"));
    stage.gate(open(stage.add(app.addr), 6));
    page.loaded(2);
    listens(&page);
    assert_eq!(page.loads(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_reload_for_other_services_where_dev_toml_says_so() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::with(|settings| {
        settings.rules.browser.reload = Reload::All;
        settings.rules.services = rules(&["api", "other"]).services;
    })
    .await;
    let app = program("app", "").await;
    stage.gate_of("other", open(RunId(900), 3));
    stage.gate(open(stage.add(app.addr), 5));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    // Neither a save that changed nothing nor a failure is a swap.
    stage.gate_of("other", awaiting(RunId(900)));
    stage.gate_of("other", failed("it is broken"));
    stage.gate_of("other", open(RunId(900), 3));
    stage.gate_of("other", open(RunId(901), 6));
    page.loaded(2);
    listens(&page);
    stage.gate_of("other", open(RunId(902), 7));
    page.loaded(3);
    listens(&page);
    stage.gate(open(stage.add(app.addr), 8));
    page.loaded(4);
    listens(&page);
    assert_eq!(page.loads(), 4);
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_outlives_all_swaps() {
    let Some((chrome, stage)) = stage().await else { return };
    let app = program("app", "").await;
    let run = stage.add(app.addr);
    stage.gate(open(run, 1));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    let other = page.another();
    other.go(&address(&stage));
    listens(&other);
    for _ in 0..5 {
        stage.gate(holding());
        stage.gate(open(stage.add(app.addr), 1));
    }
    // A swap at the end that both pages follow says that all before it has been heard.
    stage.gate(open(stage.add(app.addr), 2));
    page.loaded(2);
    other.loaded(2);
    assert_eq!(page.complaints(), Vec::<String>::new());
    let connections = |page: &Page| page.requests().iter().filter(|address| address.contains("/events")).count();
    let in_all = connections(&page) + connections(&other);
    assert!(in_all <= 1 + 2, "one before the reloads, and at most one for each page after them: {in_all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_tabs_share_one_connection() {
    let Some((chrome, stage)) = stage().await else { return };
    let (old, new) = (program("old", "").await, program("new", "").await);
    stage.gate(open(stage.add(old.addr), 1));
    let first = chrome.page();
    first.go(&address(&stage));
    let mut tabs = vec![first];
    while tabs.len() < 20 {
        let tab = tabs[0].another();
        tab.go(&address(&stage));
        listens(&tab);
        tabs.push(tab);
    }
    let listening = |tabs: &[Page]| {
        let requests = tabs.iter().flat_map(Page::requests);
        requests.filter(|address| address.contains("/events")).count()
    };
    assert_eq!(listening(&tabs), 1);
    // With six streams open nothing else would come through.
    assert_eq!(tabs[19].eval("fetch('/x').then((answer) => answer.status)"), 200);
    stage.gate(open(stage.add(new.addr), 2));
    for tab in &tabs {
        shows(tab, "new");
        listens(tab);
    }
    // A change that restarts nothing reaches all of them on the one way, and after it all else has.
    assets(&stage, "api", Some(vec!["none.css".into()]));
    for tab in &tabs {
        tab.loaded(3);
        listens(tab);
        assert_eq!(tab.loads(), 3, "once for the swap, once for the file");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_comes_through_a_service_worker_reloads_as_well() {
    let Some((chrome, stage)) = stage().await else { return };
    let (old, new) = (program("old", "").await, program("new", "").await);
    stage.gate(open(stage.add(old.addr), 1));
    let page = chrome.page();
    page.go(&address(&stage));
    page.eval("navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready).then(() => 1)");
    page.until("navigator.serviceWorker.controller");
    page.go(&format!("{}through", address(&stage)));
    listens(&page);
    let before = page.loads();
    stage.gate(open(stage.add(new.addr), 2));
    shows(&page, "new");
    listens(&page);
    assert_eq!(page.loads(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_out_of_a_cache_does_not_reload_for_ever() {
    let Some((chrome, stage)) = stage().await else { return };
    let app = App::http(|request| async move {
        let script = "addEventListener('install', () => skipWaiting());\
                      addEventListener('activate', (event) => event.waitUntil(clients.claim()));\
                      let kept; addEventListener('fetch', (event) => {\
                        if (event.request.mode !== 'navigate') return;\
                        kept = kept || fetch(event.request);\
                        event.respondWith(kept.then((answer) => answer.clone()));\
                      });";
        if request.target() == "/worker.js" {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\n";
            return format!("{head}Content-Length: {}\r\n\r\n{script}", script.len()).into_bytes();
        }
        answer("app", "", &request)
    })
    .await;
    stage.gate(open(stage.add(app.addr), 1));
    let page = chrome.page();
    page.go(&address(&stage));
    page.eval("navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready).then(() => 1)");
    page.until("navigator.serviceWorker.controller");
    page.go(&format!("{}kept", address(&stage)));
    listens(&page);
    let before = page.loads();
    for revision in 2..=4 {
        stage.gate(open(stage.add(app.addr), revision));
        page.loaded(before + usize::try_from(revision).unwrap() - 1);
        page.until("sessionStorage.getItem('devloop.reload')");
        listens(&page);
    }
    assert_eq!(page.loads(), before + 3, "one for each swap, although each brings the old page back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_comes_back_out_of_the_history_is_brought_up_to_date() {
    let Some((chrome, stage)) = stage().await else { return };
    let (old, new) = (program("old", "").await, program("new", "").await);
    stage.gate(open(stage.add(old.addr), 1));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    page.go(&address(&stage).replace("localhost", "127.0.0.1"));
    stage.gate(open(stage.add(new.addr), 2));
    page.eval("history.back()");
    shows(&page, "new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_may_refuse_to_leave_a_page_and_is_asked_again_after_the_next_swap() {
    let Some((chrome, stage)) = stage().await else { return };
    let app = program("app", "").await;
    stage.gate(open(stage.add(app.addr), 1));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    page.call(
        "Runtime.evaluate",
        serde_json::json!({
            "expression": "addEventListener('beforeunload', (event) => event.preventDefault())", "userGesture": true,
        }),
    );
    stage.gate(open(stage.add(app.addr), 2));
    page.answers_whether_to_leave(1, "no");
    stage.gate(open(stage.add(app.addr), 3));
    page.answers_whether_to_leave(2, "yes");
    page.loaded(2);
    listens(&page);
    assert_eq!(page.loads(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_kept_for_the_way_back_and_goes_on_listening_there() {
    let Some((chrome, stage)) = stage().await else { return };
    let (old, new) = (program("old", "").await, program("new", "").await);
    stage.gate(open(stage.add(old.addr), 1));
    let page = chrome.page();
    let there_and_back = || {
        page.eval("window.kept = 1, addEventListener('pageshow', (event) => { window.persisted = event.persisted; })");
        page.go(&format!("http://other.test:{}/", old.addr.port()));
        page.eval("history.back()");
        page.until("location.hostname === 'localhost' && document.readyState === 'complete'");
    };
    // Whether this browser keeps pages at all: one without the tag.
    page.go(&format!("http://localhost:{}/", old.addr.port()));
    there_and_back();
    if page.eval("window.persisted ?? null") != true {
        eprintln!("skipped: this Chromium keeps no pages for the way back");
        return;
    }
    page.go(&address(&stage));
    listens(&page);
    there_and_back();
    let why = page.eval("JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons)");
    assert_eq!(page.eval("[window.kept ?? 0, window.persisted ?? null]"), serde_json::json!([1, true]), "{why}");
    stage.gate(open(stage.add(new.addr), 2));
    shows(&page, "new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_can_be_left_alone() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::with(|settings| settings.rules.browser.reload = Reload::Never).await;
    let app = program("app", "ETag: \"x\"\r\n").await;
    stage.gate(open(stage.add(app.addr), 1));
    let page = chrome.page();
    page.go(&address(&stage));
    assert_eq!(page.eval("document.scripts.length"), 0);
    assert_eq!(page.eval("typeof window.__devloop"), "undefined");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_page_becomes_the_real_page() {
    let Some((chrome, stage)) = stage().await else { return };
    let app = program("app", "").await;
    stage.gate(failed("step `build` failed: exit code 1"));
    let page = chrome.page();
    page.go(&address(&stage));
    page.until("document.title.startsWith('step `build` failed')");
    listens(&page);
    page.until("document.getElementById('note').textContent.includes('by itself')");
    stage.gate(failed("step `build` failed: exit code 2"));
    page.until("document.title.includes('exit code 2')");
    listens(&page);
    stage.gate(holding());
    page.until("document.getElementById('note').textContent.includes('step `build`')");
    stage.gate(open(stage.add(app.addr), 2));
    shows(&page, "app");
}
