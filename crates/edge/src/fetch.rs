//! Misses: one fetch for all who wait, and what becomes of it.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cache::flight::{FlightTable, Leader, Pace, Reader, Role, Takeoff};
use cache::freshness::{self, State, Verdict};
use cache::headblock;
use cache::limits::CHUNK_BYTES;
use cache::object::{Meta, Object, ObjectFlags, ObjectKind};
use cache::range::{ByteRange, ContentRange, RangeSet, RangeSpec};
use message::{Fields, Known, Method};
use origin::{FetchError, OriginResponse, RequestBody};

use telemetry::access_log::ResultType;

use crate::arriving::Arriving;
use crate::ask::{ask, ask_with};
use crate::chunks;
use crate::compress::{self, Compressor};
use crate::exchange::Exchange;
use crate::fill::{self, Filling};
use crate::forward::{self, Conditions};
use crate::limits;
use crate::lookup::{Lookup, lookup, state_of, variant_material};
use crate::prepare;
use crate::reply::{Body, Failure, Reply};
use crate::respond::{self, GENERATED, RANGES, WEAKENED, validators};
use crate::storing::{
    coding_for, flags_of, has_range_validator, judge, set_lifetime, store_key, tags_of, varies_on,
    with_pause,
};
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

/// Answers an exchange that the store cannot answer.
pub(crate) async fn miss(
    worker: &Rc<Worker>,
    exchange: &Exchange<'_>,
    mut found: Lookup,
    body: RequestBody,
) -> Reply {
    if !exchange.is_cacheable() || forward::is_websocket_upgrade(exchange.request) {
        return Box::pin(pass(worker, exchange, body)).await;
    }
    let shared = &worker.shared;
    for _ in 0..limits::JOINS_MAX {
        let now_secs = exchange.now_secs();
        let waits = exchange.collapses()
            && !shared.uncacheable.contains(found.key, now_secs)
            && !has_passed_here(worker, exchange);
        if !waits {
            break;
        }
        let takeoff = takeoff(worker, exchange);
        let reader = match variant_on_its_way(worker, exchange, &found, takeoff) {
            Some(reader) => reader,
            None => match shared.flights.join_after(found.key, takeoff) {
                Role::Leader(leader) => {
                    return lead(worker, exchange, found, takeoff, leader).await;
                }
                Role::Follower(reader) => reader,
            },
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
    let is_uncacheable = shared.uncacheable.contains(found.key, exchange.now_secs());
    if is_uncacheable && found.found.is_none() && wanted_range(exchange).is_some() {
        // Nothing would come of asking for a whole chunk but a second request.
        return Box::pin(pass(worker, exchange, RequestBody::Empty)).await;
    }
    let takeoff = takeoff(worker, exchange);
    lead(worker, exchange, found, takeoff, FlightTable::alone()).await
}

/// What a fetch notes when it begins, so that bans that come before it ends count.
fn takeoff(worker: &Worker, exchange: &Exchange<'_>) -> Takeoff {
    let path = prepare::path(exchange);
    let served = exchange.served;
    let takeoff = worker.shared.store.takeoff(served.site.scope, &path);
    // Asked after the bans: what is newer than the end of the site is then known to be.
    let replaced_at = served.replaced_at.load(Ordering::Acquire);
    Takeoff {
        revision: takeoff.revision.min(replaced_at),
        ..takeoff
    }
}

/// Whether this node has sent the request on already: it would wait for itself.
fn has_passed_here(worker: &Worker, exchange: &Exchange<'_>) -> bool {
    let own = worker.shared.via.as_bytes();
    let mut via = exchange.request.get_all("via");
    via.any(|value| memchr::memmem::find(value, own).is_some())
}

/// The flight that was the first to learn that the response varies: it is listed under the key of
/// the request, and others learn of the variant's own key before its body is stored.
fn variant_on_its_way(
    worker: &Worker,
    exchange: &Exchange<'_>,
    found: &Lookup,
    takeoff: Takeoff,
) -> Option<Reader<Landing>> {
    if found.key == found.base || found.found.is_some() {
        return None;
    }
    let reader = worker
        .shared
        .flights
        .follow(found.base, takeoff.not_before)?;
    match reader.landed()? {
        Landing::Response(arriving) if arriving.is_for(worker, exchange) => Some(reader),
        _ => None,
    }
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
            if !arriving.is_for(worker, exchange) {
                return Followed::Again;
            }
            // A body may take longer than the response is good for.
            if exchange.now_secs() >= arriving.expires_at_secs {
                return Followed::Alone;
            }
            match arriving.reply(worker, exchange, reader, ResultType::Hit) {
                Some(reply) => Followed::Reply(reply),
                None => Followed::Alone,
            }
        }
    }
}

