//! Misses: one fetch for all who wait, and what becomes of it.

use std::rc::Rc;
use std::sync::Arc;

use cache::flight::{FlightTable, Leader, Pace, Reader, Role};
use cache::freshness::{self, StaleIfError, State, Terms, Verdict};
use cache::headblock;
use cache::limits::CHUNK_BYTES;
use cache::object::{Meta, Object, ObjectFlags, ObjectKind};
use cache::range::{ContentRange, RangeSet, RangeSpec};
use cache::vary::{self, VaryRule};
use message::{Fields, Known, Method, ResponseHead};
use origin::{FetchError, OriginResponse, RequestBody};
use telemetry::access_log::ResultType;
use telemetry::metrics::OriginErrorKind;

use crate::compress::{self, Coding, Compressor};
use crate::exchange::Exchange;
use crate::fill::{self, Filling};
use crate::forward::{self, Conditions};
use crate::limits;
use crate::lookup::{Lookup, head_key, lookup, state_of, variant_key, variant_material};
use crate::prepare;
use crate::reply::{Body, Failure, Reply};
use crate::respond::{self, GENERATED, RANGES, validators};
use crate::site::Target;
use crate::stream::Stream;
use crate::worker::Worker;

/// What followers are told of a fetch.
#[derive(Clone)]
pub(crate) enum Landing {
    /// A response that is being stored: follow its body.
    Response(Arc<Arriving>),
    /// The answer is in the store (refreshed, or stale because the origin failed).
    Stored(Object, ResultType),
    /// The answer was for the leader alone: fetch for yourself, without queueing.
    Released,
    /// The origin failed, and it failed for everybody.
    Failed(Failure),
    /// The bytes of one chunk.
    Chunk,
}

/// A response whose body is on its way into the store.
pub(crate) struct Arriving {
    pub head: ResponseHead,
    /// Length of the body when it is known.
    pub length: Option<u64>,
    /// The head that is in the store already, for large bodies that can be read by ranges.
    pub object: Option<Object>,
    pub generation: u64,
    /// Names that the response varies on, and the leader's values of them.
    vary: Vec<String>,
    material: Vec<u8>,
}

/// Answers an exchange that the store cannot answer.
pub(crate) async fn miss(
    worker: &Rc<Worker>,
    exchange: &Exchange<'_>,
    mut found: Lookup,
    body: RequestBody,
) -> Reply {
    if !exchange.is_cacheable() || forward::is_websocket_upgrade(exchange.request) {
        return pass(worker, exchange, body).await;
    }
    let shared = &worker.shared;
    for _ in 0..limits::JOINS_MAX {
        let now_secs = exchange.now_secs();
        if !exchange.collapses() || shared.uncacheable.contains(found.key, now_secs) {
            break;
        }
        let reader = match shared.flights.join(found.key) {
            Role::Leader(leader) => return lead(worker, exchange, found, leader).await,
            Role::Follower(reader) => reader,
        };
        worker
            .counters(exchange.served)
            .collapsed_followers
            .increment();
        match follow(worker, exchange, reader).await {
            Followed::Reply(reply) => return reply,
            Followed::Alone => break,
            Followed::Again => {
                found = lookup(worker, exchange);
                if let Some((object, State::Fresh { .. })) = &found.found
                    && let Some(reply) =
                        respond::from_object(worker, exchange, object, ResultType::Hit)
                {
                    return reply;
                }
            }
        }
    }
    lead(worker, exchange, found, FlightTable::alone()).await
}

enum Followed {
    Reply(Reply),
    /// The answer is not for sharing.
    Alone,
    /// Look again: the leader is gone, or brought another variant.
    Again,
}

