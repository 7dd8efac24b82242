//! Replies out of stored objects: whole, in part, or that nothing has changed.

use std::rc::Rc;

use cache::conditional::{self, Decision, Preconditions, Validators};
use cache::freshness::age_secs;
use cache::headblock::{self, Token};
use cache::object::{Object, ObjectFlags, ObjectKind};
use cache::range::{ByteRange, ContentRange, Multipart, RangeRequest, RangeSet, if_range_allows};
use message::{Fields, Known, Method, RequestHead};
use telemetry::access_log::ResultType;

use crate::RequestId;
use crate::chunks::ChunkReader;
use crate::exchange::Exchange;
use crate::reply::{Body, Failure, Reply};
use crate::stream::{MultipartStream, Stream};
use crate::worker::Worker;

/// Our own bit of [`ObjectFlags`]: an error without a response behind it, written anew each time.
pub(crate) const GENERATED: ObjectFlags = ObjectFlags::from_bits(1 << 12);
/// Our own bit: the origin serves ranges of this representation.
pub(crate) const RANGES: ObjectFlags = ObjectFlags::from_bits(1 << 13);
/// Our own bit: the origin's entity tag was strong before the body was compressed here.
pub(crate) const WEAKENED: ObjectFlags = ObjectFlags::from_bits(1 << 14);

/// The reply that an object gives; `None` when parts of it are missing that cannot be fetched
/// one by one.
#[inline]
pub(crate) fn from_object(
    worker: &Rc<Worker>,
    exchange: &Exchange<'_>,
    object: &Object,
    result: ResultType,
) -> Option<Reply> {
    let meta = object.meta();
    let result = if meta.status >= 400 {
        ResultType::Error
    } else {
        result
    };
    if meta.flags.contains(GENERATED) {
        return Some(Reply::error(Failure::of_stored(meta.status)));
    }
    let request = exchange.request;
    if meta.status == 200 && has_conditions(request) {
        match evaluate(request, object.head()) {
            Decision::Proceed => {}
            Decision::NotModified => return Some(not_modified(worker, exchange, object, result)),
            Decision::PreconditionFailed => {
                return Some(Reply::new(412, Fields::new(), ResultType::Error));
            }
        }
    }
    let mut reply = Reply::new(meta.status, worker.fields(), result);
    reply
        .fields
        .append_wire(|out| headblock::write_wire(object.head(), out));
    push_age(exchange, object, &mut reply);
    if meta.flags.contains(ObjectFlags::HEAD_ONLY) {
        reply.length = None;
        return Some(reply);
    }
    reply.length = Some(meta.total_bytes);
    if request.method == Method::Get
        && meta.status == 200
        && let Some(range) = request.known(Known::Range)
    {
        let (etag, last_modified) = validators(object.head());
        let date = headblock::find(object.head(), "date").map(|date| date.to_bytes());
        let allowed = request.known(Known::IfRange).is_none_or(|if_range| {
            if_range_allows(
                if_range,
                etag.as_deref(),
                last_modified.as_deref(),
                date.as_deref(),
            )
        });
        if let Some(set) = RangeSet::parse(range).filter(|_| allowed) {
            return in_part(worker, exchange, object, reply, &set);
        }
    }
    if request.method != Method::Head && meta.total_bytes > 0 {
        let whole = ByteRange {
            first: 0,
            last: meta.total_bytes - 1,
        };
        reply.body = body_of(worker, exchange, object, whole)?;
    }
    Some(reply)
}

/// The bytes of a range of an object's representation.
fn body_of(
    worker: &Rc<Worker>,
    exchange: &Exchange<'_>,
    object: &Object,
    range: ByteRange,
) -> Option<Body> {
    if object.kind() != ObjectKind::Head {
        let length = usize::try_from(range.length()).unwrap_or(usize::MAX);
        let first = usize::try_from(range.first).unwrap_or(usize::MAX);
        return Some(Body::Object {
            object: object.clone(),
            first,
            length,
        });
    }
    let reader = ChunkReader::open(worker, exchange, object, range)?;
    Some(Body::Stream(Box::new(Stream::Chunks(reader))))
}

fn in_part(
    worker: &Rc<Worker>,
    exchange: &Exchange<'_>,
    object: &Object,
    mut reply: Reply,
    set: &RangeSet,
) -> Option<Reply> {
    let total_bytes = object.meta().total_bytes;
    match set.resolve(total_bytes) {
        RangeRequest::Whole => {
            let whole = ByteRange {
                first: 0,
                last: total_bytes.checked_sub(1)?,
            };
            reply.body = body_of(worker, exchange, object, whole)?;
        }
        RangeRequest::Single(range) => {
            set_range(&mut reply, range, total_bytes);
            reply.body = body_of(worker, exchange, object, range)?;
        }
        RangeRequest::Multi(ranges) => set_ranges(worker, &mut reply, &ranges, |range| {
            body_of(worker, exchange, object, range)
        })?,
        RangeRequest::Unsatisfiable => set_unsatisfied(&mut reply, total_bytes),
    }
    Some(reply)
}

