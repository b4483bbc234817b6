//! Probing real programs on real sockets. The programs are this test binary, started once more in a role.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

mod app;

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

use app::*;
use devloop::{
    health::{Elsewhere, Front, Notify, Outcome, Rules, Socket, Target, ear, probe},
    model::{RunId, Scheme},
    plan::{Health, Port, Protocol},
};
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn};

/// Everything has this long.
const DEADLINE: Duration = Duration::from_secs(30);

fn target(port: Option<u16>, leader: u32) -> Target {
    let health = Health { path: None, status: Vec::new(), log: None, tcp: false, timeout: DEADLINE, interval: None };
    Target {
        run: RunId(1),
        rules: Rules { name: "api".into(), port: Port::Auto, protocol: Protocol::Http, health },
        port,
        leader,
        front: Front { host: "localhost:3000".to_owned(), scheme: Scheme::Http },
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
