use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::RequestResolver;
use message::Version;
use message::http1::RequestError;
use tokio::time::timeout;

use super::outbox::Outbox;
use super::quic::{Accepted, Connection, Inbox, number};
use super::stream::{Answer, Body};
use crate::front::{Front, Refused};
use crate::limits;
use crate::stopping::Open;
use crate::streams::{Begun, Streams, Unread};
use crate::watchdog::Watchdog;

/// Serves one connection to its end.
pub(super) async fn serve(front: Rc<Front>, quic: quinn::Connection, open: Open) {
    let timeouts = front.worker.shared.timeouts;
    let accepted = Accepted::default();
    let mut builder = h3::server::builder();
    builder
        .max_field_section_size(FIELDS_BYTES_MAX)
        .send_grease(false);
    let connection = Connection::new(quic.clone(), accepted.clone());
    let building = timeout(timeouts.head, builder.build::<_, Bytes>(connection));
    let Ok(Ok(mut http)) = building.await else {
        return;
    };
    let exchanges = Rc::new(Exchanges {
        streams: Streams::new(front),
        running: Cell::new(0),
        completed: Cell::new(0),
        given_up: Cell::new(0),
        last_end: Cell::new(None),
    });
    let mut idle = Idle {
        watchdog: Watchdog::new(timeouts.keep_alive),
        timeout: timeouts.keep_alive,
        was_busy: false,
    };
    let mut is_leaving = false;
    let end = loop {
        let next = poll_fn(|cx| {
            if open.is_stopping() && !is_leaving {
                return Poll::Ready(Next::Leave);
            }
            open.wait(cx);
            let next = match pin!(http.accept()).poll(cx) {
                Poll::Ready(Ok(Some(resolver))) => Next::Request(resolver),
                Poll::Ready(Ok(None)) => Next::End(End::Agreed),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "a connection of HTTP/3 has ended");
                    return Poll::Ready(Next::End(End::Lost));
                }
                Poll::Pending if exchanges.running.get() > 0 => {
                    idle.was_busy = true;
                    return Poll::Pending;
                }
                Poll::Pending if is_leaving => Next::End(End::Agreed),
                Poll::Pending => match idle.poll_expired(cx) {
                    Poll::Ready(()) => Next::Leave,
                    Poll::Pending => return Poll::Pending,
                },
            };
            Poll::Ready(next)
        });
        match next.await {
            Next::Request(resolver) => {
                let Some((outbox, inbox)) = accepted.take() else {
                    break End::Lost;
                };
                if is_leaving {
                    outbox.borrow_mut().reset(number(Code::H3_REQUEST_REJECTED));
                    continue;
                }
                if exchanges.is_abused() {
                    quic.close(number(Code::H3_EXCESSIVE_LOAD), b"too much is given up");
                    break End::Lost;
                }
                start(Rc::clone(&exchanges), resolver, outbox, inbox).await;
            }
            Next::Leave => {
                is_leaving = true;
                exchanges.streams.stop();
                // The first request that is not answered is the one after the last that has come.
                let told = timeout(timeouts.write, http.shutdown(1)).await;
                if !matches!(told, Ok(Ok(()))) {
                    break End::Lost;
                }
            }
            Next::End(end) => break end,
        }
    };
    if matches!(end, End::Agreed) {
        exchanges.settle(&quic, timeouts.linger).await;
    }
    // This closes the connection, without an error.
    drop(http);
    // quinn's task sends that; it is on this thread.
    tokio::task::yield_now().await;
}

/// What is told of a head's bound. It counts a field as 32 bytes more than it is (RFC 9114, section
/// 4.2.2), so no head that HTTP/1.1 would take is beyond it; `streams` has the same bound as that.
const FIELDS_BYTES_MAX: u64 = (message::limits::REQUEST_HEAD_BYTES_MAX
    + 32 * (message::limits::REQUEST_FIELDS_MAX + 5)) as u64;

const _: () = assert!(FIELDS_BYTES_MAX <= limits::HTTP3_FRAME_BYTES_MAX);

#[allow(
    clippy::large_enum_variant,
    reason = "a request is the usual one, and a box would be an allocation for each"
)]
enum Next {
    Request(RequestResolver<Connection, Bytes>),
    /// The worker stops, or nothing has been asked for too long.
    Leave,
    End(End),
}

/// How a connection has ended.
enum End {
    /// All exchanges are over, and no more come.
    Agreed,
    Lost,
}

/// How long nothing has been asked.
struct Idle {
    watchdog: Watchdog,
    timeout: Duration,
    was_busy: bool,
}

