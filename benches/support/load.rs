//! Load: connections that each ask for the same again and again, one request at a time, all on one thread.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{DEADLINE, client::head_of, ms, stats::Sample};

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    Http1,
    /// Without TLS, by prior knowledge.
    Http2,
}

/// When a connection has enough.
#[derive(Clone, Copy)]
pub enum Until {
    Time(Instant),
    Requests(usize),
}

/// What came of it.
#[derive(Clone, Copy)]
pub struct Turn {
    pub per_second: f64,
    /// Microseconds.
    pub median: f64,
    pub p99: f64,
    /// From the first request to the last answer.
    pub took: Duration,
}

/// For so long. A single connection of HTTP/1.1 blocks: nothing of the client's own stands between two requests.
pub fn for_a_while(addr: SocketAddr, target: &str, connections: usize, speech: Speech, time: Duration) -> Turn {
    match (connections, speech) {
        (1, Speech::Http1) => alone(addr, target, time),
        _ => together(addr, target, connections, speech, Until::Time(Instant::now() + time)),
    }
}

fn alone(addr: SocketAddr, target: &str, time: Duration) -> Turn {
    let mut stream = std::net::TcpStream::connect(addr).expect("it accepts");
    stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(DEADLINE))).expect("a socket");
    let request = request_of(target);
    let mut latencies = Vec::new();
    let mut bytes = vec![0; 64 * 1024];
    let begin = Instant::now();
    while begin.elapsed() < time {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut read = 0;
        let mut left = loop {
            read += some(stream.read(&mut bytes[read..]));
            if let Some(left) = left_of(&bytes[..read]) {
                break left;
            }
        };
        while left > 0 {
            left = left.checked_sub(some(stream.read(&mut bytes))).expect("no more than was asked for");
        }
        latencies.push(sent.elapsed());
    }
    turn(latencies, begin.elapsed())
}

/// Many connections, until each has enough.
pub fn together(addr: SocketAddr, target: &str, connections: usize, speech: Speech, until: Until) -> Turn {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begin = Instant::now();
    let all = runtime.block_on(async {
        let clients: Vec<_> = (0..connections)
            .map(|_| match speech {
                Speech::Http1 => tokio::spawn(http1(addr, request_of(target), until)),
                Speech::Http2 => tokio::spawn(http2(addr, target.to_owned(), until)),
            })
            .collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.await.expect("nobody panics"));
        }
        all
    });
    turn(all, begin.elapsed())
}

fn request_of(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

impl Until {
    fn is_reached(self, requests: usize) -> bool {
        match self {
            Until::Time(end) => Instant::now() >= end,
            Until::Requests(enough) => requests >= enough,
        }
    }
}

async fn http1(addr: SocketAddr, request: String, until: Until) -> Vec<Duration> {
    let mut stream = TcpStream::connect(addr).await.expect("it accepts");
    stream.set_nodelay(true).expect("a socket");
    let mut latencies = Vec::new();
    let mut bytes = vec![0; 64 * 1024];
    while !until.is_reached(latencies.len()) {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await.expect("it listens");
        let mut read = 0;
        let mut left = loop {
            read += some(stream.read(&mut bytes[read..]).await);
            if let Some(left) = left_of(&bytes[..read]) {
                break left;
            }
        };
        while left > 0 {
            left = left.checked_sub(some(stream.read(&mut bytes).await)).expect("no more than was asked for");
        }
        latencies.push(sent.elapsed());
    }
    latencies
}

fn some(read: io::Result<usize>) -> usize {
    let count = read.expect("it answers");
    assert!(count > 0, "the connection was closed");
    count
}

/// How much of a good answer is missing; none if not even its head is whole.
fn left_of(read: &[u8]) -> Option<usize> {
    let (head, length) = head_of(read)?;
    assert!(read.starts_with(b"HTTP/1.1 200"), "an error");
    Some((head + length).checked_sub(read.len()).expect("no more than was asked for"))
}

async fn http2(addr: SocketAddr, target: String, until: Until) -> Vec<Duration> {
    let mut sender = connect_http2(addr).await.expect("it speaks HTTP/2");
    let mut latencies = Vec::new();
    while !until.is_reached(latencies.len()) {
        let sent = Instant::now();
        ask_http2(&mut sender, addr, &target).await.expect("it answers");
        latencies.push(sent.elapsed());
    }
    latencies
}

/// Whether somebody there speaks HTTP/2 and answers.
pub fn speaks_http2(addr: SocketAddr) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let asked = async { ask_http2(&mut connect_http2(addr).await.ok()?, addr, "/").await };
        tokio::time::timeout(Duration::from_secs(5), asked).await.ok().flatten().is_some()
    })
}

async fn connect_http2(addr: SocketAddr) -> Result<SendRequest<Empty<Bytes>>, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(1 << 20).initial_connection_window_size(8 << 20);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// None: no good answer.
async fn ask_http2(sender: &mut SendRequest<Empty<Bytes>>, addr: SocketAddr, target: &str) -> Option<()> {
    let uri = format!("http://localhost:{}{target}", addr.port());
    let request = Request::get(uri).body(Empty::new()).expect("a sound request");
    sender.ready().await.ok()?;
    let mut answer = sender.send_request(request).await.ok().filter(|answer| answer.status() == 200)?;
    while let Some(frame) = answer.frame().await {
        frame.ok()?;
    }
    Some(())
}

fn turn(latencies: Vec<Duration>, took: Duration) -> Turn {
    let count = latencies.len() as f64;
    let sample = Sample::of(latencies.into_iter().map(|latency| ms(latency) * 1000.0));
    Turn { per_second: count / took.as_secs_f64(), median: sample.median(), p99: sample.quantile(0.99), took }
}