/// Makes a reply, that has the head and the length of the whole, one of several ranges.
pub(crate) fn set_ranges(
    worker: &Worker,
    reply: &mut Reply,
    ranges: &[ByteRange],
    mut body_of: impl FnMut(ByteRange) -> Option<Body>,
) -> Option<()> {
    let boundary = format!("{:016x}{:016x}", worker.dice.roll(), worker.dice.roll());
    let content_type = reply.fields.get("content-type").map(<[u8]>::to_vec);
    let multipart = Multipart {
        boundary: &boundary,
        content_type: content_type.as_deref(),
        total_bytes: reply.length?,
    };
    reply.status = 206;
    reply.length = Some(multipart.body_bytes(ranges));
    reply.fields.remove("content-type");
    reply
        .fields
        .push_with(b"Content-Type", |out| multipart.write_content_type(out));
    let mut parts = MultipartStream::default();
    for range in ranges {
        let mut head = Vec::new();
        multipart.write_part_head(*range, &mut head);
        parts.push(head, body_of(*range)?);
    }
    let mut end = Vec::new();
    multipart.write_end(&mut end);
    parts.push(end, Body::Empty);
    reply.body = Body::Stream(Box::new(Stream::Multipart(parts)));
    Some(())
}

/// Makes a reply one that says that there is no such range.
pub(crate) fn set_unsatisfied(reply: &mut Reply, total_bytes: u64) {
    reply.status = 416;
    reply.length = Some(0);
    reply.result = ResultType::Error;
    reply.fields.remove("content-type");
    let range = ContentRange::Unsatisfied { total_bytes };
    reply
        .fields
        .push_with(b"Content-Range", |out| range.write_value(out));
}

/// Makes a reply one of a single range.
pub(crate) fn set_range(reply: &mut Reply, range: ByteRange, total_bytes: u64) {
    reply.status = 206;
    reply.length = Some(range.length());
    reply.range = Some((range.first, range.last));
    let value = ContentRange::Part {
        range,
        total_bytes: Some(total_bytes),
    };
    reply
        .fields
        .push_with(b"Content-Range", |out| value.write_value(out));
}

fn not_modified(
    worker: &Worker,
    exchange: &Exchange<'_>,
    object: &Object,
    result: ResultType,
) -> Reply {
    let mut reply = Reply::new(304, worker.fields(), result);
    let except = conditional::not_on_304();
    reply
        .fields
        .append_wire(|out| headblock::write_wire_except(object.head(), except, out));
    push_age(exchange, object, &mut reply);
    reply.length = None;
    reply
}

/// On hits; on a miss only where another cache before us told an age already (spec §3.9, §17.1).
#[inline]
fn push_age(exchange: &Exchange<'_>, object: &Object, reply: &mut Reply) {
    let meta = object.meta();
    if reply.result == ResultType::Miss && meta.initial_age_secs == 0 {
        return;
    }
    let stored_at_secs = u64::from(meta.stored_at_secs);
    let age_secs = age_secs(stored_at_secs, meta.initial_age_secs, exchange.now_secs());
    reply.fields.push_number(b"Age", age_secs);
}

pub(crate) fn has_conditions(request: &RequestHead) -> bool {
    [
        Known::IfNoneMatch,
        Known::IfModifiedSince,
        Known::IfMatch,
        Known::IfUnmodifiedSince,
    ]
    .into_iter()
    .any(|known| request.known(known).is_some())
}

fn evaluate(request: &RequestHead, head: &[u8]) -> Decision {
    let (etag, last_modified) = validators(head);
    evaluate_with(request, etag.as_deref(), last_modified.as_deref())
}

/// What a request's conditions come to against these validators.
pub(crate) fn evaluate_with(
    request: &RequestHead,
    etag: Option<&[u8]>,
    last_modified: Option<&[u8]>,
) -> Decision {
    let conditions = Preconditions {
        if_match: request.known(Known::IfMatch),
        if_unmodified_since: request.known(Known::IfUnmodifiedSince),
        if_none_match: request.known(Known::IfNoneMatch),
        if_modified_since: request.known(Known::IfModifiedSince),
    };
    let last_modified_secs = last_modified.and_then(message::parse_http_date);
    conditional::evaluate(
        &conditions,
        &Validators {
            etag,
            last_modified_secs,
        },
    )
}

/// `ETag` and `Last-Modified` of a stored head.
pub(crate) fn validators(head: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let find =
        |token| headblock::find_token(head, token).map(|value| value.to_bytes().into_owned());
    (find(Token::ETAG), find(Token::LAST_MODIFIED))
}

/// `Server-Timing`, as the response headers policy wants it (spec §11.4). The origin's own entries
/// stay in front of it on a miss; they were never stored.
pub(crate) fn server_timing(worker: &Worker, id: RequestId, arrived_ms: u64, reply: &mut Reply) {
    use std::fmt::Write as _;
    let mut value = String::new();
    let millis = |us: u64| us as f64 / 1_000.0;
    let outcome = match reply.result {
        ResultType::Hit => "cdn-cache-hit",
        ResultType::RefreshHit => "cdn-cache-refresh",
        _ => "cdn-cache-miss",
    };
    if let Some(timing) = &reply.origin {
        let _ = write!(
            value,
            "cdn-upstream-layer;desc=\"EDGE\",cdn-upstream-dns;dur={:.0},\
             cdn-upstream-connect;dur={:.0},cdn-upstream-fbl;dur={:.0},",
            millis(timing.dns_us),
            millis(timing.connect_us),
            millis(timing.first_byte_us),
        );
    }
    let _ = write!(
        value,
        "{outcome},cdn-pop;desc=\"{}\",cdn-rid;desc=\"{}\"",
        worker.shared.pop,
        id.as_str(),
    );
    if reply.result == ResultType::Hit {
        value.push_str(",cdn-hit-layer;desc=\"EDGE\"");
    }
    let waited_ms = worker.now_ms().saturating_sub(arrived_ms);
    let _ = write!(value, ",cdn-downstream-fbl;dur={waited_ms}");
    reply.fields.push(b"Server-Timing", value.as_bytes());
}
