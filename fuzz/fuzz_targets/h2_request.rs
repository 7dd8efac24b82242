//! A request's head as HTTP/2 and HTTP/3 bring it: what is taken is a request that HTTP/1.1's
//! parser takes too, and understands in the same way.

#![no_main]

use edge::streams::read_head;
use http::{HeaderName, HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use message::http1::{Framing, Parsed, parse_request};
use message::limits::{REQUEST_FIELDS_MAX, REQUEST_HEAD_BYTES_MAX, URL_BYTES_MAX};
use message::{Known, RequestHead, Version};

// One line each: `e` where the stream ends with the head, method, `:protocol` or nothing, URI; then
// names and values by turns.
fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let has_ended = line() == b"e";
    let (method, protocol, uri) = (line(), line(), line());
    let protocol = std::str::from_utf8(protocol)
        .ok()
        .filter(|name| !name.is_empty());
    let mut request = Request::builder().method(method).uri(uri);
    while let Some(name) = lines.next() {
        let name = HeaderName::from_lowercase(name);
        let value = HeaderValue::from_bytes(lines.next().unwrap_or_default());
        let (Ok(name), Ok(value)) = (name, value) else {
            return;
        };
        request = request.header(name, value);
    }
    let Ok(request) = request.body(()) else {
        return;
    };
    let parts = request.into_parts().0;
    let mut head = RequestHead::default();
    let Ok(found) = read_head(&parts, protocol, Version::Http2, has_ended, &mut head) else {
        return;
    };
    assert!(found.head_bytes <= REQUEST_HEAD_BYTES_MAX as u64);
    assert!(head.target().starts_with(b"/") && head.target().len() <= URL_BYTES_MAX);
    assert!(head.fields_count() <= REQUEST_FIELDS_MAX);
    assert!(head.known_all(Known::Cookie).count() <= 1);
    assert!(!found.has_body || !has_ended);
    assert_eq!(found.is_websocket, head.known(Known::Upgrade).is_some());

    let written = write(&head);
    let mut again = RequestHead::default();
    let parsed = parse_request(&written, &mut again);
    let Ok(Parsed::Complete {
        head_bytes,
        framing,
        ..
    }) = parsed
    else {
        panic!("HTTP/1.1 does not take it: {parsed:?}");
    };
    assert_eq!(head_bytes, written.len());
    match framing {
        Framing::Length(length) => assert!(found.is_websocket || found.length == Some(length)),
        _ => assert!(found.is_websocket || found.length.unwrap_or(0) == 0),
    }
    assert_eq!((again.target(), again.host()), (head.target(), head.host()));
    assert!(again.iter().eq(head.iter()));
});

fn write(head: &RequestHead) -> Vec<u8> {
    let mut wire = [head.method_token(), b" ", head.target(), b" HTTP/1.1\r\n"].concat();
    for (name, value) in head.iter() {
        wire.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
    }
    wire.extend_from_slice(b"\r\n");
    wire
}
