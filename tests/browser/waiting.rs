//! The page that stands in for one that is held long.

use std::time::Duration;

use devloop::model::{Line, RunId, Stream, Time};

use crate::{
    chrome::Chrome,
    reload::{address, listens, open, program, shows},
    stage::{Stage, awaiting, failed, holding},
};

async fn stage() -> Stage {
    Stage::with(|settings| settings.rules.browser.waiting = Some(Duration::from_millis(50))).await
}

fn write(stage: &Stage, text: &str) {
    let line = Line { source: "build".into(), run: RunId(1), stream: Stream::Out, text: text.to_owned() };
    stage.chronicle.line(Time::ZERO, Duration::ZERO, &line);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_sees_what_is_being_done_and_then_the_page() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = stage().await;
    let app = program("app", "").await;
    stage.gate(holding());
    write(&stage, "\u{1b}[1;32mCompiling\u{1b}[0m demo <b>v1</b>");
    let page = chrome.page();
    page.go(&format!("{}a?b=c", address(&stage)));
    page.until("document.getElementById('output').textContent.includes('build  Compiling demo <b>v1</b>')");
    assert_eq!(page.eval("document.querySelector('h1').textContent"), "waiting for devloop: step `build`");
    assert_eq!(page.eval("getComputedStyle(document.querySelector('.bold.green')).fontWeight"), "700");
    write(&stage, "one more");
    page.until("document.getElementById('output').textContent.includes('one more')");
    page.picture("waiting-light");
    page.prefers("dark");
    page.picture("waiting-dark");
    page.on_a_phone();
    page.picture("waiting-phone");
    // It becomes the report, waits again, and becomes the page.
    stage.gate(failed("step `build` failed: exit code 1"));
    page.until("document.title.startsWith('step `build` failed')");
    listens(&page);
    let run = stage.add(app.addr);
    stage.gate(open(run, 1));
    shows(&page, "app");
    assert_eq!(
        page.eval("location.pathname + location.search + document.body.textContent.includes('/a?b=c')"),
        "/a?b=ctrue"
    );
    assert_eq!(page.complaints().iter().filter(|line| !line.contains("503")).count(), 0, "{:?}", page.complaints());
    // Where the old program lives and a save is being worked on it is the same; the outcome may be that nothing
    // changes.
    stage.gate(awaiting(run));
    page.start(&format!("{}again", address(&stage)));
    page.until("document.querySelector('h1').textContent === 'waiting for devloop: main.go was saved'");
    listens(&page);
    stage.gate(open(run, 1));
    shows(&page, "app");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_page_writes_to_its_console_is_heard_where_that_is_asked_for() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::with(|settings| settings.rules.browser.console = true).await;
    let app = program("app", "Content-Security-Policy: default-src 'none'\r\n").await;
    stage.gate(open(stage.add(app.addr), 1));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    page.eval("console.log('a', { b: 1 }), console.error(new Error('broken')), void setTimeout(() => { throw new Error('thrown') })");
    page.eval("void Promise.reject(new Error('rejected'))");
    let said = || {
        stage.heard.lock().unwrap().iter().map(|heard| format!("{:?} {}", heard.level, heard.text)).collect::<Vec<_>>()
    };
    let all = [
        "Info a {\"b\":1}",
        "Error Error: broken",
        "Error Error: thrown",
        "Error unhandled rejection: Error: rejected",
    ];
    crate::stage::until(|| all.iter().all(|wanted| said().iter().any(|line| line.starts_with(wanted)))).await;
    // And from nobody else.
    let body = "[[\"log\",\"forged\"]]";
    let post = |query: &str, origin: &str| {
        format!(
            "POST /.devloop/console{query} HTTP/1.1\r\nHost: localhost\r\n{origin}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    assert_eq!(stage.ask(&post("", "")).await.status(), 403);
    assert_eq!(stage.ask(&post("?token=t0ken", "Origin: http://evil.test\r\n")).await.status(), 403);
    assert_eq!(stage.get("/.devloop/output?token=x").await.status(), 403);
    assert_eq!(stage.ask(&post("?token=t0ken", "")).await.status(), 204);
    assert_eq!(said().iter().filter(|line| line.contains("forged")).count(), 1);
}
