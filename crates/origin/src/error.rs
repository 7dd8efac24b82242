use std::io;

use crate::BodyError;

/// Why a fetch gave no response, or why a response's body broke off. `Copy`, so that one error
/// can be told to every follower of a flight.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FetchError {
    /// The origin's name has no usable address, or the resolver failed.
    #[error("the origin's name does not resolve: {0}")]
    Dns(#[from] DnsError),
    /// No address of the origin took the connection.
    #[error("the origin cannot be reached: {0}")]
    Connect(io::ErrorKind),
    /// Connecting, TLS included, took longer than the connection timeout.
    #[error("connecting to the origin timed out")]
    ConnectTimeout,
    /// The TLS handshake failed.
    #[error("TLS to the origin failed: {0}")]
    Tls(#[from] TlsFailure),
    /// HTTP/2 was wanted and the origin does not speak it: it chose no `h2` by ALPN, or what it
    /// sent over plain TCP are no frames.
    #[error("the origin does not speak HTTP/2")]
    NoHttp2,
    /// The origin reset the stream of this request (HTTP/2), with this error code of RFC 9113 §7,
    /// before or within the response.
    #[error("the origin reset the stream with HTTP/2 error code {0}")]
    Reset(u32),
    /// The origin closed or reset the connection before it sent a response head.
    #[error("the origin closed the connection before it sent a response")]
    Closed,
    /// The response head is malformed, or breaks a rule of HTTP.
    #[error("the origin's response is not valid HTTP")]
    InvalidResponse,
    /// The response head is over its limit.
    #[error(
        "the origin's response head is over {} bytes or {} fields",
        crate::limits::RESPONSE_HEAD_BYTES_MAX,
        crate::limits::RESPONSE_FIELDS_MAX
    )]
    HeadTooBig,
    /// No response head, or no piece of the body, within the read timeout.
    #[error("the origin sent nothing within the read timeout")]
    ReadTimeout,
    /// The origin took no more of the request body within the read timeout.
    #[error("the origin took no request body within the read timeout")]
    WriteTimeout,
    /// The body ended before its `Content-Length`, or its chunks are broken.
    #[error("the origin's response body broke off")]
    Incomplete,
    /// The whole exchange took longer than the response completion timeout.
    #[error("the response was not complete within the response completion timeout")]
    CompletionTimeout,
    /// The viewer's request body failed: not the origin's fault.
    #[error("the request body failed: {0}")]
    ViewerBody(#[from] BodyError),
    /// The request cannot be sent as HTTP (method, target or a field).
    #[error("the request cannot be sent to an origin")]
    InvalidRequest,
    /// This worker has as many origin connections as it may.
    #[error("too many connections to origins")]
    TooManyConnections,
    /// The request had to be signed and could not be, so nothing was sent.
    #[error("the request cannot be signed for the origin: {0}")]
    NotSigned(#[from] NotSigned),
}

/// Why a request that an origin wants signed could not be. Whoever composes requests says so.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotSigned {
    /// The node has no key for the origin: the operator's fault.
    #[error("there is no key for it")]
    NoKey,
    /// Every chunk of the viewer's body is signed with a key of the viewer's.
    #[error("the chunks of the body are signed by the viewer")]
    ChunkSignatures,
    /// The viewer wants a copy of another object, which whoever signs may read.
    #[error("it would copy what the signer may read")]
    Copy,
    /// Bodies that are read before they are signed take up all the room there is for them.
    #[error("no room to read the body before it is signed")]
    NoRoom,
}

/// Why a name gave no address.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DnsError {
    /// The name does not exist, or has no address of the wanted family.
    #[error("no such name, or no address of the wanted family")]
    NoAddress,
    /// No name server answered usefully.
    #[error("the resolver failed")]
    ResolverFailed,
}

/// Why a TLS handshake failed.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TlsFailure {
    /// No trusted authority signed the certificate.
    #[error("the certificate is not signed by a trusted authority")]
    UntrustedIssuer,
    /// The certificate has expired.
    #[error("the certificate has expired")]
    Expired,
    /// The certificate is not valid yet.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// The certificate names neither the origin nor the forwarded `Host`.
    #[error("the certificate names neither the origin nor the forwarded Host")]
    WrongName,
    /// Another fault in the certificate.
    #[error("the certificate is invalid")]
    BadCertificate,
    /// The origin asked for a client certificate, and the distribution has none for it.
    #[error("the origin asks for a client certificate and none is configured for it")]
    CertificateRequested,
    /// No common version or cipher, not TLS at all, or the connection closed in between.
    #[error("the handshake failed")]
    Handshake,
}

