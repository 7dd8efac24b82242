//! Ranges: what part of a representation a viewer wants, which chunks that takes, and how the
//! answer is framed (RFC 9110 §14; spec §5.1).
//!
//! A `Range` field becomes a [`RangeSet`] before anything is known about the object; once the
//! total length is known, [`RangeSet::resolve`] says what to send. Only `bytes` is understood;
//! anything else, and anything malformed, is ignored and gets the whole representation.

use std::io::Write;
use std::ops::RangeInclusive;

use message::{list_items, parse_http_date};
use smallvec::SmallVec;

/// Ranges that one request may ask for; a request with more gets the whole representation.
pub const RANGES_MAX: usize = 32;

/// A part of a representation, first and last byte included. Never empty: `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub first: u64,
    /// Offset of the last byte.
    pub last: u64,
}

impl ByteRange {
    /// How many bytes it covers; at least 1.
    #[inline]
    pub fn length(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

/// One range as a viewer wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeSpec {
    /// `bytes=0-499`.
    Bounded(ByteRange),
    /// `bytes=500-`: from that offset to the end.
    From(u64),
    /// `bytes=-500`: that many bytes at the end.
    Suffix(u64),
}

impl RangeSpec {
    /// The part of a representation of that length; `None` if it has none.
    pub fn resolve(&self, total_bytes: u64) -> Option<ByteRange> {
        let last = total_bytes.checked_sub(1)?;
        let range = match *self {
            RangeSpec::Bounded(range) => ByteRange {
                last: range.last.min(last),
                ..range
            },
            RangeSpec::From(first) => ByteRange { first, last },
            RangeSpec::Suffix(0) => return None,
            RangeSpec::Suffix(count) => ByteRange {
                first: total_bytes - count.min(total_bytes),
                last,
            },
        };
        (range.first <= last).then_some(range)
    }

    /// The same range made wider until it begins and ends with chunks: what to ask an origin for,
    /// so that whole chunks can be stored. A suffix stays, as nobody knows where it begins.
    pub fn widened(&self, chunk_bytes: u64) -> RangeSpec {
        match *self {
            RangeSpec::Bounded(ByteRange { first, last }) => {
                let chunks_before = last / chunk_bytes;
                let last = (chunks_before * chunk_bytes).saturating_add(chunk_bytes - 1);
                RangeSpec::Bounded(ByteRange {
                    first: first - first % chunk_bytes,
                    last,
                })
            }
            RangeSpec::From(first) => RangeSpec::From(first - first % chunk_bytes),
            RangeSpec::Suffix(count) => RangeSpec::Suffix(count),
        }
    }

    /// Appends a `Range` field value that asks for it.
    pub fn write_value(&self, out: &mut Vec<u8>) {
        let written = match *self {
            RangeSpec::Bounded(ByteRange { first, last }) => write!(out, "bytes={first}-{last}"),
            RangeSpec::From(first) => write!(out, "bytes={first}-"),
            RangeSpec::Suffix(count) => write!(out, "bytes=-{count}"),
        };
        written.expect("writing to memory does not fail");
    }
}

/// The ranges of a well-formed `Range` field, at least one, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeSet {
    specs: SmallVec<[RangeSpec; 2]>,
}

impl RangeSet {
    /// Reads a `Range` field value. `None` means: answer as if there were none.
    pub fn parse(value: &[u8]) -> Option<RangeSet> {
        let (unit, list) = value.split_at_checked(6)?;
        if !unit.eq_ignore_ascii_case(b"bytes=") {
            return None;
        }
        let mut specs = SmallVec::new();
        for item in list_items(list) {
            if specs.len() == RANGES_MAX {
                return None;
            }
            specs.push(parse_spec(item)?);
        }
        (!specs.is_empty()).then_some(RangeSet { specs })
    }

    /// The ranges as written.
    pub fn specs(&self) -> &[RangeSpec] {
        &self.specs
    }

    /// One range that covers all of them, to ask an origin for; `None` where only the whole
    /// representation surely does (a suffix among others).
    pub fn hull(&self) -> Option<RangeSpec> {
        if let [only] = self.specs[..] {
            return Some(only);
        }
        let mut first_min = u64::MAX;
        let mut last_max = Some(0);
        for spec in &self.specs {
            let (first, last) = match *spec {
                RangeSpec::Bounded(range) => (range.first, Some(range.last)),
                RangeSpec::From(first) => (first, None),
                RangeSpec::Suffix(_) => return None,
            };
            first_min = first_min.min(first);
            last_max = last_max.zip(last).map(|(one, other)| one.max(other));
        }
        Some(match last_max {
            Some(last) => RangeSpec::Bounded(ByteRange {
                first: first_min,
                last,
            }),
            None => RangeSpec::From(first_min),
        })
    }

