//! Out of the coding that a page came in. Bytes are pushed in and come out as far as they can be known: nothing that the
//! program has flushed stays here.

use std::{
    fmt,
    io::{self, Write},
};

use brotli_decompressor::DecompressorWriter;
use bytes::Bytes;
use flate2::write::GzDecoder;
use hyper::{HeaderMap, header};

/// So much of a compressed page is looked at in one go: what comes out of it is bounded by that.
const SLICE: usize = 4 * 1024;
/// What the brotli decoder writes at once.
const BUFFER: usize = 16 * 1024;

/// What a page came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    /// `gzip`
    Gzip,
    /// `br`
    Brotli,
}

impl Coding {
    /// Of an answer with this head; none if it cannot be undone here.
    pub(super) fn of(headers: &HeaderMap) -> Option<Coding> {
        let mut fields = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(field) = fields.next() else { return Some(Coding::Identity) };
        if fields.next().is_some() {
            return None;
        }
        match field.as_bytes().trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Some(Coding::Identity),
            b"gzip" | b"x-gzip" => Some(Coding::Gzip),
            b"br" => Some(Coding::Brotli),
            _ => None,
        }
    }
}

/// Undoes one coding.
pub(super) enum Decode {
    Identity,
    Gzip(Box<GzDecoder<Vec<u8>>>),
    Brotli(Box<DecompressorWriter<Vec<u8>>>),
}

impl Decode {
    /// Of a page in this coding.
    pub(super) fn new(coding: Coding) -> Decode {
        match coding {
            Coding::Identity => Decode::Identity,
            Coding::Gzip => Decode::Gzip(Box::new(GzDecoder::new(Vec::new()))),
            Coding::Brotli => Decode::Brotli(Box::new(DecompressorWriter::new(Vec::new(), BUFFER))),
        }
    }

    /// Takes bytes off `data`, and gives what they stand for.
    ///
    /// # Errors
    ///
    /// They are not what the coding says.
    pub(super) fn take(&mut self, data: &mut Bytes) -> io::Result<Bytes> {
        let count = data.len().min(SLICE);
        match self {
            Decode::Identity => Ok(std::mem::take(data)),
            Decode::Gzip(decoder) => {
                decoder.write_all(&data.split_to(count))?;
                decoder.flush()?;
                Ok(Bytes::from(std::mem::take(decoder.get_mut())))
            }
            Decode::Brotli(decoder) => {
                decoder.write_all(&data.split_to(count))?;
                Ok(Bytes::from(std::mem::take(decoder.get_mut())))
            }
        }
    }

    /// The page is complete: what is left.
    ///
    /// # Errors
    ///
    /// It is not.
    pub(super) fn finish(&mut self) -> io::Result<Bytes> {
        match self {
            Decode::Identity => Ok(Bytes::new()),
            Decode::Gzip(decoder) => {
                decoder.try_finish()?;
                Ok(Bytes::from(std::mem::take(decoder.get_mut())))
            }
            Decode::Brotli(decoder) => {
                decoder.close()?;
                Ok(Bytes::from(std::mem::take(decoder.get_mut())))
            }
        }
    }
}

impl fmt::Debug for Decode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Decode::Identity => "identity",
            Decode::Gzip(_) => "gzip",
            Decode::Brotli(_) => "br",
        })
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};
    use hyper::header::HeaderValue;

    use super::*;

    fn page() -> Vec<u8> {
        (0..5_000)
            .flat_map(|number: u32| format!("<p>{}</p>\n", number.wrapping_mul(2_654_435_761)).into_bytes())
            .collect()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// `<head>` as `br` writes it without compressing: one stored block.
    const BROTLI_HEAD: &[u8] = &[0x8b, 0x02, 0x80, b'<', b'h', b'e', b'a', b'd', b'>', 0x03];

    fn decoded(coding: Coding, pieces: &[&[u8]]) -> io::Result<Vec<u8>> {
        let mut decode = Decode::new(coding);
        let mut out = Vec::new();
        for piece in pieces {
            let mut piece = Bytes::copy_from_slice(piece);
            while !piece.is_empty() {
                out.extend_from_slice(&decode.take(&mut piece)?);
            }
        }
        out.extend_from_slice(&decode.finish()?);
        Ok(out)
    }

    #[test]
    fn pages_come_out_as_they_were_with_a_border_at_every_byte() {
        let short = gzip(b"<head>");
        for border in 0..short.len() {
            let (first, second) = short.split_at(border);
            assert_eq!(decoded(Coding::Gzip, &[first, second]).unwrap(), b"<head>", "{border}");
        }
        for border in 0..BROTLI_HEAD.len() {
            let (first, second) = BROTLI_HEAD.split_at(border);
            assert_eq!(decoded(Coding::Brotli, &[first, second]).unwrap(), b"<head>", "{border}");
        }
        assert_eq!(decoded(Coding::Gzip, &[&gzip(&page())]).unwrap(), page());
    }

    #[test]
    fn what_was_flushed_comes_out_before_the_end() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(b"<head>").unwrap();
        encoder.flush().unwrap();
        let mut flushed = Bytes::from(encoder.get_ref().clone());
        assert_eq!(Decode::new(Coding::Gzip).take(&mut flushed).unwrap(), "<head>");
    }

    #[test]
    fn a_page_that_is_cut_off_or_garbled_is_an_error() {
        let whole = gzip(&page());
        assert!(decoded(Coding::Gzip, &[&whole[..whole.len() / 2]]).is_err());
        assert!(decoded(Coding::Gzip, &[b"no gzip at all"]).is_err());
        assert!(decoded(Coding::Brotli, &[&BROTLI_HEAD[..6]]).is_err());
        assert!(decoded(Coding::Brotli, &[&[0xff; 32]]).is_err());
    }

    #[test]
    fn a_page_that_grows_when_unpacked_comes_in_pieces() {
        let mut packed = Bytes::from(gzip(&vec![b' '; 64 * 1024 * 1024]));
        let mut decode = Decode::new(Coding::Gzip);
        let mut all = 0;
        while !packed.is_empty() {
            let piece = decode.take(&mut packed).unwrap().len();
            assert!(piece <= 8 * 1024 * 1024, "{piece}");
            all += piece;
        }
        assert_eq!(all + decode.finish().unwrap().len(), 64 * 1024 * 1024);
    }

    #[test]
    fn other_codings_and_lists_are_left_alone() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("content-encoding", HeaderValue::from_static(value));
            }
            Coding::of(&headers)
        };
        assert_eq!(of(&[]), Some(Coding::Identity));
        assert_eq!(of(&["Identity"]), Some(Coding::Identity));
        assert_eq!(of(&["GZIP"]), Some(Coding::Gzip));
        assert_eq!(of(&["br"]), Some(Coding::Brotli));
        for other in [&["zstd"][..], &["deflate"], &["gzip, br"], &["gzip", "br"], &["unknown"], &["aws-chunked"]] {
            assert_eq!(of(other), None, "{other:?}");
        }
    }
}
