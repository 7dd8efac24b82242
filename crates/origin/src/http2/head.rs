//! Between our heads and those of HTTP/2.

use std::cell::RefMut;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use message::{Fields, Method, ResponseHead, canonical_name};

use crate::head::{self, RequestFraming, ResponseFraming};
use crate::limits::{RESPONSE_FIELDS_MAX, RESPONSE_HEAD_BYTES_MAX};
use crate::{FetchError, OriginSpec, Scheme};

/// What a request head is made of.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) scheme: Scheme,
    pub(super) target: &'a Uri,
    pub(super) fields: &'a Fields,
    pub(super) framing: RequestFraming,
    pub(super) origin: &'a OriginSpec,
}

/// The request as h2 takes it: the authority from `Host`, and without the fields of a connection
/// (RFC 9113 §8.2.2, §8.3.1).
pub(super) fn request(request: Request<'_>) -> Option<http::Request<()>> {
    let framing = match request.framing {
        RequestFraming::Chunked => RequestFraming::None, // Frames say where a body ends.
        framing => framing,
    };
    let mut headers = head::request_headers(request.fields, framing)?;
    let authority = match headers.remove(HOST) {
        Some(host) => Authority::try_from(host.as_bytes()),
        None => Authority::try_from(request.origin.host.as_str()),
    };
    for name in [CONNECTION, UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
    let wants_trailers = headers
        .remove(TE)
        .is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }

    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(match request.scheme {
        Scheme::Http => http::uri::Scheme::HTTP,
        Scheme::Https => http::uri::Scheme::HTTPS,
    });
    uri.authority = Some(authority.ok()?);
    uri.path_and_query = request.target.path_and_query().cloned();
    uri.path_and_query
        .get_or_insert_with(|| PathAndQuery::from_static("/"));

    let mut composed = http::Request::new(());
    *composed.method_mut() = head::method(request.method)?;
    *composed.uri_mut() = Uri::from_parts(uri).ok()?;
    *composed.headers_mut() = headers;
    Some(composed)
}

/// Takes a response head over, and the length of its body where that is known.
pub(super) fn response(
    parts: &http::response::Parts,
    method: Method,
    mut name_buffer: RefMut<'_, Vec<u8>>,
) -> Result<(ResponseHead, Option<u64>), FetchError> {
    if is_too_big(&parts.headers) {
        return Err(FetchError::HeadTooBig);
    }
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        return Err(FetchError::InvalidResponse);
    }
    let length = announced_length(&parts.headers)?;
    let (head, framing) = head::response_head(parts, method, length, &mut name_buffer)?;
    let length = match framing {
        ResponseFraming::None => Some(0),
        ResponseFraming::Length(length) => Some(length),
        _ => None,
    };
    Ok((head, length))
}

/// The fields behind a body; `None` when there are too many.
pub(super) fn trailers(headers: &HeaderMap) -> Option<Fields> {
    if is_too_big(headers) {
        return None;
    }
    let mut fields = Fields::with_capacity(headers.len() * 48 + 16);
    let mut name_buffer = Vec::with_capacity(32);
    for (name, value) in headers {
        name_buffer.clear();
        canonical_name(name.as_str().as_bytes(), &mut name_buffer);
        fields.push_trusted(&name_buffer, value.as_bytes());
    }
    Some(fields)
}

/// The viewer's fields behind a body, but for those that may not stand there.
pub(super) fn request_trailers(fields: &Fields) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter() {
        let Ok(name) = HeaderName::from_bytes(name) else {
            continue;
        };
        if [
            CONNECTION,
            CONTENT_LENGTH,
            HOST,
            TE,
            TRANSFER_ENCODING,
            UPGRADE,
        ]
        .contains(&name)
        {
            continue;
        }
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(value)) {
            headers.append(name, value);
        }
    }
    (!headers.is_empty()).then_some(headers)
}

/// Whether the fields, written as HTTP/1.1 writes them, are over the limits of a head.
fn is_too_big(headers: &HeaderMap) -> bool {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    bytes > RESPONSE_HEAD_BYTES_MAX || headers.len() > RESPONSE_FIELDS_MAX
}

/// The `Content-Length`; several that differ are an error.
fn announced_length(headers: &HeaderMap) -> Result<Option<u64>, FetchError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return Ok(None);
    };
    if lengths.any(|length| length != first) {
        return Err(FetchError::InvalidResponse);
    }
    let length = head::parse_length(first.as_bytes());
    length.map(Some).ok_or(FetchError::InvalidResponse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compose(fields: &[(&str, &str)], framing: RequestFraming) -> Option<http::Request<()>> {
        request(Request {
            method: Method::Post,
            scheme: Scheme::Https,
            target: &head::uri(b"/a?b=c".to_vec()).unwrap(),
            fields: &fields.iter().copied().collect(),
            framing,
            origin: &OriginSpec::new("o", "origin.example"),
        })
    }

    #[test]
    fn fields_of_a_connection_stay_behind_and_the_host_becomes_the_authority() {
        let fields = [
            ("Host", "site.example:8443"),
            ("Connection", "keep-alive"),
            ("Keep-Alive", "timeout=5"),
            ("Upgrade", "h2c"),
            ("Proxy-Connection", "close"),
            ("Transfer-Encoding", "chunked"),
            ("TE", "trailers"),
            ("Content-Type", "application/grpc"),
        ];
        let composed = compose(&fields, RequestFraming::Chunked).unwrap();
        assert_eq!(
            composed.uri().to_string(),
            "https://site.example:8443/a?b=c"
        );
        let names: Vec<_> = composed
            .headers()
            .keys()
            .map(|name| name.as_str())
            .collect();
        assert_eq!(names, ["content-type", "te"]);
    }

    #[test]
    fn only_trailers_may_be_asked_for_and_a_known_length_is_said() {
        let fields = [("TE", "gzip"), ("Content-Length", "99")];
        let composed = compose(&fields, RequestFraming::Length(3)).unwrap();
        assert_eq!(composed.uri().host(), Some("origin.example"));
        assert_eq!(composed.headers().len(), 1);
        assert_eq!(composed.headers()["content-length"], "3");
    }

    #[test]
    fn a_host_that_is_no_authority_is_refused() {
        assert!(compose(&[("Host", "a b/c")], RequestFraming::None).is_none());
    }

    #[test]
    fn trailers_carry_no_framing_and_no_fields_of_a_connection() {
        let fields: Fields = [
            ("Content-Length", "3"),
            ("Transfer-Encoding", "chunked"),
            ("Connection", "close"),
            ("X-Checksum", "abc"),
        ]
        .into_iter()
        .collect();
        let trailers = request_trailers(&fields).unwrap();
        assert_eq!(trailers.len(), 1);
        assert_eq!(trailers["x-checksum"], "abc");
        assert!(request_trailers(&Fields::new()).is_none());
    }
}