async fn follow(worker: &Rc<Worker>, exchange: &Exchange<'_>, reader: Reader<Landing>) -> Followed {
    match reader.landing().await {
        None | Some(Landing::Chunk) => Followed::Again,
        Some(Landing::Released) => Followed::Alone,
        Some(Landing::Failed(failure)) => Followed::Reply(Reply::error(failure)),
        Some(Landing::Stored(object, result)) => {
            match respond::from_object(worker, exchange, &object, result) {
                Some(reply) => Followed::Reply(reply),
                None => Followed::Alone,
            }
        }
        Some(Landing::Response(arriving)) => {
            let is_same_variant = arriving.vary.is_empty()
                || variant_material(worker, exchange, &arriving.vary) == arriving.material;
            if !is_same_variant {
                return Followed::Again;
            }
            match arriving_reply(worker, exchange, &arriving, reader, ResultType::Hit) {
                Some(reply) => Followed::Reply(reply),
                None => Followed::Alone,
            }
        }
    }
}

/// The reply that follows a response on its way into the store; `None` when its first bytes are
/// gone already.
fn arriving_reply(
    worker: &Rc<Worker>,
    exchange: &Exchange<'_>,
    arriving: &Arriving,
    mut reader: Reader<Landing>,
    result: ResultType,
) -> Option<Reply> {
    if let Some(object) = &arriving.object {
        return respond::from_object(worker, exchange, object, result);
    }
    if !reader.seek(0) {
        return None;
    }
    let head = &arriving.head;
    let result = if head.status >= 400 {
        ResultType::Error
    } else {
        result
    };
    let mut fields = worker.fields();
    fields.extend_from(&head.fields);
    if head.status == 200 && respond::has_conditions(exchange.request) {
        let (etag, last_modified) = (head.fields.get("etag"), head.fields.get("last-modified"));
        match respond::evaluate_with(exchange.request, etag, last_modified) {
            cache::conditional::Decision::Proceed => {}
            cache::conditional::Decision::NotModified => {
                let fields = cache::conditional::fields_for_304(&fields);
                let mut reply = Reply::new(304, fields, result);
                reply.length = None;
                return Some(reply);
            }
            cache::conditional::Decision::PreconditionFailed => {
                return Some(Reply::new(412, Fields::new(), ResultType::Error));
            }
        }
    }
    let mut reply = Reply::new(head.status, fields, result);
    reply.length = arriving.length;
    if exchange.request.method != Method::Head {
        let left = arriving.length;
        reply.body = Body::Stream(Box::new(Stream::Flight { reader, left }));
    }
    Some(reply)
}

/// Fetches for all who follow.
async fn lead(
    worker: &Rc<Worker>,
    exchange: &Exchange<'_>,
    mut found: Lookup,
    leader: Leader<Landing>,
) -> Reply {
    // Between the look-up and the take-off another flight may have landed.
    if let Some(object) = worker.shared.store.get(&found.key)
        && matches!(
            state_of(&object.meta(), exchange.now_secs()),
            State::Fresh { .. }
        )
        && object.kind() != ObjectKind::VaryMarker
        && let Some(reply) = respond::from_object(worker, exchange, &object, ResultType::Hit)
    {
        leader.conclude(Landing::Stored(object, ResultType::Hit));
        return reply;
    }
    worker.counters(exchange.served).flights.increment();
    let stale = found.found.take();
    let conditions = conditions_for(exchange, stale.as_ref().map(|(object, _)| object));
    let flight = Flight {
        worker,
        exchange,
        found,
        stale,
        leader,
    };
    match ask(worker, exchange, &conditions).await {
        Ok(response) => flight.landed(response, &conditions).await,
        Err(error) => flight.failed(error),
    }
}

/// What to ask for: whether a stored response still holds; or the chunk in which the wanted range
/// begins; or everything.
fn conditions_for(exchange: &Exchange<'_>, stale: Option<&Object>) -> Conditions {
    if let Some(object) = stale.filter(|_| exchange.collapses()) {
        let (etag, last_modified) = validators(object.head());
        if object.meta().status == 200 && (etag.is_some() || last_modified.is_some()) {
            return Conditions::Revalidate {
                etag,
                last_modified,
            };
        }
    }
    let request = exchange.request;
    let range = request
        .known(Known::Range)
        .filter(|_| request.method == Method::Get);
    let Some(set) = range.and_then(RangeSet::parse) else {
        return Conditions::None;
    };
    let first = match set.specs().first() {
        Some(RangeSpec::Bounded(range)) => range.first,
        Some(RangeSpec::From(first)) => *first,
        // From the end: the first chunk tells where that is.
        Some(RangeSpec::Suffix(_)) | None => 0,
    };
    let first = first - first % CHUNK_BYTES as u64;
    let last = first.checked_add(CHUNK_BYTES as u64 - 1);
    Conditions::Range {
        bytes: (first, last),
        if_range: None,
    }
}

