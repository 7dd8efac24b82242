use std::mem::MaybeUninit;

use httparse::Status;
use memchr::{memchr_iter, memmem};

use crate::limits::{REQUEST_FIELDS_MAX, REQUEST_HEAD_BYTES_MAX, URL_BYTES_MAX};
use crate::{Known, RequestHead, Version, list_items};

/// How the length of a request body is known (RFC 9112 §6).
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// `Content-Length`, in bytes; never 0.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// What [`parse_request`] found.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Parsed {
    /// The head is not complete; more bytes are needed.
    Partial,
    /// The head takes the first `head_bytes` of the input and stands in the `RequestHead`.
    Complete {
        /// Bytes of the head, the empty line included.
        head_bytes: usize,
        /// How the body is framed.
        framing: Framing,
        /// Whether the viewer wants to send another request on the connection.
        keep_alive: bool,
        /// Whether the viewer waits for `100 Continue` before it sends the body.
        expects_continue: bool,
    },
}

/// Why a request was refused, by whatever protocol it came; always the viewer's fault. An HTTP/1.1
/// connection is closed after any of them, because where the next request begins is no longer
/// certain.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// The first line or a field is not HTTP: control bytes, bare CR or LF, folding, white space
    /// before a colon, a target that is no path.
    #[error("the request is not well-formed HTTP")]
    Malformed,
    /// `Host` (or `:authority`, which must not differ) is missing from a request that is not
    /// HTTP/1.0, there twice, or not a host.
    #[error("exactly one valid Host field is needed")]
    Host,
    /// `Content-Length` or `Transfer-Encoding` leave the body's length open to interpretation.
    #[error("the body's length is ambiguous")]
    AmbiguousLength,
    /// An HTTP version that is not 1.0 or 1.1.
    #[error("only HTTP/1.0 and HTTP/1.1 are spoken here")]
    Version,
    /// The target is longer than `URL_BYTES_MAX`.
    #[error("the URL is longer than {URL_BYTES_MAX} bytes")]
    UrlTooLong,
    /// The head is longer than `REQUEST_HEAD_BYTES_MAX` or has more than `REQUEST_FIELDS_MAX`
    /// fields.
    #[error(
        "the request head is larger than {REQUEST_HEAD_BYTES_MAX} bytes or {REQUEST_FIELDS_MAX} fields"
    )]
    HeadTooLarge,
}

impl RequestError {
    /// The status that tells the viewer (spec §5.2, §7.3).
    pub fn status(self) -> u16 {
        match self {
            RequestError::Malformed | RequestError::Host | RequestError::AmbiguousLength => 400,
            RequestError::UrlTooLong | RequestError::HeadTooLarge => 413,
            RequestError::Version => 505,
        }
    }
}

/// Parses a request head at the start of `input` into `head`. Strict: whatever two parsers could
/// read differently is refused.
pub fn parse_request(input: &[u8], head: &mut RequestHead) -> Result<Parsed, RequestError> {
    let mut fields = [const { MaybeUninit::uninit() }; REQUEST_FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let head_bytes = match request.parse_with_uninit_headers(input, &mut fields) {
        Ok(Status::Complete(len)) if len > REQUEST_HEAD_BYTES_MAX => {
            return Err(too_large(&input[..len]));
        }
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) if input.len() > REQUEST_HEAD_BYTES_MAX => {
            return Err(too_large(input));
        }
        Ok(Status::Partial) => return Ok(Parsed::Partial),
        Err(httparse::Error::TooManyHeaders) => return Err(RequestError::HeadTooLarge),
        Err(httparse::Error::Version) => return Err(RequestError::Version),
        Err(_) => return Err(RequestError::Malformed),
    };
    // httparse takes a bare LF for a line end; another parser on the way may not. It refuses a CR
    // without an LF, so when there are as many of one as of the other, all are pairs. Counting
    // is quicker than looking at each.
    let wire = &input[..head_bytes];
    let count = |byte: u8| memchr_iter(byte, wire).count();
    if count(b'\n') != count(b'\r') {
        return Err(RequestError::Malformed);
    }
    let version = if request.version == Some(0) {
        Version::Http10
    } else {
        Version::Http11
    };
    let method = request.method.unwrap_or_default().as_bytes();
    let target = Target::parse(request.path.unwrap_or_default().as_bytes())?;
    if target.path_and_query.len() > URL_BYTES_MAX {
        return Err(RequestError::UrlTooLong);
    }
    match target.host {
        None => {
            head.start_within(wire, method, target.path_and_query, version);
            for field in request.headers.iter() {
                head.push_within(wire, field.name.as_bytes(), field.value);
            }
        }
        // The host of an absolute target replaces the field (RFC 9112 §3.2.2).
        Some(host) => {
            head.start(method, target.path_and_query, version);
            head.push(b"Host", host);
            for field in request.headers.iter() {
                if !field.name.eq_ignore_ascii_case("host") {
                    head.push(field.name.as_bytes(), field.value);
                }
            }
        }
    }
    check_host(head)?;
    Ok(Parsed::Complete {
        head_bytes,
        framing: framing_of(head)?,
        keep_alive: wants_keep_alive(head),
        expects_continue: version == Version::Http11
            && head
                .known(Known::Expect)
                .is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue")),
    })
}

