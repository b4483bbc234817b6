//! Frames by hand (RFC 9113): what no library would send.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::proxy_support::{App, Stage, within};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The last four bytes: the reason of RST_STREAM.
    fn reason(&self) -> u32 {
        u32::from_be_bytes(self.payload[self.payload.len() - 4..].try_into().unwrap())
    }
}

/// A connection of frames.
pub struct Frames(TcpStream);

impl Frames {
    async fn of_client(stage: &Stage) -> Frames {
        let mut stream = within(TcpStream::connect(stage.addr)).await.unwrap();
        within(stream.write_all(PREFACE)).await.unwrap();
        let mut frames = Frames(stream);
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    pub async fn of_server(mut stream: TcpStream) -> Frames {
        let mut preface = [0; PREFACE.len()];
        within(stream.read_exact(&mut preface)).await.unwrap();
        assert_eq!(preface, PREFACE);
        let mut frames = Frames(stream);
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // The other side may have closed already: then what it said is what counts.
        let _ = within(self.0.write_all(&frame)).await;
    }

    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        within(self.0.read_exact(&mut head)).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        within(self.0.read_exact(&mut payload)).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], stream, payload })
    }

    pub async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("a frame of that kind before the end");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    pub async fn until_closed(&mut self) {
        while self.next().await.is_some() {}
    }

    /// What becomes of a stream: its RST_STREAM, its HEADERS, or the GOAWAY of the whole connection.
    async fn fate(&mut self, stream: u32) -> Frame {
        loop {
            let frame = self.next().await.expect("an answer of some kind");
            if frame.kind == GOAWAY || frame.stream == stream && matches!(frame.kind, HEADERS | RST_STREAM) {
                return frame;
            }
        }
    }
}

/// A header block without compression: literals, never indexed.
fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(text.len() as u8);
            block.extend(*text);
        }
    }
    block
}

fn head(more: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut fields: Vec<(&[u8], &[u8])> =
        vec![(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"localhost")];
    fields.extend(more);
    block(&fields)
}

