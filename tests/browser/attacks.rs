//! What pages of others can do to devloop, in a browser that lets them try: nothing.

use std::sync::Arc;

use devloop::proxy::Recording;
use serde_json::{Value, json};

use crate::{
    chrome::{Chrome, Page},
    reload::{address, listens, program, shows},
    stage::{App, Stage, open, until},
};

/// What a page of another origin tries; the token is taken to have been guessed. `target` is devloop's address.
const ATTACK: &str = r"(async () => {
    const devloop = target + '.devloop/';
    const token = 'token=t0ken';
    const told = {};
    const name = (error) => error.name;
    const reads = async (path, options) => {
        try {
            const answer = await fetch(devloop + path, options);
            return answer.type === 'opaque' ? 'nothing' : await answer.text();
        } catch (error) {
            return name(error);
        }
    };
    const listed = ['', 'status', 'metrics', 'page.js', 'requests?', 'requests/1?', 'output?after=0&', 'events?', 'live?'];
    for (const path of listed) {
        told['reads ' + path] = await reads(path + token, { credentials: 'include' });
        told['asks ' + path] = await reads(path + token, { mode: 'no-cors', credentials: 'include' });
    }
    const act = 'requests/1/replay?' + token;
    told.replays = await reads(act, { method: 'POST' });
    told.replaysBlindly = await reads(act, { method: 'POST', mode: 'no-cors', body: 'x' });
    told.replaysWithToken = await reads(act, { method: 'POST', headers: { 'x-devloop-token': 't0ken' } });
    told.writes = await reads('console?' + token, { method: 'POST', mode: 'no-cors', body: JSON.stringify([['log', 'forged']]) });
    told.beacon = navigator.sendBeacon(devloop + 'console?' + token, JSON.stringify([['log', 'forged']]));
    const once = (thing, names) => new Promise((done) => {
        names.forEach((name) => thing.addEventListener(name, () => done(name)));
    });
    const stream = (path) => once(new EventSource(devloop + path + '?' + token), ['open', 'message', 'hello', 'error']);
    told.events = await stream('events');
    told.live = await stream('live');
    const socket = (path) => once(new WebSocket(devloop.replace('http', 'ws') + path + '?' + token), ['open', 'error']);
    told.socket = await socket('events');
    told.socketLive = await socket('live');
    const loads = (element, path) => {
        element.src = devloop + path;
        document.body.append(element);
        return once(element, ['load', 'error']);
    };
    const before = Object.keys(window).length;
    for (const path of ['status', 'metrics', 'requests?' + token, 'output?' + token]) {
        told['script ' + path] = await loads(document.createElement('script'), path);
    }
    told.globals = Object.keys(window).length - before;
    const frame = document.createElement('iframe');
    await loads(frame, '');
    try {
        told.frame = frame.contentWindow.document.title;
    } catch (error) {
        told.frame = name(error);
    }
    const form = document.createElement('form');
    Object.assign(form, { method: 'post', action: devloop + act, target: 'sent' });
    const sent = document.createElement('iframe');
    sent.name = 'sent';
    document.body.append(form, sent);
    const loaded = once(sent, ['load']);
    form.submit();
    await loaded;
    return told;
})()";

fn attack(page: &Page, target: &str) -> Value {
    page.eval(&format!("window.target = {target:?}"));
    page.eval(ATTACK)
}

/// What is to come of it.
fn nothing() -> Value {
    let mut nothing = json!({
        "replays": "TypeError", "replaysBlindly": "nothing", "replaysWithToken": "TypeError", "writes": "nothing",
        "beacon": true, "events": "error", "live": "error", "socket": "error", "socketLive": "error",
        "script status": "error", "script metrics": "error", "script requests?token=t0ken": "error",
        "script output?token=t0ken": "error", "globals": 0, "frame": "SecurityError",
    });
    for path in ["", "status", "metrics", "page.js", "requests?", "requests/1?", "output?after=0&", "events?", "live?"]
    {
        nothing[format!("reads {path}")] = json!("TypeError");
        nothing[format!("asks {path}")] = json!("nothing");
    }
    nothing
}

