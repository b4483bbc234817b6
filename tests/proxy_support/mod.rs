//! A proxy on a free port, programs behind it that speak raw bytes, and clients in front of it that do the same.
#![expect(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "every test file has its own copy and uses its part"
)]

use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use devloop::{
    control::Chronicle,
    core::gate::{Awaiting, Gate, Gates},
    model::{Report, Revision, RunId, Time, Traffic},
    plan::{Files, Globs, Listen, Protocol, Target},
    proxy::{Caller, Feeds, Heard, Limits, Proxy, Rules, ServiceRoute, Settings, Speaks, Told, WaitsFor},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// The one deadline of all waiting.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What the future gives, or a failed test.
pub async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("nothing happened for 30 s")
}

/// Waits until it is so.
pub async fn until(what: impl Fn() -> bool) {
    within(async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A proxy with its gates.
pub struct Stage {
    pub proxy: Proxy,
    pub addr: SocketAddr,
    pub status: watch::Sender<Arc<serde_json::Value>>,
    /// What programs have written.
    pub chronicle: Chronicle,
    /// What pages have written to their consoles.
    pub heard: Arc<Mutex<Vec<Heard>>>,
    /// What the proxy had to say so far.
    pub told: Arc<Mutex<Vec<Told>>>,
    /// What its programs speak.
    pub protocol: Protocol,
    gates: watch::Sender<Gates>,
    runs: AtomicU64,
}

pub fn settings() -> Settings {
    Settings {
        listen: Listen { host: Some("127.0.0.1".into()), port: 0, written: false },
        rules: rules(&["api"]),
        project: "demo".into(),
        token: "t0ken".into(),
        limits: Limits::default(),
    }
}

pub fn rules(services: &[&str]) -> Rules {
    let services = services.iter().map(|name| ServiceRoute { name: Arc::from(*name), has_port: true }).collect();
    Rules { hold: Duration::from_secs(30), services, ..Rules::default() }
}

/// What a route to this folder leads to; it is written as `public`.
pub fn files_in(folder: &Path, fallback: Option<&str>) -> Target {
    let (shown, fallback) = ("public".into(), fallback.map(str::to_owned));
    Target::Files(Files { folder: folder.to_owned(), shown, inside: Globs::below("public"), fallback })
}

impl Stage {
    pub async fn new() -> Stage {
        Stage::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> Stage {
        Stage::knowing(change, Arc::new(|_, _| Caller::Stranger)).await
    }

    pub async fn knowing(change: impl FnOnce(&mut Settings), waits_for: WaitsFor) -> Stage {
        let mut settings = settings();
        change(&mut settings);
        let gates = watch::Sender::new(Gates::default());
        let status = watch::Sender::new(Arc::new(serde_json::json!({ "ok": true })));
        let (chronicle, heard) = (Chronicle::default(), Arc::<Mutex<Vec<Heard>>>::default());
        let written = chronicle.clone();
        let hearing = Arc::clone(&heard);
        let hear = Arc::new(move |line| hearing.lock().unwrap().push(line));
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let listening = Arc::clone(&told);
        let tell = Arc::new(move |what| listening.lock().unwrap().push(what));
        let feeds = Feeds {
            gates: gates.subscribe(),
            status: status.subscribe(),
            look: None,
            written: Arc::new(move |number, most| written.since_the_save(number, most)),
            hear,
            tell,
            waits_for,
            since: Arc::new(|_| None),
            numbers: Arc::new(|_| "# EOF\n".to_owned()),
        };
        let proxy = Proxy::start(settings, feeds).await.expect("a free port on loopback");
        Stage {
            addr: proxy.addresses()[0],
            proxy,
            status,
            chronicle,
            heard,
            told,
            protocol: Protocol::Http,
            gates,
            runs: AtomicU64::new(1),
        }
    }

    /// The gate of a service from now on.
    pub fn gate_of(&self, service: &str, gate: Gate) {
        self.gates.send_modify(|gates| match gates.services.iter_mut().find(|(name, _)| &**name == service) {
            Some((_, old)) => *old = gate,
            None => gates.services.push((Arc::from(service), gate)),
        });
    }

    pub fn gate(&self, gate: Gate) {
        self.gate_of("api", gate);
    }

    /// A run that nobody had before, known to the proxy.
    pub fn add(&self, addr: SocketAddr) -> RunId {
        self.add_speaking(addr, self.protocol)
    }

    /// One that speaks something else.
    pub fn add_speaking(&self, addr: SocketAddr, speaks: impl Into<Speaks>) -> RunId {
        let run = RunId(self.runs.fetch_add(1, Ordering::SeqCst));
        self.proxy.add(run, vec![addr], speaks);
        run
    }

    /// Opens the gate to a program.
    pub fn open(&self, addr: SocketAddr) -> RunId {
        let run = self.add(addr);
        self.gate(open(run));
        run
    }

    pub fn stats(&self) -> Traffic {
        self.proxy.stats().services[0].clone()
    }

    /// Waits until so many are held.
    pub async fn held(&self, count: u64) {
        until(|| self.stats().held == count).await;
    }

    pub async fn connect(&self) -> Wire {
        Wire::connect(self.addr).await
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, request: &str) -> Reply {
        self.connect().await.ask(request).await
    }

    pub async fn get(&self, target: &str) -> Reply {
        self.ask(&get(target)).await
    }
}

pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

pub fn open(run: RunId) -> Gate {
    Gate::Open { run, revision: Revision(run.0), awaiting: None, stale: None }
}

pub fn awaiting(run: RunId) -> Gate {
    let awaiting = Awaiting { since: Time::ZERO, until: Time::ZERO, why: "main.go was saved".into() };
    Gate::Open { run, revision: Revision(run.0), awaiting: Some(awaiting), stale: None }
}

pub fn holding() -> Gate {
    Gate::Holding { why: "step `build`".into(), working: false }
}

pub fn working() -> Gate {
    Gate::Holding { why: "step `build`".into(), working: true }
}

pub fn failed(title: &str) -> Gate {
    Gate::Failed { report: Arc::new(Report::new(title)) }
}

/// One end of a connection with what was read too much.
pub struct Wire {
    pub stream: TcpStream,
    pub buffer: Vec<u8>,
}

/// A parsed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub start: String,
    /// In order, as written.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

/// What a client got.
pub type Reply = Message;

impl Message {
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or("")
    }

    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or("")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Whether a message with this head has a body although it says nothing about its length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    None,
    UntilEof,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Wire {
        stream.set_nodelay(true).expect("an open socket");
        Wire { stream, buffer: Vec::new() }
    }

    pub async fn connect(addr: SocketAddr) -> Wire {
        Wire::new(within(TcpStream::connect(addr)).await.expect("somebody listens"))
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.expect("the other side reads");
    }

    pub async fn ask(&mut self, request: &str) -> Reply {
        self.send(request).await;
        self.reply().await.expect("a complete answer")
    }

    /// The answer to anything but HEAD.
    pub async fn reply(&mut self) -> io::Result<Reply> {
        within(self.message(Rest::UntilEof)).await
    }

    /// The answer to HEAD.
    pub async fn head(&mut self) -> Reply {
        within(self.message_head()).await.expect("a head")
    }

    /// More bytes into the buffer; false at the end.
    pub async fn more(&mut self) -> io::Result<bool> {
        let mut piece = [0; 16 * 1024];
        let count = self.stream.read(&mut piece).await?;
        self.buffer.extend(&piece[..count]);
        Ok(count > 0)
    }

    /// Everything up to and with `end`.
    pub async fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Ok(self.buffer.drain(..at + end.len()).collect());
            }
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub async fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// Everything until the other side ends its direction.
    pub async fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.more().await? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// The data of all chunks to come, until the last one.
    pub async fn rest_of_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let line = self.until(b"\r\n").await?;
            let size = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            let chunk = self.exactly(size + 2).await?;
            if size == 0 {
                return Ok(data);
            }
            data.extend(&chunk[..size]);
        }
    }

    pub async fn message_head(&mut self) -> io::Result<Message> {
        let head = self.until(b"\r\n\r\n").await?;
        let head: String = head.iter().map(|byte| char::from(*byte)).collect();
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or("").to_owned();
        Ok(Message { start, headers: fields(lines), body: Vec::new(), trailers: Vec::new() })
    }

    pub async fn message(&mut self, rest: Rest) -> io::Result<Message> {
        let mut message = self.message_head().await?;
        let chunked = message.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
        let length = message.header("content-length").and_then(|length| length.parse().ok());
        let empty = matches!(message.status(), 100..200 | 204 | 304);
        match (chunked, length) {
            _ if empty => {}
            (true, _) => loop {
                let line = self.until(b"\r\n").await?;
                let size = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
                let size = usize::from_str_radix(size.split(';').next().unwrap_or(""), 16).map_err(io::Error::other)?;
                if size == 0 {
                    let mut lines = Vec::new();
                    loop {
                        let line = self.until(b"\r\n").await?;
                        if line == b"\r\n" {
                            break;
                        }
                        lines.push(String::from_utf8_lossy(&line[..line.len() - 2]).into_owned());
                    }
                    message.trailers = fields(lines.iter().map(String::as_str));
                    break;
                }
                message.body.extend(self.exactly(size).await?);
                self.exactly(2).await?;
            },
            (false, Some(length)) => message.body = self.exactly(length).await?,
            (false, None) if rest == Rest::UntilEof => message.body = self.rest().await?,
            (false, None) => {}
        }
        Ok(message)
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A program behind the proxy.
pub struct App {
    pub addr: SocketAddr,
    /// Start lines of all requests that were read completely, in order.
    pub seen: Arc<Mutex<Vec<Message>>>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
    accepting: JoinHandle<()>,
}

impl App {
    /// `talk` is run for each connection, with its number.
    pub async fn raw<F>(talk: impl Fn(Wire, usize) -> F + Send + Sync + 'static) -> App
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        App::on(listener, talk)
    }

    pub fn on<F>(listener: TcpListener, talk: impl Fn(Wire, usize) -> F + Send + Sync + 'static) -> App
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let addr = listener.local_addr().expect("a bound socket");
        let connections: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
        let kept = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let talking = tokio::spawn(talk(Wire::new(stream), number));
                kept.lock().unwrap().push(talking);
            }
        });
        App { addr, seen: Arc::default(), connections, accepting }
    }

    /// Answers each request with what `answer` makes of it; keeps connections alive.
    pub async fn http<F>(answer: impl Fn(Message) -> F + Send + Sync + 'static) -> App
    where
        F: Future<Output = Vec<u8>> + Send + 'static,
    {
        let seen: Arc<Mutex<Vec<Message>>> = Arc::default();
        let answer = Arc::new(answer);
        let log = Arc::clone(&seen);
        let mut app = App::raw(move |mut wire, _| {
            let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
            async move {
                while let Ok(request) = wire.message(Rest::None).await {
                    log.lock().unwrap().push(request.clone());
                    if wire.stream.write_all(&answer(request).await).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        app.seen = seen;
        app
    }

    /// Answers everything with its name.
    pub async fn named(name: &'static str) -> App {
        App::http(move |_| async move { ok(name) }).await
    }

    /// As if by `kill -9`: nothing is listened to any more, every connection is reset.
    pub fn kill(&self) {
        self.accepting.abort();
        self.connections.lock().unwrap().iter().for_each(JoinHandle::abort);
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    pub fn open_connections(&self) -> usize {
        self.connections.lock().unwrap().iter().filter(|talking| !talking.is_finished()).count()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