/// Fetches for all who follow.
async fn lead(
    worker: &Rc<Worker>,
    exchange: &Exchange<'_>,
    mut found: Lookup,
    takeoff: Takeoff,
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
    // A ban between the look-up and the take-off: those who follow must not get it.
    let stale = found.found.take();
    let stale = stale.filter(|(object, _)| !worker.shared.store.has_banned(object));
    let conditions = conditions_for(exchange, stale.as_ref().map(|(object, _)| object));
    let flight = Flight {
        worker,
        exchange,
        found,
        stale,
        revision: takeoff.revision,
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
        let (mut etag, last_modified) = validators(object.head());
        if let Some(etag) = &mut etag
            && object.meta().flags.contains(WEAKENED)
        {
            // As the origin wrote it; not every one knows its own tag in the weak form.
            etag.drain(..b"W/".len());
        }
        if object.meta().status == 200 && (etag.is_some() || last_modified.is_some()) {
            return Conditions::Revalidate {
                etag,
                last_modified,
            };
        }
    }
    let Some(set) = wanted_range(exchange) else {
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

fn wanted_range(exchange: &Exchange<'_>) -> Option<RangeSet> {
    let request = exchange.request;
    let range = request
        .known(Known::Range)
        .filter(|_| request.method == Method::Get);
    range.and_then(RangeSet::parse)
}

/// One fetch, after take-off.
struct Flight<'a, 'e> {
    worker: &'a Rc<Worker>,
    exchange: &'a Exchange<'e>,
    found: Lookup,
    stale: Option<(Object, State)>,
    /// Of the newest ban that was known when it took off.
    revision: u64,
    leader: Leader<Landing>,
}

impl Flight<'_, '_> {
    async fn landed(self, response: OriginResponse, conditions: &Conditions) -> Reply {
        let status = response.head.status;
        match (conditions, &self.stale) {
            (Conditions::Revalidate { .. }, Some(_)) if status == 304 => {
                self.refreshed(response).await
            }
            _ if status >= 500 && self.may_serve_stale() => match self.stale_on_error(status) {
                Ok(reply) => reply,
                Err(flight) => flight.response(response),
            },
            (Conditions::Range { bytes, .. }, _) if status == 206 => {
                Box::pin(self.part(response, bytes.0)).await
            }
            (Conditions::Range { .. }, _) if status == 416 => {
                // It says nothing of other ranges: whoever waits looks again.
                drop(self.leader);
                direct(self.worker, self.exchange, response)
            }
            // Nobody asked for these, so they answer nobody else.
            (_, _) if status == 304 || status == 206 => self.released(response),
            _ => self.response(response),
        }
    }

    /// When this is: what comes is as old as its arrival, however long ago it was asked for.
    fn now_secs(&self) -> u64 {
        self.worker.now_ms() / 1_000
    }

    /// The origin says that what is stored still holds.
    async fn refreshed(self, response: OriginResponse) -> Reply {
        let (worker, exchange) = (self.worker, self.exchange);
        let counters = worker.counters(exchange.served);
        counters.revalidations.increment();
        let Some((stale, _)) = &self.stale else {
            return self.released(response);
        };
        let mut stored = Fields::new();
        headblock::decode_into(stale.head(), &mut stored);
        let mut update = response.head.fields;
        let age = update.get("age").map(<[u8]>::to_vec);
        prepare::hop_by_hop(&mut update);
        if let Some(age) = age {
            update.push(b"Age", &age);
        }
        let mut fields = freshness::merge_304(&stored, &update);
        let verdict = judge(exchange, 200, &fields, self.now_secs());
        let unstored = prepare::for_store(exchange, &mut fields);
        let mut meta = stale.meta();
        match verdict {
            Verdict::Store(lifetime) => set_lifetime(&mut meta, &lifetime, self.now_secs()),
            // It may be used for this request, and must be asked about at the next.
            Verdict::DoNotStore(_) => {
                meta.stored_at_secs = self.now_secs() as u32;
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
        let Some(mut reply) = reply else {
            return Box::pin(self.anew()).await;
        };
        if meta.fresh_secs == 0 {
            self.alone();
        } else {
            self.leader
                .conclude(Landing::Stored(object, ResultType::Hit));
        }
        reply.fields.extend_from(&unstored);
        reply.origin = Some(response.timing);
        reply
    }

    /// What is stored lacks chunks that the origin does not serve one by one: fetches the whole.
    async fn anew(self) -> Reply {
        let (worker, exchange) = (self.worker, self.exchange);
        worker.shared.store.remove(&self.found.key);
        let flight = Flight {
            stale: None,
            ..self
        };
        let conditions = conditions_for(exchange, None);
        match ask(worker, exchange, &conditions).await {
            Ok(response) => flight.landed(response, &conditions).await,
            Err(error) => flight.failed(error),
        }
    }

    /// Lets those who wait go, and remembers that nobody need wait.
    fn alone(mut self) -> Self {
        self.worker
            .shared
            .uncacheable
            .remember(self.found.key, self.now_secs());
        let leader = std::mem::replace(&mut self.leader, FlightTable::alone());
        leader.conclude(Landing::Released);
        self
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
    #[allow(
        clippy::result_large_err,
        reason = "the flight goes back to where it was, and only when the origin fails"
    )]
    fn stale_on_error(self, status: u16) -> Result<Reply, Self> {
        let (worker, exchange) = (self.worker, self.exchange);
        let Some((stale, _)) = &self.stale else {
            return Err(self);
        };
        let pause_secs = exchange.served.site.error_min_secs(status);
        let meta = with_pause(stale.meta(), self.now_secs(), pause_secs);
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
        self.stale_on_error(error.status())
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
            meta.revision = self.revision;
            meta.stored_at_secs = self.now_secs() as u32;
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
        self.alone();
        direct(worker, exchange, response)
    }

    /// An ordinary response: stored while it is streamed, or handed on.
    fn response(mut self, response: OriginResponse) -> Reply {
        let (worker, exchange) = (self.worker, self.exchange);
        let (status, now_secs) = (response.head.status, self.now_secs());
        let lifetime = match judge(exchange, status, &response.head.fields, now_secs) {
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
        worker.shared.uncacheable.forget(self.found.key);
        if lifetime.fresh_secs == 0 {
            // Stored to be asked about, and nobody else's answer (spec §5.4).
            self = self.alone();
        }
        let names = varies_on(exchange, &head.fields);
        let tags = tags_of(exchange, &head.fields);
        let head_length = prepare::length_of_head(exchange, &head.fields);
        let unstored = prepare::for_store(exchange, &mut head.fields);
        let coding = coding_for(exchange, &head, body.length());
        let flags = flags_of(exchange, &head, coding);
        let length = match coding {
            Some(coding) => {
                compress::transform_head(&mut head.fields, coding);
                None
            }
            None => body.length(),
        };
        let length = length.filter(|_| exchange.request.method != Method::Head);
        if let Some(length) = head_length {
            head.fields.push_number(b"Content-Length", length);
        }
        let mut meta = Meta::new(store_key(
            worker,
            exchange,
            &self.found,
            &names,
            self.revision,
        ));
        meta.status = head.status;
        meta.scope = exchange.served.site.scope;
        meta.revision = self.revision;
        meta.flags = flags;
        set_lifetime(&mut meta, &lifetime, now_secs);
        let filling = Filling {
            meta,
            path: prepare::path(exchange),
            tags,
            head: headblock::encode(&head.fields),
            length,
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
            serves_ranges: filling.meta.flags.contains(RANGES),
            head,
            length,
            expires_at_secs: now_secs + u64::from(lifetime.fresh_secs),
            generation: filling.generation,
            vary: names,
            material,
            object,
        };
        let mut reply = self.take_off(body, filling, Arc::new(arriving));
        reply.fields.extend_from(&unstored);
        reply.origin = Some(timing);
        reply
    }

    /// Starts the body on its way to the store and to this viewer.
    fn take_off(
        mut self,
        body: origin::OriginBody,
        filling: Filling,
        arriving: Arc<Arriving>,
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
        let reply = arriving.reply(worker, exchange, reader, ResultType::Miss);
        let served = Arc::clone(exchange.served);
        let task = fill::fill(Rc::clone(worker), served, self.leader, body, filling);
        tokio::task::spawn_local(task);
        let mut reply = reply.expect("the first bytes are there before the first is read");
        if reply.result == ResultType::Hit {
            reply.result = ResultType::Miss;
        }
        reply
    }

    /// One chunk of a representation that nothing was known of. When it is everything, it is an
    /// ordinary response; else its head is stored at once and the chunk while it streams, and
    /// whatever else is wanted is fetched chunk by chunk.
    async fn part(self, mut response: OriginResponse, first: u64) -> Reply {
        let exchange = self.exchange;
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
        response.head.status = 200;
        response.head.fields.remove("content-range");
        if !response.head.fields.contains("accept-ranges") {
            response
                .head
                .fields
                .push_trusted(b"Accept-Ranges", b"bytes");
        }
        // Stored as it is, it would stand in the way of the compressed form.
        if coding_for(exchange, &response.head, Some(total_bytes)).is_some() {
            return self.pass_instead().await;
        }
        if range.first == 0 && range.length() == total_bytes {
            return match response.body.length() {
                Some(length) if length != total_bytes => self.failed(FetchError::InvalidResponse),
                _ => self.response(response),
            };
        }
        let is_asked = range.first == first
            && (range.length() == CHUNK_BYTES as u64 || range.last + 1 == total_bytes);
        let now_secs = self.now_secs();
        let verdict = judge(exchange, 200, &response.head.fields, now_secs);
        let can_be_joined = has_range_validator(&response.head.fields);
        match verdict {
            Verdict::Store(lifetime) if is_asked && can_be_joined => {
                self.head_and_chunk(response, range, total_bytes, &lifetime, now_secs)
            }
            _ => self.pass_instead().await,
        }
    }

    /// Stores the head of a large representation, and starts its first known chunk on its way.
    fn head_and_chunk(
        self,
        response: OriginResponse,
        range: ByteRange,
        total_bytes: u64,
        lifetime: &freshness::Lifetime,
        now_secs: u64,
    ) -> Reply {
        let (worker, exchange) = (self.worker, self.exchange);
        let OriginResponse {
            mut head,
            body,
            timing,
            ..
        } = response;
        let names = varies_on(exchange, &head.fields);
        let tags = tags_of(exchange, &head.fields);
        let unstored = prepare::for_store(exchange, &mut head.fields);
        let mut meta = Meta::new(store_key(
            worker,
            exchange,
            &self.found,
            &names,
            self.revision,
        ));
        meta.kind = ObjectKind::Head;
        meta.status = 200;
        meta.scope = exchange.served.site.scope;
        meta.revision = self.revision;
        meta.flags = RANGES;
        meta.total_bytes = total_bytes;
        set_lifetime(&mut meta, lifetime, now_secs);
        let path = prepare::path(exchange);
        let mut extra = worker.dice.roll().to_le_bytes().to_vec();
        extra.extend_from_slice(&tags);
        let block = headblock::encode(&head.fields);
        let Ok(object) = Object::new(&meta, &path, &extra, &block, &[]) else {
            return self.failed(FetchError::HeadTooBig);
        };
        worker.shared.store.insert(object.clone());
        chunks::bring(worker, exchange.served, &object, range, body);
        let reply = respond::from_object(worker, exchange, &object, ResultType::Miss);
        if lifetime.fresh_secs == 0 {
            self.alone();
        } else if meta.key == self.found.key {
            self.leader
                .conclude(Landing::Stored(object, ResultType::Hit));
        } else {
            // Others may want another variant: they look again.
            drop(self.leader);
        }
        let mut reply =
            reply.unwrap_or_else(|| Reply::error(Failure::of_fetch(FetchError::Incomplete)));
        reply.fields.extend_from(&unstored);
        reply.origin = Some(timing);
        reply
    }

    /// The chunk that was asked for cannot be stored: ask again for just what the viewer wants.
    async fn pass_instead(self) -> Reply {
        let (worker, exchange) = (self.worker, self.exchange);
        self.alone();
        Box::pin(pass(worker, exchange, RequestBody::Empty)).await
    }
}

/// Asks the origin for this viewer alone, with the viewer's own conditions and range.
async fn pass(worker: &Rc<Worker>, exchange: &Exchange<'_>, body: RequestBody) -> Reply {
    let upgrade = forward::is_websocket_upgrade(exchange.request);
    match ask_with(worker, exchange, &Conditions::Viewer, body, upgrade).await {
        Ok(mut response) => match response.upgraded.take() {
            Some(upgraded) => {
                let mut fields = std::mem::take(&mut response.head.fields);
                // The listener says itself that the protocol is switched.
                prepare::hop_by_hop(&mut fields);
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
    let head_length = prepare::length_of_head(exchange, &head.fields);
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
    reply.length = match exchange.request.method {
        Method::Head => head_length,
        _ if coding.is_some() => None,
        _ => body.length(),
    };
    let has_body = exchange.request.method != Method::Head && !matches!(head.status, 204 | 304);
    if exchange.is_grpc() {
        // Trailers may follow, and where there is nothing at all, its length is none either.
        reply.length = None;
    }
    if has_body && body.length() != Some(0) {
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
    let takeoff = takeoff(worker, exchange);
    let Role::Leader(leader) = worker.shared.flights.join_after(found.key, takeoff) else {
        return;
    };
    let state = State::StaleWhileRevalidate;
    let found = Lookup {
        found: Some((object, state)),
        ..found
    };
    let (worker, snapshot) = (Rc::clone(worker), exchange.snapshot());
    tokio::task::spawn_local(async move {
        let reply = lead(&worker, &snapshot.exchange(), found, takeoff, leader).await;
        // Somebody has to follow a body, or it would not be brought in.
        if let Body::Stream(mut stream) = reply.body {
            while let Some(Ok(_)) = stream.next().await {}
        }
    });
}
