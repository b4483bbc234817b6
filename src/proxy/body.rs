//! Request bodies on their way to a program: streamed, with the first part kept so that another instance can be sent
//! the same again. It does not decide whether that is done.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::{
    HeaderMap,
    body::{Body, Frame, Incoming, SizeHint},
};

use super::{grpc::Messages, records::Tap};

/// Bytes that reach a socket of ours although nobody reads them, whatever its window is.
const UNSEEN: u64 = 16 * 1024;

/// How much may be kept in memory, over all requests.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    all: usize,
    each: usize,
}

impl Budget {
    /// `each`: for one body; `all`: for all of them; in bytes.
    pub(super) fn new(each: usize, all: usize) -> Budget {
        Budget { used: AtomicUsize::new(0), all, each }
    }

    fn take(&self, has: usize, more: usize) -> bool {
        if has + more > self.each {
            return false;
        }
        let within = |used: usize| (used + more <= self.all).then_some(used + more);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, within).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// A request's body, for as many attempts as it can be kept. Its clones are the same one.
#[derive(Clone, Debug)]
pub(super) enum Upload {
    /// There is none.
    Empty,
    /// It comes from the client.
    Streamed(Arc<Mutex<Source>>),
    /// It is here, for any number of attempts.
    Given(Bytes),
}

/// What an upload is made of.
pub(super) struct Source {
    incoming: Incoming,
    kept: Kept,
    budget: Arc<Budget>,
    tap: Option<Arc<Tap>>,
    attempt: u32,
    client: ClientSide,
    /// How much more may be read.
    room: Option<u64>,
    messages: Option<Messages>,
}

/// How far the client of a gRPC call has come with asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Messages that have been read completely.
    pub(super) messages: u64,
    /// Whether more may come.
    pub(super) is_open: bool,
}

enum Kept {
    /// All that has been read.
    All { pieces: Vec<Bytes>, bytes: usize, trailers: Option<HeaderMap> },
    /// It was too much.
    Lost,
}

/// How the client did its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientSide {
    Sending,
    Broken,
    /// It sends more than it may.
    TooMuch,
}

/// One attempt's view of an upload.
pub(super) enum UploadBody {
    /// Nothing.
    Empty,
    /// All of it, in one piece.
    Given(Option<Bytes>),
    /// First what is kept, then what comes.
    Streamed {
        /// Shared with the attempts to come.
        source: Arc<Mutex<Source>>,
        /// Which attempt this is: an older one reads nothing more.
        attempt: u32,
        /// The next kept piece.
        next: usize,
        /// The trailers have been read.
        ended: bool,
    },
}

/// Why an upload ends early.
#[derive(Debug)]
pub(super) enum UploadError {
    /// The client broke off.
    Client(hyper::Error),
    /// A newer attempt has taken over.
    Superseded,
    /// It is longer than it may be.
    TooLong,
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UploadError::Client(error) => write!(f, "the client broke off its request: {error}"),
            UploadError::TooLong => f.write_str("the request is longer than it may be"),
            UploadError::Superseded => f.write_str("the request is being sent again"),
        }
    }
}

impl std::error::Error for UploadError {}

impl Upload {
    /// A body that is known already.
    pub(super) fn given(body: Bytes) -> Upload {
        if body.is_empty() { Upload::Empty } else { Upload::Given(body) }
    }

    /// Of a body that nothing has been read of; `longest`: how long it may be; `tap`: where it is counted.
    pub(super) fn new(
        incoming: Incoming,
        budget: &Arc<Budget>,
        longest: Option<u64>,
        tap: impl FnOnce() -> Option<Arc<Tap>>,
    ) -> Upload {
        if incoming.is_end_stream() {
            return Upload::Empty;
        }
        let kept = Kept::All { pieces: Vec::new(), bytes: 0, trailers: None };
        let budget = Arc::clone(budget);
        let client = ClientSide::Sending;
        let source = Source { incoming, kept, budget, tap: tap(), attempt: 0, client, messages: None, room: longest };
        Upload::Streamed(Arc::new(Mutex::new(source)))
    }

    /// The body for one more attempt; none if what has been read of it is lost. Ends earlier attempts.
    pub(super) fn attempt(&self) -> Option<UploadBody> {
        let shared = match self {
            Upload::Empty => return Some(UploadBody::Empty),
            Upload::Given(body) => return Some(UploadBody::Given(Some(body.clone()))),
            Upload::Streamed(shared) => shared,
        };
        let mut source = lock(shared);
        if matches!(source.kept, Kept::Lost) {
            return None;
        }
        source.attempt += 1;
        let attempt = source.attempt;
        drop(source);
        Some(UploadBody::Streamed { source: Arc::clone(shared), attempt, next: 0, ended: false })
    }

    /// Whether so much of it is unread that the end of the connection may stand behind it unseen: more than any socket
    /// takes in by itself.
    pub(super) fn hides_the_end(&self) -> bool {
        match self {
            Upload::Empty | Upload::Given(_) => false,
            Upload::Streamed(source) => lock(source).incoming.size_hint().upper().is_none_or(|left| left > UNSEEN),
        }
    }

    /// Whether all of it has been read from the client.
    pub(super) fn is_read(&self) -> bool {
        match self {
            Upload::Empty | Upload::Given(_) => true,
            Upload::Streamed(source) => lock(source).incoming.is_end_stream(),
        }
    }

