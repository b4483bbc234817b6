//! The body of an answer, counted while it passes.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::{
    record::{Kept, Stage},
    trail::{End, LEFT},
};
use crate::proxy::download::{Answer, BrokenOff};

/// A body whose end is told to its record.
pub(in crate::proxy) struct Seen {
    answer: Answer,
    counting: Option<Counting>,
}

struct Counting {
    end: End,
    kept: Kept,
    keep: usize,
}

impl Seen {
    /// Nobody wants to know.
    pub(in crate::proxy) fn unrecorded(answer: Answer) -> Seen {
        Seen { answer, counting: None }
    }

    /// `keep`: so many bytes of it are kept.
    pub(super) fn recorded(answer: Answer, end: End, keep: usize) -> Seen {
        Seen { answer, counting: Some(Counting { end, kept: Kept::default(), keep }) }
    }

    fn over(&mut self, stage: Stage) {
        if let Some(Counting { end, kept, .. }) = self.counting.take() {
            end.come(stage, kept);
        }
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let stage = if self.answer.is_end_stream() { Stage::Done } else { Stage::BrokenOff(LEFT) };
        self.over(stage);
    }
}

impl Body for Seen {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let frame = ready!(Pin::new(&mut self.answer).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(counting), Some(piece)) = (&mut self.counting, frame.data_ref()) {
                    counting.kept.add(piece, counting.keep);
                }
            }
            Some(Err(BrokenOff::Program(_))) => self.over(Stage::BrokenOff("the program broke off its answer")),
            Some(Err(BrokenOff::Coding(_))) => self.over(Stage::BrokenOff("the page cannot be decoded")),
            Some(Err(BrokenOff::Packing(_))) => self.over(Stage::BrokenOff("it could not be compressed")),
            Some(Err(BrokenOff::File(_))) => self.over(Stage::BrokenOff("the file could not be read to its end")),
            Some(Err(BrokenOff::Swap)) => self.over(Stage::BrokenOff("the program was replaced")),
            None => self.over(Stage::Done),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}
