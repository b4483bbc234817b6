//! Out of the coding that a page came in. Bytes are pushed in and come out as far as they can be known: nothing that
//! the program has flushed stays here.

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
    use async_compression::{Level, tokio::write};
    use flate2::{Compression, write::GzEncoder};
    use hyper::header::HeaderValue;
    use tokio::io::{AsyncWrite, AsyncWriteExt};

    use super::{
        super::insert::{Certainty, Insert},
        *,
    };

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

    /// As a program writes it that flushes after its head.
    async fn packed(coding: Coding, quality: i32, head: &[u8], rest: &[u8]) -> Vec<u8> {
        async fn of(mut encoder: impl AsyncWrite + Unpin, head: &[u8], rest: &[u8]) {
            encoder.write_all(head).await.unwrap();
            encoder.flush().await.unwrap();
            encoder.write_all(rest).await.unwrap();
            encoder.shutdown().await.unwrap();
        }
        let (mut out, level) = (Vec::new(), Level::Precise(quality));
        match coding {
            Coding::Gzip => of(write::GzipEncoder::with_quality(&mut out, level), head, rest).await,
            _ => of(write::BrotliEncoder::with_quality(&mut out, level), head, rest).await,
        }
        out
    }

    #[tokio::test]
    async fn pages_of_every_quality_get_the_tag_with_a_border_at_every_byte() {
        let (head, tag) = ("<!doctype html><html><head data-x='größer'>", "<script async></script>");
        let rest = format!("<title>x</title></head><body>{}</body></html>", "<p class=a>Größe</p>\n".repeat(30));
        let expected = format!("{head}{tag}{rest}");
        let cases = [0, 1, 4, 6, 9, 11].map(|quality| (Coding::Brotli, quality));
        let cases = cases.into_iter().chain([0, 1, 6, 9].map(|quality| (Coding::Gzip, quality)));
        for (coding, quality) in cases {
            let packed = packed(coding, quality, head.as_bytes(), rest.as_bytes()).await;
            let tagged = |pieces: &mut dyn Iterator<Item = &[u8]>| {
                let mut decode = Decode::new(coding);
                let mut insert = Insert::new(Bytes::from_static(tag.as_bytes()), Certainty::Perhaps);
                let mut out = Vec::new();
                for piece in pieces {
                    let mut piece = Bytes::copy_from_slice(piece);
                    while !piece.is_empty() {
                        out.extend(insert.feed(decode.take(&mut piece).unwrap()).concat());
                    }
                }
                out.extend(insert.feed(decode.finish().unwrap()).concat());
                out.extend(insert.finish().concat());
                String::from_utf8(out).unwrap()
            };
            for border in 0..=packed.len() {
                let (first, second) = packed.split_at(border);
                assert_eq!(
                    tagged(&mut [first, second].into_iter()),
                    expected,
                    "{coding:?} {quality}, border at {border}"
                );
            }
            assert_eq!(tagged(&mut packed.chunks(1)), expected, "{coding:?} {quality}, byte by byte");
        }
    }

    #[tokio::test]
    async fn what_was_flushed_comes_out_before_the_end() {
        async fn of(mut encoder: impl AsyncWrite + Unpin) {
            encoder.write_all(b"<head>").await.unwrap();
            encoder.flush().await.unwrap();
        }
        let (mut gzip, mut brotli) = (Vec::new(), Vec::new());
        of(write::GzipEncoder::new(&mut gzip)).await;
        of(write::BrotliEncoder::new(&mut brotli)).await;
        for (coding, flushed) in [(Coding::Gzip, gzip), (Coding::Brotli, brotli)] {
            assert_eq!(Decode::new(coding).take(&mut Bytes::from(flushed)).unwrap(), "<head>", "{coding:?}");
        }
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
