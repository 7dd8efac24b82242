use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use message::http1::{
    Framing, LAST_CHUNK, Parsed, RequestError, parse_request, write_chunk_prefix,
};
use message::{RequestHead, Version};
use origin::RequestBody;
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::{Inbound, Upload};
use super::io::Io;
use super::tunnel::tunnel;
use super::write::{BodyEnd, body_end, write_head};
use crate::error_page::Cause;
use crate::front::{Accounted, Found, Front, Refused, Written};
use crate::pipeline::{self, Arrival};
use crate::reply::{Body, Reply};
use crate::stopping::Open;
use crate::stream::Stream;
use crate::watchdog::Watchdog;
use crate::{Timeouts, limits};

/// Serves one connection to its end.
pub(crate) async fn serve<S>(front: Front, stream: S, open: Open)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let timeouts = front.worker.shared.timeouts;
    let mut connection = Connection {
        front,
        io: Io::new(stream),
        inbound: Rc::new(RefCell::new(Inbound::new())),
        request: RequestHead::default(),
        watchdog: Watchdog::new(timeouts.keep_alive),
        timeouts,
        open,
        body_bytes_before: 0,
        has_broken_off: false,
    };
    while connection.next_request().await {}
    connection.say_goodbye().await;
}

struct Connection<S> {
    front: Front,
    io: Io<S>,
    inbound: Rc<RefCell<Inbound>>,
    request: RequestHead,
    watchdog: Watchdog,
    timeouts: Timeouts,
    open: Open,
    body_bytes_before: u64,
    /// A reply did not come to its end.
    has_broken_off: bool,
}

/// A request head that was read.
struct Head {
    head_bytes: usize,
    framing: Framing,
    keep_alive: bool,
}

