use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use message::Version;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

use super::stream::{Receiving, Sending};
use super::watched::{Watched, WayOut};
use crate::front::Front;
use crate::http1::Io;
use crate::limits;
use crate::stopping::Open;
use crate::streams::{Begun, Streams, Unread, is_plain};
use crate::watchdog::Watchdog;

/// Serves one connection to its end.
pub(crate) async fn serve<S>(front: Rc<Front>, stream: S, open: Open)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let streams = Streams::new(front);
    let timeouts = streams.timeouts;
    let io = Io::new(stream);
    let worker = Rc::clone(&streams.front.worker);
    let (stream, way_out) = Watched::new(io.clone(), worker);
    let mut idle = Watchdog::new(streams.timeouts.head);
    let handshake = {
        let mut handshake = pin!(bounds().handshake(stream));
        poll_fn(|cx| {
            if open.is_stopping() {
                return Poll::Ready(None);
            }
            open.wait(cx);
            let shaken = handshake.as_mut().poll(cx);
            let flushed = way_out.poll_flush(cx, &mut io.clone());
            match (shaken, flushed) {
                (_, Poll::Ready(Err(_))) => Poll::Ready(None),
                (Poll::Ready(result), _) => Poll::Ready(result.ok()),
                (Poll::Pending, _) => idle.poll_expired(cx).map(|()| None),
            }
        })
        .await
    };
    let Some(h2) = handshake else { return };
    idle.arm(streams.timeouts.keep_alive);
    let mut serving = Serving {
        h2,
        io: io.clone(),
        way_out,
        taken_before: 0,
        stalled: None,
        idle,
        open,
        book: Rc::new(Book {
            streams,
            running: Cell::new(0),
            completed: Cell::new(0),
            cancelled: Cell::new(0),
            over: Notify::new(),
        }),
        is_ending: false,
        is_broken_off: false,
    };
    let mut requests = Vec::new();
    let end = loop {
        match serving.gather(&mut requests).await {
            Some(end) => break end,
            None => requests
                .drain(..)
                .for_each(|(request, respond)| serving.start(request, respond)),
        }
    };
    let mut idle = serving.settle().await;
    if end == End::InOrder {
        io.linger(&mut idle, timeouts.linger).await;
    }
}

/// What a viewer may do. `h2` itself bounds what CONTINUATION frames and empty or small DATA frames
/// cost, and how far a header block may grow when it is decoded.
fn bounds() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits::HTTP2_STREAMS_MAX)
        .max_header_list_size(limits::HTTP2_HEADER_LIST_BYTES_MAX)
        .header_table_size(limits::HTTP2_HEADER_TABLE_BYTES)
        .initial_window_size(limits::HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::HTTP2_WINDOW_BYTES)
        .max_send_buffer_size(limits::HTTP2_STREAM_SEND_BYTES_MAX)
        .max_concurrent_reset_streams(limits::HTTP2_RESET_STREAMS_KEPT)
        .max_pending_accept_reset_streams(limits::HTTP2_RESETS_PENDING_MAX)
        .max_local_error_reset_streams(Some(limits::HTTP2_ERROR_RESETS_MAX))
        .enable_connect_protocol();
    builder
}

type Arrived = (Request<RecvStream>, SendResponse<Bytes>);

/// What the exchanges of a connection tell it.
struct Book {
    streams: Streams,
    /// Exchanges that wait for something.
    running: Cell<usize>,
    /// Exchanges that came to their end.
    completed: Cell<u64>,
    /// Exchanges that the viewer broke off.
    cancelled: Cell<u64>,
    over: Notify,
}

impl Book {
    /// Whether the viewer breaks off so much that it seems to be its purpose: what was asked for
    /// costs us more than it costs to ask (CVE-2023-44487).
    fn is_abused(&self) -> bool {
        self.cancelled.get() > limits::HTTP2_CANCELLED_MAX + self.completed.get()
    }

    fn note(&self, is_complete: bool) {
        let count = match is_complete {
            true => &self.completed,
            false => &self.cancelled,
        };
        count.set(count.get() + 1);
    }
}

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The last that the viewer is to hear is on its way.
    InOrder,
    /// The viewer takes nothing, or does not agree to the end.
    Abandoned,
}

