//! Pages of every kind: in frames, in other encodings, over HTTPS, in pieces that libraries fetch.

use std::sync::Arc;

use base64::Engine;
use devloop::{
    certificates::{Authority, Leaves, Places},
    proxy::{Certify, Https},
};
use serde_json::json;

use crate::{
    chrome::{Chrome, Page},
    reload::{address, fresh, html, listens, program, shows, whole},
    stage::{App, DEADLINE, Rest, Stage, open, until, within},
};

/// How often this page asked for a path.
fn asked(page: &Page, path: &str) -> usize {
    page.requests().iter().filter(|address| address.ends_with(path)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_goes_with_the_page_around_it_and_reloads_by_itself_in_a_page_of_others() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::new().await;
    let around = |name: &'static str| {
        App::http(move |request| async move {
            match request.target() {
                "/" => {
                    whole("text/html", "", &format!("<!doctype html><title>{name}</title><iframe src=/inner></iframe>"))
                }
                _ => html(name),
            }
        })
    };
    let (old, new) = (around("old").await, around("new").await);
    stage.gate(fresh(&stage, &old));
    let page = chrome.page();
    page.go(&address(&stage));
    page.until("frames[0].__devloop && window.__devloop");
    assert_eq!(asked(&page, "/inner"), 1);
    // Somebody else's page, with ours in it.
    let inner = format!("{}inner", address(&stage));
    let outer = format!("<!doctype html><title>outer</title><iframe src={inner}></iframe>");
    let foreign = App::http(move |_| {
        let outer = outer.clone();
        async move { whole("text/html", "", &outer) }
    })
    .await;
    let other = page.another();
    other.go(&format!("http://other.test:{}/", foreign.addr.port()));
    shows(&other, "outer");
    let shown_by = |app: &App| app.seen.lock().unwrap().iter().filter(|asked| asked.target() == "/inner").count();
    until(|| shown_by(&old) == 2).await;
    stage.gate(fresh(&stage, &new));
    shows(&page, "new");
    page.until("frames[0].__devloop && window.__devloop");
    assert_eq!((page.loads(), asked(&page, "/inner")), (2, 2), "one reload, with the frame in it");
    until(|| shown_by(&new) == 2).await;
    assert_eq!(other.loads(), 1);
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn utf_16_is_shown_as_it_is_and_a_download_is_no_page() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::new().await;
    let app = App::http(|request| async move {
        let text = "<!doctype html><head><title>größer</title></head><p>x</p>";
        let (kind, more, body): (_, _, Vec<u8>) = match request.target() {
            "/marked" => {
                ("text/html", "", [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect())
            }
            "/named" => ("text/html; charset=utf-16be", "", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            "/latin" => (
                "text/html; charset=iso-8859-1",
                "",
                text.chars().map(|letter| u8::try_from(u32::from(letter)).expect("it is Latin")).collect(),
            ),
            "/piece" => ("text/html", "", b"<title>piece</title><p>without a head".to_vec()),
            "/file" => ("text/html", "Content-Disposition: attachment; filename=x.html\r\n", text.into()),
            _ => ("text/html", "", b"<!doctype html><title>start</title>".to_vec()),
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}Content-Length: {}\r\n\r\n", body.len());
        [head.into_bytes(), body].concat()
    })
    .await;
    stage.gate(fresh(&stage, &app));
    let page = chrome.page();
    for (path, title, tags) in
        [("marked", "größer", 0), ("named", "größer", 0), ("latin", "größer", 1), ("piece", "piece", 1)]
    {
        page.go(&format!("{}{path}", address(&stage)));
        assert_eq!(
            (page.eval("document.title"), page.eval("document.scripts.length")),
            (json!(title), json!(tags)),
            "{path}"
        );
    }
    listens(&page);
    let loads = page.loads();
    let file = "fetch('/file').then((answer) => answer.text())";
    assert_eq!(page.eval(file), "<!doctype html><head><title>größer</title></head><p>x</p>");
    page.start(&format!("{}file", address(&stage)));
    page.downloads();
    assert_eq!((page.loads(), page.eval("document.title")), (loads, json!("piece")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_scripts_fetch_is_what_the_program_wrote() {
    let Some(chrome) = Chrome::get() else { return };
    let stage = Stage::new().await;
    let (old, new) = (program("old", "ETag: \"x\"\r\n").await, program("new", "").await);
    stage.gate(fresh(&stage, &old));
    let page = chrome.page();
    page.go(&address(&stage));
    listens(&page);
    // As htmx, Turbo, Unpoly, jQuery and Datastar ask, and as plain scripts do.
    for field in ["HX-Request", "Turbo-Frame", "X-Up-Version", "X-Requested-With", "Datastar-Request", "X-Plain"] {
        let text = page.eval(&format!(
            "fetch('/piece', {{ headers: {{ '{field}': 'true', accept: 'text/html, application/xhtml+xml' }} }})\
             .then(async (answer) => [answer.headers.get('etag'), await answer.text()])"
        ));
        assert_eq!(text[0], "\"x\"", "{field}");
        assert!(text[1].as_str().is_some_and(|text| text.contains("/piece") && !text.contains("devloop")), "{text}");
    }
    // A library that exchanges the whole body, as Turbo does on a visit: one listener goes on listening.
    for visit in 0..8 {
        page.eval(&format!(
            "fetch('/visit{visit}').then((answer) => answer.text()).then((text) => {{\
                const next = new DOMParser().parseFromString(text, 'text/html');\
                document.documentElement.replaceChild(next.body, document.body);\
                history.pushState({{}}, '', '/visit{visit}');\
             }})"
        ));
    }
    assert_eq!(page.eval("document.body.textContent"), "old/visit7");
    stage.gate(fresh(&stage, &new));
    shows(&page, "new");
    listens(&page);
    assert_eq!((page.loads(), page.eval("location.pathname")), (2, json!("/visit7")));
    let connections = page.requests().iter().filter(|address| address.contains("/events")).count();
    assert!(connections <= 2, "one for each document at most: {:?}", page.requests());
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_over_https_and_http_2_reload_and_talk_through_websockets() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_owned();
    let places = Places { own: home.join("devloop"), mkcert: home.join("mkcert"), home };
    let leaves = Leaves::of(Authority::find_or_make(&places).unwrap());
    let Some(chrome) = Chrome::of_somebody_who_trusts(&places.own.join("ca.pem")) else { return };
    let certify = Certify(Arc::new(move |name| leaves.certificate(name)));
    let stage = Stage::with(|settings| settings.rules.tls = Some(Https::new(certify, &[], None).unwrap())).await;
    let (old, new) = (talking("old").await, talking("new").await);
    let run = stage.add(old.addr);
    stage.gate(open(run));
    let page = chrome.page();
    page.go(&address(&stage).replace("http:", "https:"));
    listens(&page);
    assert_eq!(page.eval("performance.getEntriesByType('navigation')[0].nextHopProtocol"), "h2");
    // And one that reloads by itself, so that it sees how its connection ends.
    let own = page.another();
    own.go(&format!("{}own", address(&stage).replace("http:", "https:")));
    for page in [&page, &own] {
        page.until("window.said === 'old'");
    }
    stage.gate(fresh(&stage, &new));
    within(stage.proxy.drain(run, DEADLINE)).await;
    own.until("window.ended === 1012 && window.said === 'new'");
    page.until("window.said === 'new'");
    listens(&page);
    assert_eq!((page.loads(), own.loads()), (2, 1));
    assert_eq!([page.complaints(), own.complaints()].concat(), Vec::<String>::new());
    // The script, the stream and the page share one connection with the program's own.
    let over = "performance.getEntriesByType('resource').every((entry) => entry.nextHopProtocol === 'h2')";
    assert_eq!(page.eval(over), true);
}

/// A program with a page that talks through a WebSocket, which says its name.
async fn talking(name: &'static str) -> App {
    App::raw(move |mut wire, _| async move {
        while let Ok(request) = wire.message(Rest::None).await {
            let Some(key) = request.header("sec-websocket-key") else {
                if request.target() == "/@vite/client" {
                    wire.send(whole("text/javascript", "", "")).await;
                    continue;
                }
                let script = "const talk = () => {\
                                const socket = new WebSocket('wss://' + location.host + '/socket');\
                                socket.onmessage = ({ data }) => { window.said = data; };\
                                socket.onclose = ({ code }) => { window.ended = code; talk(); };\
                              }; talk();";
                let own = if request.target() == "/own" { "<script type=module src=/@vite/client></script>" } else { "" };
                let page = format!("<!doctype html><title>{name}</title>{own}<script>{script}</script>");
                wire.send(whole("text/html", "", &page)).await;
                continue;
            };
            let accept = accept(key);
            wire.send(format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            ))
            .await;
            wire.send([&[0x81, name.len() as u8][..], name.as_bytes()].concat()).await;
            _ = wire.rest().await;
            return;
        }
    })
    .await
}

/// What the other side of a handshake has to say (RFC 6455, section 4.2.2).
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(digest)
}