/// One fetch, after take-off.
struct Flight<'a, 'e> {
    worker: &'a Rc<Worker>,
    exchange: &'a Exchange<'e>,
    found: Lookup,
    stale: Option<(Object, State)>,
    leader: Leader<Landing>,
}

impl Flight<'_, '_> {
    async fn landed(self, response: OriginResponse, conditions: &Conditions) -> Reply {
        let status = response.head.status;
        match (conditions, &self.stale) {
            (Conditions::Revalidate { .. }, Some(_)) if status == 304 => self.refreshed(response),
            _ if status >= 500 && self.may_serve_stale() => match self.stale_on_error() {
                Ok(reply) => reply,
                Err(flight) => flight.response(response),
            },
            (Conditions::Range { bytes, .. }, _) if status == 206 => {
                self.part(response, bytes.0).await
            }
            (Conditions::Range { .. }, _) if status == 416 => self.released(response),
            // Nobody asked for these, so they answer nobody else.
            (_, _) if status == 304 || status == 206 => self.released(response),
            _ => self.response(response),
        }
    }

    /// The origin says that what is stored still holds.
    fn refreshed(self, response: OriginResponse) -> Reply {
        let (worker, exchange) = (self.worker, self.exchange);
        let counters = worker.counters(exchange.served);
        counters.revalidations.increment();
        let Some((stale, _)) = &self.stale else {
            return self.released(response);
        };
        let mut stored = Fields::new();
        headblock::decode_into(stale.head(), &mut stored);
        let mut update = response.head.fields;
        prepare::hop_by_hop(&mut update);
        let mut fields = freshness::merge_304(&stored, &update);
        prepare::for_store(exchange, &mut fields);
        let verdict = judge(exchange, 200, &fields);
        let mut meta = stale.meta();
        match verdict {
            Verdict::Store(lifetime) => set_lifetime(&mut meta, &lifetime, exchange.now_secs()),
            // It may be used for this request, and must be asked about at the next.
            Verdict::DoNotStore(_) => {
                meta.stored_at_secs = exchange.now_secs() as u32;
                meta.fresh_secs = 0;
                meta.stale_while_revalidate_secs = 0;
            }
        }
        let head = headblock::encode(&fields);
        let parts = [stale.body()];
        let object = Object::new(&meta, stale.path(), stale.extra(), &head, &parts)
            .unwrap_or_else(|_| stale.clone());
        worker.shared.store.insert(object.clone());
        let reply = respond::from_object(worker, exchange, &object, ResultType::RefreshHit);
        self.leader
            .conclude(Landing::Stored(object, ResultType::Hit));
        // A large object without all of its chunks: the next request fetches it anew.
        let mut reply = reply.unwrap_or_else(|| {
            worker.shared.store.remove(&meta.key);
            Reply::error(Failure::of_fetch(FetchError::Incomplete))
        });
        reply.origin = Some(response.timing);
        reply
    }

    /// Whether there is a stored response that may stand in for the origin's error.
    fn may_serve_stale(&self) -> bool {
        matches!(
            self.stale,
            Some((
                _,
                State::Stale {
                    usable_if_error: true
                } | State::StaleWhileRevalidate
            ))
        )
    }

    /// Serves what is stored, since the origin fails, and lets the origin alone for a while
    /// (spec §4.7). Gives the flight back when too little is stored.
    fn stale_on_error(self) -> Result<Reply, Self> {
        let (worker, exchange) = (self.worker, self.exchange);
        let Some((stale, _)) = &self.stale else {
            return Err(self);
        };
        let pause_secs = exchange.served.site.error_min_secs(504);
        let meta = with_pause(stale.meta(), exchange.now_secs(), pause_secs);
        let object = stale.with_meta(&meta).unwrap_or_else(|_| stale.clone());
        let Some(reply) = respond::from_object(worker, exchange, &object, ResultType::Hit) else {
            return Err(self);
        };
        worker.counters(exchange.served).stale_served.increment();
        worker.shared.store.insert(object.clone());
        self.leader
            .conclude(Landing::Stored(object, ResultType::Hit));
        Ok(reply)
    }

