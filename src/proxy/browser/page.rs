//! The body of a page that gets devloop's tag: out of its coding, with the tag, on as it comes.

use std::{
    collections::VecDeque,
    fmt,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Frame, Incoming};

use super::{
    super::{
        download::{BrokenOff, Lease, Polled, finish, next_frame, next_piece},
        files::FileStream,
    },
    decode::Decode,
    inject::Opening,
    insert::Insert,
};

/// A page on its way.
pub(in super::super) struct Page {
    raw: Raw,
    decode: Decode,
    insert: Insert,
    /// Read and not decoded.
    packed: Bytes,
    /// Ready to go.
    out: VecDeque<Frame<Bytes>>,
    trailers: Option<Frame<Bytes>>,
    stage: Stage,
}

/// What the page is made from.
enum Raw {
    /// A program's answer.
    Program(Incoming, Option<Lease>),
    /// A file.
    File(Box<FileStream>),
}

/// Reading => Ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Reading,
    /// Nothing comes any more.
    Ended,
}

impl Page {
    /// Of a program's answer.
    pub(in super::super) fn new(incoming: Incoming, lease: Lease, opening: Opening) -> Page {
        Page::of(Raw::Program(incoming, Some(lease)), opening)
    }

    /// Of a file.
    pub(in super::super) fn of_file(file: Box<FileStream>, opening: Opening) -> Page {
        Page::of(Raw::File(file), opening)
    }

    fn of(raw: Raw, opening: Opening) -> Page {
        let Opening { decode, insert } = opening;
        let (packed, out) = (Bytes::new(), VecDeque::new());
        Page { raw, decode, insert, packed, out, trailers: None, stage: Stage::Reading }
    }

    /// The next frame.
    pub(in super::super) fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        loop {
            if let Some(frame) = self.out.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.stage == Stage::Ended {
                return Poll::Ready(None);
            }
            if !self.packed.is_empty() {
                match self.decode.take(&mut self.packed) {
                    Ok(data) => self.push(data),
                    Err(error) => return self.broken(BrokenOff::Coding(error)),
                }
                continue;
            }
            match ready!(self.raw.poll(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.packed = data,
                    // Who has got them reads no further: they wait until the program's answer is over.
                    Err(trailers) => self.trailers = Some(trailers),
                },
                Some(Err(why)) => return self.broken(why),
                None => {
                    if let Err(error) = self.flush() {
                        return self.broken(BrokenOff::Coding(error));
                    }
                    self.raw.finish();
                }
            }
        }
    }

    /// Whether nothing comes any more.
    pub(in super::super) fn is_over(&self) -> bool {
        self.stage == Stage::Ended && self.out.is_empty()
    }

    fn push(&mut self, data: Bytes) {
        if !data.is_empty() {
            let pieces = self.insert.feed(data);
            self.out.extend(pieces.into_iter().filter(|piece| !piece.is_empty()).map(Frame::data));
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stage = Stage::Ended;
        let rest = self.decode.finish()?;
        self.push(rest);
        let pieces = self.insert.finish();
        self.out.extend(pieces.into_iter().filter(|piece| !piece.is_empty()).map(Frame::data));
        self.out.extend(self.trailers.take());
        Ok(())
    }

    fn broken(&mut self, why: BrokenOff) -> Polled {
        self.raw.let_go();
        self.stage = Stage::Ended;
        Poll::Ready(Some(Err(why)))
    }
}

impl Raw {
    fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        match self {
            Raw::Program(incoming, lease) => {
                next_frame(incoming, lease, cx).map(|frame| frame.map(|frame| frame.map_err(BrokenOff::Program)))
            }
            Raw::File(file) => next_piece(file, cx),
        }
    }

    /// All of it has been read.
    fn finish(&mut self) {
        if let Raw::Program(_, lease) = self {
            finish(lease);
        }
    }

    /// It breaks off.
    fn let_go(&mut self) {
        if let Raw::Program(_, lease) = self {
            *lease = None;
        }
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("decode", &self.decode).field("stage", &self.stage).finish_non_exhaustive()
    }
}
