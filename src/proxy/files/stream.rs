//! The bytes of a file, piece by piece.

use std::{
    fs, io,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use hyper::body::SizeHint;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

/// Read at a time.
const PIECE: usize = 64 * 1024;

/// A part of a file on its way.
#[derive(Debug)]
pub(in super::super) struct FileStream {
    file: tokio::fs::File,
    start: Start,
    left: u64,
    /// Room for the piece that is being read.
    piece: BytesMut,
}

/// Whether the file stands where the part begins. To => Moving => There.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    To(u64),
    Moving,
    There,
}

impl FileStream {
    /// These bytes of the file, at least one.
    pub(super) fn new(file: fs::File, bytes: Range<u64>) -> FileStream {
        let start = if bytes.start == 0 { Start::There } else { Start::To(bytes.start) };
        FileStream {
            file: tokio::fs::File::from_std(file),
            start,
            left: bytes.end - bytes.start,
            piece: BytesMut::new(),
        }
    }

    /// The next piece; none at the end. A file that has become shorter than it was is an error: what was announced
    /// cannot be sent.
    pub(in super::super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if let Start::To(position) = self.start {
            Pin::new(&mut self.file).start_seek(io::SeekFrom::Start(position))?;
            self.start = Start::Moving;
        }
        if self.start == Start::Moving {
            ready!(Pin::new(&mut self.file).poll_complete(cx))?;
            self.start = Start::There;
        }
        let size = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        self.piece.resize(size, 0);
        let mut buffer = ReadBuf::new(&mut self.piece);
        ready!(Pin::new(&mut self.file).poll_read(cx, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        self.left -= read as u64;
        Poll::Ready(Some(Ok(self.piece.split_to(read).freeze())))
    }

    /// Exactly what is left.
    pub(in super::super) fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }

    /// Whether all has been read.
    pub(in super::super) fn is_end(&self) -> bool {
        self.left == 0
    }
}
