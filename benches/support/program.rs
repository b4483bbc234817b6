//! The programs that are built, started and swapped: this very binary, told by its environment to be one.
//!
//! The server answers `/bytes/N` with so many bytes of text, `/page/N` with a page of about that size, `/say/TEXT` and
//! `/flood/N` after it has written that line, or so many lines, to its standard output, and everything else with
//! `VERSION`, filled up with blanks to `BENCH_BYTES` bytes; each connection has a thread. That is about as cheap as a
//! server gets, so that what stands before it shows.
//!
//! The flood writes `BENCH_LINES` lines as fast as it can, and to the file `BENCH_RESULT` how long that took, in
//! nanoseconds; then it does nothing any more.

use std::{
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
    time::Instant,
};

/// Set in the environment of this binary when it is to be a program.
const MARK: &str = "DEVLOOP_BENCH_IS_PROGRAM";
const SERVER: &str = "1";
const FLOOD: &str = "flood";
/// A body is sent in pieces of this size.
const PIECE: usize = 64 * 1024;

/// Never returns if this binary is one of the programs.
pub fn be_it_if_asked() {
    match std::env::var(MARK).as_deref() {
        Ok(FLOOD) => be_a_flood(),
        Ok(_) => serve(),
        Err(_) => {}
    }
}

/// A shell script that makes the server: it answers with what is in `version.txt` now. Its first argument is where.
pub fn build_script() -> String {
    format!(
        "read -r version < version.txt || exit 1\n\
         {{ echo '#!/bin/sh'\n\
         echo \"{MARK}={SERVER} VERSION='$version' exec '{}'\"\n\
         }} > \"$1\" && chmod +x \"$1\"\n",
        this_binary()
    )
}

/// A service that is the server, without a build.
pub fn server(more: &str) -> String {
    let program = this_binary();
    format!(
        "[[service]]\nname = \"app\"\nrun = [{program:?}]\nenv = {{ {MARK} = {SERVER:?}, VERSION = \"first\" }}\n{more}\n"
    )
}

/// A service that is the flood.
pub fn flood(lines: usize, result: &Path) -> String {
    let (program, result) = (this_binary(), result.display().to_string());
    format!(
        "[[service]]\nname = \"flood\"\nrun = [{program:?}]\nport = \"none\"\n\
         env = {{ {MARK} = {FLOOD:?}, BENCH_LINES = \"{lines}\", BENCH_RESULT = {result:?} }}\n"
    )
}