/// Why no request came.
enum NoRequest {
    /// The viewer has closed, or is idle for too long, or the node stops.
    Closed,
    Refused(RequestError),
    /// The head did not come in time.
    TooSlow,
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Connection<S> {
    /// Reads, answers and logs one request. `false`: the connection is at its end.
    async fn next_request(&mut self) -> bool {
        let head = match self.read_head().await {
            Ok(head) => head,
            Err(NoRequest::Closed) => return false,
            Err(NoRequest::Refused(error)) => {
                self.reject(Refused::malformed(error)).await;
                return false;
            }
            Err(NoRequest::TooSlow) => {
                self.reject(Refused::TOO_SLOW).await;
                return false;
            }
        };
        let started = Instant::now();
        if head.framing == Framing::Empty
            && let Some(mut reply) = self.front.challenge(&self.request)
        {
            return self
                .write(&mut reply, started, head.keep_alive)
                .await
                .is_complete
                && head.keep_alive;
        }
        let Found { served, set_cookie } = match self.front.site(&self.request) {
            Ok(found) => found,
            Err(refused) => {
                self.reject(refused).await;
                return false;
            }
        };
        let arrival = Arrival {
            request: &self.request,
            viewer: &self.front.viewer,
            served: &served,
            id: self.front.worker.dice.request_id(),
            now_ms: self.front.worker.now_ms(),
            has_body: head.framing != Framing::Empty,
        };
        let (framing, io, inbound) = (head.framing, &self.io, &self.inbound);
        let read_timeout = self.timeouts.body_read;
        let mut reply = pipeline::answer(&self.front.worker, &arrival, || match framing {
            Framing::Empty => RequestBody::Empty,
            Framing::Length(_) | Framing::Chunked => RequestBody::Stream {
                length: match framing {
                    Framing::Length(length) => Some(length),
                    _ => None,
                },
                body: Box::new(Upload::new(io.clone(), Rc::clone(inbound), read_timeout)),
            },
        })
        .await;
        let (id, arrived_ms) = (arrival.id, arrival.now_ms);
        if let Some(cookie) = set_cookie {
            reply.fields.push(b"Set-Cookie", cookie.as_bytes());
        }
        let keeps_alive = head.keep_alive
            && !reply.close
            && !self.open.is_stopping()
            && (head.framing == Framing::Empty || self.is_body_over());
        let written = self.write(&mut reply, started, keeps_alive).await;
        let goes_on = written.is_complete
            && keeps_alive
            && reply.status != 101
            && body_end(&reply, self.request.method, self.request.version) != BodyEnd::Close;
        let bytes_received = self.bytes_received(head.head_bytes);
        self.front.account(&Accounted {
            request: &self.request,
            served: &served,
            reply: &reply,
            id,
            arrived_ms,
            bytes_received,
            written: &written,
        });
        self.front.worker.recycle(std::mem::take(&mut reply.fields));
        if !goes_on {
            self.inbound.borrow_mut().cut();
            let may_send_more =
                head.framing != Framing::Empty || !self.inbound.borrow().buffer.is_empty();
            if written.is_complete && reply.status != 101 && may_send_more {
                self.linger().await;
            }
        }
        goes_on
    }

    /// Whether the request's body has been taken whole, so that the next request follows. What
    /// nobody takes is dropped as far as it is there; an upload that the origin still takes goes
    /// on beside the reply, and the connection ends with both.
    fn is_body_over(&self) -> bool {
        let is_taken_by_upload = Rc::strong_count(&self.inbound) > 1;
        let mut inbound = self.inbound.borrow_mut();
        if !is_taken_by_upload {
            inbound.discard_body();
        }
        inbound.is_done()
    }

    /// Reads until a request head is complete.
    async fn read_head(&mut self) -> Result<Head, NoRequest> {
        let mut has_begun = false;
        self.watchdog.arm(self.timeouts.keep_alive);
        loop {
            if !self.inbound.borrow().buffer.is_empty() {
                match self.parse()? {
                    Some(head) => return Ok(head),
                    None if !has_begun => {
                        has_begun = true;
                        self.watchdog.arm(self.timeouts.head);
                    }
                    None => {}
                }
            }
            let (io, inbound, open) = (&self.io, &self.inbound, &self.open);
            let watchdog = &mut self.watchdog;
            let read = poll_fn(|cx| {
                if !has_begun && open.is_stopping() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                match io.poll_read(cx, &mut inbound.borrow_mut().buffer) {
                    Poll::Ready(result) => Poll::Ready(result),
                    Poll::Pending if watchdog.poll_expired(cx).is_ready() => {
                        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                    }
                    Poll::Pending => {
                        open.wait(cx);
                        Poll::Pending
                    }
                }
            })
            .await;
            match read {
                Ok(count) if count > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut && has_begun => {
                    return Err(NoRequest::TooSlow);
                }
                _ => return Err(NoRequest::Closed),
            }
        }
    }

    fn parse(&mut self) -> Result<Option<Head>, NoRequest> {
        let mut inbound = self.inbound.borrow_mut();
        match parse_request(&inbound.buffer, &mut self.request) {
            Ok(Parsed::Partial) => Ok(None),
            Ok(Parsed::Complete {
                head_bytes,
                framing,
                keep_alive,
                expects_continue,
            }) => {
                if head_bytes == inbound.buffer.len() {
                    inbound.buffer.clear();
                } else {
                    bytes::Buf::advance(&mut inbound.buffer, head_bytes);
                }
                inbound.begin(framing, expects_continue);
                Ok(Some(Head {
                    head_bytes,
                    framing,
                    keep_alive,
                }))
            }
            Err(error) => Err(NoRequest::Refused(error)),
        }
    }

    /// Writes a reply. A small one leaves in one piece.
    async fn write(&mut self, reply: &mut Reply, started: Instant, keeps_alive: bool) -> Written {
        let (method, version) = (self.request.method, self.request.version);
        let end = body_end(reply, method, version);
        let keeps_alive = keeps_alive && end != BodyEnd::Close;
        let mut out = self.front.worker.buffer();
        out.extend_from_slice(self.inbound.borrow_mut().take_interim());
        write_head(reply, end, keeps_alive, version, &mut out);
        let mut written = Written::nothing(started);
        let body = std::mem::replace(&mut reply.body, Body::Empty);
        let result = match body {
            Body::Tunnel(upgraded) => {
                let sent = self.send(&out, b"", &mut written).await;
                if sent.is_ok() {
                    let early = std::mem::take(&mut self.inbound.borrow_mut().buffer);
                    let (open, mut viewer) = (&self.open, self.io.clone());
                    let stop = |cx: &mut Context<'_>| match open.is_stopping() {
                        true => Poll::Ready(()),
                        false => {
                            open.wait(cx);
                            Poll::Pending
                        }
                    };
                    let moved = tunnel(&mut viewer, early, *upgraded, stop, &self.timeouts).await;
                    self.inbound.borrow_mut().body_bytes += moved.from_viewer;
                    written.bytes_sent += moved.to_viewer;
                }
                sent
            }
            _ if end == BodyEnd::NoBody => self.send(&out, b"", &mut written).await,
            Body::Empty => self.send(&out, b"", &mut written).await,
            Body::Inline(bytes) => self.send(&out, &bytes, &mut written).await,
            Body::Object {
                object,
                first,
                length,
            } => {
                let bytes = &object.body()[first..first + length];
                if length <= limits::COPY_BYTES_MAX {
                    out.extend_from_slice(bytes);
                    self.send(&out, b"", &mut written).await
                } else {
                    self.send(&out, bytes, &mut written).await
                }
            }
            Body::Stream(stream) => {
                let left = reply.length;
                self.write_stream(&mut out, stream, end, left, &mut written)
                    .await
            }
        };
        written.is_complete = result.is_ok();
        self.has_broken_off |= result.is_err();
        self.front.worker.recycle_buffer(out);
        written
    }

