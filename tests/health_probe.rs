//! Probing real programs on real sockets. The programs are this test binary, started once more in a role.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use devloop::{
    health::{Elsewhere, Notify, Outcome, Rules, Socket, Target, ear, probe},
    model::RunId,
    plan::{Health, Port, Protocol},
};
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Everything has this long.
const DEADLINE: Duration = Duration::from_secs(30);

/// A program in one of the roles below, on a port of its own. Ends with its test.
struct App {
    child: Child,
    port: u16,
}

impl App {
    fn start(role: &str) -> App {
        App::start_with(role, |_| {})
    }

    fn start_with(role: &str, change: impl FnOnce(&mut Command)) -> App {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "app", "--nocapture", "--test-threads=1"]).env("APP_ROLE", role);
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

    fn target(&self) -> Target {
        target(Some(self.port), self.child.id())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn target(port: Option<u16>, leader: u32) -> Target {
    let health = Health { path: None, status: Vec::new(), log: None, tcp: false, timeout: DEADLINE, interval: None };
    Target {
        run: RunId(1),
        rules: Rules { name: "api".into(), port: Port::Auto, protocol: Protocol::Http, health },
        port,
        leader,
        public_host: "localhost:3000".to_owned(),
        proxy_ports: Vec::new(),
        elsewhere: Elsewhere::Sought,
        socket: Socket::Own,
        tls: None,
        heard: None,
        notify: None,
        seen: Box::new(|_| {}),
    }
}

/// Everything the probe says that it sees.
fn listen(target: &mut Target) -> Arc<Mutex<Vec<String>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let kept = all.clone();
    target.seen = Box::new(move |seen| kept.lock().unwrap().push(seen));
    all
}

async fn outcome(target: Target) -> Outcome {
    tokio::time::timeout(DEADLINE, probe(target)).await.expect("an outcome")
}