    /// The origin could not be asked, or did not answer.
    fn failed(self, error: FetchError) -> Reply {
        if !(error.is_origin_failure() && self.may_serve_stale()) {
            return self.failed_for_all(error);
        }
        self.stale_on_error()
            .unwrap_or_else(|flight| flight.failed_for_all(error))
    }

    fn failed_for_all(self, error: FetchError) -> Reply {
        let failure = Failure::of_fetch(error);
        let (worker, exchange) = (self.worker, self.exchange);
        let min_secs = exchange.served.site.error_min_secs(failure.status);
        if min_secs > 0 && error.is_origin_failure() {
            let mut meta = Meta::new(self.found.key);
            meta.status = failure.status;
            meta.flags = ObjectFlags::ERROR.with(GENERATED);
            meta.scope = exchange.served.site.scope;
            meta.stored_at_secs = exchange.now_secs() as u32;
            meta.fresh_secs = u32::try_from(min_secs).unwrap_or(u32::MAX);
            if let Ok(object) = Object::new(&meta, &prepare::path(exchange), b"", b"", &[]) {
                worker.shared.store.insert(object);
            }
        }
        self.leader.conclude(Landing::Failed(failure));
        Reply::error(failure)
    }

    /// The answer is for this viewer alone.
    fn released(self, response: OriginResponse) -> Reply {
        let (worker, exchange) = (self.worker, self.exchange);
        worker
            .shared
            .uncacheable
            .remember(self.found.key, exchange.now_secs());
        self.leader.conclude(Landing::Released);
        direct(worker, exchange, response)
    }

    /// An ordinary response: stored while it is streamed, or handed on.
    fn response(self, response: OriginResponse) -> Reply {
        let (worker, exchange) = (self.worker, self.exchange);
        let lifetime = match judge(exchange, response.head.status, &response.head.fields) {
            Verdict::Store(lifetime) => lifetime,
            Verdict::DoNotStore(_) => {
                if self.stale.is_some() {
                    worker.shared.store.remove(&self.found.key);
                }
                return self.released(response);
            }
        };
        let OriginResponse {
            mut head,
            body,
            timing,
            ..
        } = response;
        let names = varies_on(exchange, &head.fields);
        prepare::for_store(exchange, &mut head.fields);
        let coding = coding_for(exchange, &head, body.length());
        let length = match coding {
            Some(coding) => {
                compress::transform_head(&mut head.fields, coding);
                None
            }
            None => body.length(),
        };
        let mut meta = Meta::new(store_key(worker, exchange, &self.found, &names));
        meta.status = head.status;
        meta.scope = exchange.served.site.scope;
        meta.flags = flags_of(exchange, &head, coding);
        set_lifetime(&mut meta, &lifetime, exchange.now_secs());
        if exchange.request.method == Method::Head
            && let Some(length) = body.length()
        {
            head.fields.push_number(b"Content-Length", length);
        }
        worker.shared.uncacheable.forget(self.found.key);
        let filling = Filling {
            meta,
            path: prepare::path(exchange),
            head: headblock::encode(&head.fields),
            length: length.filter(|_| exchange.request.method != Method::Head),
            generation: worker.dice.roll(),
            compressor: coding.map(|coding| Compressor::new(coding, body.length().unwrap_or(0))),
        };
        if lifetime.initial_age_secs > 0 {
            head.fields
                .push_number(b"Age", u64::from(lifetime.initial_age_secs));
        }
        // The head goes into the store before the body where ranges can fetch what is missing.
        let is_shared = self.leader.is_listed() && meta.key == self.found.key;
        let object = filling.early_head().filter(|_| is_shared);
        if let Some(object) = &object {
            worker.shared.store.insert(object.clone());
        }
        let material = variant_material(worker, exchange, &names);
        let arriving = Arriving {
            head,
            length,
            generation: filling.generation,
            vary: names,
            material,
            object,
        };
        self.take_off(body, filling, Arc::new(arriving), timing)
    }

