//! HTTP/2 to origins: many exchanges on one connection (RFC 9113), for gRPC.
//!
//! [`fetch`] runs one exchange: a stream of a [`Link`] of its pool, the request's body pushed by
//! an [`Upload`], the response's body pulled through a [`Download`]. The head of the response may
//! come before the request's body ends; then the upload goes on as a task beside the download.

mod download;
mod head;
mod link;
mod upload;

use std::cell::RefMut;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use message::{Fields, Method};
use tokio::time::{Instant, timeout, timeout_at};

pub(crate) use self::download::Download;
pub(crate) use self::link::Links;
use self::link::{Lease, Link};
use self::upload::{Replay, Upload};
use crate::client::Shared;
use crate::connect::{is_worth_another_attempt, micros};
use crate::head::RequestFraming;
use crate::limits::{REPLAYS_MAX, RESOLVE_TIMEOUT_MS};
use crate::pool::Pool;
use crate::timer::LazyTimer;
use crate::{FetchError, OriginBody, OriginRequest, OriginResponse, OriginSpec, Scheme, Timing};

/// Sends a request and waits for the head of its response, as [`crate::Client::fetch`] says.
pub(crate) async fn fetch(
    shared: &Rc<Shared>,
    pool: Rc<Pool>,
    origin: &OriginSpec,
    request: OriginRequest,
    started: Instant,
) -> Result<OriginResponse, FetchError> {
    let exchange = Exchange::new(shared, pool, origin, request, started)?;
    match exchange.completion_deadline {
        None => exchange.run().await,
        Some(deadline) => match timeout_at(deadline, exchange.run()).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::CompletionTimeout),
        },
    }
}

/// One request on its way, over as many streams as it takes.
struct Exchange<'a> {
    shared: &'a Rc<Shared>,
    pool: Rc<Pool>,
    origin: &'a OriginSpec,
    method: Method,
    scheme: Scheme,
    target: http::Uri,
    fields: Fields,
    framing: RequestFraming,
    /// The request as h2 takes it, for the first stream; made anew for a further one.
    request: Option<http::Request<()>>,
    body: Option<Rc<Replay>>,
    read_timeout: Duration,
    completion_deadline: Option<Instant>,
    timing: Timing,
}

/// Why a stream gave no response head.
struct SendFailure {
    error: FetchError,
    /// Whether the origin did not, and will not, look at the request.
    is_unseen: bool,
}

impl From<FetchError> for SendFailure {
    fn from(error: FetchError) -> SendFailure {
        SendFailure {
            error,
            is_unseen: false,
        }
    }
}

/// A stream whose response head has come.
struct Answered {
    response: http::Response<RecvStream>,
    lease: Lease,
    upload: Option<Upload>,
    timer: LazyTimer,
}

