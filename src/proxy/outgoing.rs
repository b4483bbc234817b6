//! The body of an answer as the client gets it: as it is or compressed, and with a line in the log at its end.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    body::{Body, Frame, SizeHint},
};

use super::{
    download::BrokenOff,
    pack::Packed,
    records::Seen,
    rules::{access, coding::Coding},
    settings::{Tell, Told},
};
use crate::{model::Time, sys::Clock};

/// A body on its way out.
pub(super) struct Outgoing {
    shape: Shape,
    entry: Option<Entry>,
}

#[expect(clippy::large_enum_variant, reason = "the large one is that of nearly all answers, and has no need of a box")]
enum Shape {
    AsItIs(Seen),
    Packed(Box<Packed<Seen>>),
}

/// A line of the log, written when this is dropped.
pub(super) struct Entry {
    pub(super) asked: access::Asked,
    pub(super) status: StatusCode,
    pub(super) came: Time,
    pub(super) clock: Clock,
    pub(super) tell: Tell,
    /// Sent so far.
    pub(super) bytes: u64,
}

impl Outgoing {
    /// As it is.
    pub(super) fn new(body: Seen) -> Outgoing {
        Outgoing { shape: Shape::AsItIs(body), entry: None }
    }

    /// What the rules of its route make of an answer.
    pub(super) fn of(response: Response<Seen>, coding: Option<Coding>, entry: Option<Entry>) -> Response<Outgoing> {
        response.map(|body| {
            let shape = match coding {
                None => Shape::AsItIs(body),
                Some(coding) => Shape::Packed(Box::new(Packed::new(body, coding))),
            };
            Outgoing { shape, entry }
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let took = self.clock.now().since(self.came);
        (self.tell)(Told::Request(self.asked.line(self.status, self.bytes, took)));
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let frame = ready!(match &mut self.shape {
            Shape::AsItIs(body) => Pin::new(body).poll_frame(cx),
            Shape::Packed(body) => Pin::new(&mut **body).poll_frame(cx),
        });
        if let (Some(entry), Some(Ok(frame))) = (&mut self.entry, &frame) {
            entry.bytes += frame.data_ref().map_or(0, |piece| piece.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.shape {
            Shape::AsItIs(body) => body.is_end_stream(),
            Shape::Packed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.shape {
            Shape::AsItIs(body) => body.size_hint(),
            Shape::Packed(body) => body.size_hint(),
        }
    }
}