    /// Starts the body on its way to the store and to this viewer.
    fn take_off(
        mut self,
        body: origin::OriginBody,
        filling: Filling,
        arriving: Arc<Arriving>,
        timing: origin::Timing,
    ) -> Reply {
        let (worker, exchange) = (self.worker, self.exchange);
        let pace = if arriving.object.is_some() {
            Pace::Fastest
        } else {
            Pace::Slowest
        };
        self.leader
            .land(Landing::Response(Arc::clone(&arriving)), pace);
        let reader = self.leader.reader();
        let reply = arriving_reply(worker, exchange, &arriving, reader, ResultType::Miss);
        let served = Arc::clone(exchange.served);
        let task = fill::fill(Rc::clone(worker), served, self.leader, body, filling);
        tokio::task::spawn_local(task);
        let mut reply = reply.expect("the first bytes are there before the first is read");
        if reply.result == ResultType::Hit {
            reply.result = ResultType::Miss;
        }
        reply.origin = Some(timing);
        reply
    }

    /// One chunk of a representation that nothing was known of: its head and this chunk are
    /// stored, and whatever else is wanted is fetched chunk by chunk.
    async fn part(self, mut response: OriginResponse, first: u64) -> Reply {
        let (worker, exchange) = (self.worker, self.exchange);
        let range = response
            .head
            .fields
            .get("content-range")
            .and_then(ContentRange::parse);
        let Some(ContentRange::Part {
            range,
            total_bytes: Some(total_bytes),
        }) = range
        else {
            return self.released(response);
        };
        let is_asked = range.first == first
            && (range.length() == CHUNK_BYTES as u64 || range.last + 1 == total_bytes);
        let Verdict::Store(lifetime) = judge(exchange, 200, &response.head.fields) else {
            return self.pass_instead().await;
        };
        if !is_asked {
            return self.pass_instead().await;
        }
        let names = varies_on(exchange, &response.head.fields);
        let mut fields = std::mem::take(&mut response.head.fields);
        prepare::for_store(exchange, &mut fields);
        fields.remove("content-range");
        let mut meta = Meta::new(store_key(worker, exchange, &self.found, &names));
        meta.status = 200;
        meta.scope = exchange.served.site.scope;
        meta.flags = RANGES;
        meta.total_bytes = total_bytes;
        set_lifetime(&mut meta, &lifetime, exchange.now_secs());
        let mut parts = Vec::new();
        let mut received = 0;
        while let Some(piece) = response.body.next().await {
            match piece {
                Ok(bytes) if received + bytes.len() as u64 <= range.length() => {
                    received += bytes.len() as u64;
                    parts.push(bytes);
                }
                Ok(_) => return self.failed(FetchError::InvalidResponse),
                Err(error) => return self.failed(error),
            }
        }
        worker
            .counters(exchange.served)
            .bytes_from_origin
            .add(received);
        let part = fill::Part {
            meta,
            range,
            parts: &parts,
        };
        let Some(object) = part.store(worker, &prepare::path(exchange), &fields) else {
            return self.failed(FetchError::InvalidResponse);
        };
        let reply = respond::from_object(worker, exchange, &object, ResultType::Miss);
        self.leader
            .conclude(Landing::Stored(object, ResultType::Hit));
        let mut reply =
            reply.unwrap_or_else(|| Reply::error(Failure::of_fetch(FetchError::Incomplete)));
        reply.origin = Some(response.timing);
        reply
    }

    /// The chunk that was asked for cannot be stored: ask again for just what the viewer wants.
    async fn pass_instead(self) -> Reply {
        let (worker, exchange) = (self.worker, self.exchange);
        worker
            .shared
            .uncacheable
            .remember(self.found.key, exchange.now_secs());
        self.leader.conclude(Landing::Released);
        pass(worker, exchange, RequestBody::Empty).await
    }
}

