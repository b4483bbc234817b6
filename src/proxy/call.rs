//! The answer of a gRPC call on its way. At a swap a call of one question and one answer is finished; what is a stream
//! ends between two messages with a status that tells the client to try again. Whether it is one, gRPC does not say: it
//! shows.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use tokio::{sync::watch, time::Sleep};

use super::{
    body::{Asked, Upload},
    download::{BrokenOff, Lease, Polled, finish, next_frame},
    grpc::{Messages, UNAVAILABLE, trailers},
    instance::{Phase, draining},
};

/// What the client is told about a call that a swap has ended.
pub(super) const REPLACED: &str = "the program was replaced by a newer one";
const ENDED: &str = "the program ended before the call was over";

/// An answer on its way.
pub(super) struct Call {
    incoming: Incoming,
    lease: Option<Lease>,
    upload: Upload,
    messages: Messages,
    parting: Parting,
    limit: Duration,
}

/// Together => Watched => Ending => Over.
enum Parting {
    /// The instance serves; the signal tells when it does not any more.
    Together(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// It may be a stream; looked at again then.
    Watched(Pin<Box<Sleep>>),
    /// It is one: the message under way may be finished until then.
    Ending(Pin<Box<Sleep>>),
    /// Nothing more is sent.
    Over,
}

/// Whether a call has shown to be a stream: there is more than one message in a direction.
fn is_stream(asked: Asked, answered: u64) -> bool {
    asked.messages > 1 || answered > 1
}

/// The same, of a call that had time to end: if it is none its client has asked, and it has not been answered.
fn looks_like_a_stream(asked: Asked, answered: u64) -> bool {
    asked.is_open || answered > 0 || is_stream(asked, answered)
}

/// Resolves when the instance is replaced and a call that it has not begun to answer is a stream.
pub(super) async fn is_parted(upload: &Upload, phase: watch::Receiver<Phase>, limit: Duration) {
    draining(phase).await;
    if is_stream(upload.asked(), 0) {
        return;
    }
    loop {
        tokio::time::sleep(limit).await;
        if looks_like_a_stream(upload.asked(), 0) {
            return;
        }
    }
}

impl Call {
    /// Of a program's answer; `limit` is how long it may take to part.
    pub(super) fn new(incoming: Incoming, lease: Lease, upload: Upload, limit: Duration) -> Call {
        let parting = Parting::Together(Box::pin(draining(lease.phase())));
        Call { incoming, lease: Some(lease), upload, messages: Messages::default(), parting, limit }
    }

    /// What is to come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        self.part(cx);
        match &mut self.parting {
            Parting::Over => return Poll::Ready(None),
            Parting::Ending(_) if self.messages.at_boundary() => return self.end(REPLACED),
            Parting::Ending(limit) => {
                if limit.as_mut().poll(cx).is_ready() {
                    return self.break_off(BrokenOff::Swap);
                }
            }
            Parting::Together(_) | Parting::Watched(_) => {}
        }
        match ready!(next_frame(&mut self.incoming, &mut self.lease, cx)) {
            Some(Ok(frame)) => self.pass(frame),
            Some(Err(error)) if self.messages.at_boundary() && is_lost(&error) => self.end(ENDED),
            Some(Err(error)) => self.break_off(BrokenOff::Program(error)),
            None => {
                self.parting = Parting::Over;
                finish(&mut self.lease);
                Poll::Ready(None)
            }
        }
    }

    /// Goes on from state to state as far as it can.
    fn part(&mut self, cx: &mut Context<'_>) {
        if let Parting::Together(signal) = &mut self.parting
            && signal.as_mut().poll(cx).is_ready()
        {
            self.parting = Parting::Watched(Box::pin(tokio::time::sleep(self.limit)));
        }
        while let Parting::Watched(time) = &mut self.parting {
            let (asked, answered) = (self.upload.asked(), self.messages.complete());
            let is_over = time.as_mut().poll(cx).is_ready();
            if is_stream(asked, answered) || is_over && looks_like_a_stream(asked, answered) {
                self.parting = Parting::Ending(Box::pin(tokio::time::sleep(self.limit)));
            } else if is_over {
                time.set(tokio::time::sleep(self.limit));
            } else {
                return;
            }
        }
    }

    fn pass(&mut self, frame: Frame<Bytes>) -> Polled {
        let mut data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => {
                self.parting = Parting::Over;
                finish(&mut self.lease);
                return Poll::Ready(Some(Ok(trailers)));
            }
        };
        match self.parting {
            Parting::Ending(_) => data.truncate(self.messages.feed_to_boundary(&data)),
            _ => self.messages.feed(&data),
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn end(&mut self, why: &str) -> Polled {
        self.parting = Parting::Over;
        self.lease = None;
        Poll::Ready(Some(Ok(Frame::trailers(trailers(UNAVAILABLE, why)))))
    }

    fn break_off(&mut self, why: BrokenOff) -> Polled {
        self.parting = Parting::Over;
        self.lease = None;
        Poll::Ready(Some(Err(why)))
    }

    /// Whether nothing is to come.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.parting, Parting::Over) || self.incoming.is_end_stream()
    }
}

/// Whether the connection was lost, rather than the stream given up.
fn is_lost(error: &hyper::Error) -> bool {
    !super::attempt::h2_error(error).is_some_and(|error| error.is_reset())
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("messages", &self.messages).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_a_stream_when_it_shows_to_be_one() {
        let asked = |messages, is_open| Asked { messages, is_open };
        assert!(is_stream(asked(2, true), 0) && is_stream(asked(1, false), 2));
        assert!(!is_stream(asked(1, true), 1));
        // One question, no answer yet: it may still be a unary call, however long it takes.
        assert!(!looks_like_a_stream(asked(1, false), 0));
        assert!(looks_like_a_stream(asked(1, false), 1) && looks_like_a_stream(asked(0, true), 0));
    }
}
