//! Between our heads and hyper's.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use message::{Fields, Method, ResponseHead, canonical_name};

use crate::{FetchError, RequestBody};

/// How the body of a request is framed.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum RequestFraming {
    /// No body and no field about it.
    None,
    Length(u64),
    Chunked,
}

impl RequestFraming {
    pub(crate) fn of(method: Method, body: &RequestBody) -> RequestFraming {
        match body {
            // RFC 9110 §8.6: methods that usually have a body say when they have none.
            RequestBody::Empty if matches!(method, Method::Post | Method::Put | Method::Patch) => {
                RequestFraming::Length(0)
            }
            RequestBody::Empty => RequestFraming::None,
            RequestBody::Stream {
                length: Some(length),
                ..
            } => RequestFraming::Length(*length),
            RequestBody::Stream { length: None, .. } => RequestFraming::Chunked,
        }
    }
}

pub(crate) fn method(method: Method) -> Option<http::Method> {
    Some(match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Options => http::Method::OPTIONS,
        Method::Put => http::Method::PUT,
        Method::Post => http::Method::POST,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
        Method::Other => return None,
    })
}

/// The target as hyper takes it. Bytes that it would refuse, or cut off (`#`), are percent-encoded.
pub(crate) fn uri(target: Vec<u8>) -> Option<Uri> {
    if target.first() != Some(&b'/') {
        return None;
    }
    let is_plain = |byte: &u8| matches!(byte, 0x21..=0x7e) && !b"\"#<>\\^`{|}".contains(byte);
    if target.iter().all(is_plain) {
        return Uri::from_maybe_shared(Bytes::from(target)).ok();
    }
    let mut encoded = Vec::with_capacity(target.len() + 32);
    let mut is_query = false;
    for byte in &target {
        is_query |= *byte == b'?';
        // These stand as they are in what curl and older browsers send; hyper refuses the quote
        // in a query only.
        if is_plain(byte) || b"\\^{|}".contains(byte) || (*byte == b'"' && !is_query) {
            encoded.push(*byte);
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            encoded.push(b'%');
            encoded.push(HEX[usize::from(byte >> 4)]);
            encoded.push(HEX[usize::from(byte & 15)]);
        }
    }
    Uri::from_maybe_shared(Bytes::from(encoded)).ok()
}

/// The fields as hyper takes them, in order; the values share one copy of the lines.
pub(crate) fn request_headers(fields: &Fields, framing: RequestFraming) -> Option<HeaderMap> {
    let wire = fields.as_wire();
    let shared = Bytes::copy_from_slice(wire);
    let base = wire.as_ptr() as usize;
    let mut headers = HeaderMap::with_capacity(24);
    for (name, value) in fields.iter() {
        let name = HeaderName::from_bytes(name).ok()?;
        if name == CONTENT_LENGTH || name == TRANSFER_ENCODING || name == TRAILER {
            continue;
        }
        let value = if value.is_empty() {
            HeaderValue::from_static("")
        } else {
            let start = value.as_ptr() as usize - base;
            HeaderValue::from_maybe_shared(shared.slice(start..start + value.len())).ok()?
        };
        headers.append(name, value);
    }
    match framing {
        RequestFraming::None => {}
        RequestFraming::Length(length) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        RequestFraming::Chunked => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    Some(headers)
}

/// What a response head says about its body.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum ResponseFraming {
    /// There is none: HEAD, 204, 304, 101.
    None,
    Length(u64),
    Chunked,
    /// Chunked, with a `Content-Length` beside it: somebody may count differently, so the
    /// connection is not used again (RFC 9112 §6.3).
    ChunkedAndLength,
    UntilClose,
}

/// Takes a response head over. `body_length` is what hyper made of the framing.
pub(crate) fn response_head(
    parts: &http::response::Parts,
    method: Method,
    body_length: Option<u64>,
    name_buffer: &mut Vec<u8>,
) -> Result<(ResponseHead, ResponseFraming), FetchError> {
    let status = parts.status.as_u16();
    if status > 599 {
        return Err(FetchError::InvalidResponse);
    }
    let framing = response_framing(&parts.headers, status, method, body_length)?;
    let mut fields = Fields::with_capacity(parts.headers.len() * 48 + 64);
    let mut has_length = false;
    for (name, value) in &parts.headers {
        if *name == TRANSFER_ENCODING {
            continue;
        }
        if *name == CONTENT_LENGTH {
            // Copies are equal, or hyper would have refused them; one is enough.
            let length = match framing {
                ResponseFraming::Length(length) => Some(length),
                ResponseFraming::None => parse_length(value.as_bytes()),
                _ => None,
            };
            if let Some(length) = length.filter(|_| !has_length) {
                fields.push_number(b"Content-Length", length);
                has_length = true;
            }
            continue;
        }
        name_buffer.clear();
        canonical_name(name.as_str().as_bytes(), name_buffer);
        fields.push_trusted(name_buffer, value.as_bytes());
    }
    Ok((ResponseHead { status, fields }, framing))
}

