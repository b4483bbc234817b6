//! What devloop's tag in a page costs: `BENCH_PAGES` (10,000) pages of 16 KiB, each asked for as a navigation, which
//! gets the tag, then as a piece for a page that is there, which gets none, then straight from the program. One
//! connection each.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::{
    super::support::{DEADLINE, client::head_of, load::Speech, ms, number, stats::Sample, table::Table},
    Field,
};

const PAGE: usize = 16 * 1024;

pub fn run() {
    let pages = number("BENCH_PAGES", 10_000);
    let field = Field::of(Speech::Http1);
    let (direct, through) = (field.contenders[0].addr, field.contenders[1].addr);
    let ways = [("with the tag", through, "navigate"), ("without it", through, "cors"), ("direct", direct, "navigate")];
    let mut tabs = ways.map(|(_, addr, mode)| Tab::open(addr, mode));
    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..pages {
        for (tab, times) in tabs.iter_mut().zip(&mut times) {
            times.push(ms(tab.load()) * 1000.0);
        }
    }
    let has_tag = |tab: &Tab| tab.bytes.windows(20).any(|word| word == b"/.devloop/client.js\"");
    assert_eq!(tabs.each_ref().map(has_tag), [true, false, false], "who gets the tag");
    println!("{pages} pages of {} KiB, microseconds", PAGE / 1024);
    let mut table = Table::new(&["", "median", "95 of 100", "99 of 100", "the tag adds to the median"]);
    let samples = times.each_ref().map(|times| Sample::of(times.iter().copied()));
    for ((name, ..), sample) in ways.iter().zip(&samples) {
        let added = if *name == "with the tag" {
            format!("{:.1}", sample.median() - samples[1].median())
        } else {
            String::new()
        };
        table.row(&[
            (*name).to_owned(),
            format!("{:.1}", sample.median()),
            format!("{:.1}", sample.p95()),
            format!("{:.1}", sample.quantile(0.99)),
            added,
        ]);
    }
    table.done("proxy_pages");
    field.done();
}

/// One connection, and the last page that came over it.
struct Tab {
    stream: TcpStream,
    request: String,
    bytes: Vec<u8>,
}

impl Tab {
    fn open(addr: SocketAddr, mode: &str) -> Tab {
        let stream = TcpStream::connect(addr).expect("it accepts");
        stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(DEADLINE))).expect("a socket");
        let request = format!(
            "GET /page/{PAGE} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\nsec-fetch-mode: {mode}\r\n\r\n"
        );
        Tab { stream, request, bytes: Vec::new() }
    }

    fn load(&mut self) -> Duration {
        let sent = Instant::now();
        self.stream.write_all(self.request.as_bytes()).expect("it listens");
        self.bytes.clear();
        let mut part = [0; 64 * 1024];
        while !self.is_whole() {
            let count = self.stream.read(&mut part).expect("it answers");
            assert!(count > 0, "the connection was closed");
            self.bytes.extend_from_slice(&part[..count]);
        }
        sent.elapsed()
    }

    fn is_whole(&self) -> bool {
        match head_of(&self.bytes) {
            None => false,
            // A page with the tag has no length beforehand: it comes in chunks.
            Some((_, 0)) => self.bytes.ends_with(b"\r\n0\r\n\r\n"),
            Some((head, length)) => self.bytes.len() >= head + length,
        }
    }
}
