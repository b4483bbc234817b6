//! What the proxy costs: requests per second and latency of answers of 1 KiB, straight from the program, through
//! devloop, and through every other proxy that is installed, all of them in front of the same program.
//!
//! `BENCH_ROUNDS` (9) rounds of `BENCH_SECONDS` (1) each; in every round everybody has a turn, in another order, and
//! ratios are of the same round.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::{
    by_hand::{Running, free_port},
    client::{Client, head_of, until_it_answers},
    devloop::Devloop,
    installed, ms, number,
    project::{Kind, Project},
    stats::Sample,
    table::Table,
};

const CONNECTIONS: [usize; 3] = [1, 32, 256];

/// Somebody to be asked.
struct Contender {
    name: &'static str,
    addr: SocketAddr,
}

/// One turn of a contender.
#[derive(Clone, Copy)]
struct Turn {
    per_second: f64,
    /// Microseconds.
    median: f64,
    p99: f64,
}

pub fn run() {
    let project = Project::new(Kind::Script, "env = { BENCH_BYTES = \"1024\" }\n");
    let mut devloop = Devloop::start(&project);
    let through = devloop.address();
    let port = devloop.event("probing")["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
    let direct = SocketAddr::from(([127, 0, 0, 1], port));
    devloop.event("at_rest");
    let mut contenders = vec![Contender { name: "direct", addr: direct }, Contender { name: "devloop", addr: through }];
    let others = others(&project, direct);
    contenders.extend(others.iter().map(|(name, addr, _)| Contender { name, addr: *addr }));
    for contender in &contenders {
        until_it_answers(contender.addr, "first");
    }
    for connections in CONNECTIONS {
        measure(&contenders, connections);
    }
    drop(others);
    devloop.stop();
}

fn measure(contenders: &[Contender], connections: usize) {
    let rounds = number("BENCH_ROUNDS", 9);
    let time = Duration::from_secs_f64(number("BENCH_SECONDS", 1) as f64);
    let mut turns: Vec<Vec<Turn>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let who = (round + turn) % contenders.len();
            let addr = contenders[who].addr;
            turns[who].push(match connections {
                1 => alone(addr, time),
                _ => together(addr, connections, time),
            });
        }
    }
    let plural = if connections == 1 { "" } else { "s" };
    println!("{connections} connection{plural}, {rounds} rounds of {} s", time.as_secs());
    let reference = contenders.iter().position(|contender| contender.name == "haproxy");
    let mut columns = vec!["", "requests/s", "median µs", "p99 µs", "added to the median, µs", "requests/s of direct"];
    if reference.is_some() {
        columns.push("of haproxy");
    }
    let mut table = Table::new(&columns);
    for (contender, mine) in contenders.iter().zip(&turns) {
        let of = |value: &dyn Fn(&Turn) -> f64| Sample::of(mine.iter().map(value)).median();
        let against = |theirs: &[Turn], value: &dyn Fn(&Turn, &Turn) -> f64| {
            Sample::of(mine.iter().zip(theirs).map(|(mine, theirs)| value(mine, theirs))).median()
        };
        let share = |mine: &Turn, theirs: &Turn| mine.per_second / theirs.per_second;
        let mut cells = vec![
            contender.name.to_owned(),
            format!("{:.0}", of(&|turn| turn.per_second)),
            format!("{:.0}", of(&|turn| turn.median)),
            format!("{:.0}", of(&|turn| turn.p99)),
            format!("{:.0}", against(&turns[0], &|mine, theirs| mine.median - theirs.median)),
            format!("{:.2}", against(&turns[0], &share)),
        ];
        if let Some(reference) = reference {
            cells.push(format!("{:.2}", against(&turns[reference], &share)));
        }
        table.row(&cells);
    }
    table.done(&format!("proxy_{connections}"));
}

/// One connection, blocking: nothing of the client's own stands between two requests.
fn alone(addr: SocketAddr, time: Duration) -> Turn {
    let mut client = Client::new(addr);
    let mut latencies = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < time {
        let sent = Instant::now();
        client.get().expect("it answers");
        latencies.push(sent.elapsed());
    }
    turn(latencies, begin.elapsed())
}

