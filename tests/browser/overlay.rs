//! What a person sees of failures and old answers, on the pages that are open and on those opened later.

use std::sync::Arc;

use devloop::{
    core::gate::Gate,
    model::{Place, Report, Revision, RunId},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    chrome::{Chrome, Page},
    reload::{address, assets, listens, open, program, shows},
    stage::{App, Stage, awaiting, failed},
};

/// Answers of `run` that are out of date.
pub fn stale(run: RunId, revision: u64, why: &str) -> Gate {
    Gate::Open { run, revision: Revision(revision), awaiting: None, stale: Some(Arc::from(why)) }
}

pub fn report() -> Value {
    json!({
        "title": "step `build` failed: exit code 1",
        "output": ["# example/cmd/api", "cmd/api/main.go:12:5: undefined: greet", "<b>not markup</b>", "note: done"],
        "coloured": [
            "\u{1b}[2m# example/cmd/api\u{1b}[0m",
            "\u{1b}[1;31mcmd/api/main.go:12:5\u{1b}[0m: undefined: \u{1b}[38;5;208mgreet\u{1b}[m",
            "<b>not markup</b>\u{1b}]0;title\u{7}",
            "\u{1b}[38;2;1;2;3mnote\u{1b}[0m: \u{1b}[2Kdone",
        ],
        "places": [{ "file": "cmd/api/main.go", "line": 12, "column": 5, "message": "undefined: greet" }],
        "hint": "fix the first one first",
    })
}

pub fn explain(stage: &Stage, report: Value) {
    explain_of(stage, "api", report);
}

fn explain_of(stage: &Stage, service: &str, report: Value) {
    stage.status.send_replace(Arc::new(json!({ "services": [{ "name": service, "report": report }] })));
}

/// Of what is in the shadow of the overlay.
pub fn inside(page: &Page, selector: &str, property: &str) -> Value {
    let find = format!("document.querySelector('devloop-overlay')?.shadowRoot.querySelector({selector:?})");
    page.eval(&format!("({find} ?? {{}})[{property:?}] ?? null"))
}

pub fn sees(page: &Page, selector: &str) {
    page.until(&format!("document.querySelector('devloop-overlay')?.shadowRoot.querySelector({selector:?})"));
}

pub fn sees_nothing(page: &Page) {
    page.until("window.__devloop && !document.querySelector('devloop-overlay')");
}

/// A folder in which the place of the report exists.
fn sources() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir_all(folder.path().join("cmd/api")).expect("folders can be made");
    std::fs::write(folder.path().join("cmd/api/main.go"), "").expect("files can be written");
    folder
}

async fn with_editor(folder: &TempDir) -> Stage {
    Stage::with(|settings| {
        settings.rules.browser.folders = vec![folder.path().to_owned()];
        settings.rules.browser.editor = Some("test-editor://open?file={file}&line={line}&column={column}".into());
    })
    .await
}

