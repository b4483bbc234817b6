//! Clients that keep asking while devloop works, and what they may expect of it.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::support::{Answer, DEADLINE};

/// How many swaps a test of many swaps makes; more if `DEVLOOP_TEST_SWAPS` says so.
pub fn swaps() -> u64 {
    std::env::var("DEVLOOP_TEST_SWAPS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// A connection that is used for one request after the other.
pub struct Client {
    address: String,
    open: Option<BufReader<TcpStream>>,
}

impl Client {
    pub fn new(address: &str) -> Client {
        Client { address: address.to_owned(), open: None }
    }

    /// Sends a request and reads its answer. A connection that the other side closed between two requests is opened
    /// anew, as HTTP wants it: only before anything was sent.
    pub fn ask(&mut self, request: &str, body: &[u8]) -> std::io::Result<Answer> {
        self.open = self.open.take().filter(|open| is_open(open.get_ref()));
        let mut stream = match self.open.take() {
            Some(stream) => stream,
            None => connect(&self.address)?,
        };
        let head = format!("{request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        let answer = read_answer(&mut stream)?;
        if answer.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close")) {
            self.open = Some(stream);
        }
        Ok(answer)
    }

    pub fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.ask(&format!("GET {path}"), b"")
    }

    pub fn post(&mut self, path: &str, body: &[u8]) -> std::io::Result<Answer> {
        self.ask(&format!("POST {path}"), body)
    }
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let seen = stream.peek(&mut [0]);
    stream.set_nonblocking(false).expect("a socket");
    seen.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// A connection whose answers come within the deadline or fail the test.
pub fn connect(address: &str) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Reads up to the empty line.
pub fn read_head(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::Error::other(format!("the connection ended in a head: {head:?}")));
        }
        if line == "\r\n" {
            return Ok(head);
        }
        head.push_str(&line);
    }
}

fn read_answer(stream: &mut impl BufRead) -> std::io::Result<Answer> {
    let head = read_head(stream)?;
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let mut answer = Answer { status, head, body: String::new() };
    let length = answer.header("content-length").and_then(|length| length.parse().ok()).expect("a length");
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    answer.body = String::from_utf8_lossy(&body).into_owned();
    Ok(answer)
}

/// The next chunk of a chunked body; none at its proper end.
pub fn read_chunk(stream: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let Ok(length) = usize::from_str_radix(line.trim(), 16) else {
        return Err(std::io::Error::other(format!("no chunk: {line:?}")));
    };
    let mut chunk = vec![0; length + 2];
    stream.read_exact(&mut chunk)?;
    chunk.truncate(length);
    Ok((length > 0).then_some(chunk))
}

/// Clients that ask all the time: half of the requests are POSTs with ids, half of the clients reuse connections.
pub struct Crowd {
    clients: Vec<JoinHandle<Vec<String>>>,
    world: Arc<World>,
}

/// What clients and test know together.
#[derive(Default)]
struct World {
    over: AtomicBool,
    /// The newest version that was written to its file.
    saved: AtomicU64,
    /// The newest version that has answered.
    seen: AtomicU64,
    next: AtomicU64,
    stale: AtomicU64,
    problems: Mutex<Vec<String>>,
}

impl World {
    fn blame(&self, problem: String) {
        self.problems.lock().expect("nobody panics").push(problem);
    }

    /// One request; the id that was posted.
    fn ask(&self, client: &mut Client, post: bool) -> Option<String> {
        let (saved, seen) = (self.saved.load(Ordering::SeqCst), self.seen.load(Ordering::SeqCst));
        let id = format!("id-{}.", self.next.fetch_add(1, Ordering::SeqCst));
        let (path, answer) = match post {
            true => ("POST", client.post("/submit", id.as_bytes())),
            false => ("GET", client.get("/")),
        };
        match answer {
            Err(error) => self.blame(format!("{path} {id} after {saved} was saved failed: {error}")),
            Ok(answer) => {
                let version = answer.body.trim().parse::<u64>().ok().filter(|_| answer.status == 200);
                let Some(version) = version else {
                    self.blame(format!("{path} {id} after {saved} was saved: {answer:?}"));
                    return post.then_some(id);
                };
                if version < seen {
                    self.blame(format!("{path} {id} was answered by {version} after {seen} had answered"));
                }
                if answer.header("x-devloop-stale").is_some() {
                    self.stale.fetch_add(1, Ordering::SeqCst);
                } else if version < saved {
                    self.blame(format!("{path} {id} was answered by {version} after {saved} was saved"));
                }
                self.seen.fetch_max(version, Ordering::SeqCst);
            }
        }
        post.then_some(id)
    }
}

/// What has become of the requests.
pub struct Verdict {
    /// The ids of all POSTs.
    pub ids: Vec<String>,
    /// How many requests there were.
    pub requests: u64,
    /// How many answers were marked as stale.
    pub stale: u64,
    /// What must not happen.
    pub problems: Vec<String>,
}

impl Crowd {
    /// So many of them begin to ask; version `first` has been saved.
    pub fn begin(address: &str, clients: usize, first: u64) -> Crowd {
        let world = Arc::new(World::default());
        world.saved.store(first, Ordering::SeqCst);
        let clients = (0..clients).map(|number| {
            let (world, address) = (world.clone(), address.to_owned());
            thread::spawn(move || {
                let mut client = Client::new(&address);
                let mut ids = Vec::new();
                for turn in 0.. {
                    if world.over.load(Ordering::SeqCst) {
                        break;
                    }
                    if number % 2 == 0 {
                        client = Client::new(&address);
                    }
                    ids.extend(world.ask(&mut client, turn % 2 == 0));
                }
                ids
            })
        });
        Crowd { clients: clients.collect(), world }
    }

    /// This version has been written.
    pub fn saved(&self, version: u64) {
        self.world.saved.store(version, Ordering::SeqCst);
    }

    /// Waits until at least one answer has come from this version.
    pub fn sees(&self, version: u64) {
        crate::support::until(&format!("version {version} answers"), || {
            self.world.seen.load(Ordering::SeqCst) >= version || !self.world.problems.lock().expect("nobody").is_empty()
        });
    }

    /// Waits until so many more requests have been sent.
    pub fn asks(&self, more: u64) {
        let enough = self.world.next.load(Ordering::SeqCst) + more;
        crate::support::until("more requests", || {
            self.world.next.load(Ordering::SeqCst) >= enough || !self.world.problems.lock().expect("nobody").is_empty()
        });
    }

    /// They finish what they have begun, and leave.
    pub fn end(self) -> Verdict {
        self.world.over.store(true, Ordering::SeqCst);
        let ids = self.clients.into_iter().flat_map(|client| client.join().expect("clients do not panic")).collect();
        let world = &self.world;
        let problems = world.problems.lock().expect("nobody panics").clone();
        let count = |number: &AtomicU64| number.load(Ordering::SeqCst);
        Verdict { ids, requests: count(&world.next), stale: count(&world.stale), problems }
    }
}