/// Which limit an oversized head broke first: its first line tells.
fn too_large(wire: &[u8]) -> RequestError {
    match memmem::find(wire, b"\r\n") {
        Some(at) if at <= URL_BYTES_MAX => RequestError::HeadTooLarge,
        _ => RequestError::UrlTooLong,
    }
}

struct Target<'a> {
    path_and_query: &'a [u8],
    host: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// Takes the origin form (`/path?query`) and the absolute form (`http://host/path?query`);
    /// what only proxies and `OPTIONS *` use is refused. A fragment never arrives (spec §3.1).
    fn parse(target: &'a [u8]) -> Result<Target<'a>, RequestError> {
        if memchr::memchr(b'#', target).is_some() {
            return Err(RequestError::Malformed);
        }
        if target.first() == Some(&b'/') {
            return Ok(Target {
                path_and_query: target,
                host: None,
            });
        }
        let after_scheme = [&b"http://"[..], b"https://"]
            .into_iter()
            .find(|scheme| {
                target.len() > scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme)
            })
            .map(|scheme| &target[scheme.len()..])
            .ok_or(RequestError::Malformed)?;
        let end = after_scheme.iter().position(|b| matches!(b, b'/' | b'?'));
        let (host, rest) = after_scheme.split_at(end.unwrap_or(after_scheme.len()));
        match rest.first() {
            None => Ok(Target {
                path_and_query: b"/",
                host: Some(host),
            }),
            Some(b'/') => Ok(Target {
                path_and_query: rest,
                host: Some(host),
            }),
            // `http://host?query` has an empty path; nobody sends it in earnest.
            Some(_) => Err(RequestError::Malformed),
        }
    }
}

fn check_host(head: &RequestHead) -> Result<(), RequestError> {
    let mut hosts = head.known_all(Known::Host);
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host) => Ok(()),
        (None, None) if head.version == Version::Http10 => Ok(()),
        _ => Err(RequestError::Host),
    }
}

/// Letters, digits, `-._` and a port, or an IPv6 literal in brackets. Which host is served is the
/// directory's business; here only what could confuse a second parser is refused.
pub fn is_host(host: &[u8]) -> bool {
    const ALLOWED: [bool; 256] = {
        let (mut allowed, mut byte) = ([false; 256], 0);
        while byte < 256 {
            allowed[byte] = (byte as u8).is_ascii_alphanumeric()
                || matches!(
                    byte as u8,
                    b'-' | b'.' | b'_' | b':' | b'[' | b']' | b'~' | b'%'
                );
            byte += 1;
        }
        allowed
    };
    !host.is_empty() && host.len() <= 260 && host.iter().all(|byte| ALLOWED[usize::from(*byte)])
}

fn framing_of(head: &RequestHead) -> Result<Framing, RequestError> {
    let mut lengths = head.known_all(Known::ContentLength);
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err(RequestError::AmbiguousLength);
    }
    let mut codings = head.known_all(Known::TransferEncoding);
    match (codings.next(), codings.next(), length) {
        (None, _, None) => Ok(Framing::Empty),
        (None, _, Some(digits)) => match parse_length(digits) {
            Some(0) => Ok(Framing::Empty),
            Some(length) => Ok(Framing::Length(length)),
            None => Err(RequestError::AmbiguousLength),
        },
        (Some(coding), None, None)
            if head.version == Version::Http11 && coding.eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(Framing::Chunked)
        }
        _ => Err(RequestError::AmbiguousLength),
    }
}

