use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Connection, ResponseFuture, SendRequest};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::client::Shared;
use crate::connect::{Connected, connected, micros};
use crate::limits::{
    CONNECTION_WINDOW_BYTES, FIELD_SECTION_BYTES_MAX, STREAM_SEND_BYTES_MAX, STREAM_WINDOW_BYTES,
    STREAMS_PER_CONNECTION_MAX,
};
use crate::pool::{Pool, Seat, TaskGuard};
use crate::transport::Transport;
use crate::{FetchError, OriginSpec, Scheme, Timing};

/// What h2 has for the streams that a peer allows until the peer has said so itself.
const UNSAID: usize = usize::MAX - 1;

/// The connections of a pool that carry many streams, and those that are being opened.
#[derive(Default)]
pub(crate) struct Links {
    /// In the order in which they were opened: the older fill up first, so that the younger may
    /// fall idle.
    links: RefCell<Vec<Rc<Link>>>,
    opening: Cell<usize>,
    waiting: Cell<usize>,
    /// How many streams the origin allowed on the connection opened last; 0 when never asked.
    streams_expected: Cell<usize>,
    /// Openings that failed, and why the last one did.
    failures: Cell<u64>,
    failure: Cell<Option<FetchError>>,
    /// An opening ended, well or not.
    opening_over: Notify,
}

impl Links {
    pub(crate) fn is_empty(&self) -> bool {
        self.links.borrow().is_empty()
    }

    /// A place on an open connection, if there is one other than `passed_over`.
    pub(super) fn lease(
        &self,
        shared: &Rc<Shared>,
        pool: &Rc<Pool>,
        origin: &OriginSpec,
        passed_over: Option<&Rc<Link>>,
    ) -> Option<Lease> {
        let mut links = self.links.borrow_mut();
        links.retain(|link| link.is_usable() || link.streams.get() > 0);
        let is_passed_over = |link: &Rc<Link>| passed_over.is_some_and(|it| Rc::ptr_eq(it, link));
        let link = links
            .iter()
            .find(|link| link.has_room() && !is_passed_over(link))?;
        Some(Lease::new(shared, pool, origin, Rc::clone(link)))
    }

    /// Whether the connections that are being opened are likely to have room for one more than
    /// already wait for them. Whoever opens one takes a place of it.
    pub(super) fn are_enough_opening(&self) -> bool {
        let streams = match self.streams_expected.get() {
            0 => STREAMS_PER_CONNECTION_MAX,
            streams => streams,
        };
        self.opening.get().saturating_mul(streams - 1) > self.waiting.get()
    }

    /// Waits until an opening is over; fails when it failed, so that those who wait for a dead
    /// origin do not try it one after the other.
    pub(super) async fn opened(&self) -> Result<(), FetchError> {
        let _waiting = Counted::new(&self.waiting);
        let failures = self.failures.get();
        self.opening_over.notified().await;
        match self.failure.get() {
            Some(failure) if failures != self.failures.get() => Err(failure),
            _ => Ok(()),
        }
    }

    fn idle(&self) -> usize {
        let links = self.links.borrow();
        let is_idle = |link: &&Rc<Link>| link.idle_until.get().is_some();
        links.iter().filter(is_idle).count()
    }

    fn remove(&self, link: &Rc<Link>) {
        self.links.borrow_mut().retain(|it| !Rc::ptr_eq(it, link));
    }

    /// Closes connections without streams that expired or broke; all of them if asked.
    pub(crate) fn close_idle(&self, now: Instant, all: bool) {
        self.links.borrow_mut().retain(|link| {
            let is_expired = link.idle_until.get().is_some_and(|at| all || now >= at);
            link.streams.get() > 0 || (link.is_usable() && !is_expired)
        });
    }
}

/// Counts for as long as it lives.
struct Counted<'a>(&'a Cell<usize>);

