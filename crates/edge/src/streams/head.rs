use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, header};
use message::http1::{RequestError, is_host, parse_length};
use message::limits::{REQUEST_FIELDS_MAX, REQUEST_HEAD_BYTES_MAX, URL_BYTES_MAX};
use message::{Known, RequestHead, Version};

/// What is known of a stream once its head is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHead {
    /// Bytes of the head, as HTTP/1.1 would have written it.
    pub head_bytes: u64,
    /// Whether a body may follow.
    pub has_body: bool,
    /// How long the body is, where `content-length` says it.
    pub length: Option<u64>,
    /// It asks for a WebSocket (RFC 8441, RFC 9220). Then the head reads like the handshake of
    /// HTTP/1.1, but for the key, which is still to be made.
    pub is_websocket: bool,
}

/// Reads the head of a request that came by HTTP/2 or HTTP/3 into `into`, with the bounds and the
/// strictness of HTTP/1.1's: whatever two parsers could read differently is refused
/// (RFC 9113 §8.2 and §8.3, RFC 9114 §4.2 and §4.3). `protocol` is `:protocol`; `has_ended` says
/// that the stream ended with its head. `into` is only good when this is.
///
/// # Errors
/// As the parser of HTTP/1.1 has them.
pub fn read_head(
    parts: &Parts,
    protocol: Option<&str>,
    version: Version,
    has_ended: bool,
    into: &mut RequestHead,
) -> Result<StreamHead, RequestError> {
    let is_websocket = match (parts.method == http::Method::CONNECT, protocol) {
        (false, None) => false,
        (true, Some("websocket")) if !has_ended => true,
        // Nobody is connected to hosts of their choice here.
        _ => return Err(RequestError::Malformed),
    };
    let method = match is_websocket {
        true => "GET",
        false => parts.method.as_str(),
    };
    let target = target(parts)?;
    let host = host(parts)?;
    let mut room = Room::new(method.len() + target.len() + "  HTTP/1.1\r\n\r\n".len());
    room.take("Host", host)?;
    let mut crumbs = 0;
    for (name, value) in &parts.headers {
        // The crate `http` takes quotation marks in names.
        if name.as_str().contains('"') {
            return Err(RequestError::Malformed);
        }
        room.take(name.as_str(), value.as_bytes())?;
        crumbs += usize::from(*name == header::COOKIE);
        // All of them together are one field.
        room.fields -= usize::from(*name == header::COOKIE && crumbs > 1);
    }
    into.start(method.as_bytes(), target, version);
    into.push(b"Host", host);
    push_fields(&parts.headers, into)?;
    if is_websocket {
        for (name, value) in [("connection", "Upgrade"), ("upgrade", "websocket")] {
            room.take(name, value.as_bytes())?;
            into.push(name.as_bytes(), value.as_bytes());
        }
        room.take("sec-websocket-key", &[0; 24])?;
    }
    let length = length(into)?;
    if has_ended && length.is_some_and(|length| length > 0) {
        return Err(RequestError::AmbiguousLength);
    }
    Ok(StreamHead {
        head_bytes: room.bytes as u64,
        has_body: !has_ended && !is_websocket && length != Some(0),
        length: length.filter(|_| !is_websocket),
        is_websocket,
    })
}

/// What a head has taken of its bounds.
struct Room {
    bytes: usize,
    fields: usize,
}

impl Room {
    fn new(bytes: usize) -> Room {
        Room { bytes, fields: 0 }
    }

    /// Counts a field as HTTP/1.1 writes it.
    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), RequestError> {
        self.bytes += name.len() + value.len() + ": \r\n".len();
        self.fields += 1;
        if self.bytes > REQUEST_HEAD_BYTES_MAX || self.fields > REQUEST_FIELDS_MAX {
            return Err(RequestError::HeadTooLarge);
        }
        Ok(())
    }
}

/// Path and query. The scheme is not what decides whether a viewer came over TLS, so it is only
/// looked at for being one of HTTP's.
fn target(parts: &Parts) -> Result<&[u8], RequestError> {
    let uri = &parts.uri;
    let is_http = |scheme: &Scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > URL_BYTES_MAX {
        return Err(RequestError::UrlTooLong);
    }
    let is_path = target.starts_with('/')
        && !target
            .bytes()
            .any(|byte| byte <= b' ' || matches!(byte, b'#' | 0x7f));
    if !is_path || !uri.scheme().is_none_or(is_http) {
        return Err(RequestError::Malformed);
    }
    Ok(target.as_bytes())
}

/// `:authority`, or `Host` where there is none; they must not differ (RFC 9113 §8.3.1).
fn host(parts: &Parts) -> Result<&[u8], RequestError> {
    let mut fields = parts.headers.get_all(header::HOST).iter();
    let (field, second) = (fields.next(), fields.next());
    let field = field.map(HeaderValue::as_bytes);
    let authority = parts.uri.authority().map(|host| host.as_str().as_bytes());
    let host = match (authority, field, second) {
        (Some(authority), Some(field), None) if authority.eq_ignore_ascii_case(field) => authority,
        (Some(host), None, None) | (None, Some(host), None) => host,
        _ => return Err(RequestError::Host),
    };
    match is_host(host) {
        true => Ok(host),
        false => Err(RequestError::Host),
    }
}

