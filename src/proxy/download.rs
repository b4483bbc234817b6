//! Bodies of answers: devloop's own, a program's streamed with what it occupies until it ends, and event streams, which
//! end between two events at a swap.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::{
    body::Upload,
    browser::{Opening, Page},
    call::Call,
    desk::{Admission, Desk},
    files::FileStream,
    instance::{Phase, draining},
    sse::Events,
    upstream::Upstream,
};

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// Written here.
    Own(Option<Bytes>),
    /// Written here, piece by piece.
    Live(mpsc::Receiver<Bytes>),
    /// A program's.
    Download(Incoming, Option<Lease>),
    /// A program's `text/event-stream`.
    Stream(Box<Stream>),
    /// A program's answer to a gRPC call.
    Call(Box<Call>),
    /// A program's page, which gets devloop's tag.
    Page(Box<Page>),
    /// A file's.
    File(Box<FileStream>),
}

/// What an answer occupies until it has been read: a place in its instance and a connection. Dropped early, the
/// connection is closed.
#[derive(Debug)]
pub(super) struct Lease {
    admission: Admission,
    upstream: Upstream,
    slot: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// Of a request that has been sent.
    pub(super) fn new(admission: Admission, upstream: Upstream, slot: Option<OwnedSemaphorePermit>) -> Lease {
        Lease { admission, upstream, slot }
    }

    /// The answer is complete: the connection can be used again.
    fn finish(self) {
        let Lease { admission, mut upstream, slot } = self;
        upstream.rest();
        admission.instance.pool.give_back(upstream);
        drop(slot);
        drop(admission);
    }

    /// Follows how far its instance has come.
    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.admission.instance.phase()
    }

    /// The way of the request.
    pub(super) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Why the answer is out of date.
    pub(super) fn stale(&self) -> Option<Arc<str>> {
        self.admission.stale.clone()
    }

    /// Whose gate it went through.
    pub(super) fn desk(&self) -> &Desk {
        self.admission.desk()
    }

    /// What a tunnel keeps: its place in the instance.
    pub(super) fn into_admission(mut self) -> Admission {
        self.upstream.set_free();
        self.admission
    }
}

/// An event stream on its way.
pub(super) struct Stream {
    incoming: Incoming,
    lease: Option<Lease>,
    events: Option<Events>,
    parting: Parting,
    limit: Duration,
}

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Together => Parting => Over.
enum Parting {
    /// The instance serves; the signal tells when it does not any more.
    Together(Signal),
    /// The event under way may be finished until the signal comes.
    Finishing(Signal),
    /// Nothing more is sent.
    Over,
}

/// Why an answer breaks off. The client's connection is then cut, so that it sees that something is missing.
#[derive(Debug)]
pub(super) enum BrokenOff {
    /// The program's connection failed.
    Program(hyper::Error),
    /// Its page is not in the coding that it names.
    Coding(std::io::Error),
    /// Its stream could not be ended between two events.
    Swap,
    /// The file could not be read to its end.
    File(std::io::Error),
    /// It could not be compressed.
    Packing(std::io::Error),
}

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BrokenOff::Program(error) => write!(f, "the program broke off its answer: {error}"),
            BrokenOff::Coding(error) => write!(f, "the program's page cannot be decoded: {error}"),
            BrokenOff::File(error) => write!(f, "the file could not be read to its end: {error}"),
            BrokenOff::Packing(error) => write!(f, "the answer could not be compressed: {error}"),
            BrokenOff::Swap => f.write_str("the program was replaced in the middle of an event"),
        }
    }
}

impl std::error::Error for BrokenOff {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BrokenOff::Program(error) => Some(error),
            BrokenOff::File(error) | BrokenOff::Coding(error) | BrokenOff::Packing(error) => Some(error),
            BrokenOff::Swap => None,
        }
    }
}

impl Answer {
    /// Of a program's answer.
    pub(super) fn download(incoming: Incoming, lease: Lease) -> Answer {
        if incoming.is_end_stream() {
            lease.finish();
            return Answer::Own(None);
        }
        Answer::Download(incoming, Some(lease))
    }

    /// Of a program's answer to a gRPC call.
    pub(super) fn call(incoming: Incoming, lease: Lease, upload: Upload, limit: Duration) -> Answer {
        if incoming.is_end_stream() {
            return Answer::download(incoming, lease);
        }
        Answer::Call(Box::new(Call::new(incoming, lease, upload, limit)))
    }

    /// Of a program's page, which gets the tag.
    pub(super) fn page(incoming: Incoming, lease: Lease, opening: Opening) -> Answer {
        Answer::Page(Box::new(Page::new(incoming, lease, opening)))
    }

