//! The program that is built, started and swapped: this very binary, told by its environment to be an HTTP server.
//!
//! It answers every request with `VERSION`, filled up with blanks to `BENCH_BYTES` bytes, from a thread for each
//! connection. That is about as cheap as a server gets, so that what stands before it shows.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

/// Set in the environment of this binary when it is to be the program.
const MARK: &str = "DEVLOOP_BENCH_IS_PROGRAM";

pub fn is_asked_for() -> bool {
    std::env::var_os(MARK).is_some()
}

/// A shell script that makes the program: it answers with what is in `version.txt` now. Its first argument is where.
pub fn build_script() -> String {
    let binary = std::env::current_exe().expect("this binary has a path");
    format!(
        "read -r version < version.txt || exit 1\n\
         {{ echo '#!/bin/sh'\n\
         echo \"{MARK}=1 VERSION='$version' exec '{}'\"\n\
         }} > \"$1\" && chmod +x \"$1\"\n",
        binary.display()
    )
}

/// Is the program until it is ended.
pub fn serve() -> ! {
    let port = std::env::var("PORT").expect("a port");
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port is free");
    let bytes = super::number("BENCH_BYTES", 0);
    let version = std::env::var("VERSION").unwrap_or_default();
    let body = format!("{version:<bytes$}");
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for stream in listener.incoming().flatten() {
        let answer = answer.clone();
        thread::spawn(move || connection(&stream, answer.as_bytes()));
    }
    unreachable!("a listener never ends")
}

fn connection(mut stream: &TcpStream, answer: &[u8]) -> Option<()> {
    _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        let (mut length, mut close) = (0, false);
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).ok()? == 0 {
                return None;
            }
            if line == b"\r\n" {
                break;
            }
            let text = line.to_ascii_lowercase();
            if let Some(value) = text.strip_prefix(b"content-length:") {
                length = String::from_utf8_lossy(value).trim().parse().ok()?;
            }
            close |= text.starts_with(b"connection:") && text.windows(5).any(|word| word == b"close");
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
        stream.write_all(answer).ok()?;
        if close {
            return None;
        }
    }
}
