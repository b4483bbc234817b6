//! Routes: by host and path to services, redirects and the files of folders.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod proxy_support;

use std::{path::Path, sync::Arc};

use devloop::{
    model::Provider,
    plan::{HostPattern, Prefix, Route, Target},
    proxy::Rules,
};
use proxy_support::{App, Message, Reply, Stage, Wire, failed, files_in, holding, open, rules};

fn to(name: &str) -> Target {
    Target::Service { name: name.into(), prefix: Prefix::Kept }
}

fn route(host: Option<&str>, path: &str, target: Target) -> Arc<Route> {
    let host = host.map(|host| HostPattern::new(host).expect("a good host"));
    Arc::new(Route { host, path: path.to_owned(), target, middleware: Arc::default() })
}

fn routed(routes: Vec<Arc<Route>>) -> Rules {
    let hosts = routes.iter().filter_map(|route| route.host.as_ref()).map(ToString::to_string).collect();
    Rules { hosts, routes, ..rules(&["web", "api"]) }
}

async fn stage(routes: Vec<Arc<Route>>) -> Stage {
    Stage::with(|settings| settings.rules = routed(routes)).await
}

async fn ask(stage: &Stage, method: &str, host: &str, target: &str, fields: &str) -> Reply {
    let mut wire = stage.connect().await;
    wire.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).await;
    if method == "HEAD" { wire.head().await } else { wire.reply().await.expect("a complete answer") }
}

async fn get(stage: &Stage, host: &str, target: &str) -> Reply {
    ask(stage, "GET", host, target, "").await
}

