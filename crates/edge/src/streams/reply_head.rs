//! The head of a reply as HTTP/2 and HTTP/3 have it.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use message::Method;

use crate::reply::Reply;

const X_AMZ_CF_ID: HeaderName = HeaderName::from_static("x-amz-cf-id");
const X_AMZ_CF_POP: HeaderName = HeaderName::from_static("x-amz-cf-pop");
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Status and fields. Names are in lower case, and what belongs to a connection of HTTP/1.1 is
/// left out; a WebSocket is agreed to with 200 (RFC 8441 §5), without the proof of the handshake.
pub(super) fn reply_head(reply: &Reply, method: Method) -> Response<()> {
    let is_tunnel = reply.status == 101;
    let status = match is_tunnel {
        true => 200,
        false => reply.status,
    };
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.reserve(20);
    push_fields(reply.fields.as_wire(), headers);
    if is_tunnel {
        headers.remove(header::SEC_WEBSOCKET_ACCEPT);
    } else if let Some(length) = reply.length
        && reply.may_have_length()
        && (!reply.is_bodiless(method) || method == Method::Head)
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// Appends lines as HTTP/1.1 writes them. All values lie in one piece of memory.
pub(super) fn push_fields(wire: &[u8], headers: &mut HeaderMap) {
    let lines = Bytes::copy_from_slice(wire);
    let mut start = 0;
    while start < wire.len() {
        let end = memchr::memchr(b'\n', &wire[start..]).map_or(wire.len(), |at| start + at);
        let line = wire[start..end].trim_ascii_end();
        if let Some(colon) = memchr::memchr(b':', line)
            && let Some(name) = name_of(&line[..colon])
        {
            let value = line[colon + 1..].trim_ascii_start();
            let value_start = start + line.len() - value.len();
            let value = lines.slice(value_start..start + line.len());
            if let Ok(mut value) = HeaderValue::from_maybe_shared(value) {
                // It never comes again, and would drive what does out of the table of fields.
                value.set_sensitive(name == X_AMZ_CF_ID);
                headers.append(name, value);
            }
        }
        start = end + 1;
    }
}

/// The name, unless it belongs to a connection. Names that every reply has cost no memory.
fn name_of(name: &[u8]) -> Option<HeaderName> {
    match name {
        b"X-Cache" => return Some(X_CACHE),
        b"X-Amz-Cf-Id" => return Some(X_AMZ_CF_ID),
        b"X-Amz-Cf-Pop" => return Some(X_AMZ_CF_POP),
        _ => {}
    }
    let name = HeaderName::from_bytes(name).ok()?;
    let names = [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    let is_of_connection =
        names.contains(&name) || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "te");
    (!is_of_connection).then_some(name)
}
