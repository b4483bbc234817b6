//! A small HTTP client on one blocking connection.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::DEADLINE;

/// One connection, opened when it is needed.
pub struct Client {
    addr: SocketAddr,
    stream: Option<TcpStream>,
    bytes: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub stale: bool,
    pub body: String,
}

impl Client {
    pub fn new(addr: SocketAddr) -> Client {
        Client { addr, stream: None, bytes: Vec::new() }
    }

    pub fn get(&mut self) -> io::Result<Answer> {
        self.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    }

    /// Sends a whole request, reads a whole answer.
    pub fn send(&mut self, request: &str) -> io::Result<Answer> {
        let answer = self.exchange(request);
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    fn exchange(&mut self, request: &str) -> io::Result<Answer> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.addr)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().expect("it was just opened");
        stream.write_all(request.as_bytes())?;
        self.bytes.clear();
        let (head, length) = loop {
            let mut part = [0; 16 * 1024];
            match stream.read(&mut part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.bytes.extend_from_slice(&part[..count]),
            }
            if let Some((head, length)) = head_of(&self.bytes)
                && self.bytes.len() >= head + length
            {
                break (head, length);
            }
        };
        let text = String::from_utf8_lossy(&self.bytes[..head]).to_ascii_lowercase();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        if text.contains("\r\nconnection: close\r\n") {
            self.stream = None;
        }
        Ok(Answer {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            stale: text.contains("\r\nx-devloop-stale:"),
            body: String::from_utf8_lossy(&self.bytes[head..head + length]).trim().to_owned(),
        })
    }
}

/// The length of the head and of the body, if the head is whole. Bodies without a length count as empty.
pub fn head_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let length = bytes[..head].split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(15)?;
        name.eq_ignore_ascii_case(b"content-length:").then(|| String::from_utf8_lossy(value).trim().parse().ok())?
    });
    Some((head, length.unwrap_or(0)))
}

/// Asks again and again, at once after an answer and soon after a failure, until the answer is this text: so long that
/// took. None after `limit`.
pub fn answers_within(limit: Duration, addr: SocketAddr, text: &str) -> Option<Duration> {
    let begin = Instant::now();
    let mut client = Client::new(addr);
    loop {
        match client.get() {
            Ok(answer) if answer.body == text => return Some(begin.elapsed()),
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_micros(200)),
        }
        if begin.elapsed() > limit {
            return None;
        }
    }
}

/// As long as it takes.
pub fn until_it_answers(addr: SocketAddr, text: &str) -> Duration {
    answers_within(DEADLINE, addr, text).unwrap_or_else(|| panic!("{addr} never answers `{text}`"))
}
