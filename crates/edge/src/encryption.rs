//! Field-level encryption of a request's body on its way to the origin (spec §10).
//!
//! Bodies come to origins through [`miss`] alone, whatever becomes of the request behind it: what
//! is to be encrypted is never there in the clear for a retry, another member of a group or a
//! stream to send. What breaks a rule within the body ends the origin's request in the middle, and
//! the viewer gets 400.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use field_encryption::limits::BODY_BYTES_MAX;
use field_encryption::{Choice, Encryptor, Fault, Refusal, Rules, Status};
use message::{RequestHead, has_name, list_items};
use origin::{BodyError, BodySource, RequestBody};

use crate::error_page::Cause;
use crate::exchange::Exchange;
use crate::fetch;
use crate::lookup::Lookup;
use crate::reply::{Failure, Reply};
use crate::worker::Worker;

/// Fields that tell something of the body's bytes, which are others once it is encrypted.
const OF_THE_BYTES: &[&str] = &[
    "content-length",
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
    "x-amz-content-sha256",
];

/// What is told of a request with a body, to the log and the viewer: it changes while the body
/// goes by.
#[derive(Debug)]
pub(crate) struct Progress {
    status: Cell<Status>,
    /// Fields that were encrypted; none where the body is not read.
    fields: Cell<Option<u32>>,
    fault: Cell<Option<Fault>>,
}

impl Progress {
    fn new(status: Status, fields: Option<u32>) -> Rc<Progress> {
        Rc::new(Progress {
            status: Cell::new(status),
            fields: Cell::new(fields),
            fault: Cell::new(None),
        })
    }

    /// The log's `fle-status`.
    pub fn status(&self) -> Status {
        self.status.get()
    }

    /// The log's `fle-encrypted-fields`.
    pub fn fields(&self) -> Option<u32> {
        self.fields.get()
    }

    fn fail(&self, fault: Fault) {
        self.fault.set(Some(fault));
        self.status.set(match fault {
            Fault::Refused(refusal) => Status::Refused(refusal),
            Fault::Encryption(_) => Status::ServerError,
        });
    }
}

/// Answers an exchange that the store cannot answer, with the fields of its body encrypted where
/// its behavior says so.
pub(crate) async fn miss(
    worker: &Rc<Worker>,
    exchange: &Exchange<'_>,
    found: Lookup,
    has_body: bool,
    body: impl FnOnce() -> RequestBody,
) -> Reply {
    let rules = exchange.behavior().encryption.as_deref();
    let Some(rules) = rules.filter(|_| has_body) else {
        return fetch::miss(worker, exchange, found, body()).await;
    };
    let (mut reply, progress) = match choose(rules, exchange.request) {
        Choice::Refuse(refusal) => return refused(refusal),
        Choice::Forward(status) => {
            let reply = fetch::miss(worker, exchange, found, body()).await;
            (reply, Progress::new(status, None))
        }
        Choice::Encrypt(profile) => {
            let progress = Progress::new(Status::Processed, Some(0));
            let body = match encrypting(body(), Encryptor::new(profile), &progress) {
                Ok(body) => body,
                Err(refusal) => return refused(refusal),
            };
            let exchange = Exchange {
                request: &without_digests(exchange.request),
                ..*exchange
            };
            let reply = fetch::miss(worker, &exchange, found, body).await;
            (reply, progress)
        }
    };
    match progress.fault.get() {
        None if reply.status >= 500 => progress.status.set(Status::ServerError),
        None => {}
        // Even if the origin has answered: the body that it has is not the viewer's.
        Some(fault) => {
            let origin = reply.origin;
            reply = Reply::error(match fault {
                Fault::Refused(refusal) => Failure::new(400, Cause::FieldEncryption(refusal)),
                Fault::Encryption(_) => Failure::new(500, Cause::Internal),
            });
            reply.origin = origin;
            reply.close = true;
        }
    }
    reply.encryption = Some(progress);
    reply
}

/// Chooses for a request with a body.
pub(crate) fn choose(rules: &Rules, request: &RequestHead) -> Choice {
    let choice = rules.choose(request.get_all("content-type"), request.query());
    let mut codings = request.get_all("content-encoding").flat_map(list_items);
    match choice {
        Choice::Encrypt(_) if codings.any(|it| !it.eq_ignore_ascii_case(b"identity")) => {
            Choice::Refuse(Refusal::MalformedInput)
        }
        choice => choice,
    }
}

fn refused(refusal: Refusal) -> Reply {
    let mut reply = Reply::error(Failure::new(400, Cause::FieldEncryption(refusal)));
    reply.encryption = Some(Progress::new(Status::Refused(refusal), None));
    reply
}

/// The request without what the viewer said of the body's bytes: for all who compose or sign what
/// the origin gets.
fn without_digests(request: &RequestHead) -> RequestHead {
    let mut out = RequestHead::default();
    out.start(request.method_token(), request.target(), request.version);
    let fields = request.iter();
    for (name, value) in fields.filter(|(name, _)| !has_name(OF_THE_BYTES, name)) {
        out.push(name, value);
    }
    out
}

fn encrypting(
    body: RequestBody,
    encryptor: Encryptor,
    progress: &Rc<Progress>,
) -> Result<RequestBody, Refusal> {
    match body {
        RequestBody::Empty => Ok(RequestBody::Empty),
        RequestBody::Stream {
            length: Some(length),
            ..
        } if length > BODY_BYTES_MAX => Err(Refusal::RequestLength),
        RequestBody::Stream { body, .. } => Ok(RequestBody::Stream {
            // It is known when all is encrypted, and nothing waits for that.
            length: None,
            body: Box::new(Encrypting {
                body,
                encryptor,
                progress: Rc::clone(progress),
                is_over: false,
            }),
        }),
    }
}

/// A body whose fields are encrypted as they come.
struct Encrypting {
    body: Box<dyn BodySource>,
    encryptor: Encryptor,
    progress: Rc<Progress>,
    is_over: bool,
}

impl Encrypting {
    /// What can go on once this piece is there, or the end.
    fn take(&mut self, piece: Option<Bytes>) -> Result<Bytes, BodyError> {
        let mut out = Vec::new();
        let result = match piece {
            Some(piece) => self.encryptor.push(&piece, &mut out),
            None => self.encryptor.finish(&mut out),
        };
        self.progress
            .fields
            .set(Some(self.encryptor.encrypted_fields()));
        result.map(|()| out.into()).map_err(|fault| {
            self.progress.fail(fault);
            BodyError::Invalid
        })
    }
}

impl BodySource for Encrypting {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        while !self.is_over {
            let piece = ready!(self.body.poll_data(cx)).transpose();
            self.is_over = !matches!(piece, Ok(Some(_)));
            match piece.and_then(|piece| self.take(piece)) {
                // All of it is held back.
                Ok(bytes) if bytes.is_empty() => {}
                result => return Poll::Ready(Some(result)),
            }
        }
        Poll::Ready(None)
    }
}