impl<'a> Counted<'a> {
    fn new(count: &'a Cell<usize>) -> Counted<'a> {
        count.set(count.get() + 1);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// An open connection. Dropping it ends its task at once and closes the socket.
pub(crate) struct Link {
    sender: SendRequest<Bytes>,
    status: Rc<Status>,
    /// Streams on it.
    streams: Cell<usize>,
    /// Whether it takes no further streams.
    is_retired: Cell<bool>,
    /// When it is closed if no stream comes; only while it has none.
    idle_until: Cell<Option<Instant>>,
    /// The worker's idle connections.
    idle_count: Rc<Cell<usize>>,
    _task: TaskGuard,
    _seat: Seat,
}

/// What the task of a connection tells.
#[derive(Default)]
struct Status {
    /// Streams that the origin allows; `None` until its first settings.
    streams_max: Cell<Option<usize>>,
    /// Why there is no connection any more.
    end: Cell<Option<FetchError>>,
    has_news: Notify,
}

impl Link {
    fn has_room(&self) -> bool {
        let streams_max = self.status.streams_max.get().unwrap_or(0);
        self.is_usable() && self.streams.get() < streams_max.min(STREAMS_PER_CONNECTION_MAX)
    }

    fn is_usable(&self) -> bool {
        !self.is_retired.get() && !self.is_closed()
    }

    /// Whether the connection is over.
    pub(super) fn is_closed(&self) -> bool {
        self.status.end.get().is_some()
    }

    /// Lets it end with the streams that it has.
    pub(super) fn retire(&self) {
        self.is_retired.set(true);
    }

    /// Opens a stream; fails when the origin is going away.
    pub(super) fn send_request(
        &self,
        request: http::Request<()>,
        is_whole: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.sender.clone().send_request(request, is_whole)
    }

    fn rest(&self, until: Instant) {
        if self.idle_until.replace(Some(until)).is_none() {
            self.idle_count.set(self.idle_count.get() + 1);
        }
    }

    fn wake(&self) -> bool {
        let was_idle = self.idle_until.take().is_some();
        if was_idle {
            self.idle_count.set(self.idle_count.get() - 1);
        }
        was_idle
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.wake();
    }
}

/// One stream's place on a connection.
pub(super) struct Lease {
    link: Rc<Link>,
    was_idle: bool,
    idle: Duration,
    pool: Rc<Pool>,
    shared: Rc<Shared>,
}

impl Lease {
    fn new(shared: &Rc<Shared>, pool: &Rc<Pool>, origin: &OriginSpec, link: Rc<Link>) -> Lease {
        link.streams.set(link.streams.get() + 1);
        Lease {
            was_idle: link.wake(),
            link,
            idle: Duration::from_millis(origin.keepalive_timeout_ms.into()),
            pool: Rc::clone(pool),
            shared: Rc::clone(shared),
        }
    }

    pub(super) fn link(&self) -> &Rc<Link> {
        &self.link
    }

    /// Whether the connection had no stream before.
    pub(super) fn was_idle(&self) -> bool {
        self.was_idle
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let link = &self.link;
        link.streams.set(link.streams.get() - 1);
        if link.streams.get() > 0 {
            return;
        }
        let idle_in_pool = self.pool.links.idle();
        if link.is_usable() && self.shared.pools.has_room_for_idle(idle_in_pool) {
            link.rest(Instant::now() + self.idle);
        } else {
            self.pool.links.remove(link);
        }
    }
}

/// Makes one attempt to open a connection, and takes a place on it. It is open once the origin has
/// sent its settings (RFC 9113 §3.4), a round trip at most behind the handshake: only then is it
/// known how many streams it takes, and that the origin speaks HTTP/2 at all.
pub(super) async fn open(
    shared: &Rc<Shared>,
    pool: &Rc<Pool>,
    origin: &OriginSpec,
    scheme: Scheme,
    timing: &mut Timing,
) -> Result<Lease, FetchError> {
    let opening = Opening::new(&pool.links);
    let result = try_open(shared, pool, origin, scheme, timing).await;
    let lease = result.map(|link| {
        let link = Rc::new(link);
        let streams_max = link.status.streams_max.get().unwrap_or(0);
        let streams_expected = streams_max.clamp(1, STREAMS_PER_CONNECTION_MAX);
        pool.links.streams_expected.set(streams_expected);
        pool.links.links.borrow_mut().push(Rc::clone(&link));
        shared.sweep_later();
        Lease::new(shared, pool, origin, link)
    });
    if let Err(error) = &lease {
        pool.links.failures.set(pool.links.failures.get() + 1);
        pool.links.failure.set(Some(*error));
    }
    drop(opening);
    lease
}

/// A connection that is being opened; wakes those who wait for it when it is over, or given up.
struct Opening<'a> {
    count: Option<Counted<'a>>,
    links: &'a Links,
}

impl<'a> Opening<'a> {
    fn new(links: &'a Links) -> Opening<'a> {
        Opening {
            count: Some(Counted::new(&links.opening)),
            links,
        }
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.count = None;
        self.links.opening_over.notify_waiters();
    }
}

async fn try_open(
    shared: &Rc<Shared>,
    pool: &Rc<Pool>,
    origin: &OriginSpec,
    scheme: Scheme,
    timing: &mut Timing,
) -> Result<Link, FetchError> {
    let Connected {
        transport,
        seat,
        connected_at,
        deadline,
    } = connected(shared, pool, origin, scheme, timing).await?;
    let handshake = async {
        let (sender, connection) = builder()
            .handshake::<_, Bytes>(transport)
            .await
            .map_err(|error| end_of(Some(error)))?;
        let status = Rc::new(Status::default());
        let task = tokio::task::spawn_local(drive(connection, Rc::clone(&status)));
        let task = TaskGuard(task.abort_handle());
        status.settled().await?;
        Ok((sender, status, task))
    };
    let result = timeout_at(deadline, handshake).await;
    timing.connect_us += micros(connected_at.elapsed());
    let (sender, status, task) = result.unwrap_or(Err(FetchError::ConnectTimeout))?;
    Ok(Link {
        sender,
        status,
        streams: Cell::new(0),
        is_retired: Cell::new(false),
        idle_until: Cell::new(None),
        idle_count: shared.pools.idle_count(),
        _task: task,
        _seat: seat,
    })
}

fn builder() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(UNSAID)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(FIELD_SECTION_BYTES_MAX)
        .max_send_buffer_size(STREAM_SEND_BYTES_MAX);
    builder
}

/// Drives a connection until it closes.
async fn drive(mut connection: Connection<Transport, Bytes>, status: Rc<Status>) {
    let result = poll_fn(|cx| {
        let result = Pin::new(&mut connection).poll(cx);
        let streams_max = connection.max_concurrent_send_streams();
        if streams_max != UNSAID && status.streams_max.replace(Some(streams_max)).is_none() {
            status.has_news.notify_waiters();
        }
        result
    })
    .await;
    if let Err(error) = &result {
        tracing::debug!(%error, "origin connection failed");
    }
    status.end.set(Some(end_of(result.err())));
    status.has_news.notify_waiters();
}

impl Status {
    /// Waits for the origin's settings.
    async fn settled(&self) -> Result<(), FetchError> {
        loop {
            if let Some(error) = self.end.get() {
                return Err(error);
            }
            if self.streams_max.get().is_some() {
                return Ok(());
            }
            self.has_news.notified().await;
        }
    }
}

/// What the end of a connection means to those who wait for its opening.
fn end_of(error: Option<h2::Error>) -> FetchError {
    let Some(error) = error else {
        return FetchError::Connect(io::ErrorKind::UnexpectedEof);
    };
    match error.get_io() {
        Some(error) => FetchError::Connect(error.kind()),
        // What it sent are no frames, or not those that a connection begins with.
        None if error.is_library() => FetchError::NoHttp2,
        None => FetchError::Connect(io::ErrorKind::ConnectionAborted),
    }
}