/// Asks the origin for this viewer alone, with the viewer's own conditions and range.
async fn pass(worker: &Rc<Worker>, exchange: &Exchange<'_>, body: RequestBody) -> Reply {
    let upgrade = forward::is_websocket_upgrade(exchange.request);
    match ask_with(worker, exchange, &Conditions::Viewer, body, upgrade).await {
        Ok(mut response) => match response.upgraded.take() {
            Some(upgraded) => {
                let mut fields = std::mem::take(&mut response.head.fields);
                fields.retain(|name, _| !name.eq_ignore_ascii_case(b"content-length"));
                let mut reply = Reply::new(101, fields, ResultType::Miss);
                reply.length = None;
                reply.body = Body::Tunnel(Box::new(upgraded));
                reply.close = true;
                reply
            }
            None => direct(worker, exchange, response),
        },
        Err(error) => {
            let mut reply = Reply::error(Failure::of_fetch(error));
            reply.close = matches!(error, FetchError::ViewerBody(_));
            reply
        }
    }
}

/// Hands a response on as it comes.
fn direct(worker: &Worker, exchange: &Exchange<'_>, response: OriginResponse) -> Reply {
    let OriginResponse {
        mut head,
        body,
        timing,
        ..
    } = response;
    let age_secs = head.fields.get("age").map(<[u8]>::to_vec);
    prepare::for_viewer(exchange, &mut head.fields);
    if let Some(age) = age_secs {
        head.fields.push(b"Age", &age);
    }
    let coding = coding_for(exchange, &head, body.length())
        .filter(|_| !exchange.behavior().caching_disabled);
    if let Some(coding) = coding {
        compress::transform_head(&mut head.fields, coding);
    }
    let result = if head.status >= 400 {
        ResultType::Error
    } else {
        ResultType::Miss
    };
    let mut fields = worker.fields();
    fields.extend_from(&head.fields);
    let mut reply = Reply::new(head.status, fields, result);
    reply.origin = Some(timing);
    reply.length = if coding.is_some() {
        None
    } else {
        body.length()
    };
    let has_body = exchange.request.method != Method::Head && !matches!(head.status, 204 | 304);
    if has_body && reply.length != Some(0) {
        let compressor = coding.map(|coding| Compressor::new(coding, body.length().unwrap_or(0)));
        reply.body = Body::Stream(Box::new(Stream::Origin {
            body,
            compressor,
            first: None,
        }));
    }
    reply
}

/// Renews a stored response while viewers are served from it.
pub(crate) fn revalidate_in_background(
    worker: &Rc<Worker>,
    exchange: &Exchange<'_>,
    found: Lookup,
    object: Object,
) {
    let Role::Leader(leader) = worker.shared.flights.join(found.key) else {
        return;
    };
    let state = State::StaleWhileRevalidate;
    let found = Lookup {
        found: Some((object, state)),
        ..found
    };
    let (worker, snapshot) = (Rc::clone(worker), exchange.snapshot());
    tokio::task::spawn_local(async move {
        drop(lead(&worker, &snapshot.exchange(), found, leader).await);
    });
}

/// Asks the origin, or the members of the group one after the other.
pub(crate) async fn ask(
    worker: &Worker,
    exchange: &Exchange<'_>,
    conditions: &Conditions,
) -> Result<OriginResponse, FetchError> {
    ask_with(worker, exchange, conditions, RequestBody::Empty, false).await
}