impl FetchError {
    /// The status to answer the viewer with (spec §7.3). For [`FetchError::ViewerBody`] there is
    /// usually no viewer left to read it.
    pub fn status(&self) -> u16 {
        match self {
            FetchError::Dns(_)
            | FetchError::Connect(_)
            | FetchError::Tls(_)
            | FetchError::NoHttp2
            | FetchError::Reset(_)
            | FetchError::Closed
            | FetchError::InvalidResponse
            | FetchError::HeadTooBig
            | FetchError::Incomplete
            | FetchError::NotSigned(NotSigned::NoKey) => 502,
            FetchError::ConnectTimeout
            | FetchError::ReadTimeout
            | FetchError::WriteTimeout
            | FetchError::CompletionTimeout => 504,
            FetchError::TooManyConnections | FetchError::NotSigned(NotSigned::NoRoom) => 503,
            FetchError::ViewerBody(BodyError::Timeout) => 408,
            FetchError::ViewerBody(BodyError::TooLarge) => 413,
            FetchError::ViewerBody(_)
            | FetchError::InvalidRequest
            | FetchError::NotSigned(NotSigned::ChunkSignatures | NotSigned::Copy) => 400,
        }
    }

    /// The word for the access log (`x-edge-detailed-result-type`, spec §7.3).
    pub fn detail(&self) -> &'static str {
        match self {
            FetchError::Dns(_) => "OriginDnsError",
            FetchError::Connect(_) | FetchError::Tls(_) | FetchError::NoHttp2 => {
                "OriginConnectError"
            }
            FetchError::Closed | FetchError::Reset(_) | FetchError::NotSigned(NotSigned::NoKey) => {
                "OriginError"
            }
            FetchError::InvalidResponse | FetchError::Incomplete => "OriginInvalidResponseError",
            FetchError::HeadTooBig => "OriginHeaderTooBigError",
            FetchError::ConnectTimeout | FetchError::CompletionTimeout => "OriginCommError",
            FetchError::ReadTimeout => "OriginReadError",
            FetchError::WriteTimeout => "OriginWriteError",
            FetchError::TooManyConnections | FetchError::NotSigned(NotSigned::NoRoom) => {
                "CapacityExceeded"
            }
            FetchError::ViewerBody(_) => "ClientCommError",
            FetchError::InvalidRequest
            | FetchError::NotSigned(NotSigned::ChunkSignatures | NotSigned::Copy) => {
                "InvalidRequest"
            }
        }
    }

    /// Whether no connection was made: what "unable to connect" means for failover (spec §7.4).
    pub fn is_connection_failure(&self) -> bool {
        matches!(
            self,
            FetchError::Dns(_)
                | FetchError::Connect(_)
                | FetchError::ConnectTimeout
                | FetchError::Tls(_)
                | FetchError::NoHttp2
        )
    }

    /// Whether the origin was too slow, connecting included.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            FetchError::ConnectTimeout
                | FetchError::ReadTimeout
                | FetchError::WriteTimeout
                | FetchError::CompletionTimeout
        )
    }

    /// Whether the origin is to blame, so that a stale object or another origin may help. A key
    /// that is missing for one origin counts: another origin may have one.
    pub fn is_origin_failure(&self) -> bool {
        !matches!(
            self,
            FetchError::ViewerBody(_)
                | FetchError::InvalidRequest
                | FetchError::TooManyConnections
                | FetchError::NotSigned(
                    NotSigned::ChunkSignatures | NotSigned::Copy | NotSigned::NoRoom
                )
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_status_and_the_log_word_of_the_table() {
        let table = [
            (FetchError::Dns(DnsError::NoAddress), 502, "OriginDnsError"),
            (
                FetchError::Connect(io::ErrorKind::ConnectionRefused),
                502,
                "OriginConnectError",
            ),
            (
                FetchError::Tls(TlsFailure::Expired),
                502,
                "OriginConnectError",
            ),
            (
                FetchError::InvalidResponse,
                502,
                "OriginInvalidResponseError",
            ),
            (FetchError::HeadTooBig, 502, "OriginHeaderTooBigError"),
            (FetchError::Closed, 502, "OriginError"),
            (FetchError::NoHttp2, 502, "OriginConnectError"),
            (FetchError::Reset(2), 502, "OriginError"),
            (FetchError::ConnectTimeout, 504, "OriginCommError"),
            (FetchError::ReadTimeout, 504, "OriginReadError"),
            (FetchError::WriteTimeout, 504, "OriginWriteError"),
            (FetchError::CompletionTimeout, 504, "OriginCommError"),
            (FetchError::TooManyConnections, 503, "CapacityExceeded"),
            (FetchError::NotSigned(NotSigned::NoKey), 502, "OriginError"),
            (
                FetchError::NotSigned(NotSigned::ChunkSignatures),
                400,
                "InvalidRequest",
            ),
            (
                FetchError::NotSigned(NotSigned::Copy),
                400,
                "InvalidRequest",
            ),
        ];
        for (error, status, detail) in table {
            assert_eq!(
                (error.status(), error.detail()),
                (status, detail),
                "{error}"
            );
        }
    }
}
