use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::{HeaderMap, StatusCode, Uri};
use hyper::body::{Body, Incoming};
use message::{Fields, Method};
use tokio::time::{Instant, timeout_at};

use crate::body::Lease;
use crate::connect::{self, UpgradeReceiver, is_worth_another_attempt, micros};
use crate::dns::{Names, Resolve};
use crate::head::{self, RequestFraming, ResponseFraming};
use crate::http2;
use crate::limits::{
    ANNOUNCED_IDLE_MARGIN_MS, CONTINUE_RESPONSES_MAX, IDLE_PER_POOL_MAX, IDLE_SWEEP_MS,
    IDLE_TOTAL_MAX, OPEN_PER_POOL_MAX, OPEN_TOTAL_MAX,
};
use crate::pool::{Link, Pool, PoolName, Pools};
use crate::upload::{Upload, UploadState};
use crate::{
    FetchError, OriginBody, OriginRequest, OriginResponse, OriginSpec, Protocol, Scheme, Timing,
    TlsRoots,
};

/// What a worker's client is made of.
pub struct ClientConfig {
    /// Where addresses come from.
    pub resolver: Rc<dyn Resolve>,
    /// Who may sign origins' certificates.
    pub tls_roots: TlsRoots,
    /// Bounds of the pools.
    pub pool_limits: PoolLimits,
}

/// Bounds of a worker's pools; the defaults are those of [`crate::limits`].
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct PoolLimits {
    /// Idle connections to one origin.
    pub idle_per_pool: usize,
    /// Idle connections altogether.
    pub idle_total: usize,
    /// Open connections to one origin.
    pub open_per_pool: usize,
    /// Open connections altogether.
    pub open_total: usize,
}

impl Default for PoolLimits {
    fn default() -> PoolLimits {
        PoolLimits {
            idle_per_pool: IDLE_PER_POOL_MAX,
            idle_total: IDLE_TOTAL_MAX,
            open_per_pool: OPEN_PER_POOL_MAX,
            open_total: OPEN_TOTAL_MAX,
        }
    }
}

/// Fetches from origins: one for each worker, cheap to clone. It lives on its worker's thread,
/// inside a [`tokio::task::LocalSet`], on which its connections run as tasks.
#[derive(Clone)]
pub struct Client {
    shared: Rc<Shared>,
}

/// What the clones of a client, and the bodies they gave out, have in common.
pub(crate) struct Shared {
    pub(crate) names: Names,
    pub(crate) pools: Pools,
    tls_roots: TlsRoots,
    /// Scratch for field names.
    pub(crate) name_buffer: RefCell<Vec<u8>>,
    is_sweeping: Cell<bool>,
}

impl Shared {
    /// Keeps a connection for later, and sees to it that idle ones are swept.
    pub(crate) fn keep(self: &Rc<Self>, pool: &Pool, link: Link, idle: Duration) {
        if self.pools.check_in(pool, link, Instant::now() + idle) {
            self.sweep_later();
        }
    }

    /// Sees to it that idle connections are swept.
    pub(crate) fn sweep_later(self: &Rc<Self>) {
        if !self.is_sweeping.replace(true) {
            let shared = Rc::downgrade(self);
            tokio::task::spawn_local(async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(IDLE_SWEEP_MS)).await;
                    let Some(shared) = shared.upgrade() else {
                        return;
                    };
                    if !shared.pools.sweep(Instant::now()) {
                        shared.is_sweeping.set(false);
                        return;
                    }
                }
            });
        }
    }
}

/// How many connections a client has.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct ConnectionCounts {
    /// Open, idle ones included.
    pub open: usize,
    /// Idle.
    pub idle: usize,
}

impl Client {
    /// A client without connections.
    pub fn new(config: ClientConfig) -> Client {
        let shared = Shared {
            names: Names::new(config.resolver),
            pools: Pools::new(config.pool_limits),
            tls_roots: config.tls_roots,
            name_buffer: RefCell::default(),
            is_sweeping: Cell::new(false),
        };
        Client {
            shared: Rc::new(shared),
        }
    }

