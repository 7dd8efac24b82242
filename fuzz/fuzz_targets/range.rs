//! `Range`, `If-Range` and `Content-Range`: what is sent lies within the representation, ascends,
//! and is covered by what the origin is asked for.

#![no_main]

use cache::range::{
    ByteRange, ContentRange, Multipart, RangeRequest, RangeSet, RangeSpec, chunk_span, chunks_of,
    if_range_allows,
};
use libfuzzer_sys::fuzz_target;
use warmfront_fuzz::{lines, number};

const CHUNK_BYTES: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let ([range, total, content_range, if_range, etag, date], _) = lines::<6>(data);
    let total_bytes = number(total);
    if let Some(set) = RangeSet::parse(range) {
        check_set(&set, total_bytes);
    }
    if let Some(parsed) = ContentRange::parse(content_range) {
        let mut written = Vec::new();
        parsed.write_value(&mut written);
        assert_eq!(ContentRange::parse(&written), Some(parsed));
    }
    if if_range_allows(if_range, Some(etag), Some(date), Some(date)) {
        assert!(
            if_range == etag,
            "a date is not later than itself, and so not strong"
        );
    }
});

fn check_set(set: &RangeSet, total_bytes: u64) {
    assert!(!set.specs().is_empty() && set.specs().len() <= cache::range::RANGES_MAX);
    for spec in set.specs() {
        check_spec(spec, total_bytes);
    }
    let covered = set.hull().and_then(|hull| hull.resolve(total_bytes));
    let is_covered = |range: &ByteRange| {
        set.hull().is_none()
            || covered.is_some_and(|hull| hull.first <= range.first && range.last <= hull.last)
    };
    match set.resolve(total_bytes) {
        RangeRequest::Whole => {}
        RangeRequest::Single(range) => assert!(range.last < total_bytes && is_covered(&range)),
        RangeRequest::Multi(ranges) => {
            assert!(ranges.len() > 1);
            assert!(
                ranges
                    .iter()
                    .all(|range| range.first <= range.last && is_covered(range))
            );
            assert!(ranges.windows(2).all(|two| two[0].last < two[1].first));
            assert!(ranges.last().is_some_and(|range| range.last < total_bytes));
            check_multipart(&ranges, total_bytes);
        }
        RangeRequest::Unsatisfiable => {
            assert!(
                set.specs()
                    .iter()
                    .all(|spec| spec.resolve(total_bytes).is_none())
            );
        }
    }
}

fn check_spec(spec: &RangeSpec, total_bytes: u64) {
    let mut written = b"bytes=".to_vec();
    let mut value = Vec::new();
    spec.write_value(&mut value);
    // A whole field value or the range alone.
    if value.starts_with(b"bytes=") {
        written.clear();
    }
    written.extend_from_slice(&value);
    let again = RangeSet::parse(&written).expect("what we ask origins for is well-formed");
    assert_eq!(again.specs(), [*spec]);

    let Some(range) = spec.resolve(total_bytes) else {
        return;
    };
    assert!(range.first <= range.last && range.last < total_bytes);
    assert_eq!(range.length(), range.last - range.first + 1);
    let wide = spec
        .widened(CHUNK_BYTES)
        .resolve(total_bytes)
        .expect("it is wider");
    assert!(wide.first <= range.first && range.last <= wide.last);
    let chunks = chunks_of(range, CHUNK_BYTES);
    let first = chunk_span(*chunks.start(), CHUNK_BYTES, total_bytes).expect("within");
    let last = chunk_span(*chunks.end(), CHUNK_BYTES, total_bytes).expect("within");
    assert!(first.first <= range.first && range.first <= first.last);
    assert!(last.first <= range.last && range.last <= last.last);
}

fn check_multipart(ranges: &[ByteRange], total_bytes: u64) {
    let multipart = Multipart {
        boundary: "b",
        content_type: Some(b"text/html"),
        total_bytes,
    };
    let mut around = Vec::new();
    for range in ranges {
        multipart.write_part_head(*range, &mut around);
    }
    multipart.write_end(&mut around);
    let bodies = ranges
        .iter()
        .fold(0_u64, |sum, range| sum.saturating_add(range.length()));
    let want = bodies.saturating_add(around.len() as u64);
    assert_eq!(multipart.body_bytes(ranges), want);
}
