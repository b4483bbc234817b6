//! What programs are told about where a request comes from, with and without `trust_forwarded`.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod proxy_support;

use std::sync::Arc;

use devloop::{
    plan::{Field, Middleware, Prefix, Route, Target},
    proxy::{Forwarded, Rules},
};
use proxy_support::{App, Message, Stage, files_in, rules, within};

const SAID: &str = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\n\
                    Forwarded: for=6.6.6.6\r\n";

async fn trusting() -> Stage {
    Stage::with(|settings| settings.rules.forwarded = Forwarded::Kept).await
}

fn with(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: localhost:77\r\n{fields}\r\n")
}

/// For, Proto, Host and Port, in the last request.
fn told(app: &App) -> [String; 4] {
    let seen: Message = app.seen.lock().unwrap().last().expect("a request").clone();
    ["for", "proto", "host", "port"].map(|name| seen.header(&format!("x-forwarded-{name}")).unwrap_or("-").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_about_its_way_counts_as_soon_as_it_is_trusted() {
    let app = App::named("app").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    let port = stage.addr.port().to_string();
    let mut wire = stage.connect().await;
    wire.ask(&with(SAID)).await;
    assert_eq!(told(&app), ["127.0.0.1", "http", "localhost:77", &port]);
    assert_eq!(app.seen.lock().unwrap()[0].header("forwarded"), None);
    // On the same connection, from the next request on.
    stage.proxy.configure(Rules { forwarded: Forwarded::Kept, ..rules(&["api"]) });
    wire.ask(&with(SAID)).await;
    assert_eq!(told(&app), ["6.6.6.6, 127.0.0.1", "https", "shop.test", "443"]);
    let seen = app.seen.lock().unwrap()[1].clone();
    assert_eq!((seen.header("forwarded"), seen.header("host")), (Some("for=6.6.6.6"), Some("localhost:77")));
    wire.ask(&with("")).await;
    assert_eq!(told(&app), ["127.0.0.1", "http", "localhost:77", &port]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_told_it_too() {
    let app = App::http(|_| async {
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec()
    })
    .await;
    let stage = trusting().await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send(with(&format!("{SAID}Connection: Upgrade\r\nUpgrade: websocket\r\n"))).await;
    assert_eq!(within(wire.message_head()).await.unwrap().status(), 101);
    assert_eq!(told(&app), ["6.6.6.6, 127.0.0.1", "https", "shop.test", "443"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_host_is_ours_is_asked_of_host_alone() {
    let app = App::named("app").await;
    let stage = trusting().await;
    stage.open(app.addr);
    let foreign = "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-Host: localhost\r\n\r\n";
    assert_eq!(stage.ask(foreign).await.header("x-devloop"), Some("host-not-allowed"));
    assert_eq!(stage.ask(&with("X-Forwarded-Host: shop.test\r\n")).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_route_cuts_off_follows_what_was_cut_off_before() {
    let app = App::named("app").await;
    let cutting = |forwarded| {
        let target = Target::Service { name: "api".into(), prefix: Prefix::Stripped };
        let route = Route { host: None, path: "/api".to_owned(), target, middleware: Arc::new(Middleware::default()) };
        Rules { forwarded, routes: vec![Arc::new(route)], ..rules(&["api"]) }
    };
    let stage = Stage::with(|settings| settings.rules = cutting(Forwarded::Replaced)).await;
    stage.open(app.addr);
    let asked = "GET /api/x HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Prefix: /shop\r\n\r\n";
    stage.ask(asked).await;
    stage.proxy.configure(cutting(Forwarded::Kept));
    stage.ask(asked).await;
    let prefixes: Vec<Option<String>> =
        app.seen.lock().unwrap().iter().map(|seen| seen.header("x-forwarded-prefix").map(str::to_owned)).collect();
    assert_eq!(prefixes, [Some("/api".to_owned()), Some("/shop/api".to_owned())]);
}

/// Where a page may connect to, by its policy.
async fn reach(stage: &Stage, target: &str, fields: &str) -> String {
    let asked = format!("GET {target} HTTP/1.1\r\nHost: localhost:77\r\nAccept: text/html\r\n{fields}\r\n");
    let reply = stage.ask(&asked).await;
    assert_eq!(reply.status(), 200);
    let policy = reply.header("content-security-policy").expect("a policy").to_owned();
    let mut parts = policy.split("; ").filter(|part| part.starts_with("connect-src"));
    parts.next().expect("a rule for connections").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_a_page_names_the_address_that_the_browser_has_asked() {
    let app = App::http(|_| async {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Security-Policy: connect-src 'none'\r\n";
        [head.as_bytes(), b"Content-Length: 12\r\n\r\n<html><head>"].concat()
    })
    .await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    assert!(reach(&stage, "/", SAID).await.contains("http://localhost:77/"));
    stage.proxy.configure(Rules { forwarded: Forwarded::Kept, ..rules(&["api"]) });
    assert!(reach(&stage, "/", SAID).await.contains("https://shop.test/"));
    let odd = reach(&stage, "/", "X-Forwarded-Proto: https *\r\nX-Forwarded-Host: shop.test\r\n").await;
    assert!(!odd.contains('*'), "{odd}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_writes_into_the_policy_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "<html><head>").unwrap();
    let stage = Stage::with(|settings| {
        let fields = [("content-security-policy".to_owned(), Field::Set("connect-src 'none'".to_owned()))];
        let middleware = Middleware { response_headers: fields.into(), ..Middleware::default() };
        let target = files_in(folder.path(), None);
        let route = Route { host: None, path: String::new(), target, middleware: Arc::new(middleware) };
        settings.rules.routes = vec![Arc::new(route)];
    })
    .await;
    let sources = reach(&stage, "/", "X-Forwarded-Proto: https:* evil\r\n").await;
    assert!(sources.contains("http://localhost:77/") && !sources.contains("evil"), "{sources}");
}