/// The number that `Content-Length` says. Digits only: no sign, no white space, no list, no
/// overflow.
pub fn parse_length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn wants_keep_alive(head: &RequestHead) -> bool {
    let says = |token: &[u8]| {
        head.known_all(Known::Connection)
            .flat_map(list_items)
            .any(|item| item.eq_ignore_ascii_case(token))
    };
    match (head.version, head.known(Known::Connection)) {
        (Version::Http10, None) => false,
        (Version::Http10, Some(_)) => says(b"keep-alive") && !says(b"close"),
        // What most viewers say is what goes without saying.
        (_, None | Some(b"keep-alive" | b"Keep-Alive"))
            if head.known_all(Known::Connection).nth(1).is_none() =>
        {
            true
        }
        _ => !says(b"close"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;
    use proptest::prelude::*;

    fn parse(wire: &str) -> (Result<Parsed, RequestError>, RequestHead) {
        let mut head = RequestHead::default();
        (parse_request(wire.as_bytes(), &mut head), head)
    }

    fn refused(wire: &str) -> RequestError {
        parse(wire).0.expect_err(wire)
    }

    #[test]
    fn a_plain_get_is_read() {
        let wire = "GET /a?b=c HTTP/1.1\r\nHost: x.test:80\r\nX-Y:  z \r\n\r\nrest";
        let (parsed, head) = parse(wire);
        let want = Parsed::Complete {
            head_bytes: wire.len() - 4,
            framing: Framing::Empty,
            keep_alive: true,
            expects_continue: false,
        };
        assert_eq!(parsed, Ok(want));
        assert_eq!(
            (head.method, head.path(), head.query()),
            (Method::Get, &b"/a"[..], Some(&b"b=c"[..]))
        );
        assert_eq!(head.get("x-y"), Some(&b"z"[..]));
    }

    #[test]
    fn an_absolute_target_brings_its_own_host() {
        let (parsed, head) = parse("GET http://a.test/p?q HTTP/1.1\r\nHost: b.test\r\n\r\n");
        assert!(parsed.is_ok());
        assert_eq!(
            (head.host(), head.target()),
            (Some(&b"a.test"[..]), &b"/p?q"[..])
        );
        assert!(
            parse("GET http://a.test HTTP/1.1\r\nHost: a\r\n\r\n")
                .0
                .is_ok()
        );
    }

    #[test]
    fn an_ambiguous_body_length_is_refused() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: 5 5",
            "Content-Length: ",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: xchunked",
        ] {
            let wire = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
            assert_eq!(refused(&wire), RequestError::AmbiguousLength, "{fields}");
        }
        let wire = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(refused(wire), RequestError::AmbiguousLength);
    }

    #[test]
    fn smuggling_shapes_are_refused() {
        for wire in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(refused(wire).status(), 400, "{wire:?}");
        }
    }

    #[test]
    fn exactly_one_host_is_needed() {
        for fields in [
            "",
            "Host: a\r\nHost: b\r\n",
            "Host: \r\n",
            "Host: a b\r\n",
            "Host: a/b\r\n",
        ] {
            let wire = format!("GET / HTTP/1.1\r\n{fields}\r\n");
            assert_eq!(refused(&wire), RequestError::Host, "{fields:?}");
        }
        assert!(parse("GET / HTTP/1.0\r\n\r\n").0.is_ok());
    }

    #[test]
    fn limits_say_which_part_was_too_large() {
        let url = "a".repeat(URL_BYTES_MAX);
        assert_eq!(
            refused(&format!("GET /{url} HTTP/1.1\r\nHost: a\r\n\r\n")),
            RequestError::UrlTooLong
        );
        let value = "a".repeat(REQUEST_HEAD_BYTES_MAX);
        let wire = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {value}\r\n\r\n");
        assert_eq!(refused(&wire), RequestError::HeadTooLarge);
        assert_eq!(
            refused(&wire[..REQUEST_HEAD_BYTES_MAX + 1]),
            RequestError::HeadTooLarge
        );
        let many = "X: y\r\n".repeat(REQUEST_FIELDS_MAX + 1);
        assert_eq!(
            refused(&format!("GET / HTTP/1.1\r\n{many}\r\n")),
            RequestError::HeadTooLarge
        );
    }

    #[test]
    fn other_versions_are_told_so() {
        assert_eq!(refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n").status(), 505);
        // What follows the second space is where a version must stand.
        assert_eq!(
            refused("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n").status(),
            505
        );
    }

    #[test]
    fn keep_alive_follows_version_and_connection() {
        for (version, connection, want) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: Upgrade, Close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
        ] {
            let (parsed, _) = parse(&format!(
                "GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n"
            ));
            let Ok(Parsed::Complete { keep_alive, .. }) = parsed else {
                panic!("{parsed:?}")
            };
            assert_eq!(keep_alive, want, "{version} {connection}");
        }
    }

    proptest! {
        #[test]
        fn no_input_makes_the_parser_panic(wire in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_request(&wire, &mut RequestHead::default());
        }

        #[test]
        fn every_prefix_of_a_good_request_is_partial(cut in 0usize..54) {
            let wire = "GET /a?b=c HTTP/1.1\r\nHost: x.test:80\r\nX-Yyy:  z \r\n\r\n";
            prop_assert_eq!(parse(&wire[..cut.min(wire.len() - 1)]).0, Ok(Parsed::Partial));
        }
    }
}
