//! Content Security Policies: what a page may do without devloop it may do with it, and nothing more.

use serde_json::{Value, json};

use crate::{
    chrome::{Chrome, Page},
    reload::{address, fresh, listens, shows, whole},
    stage::{App, Stage},
};

/// What the page tries, as a policy allows it or not. The one inline script is known to policies by its nonce or hash.
const PAGE: &str = "<!doctype html><html><head>META<title>NAME</title><style>h1 { color: rgb(1, 2, 3) }</style></head>\
    <body><h1>x</h1><script>window.inline = 1</script><script nonce=Zm9v>window.named = 1</script>\
    <script src=/file.js></script></body></html>";

/// `window.inline = 1`, as a policy names it.
const HASH: &str = "'sha256-NMyuiVjN5lpxBAaqm/9wq0t0cy0xkYnKJMg9r14wj7o='";

/// What came of it. Evaluated by the tools of the browser, on which no policy has a hold, but for `eval`.
const OUTCOME: &str = "(async () => ({
    inline: window.inline ?? 0, named: window.named ?? 0, file: window.file ?? 0,
    style: getComputedStyle(document.querySelector('h1')).color,
    fetch: await fetch('/data').then((answer) => answer.status, (error) => error.name),
    image: await new Promise((done) => {
        const image = new Image();
        image.onload = () => done('load');
        image.onerror = () => done('error');
        image.src = '/image.svg';
    }),
    worker: await new Promise((done) => {
        try {
            const worker = new Worker('/worker-that-speaks.js');
            worker.onmessage = () => done('message');
            worker.onerror = () => done('error');
        } catch (error) {
            done(error.name);
        }
    }),
}))()";

/// With `HASH` for the hash of the inline script.
const POLICIES: &[&str] = &[
    "img-src *",
    "default-src 'none'",
    "default-src 'self'",
    "default-src 'self' 'unsafe-inline'",
    "default-src https://cdn.test 'unsafe-inline'; img-src 'none'",
    "script-src 'nonce-Zm9v'",
    "script-src 'nonce-Zm9v' 'strict-dynamic'; connect-src 'none'; style-src 'none'",
    "script-src 'nonce-Zm9v' 'unsafe-inline' 'strict-dynamic' https:; object-src 'none'; base-uri 'none'",
    "script-src HASH",
    "script-src HASH 'unsafe-inline'; connect-src 'self'",
    "script-src HASH 'strict-dynamic'",
    "script-src 'strict-dynamic'",
    "script-src 'unsafe-inline'",
    "script-src 'unsafe-inline' 'unsafe-eval'; connect-src https://api.test",
    "script-src-elem 'none'; script-src 'self'; connect-src 'none'",
    "script-src-attr 'none'; script-src https://cdn.test",
    "connect-src 'none'",
    "default-src 'self', default-src 'none'; script-src 'unsafe-inline'",
    "default-src 'self'; require-trusted-types-for 'script'; trusted-types x",
    "sandbox allow-scripts allow-same-origin; default-src 'self'",
    "upgrade-insecure-requests; default-src 'self'",
];

async fn app(name: &'static str, headers: String, meta: &'static str) -> App {
    App::http(move |request| {
        let headers = headers.clone();
        async move {
            match request.target() {
                "/" => whole("text/html", &headers, &PAGE.replace("META", meta).replace("NAME", name)),
                "/file.js" => whole("text/javascript", "", "window.file = 1"),
                "/worker-that-speaks.js" => whole("text/javascript", "", "postMessage(1)"),
                "/image.svg" => {
                    whole("image/svg+xml", "", "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>")
                }
                _ => whole("text/plain", "", "data"),
            }
        }
    })
    .await
}

/// How often each kind of complaint came, whoever is meant by it.
fn complaints(page: &Page) -> Vec<String> {
    let kind = |line: &String| line.split("\"").next().unwrap_or_default().chars().take(60).collect::<String>();
    let mut kinds: Vec<String> = page.complaints().iter().map(kind).collect();
    kinds.sort();
    kinds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_page_may_do_is_the_same_with_the_tag() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::new().await;
    let enforced = POLICIES.iter().map(|policy| ("Content-Security-Policy", policy));
    let reported = POLICIES[1..4].iter().map(|policy| ("Content-Security-Policy-Report-Only", policy));
    for (field, policy) in enforced.chain(reported) {
        let headers = format!("{field}: {}\r\n", policy.replace("HASH", HASH));
        let (old, new) = (app("old", headers.clone(), "").await, app("new", headers, "").await);
        let alone = chrome.page();
        let page = alone.another();
        alone.go(&format!("http://localhost:{}/", old.addr.port()));
        stage.gate(fresh(&stage, &old));
        page.go(&address(&stage));
        listens(&page);
        assert_eq!(page.eval(OUTCOME), alone.eval(OUTCOME), "{field}: {policy}");
        assert_eq!(complaints(&page), complaints(&alone), "{field}: {policy}");
        stage.gate(fresh(&stage, &new));
        shows(&page, "new");
        listens(&page);
    }
    // The pages did try: a policy that allows all of it, and one that allows nothing.
    let page = chrome.page();
    for (policy, expected) in [
        (
            "img-src *",
            json!({ "inline": 1, "named": 1, "file": 1, "style": "rgb(1, 2, 3)", "fetch": 200, "image": "load", "worker": "message" }),
        ),
        (
            "default-src 'none'",
            json!({ "inline": 0, "named": 0, "file": 0, "style": "rgb(0, 0, 0)", "fetch": "TypeError", "image": "error", "worker": "error" }),
        ),
    ] {
        let app = app("app", format!("Content-Security-Policy: {policy}\r\n"), "").await;
        stage.gate(fresh(&stage, &app));
        page.go(&address(&stage));
        assert_eq!(page.eval(OUTCOME), expected, "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_lets_the_script_of_the_page_run() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::new().await;
    let app = app("app", format!("Content-Security-Policy: script-src {HASH}\r\n"), "").await;
    stage.gate(fresh(&stage, &app));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    assert_eq!(page.eval("[window.inline ?? 0, window.named ?? 0, window.file ?? 0]"), json!([1, 0, 0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_in_a_sandbox_and_one_with_a_policy_of_its_own_are_left_as_they_are() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::new().await;
    for sandbox in ["sandbox", "sandbox allow-scripts", "sandbox allow-same-origin"] {
        let app = app("app", format!("Content-Security-Policy: {sandbox}\r\n"), "").await;
        stage.gate(fresh(&stage, &app));
        let page = chrome.page();
        page.go(&address(&stage));
        assert_eq!(page.eval("document.scripts.length"), 3, "{sandbox}");
        assert_eq!(page.eval("typeof window.__devloop"), "undefined", "{sandbox}");
    }
    // What stands in the page is the page's: where it comes before the tag it holds for it, too, and the browser says
    // so.
    let meta = "<meta http-equiv=Content-Security-Policy content=\"connect-src 'none'\">";
    let app = app("app", String::new(), meta).await;
    stage.gate(fresh(&stage, &app));
    let page = chrome.page();
    page.go(&address(&stage));
    assert_eq!(page.eval("[window.inline, window.named, window.file]"), json!([1, 1, 1]));
    assert_eq!(page.eval("document.querySelector('meta').content"), "connect-src 'none'");
    page.until("document.scripts[0].src.endsWith('/.devloop/client.js')");
    assert_ne!(page.eval("document.title"), Value::Null);
}