#[track_caller]
fn warning(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Ready { warning, .. } => warning,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn title(outcome: Outcome) -> String {
    match outcome {
        Outcome::Unhealthy(report) => report.title,
        other => panic!("{other:?}"),
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

fn say(port: u16) {
    println!("port={port}");
    std::io::stdout().flush().unwrap();
}

fn listen_on(addr: &str) -> TcpListener {
    TcpListener::bind(addr).unwrap()
}

/// A port that nobody else gets, and that refuses connections until somebody listens.
struct Reserved {
    socket: OwnedFd,
    port: u16,
}

impl Reserved {
    fn new() -> Reserved {
        let socket = socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap();
        socket::bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        let addr: SockaddrIn = socket::getsockname(socket.as_raw_fd()).unwrap();
        Reserved { socket, port: addr.port() }
    }

    fn listen(self) -> TcpListener {
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

fn serve(listener: &TcpListener, role: &str) {
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
fn request(stream: &mut TcpStream) -> Option<String> {
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

fn answer(stream: &mut TcpStream, role: &str, request: &str, count: u32) {
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

#[tokio::test]
async fn a_program_that_answers_is_ready_at_its_address() {
    let app = App::start("plain");
    let ready = outcome(app.target()).await;
    let addr = format!("127.0.0.1:{}", app.port).parse().unwrap();
    assert_eq!(ready, Outcome::Ready { addrs: vec![addr], warning: None, exclusive: false });
}

#[tokio::test]
async fn a_program_that_listens_on_ipv6_only_is_found_there() {
    let app = App::start("v6");
    let ready = outcome(app.target()).await;
    let addr = format!("[::1]:{}", app.port).parse().unwrap();
    assert_eq!(ready, Outcome::Ready { addrs: vec![addr], warning: None, exclusive: false });
}

#[tokio::test]
async fn the_request_says_who_asks_and_carries_the_public_host() {
    let app = App::start("echo");
    let mut target = app.target();
    target.rules.health.path = Some("/x".to_owned());
    assert_eq!(warning(outcome(target).await), None);
}

#[tokio::test]
async fn a_program_that_listens_late_is_waited_for_and_that_is_said() {
    let app = App::start("late");
    let mut target = app.target();
    let seen = listen(&mut target);
    assert_eq!(warning(outcome(target).await), None);
    assert_eq!(seen.lock().unwrap()[0], format!("connection refused on port {}", app.port));
}

#[tokio::test]
async fn a_program_that_warms_up_is_ready_once_it_says_so() {
    let app = App::start("warms up");
    let mut target = app.target();
    target.rules.health.path = Some("/health".to_owned());
    let seen = listen(&mut target);
    assert_eq!(warning(outcome(target).await), None);
    assert!(seen.lock().unwrap().contains(&"`GET /health` answers 503".to_owned()));
}

#[tokio::test]
async fn a_program_that_answers_500_goes_live_and_that_is_said() {
    let app = App::start("500");
    assert_eq!(warning(outcome(app.target()).await).as_deref(), Some("`GET /` answers 500"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let app = App::start("redirects");
    assert!(warning(outcome(app.target()).await).unwrap().contains("https://localhost/"));
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_waited_for() {
    let app = App::start("slow");
    assert_eq!(warning(outcome(app.target()).await), None);
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_and_never_asked_for_twice() {
    let app = App::start("counts");
    let mut target = app.target();
    target.rules.health.path = Some("/health".to_owned());
    assert_eq!(warning(outcome(target).await), None);
}

#[tokio::test]
async fn a_wrong_health_path_is_named() {
    let app = App::start("only root");
    let mut target = app.target();
    target.rules.health.path = Some("/healthz".to_owned());
    assert_eq!(title(outcome(target).await), "`/healthz` answers 404 while `GET /` answers 200: is `health` wrong?");
}

#[tokio::test]
async fn what_does_not_speak_http_is_named_and_passes_with_tcp() {
    for role in ["garbage", "talks first"] {
        let app = App::start(role);
        let wanted = format!("port {} answers, but not HTTP: set `health = {{ tcp = true }}`", app.port);
        assert_eq!(title(outcome(app.target()).await), wanted);
        let mut target = app.target();
        target.rules.health.tcp = true;
        assert_eq!(warning(outcome(target).await), None);
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_waited_for_until_the_caller_gives_up() {
    let app = App::start("silent");
    let mut target = app.target();
    let (told, mut said) = tokio::sync::mpsc::unbounded_channel();
    target.seen = Box::new(move |seen| {
        let _ = told.send(seen);
    });
    let probing = tokio::spawn(probe(target));
    let wanted = format!("port {} accepts connections, `GET /` is not answered yet", app.port);
    let waiting = async { while said.recv().await.expect("the probe goes on") != wanted {} };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap();
    assert!(!probing.is_finished());
    probing.abort();
    assert!(probing.await.unwrap_err().is_cancelled());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_program_on_the_port_is_named_with_its_pid() {
    let (app, other) = (App::start("idle"), App::start("plain"));
    let title = title(outcome(target(Some(other.port), app.child.id())).await);
    let pid = other.child.id();
    assert!(title.starts_with(&format!("port {} is answered by another program: pid {pid} `", other.port)), "{title}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_that_ignores_its_port_is_used_where_it_listens() {
    let app = App::start("elsewhere");
    let reserved = Reserved::new();
    let ready = outcome(target(Some(reserved.port), app.child.id())).await;
    let Outcome::Ready { addrs, warning, exclusive: true } = ready else { panic!("{ready:?}") };
    assert_eq!(addrs, [format!("127.0.0.1:{}", app.port).parse().unwrap()]);
    assert!(warning.unwrap().contains(&format!("`port = {}`", app.port)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_second_port_is_no_substitute_if_it_does_not_answer_as_configured() {
    let app = App::start("metrics first");
    let mut target = app.target();
    target.rules.health.path = Some("/health".to_owned());
    let ready = outcome(target).await;
    let addr = format!("127.0.0.1:{}", app.port).parse().unwrap();
    assert_eq!(ready, Outcome::Ready { addrs: vec![addr], warning: None, exclusive: false });
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_proxys_own_ports_are_never_taken_for_the_instance() {
    let app = App::start("elsewhere");
    let reserved = Reserved::new();
    let mut target = target(Some(reserved.port), app.child.id());
    target.proxy_ports = vec![app.port];
    let seen = listen(&mut target);
    // longer than it takes to find a program elsewhere: it was not
    let found = tokio::time::timeout(Duration::from_secs(3), probe(target)).await;
    assert!(found.is_err(), "{found:?}");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_port_it_is_enough_to_live() {
    let ready = outcome(target(None, std::process::id())).await;
    assert_eq!(ready, Outcome::Ready { addrs: Vec::new(), warning: None, exclusive: false });
}

#[tokio::test]
async fn a_log_line_is_waited_for_beside_the_port() {
    let app = App::start("plain");
    let mut target = app.target();
    target.rules.health.log = Some("listening".to_owned());
    let (ear, heard) = ear("listening");
    target.heard = Some(heard);
    let (told, mut said) = tokio::sync::mpsc::unbounded_channel();
    target.seen = Box::new(move |seen| {
        let _ = told.send(seen);
    });
    let probing = tokio::spawn(probe(target));
    let waiting =
        async { while said.recv().await.expect("the probe goes on") != "waiting for a line with `listening`" {} };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap();
    ear.hear("12:00 starting");
    assert!(!probing.is_finished());
    ear.hear("12:01 listening on :3000");
    assert_eq!(warning(tokio::time::timeout(DEADLINE, probing).await.unwrap().unwrap()), None);
}

#[tokio::test]
async fn on_a_socket_that_devloop_holds_only_an_answer_or_a_signal_counts() {
    // nobody accepts here: connections wait in the queue
    let held = listen_on("127.0.0.1:0");
    let port = held.local_addr().unwrap().port();
    let notify = Notify::bind().unwrap();
    let address = notify.address().clone();
    let mut target = target(Some(port), std::process::id());
    target.socket = Socket::Handed;
    target.notify = Some(notify);
    let probing = tokio::spawn(probe(target));
    let (_connection, _) = tokio::task::spawn_blocking(move || held.accept().unwrap()).await.unwrap();
    assert!(!probing.is_finished());
    let _app = tokio::task::spawn_blocking(move || {
        App::start_with("handed", |command| {
            command.env("NOTIFY_SOCKET", address).env("APP_PORT", port.to_string());
        })
    })
    .await
    .unwrap();
    assert_eq!(warning(tokio::time::timeout(DEADLINE, probing).await.unwrap().unwrap()), None);
}

#[tokio::test]
async fn a_program_of_http_2_is_asked_in_http_2() {
    let app = App::start("http2");
    let mut target = app.target();
    target.rules.protocol = Protocol::H2c;
    assert_eq!(warning(outcome(target).await), None);
    let mut target = app.target();
    target.rules.protocol = Protocol::H2c;
    target.rules.health.path = Some("/health".into());
    assert_eq!(warning(outcome(target).await), None);
    let mut target = app.target();
    target.rules.protocol = Protocol::H2c;
    target.rules.health.path = Some("/wrong".into());
    let wrong = "`/wrong` answers 404, and so does `GET /`: is `health` wrong?";
    assert_eq!(title(outcome(target).await), wrong);
}

#[tokio::test]
async fn a_program_of_http_2_that_nobody_expected_goes_live_and_is_told() {
    let app = App::start("http2");
    let told = warning(outcome(app.target()).await).unwrap();
    assert_eq!(told, format!("port {} answers only in HTTP/2: write `protocol = \"h2c\"`", app.port));
    let mut target = app.target();
    target.rules.health.path = Some("/health".into());
    assert_eq!(title(outcome(target).await), format!("port {} answers, but only in HTTP/2", app.port));
}

#[tokio::test]
async fn a_program_of_http_1_is_not_taken_for_one_of_http_2() {
    let app = App::start("200");
    let mut target = app.target();
    target.rules.protocol = Protocol::H2c;
    assert_eq!(title(outcome(target).await), format!("port {} answers, but not in HTTP/2 without TLS", app.port));
}