impl Idle {
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.was_busy) {
            self.watchdog.arm(self.timeout);
        }
        self.watchdog.poll_expired(cx)
    }
}

/// The exchanges of a connection.
struct Exchanges {
    streams: Streams,
    running: Cell<usize>,
    completed: Cell<u64>,
    /// Those that the viewer gave up.
    given_up: Cell<u64>,
    last_end: Cell<Option<Instant>>,
}

/// Lets an exchange run: at once as far as it comes without waiting, and then as a task.
async fn start(
    exchanges: Rc<Exchanges>,
    resolver: RequestResolver<Connection, Bytes>,
    outbox: Rc<RefCell<Outbox>>,
    inbox: Rc<Inbox>,
) {
    exchanges.running.set(exchanges.running.get() + 1);
    let mut exchange = Box::pin(exchanges.run(resolver, outbox, inbox));
    let first = poll_fn(|cx| Poll::Ready(exchange.as_mut().poll(cx)));
    if first.await.is_pending() {
        tokio::task::spawn_local(exchange);
    }
}

impl Exchanges {
    /// Whether the viewer gives up so much that it seems to be its purpose: what was asked for
    /// costs us more than it costs to ask.
    fn is_abused(&self) -> bool {
        self.given_up.get() > limits::HTTP3_GIVEN_UP_MAX + self.completed.get()
    }

    async fn run(
        self: Rc<Self>,
        resolver: RequestResolver<Connection, Bytes>,
        outbox: Rc<RefCell<Outbox>>,
        inbox: Rc<Inbox>,
    ) {
        let is_given_up = self.exchange(resolver, &outbox, inbox).await;
        let count = match is_given_up {
            true => &self.given_up,
            false => &self.completed,
        };
        count.set(count.get() + 1);
        self.last_end.set(Some(Instant::now()));
        self.running.set(self.running.get() - 1);
    }

    /// Answers one request. Whether the viewer gave it up.
    async fn exchange(
        &self,
        resolver: RequestResolver<Connection, Bytes>,
        outbox: &Rc<RefCell<Outbox>>,
        inbox: Rc<Inbox>,
    ) -> bool {
        let read = timeout(self.streams.timeouts.head, resolver.resolve_request()).await;
        let (request, stream) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return self.refuse(&error, outbox).await,
            Err(_) => {
                outbox
                    .borrow_mut()
                    .reset(number(Code::H3_REQUEST_INCOMPLETE));
                return true;
            }
        };
        let (parts, ()) = request.into_parts();
        let (send, recv) = stream.split();
        let mut body = Begun::new(Body::new(recv, inbox));
        let mut answer = Answer::new(send, Rc::clone(outbox));
        let has_body = body.has_body(&parts, self.streams.timeouts.head);
        let has_ended = match has_body.await {
            Ok(has_body) => !has_body,
            Err(Unread) => return true,
        };
        let served = self
            .streams
            .serve(&parts, None, Version::Http3, has_ended, body, &mut answer);
        served.await;
        if outbox.borrow().taken > limits::HTTP3_UNACKNOWLEDGED_BYTES {
            // The end of the connection would cut off what is on its way.
            let done = poll_fn(|cx| outbox.borrow_mut().poll_done(cx));
            let _ = timeout(self.streams.timeouts.write, done).await;
        }
        answer.is_given_up
    }

    /// Counts what h3 has refused, and sends what it has answered. Whether the viewer gave it up.
    async fn refuse(&self, error: &StreamError, outbox: &Rc<RefCell<Outbox>>) -> bool {
        tracing::debug!(%error, "a request of HTTP/3 cannot be read");
        let cause = match error {
            StreamError::HeaderTooBig { .. } => RequestError::HeadTooLarge,
            StreamError::StreamError { .. } => RequestError::Malformed,
            StreamError::RemoteTerminate { .. } => return true,
            _ => return false,
        };
        self.streams.front.refuse(Refused::malformed(cause));
        let finished = poll_fn(|cx| outbox.borrow_mut().poll_finish(cx));
        let _ = timeout(self.streams.timeouts.write, finished).await;
        false
    }

    /// Small replies may still be on their way when the last exchange is over: the viewer, who has
    /// been told that no more are taken, has a moment to close the connection itself.
    async fn settle(&self, quic: &quinn::Connection, moment: Duration) {
        let since = self.last_end.get().map_or(moment, |end| end.elapsed());
        if let Some(left) = moment.checked_sub(since) {
            let _ = timeout(left, quic.closed()).await;
        }
    }
}
