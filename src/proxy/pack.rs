//! A body that is compressed while it passes. What has come is never kept waiting for what is still to come.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use async_compression::{
    Level, brotli,
    tokio::write::{BrotliEncoder, GzipEncoder},
};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::AsyncWrite;

use super::{download::BrokenOff, rules::coding::Coding};

/// So much is collected, as long as more comes at once.
const PIECE: usize = 16 * 1024;
/// Quick, and most of what can be gained.
const GZIP: Level = Level::Precise(5);
const BROTLI: Level = Level::Precise(4);
/// 2 to the power of this, in bytes: what brotli looks back at, and needs memory for.
const WINDOW: i32 = 18;

/// A body on its way.
pub(super) struct Packed<B> {
    body: B,
    state: State,
}

/// `Packing => Ending => Over`
enum State {
    /// The encoder has everything that has come.
    Packing(Encoder, Since),
    /// All that is left: data, then trailers.
    Ending { data: Vec<u8>, trailers: Option<Frame<Bytes>> },
    /// All has been sent.
    Over,
}

/// Whether the encoder has taken something since it was emptied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Since {
    Nothing,
    Something,
}

enum Encoder {
    Gzip(GzipEncoder<Vec<u8>>),
    Brotli(Box<BrotliEncoder<Vec<u8>>>),
}

impl Encoder {
    fn new(coding: Coding) -> Encoder {
        match coding {
            Coding::Gzip => Encoder::Gzip(GzipEncoder::with_quality(Vec::new(), GZIP)),
            Coding::Brotli => {
                let params = brotli::EncoderParams::default().quality(BROTLI).window_size(WINDOW);
                Encoder::Brotli(Box::new(BrotliEncoder::with_params(Vec::new(), params)))
            }
        }
    }

    fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin)> {
        match self {
            Encoder::Gzip(encoder) => Pin::new(encoder),
            Encoder::Brotli(encoder) => Pin::new(&mut **encoder),
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Encoder::Gzip(encoder) => encoder.get_mut(),
            Encoder::Brotli(encoder) => encoder.get_mut(),
        }
    }

    fn write(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let written = at_once(|cx| self.writer().poll_write(cx, data))?;
            data = &data[written..];
        }
        Ok(())
    }

    /// Everything that has been written can be read by whoever gets it.
    fn flush(&mut self) -> io::Result<Vec<u8>> {
        at_once(|cx| self.writer().poll_flush(cx))?;
        Ok(std::mem::take(self.out()))
    }

    fn finish(&mut self) -> io::Result<Vec<u8>> {
        at_once(|cx| self.writer().poll_shutdown(cx))?;
        Ok(std::mem::take(self.out()))
    }
}

/// Memory is never busy.
fn at_once<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BrokenOff>>>;

impl<B: Body<Data = Bytes, Error = BrokenOff> + Unpin> Packed<B> {
    /// Nothing of `body` has been read.
    pub(super) fn new(body: B, coding: Coding) -> Packed<B> {
        Packed { body, state: State::Packing(Encoder::new(coding), Since::Nothing) }
    }

    fn pack(&mut self, cx: &mut Context<'_>) -> Polled {
        loop {
            let State::Packing(encoder, since) = &mut self.state else { return Poll::Ready(self.end()) };
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending if *since == Since::Nothing => return Poll::Pending,
                Poll::Pending => {
                    *since = Since::Nothing;
                    return Poll::Ready(Some(encoder.flush().map(data).map_err(BrokenOff::Packing)));
                }
            };
            let trailers = match frame.transpose()?.map(Frame::into_data) {
                Some(Ok(piece)) => {
                    encoder.write(&piece).map_err(BrokenOff::Packing)?;
                    *since = Since::Something;
                    if encoder.out().len() >= PIECE {
                        return Poll::Ready(Some(Ok(data(std::mem::take(encoder.out())))));
                    }
                    continue;
                }
                Some(Err(trailers)) => Some(trailers),
                None => None,
            };
            let rest = encoder.finish().map_err(BrokenOff::Packing)?;
            self.state = State::Ending { data: rest, trailers };
        }
    }

    fn end(&mut self) -> Option<Result<Frame<Bytes>, BrokenOff>> {
        let State::Ending { data: rest, trailers } = &mut self.state else { return None };
        if !rest.is_empty() {
            return Some(Ok(data(std::mem::take(rest))));
        }
        let trailers = trailers.take();
        self.state = State::Over;
        trailers.map(Ok)
    }
}

fn data(bytes: Vec<u8>) -> Frame<Bytes> {
    Frame::data(Bytes::from(bytes))
}

impl<B: Body<Data = Bytes, Error = BrokenOff> + Unpin> Body for Packed<B> {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = self.get_mut();
        let frame = ready!(this.pack(cx));
        if let Some(Err(_)) = &frame {
            this.state = State::Over;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
