//! What held requests cost: the memory that `BENCH_HELD` (1,024) of them add while a build runs, with and without a
//! body, and whether all of them are answered then.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::support::{
    DEADLINE, devloop::Devloop, ms, number, process::status, program, project::Project, table::Table,
};

/// A body that no socket takes in by itself.
const BODY: usize = 256 * 1024;

/// A client's thread needs little.
const STACK: usize = 128 * 1024;

pub fn run() {
    let held = number("BENCH_HELD", 1024);
    // Each of them is a file here and one there; devloop inherits the limit.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    _ = setrlimit(Resource::RLIMIT_NOFILE, most.min(65_536), most);
    println!("{held} held requests");
    let columns = ["", "memory before, MiB", "added, MiB", "KiB for each", "answered", "all of them after, ms"];
    let mut table = Table::new(&columns);
    let get = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned();
    let post = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {BODY}\r\n\r\n");
    for (name, request) in [("GET", get), ("POST of 256 KiB, not sent yet", post)] {
        table.row(&measure(name, &request, held));
    }
    table.done("held");
}

fn measure(name: &str, request: &str, held: usize) -> Vec<String> {
    let project = Project::empty();
    let step = "[[step]]\nname = \"build\"\nrun = \"until [ -e go ]; do sleep 0.02; done\"\ninputs = [\"none\"]\n\n";
    project.write("dev.toml", &format!("{step}{}", program::server("")));
    let mut devloop = Devloop::start(&project);
    let addr = devloop.address();
    devloop.event("step_started");
    // One that has gone through everything once is no part of what the others cost.
    _ = waiting(addr);
    std::thread::sleep(Duration::from_secs(1));
    let before = status(devloop.pid(), "VmRSS");
    let mut clients: Vec<TcpStream> = (0..held).map(|_| ask(addr, request)).collect();
    let end = Instant::now() + DEADLINE;
    while waiting(addr) < held {
        assert!(Instant::now() < end, "only {} of {held} are held", waiting(addr));
        std::thread::sleep(Duration::from_millis(10));
    }
    let added = status(devloop.pid(), "VmRSS") - before;
    project.write("go", "");
    devloop.event("live");
    let begin = Instant::now();
    let is_post = request.starts_with("POST");
    let body = if is_post { BODY } else { 0 };
    // Each client sends its body as soon as it can, as programs do that know nothing of each other.
    let answered = std::thread::scope(|scope| {
        let each = |client| {
            let asks = move || is_answered(client, body);
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, asks).expect("a thread")
        };
        let all: Vec<_> = clients.iter_mut().map(each).collect();
        all.into_iter().filter_map(|client| client.join().ok()).filter(|good| *good).count()
    });
    let took = begin.elapsed();
    devloop.stop();
    vec![
        name.to_owned(),
        format!("{:.1}", before / 1024.0),
        format!("{:.1}", added / 1024.0),
        format!("{:.1}", added / held as f64),
        format!("{answered} of {held}"),
        format!("{:.0}", ms(took)),
    ]
}

fn ask(addr: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("it accepts");
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
    stream.write_all(request.as_bytes()).expect("it listens");
    stream
}

fn is_answered(client: &mut TcpStream, body: usize) -> bool {
    let mut line = String::new();
    client.write_all(&vec![b'x'; body]).is_ok()
        && BufReader::new(client).read_line(&mut line).is_ok()
        && line.starts_with("HTTP/1.1 200")
}

/// How many wait at the gate, as devloop itself says.
fn waiting(addr: SocketAddr) -> usize {
    let stream = ask(addr, "GET /.devloop/metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut held = lines.filter(|line| line.starts_with("devloop_requests_held{"));
    held.next().and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}
