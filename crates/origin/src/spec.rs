use std::task::{Context, Poll};

use bytes::Bytes;
use message::{Fields, Method, ResponseHead};

use crate::{ClientIdentity, OriginBody, Upgraded};

/// An origin as the distribution describes it (spec §1.3), with its defaults filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OriginSpec {
    /// The id in the distribution; for messages only.
    pub id: String,
    /// The name to connect to. IP literals are taken too, which AWS refuses: local use.
    pub host: String,
    /// The port for [`Scheme::Http`].
    pub http_port: u16,
    /// The port for [`Scheme::Https`].
    pub https_port: u16,
    /// Which addresses of the name are used.
    pub address_family: AddressFamily,
    /// How often connecting is tried, and a GET or HEAD that got no response: 1 to 3.
    pub connection_attempts: u8,
    /// Bound of one attempt, TLS handshake included.
    pub connection_timeout_ms: u32,
    /// Longest wait for the response head, and longest gap within the body.
    pub read_timeout_ms: u32,
    /// How long an idle connection is kept.
    pub keepalive_timeout_ms: u32,
    /// Bound of the whole exchange, retries included; `None` is unlimited.
    pub response_completion_timeout_ms: Option<u32>,
    /// The oldest TLS version spoken to this origin.
    pub tls_minimum: TlsVersion,
    /// What proves to the origin who we are (`OriginMtlsConfig`). Without one, an origin that asks
    /// for a certificate is not spoken to ([`crate::TlsFailure::CertificateRequested`]).
    pub client_identity: Option<ClientIdentity>,
}

impl OriginSpec {
    /// An origin with the defaults of the API.
    pub fn new(id: &str, host: &str) -> OriginSpec {
        OriginSpec {
            id: id.to_owned(),
            host: host.to_owned(),
            http_port: 80,
            https_port: 443,
            address_family: AddressFamily::Ipv4,
            connection_attempts: 3,
            connection_timeout_ms: 10_000,
            read_timeout_ms: 30_000,
            keepalive_timeout_ms: 5_000,
            response_completion_timeout_ms: None,
            tls_minimum: TlsVersion::Tls12,
            client_identity: None,
        }
    }

    /// The port for a scheme.
    pub fn port(&self, scheme: Scheme) -> u16 {
        match scheme {
            Scheme::Http => self.http_port,
            Scheme::Https => self.https_port,
        }
    }
}

/// Which addresses of an origin's name are used (`IpAddressType`).
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub enum AddressFamily {
    /// A records only.
    #[default]
    Ipv4,
    /// AAAA records only.
    Ipv6,
    /// Both, in turn.
    DualStack,
}

/// A TLS version. Older ones (`SSLv3`, `TLSv1`, `TLSv1.1`) are not spoken at all: an origin that
/// lists only those is reached with TLS 1.2 or not at all.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

/// How an origin is spoken to.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// The version of HTTP that an origin is spoken to in.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, for gRPC (spec §5.7): over TLS by ALPN, which must choose it; over plain TCP by
    /// prior knowledge, which AWS does not offer: local use.
    Http2,
}

/// One request to an origin, composed.
pub struct OriginRequest {
    /// The method; [`Method::Other`] is refused.
    pub method: Method,
    /// Whether TLS is used.
    pub scheme: Scheme,
    /// The version of HTTP.
    pub protocol: Protocol,
    /// Path and query as they go on the wire, origin path included; begins with `/`.
    pub target: Vec<u8>,
    /// All fields, `Host` included, in order. `Content-Length`, `Transfer-Encoding` and
    /// `Trailer` are dropped: framing follows from `body`. HTTP/2 takes its authority from `Host`
    /// and leaves out what RFC 9113 §8.2.2 forbids; `TE: trailers` stays.
    pub fields: Fields,
    /// The name of a forwarded `Host` (no port): sent as server name, and the certificate may
    /// match it instead of the origin's.
    pub sni: Option<String>,
    /// The body.
    pub body: RequestBody,
    /// Whether a `101 Switching Protocols` is welcome (WebSocket); the fields must ask for it.
    /// HTTP/1.1 only.
    pub upgrade: bool,
}

/// The body of a request to an origin.
pub enum RequestBody {
    /// None.
    Empty,
    /// Streamed with backpressure: polled only as fast as the origin takes it.
    Stream {
        /// The length when known; HTTP/1.1 sends chunks when not.
        length: Option<u64>,
        /// Where the bytes come from.
        body: Box<dyn BodySource>,
    },
}

/// Where the bytes of a request body come from: usually the viewer's connection.
pub trait BodySource {
    /// The next piece; `None` at the end. After an error or the end it is not polled again.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;

    /// The fields behind the body, if any; asked for once, after its end. Only HTTP/2 origins get
    /// them.
    fn trailers(&mut self) -> Option<Fields> {
        None
    }
}

/// Why a request body ended early: always the viewer's fault, never the origin's.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyError {
    /// The viewer's connection closed within the body.
    #[error("the viewer closed the connection within the request body")]
    Closed,
    /// The viewer sent nothing for too long.
    #[error("the viewer stopped sending the request body")]
    Timeout,
    /// The viewer's framing was broken.
    #[error("the framing of the request body is broken")]
    Invalid,
    /// The body is longer than allowed.
    #[error("the request body is longer than allowed")]
    TooLarge,
    /// The body has fewer or more bytes than its announced length.
    #[error("the request body is not as long as announced")]
    WrongLength,
}

/// What an origin answered.
#[derive(Debug)]
pub struct OriginResponse {
    /// Status and fields. `Transfer-Encoding` is gone; `Content-Length` is there when the origin
    /// sent a valid one and the body is framed by it (or there is none: HEAD, 304).
    pub head: ResponseHead,
    /// The body. Drop it to abandon the exchange.
    pub body: OriginBody,
    /// Where the time went.
    pub timing: Timing,
    /// The stream after `101 Switching Protocols`; only when the request asked for it.
    pub upgraded: Option<Upgraded>,
}

/// Where the time until the response head went, failed attempts included.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Timing {
    /// Name resolution; 0 when it was not needed or cached.
    pub dns_us: u64,
    /// Connecting, TLS included; 0 on a reused connection.
    pub connect_us: u64,
    /// From the request's sending to the response head.
    pub first_byte_us: u64,
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RequestBody::Empty => f.write_str("Empty"),
            RequestBody::Stream { length, .. } => f
                .debug_struct("Stream")
                .field("length", length)
                .finish_non_exhaustive(),
        }
    }
}

impl std::fmt::Debug for OriginRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginRequest")
            .field("method", &self.method)
            .field("scheme", &self.scheme)
            .field("protocol", &self.protocol)
            .field("target", &String::from_utf8_lossy(&self.target))
            .field("sni", &self.sni)
            .field("body", &self.body)
            .field("upgrade", &self.upgrade)
            .finish_non_exhaustive()
    }
}
