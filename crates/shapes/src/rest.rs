//! Operations on HTTP: which one a request asks for, what it says, and how it is answered.
//!
//! The members of an operation's input and output have places on the message: in the path, the
//! query, a header, the body. [`Router`] finds the operation, [`read_request`] collects the
//! members from their places to one value in the JSON form that [`crate::from_value`] takes, and
//! [`write_response`] puts those of the output to theirs. [`write_request`] and [`read_response`]
//! are a client's side of the same. All of it is pure: bytes and text in, bytes and text out.
//!
//! Signatures, error envelopes, request ids and the statuses of failures are the server's.

mod message;
mod router;
mod uri;

use serde_json::Value;
use thiserror::Error;

use crate::path::ShapeError;
use crate::schema::Operation;

use message::Received;
pub use router::{Found, RouteError, Router};

/// Why a message is not what its operation takes. Whoever sent it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// What the path, the query or a header says does not fit, or a required member of them is
    /// absent. There is one error at least; their paths begin with the member's name.
    #[error("{}", listed(.0))]
    Parameters(Vec<ShapeError>),
    /// The operation takes a body, and there is none.
    #[error("there is no body, and the operation needs one")]
    MissingBody,
    /// The body is malformed, or what it says does not fit. There is one error at least.
    #[error("{}", listed(.0))]
    Body(Vec<ShapeError>),
    /// The body has members that the operation does not, by their paths.
    #[error("unknown members: {}", .0.join(", "))]
    UnknownMembers(Vec<String>),
}

fn listed(errors: &[ShapeError]) -> String {
    let errors: Vec<_> = errors.iter().map(ShapeError::to_string).collect();
    errors.join("; ")
}

/// An answer, but for what every answer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status of success.
    pub status: u16,
    /// Names as the model writes them, and values.
    pub headers: Vec<(String, String)>,
    /// `Content-Type`, if there is a body. It is not among the headers.
    pub content_type: Option<String>,
    /// Empty where the operation answers with headers alone.
    pub body: Vec<u8>,
}

/// A request, before it is signed and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `POST`.
    pub method: &'static str,
    /// The path and the query, encoded.
    pub target: String,
    /// Names as the model writes them, and values.
    pub headers: Vec<(String, String)>,
    /// `Content-Type`, if there is a body. It is not among the headers.
    pub content_type: Option<String>,
    /// Empty where the operation takes none.
    pub body: Vec<u8>,
}

/// Reads what a request says: the operation's input. An operation without one has `{}`.
///
/// Succeeds exactly where the value is of the input's shape and nothing in the body is unknown.
/// Parameters of the query and headers that the operation does not have are passed over, since
/// signatures and proxies bring some. Bounds are for [`crate::check_bounds`].
///
/// `query` is as it came, without the question mark; names of headers are in any case; `body` is
/// all of it, bounded by whoever took it from the network.
pub fn read_request(
    found: &Found,
    query: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Value, RequestError> {
    let Found {
        operation,
        placeholders,
    } = found;
    let received = Received {
        placeholders,
        query,
        headers,
        body,
    };
    let decoded = message::read(operation.protocol, operation.input.as_ref(), &received)?;
    if !decoded.unknown.is_empty() {
        return Err(RequestError::UnknownMembers(decoded.unknown));
    }
    Ok(decoded.value)
}

/// Writes the answer to an operation. `output` is taken to fit the output's shape.
pub fn write_response(operation: &'static Operation, output: &Value) -> Response {
    let written = message::write(operation.protocol, operation.output.as_ref(), output);
    Response {
        status: operation.status,
        headers: written.headers,
        content_type: written.content_type,
        body: written.body,
    }
}

/// Writes the request that asks for an operation. `input` is taken to fit the input's shape.
/// Protocol [`crate::schema::Protocol::Json`] needs `X-Amz-Target` beside it.
pub fn write_request(operation: &'static Operation, input: &Value) -> Request {
    let written = message::write(operation.protocol, operation.input.as_ref(), input);
    Request {
        method: operation.method,
        target: uri::target(operation.uri, &written.placeholders, &written.query),
        headers: written.headers,
        content_type: written.content_type,
        body: written.body,
    }
}

/// Reads the answer to an operation that succeeded: the operation's output. Members that are
/// unknown are passed over, as AWS adds some every month.
pub fn read_response(
    operation: &'static Operation,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Value, RequestError> {
    let received = Received {
        placeholders: &[],
        query: "",
        headers,
        body,
    };
    let decoded = message::read(operation.protocol, operation.output.as_ref(), &received)?;
    Ok(decoded.value)
}