    /// How many connections there are now.
    pub fn connections(&self) -> ConnectionCounts {
        let (open, idle) = self.shared.pools.counts();
        ConnectionCounts { open, idle }
    }

    /// Sends a request to an origin and waits for the head of its response.
    ///
    /// Retries (spec §7.2): connecting is tried `connection_attempts` times over; a GET or HEAD
    /// whose connection drops or stays silent before a response uses up attempts too. A pooled
    /// connection that proves closed is replaced at no cost, unless the origin may already have
    /// acted on the request. Dropping the future abandons the exchange and closes its connection
    /// (HTTP/2: resets its stream). A request that an HTTP/2 origin refused unseen is sent again.
    pub async fn fetch(
        &self,
        origin: &OriginSpec,
        request: OriginRequest,
    ) -> Result<OriginResponse, FetchError> {
        let pool = self.shared.pools.pool(
            PoolName {
                host: &origin.host,
                port: origin.port(request.scheme),
                scheme: request.scheme,
                sni: request.sni.as_deref(),
                family: origin.address_family,
                tls_minimum: origin.tls_minimum,
                protocol: request.protocol,
                identity: origin.client_identity.as_ref(),
            },
            &self.shared.tls_roots,
        )?;
        let started = Instant::now();
        if request.protocol == Protocol::Http2 {
            // In a box, so that it takes no room in the fetches of HTTP/1.1.
            let fetch = http2::fetch(&self.shared, pool, origin, request, started);
            return Box::pin(fetch).await;
        }
        let exchange = Exchange::new(&self.shared, pool, origin, request, started)?;
        match exchange.completion_deadline {
            None => exchange.run(started).await,
            Some(deadline) => match timeout_at(deadline, exchange.run(started)).await {
                Ok(result) => result,
                Err(_) => Err(FetchError::CompletionTimeout),
            },
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("connections", &self.connections())
            .finish()
    }
}

/// One request on its way, over as many connections as it takes.
struct Exchange<'a> {
    shared: &'a Rc<Shared>,
    pool: Rc<Pool>,
    origin: &'a OriginSpec,
    method: Method,
    http_method: http::Method,
    scheme: Scheme,
    uri: Uri,
    fields: Fields,
    framing: RequestFraming,
    /// The fields as hyper takes them, for the first connection; made anew for a further one.
    headers: Option<HeaderMap>,
    upload: Option<Rc<UploadState>>,
    wants_upgrade: bool,
    read_timeout: Duration,
    completion_deadline: Option<Instant>,
    timing: Timing,
}

/// Why a connection gave no response head.
struct SendFailure {
    error: FetchError,
    /// Whether no byte of the request was written.
    is_unsent: bool,
}

impl From<FetchError> for SendFailure {
    fn from(error: FetchError) -> SendFailure {
        SendFailure {
            error,
            is_unsent: false,
        }
    }
}

