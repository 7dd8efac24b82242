use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use super::Framing;
use crate::limits::{CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX};

/// Takes a message body out of the bytes of a connection. Strict about chunk framing: sizes are
/// plain hexadecimal, lines end in CR LF, everything is bounded. Trailers are dropped.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
}

#[derive(Debug)]
enum State {
    /// This many bytes of the body are still to come.
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    /// After the last chunk, with the bytes of trailer seen so far.
    Trailer(usize),
    Done,
}

/// One step of decoding.
#[derive(Debug, Eq, PartialEq)]
pub enum BodyStep {
    /// The next bytes of the body; never empty.
    Data(Bytes),
    /// Nothing can be taken until more has been read.
    NeedMore,
    /// The body is complete; what is left in the buffer belongs to the next message.
    End,
}

/// The body's framing is broken; the sender's fault. The connection cannot be used further.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the body's chunked framing is broken")]
pub struct BodyError;

impl BodyDecoder {
    /// A decoder for a body framed so.
    pub fn new(framing: Framing) -> BodyDecoder {
        let state = match framing {
            Framing::Empty => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
        };
        BodyDecoder { state }
    }

    /// Whether the whole body has been taken.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes what can be taken from the front of `buffer`.
    pub fn step(&mut self, buffer: &mut BytesMut) -> Result<BodyStep, BodyError> {
        loop {
            match &mut self.state {
                State::Done => return Ok(BodyStep::End),
                State::Length(left) => {
                    let Some(data) = take(buffer, left) else {
                        return Ok(BodyStep::NeedMore);
                    };
                    if *left == 0 {
                        self.state = State::Done;
                    }
                    return Ok(BodyStep::Data(data));
                }
                State::ChunkData(left) => {
                    let Some(data) = take(buffer, left) else {
                        return Ok(BodyStep::NeedMore);
                    };
                    if *left == 0 {
                        self.state = State::ChunkEnd;
                    }
                    return Ok(BodyStep::Data(data));
                }
                State::ChunkEnd => match buffer.get(..2) {
                    Some(b"\r\n") => {
                        buffer.advance(2);
                        self.state = State::ChunkSize;
                    }
                    Some(_) => return Err(BodyError),
                    None if buffer.first().is_some_and(|byte| *byte != b'\r') => {
                        return Err(BodyError);
                    }
                    None => return Ok(BodyStep::NeedMore),
                },
                State::ChunkSize => {
                    let Some(line_len) = line(buffer, CHUNK_LINE_BYTES_MAX)? else {
                        return Ok(BodyStep::NeedMore);
                    };
                    let size = parse_chunk_size(&buffer[..line_len])?;
                    buffer.advance(line_len + 2);
                    self.state = if size == 0 {
                        State::Trailer(0)
                    } else {
                        State::ChunkData(size)
                    };
                }
                State::Trailer(seen) => {
                    let left = TRAILER_BYTES_MAX - *seen;
                    let Some(line_len) = line(buffer, left)? else {
                        return Ok(BodyStep::NeedMore);
                    };
                    buffer.advance(line_len + 2);
                    if line_len == 0 {
                        self.state = State::Done;
                    } else {
                        *seen = (*seen + line_len + 2).min(TRAILER_BYTES_MAX);
                    }
                }
            }
        }
    }
}

fn take(buffer: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    if buffer.is_empty() {
        return None;
    }
    let len = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(buffer.len());
    *left -= len as u64;
    Some(buffer.split_to(len).freeze())
}

/// Length of the line at the front, without its CR LF; `None` until it is complete.
fn line(buffer: &[u8], max: usize) -> Result<Option<usize>, BodyError> {
    match memchr(b'\n', buffer) {
        Some(0) => Err(BodyError),
        Some(at) if at - 1 > max || buffer[at - 1] != b'\r' => Err(BodyError),
        Some(at) => Ok(Some(at - 1)),
        None if buffer.len() > max + 1 => Err(BodyError),
        None => Ok(None),
    }
}

/// `1*HEXDIG`, then optionally white space and an extension that starts with `;`.
fn parse_chunk_size(line: &[u8]) -> Result<u64, BodyError> {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let (size, rest) = line.split_at(digits);
    let extension = rest.trim_ascii_start();
    // 15 digits keep the size far from overflow and far above any body.
    if !(1..=15).contains(&digits)
        || !(rest.is_empty() || extension.first() == Some(&b';'))
        || rest
            .iter()
            .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return Err(BodyError);
    }
    let text = std::str::from_utf8(size).map_err(|_| BodyError)?;
    u64::from_str_radix(text, 16).map_err(|_| BodyError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(framing: Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, usize), BodyError> {
        let mut decoder = BodyDecoder::new(framing);
        let (mut body, mut buffer) = (Vec::new(), BytesMut::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let BodyStep::Data(data) = decoder.step(&mut buffer)? {
                body.extend_from_slice(&data);
            }
        }
        Ok((body, decoder.is_done(), buffer.len()))
    }

    #[test]
    fn a_length_takes_just_its_bytes_and_leaves_the_next_request() {
        assert_eq!(
            decode(Framing::Length(3), &[b"ab", b"cGET"]),
            Ok((b"abc".to_vec(), true, 3))
        );
        assert_eq!(
            decode(Framing::Length(3), &[b"ab"]),
            Ok((b"ab".to_vec(), false, 0))
        );
    }

    #[test]
    fn chunks_extensions_and_trailers_are_read() {
        let wire: &[u8] = b"3;x=\"y\"\r\nabc\r\n0A\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET";
        let want = Ok((b"abc0123456789".to_vec(), true, 3));
        assert_eq!(decode(Framing::Chunked, &[wire]), want);
        let bytewise: Vec<&[u8]> = wire[..wire.len() - 3].chunks(1).collect();
        assert_eq!(
            decode(Framing::Chunked, &bytewise),
            Ok((b"abc0123456789".to_vec(), true, 0))
        );
    }

    #[test]
    fn broken_chunk_framing_is_refused() {
        let long_line = [b"1;".to_vec(), vec![b'x'; 300]].concat();
        let long_trailer = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(1_000)].concat();
        for wire in [
            &b"\r\n"[..],
            b"g\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b" 1\r\n",
            b"1 2\r\n",
            b"1\n",
            b"1\r\nab\r\n",
            b"1\r\naX\r\n",
            b"1\r\na\n",
            b"fffffffffffffffff\r\n",
            b"1\rX\n",
            b"1;\x01\r\n",
            &long_line,
            &long_trailer,
        ] {
            assert_eq!(
                decode(Framing::Chunked, &[wire]),
                Err(BodyError),
                "{wire:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn chunking_round_trips_however_it_is_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..8),
            cut in 1usize..20,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                super::super::write_chunk_prefix(chunk.len(), &mut wire);
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(super::super::LAST_CHUNK);
            let pieces: Vec<&[u8]> = wire.chunks(cut).collect();
            prop_assert_eq!(decode(Framing::Chunked, &pieces), Ok((chunks.concat(), true, 0)));
        }

        #[test]
        fn no_input_makes_the_decoder_panic(wire in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(Framing::Chunked, &[&wire]);
        }
    }
}