fn opens_the_editor(folder: &TempDir) -> String {
    format!("test-editor://open?file={}/cmd/api/main.go&line=12&column=5", folder.path().display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_shown_until_the_next_success_on_all_pages() {
    let Some(chrome) = Chrome::get() else { return };
    let folder = sources();
    let stage = with_editor(&folder).await;
    // The strictest of policies, and a page whose style reaches for everything.
    let policy = "Content-Security-Policy: default-src 'none'; require-trusted-types-for 'script'\r\n";
    let (old, new) = (program("old", policy).await, program("new", "").await);
    let run = stage.add(old.addr);
    stage.gate(open(run, 4));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    explain(&stage, report());
    stage.gate(stale(run, 4, "step `build` failed: exit code 1"));
    sees(&page, ".sheet");
    assert_eq!(inside(&page, "h1", "textContent"), "step `build` failed: exit code 1");
    assert_eq!(inside(&page, "header span", "textContent"), "devloop: api, revision 4 still answers");
    let text = "# example/cmd/api\ncmd/api/main.go:12:5: undefined: greet\n<b>not markup</b>\nnote: done";
    assert_eq!(inside(&page, "pre", "textContent"), text);
    assert_eq!(inside(&page, "pre .bold.red", "textContent"), "cmd/api/main.go:12:5");
    assert_eq!(inside(&page, "pre b", "textContent"), Value::Null);
    let link = opens_the_editor(&folder);
    assert_eq!(inside(&page, "li a", "href"), link.as_str());
    assert_eq!(inside(&page, "pre a", "href"), link.as_str());
    page.picture("overlay-light");
    page.prefers("dark");
    page.picture("overlay-dark");
    page.on_a_phone();
    page.picture("overlay-phone");
    // On pages opened later, and after a reload.
    let other = page.another();
    other.go(&address(&stage));
    sees(&other, ".sheet");
    page.eval("void location.reload()");
    page.loaded(2);
    sees(&page, ".sheet");
    // Put aside it is a badge, for this page and this failure.
    page.press("Escape");
    sees(&page, ".badge.stale");
    page.picture("badge-phone-dark");
    page.prefers("light");
    page.picture("badge-phone-light");
    page.eval("void location.reload()");
    page.loaded(3);
    sees(&page, ".badge.stale");
    sees(&other, ".sheet");
    let mut next = report();
    next["title"] = json!("step `build` failed: exit code 2");
    explain(&stage, next);
    sees(&page, ".sheet");
    assert_eq!(page.complaints(), Vec::<String>::new());
    explain(&stage, Value::Null);
    stage.gate(open(stage.add(new.addr), 5));
    for page in [&page, &other] {
        shows(page, "new");
        sees_nothing(page);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_that_answers_for_a_failed_program_has_colours_and_links_too() {
    let Some(chrome) = Chrome::get() else { return };
    let folder = sources();
    let (stage, app) = (with_editor(&folder).await, program("app", "").await);
    let report = report();
    let lines = |of: &str| report[of].as_array().unwrap().iter().map(|line| line.as_str().unwrap().into()).collect();
    let place = &report["places"][0];
    let report = Report {
        title: report["title"].as_str().unwrap().into(),
        output: lines("output"),
        coloured: lines("coloured"),
        places: vec![Place {
            file: place["file"].as_str().unwrap().into(),
            line: 12,
            column: Some(5),
            message: place["message"].as_str().unwrap().into(),
        }],
        hint: report["hint"].as_str().map(str::to_owned),
    };
    stage.gate(Gate::Failed { report: Arc::new(report.clone()) });
    let page = chrome.page();
    page.go(&address(&stage));
    page.until("document.querySelector('pre a')");
    let of = |selector: &str, property: &str| page.eval(&format!("document.querySelector({selector:?})?.{property}"));
    assert_eq!(of("pre", "textContent"), report.output.join("\n").as_str());
    assert_eq!(of("pre .bold.red", "textContent"), "cmd/api/main.go:12:5");
    assert_eq!(page.eval("getComputedStyle(document.querySelector('pre .bold.red')).color"), "rgb(179, 38, 30)");
    assert_eq!(of("pre b", "textContent"), Value::Null);
    // A colour that is almost black, on white and on black.
    let lightness =
        "Number(getComputedStyle(document.querySelectorAll('pre .own')[1]).color.match(/oklch\\(([0-9.]+)/)[1])";
    assert!(page.eval(lightness).as_f64().is_some_and(|lightness| lightness < 0.2));
    for link in ["li a", "pre a"] {
        assert_eq!(of(link, "href"), opens_the_editor(&folder).as_str());
    }
    assert_eq!(of("li", "textContent"), "cmd/api/main.go:12:5undefined: greet");
    page.picture("report-light");
    page.prefers("dark");
    page.until(&format!("{lightness} > 0.6"));
    page.picture("report-dark");
    page.on_a_phone();
    page.picture("report-phone");
    // That a page answers 503 is what the browser says of it.
    assert_eq!(page.complaints().iter().filter(|line| !line.contains("503")).count(), 0, "{:?}", page.complaints());
    stage.gate(open(stage.add(app.addr), 2));
    shows(&page, "app");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_answers_have_a_badge_and_work_in_progress_has_one_after_a_moment() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::new().await;
    let app = program("app", "").await;
    let run = stage.add(app.addr);
    stage.gate(open(run, 1));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    stage.gate(stale(run, 1, "newer content is not live yet: running `build`"));
    sees(&page, ".badge.stale");
    assert_eq!(inside(&page, ".badge span", "textContent"), "newer content is not live yet: running `build`");
    stage.gate(awaiting(run));
    sees(&page, ".badge.working");
    page.picture("working-light");
    stage.gate(open(run, 1));
    sees_nothing(&page);
    stage.gate(failed("service `app` ended by itself: exit code 1"));
    sees(&page, ".sheet");
    assert_eq!(inside(&page, "header span", "textContent"), "devloop: api, nothing answers");
    stage.gate(open(run, 1));
    sees_nothing(&page);
    assert_eq!(page.loads(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_failure_of_the_service_behind_a_page_is_a_badge_that_opens() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::new().await;
    let (old, new) = (program("old", "").await, program("new", "").await);
    stage.gate(open(stage.add(old.addr), 1));
    stage.gate_of("other", open(RunId(900), 1));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    // Old answers that no failure explains are of no interest here.
    stage.gate_of("other", stale(RunId(900), 1, "newer content is not live yet"));
    explain_of(&stage, "other", report());
    sees(&page, ".badge.failed");
    assert_eq!(inside(&page, ".badge span", "textContent"), "other: step `build` failed: exit code 1");
    page.picture("badge-of-another");
    page.eval("document.querySelector('devloop-overlay').shadowRoot.querySelector('.badge').click()");
    sees(&page, ".sheet");
    assert_eq!(inside(&page, "header span", "textContent"), "devloop: other, revision 1 still answers");
    page.press("Escape");
    sees(&page, ".badge.failed");
    // What is wrong with the service of the page itself comes first.
    stage.gate(failed("it is broken"));
    sees(&page, ".sheet");
    assert_eq!(inside(&page, "header span", "textContent"), "devloop: api, nothing answers");
    stage.gate(open(stage.add(new.addr), 2));
    shows(&page, "new");
    sees(&page, ".badge.failed");
    stage.gate_of("other", open(RunId(901), 3));
    sees_nothing(&page);
    assert_eq!((page.loads(), page.complaints()), (2, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_end_with_a_client_of_its_own_reloads_by_itself_and_is_told_of_failures() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::new().await;
    let body = "<!doctype html><head><script type='module' src='/@vite/client'></script><title>vite</title>";
    let app = App::http(move |_| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
    .await;
    stage.gate(open(stage.add(app.addr), 1));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    stage.gate(open(stage.add(app.addr), 2));
    stage.gate(failed("it is broken"));
    sees(&page, ".sheet");
    stage.gate(open(stage.add(app.addr), 3));
    sees_nothing(&page);
    assert_eq!(page.loads(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stylesheets_and_images_are_exchanged_in_place_and_everything_else_reloads() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::new().await;
    let app = App::http(|request| async move {
        let (kind, body) = match request.target().split('?').next().unwrap_or_default() {
            "/css/site.css" => {
                let colour = if request.target().contains("devloop=") { "rgb(0, 128, 0)" } else { "rgb(255, 0, 0)" };
                ("text/css", format!("h1 {{ color: {colour} }} body {{ background: url(/img/back.svg) }}"))
            }
            path if path.ends_with(".svg") => ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>".to_owned()),
            _ => {
                let body = "<!doctype html><head><title>app</title><link rel=stylesheet href=/css/site.css>\
                            </head><h1>x</h1><img src=/img/logo.svg><img srcset='/img/logo.svg 1x, /img/other.svg 2x'>";
                ("text/html", body.to_owned())
            }
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: max-age=60\r\n");
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
    .await;
    stage.gate(open(stage.add(app.addr), 1));
    assets(&stage, "api", Some(vec!["static/before.js".into()]));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    let told = |file: &str| assets(&stage, "api", Some(vec![file.to_owned()]));
    page.eval("window.kept = 1");
    told("static/css/site.css");
    page.until("getComputedStyle(document.querySelector('h1')).color === 'rgb(0, 128, 0)'");
    page.until("document.querySelectorAll('link[rel=stylesheet]').length === 1");
    told("static/img/logo.svg");
    page.until(
        "document.images[0].src.includes('devloop=') && document.images[1].srcset.includes('logo.svg?devloop=')",
    );
    assert_eq!(page.eval("document.images[1].srcset.includes('other.svg 2x')"), true);
    told("static/img/back.svg");
    page.until("getComputedStyle(document.body).backgroundImage.includes('devloop=')");
    assert_eq!((page.loads(), page.eval("window.kept")), (1, json!(1)));
    told("static/app.js");
    page.loaded(2);
    listens(&page);
    // It knows of that, and does not reload for it again when it hears something else.
    assets(&stage, "other", Some(vec!["x.js".into()]));
    told("static/css/site.css");
    page.until("getComputedStyle(document.querySelector('h1')).color === 'rgb(0, 128, 0)'");
    assert_eq!(page.loads(), 2);
    assets(&stage, "api", None);
    page.loaded(3);
}