impl<'a> Exchange<'a> {
    fn new(
        shared: &'a Rc<Shared>,
        pool: Rc<Pool>,
        origin: &'a OriginSpec,
        request: OriginRequest,
        started: Instant,
    ) -> Result<Exchange<'a>, FetchError> {
        let framing = RequestFraming::of(request.method, &request.body);
        let invalid = FetchError::InvalidRequest;
        let completion = origin.response_completion_timeout_ms;
        Ok(Exchange {
            shared,
            pool,
            origin,
            method: request.method,
            http_method: head::method(request.method).ok_or(invalid)?,
            scheme: request.scheme,
            uri: head::uri(request.target).ok_or(invalid)?,
            headers: Some(head::request_headers(&request.fields, framing).ok_or(invalid)?),
            fields: request.fields,
            framing,
            upload: Upload::state_of(request.body),
            wants_upgrade: request.upgrade,
            read_timeout: Duration::from_millis(origin.read_timeout_ms.into()),
            completion_deadline: completion.map(|ms| started + Duration::from_millis(ms.into())),
            timing: Timing::default(),
        })
    }

    async fn run(mut self, started: Instant) -> Result<OriginResponse, FetchError> {
        let mut attempts_left = self.origin.connection_attempts.max(1);
        let mut may_reuse = !self.wants_upgrade;
        let mut now = started;
        loop {
            let pooled = if may_reuse {
                self.pooled(now).await
            } else {
                None
            };
            let is_reused = pooled.is_some();
            let (mut link, upgrade) = match pooled {
                Some(link) => (link, None),
                None => match self.open().await {
                    Ok((link, upgrade)) => {
                        now = Instant::now();
                        (link, Some(upgrade))
                    }
                    Err(error) if attempts_left > 1 && is_worth_another_attempt(error) => {
                        attempts_left -= 1;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            let request = self.request()?;
            let failure = match self.send(&mut link, request, now).await {
                Ok(response) => return self.finish(response, link, upgrade, now).await,
                Err(failure) => failure,
            };
            drop(link);
            if is_reused && failure.error == FetchError::Closed && self.is_replayable(&failure) {
                may_reuse = false; // Its neighbours in the pool are likely to be closed as well.
            } else if attempts_left > 1 && self.is_retryable(&failure) {
                may_reuse = false;
                attempts_left -= 1;
            } else {
                return Err(failure.error);
            }
        }
    }

    /// An idle connection, if there is one.
    async fn pooled(&self, now: Instant) -> Option<Link> {
        loop {
            let link = self.shared.pools.check_out(&self.pool, now)?;
            if self.method.is_safe() {
                return Some(link);
            }
            // What cannot be repeated is not sent to an origin that has already hung up: let the
            // runtime look at its sockets once more, so that the connection's task hears of it.
            tokio::task::yield_now().await;
            if link.sender.is_ready() && !link.sender.is_closed() {
                return Some(link);
            }
        }
    }

    async fn open(&mut self) -> Result<(Link, UpgradeReceiver), FetchError> {
        let timing = &mut self.timing;
        // In a box: a connection is opened once for many exchanges, and takes much room.
        Box::pin(connect::open(
            self.shared,
            &self.pool,
            self.origin,
            self.scheme,
            timing,
        ))
        .await
    }

    /// Whether a request that a closed connection swallowed may be sent again: the origin cannot
    /// have acted on it, or acting twice is acting once (RFC 9110 §9.2.2).
    fn is_replayable(&self, failure: &SendFailure) -> bool {
        match &self.upload {
            Some(upload) => upload.is_untouched(),
            None => failure.is_unsent || !matches!(self.method, Method::Post | Method::Patch),
        }
    }

    /// Whether another attempt may be spent on the request.
    fn is_retryable(&self, failure: &SendFailure) -> bool {
        let is_dropped = matches!(failure.error, FetchError::Closed | FetchError::ReadTimeout);
        let is_repeatable = matches!(self.method, Method::Get | Method::Head) || failure.is_unsent;
        is_dropped && is_repeatable && self.is_replayable(failure)
    }

    /// The request as hyper takes it.
    fn request(&mut self) -> Result<http::Request<Upload>, FetchError> {
        let again = || head::request_headers(&self.fields, self.framing);
        let headers = self
            .headers
            .take()
            .or_else(again)
            .ok_or(FetchError::InvalidRequest)?;
        let mut request = http::Request::new(Upload::next_turn(self.upload.as_ref()));
        *request.method_mut() = self.http_method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Sends the request over a connection and waits for the response head.
    async fn send(
        &self,
        link: &mut Link,
        mut request: http::Request<Upload>,
        now: Instant,
    ) -> Result<http::Response<Incoming>, SendFailure> {
        let upload = self.upload.as_ref();
        let continues = upload.map(|_| count_continues(&mut request));

        link.timer.arm(now + self.read_timeout);
        let timer = &mut link.timer;
        let mut response = pin!(link.sender.try_send_request(request));
        let result = poll_fn(|cx| {
            loop {
                if let Poll::Ready(result) = response.as_mut().poll(cx) {
                    return Poll::Ready(Ok(result));
                }
                if timer.poll_elapsed(cx).is_pending() {
                    return Poll::Pending;
                }
                match self.patience(Instant::now()) {
                    Ok(deadline) => timer.arm(deadline),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        })
        .await?;
        match result {
            Ok(_) if continues.is_some_and(|count| is_over_limit(&count)) => {
                Err(FetchError::InvalidResponse.into())
            }
            Ok(response) => Ok(response),
            Err(mut failure) => {
                let is_unsent = failure.take_message().is_some();
                let error = self.error_of(&failure.into_error());
                Err(SendFailure { error, is_unsent })
            }
        }
    }

    /// The next deadline when the read timeout has passed since the last one was set: an upload
    /// that moves, or that waits for the viewer, is no silence of the origin.
    fn patience(&self, now: Instant) -> Result<Instant, FetchError> {
        let Some(upload) = &self.upload else {
            return Err(FetchError::ReadTimeout);
        };
        if !upload.is_finished() && upload.is_waiting_for_viewer() {
            return Ok(now + self.read_timeout);
        }
        let deadline = upload.last_progress() + self.read_timeout;
        if now < deadline {
            return Ok(deadline);
        }
        let is_sent = upload.is_finished();
        Err(if is_sent {
            FetchError::ReadTimeout
        } else {
            FetchError::WriteTimeout
        })
    }

    fn error_of(&self, error: &hyper::Error) -> FetchError {
        tracing::debug!(origin = %self.origin.id, %error, "no response");
        match self.upload.as_ref().and_then(|upload| upload.failure()) {
            Some(failure) => FetchError::ViewerBody(failure),
            None if is_too_large(error) => FetchError::HeadTooBig,
            None if error.is_parse() => FetchError::InvalidResponse,
            None => FetchError::Closed,
        }
    }

    async fn finish(
        mut self,
        response: http::Response<Incoming>,
        link: Link,
        upgrade: Option<UpgradeReceiver>,
        sent: Instant,
    ) -> Result<OriginResponse, FetchError> {
        self.timing.first_byte_us = micros(sent.elapsed());
        let (parts, incoming) = response.into_parts();
        let (head, framing) = {
            let mut name_buffer = self.shared.name_buffer.borrow_mut();
            let body_length = incoming.size_hint().exact();
            head::response_head(&parts, self.method, body_length, &mut name_buffer)?
        };
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            let upgrade = upgrade.filter(|_| self.wants_upgrade);
            let upgrade = upgrade.ok_or(FetchError::InvalidResponse)?;
            let upgraded = upgrade
                .await
                .map_err(|_| FetchError::Closed)?
                .keep_seat(link.seat);
            let (body, timing) = (OriginBody::empty(), self.timing);
            return Ok(OriginResponse {
                head,
                body,
                timing,
                upgraded: Some(upgraded),
            });
        }
        let lease = Lease {
            idle: self.idle_after(framing, &parts.headers),
            link,
            pool: self.pool,
            shared: Rc::clone(self.shared),
            upload: self.upload,
            read_timeout: self.read_timeout,
            completion_deadline: self.completion_deadline,
            is_armed: false,
        };
        let body = OriginBody::new(incoming, framing, lease);
        Ok(OriginResponse {
            head,
            body,
            timing: self.timing,
            upgraded: None,
        })
    }

    /// How long the connection may be idle after this response, if at all.
    fn idle_after(&self, framing: ResponseFraming, headers: &HeaderMap) -> Option<Duration> {
        if matches!(
            framing,
            ResponseFraming::UntilClose | ResponseFraming::ChunkedAndLength
        ) || self.wants_upgrade
        {
            return None;
        }
        let ours = Duration::from_millis(self.origin.keepalive_timeout_ms.into());
        let margin = Duration::from_millis(ANNOUNCED_IDLE_MARGIN_MS);
        let theirs = head::announced_idle_secs(headers).map_or(ours, |secs| {
            Duration::from_secs(secs).saturating_sub(margin)
        });
        Some(ours.min(theirs)).filter(|idle| !idle.is_zero())
    }
}

/// hyper has a method for this, but only in builds with its server.
fn is_too_large(error: &hyper::Error) -> bool {
    error.is_parse() && error.to_string() == "message head is too large"
}

/// Counts the `100 Continue` answers to a request.
fn count_continues(request: &mut http::Request<Upload>) -> Arc<AtomicU32> {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    count
}

fn is_over_limit(continues: &AtomicU32) -> bool {
    continues.load(Ordering::Relaxed) > CONTINUE_RESPONSES_MAX
}
