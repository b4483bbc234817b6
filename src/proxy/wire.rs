//! The two kinds of sockets below HTTP: a client's, which can be watched for hang-up while its data is unread, and an
//! upstream's, which counts (inside of TLS, if there is any) so that "not a byte reached it" can be proved.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use nix::sys::socket::{Shutdown, shutdown};
use std::os::fd::AsRawFd;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    sync::oneshot,
};

use super::road::Road;

/// How often a hang-up is looked for where the OS does not report it apart from readable data.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A client's socket; shared with whoever watches it.
#[derive(Debug)]
pub(super) struct ClientIo {
    stream: Arc<TcpStream>,
    /// What was read to find out what the client speaks: it is read once more.
    early: Bytes,
}

impl ClientIo {
    /// Gives `early` first, then what the socket gives.
    pub(super) fn new(stream: Arc<TcpStream>, early: Bytes) -> ClientIo {
        ClientIo { stream, early }
    }
}

/// Resolves when the other side has closed its sending direction or the connection is broken.
pub(super) async fn hung_up(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let interest = Interest::PRIORITY;
    // Elsewhere "readable" is what there is: true while a body waits unread, so the end is looked for now and then.
    #[cfg(not(target_os = "linux"))]
    let interest = Interest::READABLE;
    loop {
        match stream.ready(interest).await {
            Ok(ready) if ready.is_read_closed() => return,
            Ok(_) => tokio::time::sleep(LOOK_AGAIN).await,
            Err(_) => return,
        }
    }
}

/// Reads what there is. Less than there is room for means that nothing is left, so the socket counts as empty until the
/// OS says otherwise: asking it once more only to hear so would be a system call for every request.
fn read(stream: &TcpStream, buf: &mut ReadBuf<'_>) -> io::Result<()> {
    let mut count = 0;
    let result = stream.try_io(Interest::READABLE, || {
        let room = buf.remaining();
        count = stream.try_read_buf(buf)?;
        if 0 < count && count < room { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    if count > 0 { Ok(()) } else { result }
}

impl AsyncRead for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let count = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early.split_to(count));
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match read(&self.stream, buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write_vectored(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match shutdown(self.stream.as_raw_fd(), Shutdown::Write) {
            Ok(()) | Err(nix::errno::Errno::ENOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

/// What has gone over an upstream connection.
#[derive(Debug, Default)]
pub(super) struct Counts {
    written: AtomicU64,
    read: AtomicU64,
    silent: AtomicBool,
    old: AtomicBool,
    sent: Arc<AtomicU64>,
}

/// One moment of the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    written: u64,
    read: u64,
}

impl Counts {
    /// Of a connection to an instance to which so many bytes have been `sent` over all its connections.
    pub(super) fn of(sent: Arc<AtomicU64>) -> Counts {
        Counts { sent, ..Counts::default() }
    }

    /// The counts now.
    pub(super) fn mark(&self) -> Mark {
        Mark { written: self.written.load(Ordering::Acquire), read: self.read.load(Ordering::Acquire) }
    }

    /// Whether no byte has been given to the OS since.
    pub(super) fn untouched_since(&self, mark: Mark) -> bool {
        self.mark().written == mark.written
    }

    /// Whether no byte has come back since.
    pub(super) fn unanswered_since(&self, mark: Mark) -> bool {
        self.mark().read == mark.read
    }

    /// Whether the first thing that came back was an answer in HTTP/1.
    pub(super) fn began_in_http1(&self) -> bool {
        self.old.load(Ordering::Acquire)
    }

    /// Whether the last attempt to read found nothing.
    pub(super) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Acquire)
    }
}

/// An upstream's socket. A failed write after the first byte is kept quiet: the program may have answered before it
/// stopped reading, and the read side tells which.
#[derive(Debug)]
pub(super) struct CountedIo {
    stream: Road,
    counts: Arc<Counts>,
    broken: bool,
    severed: Option<oneshot::Receiver<()>>,
}

impl CountedIo {
    /// Counts from zero.
    pub(super) fn new(stream: Road, counts: Arc<Counts>) -> CountedIo {
        CountedIo { stream, counts, broken: false, severed: None }
    }

    /// Broken from the moment on in which `severed` gets its value.
    pub(super) fn until(self, severed: oneshot::Receiver<()>) -> CountedIo {
        CountedIo { severed: Some(severed), ..self }
    }

    fn written(&mut self, result: io::Result<usize>, asked: usize) -> io::Result<usize> {
        match result {
            Ok(count) => {
                self.counts.written.fetch_add(count as u64, Ordering::AcqRel);
                self.counts.sent.fetch_add(count as u64, Ordering::Relaxed);
                Ok(count)
            }
            Err(error) if self.counts.mark().written == 0 => Err(error),
            Err(_) => {
                self.broken = true;
                Ok(asked)
            }
        }
    }
}

impl AsyncRead for CountedIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(severed) = &mut self.severed
            && let Poll::Ready(verdict) = Pin::new(severed).poll(cx)
        {
            self.severed = None;
            if verdict.is_ok() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the program has exited")));
            }
        }
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = &buf.filled()[before..];
        if self.counts.read.fetch_add(read.len() as u64, Ordering::AcqRel) == 0 && read.starts_with(b"HTTP/1.") {
            self.counts.old.store(true, Ordering::Release);
        }
        self.counts.silent.store(result.is_pending(), Ordering::Release);
        result
    }
}

impl AsyncWrite for CountedIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Ok(data.len()));
        }
        let result = ready!(Pin::new(&mut self.stream).poll_write(cx, data));
        Poll::Ready(self.written(result, data.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let asked = data.iter().map(|slice| slice.len()).sum();
        if self.broken {
            return Poll::Ready(Ok(asked));
        }
        let result = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, data));
        Poll::Ready(self.written(result, asked))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Ok(()));
        }
        let result = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        Poll::Ready(self.written(result.map(|()| 0), 0).map(drop))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
