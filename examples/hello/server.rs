//! A page on `$PORT` that tells what it was made of. Standard library only; devloop's own dev.toml builds and runs it.

mod page;

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

fn main() -> io::Result<()> {
    let port = env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    println!("listening on port {port}");
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || answer(stream));
    }
    Ok(())
}

/// Reads the head of one request, and answers it.
fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let (kind, body) = match request.split(' ').nth(1) {
        Some("/health") => ("text/plain", "well\n".to_owned()),
        Some("/text") => ("text/plain", page::LINES.join("\n") + "\n"),
        _ => ("text/html", html()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}; charset=utf-8\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// The page. It asks again each second by itself; devloop holds it while a newer one is on its way.
fn html() -> String {
    let revision = env::var("DEVLOOP_REVISION").unwrap_or_else(|_| "none".to_owned());
    let lines: Vec<String> = page::LINES.iter().map(|line| format!("<p>{}</p>\n", escaped(line))).collect();
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"refresh\" content=\"1\">\n<title>hello</title>\n\
         {}<p><small>revision {revision}, process {}</small></p>\n",
        lines.concat(),
        std::process::id()
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
