//! The large file, made up while it is read: every 16 bytes say where they lie.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// Its whole length.
pub const LARGE_BYTES: u64 = 64 << 20;
const LINE_BYTES: u64 = 16;
const FRAME_BYTES: u64 = 64 * 1024;

/// A part of the large file, or any content that is there whole.
#[derive(Debug)]
pub enum Content {
    /// Taken once.
    Whole(Option<Bytes>),
    /// From `at` to before `end`.
    Large {
        /// The next byte.
        at: u64,
        /// Where it ends.
        end: u64,
    },
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Content::Whole(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()),
            Content::Large { at, end } if *at < *end => {
                let until = u64::min(*end, *at + FRAME_BYTES);
                let part = part(*at, until);
                *at = until;
                Some(part)
            }
            Content::Large { .. } => None,
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

impl Content {
    fn length(&self) -> u64 {
        match self {
            Content::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Content::Large { at, end } => end.saturating_sub(*at),
        }
    }
}

/// The bytes from `start` to before `end`.
fn part(start: u64, end: u64) -> Bytes {
    let first = start - start % LINE_BYTES;
    let mut text = Vec::with_capacity((end - first + LINE_BYTES) as usize);
    for offset in (first..end).step_by(LINE_BYTES as usize) {
        text.extend_from_slice(format!("{offset:015x}\n").as_bytes());
    }
    text.truncate((end - first) as usize);
    Bytes::from(text).slice((start - first) as usize..)
}

/// What a `Range` of one part selects: from, and to before. `None` where the field is to be
/// passed over; an empty range where nothing can satisfy it.
pub fn selected(range: &str) -> Option<std::ops::Range<u64>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first.parse::<u64>().ok(), last.parse::<u64>().ok()) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1),
        (Some(first), None) if last.is_empty() => first..LARGE_BYTES,
        (None, Some(count)) if first.is_empty() => LARGE_BYTES.saturating_sub(count)..LARGE_BYTES,
        _ => return None,
    };
    let end = range.end.min(LARGE_BYTES);
    Some(range.start.min(end)..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_the_same_as_in_the_whole() {
        let whole = part(0, 1000);
        assert!(whole.starts_with(b"000000000000000\n000000000000010\n"));
        for (start, end) in [(0, 0), (0, 1), (1, 16), (15, 33), (16, 32), (999, 1000)] {
            assert_eq!(part(start, end), whole[start as usize..end as usize]);
        }
    }

    #[test]
    fn ranges_select_parts() {
        assert_eq!(selected("bytes=0-15"), Some(0..16));
        assert_eq!(selected("bytes=100-"), Some(100..LARGE_BYTES));
        assert_eq!(selected("bytes=-10"), Some(LARGE_BYTES - 10..LARGE_BYTES));
        assert_eq!(selected("bytes=0-99999999999"), Some(0..LARGE_BYTES));
        assert!(selected("bytes=99999999999-").unwrap().is_empty());
        for passed_over in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=2-1",
            "lines=1-2",
            "bytes=0-1,4-5",
        ] {
            assert_eq!(selected(passed_over), None, "{passed_over}");
        }
    }
}
