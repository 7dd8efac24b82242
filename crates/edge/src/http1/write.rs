//! The framing of replies in HTTP/1.1.

use message::http1::write_status_line;
use message::{Method, Version};

use crate::reply::Reply;

/// How a reply's body ends on the wire.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum BodyEnd {
    /// There is none.
    NoBody,
    /// After its `Content-Length`.
    Length,
    /// With the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// How this reply's body ends, by method, status and what the viewer understands.
pub(crate) fn body_end(reply: &Reply, method: Method, version: Version) -> BodyEnd {
    match (reply.is_bodiless(method), reply.length, version) {
        (true, _, _) => BodyEnd::NoBody,
        (false, Some(_), _) => BodyEnd::Length,
        (false, None, Version::Http10) => BodyEnd::Close,
        (false, None, _) => BodyEnd::Chunked,
    }
}

/// Writes the head with what HTTP/1.1 adds to it.
pub(crate) fn write_head(
    reply: &Reply,
    end: BodyEnd,
    keeps_alive: bool,
    version: Version,
    out: &mut Vec<u8>,
) {
    write_status_line(reply.status, out);
    out.extend_from_slice(reply.fields.as_wire());
    let may_have_length = reply.may_have_length();
    match (end, reply.length) {
        (BodyEnd::Chunked, _) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        (BodyEnd::Length | BodyEnd::NoBody, Some(length)) if may_have_length => {
            write_length(length, out);
        }
        _ => {}
    }
    if reply.status == 101 {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    } else if !keeps_alive {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if version == Version::Http10 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn write_length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    message::http1::write_decimal(length, out);
    out.extend_from_slice(b"\r\n");
}