async fn stage() -> Stage {
    Stage::with(|settings| {
        settings.rules.recording = Recording { keep: 100, bodies: true };
        settings.rules.browser.console = true;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_origin_learns_nothing_and_moves_nothing() {
    let Some(chrome) = Chrome::get() else { return };
    let (stage, evil) = (stage().await, program("evil", "").await);
    // A program that lets everybody read it, as many do while they are being developed.
    let app = program("app", "Access-Control-Allow-Origin: *\r\n").await;
    stage.gate(open(stage.add(app.addr)));
    let mine = chrome.page();
    mine.go(&address(&stage));
    listens(&mine);
    // Browsers ask for an icon whenever they like.
    let pages = || app.seen.lock().unwrap().iter().filter(|asked| asked.target() == "/").count();
    let asked = pages();
    // Of another site, and of another port of this machine.
    for host in ["evil.test", "localhost"] {
        let page = mine.another();
        page.go(&format!("http://{host}:{}/", evil.addr.port()));
        shows(&page, "evil");
        assert_eq!(attack(&page, &address(&stage)), nothing(), "from {host}");
        let refused = page.complaints();
        assert!(refused.iter().any(|line| line.contains("frame-ancestors")), "from {host}: {refused:?}");
        // The page of the program may be read, because it says so; there is no tag in what is read.
        let page = page.eval("fetch(target).then((answer) => answer.text())");
        assert!(page.as_str().is_some_and(|page| page.contains("app") && !page.contains("devloop")), "{page}");
    }
    assert_eq!(pages(), asked + 2, "nothing was sent again");
    assert_eq!(stage.heard.lock().unwrap().len(), 0, "nothing was written to the console of devloop");
    // A page of ours is there all the same.
    let record = "fetch('/.devloop/requests/1/replay', { method: 'POST', headers: { 'x-devloop-token': 't0ken' } })";
    assert_eq!(mine.eval(&format!("{record}.then((answer) => answer.status)")), 202);
    until(|| pages() == asked + 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_was_pointed_at_this_machine_is_answered_by_nobody() {
    let Some(chrome) = Chrome::get() else { return };
    let (stage, app) = (stage().await, program("app", "").await);
    stage.gate(open(stage.add(app.addr)));
    let page = chrome.page();
    for host in ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test"] {
        let port = stage.addr.port();
        for path in ["", ".devloop/", ".devloop/status", ".devloop/events?token=t0ken", ".devloop/client.js"] {
            page.go(&format!("http://{host}:{port}/{path}"));
            let said = page.eval("document.body.textContent");
            let refuses = said.as_str().is_some_and(|said| said.contains("devloop does not answer to the host"));
            assert!(refuses, "{host}/{path}: {said}");
        }
        // From that page everything is of one origin.
        let status = "Promise.all(['/', '/.devloop/status', '/.devloop/requests/1/replay'].map((path, post) => \
                      fetch(path, { method: post === 2 ? 'POST' : 'GET', headers: { 'x-devloop-token': 't0ken' } })\
                      .then((answer) => answer.status)))";
        assert_eq!(page.eval(status), json!([403, 403, 403]), "{host}");
        let socket = "new Promise((done) => { const socket = new WebSocket(`ws://${location.host}/`); \
                      socket.onopen = () => done('open'); socket.onerror = () => done('error'); })";
        assert_eq!(page.eval(socket), "error", "{host}");
    }
    assert_eq!(app.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_program_prints_stays_text_wherever_it_is_shown() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::new().await;
    let hostile = "</pre></script><script>window.caught = 1</script><img src=x onerror='window.caught = 1'>";
    let gate = devloop::core::gate::Gate::Failed {
        report: Arc::new(devloop::model::Report {
            title: hostile.into(),
            output: vec![hostile.into()],
            coloured: vec![format!(
                "\u{1b}[31m{hostile}\u{1b}[0m\u{1b}]8;;javascript:window.caught=1\u{7}x\u{1b}]8;;\u{7}"
            )],
            places: vec![devloop::model::Place {
                file: hostile.into(),
                line: 1,
                column: None,
                message: hostile.into(),
            }],
            hint: Some(hostile.into()),
        }),
    };
    // On the page that stands in for a program's, and over one of its own.
    let (page, app) = (chrome.page(), App::http(|_| async { crate::reload::html("app") }).await);
    stage.gate(gate.clone());
    page.go(&address(&stage));
    listens(&page);
    let shown = page.eval("document.querySelector('h1').textContent");
    assert_eq!(shown, hostile);
    stage.gate(open(stage.add(app.addr)));
    shows(&page, "app");
    listens(&page);
    stage.gate(gate);
    page.until("document.querySelector('devloop-overlay')?.shadowRoot.querySelector('.sheet')");
    assert_eq!(page.eval("window.caught ?? null"), Value::Null);
    assert_eq!(
        page.eval("document.querySelector('devloop-overlay').shadowRoot.querySelectorAll('img, script').length"),
        0
    );
}