/// All fields but `Host`, in their order. Cookies come in crumbs, for the sake of compression, and
/// are one field again from here on (RFC 9113 §8.2.3).
fn push_fields(headers: &HeaderMap, into: &mut RequestHead) -> Result<(), RequestError> {
    let mut has_cookies = false;
    for (name, value) in headers {
        let value = value.as_bytes();
        if [value.first(), value.last()]
            .iter()
            .flatten()
            .any(|byte| matches!(byte, b' ' | b'\t'))
        {
            return Err(RequestError::Malformed);
        }
        if *name == header::COOKIE {
            if !std::mem::replace(&mut has_cookies, true) {
                push_cookies(headers, into);
            }
        } else if *name != header::HOST {
            into.push(name.as_str().as_bytes(), value);
        }
    }
    let is_of_connection = [Known::Connection, Known::TransferEncoding, Known::Upgrade]
        .iter()
        .any(|known| into.known(*known).is_some())
        || ["keep-alive", "proxy-connection"]
            .iter()
            .any(|name| into.get(name).is_some())
        || into.get_all("te").any(|value| value != b"trailers");
    match is_of_connection {
        true => Err(RequestError::Malformed),
        false => Ok(()),
    }
}

fn push_cookies(headers: &HeaderMap, into: &mut RequestHead) {
    let crumbs = headers.get_all(header::COOKIE).iter();
    // An empty one at the end would leave a separator, whose space HTTP/1.1 does not keep.
    let mut crumbs = crumbs
        .map(HeaderValue::as_bytes)
        .filter(|crumb| !crumb.is_empty());
    let first = crumbs.next().unwrap_or_default();
    let rest: Vec<&[u8]> = crumbs.collect();
    if rest.is_empty() {
        into.push(b"cookie", first);
    } else {
        // Two bytes of each crumb's place in the bounds were its own name's.
        into.push(b"cookie", &[&[first], &rest[..]].concat().join(&b"; "[..]));
    }
}

fn length(head: &RequestHead) -> Result<Option<u64>, RequestError> {
    let mut lengths = head.known_all(Known::ContentLength);
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(None),
        (Some(digits), None) => match parse_length(digits) {
            Some(length) => Ok(Some(length)),
            None => Err(RequestError::AmbiguousLength),
        },
        _ => Err(RequestError::AmbiguousLength),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use message::http1::{Parsed, parse_request};

    fn read(request: http::request::Builder) -> (Result<StreamHead, RequestError>, RequestHead) {
        let parts = request.body(()).expect("a request").into_parts().0;
        let mut head = RequestHead::default();
        let result = read_head(&parts, None, Version::Http2, true, &mut head);
        (result, head)
    }

    #[test]
    fn no_byte_of_a_name_is_taken_that_http1_does_not_take() {
        let mut refused = Vec::new();
        for byte in 0..=u8::MAX {
            let name = [b'a', byte, b'b'];
            let Ok(known) = http::HeaderName::from_lowercase(&name) else {
                continue;
            };
            let (result, _) = read(Request::get("https://site.test/").header(known, "1"));
            let wire = [
                &b"GET / HTTP/1.1\r\nHost: site.test\r\n"[..],
                &name,
                b": 1\r\n\r\n",
            ]
            .concat();
            let parsed = parse_request(&wire, &mut RequestHead::default());
            assert_eq!(result.is_ok(), parsed.is_ok(), "byte {byte:#x}: {parsed:?}");
            refused.extend(result.is_err().then_some(byte));
        }
        assert_eq!(refused, [b'"']);
    }

    #[test]
    fn no_byte_of_a_target_is_taken_that_http1_does_not_take() {
        let mut taken = 0;
        for byte in 0..=u8::MAX {
            let uri = [b"https://site.test/a", &[byte][..], b"z"].concat();
            let Ok(uri) = http::Uri::try_from(uri) else {
                continue;
            };
            let (result, head) = read(Request::builder().uri(uri));
            if result.is_err() {
                continue;
            }
            let wire = [
                b"GET ",
                head.target(),
                b" HTTP/1.1\r\nHost: site.test\r\n\r\n",
            ]
            .concat();
            let parsed = parse_request(&wire, &mut RequestHead::default());
            assert!(
                matches!(parsed, Ok(Parsed::Complete { .. })),
                "byte {byte:#x}: {parsed:?}"
            );
            taken += 1;
        }
        assert!(taken > 70, "{taken}");
    }

    #[test]
    fn crumbs_of_cookies_are_one_field_however_many_they_are() {
        let mut request = Request::builder().uri("https://site.test/");
        for crumb in 0..300 {
            request = request.header("cookie", format!("c{crumb}=1"));
        }
        let (result, head) = read(request);
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(head.fields_count(), 2);
        let cookie = head.known(Known::Cookie).unwrap();
        assert!(cookie.starts_with(b"c0=1; c1=1; ") && cookie.ends_with(b"; c299=1"));
    }

    #[test]
    fn empty_crumbs_of_cookies_leave_no_separator() {
        for (crumbs, want) in [
            (&["a=1", ""][..], "a=1"),
            (&["", "a=1"], "a=1"),
            (&["a=1", "", "b=2"], "a=1; b=2"),
            (&["", ""], ""),
            (&[""], ""),
        ] {
            let mut request = Request::builder().uri("https://site.test/");
            for crumb in crumbs {
                request = request.header("cookie", *crumb);
            }
            let (result, head) = read(request);
            assert!(result.is_ok(), "{result:?}");
            let cookie = head.known(Known::Cookie);
            assert_eq!(cookie, Some(want.as_bytes()), "{crumbs:?}");
        }
    }
}