    /// Of a program's event stream. `encoded`: its events cannot be seen, so it can only be cut.
    pub(super) fn stream(incoming: Incoming, mut lease: Lease, coding: Coding, limit: Duration) -> Answer {
        if incoming.is_end_stream() {
            return Answer::download(incoming, lease);
        }
        lease.slot = None;
        let ends = draining(lease.admission.instance.phase());
        let events = match coding {
            Coding::Plain => Some(Events::new()),
            Coding::Opaque => None,
        };
        let parting = Parting::Together(Box::pin(ends));
        Answer::Stream(Box::new(Stream { incoming, lease: Some(lease), events, parting, limit }))
    }
}

/// Whether the bytes of a stream are its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// They are.
    Plain,
    /// They are compressed, or their number was announced.
    Opaque,
}

/// The next frame, after whatever the connection has to do for it.
pub(super) fn next_frame(
    incoming: &mut Incoming,
    lease: &mut Option<Lease>,
    cx: &mut Context<'_>,
) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
    let Some(lease) = lease else { return Pin::new(incoming).poll_frame(cx) };
    lease.upstream.pursue(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx))
}

/// The next piece of a file.
pub(super) fn next_piece(file: &mut FileStream, cx: &mut Context<'_>) -> Polled {
    file.poll(cx).map(|piece| piece.map(|piece| piece.map(Frame::data).map_err(BrokenOff::File)))
}

/// The answer is complete.
pub(super) fn finish(lease: &mut Option<Lease>) {
    if let Some(lease) = lease.take() {
        lease.finish();
    }
}

/// What polling a body gives.
pub(super) type Polled = Poll<Option<Result<Frame<Bytes>, BrokenOff>>>;

impl Stream {
    fn at_boundary(&self) -> bool {
        self.events.as_ref().is_some_and(Events::at_boundary)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        if let Parting::Together(signal) = &mut self.parting
            && signal.as_mut().poll(cx).is_ready()
        {
            self.parting = Parting::Finishing(Box::pin(tokio::time::sleep(self.limit)));
        }
        let at_boundary = self.at_boundary();
        match &mut self.parting {
            Parting::Over => return Poll::Ready(None),
            Parting::Finishing(_) if at_boundary => return self.end(),
            Parting::Finishing(limit) => {
                if limit.as_mut().poll(cx).is_ready() {
                    self.parting = Parting::Over;
                    self.lease = None;
                    return Poll::Ready(Some(Err(BrokenOff::Swap)));
                }
            }
            Parting::Together(_) => {}
        }
        match ready!(next_frame(&mut self.incoming, &mut self.lease, cx)) {
            None => {
                self.parting = Parting::Over;
                finish(&mut self.lease);
                Poll::Ready(None)
            }
            Some(Ok(frame)) => Poll::Ready(self.pass(frame).map(Ok)),
            Some(Err(_)) if self.at_boundary() => self.end(),
            Some(Err(error)) => {
                self.lease = None;
                Poll::Ready(Some(Err(BrokenOff::Program(error))))
            }
        }
    }

    fn pass(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let Some(events) = &mut self.events else { return Some(frame) };
        match frame.into_data() {
            Err(other) => Some(other),
            Ok(mut data) => {
                match self.parting {
                    Parting::Together(_) => events.feed(&data),
                    Parting::Finishing(_) => data.truncate(events.feed_to_boundary(&data)),
                    Parting::Over => data.clear(),
                }
                Some(Frame::data(data))
            }
        }
    }

    fn end(&mut self) -> Polled {
        self.parting = Parting::Over;
        self.lease = None;
        Poll::Ready(None)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("events", &self.events).finish_non_exhaustive()
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match self.get_mut() {
            Answer::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Answer::Live(pieces) => pieces.poll_recv(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes)))),
            Answer::Stream(stream) => stream.poll(cx),
            Answer::Call(call) => call.poll(cx),
            Answer::Page(page) => page.poll(cx),
            Answer::File(file) => next_piece(file, cx),
            Answer::Download(incoming, lease) => {
                let frame = ready!(next_frame(incoming, lease, cx));
                match &frame {
                    Some(Err(_)) => *lease = None,
                    Some(Ok(_)) if !incoming.is_end_stream() => {}
                    None | Some(Ok(_)) => finish(lease),
                }
                Poll::Ready(frame.map(|frame| frame.map_err(BrokenOff::Program)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Answer::Own(bytes) => bytes.is_none(),
            Answer::Download(incoming, _) => incoming.is_end_stream(),
            Answer::Call(call) => call.is_over(),
            Answer::File(file) => file.is_end(),
            Answer::Page(page) => page.is_over(),
            Answer::Live(_) | Answer::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Answer::Download(incoming, _) => incoming.size_hint(),
            Answer::File(file) => file.size_hint(),
            Answer::Live(_) | Answer::Call(_) | Answer::Page(_) => SizeHint::default(),
            Answer::Stream(stream) => match stream.events {
                Some(_) => SizeHint::default(),
                None => stream.incoming.size_hint(),
            },
        }
    }
}