/// Many connections, each with one request at a time, on one thread.
fn together(addr: SocketAddr, connections: usize, time: Duration) -> Turn {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begin = Instant::now();
    let all = runtime.block_on(async {
        let clients: Vec<_> = (0..connections).map(|_| tokio::spawn(connection(addr, begin + time))).collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.await.expect("nobody panics"));
        }
        all
    });
    turn(all, begin.elapsed())
}

async fn connection(addr: SocketAddr, end: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(addr).await.expect("it accepts");
    stream.set_nodelay(true).expect("a socket");
    let mut latencies = Vec::new();
    let mut bytes = vec![0; 8 * 1024];
    while Instant::now() < end {
        let sent = Instant::now();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("it listens");
        let (mut read, mut whole) = (0, usize::MAX);
        while read < whole {
            let count = stream.read(&mut bytes[read..]).await.expect("it answers");
            assert!(count > 0, "the connection was closed");
            read += count;
            if whole == usize::MAX
                && let Some((head, length)) = head_of(&bytes[..read])
            {
                assert!(bytes.starts_with(b"HTTP/1.1 200"), "an error");
                whole = head + length;
            }
        }
        latencies.push(sent.elapsed());
    }
    latencies
}

fn turn(latencies: Vec<Duration>, time: Duration) -> Turn {
    let count = latencies.len() as f64;
    let sample = Sample::of(latencies.into_iter().map(|latency| ms(latency) * 1000.0));
    Turn { per_second: count / time.as_secs_f64(), median: sample.median(), p99: sample.quantile(0.99) }
}

/// The other proxies, with the settings that their handbooks give for this: kept connections on both sides, no log.
fn others(project: &Project, to: SocketAddr) -> Vec<(&'static str, SocketAddr, Running)> {
    let root = project.root();
    let folder = root.display();
    type Config = fn(SocketAddr, SocketAddr, &str) -> String;
    let configs: [(&str, Config, &[&str]); 3] = [
        ("haproxy", haproxy, &["-db", "-q", "-f", "FILE"]),
        ("nginx", nginx, &["-c", "FILE", "-e", "stderr"]),
        ("caddy", caddy, &["run", "--adapter", "caddyfile", "--config", "FILE"]),
    ];
    let started = configs.into_iter().filter_map(|(name, config, words)| {
        let program = installed(name)?;
        let addr = free_port();
        let file = format!("node_modules/{name}.conf");
        project.write(&file, &config(addr, to, &folder.to_string()));
        let file = project.path(&file);
        let words = words.iter().map(|word| if *word == "FILE" { file.as_os_str() } else { word.as_ref() });
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("XDG_DATA_HOME", root.join("node_modules")).env("XDG_CONFIG_HOME", root.join("node_modules"));
        let child = command.spawn().expect("it is installed");
        Some((name, addr, Running(child)))
    });
    let started: Vec<_> = started.collect();
    thread::sleep(Duration::from_millis(100));
    started
}

fn haproxy(at: SocketAddr, to: SocketAddr, _: &str) -> String {
    format!(
        "global\n  maxconn 4096\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         option http-keep-alive\nfrontend front\n  bind {at}\n  default_backend back\nbackend back\n  server one {to}\n"
    )
}

fn nginx(at: SocketAddr, to: SocketAddr, folder: &str) -> String {
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/node_modules/nginx.pid;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  client_body_temp_path {folder}/node_modules/b;\n  \
         proxy_temp_path {folder}/node_modules/p;\n  fastcgi_temp_path {folder}/node_modules/f;\n  \
         uwsgi_temp_path {folder}/node_modules/u;\n  scgi_temp_path {folder}/node_modules/s;\n  \
         upstream back {{ server {to}; keepalive 512; keepalive_requests 1000000000; }}\n  \
         server {{\n    listen {at};\n    location / {{\n      proxy_pass http://back;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
    )
}

fn caddy(at: SocketAddr, to: SocketAddr, _: &str) -> String {
    let port = at.port();
    format!("{{\n  admin off\n  auto_https off\n}}\nhttp://:{port} {{\n  bind 127.0.0.1\n  reverse_proxy {to}\n}}\n")
}
