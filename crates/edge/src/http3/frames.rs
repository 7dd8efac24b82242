//! How much of a stream is held: a watch over frames as they go by (RFC 9114, section 7).
//!
//! h3 keeps a frame until it is there as a whole, however long it says it is; only the content of
//! `DATA` passes through. So whoever announces a head of 4 GB could have 4 GB of memory. The watch
//! stands between the stream and h3, reads types and lengths, and says when one is too long.

use crate::limits;

/// `DATA`, whose content nobody holds.
const DATA: u64 = 0x00;

/// The type of a stream that carries frames about the connection.
const CONTROL: u64 = 0x00;

/// A frame is longer than [`limits::HTTP3_FRAME_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a frame of type {kind:#x} has {length} bytes; {} are allowed",
    limits::HTTP3_FRAME_BYTES_MAX
)]
pub(super) struct FrameTooLong {
    /// Its type.
    pub kind: u64,
    /// Its length as it says.
    pub length: u64,
}

/// Where in its stream the watch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Type of the stream.
    Stream,
    /// Type of a frame.
    Kind,
    /// Length of a frame.
    Length,
    /// Content of a frame: so many bytes.
    Content(u64),
    /// A stream that h3 reads no frames from.
    Other,
}

/// Watches the frames of one stream. It is told of all bytes in their order, cut anywhere.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    at: At,
    number: Number,
    kind: u64,
    data_bytes: u64,
}

/// A number of variable length (RFC 9000, section 16) that may not be there as a whole yet.
#[derive(Clone, Copy, Debug, Default)]
struct Number {
    value: u64,
    /// Bytes to come; 0 before the first, which tells how many there are.
    left: u8,
}

impl Number {
    /// Takes a byte; the value when it was the last.
    fn push(&mut self, byte: u8) -> Option<u64> {
        if self.left == 0 {
            self.left = 1 << (byte >> 6);
            self.value = u64::from(byte & 0x3f);
        } else {
            self.value = self.value << 8 | u64::from(byte);
        }
        self.left -= 1;
        (self.left == 0).then_some(self.value)
    }
}

impl Frames {
    /// Watches a stream that carries a request.
    pub fn of_request() -> Frames {
        Frames::at(At::Kind)
    }

    /// Watches a stream in one direction, which says its type first.
    pub fn of_side_stream() -> Frames {
        Frames::at(At::Stream)
    }

    fn at(at: At) -> Frames {
        Frames {
            at,
            number: Number::default(),
            kind: DATA,
            data_bytes: 0,
        }
    }

    /// Bytes of bodies that have gone by.
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// Whether the stream may end here: not within a frame.
    pub fn may_end(&self) -> bool {
        self.number.left == 0 && matches!(self.at, At::Kind | At::Content(0) | At::Other)
    }

    /// Sees the next bytes of the stream. After an error it is not to be called again.
    pub fn see(&mut self, mut bytes: &[u8]) -> Result<(), FrameTooLong> {
        loop {
            if let At::Content(left) = self.at {
                let here = left.min(bytes.len() as u64);
                if self.kind == DATA {
                    self.data_bytes += here;
                }
                bytes = &bytes[here as usize..];
                self.at = match left - here {
                    0 => At::Kind,
                    left => At::Content(left),
                };
            }
            if self.at == At::Other {
                return Ok(());
            }
            let Some((first, rest)) = bytes.split_first() else {
                return Ok(());
            };
            bytes = rest;
            if let Some(number) = self.number.push(*first) {
                self.at = self.after(number)?;
            }
        }
    }

    /// Where the watch is after a number has come to its end.
    fn after(&mut self, number: u64) -> Result<At, FrameTooLong> {
        match self.at {
            At::Stream if number == CONTROL => Ok(At::Kind),
            At::Kind => {
                self.kind = number;
                Ok(At::Length)
            }
            At::Length if self.kind != DATA && number > limits::HTTP3_FRAME_BYTES_MAX => {
                let (kind, length) = (self.kind, number);
                Err(FrameTooLong { kind, length })
            }
            At::Length => Ok(At::Content(number)),
            At::Stream | At::Content(_) | At::Other => Ok(At::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: u64 = limits::HTTP3_FRAME_BYTES_MAX;

    /// A number in as many bytes as are asked for, or as it needs.
    fn number(value: u64, bytes: usize) -> Vec<u8> {
        let (bytes, mark) = match value {
            0..0x40 if bytes <= 1 => (1, 0),
            0..0x4000 if bytes <= 2 => (2, 1),
            0..0x4000_0000 if bytes <= 4 => (4, 2),
            _ => (8, 3),
        };
        let mut out = value.to_be_bytes()[8 - bytes..].to_vec();
        out[0] |= mark << 6;
        out
    }

    fn frame(kind: u64, length: u64) -> Vec<u8> {
        let mut out = [number(kind, 1), number(length, 1)].concat();
        out.resize(out.len() + length as usize, 0xff);
        out
    }

    #[test]
    fn frames_up_to_the_bound_pass_and_longer_ones_do_not() {
        let mut frames = Frames::of_request();
        assert_eq!(frames.see(&frame(1, MAX)), Ok(()));
        assert_eq!(frames.see(&frame(1, 0)), Ok(()));
        let (kind, length) = (1, MAX + 1);
        let head = [number(kind, 1), number(length, 1)].concat();
        assert_eq!(frames.see(&head), Err(FrameTooLong { kind, length }));
    }

    #[test]
    fn the_content_of_data_may_be_of_any_length() {
        let mut frames = Frames::of_request();
        let length = (1 << 62) - 1;
        let head = [number(DATA, 1), number(length, 1)].concat();
        assert_eq!(frames.see(&head), Ok(()));
        assert_eq!(frames.see(&[1; 1000]), Ok(()));
    }

    #[test]
    fn a_stream_may_end_between_frames_and_nowhere_else() {
        let stream = [frame(1, 2), frame(0, 3)].concat();
        let mut frames = Frames::of_request();
        let ends = stream.iter().map(|byte| {
            frames.see(&[*byte]).unwrap();
            frames.may_end()
        });
        let ends: Vec<_> = ends.collect();
        let good = [false, false, false, true, false, false, false, false, true];
        assert_eq!(ends, good);
        assert!(Frames::of_request().may_end());
    }

    #[test]
    fn of_streams_in_one_direction_the_one_with_frames_is_watched() {
        let long = frame(4, MAX + 1);
        let control = [number(CONTROL, 1), long.clone()].concat();
        assert!(Frames::of_side_stream().see(&control).is_err());
        let other = [number(2, 1), long].concat();
        assert_eq!(Frames::of_side_stream().see(&other), Ok(()));
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_where_a_stream_is_cut(
            kinds in prop::collection::vec((0u64..4, 0u64..200, 1usize..9), 0..8),
            has_long_end: bool,
            cut in 1usize..40,
        ) {
            let (mut stream, mut data_bytes) = (Vec::new(), 0);
            for (kind, length, bytes) in kinds {
                data_bytes += if kind == DATA { length } else { 0 };
                stream.extend(number(kind, bytes));
                stream.extend(number(length, bytes));
                stream.resize(stream.len() + length as usize, 0);
            }
            if has_long_end {
                stream.extend(number(1, 8));
                stream.extend(number(MAX + 1, 8));
            }
            let mut frames = Frames::of_request();
            let result = stream.chunks(cut).try_for_each(|bytes| frames.see(bytes));
            prop_assert_eq!(result.is_err(), has_long_end);
            prop_assert_eq!(frames.data_bytes(), data_bytes);
        }
    }
}