    /// What to send of a representation of that length.
    ///
    /// Ranges outside of it are left out, as long as one remains. Several must ascend and not
    /// overlap, or the viewer gets everything. An empty representation is always sent whole when
    /// its end is asked for, since no `Content-Range` can express its nothing.
    pub fn resolve(&self, total_bytes: u64) -> RangeRequest {
        let mut ranges: SmallVec<[ByteRange; 4]> = SmallVec::new();
        for spec in &self.specs {
            let Some(range) = spec.resolve(total_bytes) else {
                if total_bytes == 0 && matches!(spec, RangeSpec::Suffix(1..)) {
                    return RangeRequest::Whole;
                }
                continue;
            };
            if ranges
                .last()
                .is_some_and(|previous| range.first <= previous.last)
            {
                return RangeRequest::Whole;
            }
            ranges.push(range);
        }
        match ranges[..] {
            [] => RangeRequest::Unsatisfiable,
            [only] => RangeRequest::Single(only),
            _ => RangeRequest::Multi(ranges),
        }
    }
}

/// `500-999`, `500-` or `-500`. Numbers beyond 64 bits mean the largest there is.
fn parse_spec(item: &[u8]) -> Option<RangeSpec> {
    let dash = item.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&item[..dash], &item[dash + 1..]);
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(RangeSpec::Suffix(parse_number(last)?)),
        (false, true) => Some(RangeSpec::From(parse_number(first)?)),
        (false, false) => {
            let range = ByteRange {
                first: parse_number(first)?,
                last: parse_number(last)?,
            };
            (range.first <= range.last).then_some(RangeSpec::Bounded(range))
        }
    }
}

/// Digits only; saturates.
fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}

/// What to send, now that the length of the representation is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeRequest {
    /// All of it, with status 200.
    Whole,
    /// One part, with status 206 and `Content-Range`.
    Single(ByteRange),
    /// Two or more parts, ascending and apart, as `multipart/byteranges` with status 206.
    Multi(SmallVec<[ByteRange; 4]>),
    /// Nothing: 416 with `Content-Range: bytes */total`.
    Unsatisfiable,
}

/// The numbers of the chunks that a range touches.
#[inline]
pub fn chunks_of(range: ByteRange, chunk_bytes: u64) -> RangeInclusive<u64> {
    range.first / chunk_bytes..=range.last / chunk_bytes
}

/// The part of a representation that a chunk holds; `None` beyond its end.
#[inline]
pub fn chunk_span(chunk: u64, chunk_bytes: u64, total_bytes: u64) -> Option<ByteRange> {
    let first = chunk.checked_mul(chunk_bytes)?;
    let last = first
        .saturating_add(chunk_bytes - 1)
        .min(total_bytes.checked_sub(1)?);
    (first <= last).then_some(ByteRange { first, last })
}

/// A `Content-Range` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentRange {
    /// `bytes 0-499/1234`, or `bytes 0-499/*` where the total is unknown.
    Part {
        /// The part that follows.
        range: ByteRange,
        /// Length of the whole representation.
        total_bytes: Option<u64>,
    },
    /// `bytes */1234`, with 416.
    Unsatisfied {
        /// Length of the whole representation.
        total_bytes: u64,
    },
}

impl ContentRange {
    /// Reads a field value; `None` if it is malformed or contradicts itself. A number beyond 64
    /// bits is malformed here: it would say where bytes belong.
    pub fn parse(value: &[u8]) -> Option<ContentRange> {
        let number = |digits: &[u8]| -> Option<u64> {
            let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            all_digits.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
        };
        let (unit, rest) = value.split_at_checked(6)?;
        if !unit.eq_ignore_ascii_case(b"bytes ") {
            return None;
        }
        let rest = rest.trim_ascii();
        let slash = rest.iter().position(|byte| *byte == b'/')?;
        let (part, total) = (&rest[..slash], &rest[slash + 1..]);
        if part == b"*" {
            return Some(ContentRange::Unsatisfied {
                total_bytes: number(total)?,
            });
        }
        let dash = part.iter().position(|byte| *byte == b'-')?;
        let range = ByteRange {
            first: number(&part[..dash])?,
            last: number(&part[dash + 1..])?,
        };
        let total_bytes = if total == b"*" {
            None
        } else {
            Some(number(total)?)
        };
        let consistent =
            range.first <= range.last && total_bytes.is_none_or(|total| range.last < total);
        consistent.then_some(ContentRange::Part { range, total_bytes })
    }

