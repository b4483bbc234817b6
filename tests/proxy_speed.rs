//! What a request costs beside a direct connection. Nothing is asserted about time: it prints, for
//! `cargo test --release --test proxy_speed -- --nocapture`. A test of the whole path all the same.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod proxy_support;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use devloop::proxy::Recording;
use proxy_support::{Stage, Wire, get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

const ROUNDS: usize = 5;
const ROUND: Duration = if cfg!(debug_assertions) { Duration::from_millis(30) } else { Duration::from_millis(1000) };

/// Answers every request head with 1 KiB, as cheaply as it can be done. Runs on a runtime of its own.
fn program() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let addr = listener.local_addr().expect("a bound socket");
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
    });
    addr
}

async fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n".to_vec(), vec![b'x'; 1024]].concat();
    let mut piece = vec![0; 8192];
    let mut filled = 0;
    while let Ok(count @ 1..) = stream.read(&mut piece[filled..]).await {
        filled += count;
        if piece[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

/// Requests a second, and the median time of one.
async fn measure(addr: SocketAddr, connections: usize) -> (f64, Duration) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    let started = Instant::now();
    for _ in 0..connections {
        let stop = Arc::clone(&stop);
        clients.spawn(async move {
            let mut wire = Wire::connect(addr).await;
            let request = get("/");
            let mut times = Vec::new();
            let mut piece = vec![0; 8192];
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                wire.stream.write_all(request.as_bytes()).await.expect("an open connection");
                let (mut read, mut wanted) = (0, usize::MAX);
                while read < wanted {
                    let count = wire.stream.read(&mut piece[read..]).await.expect("an answer");
                    assert!(count > 0);
                    read += count;
                    if let Some(end) = piece[..read].windows(4).position(|four| four == b"\r\n\r\n") {
                        wanted = end + 4 + 1024;
                    }
                }
                assert!(piece.starts_with(b"HTTP/1.1 200"));
                times.push(begun.elapsed());
            }
            times
        });
    }
    tokio::time::sleep(ROUND).await;
    stop.store(true, Ordering::Relaxed);
    let mut times: Vec<Duration> = clients.join_all().await.concat();
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort();
    (rate, times[times.len() / 2])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_through_the_proxy_beside_a_direct_one() {
    let addr = program();
    let stage = Stage::new().await;
    stage.open(addr);
    // As `[proxy] record` has it by default.
    let recording = Stage::with(|settings| settings.rules.recording = Recording { keep: 500, bodies: false }).await;
    recording.open(addr);
    for connections in [1, 32] {
        let (mut direct, mut through, mut recorded) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            direct.push(measure(addr, connections).await);
            through.push(measure(stage.addr, connections).await);
            recorded.push(measure(recording.addr, connections).await);
        }
        for (name, mut rounds) in [("direct", direct), ("through devloop", through), ("and recorded", recorded)] {
            rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (rate, median) = rounds[ROUNDS / 2];
            println!("{connections:>3} connections, {name:<16} {rate:>9.0} requests/s, median {median:?}");
        }
    }
    assert_eq!((stage.stats().refused, recording.stats().refused), (0, 0));
}
