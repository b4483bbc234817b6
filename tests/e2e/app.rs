//! The program that the tests build and run: this very test binary, told by its environment to be an HTTP server.
//!
//! It reads `APP` (words separated by spaces) for how it is to behave, and answers every request with `VERSION`:
//! `start=MS` listens that much later, `exit=CODE` ends before it listens, `status=CODE` answers `/` so, `deaf` ignores
//! SIGTERM (see `build_script`), `child` leaves a child behind that left the session, `port=N` ignores `PORT`,
//! `crash=/PATH` ends at a request for that path, `slow=/PATH:MS` answers it that much later, `log=FILE` appends a line
//! for each request and keeps the file open, `db=FILE` rewrites that file for each request, with a journal beside it,
//! as SQLite does, and keeps it open, `stamp=FILE` writes its process id there when it starts, `v6` listens on `::1`
//! alone, `head=NAME:VALUE` puts that into the head of its answers, `host=NAME` answers 403 to requests for another
//! host, `https` sends who did not come by HTTPS there, `says=FILE:TEXT` prints that text once that file is there, `_`
//! for a space. More words are in `tricks.rs`.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use super::{
    support::until,
    tricks::{self, Done},
};

/// Set in the environment of this binary when it is to be the program.
pub const MARK: &str = "DEVLOOP_TEST_IS_APP";

pub fn word(name: &str) -> Option<String> {
    let app = std::env::var("APP").unwrap_or_default();
    app.split_whitespace().find_map(|word| match word.split_once('=') {
        Some((known, value)) if known == name => Some(value.to_owned()),
        None if word == name => Some(String::new()),
        _ => None,
    })
}

pub fn millis(text: &str) -> Duration {
    Duration::from_millis(text.parse().expect("milliseconds"))
}

/// Is the program until it is ended.
pub fn serve() -> ! {
    if word("child").is_some() {
        let child = std::process::Command::new("setsid").arg("-f").arg("sleep").arg("1000").status();
        child.expect("setsid is there");
    }
    if let Some(stamp) = word("stamp") {
        std::fs::write(stamp, std::process::id().to_string()).expect("the stamp can be written");
    }
    let db = word("db").map(|path| File::options().create(true).append(true).open(path).expect("the db opens"));
    if let Some(start) = word("start") {
        thread::sleep(millis(&start));
    }
    tricks::begin();
    if let Some(code) = word("exit") {
        eprintln!("this program does not want to start");
        std::process::exit(code.parse().expect("an exit code"));
    }
    let port = word("port").or_else(|| std::env::var("PORT").ok()).expect("a port");
    let home = if word("v6").is_some() { "[::1]" } else { "127.0.0.1" };
    let listener = match TcpListener::bind(format!("{home}:{port}")) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("listen tcp {home}:{port}: bind: {error}");
            std::process::exit(1);
        }
    };
    println!("version {} listens on {port}", std::env::var("VERSION").unwrap_or_default());
    if let Some((file, text)) = word("says").as_deref().and_then(|says| says.split_once(':')) {
        let (file, text) = (file.to_owned(), text.replace('_', " "));
        thread::spawn(move || {
            until("it is to be said", || std::path::Path::new(&file).exists());
            println!("{text}");
        });
    }
    let log = word("log").map(|path| {
        let file = File::options().create(true).append(true).open(path).expect("the log opens");
        Arc::new(Mutex::new(file))
    });
    for stream in listener.incoming().flatten() {
        if let Some((mut db, path)) = db.as_ref().zip(word("db")) {
            let journal = format!("{path}-journal");
            std::fs::write(&journal, "undo").expect("the journal can be written");
            writeln!(db, "a row").expect("the db can be written");
            std::fs::remove_file(&journal).expect("the journal is there");
        }
        let log = log.clone();
        thread::spawn(move || while answer(&stream, log.as_deref()).is_some() {});
    }
    unreachable!("a listener never ends")
}

/// Answers one request; none when the connection is over.
fn answer(stream: &TcpStream, log: Option<&Mutex<File>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let path = head.split_whitespace().nth(1)?.to_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    if let Some(log) = log {
        let mut log = log.lock().expect("nobody panics");
        // in one piece: another instance may append to it, too
        let line = format!("{} {}\n", head.lines().next()?, String::from_utf8_lossy(&body));
        log.write_all(line.as_bytes()).ok()?;
    }
    if word("crash").as_deref() == Some(&path) {
        eprintln!("asked to crash");
        std::process::exit(3);
    }
    if let Some((slow, time)) = word("slow").as_deref().and_then(|slow| slow.split_once(':'))
        && slow == path
    {
        thread::sleep(millis(time));
    }
    let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    if word("host").is_some_and(|known| host.split(':').next() != Some(&known)) {
        let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 26\r\n\r\nthis host is not allowed.\n";
        (&mut &*stream).write_all(refusal.as_bytes()).ok()?;
        return Some(());
    }
    if word("https").is_some() && !head.lines().any(|line| line == "x-forwarded-proto: https") {
        let there = format!("HTTP/1.1 301 Moved\r\nlocation: https://{host}/\r\ncontent-length: 0\r\n\r\n");
        (&mut &*stream).write_all(there.as_bytes()).ok()?;
        return Some(());
    }
    let (status, text) = match tricks::answer(&path, &body, stream) {
        Done::Over => return None,
        Done::Answer(status, text) => (status.to_owned(), text),
        Done::Ordinary => {
            let status = word("status").unwrap_or_else(|| "200".to_owned());
            (format!("{status} X"), format!("{}\n", std::env::var("VERSION").unwrap_or_default()))
        }
    };
    let mut stream = stream;
    let more = word("head").map(|line| line.replacen(':', ": ", 1) + "\r\n").unwrap_or_default();
    let answer = format!("HTTP/1.1 {status}\r\n{more}content-length: {}\r\n\r\n{text}", text.len());
    stream.write_all(answer.as_bytes()).ok()?;
    word("shuts").is_none().then_some(())
}