/// Answers with its name and what it was asked for.
async fn echo(name: &'static str) -> App {
    App::http(move |request: Message| async move {
        let prefix = request.header("x-forwarded-prefix").unwrap_or("-");
        proxy_support::ok(&format!("{name} {} {prefix}", request.target()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_where_host_and_path_say() {
    let (web, api) = (echo("web").await, echo("api").await);
    let stripped = Target::Service { name: "api".into(), prefix: Prefix::Stripped };
    let stage = stage(vec![
        route(None, "", to("web")),
        route(None, "/api", stripped),
        route(Some("*.app.test"), "", to("api")),
        route(Some("www.app.test"), "", to("web")),
    ])
    .await;
    stage.gate_of("web", open(stage.add(web.addr)));
    stage.gate_of("api", open(stage.add(api.addr)));
    for (host, target, wanted) in [
        ("localhost", "/", "web / -"),
        ("localhost:3000", "/apix?a", "web /apix?a -"),
        ("localhost", "/api", "api / /api"),
        ("localhost", "/api/a%2Fb;c?d=/e&&", "api /a%2Fb;c?d=/e&& /api"),
        ("localhost", "/%61pi//x?", "api //x? /api"),
        ("anything.app.test", "/api/x", "api /api/x -"),
        ("WWW.App.Test:80", "/api/x", "web /api/x -"),
    ] {
        let reply = get(&stage, host, target).await;
        assert_eq!((reply.status(), reply.text().as_str()), (200, wanted), "{host}{target}");
    }
    let refused = get(&stage, "localhost", "/api/../x").await;
    assert_eq!((refused.status(), refused.text().starts_with("web ")), (200, true), "routed as it is meant");
    let refused = get(&stage, "localhost", "/x/../api/y").await;
    assert_eq!((refused.status(), refused.header("x-devloop")), (400, Some("bad-request")));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_has_a_gate_of_its_own() {
    let web = echo("web").await;
    let stage = stage(vec![route(None, "", to("web")), route(None, "/api", to("api"))]).await;
    stage.gate_of("web", open(stage.add(web.addr)));
    stage.gate_of("api", holding());
    let mut held = stage.connect().await;
    held.send("GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    proxy_support::until(|| stage.proxy.stats().services[1].held == 1).await;
    assert_eq!(get(&stage, "localhost", "/x").await.text(), "web /x -");
    stage.gate_of("api", failed("step `build` failed"));
    assert_eq!(held.reply().await.expect("an answer").status(), 503);
    assert_eq!(get(&stage, "localhost", "/x").await.text(), "web /x -");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_lost_is_told_what_exists() {
    let api = HostPattern::new("api.localhost").map(|host| host.to_string());
    let stage = stage(vec![
        route(api.as_deref(), "/v1", to("api")),
        route(None, "/old", Target::Redirect { to: "/v1".into(), status: 308 }),
        route(None, "/static", files_in(Path::new("/none"), None)),
    ])
    .await;
    let text = get(&stage, "localhost", "/x").await;
    assert_eq!((text.status(), text.header("x-devloop")), (404, Some("no-route")));
    let wanted = "devloop: no route leads to `localhost/x`\n\napi.localhost/v1  service api\n\
                  /static  files in public\n/old  redirect to /v1 (308)\n";
    assert!(text.text().starts_with(wanted), "{}", text.text());
    let page = ask(&stage, "GET", "localhost", "/a'b", "Accept: text/html\r\n").await;
    assert!(page.text().contains("localhost/a&#39;b") && page.text().contains("api.localhost/v1  service api"));
    let json = ask(&stage, "GET", "api.localhost", "/", "Accept: application/json\r\n").await;
    let json: serde_json::Value = serde_json::from_str(&json.text()).expect("JSON");
    assert_eq!((&json["status"], &json["reason"]), (&404.into(), &"no-route".into()));
    let foreign = get(&stage, "evil.test", "/old").await;
    assert_eq!(foreign.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_carry_on_what_follows() {
    let stage = stage(vec![
        route(None, "/old", Target::Redirect { to: "/new/{path}".into(), status: 308 }),
        route(None, "/docs", Target::Redirect { to: "https://docs.test/".into(), status: 302 }),
        route(None, "/any", Target::Redirect { to: "/{path}".into(), status: 307 }),
    ])
    .await;
    for (target, status, to) in [
        ("/old/a%2Fb?q=1", 308, "/new/a%2Fb?q=1"),
        ("/old", 308, "/new/"),
        ("/docs/x", 302, "https://docs.test/"),
        ("/any//evil.test/x", 307, "/evil.test/x"),
        ("/any/\\evil.test", 307, "/evil.test"),
    ] {
        let reply = ask(&stage, "POST", "localhost", target, "Content-Length: 0\r\n").await;
        assert_eq!((reply.status(), reply.header("location")), (status, Some(to)), "{target}");
    }
}

/// A folder with a few files, and a stage that has it at `/s`.
async fn with_files(fallback: Option<&str>) -> (tempfile::TempDir, Stage) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    std::fs::create_dir(folder.path().join("docs")).expect("a folder");
    write("index.html", "<h1>index</h1>");
    write("docs/index.html", "<h1>docs</h1>");
    write("app.js", "0123456789");
    write("empty.css", "");
    write("data.unknownkind", "x");
    write(".env", "SECRET=1");
    let stage = stage(vec![route(None, "/s", files_in(folder.path(), fallback))]).await;
    (folder, stage)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_with_type_length_and_version() {
    let (_folder, stage) = with_files(None).await;
    for (target, kind, text) in [
        ("/s/", "text/html; charset=utf-8", "<h1>index</h1>"),
        ("/s/docs/", "text/html; charset=utf-8", "<h1>docs</h1>"),
        ("/s/app.js?v=1", "text/javascript; charset=utf-8", "0123456789"),
        ("/s/%61pp%2Ejs", "text/javascript; charset=utf-8", "0123456789"),
        ("/s/empty.css", "text/css; charset=utf-8", ""),
        ("/s/data.unknownkind", "application/octet-stream", "x"),
    ] {
        let reply = get(&stage, "localhost", target).await;
        assert_eq!((reply.status(), reply.text().as_str()), (200, text), "{target}");
        assert_eq!(reply.header("content-type"), Some(kind));
        assert_eq!(reply.header("content-length"), Some(text.len().to_string().as_str()));
        assert_eq!(reply.header("cache-control"), Some("no-cache"));
        assert_eq!(reply.header("x-devloop"), Some("files"));
        assert!(
            reply.header("etag").is_some_and(|tag| tag.starts_with('"')) && reply.header("last-modified").is_some()
        );
        let head = ask(&stage, "HEAD", "localhost", target, "").await;
        assert_eq!(head.header("content-length"), reply.header("content-length"));
    }
    let slash = get(&stage, "localhost", "/s/docs?q").await;
    assert_eq!((slash.status(), slash.header("location")), (307, Some("./docs/?q")));
    let post = ask(&stage, "POST", "localhost", "/s/app.js", "Content-Length: 0\r\n").await;
    assert_eq!((post.status(), post.header("allow")), (405, Some("GET, HEAD")));
    for target in ["/s/.env", "/s/%2e%2e/x", "/s/..%2Fx", "/s/none.js", "/s/app.js/", "/s/docs/none"] {
        let missing = get(&stage, "localhost", target).await;
        assert!(matches!(missing.status(), 404), "{target}: {}", missing.start);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_files_are_answered_and_what_the_client_has_is_not_sent_again() {
    let (folder, stage) = with_files(None).await;
    let at = async |fields: &str| ask(&stage, "GET", "localhost", "/s/app.js", fields).await;
    let whole = at("").await;
    let tag = whole.header("etag").expect("a version").to_owned();
    for (range, status, content_range, text) in [
        ("bytes=2-4", 206, Some("bytes 2-4/10"), "234"),
        ("bytes=7-", 206, Some("bytes 7-9/10"), "789"),
        ("bytes=-2", 206, Some("bytes 8-9/10"), "89"),
        ("bytes=10-", 416, Some("bytes */10"), ""),
        ("bytes=0-1,3-4", 200, None, "0123456789"),
    ] {
        let reply = at(&format!("Range: {range}\r\n")).await;
        assert_eq!(
            (reply.status(), reply.header("content-range"), reply.text().as_str()),
            (status, content_range, text)
        );
    }
    let fresh = at(&format!("Range: bytes=0-1\r\nIf-Range: {tag}\r\n")).await;
    assert_eq!((fresh.status(), fresh.text().as_str()), (206, "01"));
    let other = at("Range: bytes=0-1\r\nIf-Range: \"old\"\r\n").await;
    assert_eq!((other.status(), other.text().as_str()), (200, "0123456789"));
    let known = at(&format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!((known.status(), known.header("etag"), known.text().as_str()), (304, Some(tag.as_str()), ""));
    assert_eq!(at("If-Match: \"old\"\r\n").await.status(), 412);
    // A file of the same length that was written later is another version.
    std::fs::write(folder.path().join("app.js"), "9876543210").expect("the file");
    let newer = at(&format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!((newer.status(), newer.text().as_str()), (200, "9876543210"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_does_not_exist_is_the_fallback_and_a_script_that_does_not_is_missing() {
    let (_folder, stage) = with_files(Some("index.html")).await;
    let page = ask(&stage, "GET", "localhost", "/s/users/7", "Accept: text/html,*/*\r\n").await;
    assert_eq!((page.status(), page.text().as_str()), (200, "<h1>index</h1>"));
    let script = ask(&stage, "GET", "localhost", "/s/none.js", "Accept: */*\r\n").await;
    assert_eq!((script.status(), script.header("x-devloop")), (404, Some("no-file")));
    let secret = ask(&stage, "GET", "localhost", "/s/.env", "Accept: text/html\r\n").await;
    assert_eq!(secret.text(), "<h1>index</h1>");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_folder_gets_the_tag_and_nothing_else_of_it_does() {
    let (folder, stage) = with_files(None).await;
    let text = "<!doctype html><html><head><title>t</title></head><body>x</body></html>";
    std::fs::write(folder.path().join("page.html"), text).expect("a file");
    let navigate = "Sec-Fetch-Mode: navigate\r\n";
    let page = ask(&stage, "GET", "localhost", "/s/page.html", navigate).await;
    let body = page.text();
    let (start, rest) = body.split_once("<script async src=\"/.devloop/client.js\"").expect("a tag");
    let (tag, end) = rest.split_once("></script>").expect("its end");
    assert_eq!(format!("{start}{end}"), text, "all else is as it was");
    assert!(start.ends_with("<head>") && tag.starts_with(" data-folder=\"public\" data-token=\""), "{body}");
    assert!(!tag.contains("data-service") && !tag.contains("data-run"), "{tag}");
    for gone in ["etag", "last-modified", "content-length", "accept-ranges"] {
        assert_eq!(page.header(gone), None, "{gone}");
    }
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    // What stands in it now differs from what the browser keeps, although the file does not.
    let plain = ask(&stage, "GET", "localhost", "/s/page.html", "").await;
    assert_eq!(plain.text(), text);
    let condition = format!("{navigate}If-None-Match: {}\r\n", plain.header("etag").expect("a version"));
    assert_eq!(ask(&stage, "GET", "localhost", "/s/page.html", &condition).await.status(), 200);
    for (target, fields) in [
        ("/s/page.html", "Sec-Fetch-Mode: cors\r\nAccept: text/html\r\n"),
        ("/s/page.html", "Sec-Fetch-Mode: navigate\r\nRange: bytes=0-99\r\n"),
        ("/s/page.html", "Accept: text/html\r\nHX-Request: true\r\n"),
        ("/s/app.js", navigate),
        ("/s/empty.css", navigate),
    ] {
        let reply = ask(&stage, "GET", "localhost", target, fields).await;
        assert!(!reply.text().contains("devloop") && reply.header("etag").is_some(), "{target} {fields}");
    }
    let head = ask(&stage, "HEAD", "localhost", "/s/page.html", navigate).await;
    assert_eq!(head.header("content-length"), Some(text.len().to_string().as_str()));
    stage.proxy.changed(Provider::Folder("public".into()), Some(vec!["public/a.css".to_owned()]));
    let later = ask(&stage, "GET", "localhost", "/s/page.html", navigate).await;
    assert!(later.text().contains(" data-assets=\"1\""), "{}", later.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_passes_in_pieces_and_one_that_shrinks_breaks_off() {
    let (folder, stage) = with_files(None).await;
    let path = folder.path().join("large.bin");
    let text: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(&path, &text).expect("a file");
    assert!(get(&stage, "localhost", "/s/large.bin").await.body == text);
    let part = ask(&stage, "GET", "localhost", "/s/large.bin", "Range: bytes=1000000-2999998\r\n").await;
    assert!(part.body == text[1_000_000..2_999_999]);
    let mut wire = Wire::connect(stage.addr).await;
    // Much more than all buffers on the way, so that its end has not been read when it is cut off.
    let long = std::fs::File::create(&path).expect("a file");
    long.set_len(512 * 1024 * 1024).expect("a sparse file");
    wire.send("GET /s/large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    wire.message_head().await.expect("a head");
    long.set_len(1).expect("a short file");
    let mut read = 0;
    while wire.more().await.unwrap_or(false) {
        read += wire.buffer.len();
        wire.buffer.clear();
    }
    assert!(read < 512 * 1024 * 1024, "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_routes_hold_from_the_next_request_on() {
    let web = echo("web").await;
    let stage = stage(vec![route(None, "/a", to("web"))]).await;
    stage.gate_of("web", holding());
    let mut wire = stage.connect().await;
    wire.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    proxy_support::until(|| stage.proxy.stats().services[0].held == 1).await;
    stage.proxy.configure(routed(vec![route(None, "/b", to("web"))]));
    assert_eq!(get(&stage, "localhost", "/a").await.status(), 404);
    stage.gate_of("web", open(stage.add(web.addr)));
    assert_eq!(wire.reply().await.expect("an answer").text(), "web /a -", "what was under way goes on");
    assert_eq!(get(&stage, "localhost", "/b").await.text(), "web /b -");
}