fn response_framing(
    headers: &HeaderMap,
    status: u16,
    method: Method,
    body_length: Option<u64>,
) -> Result<ResponseFraming, FetchError> {
    if method == Method::Head || matches!(status, 101 | 204 | 304) {
        return Ok(ResponseFraming::None);
    }
    let has_length = headers.contains_key(CONTENT_LENGTH);
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => {}
        // Only `chunked` is a transfer coding here (spec §5.3). Under another one hyper would
        // hand over the coded bytes as if they were the body.
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            let chunked = ResponseFraming::Chunked;
            return Ok(if has_length {
                ResponseFraming::ChunkedAndLength
            } else {
                chunked
            });
        }
        _ => return Err(FetchError::InvalidResponse),
    }
    Ok(match body_length {
        Some(length) if has_length => ResponseFraming::Length(length),
        _ => ResponseFraming::UntilClose,
    })
}

pub(crate) fn parse_length(value: &[u8]) -> Option<u64> {
    let is_digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if is_digits {
        std::str::from_utf8(value).ok()?.parse().ok()
    } else {
        None
    }
}

/// The idle timeout that an origin announces (`Keep-Alive: timeout=5, max=100`), in seconds.
pub(crate) fn announced_idle_secs(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    value
        .split(',')
        .find_map(|part| part.trim().strip_prefix("timeout=")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn targets_are_sent_as_they_are_but_for_bytes_that_no_target_holds() {
        for (target, want) in [
            ("/a?b=c&d=%20", Some("/a?b=c&d=%20")),
            ("//a//b", Some("//a//b")),
            ("/a#b", Some("/a%23b")),
            ("/a<b>?c`d", Some("/a%3Cb%3E?c%60d")),
            ("/a|b\"{c}^\\", Some("/a|b\"{c}^\\")),
            ("/a?b=\"c\"", Some("/a?b=%22c%22")),
            ("/ä b", Some("/%C3%A4%20b")),
            ("a", None),
            ("", None),
            ("http://x/", None),
        ] {
            let got = uri(target.as_bytes().to_vec()).map(|uri| uri.to_string());
            assert_eq!(got.as_deref(), want, "{target}");
        }
    }

    #[test]
    fn request_framing_is_ours_and_other_fields_keep_their_order() {
        let fields: Fields = [
            ("Host", "a"),
            ("Transfer-Encoding", "gzip"),
            ("Content-Length", "7"),
            ("X-B", ""),
            ("x-a", "1"),
        ]
        .into_iter()
        .collect();
        let list = |framing| -> Vec<String> {
            let headers = request_headers(&fields, framing).unwrap();
            headers
                .iter()
                .map(|(n, v)| format!("{n}={}", v.to_str().unwrap()))
                .collect()
        };
        assert_eq!(list(RequestFraming::None), ["host=a", "x-b=", "x-a=1"]);
        assert_eq!(
            list(RequestFraming::Length(3)),
            ["host=a", "x-b=", "x-a=1", "content-length=3"]
        );
        assert_eq!(
            list(RequestFraming::Chunked),
            ["host=a", "x-b=", "x-a=1", "transfer-encoding=chunked"]
        );
    }

    #[test]
    fn methods_with_a_body_say_that_they_have_none() {
        let of = |method| RequestFraming::of(method, &RequestBody::Empty);
        assert_eq!(of(Method::Post), RequestFraming::Length(0));
        assert_eq!(of(Method::Get), RequestFraming::None);
        assert_eq!(of(Method::Delete), RequestFraming::None);
    }

    #[test]
    fn an_announced_idle_timeout_is_read() {
        let announced = |value| {
            let mut headers = HeaderMap::new();
            headers.insert("keep-alive", HeaderValue::from_static(value));
            announced_idle_secs(&headers)
        };
        assert_eq!(announced("timeout=5, max=100"), Some(5));
        assert_eq!(announced("max=100, timeout=7"), Some(7));
        assert_eq!(announced("timeout=x"), None);
    }

    proptest! {
        #[test]
        fn every_target_becomes_visible_ascii_and_stays_itself_after(tail: Vec<u8>) {
            let mut target = b"/".to_vec();
            target.extend(tail);
            let once = uri(target).unwrap().to_string();
            prop_assert!(once.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
            prop_assert_eq!(uri(once.clone().into_bytes()).unwrap().to_string(), once);
        }
    }
}