async fn ask_with(
    worker: &Worker,
    exchange: &Exchange<'_>,
    conditions: &Conditions,
    body: RequestBody,
    upgrade: bool,
) -> Result<OriginResponse, FetchError> {
    let site = &exchange.served.site;
    let counters = worker.counters(exchange.served);
    counters.origin_fetches.increment();
    let answer = match &exchange.behavior().target {
        Target::Origin(index) => {
            let origin = &site.origins[*index];
            let request = exchange.compose(worker, origin, conditions, body, upgrade);
            worker.origins.fetch(&origin.spec, request).await
        }
        Target::Group { members, failover } => {
            let mut body = Some(body);
            let specs: Vec<_> = members
                .iter()
                .map(|index| &site.origins[*index].spec)
                .collect();
            let compose = |member: usize| {
                let origin = &site.origins[members[member]];
                // Only requests without a body are sent a second time.
                let body = body.take().unwrap_or(RequestBody::Empty);
                exchange.compose(worker, origin, conditions, body, upgrade)
            };
            let answer =
                origin::group::fetch_group(&worker.origins, failover, &specs, compose).await;
            answer.result
        }
    };
    match &answer {
        Ok(response) => {
            counters
                .origin_first_byte
                .record(response.timing.first_byte_us);
            counters
                .bytes_from_origin
                .add(response.body.length().unwrap_or(0));
            if response.head.status >= 500 {
                counters.count_origin_error(OriginErrorKind::Status5xx);
            }
        }
        Err(error) => {
            if let Some(kind) = error_kind(*error) {
                counters.count_origin_error(kind);
            }
            tracing::debug!(distribution = %site.id, %error, "origin fetch failed");
        }
    }
    answer
}

fn error_kind(error: FetchError) -> Option<OriginErrorKind> {
    Some(match error {
        FetchError::Dns(_) => OriginErrorKind::Dns,
        FetchError::Connect(_) => OriginErrorKind::Connect,
        FetchError::ConnectTimeout => OriginErrorKind::ConnectTimeout,
        FetchError::Tls(_) => OriginErrorKind::Tls,
        FetchError::WriteTimeout => OriginErrorKind::Write,
        FetchError::ReadTimeout => OriginErrorKind::ReadTimeout,
        FetchError::CompletionTimeout => OriginErrorKind::CompletionTimeout,
        FetchError::Closed | FetchError::Incomplete => OriginErrorKind::Read,
        FetchError::InvalidResponse => OriginErrorKind::InvalidResponse,
        FetchError::HeadTooBig => OriginErrorKind::HeaderTooBig,
        FetchError::ViewerBody(_) | FetchError::InvalidRequest | FetchError::TooManyConnections => {
            return None;
        }
    })
}

fn judge(exchange: &Exchange<'_>, status: u16, fields: &Fields) -> Verdict {
    let site = &exchange.served.site;
    let behavior = exchange.behavior();
    let terms = Terms {
        bounds: behavior.ttl,
        error_min_secs: site.error_min_secs(status),
        is_s3_origin: site.origins[behavior.target.primary()].is_s3,
    };
    freshness::judge(status, fields, &terms, exchange.now_secs())
}

fn set_lifetime(meta: &mut Meta, lifetime: &freshness::Lifetime, now_secs: u64) {
    meta.stored_at_secs = now_secs as u32;
    meta.fresh_secs = lifetime.fresh_secs;
    meta.stale_while_revalidate_secs = lifetime.stale_while_revalidate_secs;
    meta.stale_if_error_secs = lifetime.stale_if_error.to_secs();
    meta.initial_age_secs = lifetime.initial_age_secs;
}

/// A stale response counts as fresh for a pause, within the time that it may be served stale.
/// What the pause takes is gone from that time, so that pauses do not prolong it.
fn with_pause(mut meta: Meta, now_secs: u64, pause_secs: u64) -> Meta {
    let elapsed_secs = now_secs.saturating_sub(u64::from(meta.stored_at_secs));
    let expired_for_secs = elapsed_secs.saturating_sub(u64::from(meta.fresh_secs));
    let (pause_secs, left) = match StaleIfError::from_secs(meta.stale_if_error_secs) {
        StaleIfError::UntilEvicted => (pause_secs, u32::MAX),
        StaleIfError::Forbidden => (0, 0),
        StaleIfError::Seconds(secs) => {
            let left_secs = u64::from(secs).saturating_sub(expired_for_secs);
            let pause_secs = pause_secs.min(left_secs);
            (pause_secs, (left_secs - pause_secs) as u32)
        }
    };
    meta.fresh_secs = u32::try_from(elapsed_secs + pause_secs).unwrap_or(u32::MAX);
    meta.stale_while_revalidate_secs = 0;
    meta.stale_if_error_secs = left;
    meta
}

