//! A program in one of many roles: good ones, slow ones, and ones that something is wrong with.

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A program in one of the roles below, on a port of its own. Ends with its test.
pub(super) struct App {
    pub(super) child: Child,
    pub(super) port: u16,
}

impl App {
    pub(super) fn start(role: &str) -> App {
        App::start_with(role, |_| {})
    }

    pub(super) fn start_with(role: &str, change: impl FnOnce(&mut Command)) -> App {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "app::app", "--nocapture", "--test-threads=1"]).env("APP_ROLE", role);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // the test harness may write the name of the test in front of it
        let port = lines
            .find_map(|line| line.unwrap().split("port=").nth(1).and_then(|port| port.parse().ok()))
            .expect("the program says its port");
        App { child, port }
    }

    pub(super) fn target(&self) -> Target {
        target(Some(self.port), self.child.id())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test: the program. Listens on a free port (or the one in `APP_PORT`) and says so.
#[test]
fn app() {
    let Ok(role) = std::env::var("APP_ROLE") else { return };
    thread::spawn(|| {
        // whoever started it is gone, however that happened
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    match role.as_str() {
        "idle" => say(0),
        "late" => {
            let reserved = Reserved::new();
            say(reserved.port);
            thread::sleep(Duration::from_millis(300));
            serve(&reserved.listen(), &role);
        }
        "elsewhere" => {
            let elsewhere = listen_on("127.0.0.1:0");
            say(elsewhere.local_addr().unwrap().port());
            serve(&elsewhere, &role);
        }
        "metrics first" => {
            // a second port that answers, but not at the configured path; the right one comes much later
            let reserved = Reserved::new();
            let metrics = listen_on("127.0.0.1:0");
            say(reserved.port);
            thread::spawn(move || serve(&metrics, "404"));
            thread::sleep(Duration::from_secs(3));
            serve(&reserved.listen(), "healthy path");
        }
        "v6" => {
            let listener = listen_on("[::1]:0");
            say(listener.local_addr().unwrap().port());
            serve(&listener, &role);
        }
        "http2" => {
            let listener = listen_on("127.0.0.1:0");
            say(listener.local_addr().unwrap().port());
            serve_http2(listener);
        }
        "handed" => {
            let socket = std::env::var("NOTIFY_SOCKET").unwrap();
            say(std::env::var("APP_PORT").unwrap().parse().unwrap());
            notify(&socket);
        }
        _ => {
            let listener = listen_on("127.0.0.1:0");
            say(listener.local_addr().unwrap().port());
            serve(&listener, &role);
        }
    }
    loop {
        thread::park();
    }
}

/// HTTP/2 and nothing else: 404 everywhere but at `/health`.
fn serve_http2(listener: TcpListener) {
    listener.set_nonblocking(true).unwrap();
    let answer = |request: hyper::Request<hyper::body::Incoming>| async move {
        let mut response = hyper::Response::new(http_body_util::Empty::<bytes::Bytes>::new());
        *response.status_mut() = if request.uri().path() == "/health" { 204 } else { 404 }.try_into().unwrap();
        Ok::<_, std::convert::Infallible>(response)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let builder = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(builder.serve_connection(io, hyper::service::service_fn(answer)));
        }
    });
}

pub(super) fn say(port: u16) {
    println!("port={port}");
    std::io::stdout().flush().unwrap();
}

pub(super) fn listen_on(addr: &str) -> TcpListener {
    TcpListener::bind(addr).unwrap()
}

/// A port that nobody else gets, and that refuses connections until somebody listens.
pub(super) struct Reserved {
    socket: OwnedFd,
    pub(super) port: u16,
}

impl Reserved {
    pub(super) fn new() -> Reserved {
        let socket = socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap();
        socket::bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        let addr: SockaddrIn = socket::getsockname(socket.as_raw_fd()).unwrap();
        Reserved { socket, port: addr.port() }
    }

    pub(super) fn listen(self) -> TcpListener {
        socket::listen(&self.socket, Backlog::new(16).unwrap()).unwrap();
        TcpListener::from(self.socket)
    }
}

#[cfg(target_os = "linux")]
fn notify(socket: &str) {
    use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    let addr = SocketAddr::from_abstract_name(socket.strip_prefix('@').unwrap()).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to_addr(b"STATUS=warming up", &addr).unwrap();
    sender.send_to_addr(b"STATUS=up\nREADY=1", &addr).unwrap();
}

#[cfg(not(target_os = "linux"))]
fn notify(socket: &str) {
    UnixDatagram::unbound().unwrap().send_to(b"READY=1", socket).unwrap();
}

pub(super) fn serve(listener: &TcpListener, role: &str) {
    let mut count = 0;
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        if role == "talks first" {
            let _ = stream.write_all(b"220 mail.example ready\r\n");
            let _ = stream.read(&mut [0; 64]);
            continue;
        }
        if role == "silent" {
            std::mem::forget(stream);
            continue;
        }
        let Some(request) = request(&mut stream) else { continue };
        count += 1;
        answer(&mut stream, role, &request, count);
    }
}

/// The head, or none if the other side only looked whether somebody listens.
pub(super) fn request(stream: &mut TcpStream) -> Option<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = line.ok()?;
        if line.is_empty() {
            return Some(lines.join("\n"));
        }
        lines.push(line);
    }
    None
}

pub(super) fn answer(stream: &mut TcpStream, role: &str, request: &str, count: u32) {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let status = |code: u16| format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\n\r\n");
    let answer = match role {
        "warms up" if count < 5 => status(503),
        "500" => status(500),
        "404" => status(404),
        "healthy path" if path != "/health" => status(404),
        "only root" if path != "/" => status(404),
        "redirects" => "HTTP/1.1 301 Moved\r\nlocation: https://localhost/\r\n\r\n".to_owned(),
        "garbage" => "\0\0\u{12}\u{4}garbage".to_owned(),
        "closes" => String::new(),
        "echo" if !request.contains("host: localhost:3000") => status(421),
        "echo" if !request.contains("user-agent: devloop-probe\naccept: */*\nconnection: close") => status(418),
        "slow" => {
            for byte in OK.as_bytes() {
                stream.write_all(&[*byte]).unwrap();
                thread::sleep(Duration::from_millis(10));
            }
            return;
        }
        "counts" => {
            // slow at first: a probe that asks again instead of waiting would be counted
            thread::sleep(Duration::from_millis(700));
            status(if count == 1 { 200 } else { 500 })
        }
        _ => OK.to_owned(),
    };
    let _ = stream.write_all(answer.as_bytes());
}
