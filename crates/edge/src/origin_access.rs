//! Requests that prove to their origin who asks (spec §7.6, §7.7): which of them are signed, what
//! of the viewer's is left out so that nobody borrows the edge's name, and the signature.
//!
//! A request is signed when it is composed otherwise, so that whatever is asked of an origin is:
//! chunks, revalidations, what a viewer wants without the cache, every member of a group. Its
//! target is respelt (`spelling.rs`), since servers disagree about whatever has two spellings;
//! keys are found in `keys.rs`. Only `Host`, `Content-Type` and `x-amz-*` are covered: others may
//! be changed by what stands between the edge and its origin.

mod keys;
mod spelling;

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use message::{Fields, Method, RequestHead};
use origin::{BodyError, BodySource, FetchError, NotSigned, OriginRequest, RequestBody};
use sigv4::{Algorithm, Dialect, Signer};

use crate::exchange::Exchange;
use crate::limits;
use crate::site::{Origin, OriginAccess, Service, Signing};
use crate::worker::Worker;

pub(crate) use keys::NodeKeys;
pub use keys::{OriginKey, OriginKeys};

/// `x-amz-content-sha256` of no body at all.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What stands there for a body that the signature does not cover.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What stands there for chunks with checksums of their own and no signatures.
const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// The field that says what of a body is signed.
const PAYLOAD_FIELD: &str = "x-amz-content-sha256";

/// The field that makes a PUT a copy. Signed by us, it would have the origin read for a viewer what
/// only we may read: the object of another behavior, which needs a signature of the viewer's.
const COPY_FIELD: &str = "x-amz-copy-source";

/// Fields that go along with a body of chunks.
const CHUNK_FIELDS: [&str; 2] = ["x-amz-decoded-content-length", "x-amz-trailer"];

/// What a viewer must not say in a request that we sign, besides `x-amz-source-…`.
const OURS: [&str; 4] = [
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-region-set",
    PAYLOAD_FIELD,
];

/// Gives a composed request what its origin asks for: the origin's own name as `Host`, and a
/// signature. `digest` is the SHA-256 of a body that was read ([`read_body`]).
pub(crate) fn settle(
    worker: &Worker,
    exchange: &Exchange<'_>,
    origin: &Origin,
    digest: Option<&str>,
    request: &mut OriginRequest,
) -> Result<(), FetchError> {
    keep_host(origin, request);
    let Some(access) = signs(origin, &request.fields) else {
        return Ok(());
    };
    let is_put = access.service == Service::S3 && request.method == Method::Put;
    if is_put && request.fields.contains(COPY_FIELD) {
        return Err(NotSigned::Copy.into());
    }
    let keys = &worker.shared.origin_keys;
    let key = keys.find(access).map_err(|host| {
        keys.tell_missing(host, &exchange.served.site.id);
        NotSigned::NoKey
    })?;
    let payload = payload(access, exchange.request, &request.body, digest)?;
    request.target = spelling::respell(&request.target, access.service);
    purge(access, exchange.request, &payload, &mut request.fields);
    sign(access, &key, worker.now_ms() / 1_000, request);
    Ok(())
}

/// The viewer's `Host` reaches no origin that is found, or that verifies, by its own name.
fn keep_host(origin: &Origin, request: &mut OriginRequest) {
    if origin.keeps_host {
        request.sni = None;
        own_host(origin, request.scheme, &mut request.fields);
    }
}

fn own_host(origin: &Origin, scheme: origin::Scheme, fields: &mut Fields) {
    let host = origin.host_field(scheme).as_bytes();
    if fields.get("host") != Some(host) {
        fields.set("Host", host);
    }
}

/// How a request with these fields is signed for the origin, if it is.
fn signs<'o>(origin: &'o Origin, fields: &Fields) -> Option<&'o OriginAccess> {
    let access = origin.access.as_ref()?;
    let passes = access.signing == Signing::NoOverride && fields.contains("authorization");
    (!passes).then_some(access)
}