struct Serving<S> {
    h2: Connection<Watched<S>, Bytes>,
    io: Io<S>,
    way_out: Rc<WayOut>,
    /// What the way out had taken when it was looked at.
    taken_before: u64,
    /// How long a viewer may take nothing; once it did.
    stalled: Option<Watchdog>,
    idle: Watchdog,
    open: Open,
    book: Rc<Book>,
    /// The viewer was told that no more streams are taken.
    is_ending: bool,
    is_broken_off: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Serving<S> {
    /// Waits for requests, and takes all that have come: what they are answered with leaves
    /// together. Or gives the connection's end.
    async fn gather(&mut self, requests: &mut Vec<Arrived>) -> Option<End> {
        poll_fn(|cx| {
            loop {
                match self.h2.poll_accept(cx) {
                    Poll::Ready(Some(Ok(request))) => requests.push(request),
                    Poll::Ready(Some(Err(error))) => {
                        tracing::debug!(%error, "an HTTP/2 connection broke off");
                        return Poll::Ready(Some(End::InOrder));
                    }
                    Poll::Ready(None) => return Poll::Ready(Some(End::InOrder)),
                    Poll::Pending if !requests.is_empty() => {
                        self.idle.arm(self.book.streams.timeouts.keep_alive);
                        return Poll::Ready(None);
                    }
                    // What is to be told to the viewer leaves by polling again.
                    Poll::Pending => match self.poll_out(cx) {
                        Poll::Ready(End::InOrder) => {}
                        Poll::Ready(End::Abandoned) => {
                            return Poll::Ready(Some(End::Abandoned));
                        }
                        Poll::Pending => return Poll::Pending,
                    },
                }
            }
        })
        .await
    }

    /// Writes what has come together, and looks whether the connection is to end.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        match self.way_out.poll_flush(cx, &mut self.io) {
            Poll::Ready(Err(_)) => Poll::Ready(End::Abandoned),
            _ => self.poll_end(cx),
        }
    }

    /// Ready when the connection is to end: in good order, which begins by polling it again, or at
    /// once.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let timeouts = self.book.streams.timeouts;
        if self.is_stalled(cx) {
            return Poll::Ready(End::Abandoned);
        }
        if self.book.is_abused() && !self.is_broken_off {
            self.is_broken_off = true;
            self.h2.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            return Poll::Ready(End::InOrder);
        }
        if !self.is_ending && self.open.is_stopping() {
            self.book.streams.stop();
            self.end();
            return Poll::Ready(End::InOrder);
        }
        self.open.wait(cx);
        while self.idle.poll_expired(cx).is_ready() {
            let is_idle = self.book.running.get() == 0 && !self.h2.has_streams();
            match (is_idle, self.is_ending) {
                (true, false) => {
                    self.end();
                    return Poll::Ready(End::InOrder);
                }
                (true, true) => return Poll::Ready(End::Abandoned),
                (false, false) => self.idle.arm(timeouts.keep_alive),
                (false, true) => self.idle.arm(timeouts.linger),
            }
        }
        Poll::Pending
    }

    /// Takes no more streams, and gives the viewer a moment to agree once the others are over.
    fn end(&mut self) {
        self.is_ending = true;
        self.h2.graceful_shutdown();
        self.idle.arm(self.book.streams.timeouts.linger);
    }

    /// Whether something has waited for too long without the viewer taking one byte.
    fn is_stalled(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.way_out.is_blocked.get() {
            return false;
        }
        let timeout = self.book.streams.timeouts.write;
        let taken = self.way_out.taken.get();
        let stalled = self.stalled.get_or_insert_with(|| Watchdog::new(timeout));
        if taken != std::mem::replace(&mut self.taken_before, taken) {
            stalled.arm(timeout);
        }
        stalled.poll_expired(cx).is_ready()
    }

    /// Answers a request: at once if it can be, else beside the others.
    fn start(&self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let book = Rc::clone(&self.book);
        let mut exchange = Box::pin(async move {
            let (parts, body) = request.into_parts();
            let mut has_ended = body.is_end_stream();
            let mut incoming = Begun::new(Receiving(body));
            if !has_ended && is_plain(&parts) {
                // In a box, so that the usual request has no room for it.
                let has_body = incoming.has_body(&parts, book.streams.timeouts.head);
                match Box::pin(has_body).await {
                    Ok(has_body) => has_ended = !has_body,
                    Err(Unread) => return book.note(false),
                }
            }
            let mut outgoing = Sending::new(respond);
            let protocol = parts.extensions.get::<h2::ext::Protocol>();
            let is_complete = book
                .streams
                .serve(
                    &parts,
                    protocol.map(h2::ext::Protocol::as_str),
                    Version::Http2,
                    has_ended,
                    incoming,
                    &mut outgoing,
                )
                .await;
            book.note(is_complete);
        });
        let mut cx = Context::from_waker(Waker::noop());
        if exchange.as_mut().poll(&mut cx).is_ready() {
            return;
        }
        let running = Running::new(&self.book);
        tokio::task::spawn_local(async move {
            exchange.await;
            drop(running);
        });
    }

    /// The connection is gone; its exchanges notice, and have a moment to be accounted for.
    async fn settle(self) -> Watchdog {
        let book = Rc::clone(&self.book);
        let timeout = book.streams.timeouts.linger;
        drop(self.h2);
        let all_over = async {
            while book.running.get() > 0 {
                book.over.notified().await;
            }
        };
        if book.running.get() > 0 {
            let _ = tokio::time::timeout(timeout, all_over).await;
        }
        self.idle
    }
}

/// An exchange that waits for something.
struct Running(Rc<Book>);

impl Running {
    fn new(book: &Rc<Book>) -> Running {
        book.running.set(book.running.get() + 1);
        Running(Rc::clone(book))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
        self.0.over.notify_one();
    }
}