    /// Writes a body that comes in pieces, and never more or less of it than was announced: what
    /// a viewer took for the next reply would be another's bytes.
    async fn write_stream(
        &mut self,
        out: &mut Vec<u8>,
        mut stream: Box<Stream>,
        end: BodyEnd,
        mut left: Option<u64>,
        written: &mut Written,
    ) -> io::Result<()> {
        loop {
            let piece = {
                let mut next = std::pin::pin!(stream.next());
                match poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await {
                    Poll::Ready(piece) => piece,
                    // What is there leaves at once when nothing follows yet.
                    Poll::Pending => {
                        self.send(out, b"", written).await?;
                        out.clear();
                        next.await
                    }
                }
            };
            let bytes = match piece {
                None if left.is_none_or(|left| left == 0) => break,
                Some(Ok(bytes)) if left.is_none_or(|left| bytes.len() as u64 <= left) => bytes,
                _ => {
                    self.send(out, b"", written).await?;
                    written.lacks_body = true;
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            };
            left = left.map(|left| left - bytes.len() as u64);
            if end == BodyEnd::Chunked {
                write_chunk_prefix(bytes.len(), out);
            }
            if bytes.len() <= limits::COPY_BYTES_MAX {
                out.extend_from_slice(&bytes);
            } else {
                self.send(out, &bytes, written).await?;
                out.clear();
            }
            if end == BodyEnd::Chunked {
                out.extend_from_slice(b"\r\n");
            }
            if out.len() > limits::COPY_BYTES_MAX {
                self.send(out, b"", written).await?;
                out.clear();
            }
        }
        if end == BodyEnd::Chunked {
            out.extend_from_slice(LAST_CHUNK);
        }
        self.send(out, b"", written).await
    }

    async fn send(&mut self, first: &[u8], second: &[u8], written: &mut Written) -> io::Result<()> {
        let (watchdog, timeout) = (&mut self.watchdog, self.timeouts.write);
        let is_first = written.bytes_sent == 0;
        let sent = &mut written.bytes_sent;
        let result = self
            .io
            .write_both(first, second, watchdog, timeout, sent)
            .await;
        if is_first {
            written.first_byte = Instant::now();
        }
        result
    }

    /// Refuses what is no request for any site, and closes.
    async fn reject(&mut self, refused: Refused) {
        let mut reply = self.front.refuse(refused);
        if matches!(refused.cause, Cause::Malformed(_) | Cause::RequestTimeout) {
            // What the head says of method and version is not known, or not to be trusted.
            self.request = RequestHead::default();
            self.request.start(b"GET", b"/", Version::Http11);
        }
        let written = self.write(&mut reply, Instant::now(), false).await;
        if written.is_complete {
            self.linger().await;
        }
    }

    /// Tells a viewer over TLS that this was all (close_notify, RFC 8446 §6.1): a reply may end
    /// with its connection, and one that was cut off would look the same. Nobody waits for
    /// viewers who take nothing any more.
    async fn say_goodbye(&mut self) {
        if self.front.viewer.is_https() && !self.has_broken_off {
            poll_fn(|cx| {
                let _ = Pin::new(&mut self.io).poll_shutdown(cx);
                Poll::Ready(())
            })
            .await;
        }
    }

    async fn linger(&mut self) {
        self.io
            .linger(&mut self.watchdog, self.timeouts.linger)
            .await;
    }

    /// Bytes of this request: its head, and of bodies what no exchange was told of yet.
    fn bytes_received(&mut self, head_bytes: usize) -> u64 {
        let body_bytes = self.inbound.borrow().body_bytes;
        let bytes = head_bytes as u64 + body_bytes - self.body_bytes_before;
        self.body_bytes_before = body_bytes;
        bytes
    }
}
