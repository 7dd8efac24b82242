//! How an exchange ended, in the words of the access log and of `X-Cache`.

/// The classification of a response: fields 14 and 23, and `X-Cache: <name> from cloudfront`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ResultType {
    /// Served from the cache.
    Hit,
    /// Stale in the cache, and revalidated with the origin.
    RefreshHit,
    /// Fetched from the origin.
    Miss,
    /// Refused because a quota was exceeded.
    LimitExceeded,
    /// Refused because the edge was out of capacity.
    CapacityExceeded,
    /// An error of the viewer, the origin or the edge.
    Error,
    /// Redirected from HTTP to HTTPS by the edge.
    Redirect,
    /// Made by an edge function without the origin.
    FunctionGeneratedResponse,
    /// An edge function failed.
    FunctionExecutionError,
    /// An edge function was throttled.
    FunctionThrottledError,
    /// An edge function returned something invalid.
    FunctionValidationError,
    /// Made by a Lambda@Edge function.
    LambdaGeneratedResponse,
    /// A Lambda@Edge function failed.
    LambdaExecutionError,
    /// A Lambda@Edge function exceeded a quota.
    LambdaLimitExceeded,
    /// A Lambda@Edge function returned something invalid.
    LambdaValidationError,
}

impl ResultType {
    /// Every value, in the order of its discriminant.
    pub const ALL: [ResultType; 15] = [
        Self::Hit,
        Self::RefreshHit,
        Self::Miss,
        Self::LimitExceeded,
        Self::CapacityExceeded,
        Self::Error,
        Self::Redirect,
        Self::FunctionGeneratedResponse,
        Self::FunctionExecutionError,
        Self::FunctionThrottledError,
        Self::FunctionValidationError,
        Self::LambdaGeneratedResponse,
        Self::LambdaExecutionError,
        Self::LambdaLimitExceeded,
        Self::LambdaValidationError,
    ];

    /// The name in logs, metrics and `X-Cache`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "Hit",
            Self::RefreshHit => "RefreshHit",
            Self::Miss => "Miss",
            Self::LimitExceeded => "LimitExceeded",
            Self::CapacityExceeded => "CapacityExceeded",
            Self::Error => "Error",
            Self::Redirect => "Redirect",
            Self::FunctionGeneratedResponse => "FunctionGeneratedResponse",
            Self::FunctionExecutionError => "FunctionExecutionError",
            Self::FunctionThrottledError => "FunctionThrottledError",
            Self::FunctionValidationError => "FunctionValidationError",
            Self::LambdaGeneratedResponse => "LambdaGeneratedResponse",
            Self::LambdaExecutionError => "LambdaExecutionError",
            Self::LambdaLimitExceeded => "LambdaLimitExceeded",
            Self::LambdaValidationError => "LambdaValidationError",
        }
    }
}

/// Field 29: the result type again, or what exactly went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DetailedResult {
    /// Nothing more to say than field 14.
    AsResult,
    /// The edge gave up on the origin.
    AbortedOrigin,
    /// The connection to the viewer failed.
    ClientCommError,
    /// The viewer's country is not allowed.
    ClientGeoBlocked,
    /// The viewer left before its request was complete.
    ClientHungUpRequest,
    /// An error without a finer name.
    Error,
    /// The edge itself failed.
    InternalError,
    /// The request was malformed.
    InvalidRequest,
    /// The request was blocked by a rule.
    InvalidRequestBlocked,
    /// The request's host does not match its TLS certificate.
    InvalidRequestCertificate,
    /// A request header was invalid.
    InvalidRequestHeader,
    /// The method is not allowed by the behavior.
    InvalidRequestMethod,
    /// A Lambda@Edge quota was exceeded.
    LambdaLimitExceeded,
    /// The response was generated on a miss.
    MissGeneratedResponse,
    /// The connection to the origin failed in the middle.
    OriginCommError,
    /// No connection to the origin could be made.
    OriginConnectError,
    /// The origin's `Content-Range` contradicts its length.
    OriginContentRangeLengthError,
    /// The origin's name did not resolve.
    OriginDnsError,
    /// The origin answered with an error.
    OriginError,
    /// The origin's response header was too big.
    OriginHeaderTooBigError,
    /// The origin's response was malformed.
    OriginInvalidResponseError,
    /// Reading from the origin failed.
    OriginReadError,
    /// Served by the shield's cache.
    OriginShieldHit,
    /// Writing to the origin failed.
    OriginWriteError,
    /// The origin's object was empty where it must not be.
    OriginZeroSizeObjectError,
    /// The viewer read so slowly that the origin gave up.
    SlowReaderOriginError,
}

impl DetailedResult {
    /// The text of field 29, given field 14.
    pub const fn as_str(self, result: ResultType) -> &'static str {
        match self {
            Self::AsResult => result.as_str(),
            Self::AbortedOrigin => "AbortedOrigin",
            Self::ClientCommError => "ClientCommError",
            Self::ClientGeoBlocked => "ClientGeoBlocked",
            Self::ClientHungUpRequest => "ClientHungUpRequest",
            Self::Error => "Error",
            Self::InternalError => "InternalError",
            Self::InvalidRequest => "InvalidRequest",
            Self::InvalidRequestBlocked => "InvalidRequestBlocked",
            Self::InvalidRequestCertificate => "InvalidRequestCertificate",
            Self::InvalidRequestHeader => "InvalidRequestHeader",
            Self::InvalidRequestMethod => "InvalidRequestMethod",
            Self::LambdaLimitExceeded => "LambdaLimitExceeded",
            Self::MissGeneratedResponse => "MissGeneratedResponse",
            Self::OriginCommError => "OriginCommError",
            Self::OriginConnectError => "OriginConnectError",
            Self::OriginContentRangeLengthError => "OriginContentRangeLengthError",
            Self::OriginDnsError => "OriginDnsError",
            Self::OriginError => "OriginError",
            Self::OriginHeaderTooBigError => "OriginHeaderTooBigError",
            Self::OriginInvalidResponseError => "OriginInvalidResponseError",
            Self::OriginReadError => "OriginReadError",
            Self::OriginShieldHit => "OriginShieldHit",
            Self::OriginWriteError => "OriginWriteError",
            Self::OriginZeroSizeObjectError => "OriginZeroSizeObjectError",
            Self::SlowReaderOriginError => "SlowReaderOriginError",
        }
    }
}

/// Field 17: the scheme that the viewer used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS or QUIC.
    Https,
    /// WebSocket over plain HTTP.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// gRPC over TLS.
    Grpcs,
}

impl Protocol {
    /// The text of field 17.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Grpcs => "grpcs",
        }
    }
}

/// Field 24: the version of HTTP that the viewer spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
}

impl HttpVersion {
    /// The text of field 24.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2.0",
            Self::Http3 => "HTTP/3.0",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_result_types_are_listed_in_the_order_of_their_index() {
        for (index, result) in ResultType::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, index);
        }
        assert_eq!(
            ResultType::LambdaValidationError as usize + 1,
            ResultType::ALL.len()
        );
    }

    #[test]
    fn the_detailed_result_repeats_the_result_unless_it_knows_more() {
        assert_eq!(
            DetailedResult::AsResult.as_str(ResultType::RefreshHit),
            "RefreshHit"
        );
        assert_eq!(
            DetailedResult::ClientGeoBlocked.as_str(ResultType::Error),
            "ClientGeoBlocked"
        );
    }
}
