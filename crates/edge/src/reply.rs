use std::rc::Rc;

use bytes::Bytes;
use cache::object::Object;
use message::http1::RequestError;
use message::{Fields, Method};
use origin::{BodyError, FetchError, NotSigned, Upgraded};
use telemetry::access_log::{DetailedResult, ResultType};

use crate::encryption::Progress;
use crate::error_page::Cause;
use crate::stream::Stream;

/// What a viewer gets, whatever protocol it speaks. The listener adds the framing.
pub(crate) struct Reply {
    pub status: u16,
    pub fields: Fields,
    pub body: Body,
    /// Length of the body, or of what GET would send; `None` when it is not known beforehand.
    pub length: Option<u64>,
    pub result: ResultType,
    pub detail: DetailedResult,
    /// First and last byte of a single range.
    pub range: Option<(u64, u64)>,
    /// The connection must not be used for another request.
    pub close: bool,
    /// It answers a call of gRPC.
    pub is_grpc: bool,
    /// How long the origin took, when it was asked.
    pub origin: Option<origin::Timing>,
    /// The edge wrote this page itself.
    pub cause: Option<Cause>,
    /// What field-level encryption did, where the behavior has it and there was a body.
    pub encryption: Option<Rc<Progress>>,
}

/// The body of a reply.
pub(crate) enum Body {
    Empty,
    Inline(Bytes),
    /// Part of a stored object's body.
    Object {
        object: Object,
        first: usize,
        length: usize,
    },
    Stream(Box<Stream>),
    /// The connection is the viewer's and the origin's own from here on (WebSocket).
    Tunnel(Box<Upgraded>),
}

impl Reply {
    pub fn new(status: u16, fields: Fields, result: ResultType) -> Reply {
        Reply {
            status,
            fields,
            body: Body::Empty,
            length: Some(0),
            result,
            detail: DetailedResult::AsResult,
            range: None,
            close: false,
            is_grpc: false,
            origin: None,
            cause: None,
            encryption: None,
        }
    }

    /// Whether no body follows the head, by method and status (RFC 9112 §6.3).
    pub fn is_bodiless(&self, method: Method) -> bool {
        method == Method::Head || !self.may_have_length()
    }

    /// Whether a reply of this status tells the length of a body.
    pub fn may_have_length(&self) -> bool {
        !matches!(self.status, 100..200 | 204 | 304)
    }

    /// A page of the edge's own about an error; the body is written last, when nothing replaced it.
    pub fn error(failure: Failure) -> Reply {
        let mut reply = Reply::new(failure.status, Fields::new(), ResultType::Error);
        if failure.cause == Cause::Overloaded {
            reply.result = ResultType::CapacityExceeded;
        }
        reply.detail = failure.cause.detail();
        reply.cause = Some(failure.cause);
        reply
    }
}

/// An error that the edge reports to viewers in its own words.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    pub status: u16,
    pub cause: Cause,
}

impl Failure {
    pub const fn new(status: u16, cause: Cause) -> Failure {
        Failure { status, cause }
    }

    /// What a failed fetch is to a viewer (spec §7.3). The one place that maps the two.
    pub fn of_fetch(error: FetchError) -> Failure {
        let cause = match error {
            FetchError::Dns(_) => Cause::OriginDns,
            FetchError::Connect(_) | FetchError::Closed | FetchError::Reset(_) => {
                Cause::OriginConnect
            }
            FetchError::Tls(_) | FetchError::NoHttp2 => Cause::OriginTls,
            FetchError::ConnectTimeout => Cause::OriginConnectTimeout,
            FetchError::ReadTimeout | FetchError::WriteTimeout | FetchError::CompletionTimeout => {
                Cause::OriginTimeout
            }
            FetchError::InvalidResponse | FetchError::Incomplete => Cause::OriginInvalidResponse,
            FetchError::HeadTooBig => Cause::OriginHeadTooBig,
            FetchError::ViewerBody(BodyError::Invalid) => {
                Cause::Malformed(RequestError::AmbiguousLength)
            }
            FetchError::ViewerBody(BodyError::TooLarge) => Cause::BodyTooLarge,
            FetchError::ViewerBody(_) => Cause::RequestTimeout,
            FetchError::InvalidRequest => Cause::Internal,
            FetchError::TooManyConnections | FetchError::NotSigned(NotSigned::NoRoom) => {
                Cause::Overloaded
            }
            FetchError::NotSigned(NotSigned::NoKey) => Cause::OriginKeyMissing,
            FetchError::NotSigned(NotSigned::ChunkSignatures) => Cause::ChunkSignatures,
            FetchError::NotSigned(NotSigned::Copy) => Cause::SignedCopy,
        };
        Failure {
            status: error.status(),
            cause,
        }
    }

    /// What a stored failure of that status is told as.
    pub fn of_stored(status: u16) -> Failure {
        let cause = if status == 504 {
            Cause::OriginTimeout
        } else {
            Cause::OriginConnect
        };
        Failure { status, cause }
    }
}