/// What the signature says of the body.
fn payload<'a>(
    access: &OriginAccess,
    viewer: &'a RequestHead,
    body: &RequestBody,
    digest: Option<&'a str>,
) -> Result<Cow<'a, str>, NotSigned> {
    if matches!(body, RequestBody::Empty) {
        return Ok(EMPTY_SHA256.into());
    }
    if let Some(digest) = digest {
        return Ok(digest.into());
    }
    match declared(viewer) {
        Some(hash) if is_sha256(hash) => Ok(hash.to_ascii_lowercase().into()),
        Some(UNSIGNED_CHUNKS) if access.service == Service::S3 => Ok(UNSIGNED_CHUNKS.into()),
        // The chunks of their bodies are signed one by one, with a key that is not ours.
        Some(form) if form.starts_with("STREAMING-") => Err(NotSigned::ChunkSignatures),
        _ => Ok(UNSIGNED_PAYLOAD.into()),
    }
}

/// What the viewer says of its body, if it says one thing.
fn declared(viewer: &RequestHead) -> Option<&str> {
    let mut values = viewer.get_all(PAYLOAD_FIELD);
    let value = values.next()?;
    let is_single = values.next().is_none();
    std::str::from_utf8(value).ok().filter(|_| is_single)
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Takes out whatever of a signature the viewer sent, and says what of the body is signed.
fn purge(access: &OriginAccess, viewer: &RequestHead, payload: &str, fields: &mut Fields) {
    let source = b"x-amz-source-";
    fields.retain(|name, _| {
        let is_source =
            name.len() >= source.len() && name[..source.len()].eq_ignore_ascii_case(source);
        !is_source && !message::has_name(&OURS, name)
    });
    if access.signing != Signing::AlwaysAmzAuth {
        fields.remove("authorization");
    }
    fields.push(PAYLOAD_FIELD.as_bytes(), payload.as_bytes());
    if payload == UNSIGNED_CHUNKS {
        for name in CHUNK_FIELDS {
            if let Some(value) = viewer.get(name) {
                fields.set(name, value);
            }
        }
    }
}

/// Signs a request that has everything else.
fn sign(access: &OriginAccess, key: &OriginKey, now_secs: u64, request: &mut OriginRequest) {
    let target = std::str::from_utf8(&request.target).expect("what is respelt is ASCII");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let covered: Vec<(&str, &[u8])> = request
        .fields
        .iter()
        .filter(|(name, _)| is_covered(name))
        .filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)))
        .collect();
    let signer = Signer {
        algorithm: Algorithm::HmacSha256,
        dialect: match access.service {
            Service::S3 => Dialect::S3,
            _ => Dialect::Common,
        },
        access_key_id: &key.access_key_id,
        secret: &key.secret,
        session_token: key.session_token.as_deref(),
        region: &key.region,
        service: access.service.signing_name(),
    };
    let parts = sigv4::Request {
        method: request.method.as_str(),
        path,
        query,
        headers: &covered,
        body: b"",
    };
    const SIGNABLE: &str = "it has a host, and nothing of another signature";
    if access.signing == Signing::AlwaysAmzAuth {
        let valid_secs = limits::QUERY_SIGNATURE_SECS;
        let signed = signer
            .presign(&parts, now_secs, valid_secs)
            .expect(SIGNABLE);
        request.target = format!("{path}?{signed}").into_bytes();
        return;
    }
    let added = signer.sign(&parts, now_secs).expect(SIGNABLE);
    for (name, value) in added {
        request.fields.set(name, value.as_bytes());
    }
}

/// Whether the signature covers a field.
fn is_covered(name: &[u8]) -> bool {
    let amz = b"x-amz-";
    message::has_name(&["host", "content-type"], name)
        || (name.len() >= amz.len() && name[..amz.len()].eq_ignore_ascii_case(amz))
}