async fn stage() -> (Stage, App) {
    let app = App::named("api").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    (stage, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_could_smuggle_a_request_never_reach_a_program() {
    let (stage, app) = stage().await;
    let evil: &[(&[u8], &[u8])] = &[
        (b"x-a", b"1\r\nX-Evil: 1"),
        (b"x-a", b"1\nX-Evil: 1"),
        (b"x-a", b"1\0"),
        (b"x-a\r\nx-evil", b"1"),
        (b"x-a: 1", b"1"),
        (b"X-Upper", b"1"),
        (b"", b"1"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"x-forwarded-for"),
        (b"keep-alive", b"1"),
        (b"proxy-connection", b"keep-alive"),
        (b"upgrade", b"websocket"),
        (b"te", b"gzip"),
        (b":path", b"/again"),
        (b":unknown", b"1"),
        (b":protocol", b"websocket"),
        (b"content-length", b"5"),
        (b"content-length", b"-1"),
    ];
    for (name, value) in evil {
        let mut frames = Frames::of_client(&stage).await;
        frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &head(&[(name, value)])).await;
        let fate = frames.fate(1).await;
        let shown = String::from_utf8_lossy(name).into_owned();
        match fate.kind {
            RST_STREAM => assert_eq!(fate.reason(), PROTOCOL_ERROR, "{shown}"),
            // 0x8c: `:status: 400` in the static table.
            HEADERS => assert_eq!(fate.payload[0], 0x8c, "{shown}"),
            _ => assert_eq!(fate.kind, GOAWAY, "{shown}"),
        }
    }
    assert_eq!(app.count(), 0);
    assert_eq!(stage.get("/").await.text(), "api");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_targets_and_missing_hosts_are_refused() {
    let (stage, app) = stage().await;
    let odd: &[&[(&[u8], &[u8])]] = &[
        &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")],
        &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b""), (b":authority", b"localhost")],
        &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/ HTTP/1.1"), (b":authority", b"localhost")],
        &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"user@localhost")],
        &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"localhost/x")],
        &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a b")],
        &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"[::1")],
        &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"")],
        &[(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"local\xffhost")],
        &[
            (b":method", b"GET /x HTTP/1.1\r\nx:"),
            (b":scheme", b"http"),
            (b":path", b"/"),
            (b":authority", b"localhost"),
        ],
        &[(b":scheme", b"http"), (b":path", b"/"), (b":authority", b"localhost")],
        &[
            (b"x-first", b"1"),
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":path", b"/"),
            (b":authority", b"localhost"),
        ],
    ];
    for fields in odd {
        let mut frames = Frames::of_client(&stage).await;
        frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields)).await;
        let fate = frames.fate(1).await;
        let refused = match fate.kind {
            RST_STREAM | GOAWAY => true,
            _ => fate.payload[0] == 0x8c,
        };
        assert!(refused, "{fields:?}: {fate:?}");
    }
    assert_eq!(app.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_as_long_as_it_says_is_no_request() {
    let app = App::named("api").await;
    let stage = Stage::new().await;
    stage.open(app.addr);
    for (length, body) in [(&b"5"[..], &b"1234567"[..]), (b"5", b"12")] {
        let mut frames = Frames::of_client(&stage).await;
        let fields: &[(&[u8], &[u8])] = &[
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/"),
            (b":authority", b"localhost"),
            (b"content-length", length),
        ];
        frames.send(HEADERS, END_HEADERS, 1, &block(fields)).await;
        frames.send(DATA, END_STREAM, 1, body).await;
        assert_eq!(frames.fate(1).await.kind, RST_STREAM);
    }
    assert_eq!(app.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_256_streams_and_no_more_and_no_websockets_of_its_own() {
    let (stage, _app) = stage().await;
    stage.gate(crate::proxy_support::holding());
    let mut frames = Frames::of_client(&stage).await;
    let settings = frames.until(SETTINGS).await;
    let value = |wanted: u16| {
        let mut pairs = settings.payload.chunks_exact(6);
        let found = pairs.find(|pair| u16::from_be_bytes([pair[0], pair[1]]) == wanted);
        found.map(|pair| u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]))
    };
    // MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE, ENABLE_CONNECT_PROTOCOL.
    assert_eq!((value(3), value(6), value(8)), (Some(256), Some(64 * 1024), None));
    frames.send(SETTINGS, 1, 0, &[]).await;
    for number in 0..256 {
        frames.send(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &head(&[])).await;
    }
    stage.held(256).await;
    frames.send(HEADERS, END_HEADERS | END_STREAM, 513, &head(&[])).await;
    let fate = frames.fate(513).await;
    assert_eq!((fate.kind, fate.reason()), (RST_STREAM, REFUSED_STREAM));
    assert_eq!(stage.stats().held, 256);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_without_end_and_streams_that_are_only_reset_are_bounded() {
    let (stage, _app) = stage().await;
    // A head that never ends.
    let mut frames = Frames::of_client(&stage).await;
    frames.send(HEADERS, END_STREAM, 1, &head(&[])).await;
    let filler: Vec<(&[u8], &[u8])> = vec![(b"x-filler", &[b'a'; 120]); 100];
    let filler = block(&filler);
    for _ in 0..200 {
        frames.send(CONTINUATION, 0, 1, &filler).await;
    }
    let mut told = false;
    while let Some(frame) = frames.next().await {
        told |=
            frame.kind == GOAWAY && u32::from_be_bytes(frame.payload[4..8].try_into().unwrap()) == ENHANCE_YOUR_CALM;
    }
    assert!(told, "the connection ends, and says why");
    // Requests that are given up as soon as they are sent.
    let mut frames = Frames::of_client(&stage).await;
    for number in 0..20_000 {
        frames.send(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &head(&[])).await;
        frames.send(RST_STREAM, 0, 2 * number + 1, &8u32.to_be_bytes()).await;
    }
    frames.send(PING, 0, 0, &[7; 8]).await;
    // Either it was too much, or all of it was dealt with.
    while let Some(frame) = frames.next().await {
        if matches!(frame.kind, GOAWAY | PING) {
            break;
        }
    }
    drop(frames);
    crate::proxy_support::until(|| stage.stats().in_flight == 0 && stage.stats().held == 0).await;
    assert_eq!(stage.get("/").await.text(), "api");
}