    /// Appends the field value.
    pub fn write_value(&self, out: &mut Vec<u8>) {
        let written = match *self {
            ContentRange::Part {
                range: ByteRange { first, last },
                total_bytes: Some(total),
            } => {
                write!(out, "bytes {first}-{last}/{total}")
            }
            ContentRange::Part {
                range: ByteRange { first, last },
                total_bytes: None,
            } => {
                write!(out, "bytes {first}-{last}/*")
            }
            ContentRange::Unsatisfied { total_bytes } => write!(out, "bytes */{total_bytes}"),
        };
        written.expect("writing to memory does not fail");
    }
}

/// Writes what stands between the parts of a `multipart/byteranges` body.
#[derive(Clone, Copy, Debug)]
pub struct Multipart<'a> {
    /// What separates the parts: unguessable, at most 70 characters of a token.
    pub boundary: &'a str,
    /// `Content-Type` of the representation, repeated in each part.
    pub content_type: Option<&'a [u8]>,
    /// Length of the whole representation.
    pub total_bytes: u64,
}

impl Multipart<'_> {
    /// Appends the `Content-Type` of the response.
    pub fn write_content_type(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"multipart/byteranges; boundary=");
        out.extend_from_slice(self.boundary.as_bytes());
    }

    /// Appends what precedes the bytes of a part.
    pub fn write_part_head(&self, range: ByteRange, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n--");
        out.extend_from_slice(self.boundary.as_bytes());
        if let Some(content_type) = self.content_type {
            out.extend_from_slice(b"\r\nContent-Type: ");
            out.extend_from_slice(content_type);
        }
        out.extend_from_slice(b"\r\nContent-Range: ");
        ContentRange::Part {
            range,
            total_bytes: Some(self.total_bytes),
        }
        .write_value(out);
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// Appends what follows the last part.
    pub fn write_end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n--");
        out.extend_from_slice(self.boundary.as_bytes());
        out.extend_from_slice(b"--\r\n");
    }

    /// `Content-Length` of the response with these parts.
    pub fn body_bytes(&self, ranges: &[ByteRange]) -> u64 {
        let mut scratch = Vec::with_capacity(256);
        self.write_end(&mut scratch);
        let mut bytes = scratch.len() as u64;
        for range in ranges {
            scratch.clear();
            self.write_part_head(*range, &mut scratch);
            bytes = bytes
                .saturating_add(scratch.len() as u64)
                .saturating_add(range.length());
        }
        bytes
    }
}