/// Reads the body of a request whose signature has to cover it, where the viewer did not say its
/// SHA-256 itself; gives it back with that. Lambda takes no function's request otherwise.
pub(crate) async fn read_body(
    worker: &Worker,
    exchange: &Exchange<'_>,
    body: RequestBody,
) -> Result<(RequestBody, Option<String>), FetchError> {
    let site = &exchange.served.site;
    let members = exchange.behavior().target.members().iter();
    let mut accesses = members.filter_map(|index| site.origins[*index].access.as_ref());
    let is_wanted = accesses.any(|access| access.service == Service::Lambda);
    if !is_wanted || declared(exchange.request).is_some_and(is_sha256) {
        return Ok((body, None));
    }
    let RequestBody::Stream { length, mut body } = body else {
        return Ok((body, None));
    };
    let max = limits::SIGNED_BODY_BYTES_MAX;
    if length.is_some_and(|length| length > max as u64) {
        return Err(BodyError::TooLarge.into());
    }
    let mut room = Room::new(&worker.signed_bodies_bytes);
    let mut whole = Vec::new();
    let reading = async {
        while let Some(piece) = std::future::poll_fn(|cx| body.poll_data(cx)).await {
            let piece = piece?;
            if whole.len() + piece.len() > max {
                return Err(BodyError::TooLarge.into());
            }
            room.take(piece.len())?;
            whole.extend_from_slice(&piece);
        }
        Ok::<_, FetchError>(())
    };
    // Those who send a byte now and then must not keep the room from others.
    let read = tokio::time::timeout(limits::SIGNED_BODY_TIMEOUT, reading).await;
    read.unwrap_or_else(|_| Err(BodyError::Timeout.into()))?;
    let digest = sigv4::payload_hash(&whole);
    let length = Some(whole.len() as u64);
    let bytes = Some(Bytes::from(whole));
    let body = Box::new(Whole { bytes, _room: room });
    Ok((RequestBody::Stream { length, body }, Some(digest)))
}

/// What one body takes of the room for bodies that are read; given back when it is dropped.
struct Room {
    used_bytes: Rc<Cell<usize>>,
    own_bytes: usize,
}

impl Room {
    fn new(used_bytes: &Rc<Cell<usize>>) -> Room {
        Room {
            used_bytes: Rc::clone(used_bytes),
            own_bytes: 0,
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), NotSigned> {
        let used = self.used_bytes.get() + bytes;
        if used > limits::SIGNED_BODIES_BYTES_MAX {
            return Err(NotSigned::NoRoom);
        }
        self.used_bytes.set(used);
        self.own_bytes += bytes;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.used_bytes.set(self.used_bytes.get() - self.own_bytes);
    }
}

/// A body that was read.
struct Whole {
    bytes: Option<Bytes>,
    _room: Room,
}

impl BodySource for Whole {
    fn poll_data(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let bytes = self.bytes.take().filter(|bytes| !bytes.is_empty());
        Poll::Ready(bytes.map(Ok))
    }
}

/// The same for those who ask what would be sent ([`crate::explain`]): the target and the fields,
/// with words in the place of what only the moment of signing knows.
pub(crate) fn describe(
    origin: &Origin,
    viewer: &RequestHead,
    scheme: origin::Scheme,
    target: &mut Vec<u8>,
    fields: &mut Fields,
) {
    if origin.keeps_host {
        own_host(origin, scheme, fields);
    }
    let Some(access) = signs(origin, fields) else {
        return;
    };
    *target = spelling::respell(target, access.service);
    let has_body = matches!(viewer.method, Method::Put | Method::Post | Method::Patch);
    let payload = match has_body {
        true => declared(viewer).filter(|hash| is_sha256(hash)),
        false => Some(EMPTY_SHA256),
    };
    purge(access, viewer, payload.unwrap_or("<of the body>"), fields);
    let service = access.service.signing_name();
    if access.signing == Signing::AlwaysAmzAuth {
        let separator = if target.contains(&b'?') { "&" } else { "?" };
        target.extend_from_slice(separator.as_bytes());
        target.extend_from_slice(format!("X-Amz-…=<signature for {service}>").as_bytes());
        return;
    }
    fields.set("X-Amz-Date", b"<time of the request>");
    let words = format!("AWS4-HMAC-SHA256 <signature for {service}>");
    fields.set("Authorization", words.as_bytes());
}

#[cfg(test)]
mod tests;