/// The names that a response's variants differ by: those in `Vary` that reach the origin and are
/// not in the key anyway.
fn varies_on(exchange: &Exchange<'_>, fields: &Fields) -> Vec<String> {
    let (behavior, method) = (exchange.behavior(), exchange.request.method);
    let forwarded = |name: &str| behavior.forward.forwards(name, method);
    match vary::relevant(fields, forwarded, |name| behavior.key.has_header(name)) {
        VaryRule::None => Vec::new(),
        VaryRule::On(names) | VaryRule::Star(names) => {
            names.iter().map(|n| n.to_string()).collect()
        }
    }
}

/// The key to store under. Where the response varies, a marker under the request's own key says
/// by what.
fn store_key(
    worker: &Worker,
    exchange: &Exchange<'_>,
    found: &Lookup,
    names: &[String],
) -> cache::key::CacheKey {
    let key = if names.is_empty() {
        found.base
    } else {
        let mut meta = Meta::new(found.base);
        meta.kind = ObjectKind::VaryMarker;
        meta.scope = exchange.served.site.scope;
        let extra = names.join(",");
        let path = prepare::path(exchange);
        if let Ok(marker) = Object::new(&meta, &path, extra.as_bytes(), b"", &[]) {
            worker.shared.store.insert(marker);
        }
        variant_key(worker, exchange, found.base, names)
    };
    if exchange.request.method == Method::Head {
        head_key(worker, key)
    } else {
        key
    }
}

fn flags_of(exchange: &Exchange<'_>, head: &ResponseHead, coding: Option<Coding>) -> ObjectFlags {
    let mut flags = ObjectFlags::NONE;
    if head.status >= 400 {
        flags = flags.with(ObjectFlags::ERROR);
    }
    if coding.is_some() {
        flags = flags.with(ObjectFlags::COMPRESSED);
    }
    if exchange.request.method == Method::Head {
        flags = flags.with(ObjectFlags::HEAD_ONLY);
    }
    let serves_ranges = head
        .fields
        .get_all("accept-ranges")
        .any(|value| value.eq_ignore_ascii_case(b"bytes"));
    let strong = head
        .fields
        .get("etag")
        .is_some_and(|etag| !etag.starts_with(b"W/"));
    if coding.is_none()
        && serves_ranges
        && head.status == 200
        && (strong || head.fields.contains("last-modified"))
    {
        flags = flags.with(RANGES);
    }
    flags
}

/// Whether, and how, an answer is compressed here.
fn coding_for(exchange: &Exchange<'_>, head: &ResponseHead, length: Option<u64>) -> Option<Coding> {
    let behavior = exchange.behavior();
    if !behavior.compress
        || exchange.request.method != Method::Get
        || !compress::eligible(head, length)
    {
        return None;
    }
    match exchange.encodings {
        encodings if encodings.brotli => Some(Coding::Brotli),
        encodings if encodings.gzip => Some(Coding::Gzip),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::key::CacheKey;

    fn meta(fresh_secs: u32, stale_if_error_secs: u32) -> Meta {
        let mut meta = Meta::new(CacheKey::from_bits(1));
        meta.stored_at_secs = 1_000;
        meta.fresh_secs = fresh_secs;
        meta.stale_if_error_secs = stale_if_error_secs;
        meta
    }

    #[test]
    fn a_pause_makes_a_stale_response_fresh_for_so_long() {
        let paused = with_pause(meta(10, Meta::UNTIL_EVICTED), 1_100, 10);
        assert_eq!(state_of(&paused, 1_109), State::Fresh { remaining_secs: 1 });
        assert_eq!(
            state_of(&paused, 1_110),
            State::Stale {
                usable_if_error: true
            }
        );
    }

    #[test]
    fn pauses_do_not_prolong_the_time_that_stale_is_allowed() {
        let mut paused = meta(10, 60);
        for now_secs in [1_015, 1_030, 1_045, 1_060, 1_069] {
            paused = with_pause(paused, now_secs, 10);
        }
        assert_eq!(state_of(&paused, 1_069), State::Fresh { remaining_secs: 1 });
        assert_eq!(
            state_of(&paused, 1_070),
            State::Stale {
                usable_if_error: false
            }
        );
    }
}