/// The command line and the environment of the flood, for who starts it by himself.
pub fn flood_alone(lines: usize, result: &Path) -> (String, [(&'static str, String); 3]) {
    let env =
        [(MARK, FLOOD.to_owned()), ("BENCH_LINES", lines.to_string()), ("BENCH_RESULT", result.display().to_string())];
    (this_binary(), env)
}

fn this_binary() -> String {
    std::env::current_exe().expect("this binary has a path").display().to_string()
}

fn be_a_flood() -> ! {
    let result = std::env::var_os("BENCH_RESULT").expect("where to write the result");
    let begin = Instant::now();
    write_lines(super::number("BENCH_LINES", 1_000_000));
    let took = begin.elapsed().as_nanos().to_string();
    // In one act: whoever finds the file finds the number in it.
    let part = Path::new(&result).with_extension("part");
    std::fs::write(&part, took).and_then(|()| std::fs::rename(&part, &result)).expect("the folder can be written to");
    loop {
        thread::park();
    }
}

/// Lines of 100 bytes, in the blocks in which the libraries of most languages write to a pipe.
fn write_lines(count: usize) {
    let mut out = BufWriter::with_capacity(8 * 1024, io::stdout().lock());
    for number in 0..count {
        _ = writeln!(
            out,
            "{number:>9} GET /api/orders/{number:<9} 200 {:<59}",
            "the quick brown fox jumps over the lazy dog"
        );
    }
    _ = out.flush();
}

fn serve() -> ! {
    let port = std::env::var("PORT").expect("a port");
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port is free");
    let bytes = super::number("BENCH_BYTES", 0);
    let version = std::env::var("VERSION").unwrap_or_default();
    let body = format!("{version:<bytes$}");
    let version = [head("text/plain", body.len()), body.into_bytes()].concat();
    for stream in listener.incoming().flatten() {
        let version = version.clone();
        thread::spawn(move || connection(&stream, &version));
    }
    unreachable!("a listener never ends")
}

fn head(kind: &str, length: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n").into_bytes()
}

fn connection(stream: &TcpStream, version: &[u8]) -> Option<()> {
    _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    let (mut first, mut line) = (Vec::new(), Vec::new());
    // The last target and its answer: mostly the next one is the same.
    let mut last = (Vec::new(), Answer::Whole(version.to_owned()));
    loop {
        first.clear();
        if reader.read_until(b'\n', &mut first).ok()? == 0 {
            return None;
        }
        let (mut length, mut close) = (0, false);
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).ok()? == 0 {
                return None;
            }
            if line == b"\r\n" {
                break;
            }
            line.make_ascii_lowercase();
            if let Some(value) = line.strip_prefix(b"content-length:") {
                length = String::from_utf8_lossy(value).trim().parse().ok()?;
            }
            close |= line.starts_with(b"connection:") && line.windows(5).any(|word| word == b"close");
        }
        io::copy(&mut reader.by_ref().take(length), &mut io::sink()).ok()?;
        if first != last.0 {
            last = (first.clone(), Answer::to(&first, version));
        }
        last.1.write(stream)?;
        if close {
            return None;
        }
    }
}

enum Answer {
    Whole(Vec<u8>),
    /// A head, and the length of the body behind it.
    InPieces(Vec<u8>, usize),
    /// First something is written to standard output.
    Loud(Loud, Vec<u8>),
}

enum Loud {
    Line(String),
    Lines(usize),
}

impl Answer {
    /// To the request that begins with this line.
    fn to(line: &[u8], version: &[u8]) -> Answer {
        let line = String::from_utf8_lossy(line);
        let mut parts = line.split(' ').nth(1).unwrap_or("/").splitn(3, '/').skip(1);
        let (kind, what) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let count = what.parse().unwrap_or(0);
        match kind {
            "bytes" if count <= PIECE => Answer::Whole([head("text/plain", count), vec![b'x'; count]].concat()),
            "bytes" => Answer::InPieces(head("application/octet-stream", count), count),
            "page" => {
                let page = page(count);
                Answer::Whole([head("text/html; charset=utf-8", page.len()), page].concat())
            }
            "say" => Answer::Loud(Loud::Line(what.to_owned()), version.to_owned()),
            "flood" => Answer::Loud(Loud::Lines(count), version.to_owned()),
            _ => Answer::Whole(version.to_owned()),
        }
    }

    fn write(&self, mut stream: &TcpStream) -> Option<()> {
        match self {
            Answer::Whole(all) => stream.write_all(all).ok(),
            Answer::InPieces(head, length) => {
                stream.write_all(head).ok()?;
                let (piece, mut left) = (vec![b'x'; PIECE], *length);
                while left > 0 {
                    let next = left.min(PIECE);
                    stream.write_all(&piece[..next]).ok()?;
                    left -= next;
                }
                Some(())
            }
            Answer::Loud(loud, version) => {
                match loud {
                    Loud::Line(text) => println!("{text}"),
                    Loud::Lines(count) => write_lines(*count),
                }
                stream.write_all(version).ok()
            }
        }
    }
}

fn page(length: usize) -> Vec<u8> {
    let mut page = b"<!doctype html>\n<html>\n<head><title>A page</title></head>\n<body>\n".to_vec();
    while page.len() + 80 < length {
        page.extend_from_slice(b"<p class=\"line\">The quick brown fox jumps over the lazy dog.</p>\n");
    }
    page.extend_from_slice(b"</body>\n</html>\n");
    page
}
