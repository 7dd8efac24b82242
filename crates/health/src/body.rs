//! Whether a string lies in the beginning of a body (spec §13.1).

use std::io::{self, Write};

use bytes::BytesMut;
use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};
use message::http1::{BodyDecoder, BodyStep, Framing};

use crate::limits::SEARCHED_BYTES;

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Deflate,
}

/// What is known of the string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    Found,
    /// Nothing that may follow can change that.
    Absent,
    /// More of the body must be seen.
    Open,
}

/// Searches a body as it comes.
pub(crate) struct Searcher<'string> {
    string: &'string [u8],
    framing: BodyDecoder,
    decoder: Decoder,
}

enum Decoder {
    Identity(Beginning),
    Gzip(GzDecoder<Beginning>),
    /// How it is meant is seen from its first byte.
    Deflate(Beginning),
    Zlib(ZlibDecoder<Beginning>),
    Raw(DeflateDecoder<Beginning>),
}

impl<'string> Searcher<'string> {
    pub fn new(string: &'string [u8], framing: Framing, coding: Coding) -> Searcher<'string> {
        let beginning = Beginning::default();
        Searcher {
            string,
            framing: BodyDecoder::new(framing),
            decoder: match coding {
                Coding::Identity => Decoder::Identity(beginning),
                Coding::Gzip => Decoder::Gzip(GzDecoder::new(beginning)),
                Coding::Deflate => Decoder::Deflate(beginning),
            },
        }
    }

    /// Takes what was read; broken framing and broken coding end a body.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Search {
        loop {
            let is_end = match self.framing.step(buffer) {
                Ok(BodyStep::Data(bytes)) => self.decode(&bytes).is_err(),
                Ok(BodyStep::NeedMore) => return Search::Open,
                Ok(BodyStep::End) | Err(_) => true,
            };
            let beginning = self.beginning();
            if memchr::memmem::find(&beginning.bytes, self.string).is_some() {
                return Search::Found;
            }
            if is_end || beginning.is_full() {
                return Search::Absent;
            }
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Decoder::Deflate(beginning) = &mut self.decoder {
            let beginning = std::mem::take(beginning);
            // RFC 9110 §8.4.1.2 means the zlib format, whose first byte ends in 8; many send none.
            let is_zlib = bytes.first().is_some_and(|byte| byte & 0x0f == 8);
            self.decoder = match is_zlib {
                true => Decoder::Zlib(ZlibDecoder::new(beginning)),
                false => Decoder::Raw(DeflateDecoder::new(beginning)),
            };
        }
        let writer: &mut dyn Write = match &mut self.decoder {
            Decoder::Identity(beginning) | Decoder::Deflate(beginning) => beginning,
            Decoder::Gzip(decoder) => decoder,
            Decoder::Zlib(decoder) => decoder,
            Decoder::Raw(decoder) => decoder,
        };
        writer.write_all(bytes)?;
        writer.flush()
    }

    fn beginning(&self) -> &Beginning {
        match &self.decoder {
            Decoder::Identity(beginning) | Decoder::Deflate(beginning) => beginning,
            Decoder::Gzip(decoder) => decoder.get_ref(),
            Decoder::Zlib(decoder) => decoder.get_ref(),
            Decoder::Raw(decoder) => decoder.get_ref(),
        }
    }
}

/// The first bytes of a body, decoded. What does not fit is refused, so that a few coded bytes
/// cannot become many.
#[derive(Default)]
struct Beginning {
    bytes: Vec<u8>,
}

impl Beginning {
    fn is_full(&self) -> bool {
        self.bytes.len() == SEARCHED_BYTES
    }
}

impl Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = SEARCHED_BYTES - self.bytes.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.bytes.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn search(string: &[u8], framing: Framing, coding: Coding, body: &[u8], cut: usize) -> Search {
        let mut searcher = Searcher::new(string, framing, coding);
        let mut buffer = BytesMut::new();
        for piece in body.chunks(cut) {
            buffer.extend_from_slice(piece);
            let result = searcher.take(&mut buffer);
            if result != Search::Open {
                return result;
            }
        }
        Search::Open
    }

    /// A body with a string that ends with so many bytes.
    fn body_with_end_at(end: usize) -> Vec<u8> {
        let mut body = vec![b'x'; end - 6];
        body.extend_from_slice(b"needle");
        body.extend_from_slice(&[b'x'; 9_000]);
        body
    }

    fn length(body: &[u8]) -> Framing {
        Framing::Length(body.len() as u64)
    }

    #[test]
    fn a_string_is_found_that_lies_entirely_in_the_first_5120_bytes() {
        for (end, result) in [
            (6, Search::Found),
            (5_119, Search::Found),
            (5_120, Search::Found),
            (5_121, Search::Absent),
            (5_126, Search::Absent),
        ] {
            let body = body_with_end_at(end);
            for cut in [1, 7, 1_000, 20_000] {
                let got = search(b"needle", length(&body), Coding::Identity, &body, cut);
                assert_eq!(got, result, "end {end}, cut {cut}");
            }
        }
    }

    #[test]
    fn upper_and_lower_case_are_different_strings() {
        let body = b"Needle";
        let got = search(b"needle", length(body), Coding::Identity, body, 9);
        assert_eq!(got, Search::Absent);
    }

    #[test]
    fn bodies_in_chunks_are_joined() {
        let wire = b"3\r\nnee\r\n3\r\ndle\r\n0\r\n\r\n";
        for cut in [1, 4, 100] {
            let got = search(b"needle", Framing::Chunked, Coding::Identity, wire, cut);
            assert_eq!(got, Search::Found);
        }
        let got = search(b"needles", Framing::Chunked, Coding::Identity, wire, 100);
        assert_eq!(got, Search::Absent);
        let broken = b"3\r\nneexx";
        let got = search(b"needle", Framing::Chunked, Coding::Identity, broken, 100);
        assert_eq!(got, Search::Absent);
    }

    #[test]
    fn coded_bodies_are_decoded_and_a_bomb_is_only_as_long_as_what_is_searched() {
        let bomb = |end: usize| {
            let mut body = body_with_end_at(end);
            body.resize(5_000_000, b'x');
            body
        };
        for (end, result) in [(5_120, Search::Found), (5_121, Search::Absent)] {
            let body = bomb(end);
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(&body).unwrap();
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(&body).unwrap();
            let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
            raw.write_all(&body).unwrap();
            for (coding, wire) in [
                (Coding::Gzip, gzip.finish().unwrap()),
                (Coding::Deflate, zlib.finish().unwrap()),
                (Coding::Deflate, raw.finish().unwrap()),
            ] {
                for cut in [1, 100_000] {
                    let got = search(b"needle", length(&wire), coding, &wire, cut);
                    assert_eq!(got, result, "{coding:?}, end {end}, cut {cut}");
                }
            }
        }
    }

    #[test]
    fn a_small_coded_body_is_seen_before_its_connection_ends() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"a needle").unwrap();
        let wire = gzip.finish().unwrap();
        let endless = Framing::Length(u64::MAX);
        let got = search(b"needle", endless, Coding::Gzip, &wire, wire.len());
        assert_eq!(got, Search::Found);
    }

    #[test]
    fn what_is_not_coded_as_it_says_ends() {
        let got = search(b"needle", Framing::Length(6), Coding::Gzip, b"needle", 9);
        assert_eq!(got, Search::Absent);
    }
}