impl<'a> Exchange<'a> {
    fn new(
        shared: &'a Rc<Shared>,
        pool: Rc<Pool>,
        origin: &'a OriginSpec,
        request: OriginRequest,
        started: Instant,
    ) -> Result<Exchange<'a>, FetchError> {
        let completion = origin.response_completion_timeout_ms;
        let mut exchange = Exchange {
            shared,
            pool,
            origin,
            method: request.method,
            scheme: request.scheme,
            target: crate::head::uri(request.target).ok_or(FetchError::InvalidRequest)?,
            framing: RequestFraming::of(request.method, &request.body),
            fields: request.fields,
            request: None,
            body: Replay::new(request.body),
            read_timeout: Duration::from_millis(origin.read_timeout_ms.into()),
            completion_deadline: completion.map(|ms| started + Duration::from_millis(ms.into())),
            timing: Timing::default(),
        };
        exchange.request = Some(exchange.request()?);
        Ok(exchange)
    }

    async fn run(mut self) -> Result<OriginResponse, FetchError> {
        let mut attempts_left = self.origin.connection_attempts.max(1);
        let mut replays_left = REPLAYS_MAX;
        let mut passed_over = None;
        loop {
            let lease = match self.lease(passed_over.as_ref()).await {
                Ok(lease) => lease,
                Err(error) if attempts_left > 1 && is_worth_another_attempt(error) => {
                    attempts_left -= 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let request = match self.request.take() {
                Some(request) => request,
                None => self.request()?,
            };
            let link = Rc::clone(lease.link());
            let sent = Instant::now();
            let failure = match self.send(lease, request, sent).await {
                Ok(answered) => return self.finish(answered, sent),
                Err(failure) => failure,
            };
            if replays_left > 0 && self.is_replayable(&failure) {
                replays_left -= 1;
            } else if attempts_left > 1 && self.is_retryable(&failure) {
                attempts_left -= 1;
            } else {
                return Err(failure.error);
            }
            passed_over = Some(link);
        }
    }

    /// A stream's place on a connection: on one that is open, on one that is being opened, or on
    /// a new one.
    async fn lease(&mut self, passed_over: Option<&Rc<Link>>) -> Result<Lease, FetchError> {
        let pool = Rc::clone(&self.pool);
        let mut is_first_look = true;
        loop {
            let lease = pool
                .links
                .lease(self.shared, &pool, self.origin, passed_over);
            if let Some(lease) = lease {
                if !is_first_look || self.method.is_safe() || !lease.was_idle() {
                    return Ok(lease);
                }
                // What cannot be repeated is not sent to an origin that has already hung up: let
                // the runtime look at its sockets once more, so that the connection hears of it.
                is_first_look = false;
                drop(lease);
                tokio::task::yield_now().await;
                continue;
            }
            if !pool.links.are_enough_opening() {
                return link::open(
                    self.shared,
                    &pool,
                    self.origin,
                    self.scheme,
                    &mut self.timing,
                )
                .await;
            }
            let started = Instant::now();
            // Whoever opens it is bound by as much.
            let bound = u64::from(self.origin.connection_timeout_ms) + RESOLVE_TIMEOUT_MS;
            let waited = timeout(Duration::from_millis(bound), pool.links.opened()).await;
            self.timing.connect_us += micros(started.elapsed());
            waited.unwrap_or(Err(FetchError::ConnectTimeout))?;
        }
    }

    /// Whether the request may go out once more at no cost: the origin has not looked at it, or
    /// the connection broke and acting twice is acting once (RFC 9110 §9.2.2).
    fn is_replayable(&self, failure: &SendFailure) -> bool {
        let is_repeatable = !matches!(self.method, Method::Post | Method::Patch);
        self.has_whole_body()
            && (failure.is_unseen || (is_repeatable && failure.error == FetchError::Closed))
    }

    /// Whether another attempt may be spent on the request.
    fn is_retryable(&self, failure: &SendFailure) -> bool {
        matches!(self.method, Method::Get | Method::Head)
            && failure.error == FetchError::ReadTimeout
            && self.has_whole_body()
    }

    fn has_whole_body(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_whole())
    }

    fn request(&self) -> Result<http::Request<()>, FetchError> {
        head::request(head::Request {
            method: self.method,
            scheme: self.scheme,
            target: &self.target,
            fields: &self.fields,
            framing: self.framing,
            origin: self.origin,
        })
        .ok_or(FetchError::InvalidRequest)
    }

    /// Opens a stream with the request and waits for the response head.
    async fn send(
        &self,
        lease: Lease,
        request: http::Request<()>,
        now: Instant,
    ) -> Result<Answered, SendFailure> {
        let (mut response, stream) = lease
            .link()
            .send_request(request, self.body.is_none())
            .map_err(|error| {
                tracing::debug!(%error, "no stream");
                lease.link().retire();
                SendFailure {
                    error: FetchError::Closed,
                    is_unseen: true,
                }
            })?;
        let mut upload = self
            .body
            .as_ref()
            .map(|body| Upload::new(Rc::clone(body), stream));
        let mut timer = LazyTimer::new(now + self.read_timeout);
        let result = self.head_of(&mut response, &mut upload, &mut timer).await;
        match result {
            Ok(Ok(response)) => Ok(Answered {
                response,
                lease,
                upload,
                timer,
            }),
            Ok(Err(error)) => Err(self.failure_of(&error, lease.link())),
            Err(error) => {
                if error.is_timeout() {
                    // Nothing says whether the stream or the connection is stuck.
                    lease.link().retire();
                }
                Err(error.into())
            }
        }
    }

    /// Drives the upload until the response head is there; the outer error is ours.
    async fn head_of(
        &self,
        response: &mut ResponseFuture,
        upload: &mut Option<Upload>,
        timer: &mut LazyTimer,
    ) -> Result<Result<http::Response<RecvStream>, h2::Error>, FetchError> {
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(result) = Pin::new(&mut *response).poll(cx) {
                    return Poll::Ready(Ok(result));
                }
                if let Some(upload) = upload {
                    let _ = upload.poll(cx); // It says itself how it ended.
                    if let Some(failure) = upload.failure() {
                        return Poll::Ready(Err(failure.into()));
                    }
                }
                if timer.poll_elapsed(cx).is_pending() {
                    return Poll::Pending;
                }
                match self.patience(upload.as_ref(), Instant::now()) {
                    Ok(deadline) => timer.arm(deadline),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        })
        .await
    }

    /// The next deadline when the read timeout has passed since the last one was set: an upload
    /// that moves, or that waits for the viewer, is no silence of the origin.
    fn patience(&self, upload: Option<&Upload>, now: Instant) -> Result<Instant, FetchError> {
        let Some(upload) = upload else {
            return Err(FetchError::ReadTimeout);
        };
        if upload.is_waiting_for_viewer() {
            return Ok(now + self.read_timeout);
        }
        let deadline = upload.last_progress() + self.read_timeout;
        if now < deadline {
            return Ok(deadline);
        }
        Err(if upload.has_unsent_bytes() {
            FetchError::WriteTimeout
        } else {
            FetchError::ReadTimeout
        })
    }

    fn failure_of(&self, error: &h2::Error, link: &Link) -> SendFailure {
        tracing::debug!(origin = %self.origin.id, %error, "no response");
        let is_refused = error.is_remote()
            && ((error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
                // When a connection that goes away breaks, the streams that the origin still
                // meant to answer end with the same error: then nothing is known.
                || (error.is_go_away() && !link.is_closed()));
        SendFailure {
            error: match stream_error(error) {
                StreamError::Closed => FetchError::Closed,
                StreamError::Reset(code) => FetchError::Reset(code),
                StreamError::Invalid => FetchError::InvalidResponse,
            },
            is_unseen: is_refused,
        }
    }

    fn finish(mut self, answered: Answered, sent: Instant) -> Result<OriginResponse, FetchError> {
        self.timing.first_byte_us = micros(sent.elapsed());
        if let Some(body) = &self.body {
            body.forget();
        }
        let (parts, stream) = answered.response.into_parts();
        let (head, length) = {
            let name_buffer: RefMut<'_, Vec<u8>> = self.shared.name_buffer.borrow_mut();
            head::response(&parts, self.method, name_buffer)?
        };
        let length = length.or_else(|| stream.is_end_stream().then_some(0));
        let download = Download::new(
            stream,
            answered.lease,
            answered.upload,
            answered.timer,
            download::Terms {
                read_timeout: self.read_timeout,
                completion_deadline: self.completion_deadline,
            },
        );
        Ok(OriginResponse {
            head,
            body: OriginBody::of_stream(download, length),
            timing: self.timing,
            upgraded: None,
        })
    }
}

/// What an error of h2 says about the origin.
enum StreamError {
    /// The connection broke, or went away.
    Closed,
    /// The origin gave the stream up, with that code of RFC 9113 §7.
    Reset(u32),
    /// The origin broke a rule.
    Invalid,
}

fn stream_error(error: &h2::Error) -> StreamError {
    match error.reason() {
        Some(reason) if error.is_remote() && error.is_reset() => StreamError::Reset(reason.into()),
        Some(_) if error.is_library() => StreamError::Invalid,
        _ => StreamError::Closed,
    }
}