/// Whether `If-Range` lets the `Range` of its request count (RFC 9110 §13.1.5): the validator must
/// be a strong one and the same. `etag`, `last_modified` and `date` are those of the response; a
/// modification date is strong only if the response was made at least a second after it.
pub fn if_range_allows(
    if_range: &[u8],
    etag: Option<&[u8]>,
    last_modified: Option<&[u8]>,
    date: Option<&[u8]>,
) -> bool {
    if if_range.starts_with(b"\"") || if_range.starts_with(b"W/") {
        return etag.is_some_and(|etag| crate::conditional::strong_eq(if_range, etag));
    }
    let Some(asked_secs) = parse_http_date(if_range) else {
        return false;
    };
    let is_strong = match date.and_then(parse_http_date) {
        Some(date_secs) => asked_secs < date_secs,
        None => true,
    };
    is_strong && last_modified.and_then(parse_http_date) == Some(asked_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn range(first: u64, last: u64) -> ByteRange {
        ByteRange { first, last }
    }

    fn resolved(value: &str, total_bytes: u64) -> RangeRequest {
        RangeSet::parse(value.as_bytes())
            .map_or(RangeRequest::Whole, |set| set.resolve(total_bytes))
    }

    #[test]
    fn bounded_open_and_suffix_ranges_resolve_against_the_length() {
        for (value, first, last) in [
            ("bytes=0-0", 0, 0),
            ("bytes=0-499", 0, 499),
            ("Bytes=500-", 500, 999),
            ("bytes=-1", 999, 999),
            ("bytes=-5000", 0, 999),
            ("bytes=990-99999999999999999999999999", 990, 999),
            ("bytes= 1-2 ,", 1, 2),
        ] {
            assert_eq!(
                resolved(value, 1000),
                RangeRequest::Single(range(first, last)),
                "{value}"
            );
        }
    }

    #[test]
    fn malformed_ranges_and_other_units_get_everything() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "items=0-1",
            "bytes=-",
            "bytes=2-1",
            "bytes=a-b",
            "bytes=0-1-2",
            "bytes=0 - 1",
            "bytes=+1-2",
            "bytes=0-1,x",
            "bytes 0-1",
            "bytes =0-1",
            "bytes=--1",
            "bytes=1-2;3-4",
        ] {
            assert_eq!(resolved(value, 1000), RangeRequest::Whole, "{value}");
        }
    }

    #[test]
    fn ranges_outside_of_the_representation_are_unsatisfiable() {
        assert_eq!(resolved("bytes=1000-", 1000), RangeRequest::Unsatisfiable);
        assert_eq!(resolved("bytes=-0", 1000), RangeRequest::Unsatisfiable);
        assert_eq!(
            resolved("bytes=2000-3000,4000-", 1000),
            RangeRequest::Unsatisfiable
        );
        assert_eq!(resolved("bytes=0-", 0), RangeRequest::Unsatisfiable);
        assert_eq!(resolved("bytes=-5", 0), RangeRequest::Whole);
        assert_eq!(
            resolved("bytes=0-1,2000-", 1000),
            RangeRequest::Single(range(0, 1))
        );
    }

    #[test]
    fn several_ranges_must_ascend_and_not_overlap() {
        let two = RangeRequest::Multi([range(0, 1), range(998, 999)].into_iter().collect());
        assert_eq!(resolved("bytes=0-1,-2", 1000), two);
        assert_eq!(resolved("bytes=5-6,0-1", 1000), RangeRequest::Whole);
        assert_eq!(resolved("bytes=0-5,5-6", 1000), RangeRequest::Whole);
        assert_eq!(resolved("bytes=0-,-1", 1000), RangeRequest::Whole);
    }

    #[test]
    fn too_many_ranges_get_everything() {
        let list = |count: usize| {
            let items: Vec<_> = (0..count).map(|n| format!("{}-{}", n * 2, n * 2)).collect();
            format!("bytes={}", items.join(","))
        };
        assert!(matches!(
            resolved(&list(RANGES_MAX), 1000),
            RangeRequest::Multi(_)
        ));
        assert_eq!(resolved(&list(RANGES_MAX + 1), 1000), RangeRequest::Whole);
    }

    #[test]
    fn the_hull_covers_all_ranges() {
        let hull = |value: &str| RangeSet::parse(value.as_bytes()).unwrap().hull();
        assert_eq!(hull("bytes=-5"), Some(RangeSpec::Suffix(5)));
        assert_eq!(
            hull("bytes=10-19,0-4"),
            Some(RangeSpec::Bounded(range(0, 19)))
        );
        assert_eq!(hull("bytes=10-19,30-"), Some(RangeSpec::From(10)));
        assert_eq!(hull("bytes=10-19,-5"), None);
    }

    #[test]
    fn a_widened_range_begins_and_ends_with_chunks() {
        let widened = |first, last| RangeSpec::Bounded(range(first, last)).widened(100);
        assert_eq!(widened(0, 0), RangeSpec::Bounded(range(0, 99)));
        assert_eq!(widened(99, 100), RangeSpec::Bounded(range(0, 199)));
        assert_eq!(widened(5, u64::MAX), RangeSpec::Bounded(range(0, u64::MAX)));
        assert_eq!(RangeSpec::From(250).widened(100), RangeSpec::From(200));
    }

    #[test]
    fn content_range_is_read_and_written() {
        for value in ["bytes 0-499/1234", "bytes 0-499/*", "bytes */1234"] {
            let mut out = Vec::new();
            ContentRange::parse(value.as_bytes())
                .unwrap()
                .write_value(&mut out);
            assert_eq!(out, value.as_bytes());
        }
        for value in [
            "",
            "bytes",
            "bytes 0-499",
            "bytes 5-4/10",
            "bytes 0-10/10",
            "bytes */*",
            "x 0-1/2",
            "bytes -1/2",
            "bytes 0-/2",
            "bytes 0-1/99999999999999999999",
            "bytes +0-1/2",
        ] {
            assert_eq!(ContentRange::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn if_range_wants_the_same_strong_validator() {
        let date = |text: &'static str| Some(text.as_bytes());
        let then = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = date("Sun, 06 Nov 1994 08:49:38 GMT");
        assert!(if_range_allows(b"\"a\"", Some(b"\"a\""), None, None));
        assert!(!if_range_allows(b"\"a\"", Some(b"W/\"a\""), None, None));
        assert!(!if_range_allows(b"W/\"a\"", Some(b"W/\"a\""), None, None));
        assert!(!if_range_allows(b"\"a\"", None, date(then), None));
        assert!(if_range_allows(then.as_bytes(), None, date(then), later));
        assert!(!if_range_allows(
            then.as_bytes(),
            None,
            date(then),
            date(then)
        ));
        assert!(!if_range_allows(then.as_bytes(), None, later, None));
        assert!(!if_range_allows(
            b"nonsense",
            Some(b"nonsense"),
            Some(b"nonsense"),
            None
        ));
    }

    #[test]
    fn a_multipart_body_is_as_long_as_announced() {
        let multipart = Multipart {
            boundary: "xyz",
            content_type: Some(b"text/plain"),
            total_bytes: 26,
        };
        let mut body = Vec::new();
        for part in [range(0, 1), range(24, 25)] {
            multipart.write_part_head(part, &mut body);
            body.extend_from_slice(&b"abcdefghijklmnopqrstuvwxyz"[part.first as usize..][..2]);
        }
        multipart.write_end(&mut body);
        assert_eq!(
            multipart.body_bytes(&[range(0, 1), range(24, 25)]),
            body.len() as u64
        );
        let text = String::from_utf8(body).unwrap();
        assert_eq!(
            text,
            "\r\n--xyz\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/26\r\n\r\nab\
             \r\n--xyz\r\nContent-Type: text/plain\r\nContent-Range: bytes 24-25/26\r\n\r\nyz\
             \r\n--xyz--\r\n"
        );
    }

    fn any_spec() -> impl Strategy<Value = RangeSpec> {
        prop_oneof![
            (0u64..40, 0u64..40).prop_map(|(a, b)| RangeSpec::Bounded(range(a.min(b), a.max(b)))),
            (0u64..40).prop_map(RangeSpec::From),
            (0u64..40).prop_map(RangeSpec::Suffix),
        ]
    }

    /// The offsets that a range selects, byte by byte.
    fn naive(spec: RangeSpec, total: u64) -> Vec<u64> {
        let selects = |at: &u64| match spec {
            RangeSpec::Bounded(range) => *at >= range.first && *at <= range.last,
            RangeSpec::From(first) => *at >= first,
            RangeSpec::Suffix(count) => *at + count >= total,
        };
        (0..total).filter(selects).collect()
    }

    proptest! {
        #[test]
        fn ranges_select_what_a_byte_by_byte_reading_selects(
            specs in prop::collection::vec(any_spec(), 1..4), total in 1u64..40
        ) {
            let mut value = b"bytes=".to_vec();
            for spec in &specs {
                let mut one = Vec::new();
                spec.write_value(&mut one);
                value.extend_from_slice(&one[6..]);
                value.push(b',');
            }
            let parts: Vec<_> = specs.iter().map(|s| naive(*s, total)).collect();
            let wanted: Vec<_> = parts.concat();
            let ascending = wanted.windows(2).all(|pair| pair[0] < pair[1]);
            let got: Vec<u64> = match RangeSet::parse(&value).unwrap().resolve(total) {
                RangeRequest::Whole => { prop_assert!(!ascending); return Ok(()); }
                RangeRequest::Unsatisfiable => vec![],
                RangeRequest::Single(range) => (range.first..=range.last).collect(),
                RangeRequest::Multi(all) => all.iter().flat_map(|r| r.first..=r.last).collect(),
            };
            prop_assert!(ascending);
            prop_assert_eq!(got, wanted);
        }

        #[test]
        fn chunks_cover_a_range_and_no_more(
            first in 0u64..300, length in 1u64..300, chunk_bytes in 1u64..50
        ) {
            let range = range(first, first + length - 1);
            let total = range.last + 1 + chunk_bytes;
            let spans: Vec<_> = chunks_of(range, chunk_bytes)
                .map(|chunk| chunk_span(chunk, chunk_bytes, total).unwrap()).collect();
            prop_assert!(spans[0].first <= range.first && range.first <= spans[0].last);
            let end = spans[spans.len() - 1];
            prop_assert!(end.first <= range.last && range.last <= end.last);
            prop_assert!(spans.windows(2).all(|pair| pair[0].last + 1 == pair[1].first));
            prop_assert_eq!(
                RangeSpec::Bounded(range).widened(chunk_bytes),
                RangeSpec::Bounded(ByteRange { first: spans[0].first, last: end.last })
            );
        }

        #[test]
        fn no_field_value_panics(value in prop::collection::vec(any::<u8>(), 0..40), total: u64) {
            let mut prefixed = b"bytes=".to_vec();
            prefixed.extend_from_slice(&value);
            if let Some(set) = RangeSet::parse(&prefixed) {
                let _ = (set.resolve(total), set.hull().map(|spec| spec.widened(1 << 20)));
            }
            prefixed[5] = b' ';
            let _ = ContentRange::parse(&prefixed);
            let _ = if_range_allows(&value, Some(&value), Some(&value), Some(&value));
        }
    }
}
