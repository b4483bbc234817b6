//! What else the app of the tests can do (see `app.rs`), told by more words in `APP`.
//!
//! At its start: `flood=N` prints that many lines, `colour` a red one,
//! `tty` says whether it writes to a terminal, `lock=FILE` ends if another process holds the lock of that file,
//! `forks=FILE` leaves children behind that ignore SIGTERM, one in its own session, and appends their ids and its own,
//! `never` never listens, `also=PORT` wants that port, too, `notify=MS` says `READY=1` that much later on
//! `NOTIFY_SOCKET`.
//!
//! Later: `only=/PATH` answers 404 for every other path but `/`, `cold=FILE` answers 503 as long as that file is there,
//! `shuts` closes each connection after one answer without saying so beforehand. `/sse` and `/drip` send the version
//! again and again, `/ws` echoes frames, `/print?TEXT` prints that, `_` for a line end, `/digest` tells the length and
//! sum of the body, `/call?ADDRESS/PATH` passes on what is answered there, `/env?NAME` tells a variable, `/hang` never
//! answers, `/pid` tells the process.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixDatagram,
    process::Command,
    sync::OnceLock,
    thread,
    time::Duration,
};

use super::app::{millis, word};
use crate::support;

/// Things that live as long as the program.
static HELD: OnceLock<(Option<File>, Option<TcpListener>)> = OnceLock::new();

fn version() -> String {
    std::env::var("VERSION").unwrap_or_default()
}

/// Before the program listens.
pub fn begin() {
    if let Some(file) = word("forks") {
        for session in ["", "setsid "] {
            let script =
                format!("trap '' TERM HUP INT; {session}sh -c 'echo $$ >> {file}; while :; do sleep 1000; done' &");
            Command::new("sh").arg("-c").arg(script).status().expect("sh is there");
        }
        let own = format!("{}\n", std::process::id());
        File::options()
            .create(true)
            .append(true)
            .open(&file)
            .and_then(|mut file| file.write_all(own.as_bytes()))
            .expect("written");
        support::until("the children have told their ids", || {
            std::fs::read_to_string(&file).unwrap_or_default().lines().count() >= 3
        });
    }
    let lock = word("lock").map(|path| {
        let file = File::options().create(true).append(true).open(path).expect("the lock file opens");
        if file.try_lock().is_err() {
            die("Error: SqliteError: database is locked");
        }
        file
    });
    let also = word("also").map(|port| match TcpListener::bind(format!("127.0.0.1:{port}")) {
        Ok(listener) => listener,
        Err(error) => die(&format!("metrics: listen tcp 127.0.0.1:{port}: bind: {error}")),
    });
    _ = HELD.set((lock, also));
    if word("tty").is_some() {
        println!("a terminal: {}", std::io::IsTerminal::is_terminal(&std::io::stdout()));
    }
    if word("colour").is_some() {
        println!("\x1b[31mred\x1b[0m");
    }
    if let Some(count) = word("flood") {
        flood(count.parse().expect("a number"));
    }
    if let Some(time) = word("notify") {
        let name = std::env::var("NOTIFY_SOCKET").expect("devloop gives a socket");
        thread::spawn(move || {
            thread::sleep(millis(&time));
            notify(&name);
        });
    }
    if word("never").is_some() {
        loop {
            thread::park();
        }
    }
}

fn die(text: &str) -> ! {
    eprintln!("{text}");
    std::process::exit(1)
}

#[cfg(target_os = "linux")]
fn notify(name: &str) {
    use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    let socket = UnixDatagram::unbound().expect("a socket");
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    };
    socket.send_to_addr(b"READY=1\n", &address.expect("an address")).expect("somebody listens");
}

#[cfg(not(target_os = "linux"))]
fn notify(name: &str) {
    UnixDatagram::unbound().expect("a socket").send_to(b"READY=1\n", name).expect("somebody listens");
}

/// Prints so many lines as quickly as it can.
pub fn flood(count: usize) {
    let mut stdout = std::io::stdout().lock();
    for number in 0..count {
        writeln!(stdout, "line {number} of a flood that goes on and on and on").expect("stdout is open");
    }
}

/// A sum of bytes that notices swapped ones.
pub fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}

/// What came of a request.
pub enum Done {
    /// Nothing special about it.
    Ordinary,
    /// It was answered with this status and text.
    Answer(&'static str, String),
    /// The connection is over.
    Over,
}

/// Answers special requests.
pub fn answer(target: &str, body: &[u8], stream: &TcpStream) -> Done {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if word("cold").is_some_and(|file| std::path::Path::new(&file).exists()) {
        return Done::Answer("503 Cold", "cold\n".to_owned());
    }
    match path {
        "/sse" => over(pieces("text/event-stream", stream)),
        "/drip" => over(pieces("text/plain", stream)),
        "/ws" => over(web_socket(stream)),
        "/digest" => Done::Answer("200 OK", format!("{} {} {}\n", version(), body.len(), sum(body))),
        "/call" => match support::request(
            query.split('/').next().unwrap_or_default(),
            &format!(
                "GET /{} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
                query.split_once('/').map_or("", |(_, path)| path)
            ),
        ) {
            Some(answer) => Done::Answer("200 OK", format!("{} {}", answer.status, answer.body)),
            None => Done::Answer("502 Nothing", "nothing came\n".to_owned()),
        },
        "/env" => Done::Answer("200 OK", std::env::var(query).unwrap_or_default()),
        "/pid" => Done::Answer("200 OK", std::process::id().to_string()),
        "/print" => {
            let mut stdout = std::io::stdout().lock();
            stdout
                .write_all(query.replace('_', "\n").as_bytes())
                .and_then(|()| stdout.flush())
                .expect("stdout is open");
            Done::Answer("200 OK", version())
        }
        "/flood" => {
            flood(query.parse().expect("a number"));
            Done::Answer("200 OK", version())
        }
        "/hang" => loop {
            thread::park();
        },
        other => match word("only") {
            Some(only) if only != other && other != "/" => Done::Answer("404 Not Found", "no such page\n".to_owned()),
            _ => Done::Ordinary,
        },
    }
}

fn over(_: std::io::Result<()>) -> Done {
    Done::Over
}

fn pieces(kind: &str, mut stream: &TcpStream) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    loop {
        let event = format!("data: {}\n\n", version());
        stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends its version and then whatever it gets; answers a Close with a Close.
fn web_socket(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")?;
    stream.write_all(&frame(1, version().as_bytes()))?;
    loop {
        let (opcode, payload) = read_frame(&mut stream)?;
        stream.write_all(&frame(opcode, &payload))?;
        if opcode == 8 {
            return Ok(());
        }
    }
}

/// A frame without a mask.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short frames only");
    assert!(length < 126, "short frames only");
    [&[0x80 | opcode, length], payload].concat()
}

/// The opcode and the unmasked payload of the next short frame.
pub fn read_frame(stream: &mut impl Read) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut mask = [0; 4];
    if head[1] & 0x80 != 0 {
        stream.read_exact(&mut mask)?;
    }
    let mut payload = vec![0; usize::from(head[1] & 0x7f)];
    stream.read_exact(&mut payload)?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok((head[0] & 0x0f, payload))
}