    /// Counts its messages from now on. Nothing may have been read yet.
    pub(super) fn count_messages(&self) {
        if let Upload::Streamed(source) = self {
            lock(source).messages = Some(Messages::default());
        }
    }

    /// How far the client has come, if messages are counted.
    pub(super) fn asked(&self) -> Asked {
        let Upload::Streamed(source) = self else { return Asked { messages: 0, is_open: false } };
        let source = lock(source);
        let messages = source.messages.as_ref().map_or(0, Messages::complete);
        Asked { messages, is_open: !source.incoming.is_end_stream() }
    }

    /// Whether reading it has failed.
    pub(super) fn client_broke_off(&self) -> bool {
        match self {
            Upload::Empty | Upload::Given(_) => false,
            Upload::Streamed(source) => lock(source).client == ClientSide::Broken,
        }
    }

    /// Whether more of it came than may.
    pub(super) fn is_too_long(&self) -> bool {
        match self {
            Upload::Empty | Upload::Given(_) => false,
            Upload::Streamed(source) => lock(source).client == ClientSide::TooMuch,
        }
    }

    /// No further attempt will be made: nothing needs to be kept.
    pub(super) fn settle(&self) {
        if let Upload::Streamed(source) = self {
            lock(source).lose();
        }
    }
}

fn lock(source: &Arc<Mutex<Source>>) -> MutexGuard<'_, Source> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source {
    fn lose(&mut self) {
        if let Kept::All { bytes, .. } = std::mem::replace(&mut self.kept, Kept::Lost) {
            self.budget.give_back(bytes);
        }
    }

    /// Keeps a copy: the piece itself may be a small part of a large buffer.
    fn keep(&mut self, piece: &[u8]) {
        let Kept::All { pieces, bytes, .. } = &mut self.kept else { return };
        if self.budget.take(*bytes, piece.len()) {
            *bytes += piece.len();
            pieces.push(Bytes::copy_from_slice(piece));
        } else {
            self.lose();
        }
    }

    /// The next frame behind the kept ones.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            None => Poll::Ready(None),
            Some(Err(error)) => {
                self.client = ClientSide::Broken;
                Poll::Ready(Some(Err(UploadError::Client(error))))
            }
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |piece| piece.len() as u64);
                match self.room.map(|room| room.checked_sub(length)) {
                    Some(None) => {
                        self.client = ClientSide::TooMuch;
                        return Poll::Ready(Some(Err(UploadError::TooLong)));
                    }
                    Some(room) => self.room = room,
                    None => {}
                }
                if let Some(piece) = frame.data_ref() {
                    if let Some(messages) = &mut self.messages {
                        messages.feed(piece);
                    }
                    if let Some(tap) = &self.tap {
                        tap.see(piece);
                    }
                    self.keep(piece);
                } else if let (Some(read), Kept::All { trailers, .. }) = (frame.trailers_ref(), &mut self.kept) {
                    *trailers = Some(read.clone());
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.lose();
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let (source, attempt, next, ended) = match self.get_mut() {
            UploadBody::Empty => return Poll::Ready(None),
            UploadBody::Given(body) => return Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            UploadBody::Streamed { source, attempt, next, ended } => (source, attempt, next, ended),
        };
        let mut source = lock(source);
        if source.attempt != *attempt {
            return Poll::Ready(Some(Err(UploadError::Superseded)));
        }
        if *ended {
            return Poll::Ready(None);
        }
        if let Kept::All { pieces, trailers, .. } = &source.kept {
            if let Some(piece) = pieces.get(*next) {
                *next += 1;
                return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
            }
            if let Some(trailers) = trailers {
                *ended = true;
                return Poll::Ready(Some(Ok(Frame::trailers(trailers.clone()))));
            }
        }
        let frame = ready!(source.read(cx));
        *next += 1;
        *ended = frame.as_ref().is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let (source, next, ended) = match self {
            UploadBody::Empty => return true,
            UploadBody::Given(body) => return body.is_none(),
            UploadBody::Streamed { source, next, ended, .. } => (source, next, ended),
        };
        let source = lock(source);
        let kept_is_read = match &source.kept {
            Kept::All { pieces, trailers, .. } => *next >= pieces.len() && trailers.is_none(),
            Kept::Lost => true,
        };
        *ended || kept_is_read && source.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (source, next) = match self {
            UploadBody::Empty => return SizeHint::with_exact(0),
            UploadBody::Given(body) => {
                return SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64));
            }
            UploadBody::Streamed { source, next, .. } => (source, next),
        };
        let source = lock(source);
        let kept: usize = match &source.kept {
            Kept::All { pieces, .. } => pieces.iter().skip(*next).map(Bytes::len).sum(),
            Kept::Lost => 0,
        };
        let rest = source.incoming.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + kept as u64);
        }
        hint.set_lower(rest.lower() + kept as u64);
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_bounds_each_body_and_all_of_them() {
        let budget = Budget::new(10, 15);
        assert!(budget.take(0, 10));
        assert!(!budget.take(10, 1));
        assert!(!budget.take(0, 6));
        assert!(budget.take(0, 5));
        budget.give_back(10);
        assert!(budget.take(5, 5));
    }
}
