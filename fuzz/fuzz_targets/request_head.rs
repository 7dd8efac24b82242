//! The viewer's request head: strict, bounded, and the same after it was written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message::http1::{Framing, Parsed, parse_request};
use message::limits::{REQUEST_FIELDS_MAX, REQUEST_HEAD_BYTES_MAX, URL_BYTES_MAX};
use message::{Known, RequestHead, Version};

fuzz_target!(|wire: &[u8]| {
    let mut head = RequestHead::default();
    let Ok(Parsed::Complete {
        head_bytes,
        framing,
        keep_alive,
        expects_continue,
    }) = parse_request(wire, &mut head)
    else {
        return;
    };
    assert!(head_bytes <= wire.len() && head_bytes <= REQUEST_HEAD_BYTES_MAX);
    let bytes = &wire[..head_bytes];
    assert!(bytes.ends_with(b"\r\n\r\n"));
    check_strictness(bytes, &head, framing);

    // What follows the head does not matter to it.
    let mut alone = RequestHead::default();
    let same = Parsed::Complete {
        head_bytes,
        framing,
        keep_alive,
        expects_continue,
    };
    assert_eq!(parse_request(bytes, &mut alone), Ok(same));
    assert_same(&head, &alone);

    // However it is cut on its way, it is not taken for something else.
    let cut = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % head_bytes;
    let part = parse_request(&bytes[..cut], &mut RequestHead::default());
    assert_eq!(part, Ok(Parsed::Partial), "the first {cut} bytes");

    // A second parser that reads what we would write understands the same.
    let written = write(&head);
    let mut again = RequestHead::default();
    match parse_request(&written, &mut again) {
        Ok(Parsed::Complete {
            framing: other,
            keep_alive: alive,
            ..
        }) => {
            assert_eq!((framing, keep_alive), (other, alive));
            assert_same(&head, &again);
        }
        // An absolute target is shorter than the Host that it becomes.
        other => assert!(written.len() > REQUEST_HEAD_BYTES_MAX, "{other:?}"),
    }
});

fn check_strictness(bytes: &[u8], head: &RequestHead, framing: Framing) {
    let pairs = bytes.windows(2);
    assert!(
        pairs
            .clone()
            .all(|pair| pair[1] != b'\n' || pair[0] == b'\r'),
        "bare LF"
    );
    assert!(
        pairs
            .clone()
            .all(|pair| pair[0] != b'\r' || pair[1] == b'\n'),
        "bare CR"
    );
    let mut folds = bytes.windows(3);
    assert!(
        folds.all(|part| !matches!(part, b"\r\n " | b"\r\n\t")),
        "folded"
    );
    assert!(!bytes.contains(&0));
    assert!(head.target().starts_with(b"/") && head.target().len() <= URL_BYTES_MAX);
    assert!(!head.target().iter().any(|byte| b" #\t".contains(byte)));
    assert!(head.fields_count() <= REQUEST_FIELDS_MAX);
    assert!(head.known_all(Known::Host).count() <= 1);
    assert!(head.version == Version::Http10 || head.host().is_some());
    let lengths = head.known_all(Known::ContentLength).count();
    let codings = head.known_all(Known::TransferEncoding).count();
    assert!(
        lengths + codings <= 1,
        "two ways to say how long the body is"
    );
    match framing {
        Framing::Empty => assert_eq!(codings, 0),
        Framing::Length(length) => assert!(length > 0 && lengths == 1),
        Framing::Chunked => assert!(codings == 1 && head.version == Version::Http11),
    }
    for (name, value) in head.iter() {
        assert!(!name.is_empty() && name.iter().all(u8::is_ascii_graphic));
        assert!(!name.contains(&b':'));
        assert!(
            value
                .iter()
                .all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
        );
        assert_eq!(value, value.trim_ascii(), "white space around a value");
    }
}

fn write(head: &RequestHead) -> Vec<u8> {
    let version: &[u8] = match head.version {
        Version::Http10 => b"HTTP/1.0",
        _ => b"HTTP/1.1",
    };
    let line = [
        head.method_token(),
        b" ",
        head.target(),
        b" ",
        version,
        b"\r\n",
    ];
    let mut wire = line.concat();
    for (name, value) in head.iter() {
        wire.extend([name, b": ", value, b"\r\n"].concat());
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

fn assert_same(one: &RequestHead, other: &RequestHead) {
    assert_eq!(one.method_token(), other.method_token());
    assert_eq!(
        (one.target(), one.path(), one.query()),
        (other.target(), other.path(), other.query())
    );
    assert_eq!(one.version, other.version);
    assert!(one.iter().eq(other.iter()));
    for name in ["host", "cookie", "range", "x-other"] {
        assert_eq!(one.get(name), other.get(name));
        assert!(one.get_all(name).eq(other.get_all(name)));
    }
}
