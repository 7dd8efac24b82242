//! Responses that are on their way into the store, and the replies that follow them.

use std::rc::Rc;

use cache::conditional::{Decision, fields_for_304};
use cache::flight::Reader;
use cache::object::Object;
use cache::range::{RangeRequest, RangeSet, if_range_allows};
use message::{Fields, Known, Method, ResponseHead};
use telemetry::access_log::ResultType;

use crate::exchange::Exchange;
use crate::fetch::Landing;
use crate::lookup::variant_material;
use crate::reply::{Body, Reply};
use crate::respond;
use crate::stream::Stream;
use crate::worker::Worker;

/// A response whose body is on its way into the store.
pub(crate) struct Arriving {
    pub head: ResponseHead,
    /// Length of the body when it is known.
    pub length: Option<u64>,
    /// Whether the origin serves ranges of it; if not, nor do we until it is stored.
    pub serves_ranges: bool,
    /// From when on it answers no newcomers.
    pub expires_at_secs: u64,
    /// The head that is in the store already, for large bodies that can be read by ranges.
    pub object: Option<Object>,
    pub generation: u64,
    /// Names that the response varies on, and the leader's values of them.
    pub vary: Vec<String>,
    pub material: Vec<u8>,
}

impl Arriving {
    /// Whether this exchange gets the same variant.
    pub fn is_for(&self, worker: &Worker, exchange: &Exchange<'_>) -> bool {
        self.vary.is_empty() || variant_material(worker, exchange, &self.vary) == self.material
    }

    /// The reply that follows it; `None` when its first bytes are gone already.
    pub fn reply(
        &self,
        worker: &Rc<Worker>,
        exchange: &Exchange<'_>,
        mut reader: Reader<Landing>,
        result: ResultType,
    ) -> Option<Reply> {
        if let Some(object) = &self.object {
            return respond::from_object(worker, exchange, object, result);
        }
        if !reader.seek(0) {
            return None;
        }
        let head = &self.head;
        let result = if head.status >= 400 {
            ResultType::Error
        } else {
            result
        };
        let mut fields = worker.fields();
        fields.extend_from(&head.fields);
        match self.evaluate(exchange) {
            Decision::Proceed => {}
            Decision::NotModified => {
                let mut reply = Reply::new(304, fields_for_304(&fields), result);
                reply.length = None;
                return Some(reply);
            }
            Decision::PreconditionFailed => {
                return Some(Reply::new(412, Fields::new(), ResultType::Error));
            }
        }
        let mut reply = Reply::new(head.status, fields, result);
        reply.length = self.length;
        match self.wanted_range(exchange) {
            RangeRequest::Single(range) => {
                let total_bytes = self.length?;
                if !reader.seek(range.first) {
                    return None;
                }
                respond::set_range(&mut reply, range, total_bytes);
            }
            RangeRequest::Unsatisfiable => {
                respond::set_unsatisfied(&mut reply, self.length?);
                return Some(reply);
            }
            RangeRequest::Multi(ranges) => {
                respond::set_ranges(worker, &mut reply, &ranges, |range| {
                    let mut reader = reader.another();
                    let left = Some(range.length());
                    reader.seek(range.first).then(|| stream_of(reader, left))
                })?;
                return Some(reply);
            }
            RangeRequest::Whole => {}
        }
        if exchange.request.method != Method::Head {
            reply.body = stream_of(reader, reply.length);
        }
        Some(reply)
    }

    fn evaluate(&self, exchange: &Exchange<'_>) -> Decision {
        let fields = &self.head.fields;
        if self.head.status != 200 || !respond::has_conditions(exchange.request) {
            return Decision::Proceed;
        }
        let (etag, last_modified) = (fields.get("etag"), fields.get("last-modified"));
        respond::evaluate_with(exchange.request, etag, last_modified)
    }

    /// What of it the viewer wants, as far as that can be told and served.
    fn wanted_range(&self, exchange: &Exchange<'_>) -> RangeRequest {
        let (request, fields) = (exchange.request, &self.head.fields);
        let is_possible =
            self.serves_ranges && self.head.status == 200 && request.method == Method::Get;
        let set = request
            .known(Known::Range)
            .filter(|_| is_possible)
            .and_then(RangeSet::parse);
        let (Some(set), Some(total_bytes)) = (set, self.length) else {
            return RangeRequest::Whole;
        };
        let (etag, last_modified) = (fields.get("etag"), fields.get("last-modified"));
        let is_allowed = request.known(Known::IfRange).is_none_or(|if_range| {
            if_range_allows(if_range, etag, last_modified, fields.get("date"))
        });
        if is_allowed {
            set.resolve(total_bytes)
        } else {
            RangeRequest::Whole
        }
    }
}

fn stream_of(reader: Reader<Landing>, left: Option<u64>) -> Body {
    Body::Stream(Box::new(Stream::Flight { reader, left }))
}
