//! Bodies: however the bytes arrive, the same body comes out of them, or the same refusal.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use message::http1::{BodyDecoder, BodyStep, Framing, LAST_CHUNK, write_chunk_prefix};

fuzz_target!(|data: &[u8]| {
    let [kind, split, wire @ ..] = data else {
        return;
    };
    let framing = match kind {
        b'L' => Framing::Length(u64::from(*split) + 1),
        b'E' => Framing::Empty,
        _ => Framing::Chunked,
    };
    let whole = decode(framing, [wire]);
    assert_eq!(whole, decode(framing, wire.chunks(1)), "byte by byte");
    assert_eq!(whole, decode(framing, wire.chunks(usize::from(*split) + 1)));
    let at = usize::from(*split) * wire.len() / 256;
    assert_eq!(whole, decode(framing, [&wire[..at], &wire[at..]]));
    if framing == Framing::Chunked {
        let body = wire.chunks(usize::from(*split) + 1);
        let want = Outcome {
            body: wire.to_vec(),
            end: End::Done,
            rest: b"next".to_vec(),
        };
        assert_eq!(decode(framing, [&encode(body)[..]]), want, "our own chunks");
    }
});

#[derive(Debug, PartialEq)]
enum End {
    Done,
    NeedMore,
    Refused,
}

#[derive(Debug, PartialEq)]
struct Outcome {
    body: Vec<u8>,
    end: End,
    /// What belongs to the next message.
    rest: Vec<u8>,
}

fn decode<'a>(framing: Framing, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = BodyDecoder::new(framing);
    let mut buffer = BytesMut::new();
    let mut outcome = Outcome {
        body: Vec::new(),
        end: End::NeedMore,
        rest: Vec::new(),
    };
    let mut pieces = pieces.into_iter();
    loop {
        match decoder.step(&mut buffer) {
            Ok(BodyStep::Data(data)) => {
                assert!(!data.is_empty());
                outcome.body.extend_from_slice(&data);
            }
            Ok(BodyStep::NeedMore) => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => return outcome,
            },
            Ok(BodyStep::End) => {
                assert!(decoder.is_done());
                outcome.end = End::Done;
                outcome.rest = buffer.to_vec();
                outcome.rest.extend(pieces.flatten());
                return outcome;
            }
            Err(_) => {
                outcome.end = End::Refused;
                return outcome;
            }
        }
    }
}

fn encode<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in chunks {
        write_chunk_prefix(chunk.len(), &mut wire);
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(LAST_CHUNK);
    wire.extend_from_slice(b"next");
    wire
}
