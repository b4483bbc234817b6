//! Pages on their way through the proxy: which ones get devloop's tag, byte for byte.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

#[path = "proxy_support/mod.rs"]
mod support;

use std::io::Write;

use async_compression::tokio::write::BrotliEncoder;
use devloop::plan::Reload;
use flate2::{Compression, write::GzEncoder};
use support::{App, Reply, Stage, get, within};
use tokio::io::AsyncWriteExt;

const PAGE: &str =
    "<!doctype html>\r\n<html>\n<head>\n<meta charset=utf-8><title>\u{e4}</title></head>\0<body>x</body></html>";

fn tag(run: u64) -> String {
    format!(
        "<script async src=\"/.devloop/client.js\" data-service=\"api\" data-revision=\"{run}\" data-run=\"{run}\" \
         data-token=\"t0ken\"></script>"
    )
}

fn tagged(page: &str, run: u64) -> String {
    page.replacen("<head>", &format!("<head>{}", tag(run)), 1)
}

fn navigation(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nAccept-Encoding: gzip, br, zstd\r\n\
         If-None-Match: \"x\"\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\r\n"
    )
}

fn html(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n";
    let mut answer = format!("{head}{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// A program that gives this answer to everything.
async fn program(answer: Vec<u8>) -> App {
    App::http(move |_| {
        let answer = answer.clone();
        async move { answer }
    })
    .await
}

async fn shown(answer: Vec<u8>, request: &str) -> Reply {
    let (stage, app) = (Stage::new().await, program(answer).await);
    stage.open(app.addr);
    stage.ask(request).await
}

#[tokio::test]
async fn a_navigation_gets_the_tag_and_everything_else_the_page_as_it_is() {
    let (stage, app) =
        (Stage::new().await, program(html("ETag: \"x\"\r\nAccept-Ranges: bytes\r\n", PAGE.as_bytes())).await);
    let run = stage.open(app.addr);
    let reply = stage.ask(&navigation("/")).await;
    assert_eq!(reply.text(), tagged(PAGE, run.0));
    for gone in ["content-length", "etag", "accept-ranges"] {
        assert_eq!(reply.header(gone), None, "{gone}");
    }
    let asked = app.seen.lock().unwrap()[0].clone();
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
    assert_eq!(asked.header("if-none-match"), None);
    for other in [
        get("/"),
        navigation("/").replace("navigate", "cors"),
        navigation("/").replace("GET", "POST"),
        navigation("/").replace("Sec-Fetch-Dest", "Range: bytes=0-1\r\nSec-Fetch-Dest"),
    ] {
        let reply = stage.ask(&other).await;
        assert_eq!((reply.text().as_str(), reply.header("etag")), (PAGE, Some("\"x\"")), "{other}");
    }
    let asked = app.seen.lock().unwrap()[2].clone();
    assert_eq!(asked.header("accept-encoding"), Some("gzip, br, zstd"));
    assert_eq!(asked.header("if-none-match"), Some("\"x\""));
}

#[tokio::test]
async fn nothing_is_put_into_head_answers() {
    let (stage, app) = (
        Stage::new().await,
        program(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n".to_vec()).await,
    );
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send(navigation("/").replace("GET", "HEAD")).await;
    assert_eq!(wire.head().await.header("content-length"), Some("9"));
}

#[tokio::test]
async fn a_page_that_is_compressed_all_the_same_is_unpacked() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(PAGE.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let reply = shown(html("Content-Encoding: gzip\r\n", &packed), &navigation("/")).await;
    assert_eq!((reply.text(), reply.header("content-encoding")), (tagged(PAGE, 1), None));
    for other in ["zstd", "deflate", "gzip, gzip", "made-up"] {
        let reply = shown(html(&format!("Content-Encoding: {other}\r\n"), &packed), &navigation("/")).await;
        assert_eq!((&reply.body, reply.header("content-encoding")), (&packed, Some(other)));
    }
}

#[tokio::test]
async fn a_page_that_is_cut_off_in_its_coding_is_a_failed_transfer() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(PAGE.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let (stage, app) =
        (Stage::new().await, program(html("Content-Encoding: gzip\r\n", &packed[..packed.len() - 6])).await);
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send(navigation("/")).await;
    assert!(wire.reply().await.is_err(), "the last chunk must not come");
}

#[tokio::test]
async fn every_border_of_every_chunk_gives_the_same_page() {
    let (stage, app) = (Stage::new().await, App::raw(|mut wire, _| async move {
        while let Ok(request) = wire.message(support::Rest::None).await {
            let border: usize = request.target()[1..].parse().unwrap();
            let (first, second) = PAGE.as_bytes().split_at(border);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n";
            wire.send(head).await;
            for piece in [first, second].into_iter().filter(|piece| !piece.is_empty()) {
                wire.send(format!("{:x}\r\n", piece.len())).await;
                wire.send(piece).await;
                wire.send("\r\n").await;
            }
            wire.send("0\r\nX-Sum: 1\r\n\r\n").await;
        }
    }).await);
    let run = stage.open(app.addr);
    for border in 0..=PAGE.len() {
        let request = navigation(&format!("/{border}")).replace("Accept:", "TE: trailers\r\nConnection: TE\r\nAccept:");
        let reply = stage.ask(&request).await;
        assert_eq!(reply.text(), tagged(PAGE, run.0), "border at {border}");
        assert_eq!(reply.trailers, [("x-sum".to_owned(), "1".to_owned())]);
    }
    assert!(app.connections() < 10, "connections are used again: {}", app.connections());
}

#[tokio::test]
async fn a_page_streams_before_it_is_complete() {
    let app = App::raw(|mut wire, _| async move {
        while wire.message(support::Rest::None).await.is_ok() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<!doctype html><head>first").await;
            std::future::pending::<()>().await;
        }
    })
    .await;
    let stage = Stage::new().await;
    let run = stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send(navigation("/")).await;
    let first = within(wire.until(b"first")).await.unwrap();
    assert!(String::from_utf8_lossy(&first).contains(&tag(run.0)));
}

#[tokio::test]
async fn pages_are_left_alone_where_dev_toml_says_so() {
    let stage = Stage::with(|settings| settings.rules.browser.reload = Reload::Never).await;
    let app = program(html("ETag: \"x\"\r\n", PAGE.as_bytes())).await;
    stage.open(app.addr);
    let reply = stage.ask(&navigation("/")).await;
    assert_eq!((reply.text().as_str(), reply.header("etag")), (PAGE, Some("\"x\"")));
    assert_eq!(app.seen.lock().unwrap()[0].header("accept-encoding"), Some("gzip, br, zstd"));
}

#[tokio::test]
async fn the_script_is_there_for_everybody_and_knows_nothing() {
    let stage = Stage::new().await;
    let reply = stage.get("/.devloop/client.js").await;
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(reply.header("access-control-allow-origin"), None);
    assert!(!reply.text().contains("t0ken"));
}

#[tokio::test]
async fn only_a_browser_that_navigates_is_shown_another_page_while_it_waits() {
    let patience = std::time::Duration::from_millis(20);
    let stage = Stage::with(|settings| settings.rules.browser.waiting = Some(patience)).await;
    let app = program(html("", PAGE.as_bytes())).await;
    stage.gate(support::holding());
    let reply = stage.ask(&navigation("/")).await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (503, Some("waiting")));
    assert!(reply.text().contains("waiting for devloop: step `build`"), "{}", reply.text());
    // Everybody else waits for the real answer, however long that takes.
    let mut held = Vec::new();
    for (count, other) in (1..).zip([
        get("/"),
        navigation("/").replace("navigate", "cors"),
        navigation("/").replace("GET", "POST"),
        navigation("/").replace("document", "empty"),
        navigation("/").replace("text/html", "*/*"),
    ]) {
        let mut wire = stage.connect().await;
        wire.send(other).await;
        stage.held(count).await;
        held.push(wire);
    }
    assert_eq!(stage.ask(&navigation("/")).await.status(), 503);
    assert_eq!(stage.stats().held, 5);
    stage.open(app.addr);
    for mut wire in held {
        assert_eq!(wire.reply().await.unwrap().status(), 200);
    }
}

/// A program that answers with `body` in two chunks, the first as long as the number in the target.
async fn in_two_chunks(coding: &'static str, body: Vec<u8>) -> App {
    App::raw(move |mut wire, _| {
        let body = body.clone();
        async move {
            while let Ok(request) = wire.message(support::Rest::None).await {
                let (first, second) = body.split_at(request.target()[1..].parse().expect("a number"));
                wire.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{coding}Transfer-Encoding: chunked\r\n\r\n"
                ))
                .await;
                for piece in [first, second].into_iter().filter(|piece| !piece.is_empty()) {
                    wire.send(format!("{:x}\r\n", piece.len())).await;
                    wire.send(piece).await;
                    wire.send("\r\n").await;
                }
                wire.send("0\r\n\r\n").await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn every_coding_with_a_border_at_every_byte_is_tagged_or_left_as_it_is() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(PAGE.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut brotli = Vec::new();
    let mut encoder = BrotliEncoder::new(&mut brotli);
    encoder.write_all(PAGE.as_bytes()).await.unwrap();
    encoder.shutdown().await.unwrap();
    // What devloop does not unpack is opaque: any bytes will do, also such that look like a head.
    let opaque = PAGE.as_bytes().to_vec();
    for (coding, body, is_read) in [
        ("", PAGE.as_bytes().to_vec(), true),
        ("Content-Encoding: identity\r\n", PAGE.as_bytes().to_vec(), true),
        ("Content-Encoding: gzip\r\n", gzip.clone(), true),
        ("Content-Encoding: br\r\n", brotli, true),
        ("Content-Encoding: zstd\r\n", opaque.clone(), false),
        ("Content-Encoding: deflate\r\n", opaque.clone(), false),
        ("Content-Encoding: gzip, br\r\n", gzip.clone(), false),
        ("Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", gzip, false),
        ("Content-Encoding: made-up\r\n", opaque, false),
    ] {
        let (stage, app) = (Stage::new().await, in_two_chunks(coding, body.clone()).await);
        let run = stage.open(app.addr);
        let mut wire = stage.connect().await;
        for border in 0..=body.len() {
            let reply = wire.ask(&navigation(&format!("/{border}"))).await;
            if is_read {
                assert_eq!(reply.text(), tagged(PAGE, run.0), "{coding}, border at {border}");
            } else {
                assert_eq!(reply.body, body, "{coding}, border at {border}");
            }
            assert_eq!(reply.header("content-encoding").is_some(), !is_read, "{coding}");
        }
    }
}

#[tokio::test]
async fn packed_pages_stream_too() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"<!doctype html><head>first").unwrap();
    gzip.flush().unwrap();
    let mut brotli = Vec::new();
    let mut encoder = BrotliEncoder::new(&mut brotli);
    encoder.write_all(b"<!doctype html><head>first").await.unwrap();
    encoder.flush().await.unwrap();
    drop(encoder);
    for (coding, begun) in [("gzip", gzip.get_ref().clone()), ("br", brotli)] {
        let app = App::raw(move |mut wire, _| {
            let begun = begun.clone();
            async move {
                while wire.message(support::Rest::None).await.is_ok() {
                    wire.send(format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: {coding}\r\n\r\n"
                    ))
                    .await;
                    wire.send(&begun).await;
                    std::future::pending::<()>().await;
                }
            }
        })
        .await;
        let stage = Stage::new().await;
        let run = stage.open(app.addr);
        let mut wire = stage.connect().await;
        wire.send(navigation("/")).await;
        let first = within(wire.until(b"first")).await.unwrap();
        assert!(String::from_utf8_lossy(&first).contains(&tag(run.0)), "{coding}");
    }
}

/// What comes where there is no head as one expects it: the place of the tag is `|`.
#[tokio::test]
async fn the_tag_stands_where_a_browser_would_begin_the_head_and_nowhere_else() {
    let utf_16: Vec<u8> =
        [0xfeff].into_iter().chain("<html><head>".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (headers, page) in [
        ("", &b"<html><!-- <head> --><head>|<title></title>"[..]),
        ("", b"<!-- <head> --><!doctype html><head>|"),
        ("", b"<!doctype html>\n|<title>x</title><p>no head"),
        ("", b"|<h1>a fragment</h1>"),
        ("", b"<html><HEAD data-x='>'>|<script>'<head>'</script>"),
        ("", &utf_16),
        ("Content-Disposition: attachment; filename=x.html\r\n", b"<html><head>"),
        ("Cache-Control: no-transform\r\n", b"<html><head>"),
        ("Content-Security-Policy: sandbox\r\n", b"<html><head>"),
    ] {
        let at = page.iter().position(|byte| *byte == b'|');
        let (before, after) = page.split_at(at.unwrap_or(page.len()));
        let after = after.strip_prefix(b"|").unwrap_or(after);
        let page = [before, after].concat();
        let tag = if at.is_some() { tag(1) } else { String::new() };
        let reply = shown(html(headers, &page), &navigation("/")).await;
        let expected = [before, tag.as_bytes(), after].concat();
        assert_eq!(String::from_utf8_lossy(&reply.body), String::from_utf8_lossy(&expected), "{headers}");
    }
}
