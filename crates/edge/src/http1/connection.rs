use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use message::http1::{
    Framing, LAST_CHUNK, Parsed, RequestError, parse_request, write_chunk_prefix,
};
use message::{Fields, Known, Method, RequestHead, Version};
use origin::RequestBody;
use telemetry::access_log::{DetailedResult, HttpVersion, Protocol, Record, ResultType};
use telemetry::metrics::RejectReason;
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::{Inbound, Upload};
use super::io::{Io, Watchdog};
use super::tunnel::tunnel;
use super::write::{BodyEnd, body_end, write_head};
use crate::directory::{Directory, Served};
use crate::error_page::Cause;
use crate::pipeline::{self, Arrival};
use crate::reply::{Body, Reply};
use crate::server::Open;
use crate::stream::Stream;
use crate::worker::Worker;
use crate::{RequestId, Timeouts, Viewer, limits};

/// Serves one connection to its end.
pub(crate) async fn serve<S>(worker: Rc<Worker>, stream: S, peer: SocketAddr, open: Open)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut viewer = Viewer::new(peer);
    let geo = worker.shared.geo.as_ref();
    viewer.location = geo
        .and_then(|geo| geo.lookup(viewer.ip()))
        .cloned()
        .map(Arc::new);
    let timeouts = worker.shared.timeouts;
    let mut connection = Connection {
        directory: arc_swap::Cache::new(Arc::clone(&worker.shared.directory)),
        worker,
        viewer,
        io: Io::new(stream),
        inbound: Rc::new(RefCell::new(Inbound::new())),
        request: RequestHead::default(),
        watchdog: Watchdog::new(timeouts.keep_alive),
        timeouts,
        last: None,
        open,
        body_bytes_before: 0,
    };
    while connection.next_request().await {}
}

type Swapped = Arc<arc_swap::ArcSwap<Directory>>;

struct Connection<S> {
    worker: Rc<Worker>,
    viewer: Viewer,
    io: Io<S>,
    inbound: Rc<RefCell<Inbound>>,
    request: RequestHead,
    watchdog: Watchdog,
    timeouts: Timeouts,
    directory: arc_swap::Cache<Swapped, Arc<Directory>>,
    /// The directory, host and site of the request before: mostly the next one's too.
    last: Option<(Arc<Directory>, Vec<u8>, Arc<Served>)>,
    open: Open,
    body_bytes_before: u64,
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

/// What is told of a reply once it is written.
struct Written {
    started: Instant,
    /// When the first bytes were handed to the network.
    first_byte: Instant,
    bytes_sent: u64,
    is_complete: bool,
    /// It is not complete because the rest of the body never came.
    lacks_body: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Connection<S> {
    /// Reads, answers and logs one request. `false`: the connection is at its end.
    async fn next_request(&mut self) -> bool {
        let head = match self.read_head().await {
            Ok(head) => head,
            Err(NoRequest::Closed) => return false,
            Err(NoRequest::Refused(error)) => {
                let reason = match error {
                    RequestError::UrlTooLong => RejectReason::UrlTooLong,
                    RequestError::HeadTooLarge => RejectReason::HeaderTooBig,
                    RequestError::Version => RejectReason::UnsupportedVersion,
                    _ => RejectReason::Malformed,
                };
                self.reject(error.status(), Cause::Malformed(error), reason)
                    .await;
                return false;
            }
            Err(NoRequest::TooSlow) => {
                self.reject(408, Cause::RequestTimeout, RejectReason::HeaderTimeout)
                    .await;
                return false;
            }
        };
        let started = Instant::now();
        let Some((served, set_cookie)) = self.site() else {
            self.reject(403, Cause::UnknownHost, RejectReason::UnknownHost)
                .await;
            return false;
        };
        let arrival = Arrival {
            request: &self.request,
            viewer: &self.viewer,
            served: &served,
            id: self.worker.dice.request_id(),
            now_ms: self.worker.now_ms(),
            has_body: head.framing != Framing::Empty,
        };
        let (framing, io, inbound) = (head.framing, &self.io, &self.inbound);
        let read_timeout = self.timeouts.body_read;
        let mut reply = pipeline::answer(&self.worker, &arrival, || match framing {
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
        self.account(&served, &reply, id, arrived_ms, head.head_bytes, &written);
        self.worker.recycle(std::mem::take(&mut reply.fields));
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

    /// The site of the request's host, or its staging distribution if this viewer is to get that;
    /// and the cookie that keeps the viewer there.
    fn site(&mut self) -> Option<(Arc<Served>, Option<String>)> {
        let served = self.site_of_host()?;
        let Some(deployment) = &served.site.deployment else {
            return Some((served, None));
        };
        let Some(staging) = self.directory.load().staging_of(&served.site) else {
            return Some((served, None));
        };
        let staging = Arc::clone(staging);
        let dice = self.worker.dice.roll() as u32;
        let now_secs = self.worker.now_ms() / 1_000;
        let choice = deployment.choose(&self.request, dice, now_secs);
        let chosen = if choice.is_staging { staging } else { served };
        Some((chosen, choice.set_cookie))
    }

    fn site_of_host(&mut self) -> Option<Arc<Served>> {
        let host = self.request.host()?;
        let directory = self.directory.load();
        if let Some((last, last_host, served)) = &self.last
            && Arc::ptr_eq(last, directory)
            && last_host == host
        {
            return Some(Arc::clone(served));
        }
        let served = Arc::clone(directory.find(host)?);
        self.last = Some((Arc::clone(directory), host.to_vec(), Arc::clone(&served)));
        Some(served)
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
        let mut out = self.worker.buffer();
        out.extend_from_slice(self.inbound.borrow_mut().take_interim());
        write_head(reply, end, keeps_alive, version, &mut out);
        let mut written = Written {
            started,
            first_byte: started,
            bytes_sent: 0,
            is_complete: false,
            lacks_body: false,
        };
        let body = std::mem::replace(&mut reply.body, Body::Empty);
        let result = match body {
            Body::Tunnel(upgraded) => {
                let sent = self.send(&out, b"", &mut written).await;
                if sent.is_ok() {
                    let early = std::mem::take(&mut self.inbound.borrow_mut().buffer);
                    let (open, timeouts) = (&self.open, &self.timeouts);
                    let moved = tunnel(&self.io, early, *upgraded, open, timeouts).await;
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
        self.worker.recycle_buffer(out);
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
    async fn reject(&mut self, status: u16, cause: Cause, reason: RejectReason) {
        self.worker.shared.rejections.count(reason);
        let id = self.worker.dice.request_id();
        let mut reply = Reply::new(status, Fields::new(), ResultType::Error);
        pipeline::own_page(&mut reply, cause, Method::Get, id, self.worker.now_ms());
        pipeline::trace_fields(&self.worker, id, &mut reply);
        if reason != RejectReason::UnknownHost {
            // What the head says of method and version is not known, or not to be trusted.
            self.request = RequestHead::default();
            self.request.start(b"GET", b"/", Version::Http11);
        }
        let written = self.write(&mut reply, Instant::now(), false).await;
        if written.is_complete {
            self.linger().await;
        }
    }

    /// Ends our direction, and takes what the viewer still sends for a moment: closing with bytes
    /// unread would reset the connection, and the viewer might lose the reply.
    async fn linger(&mut self) {
        self.io.shutdown().await;
        self.watchdog.arm(self.timeouts.linger);
        let mut left = limits::LINGER_BYTES_MAX;
        let (io, watchdog) = (&self.io, &mut self.watchdog);
        let mut buffer = bytes::BytesMut::new();
        while left > 0 {
            let read = poll_fn(|cx| match io.poll_read(cx, &mut buffer) {
                Poll::Pending if watchdog.poll_expired(cx).is_ready() => Poll::Ready(Ok(0)),
                other => other,
            });
            match read.await {
                Ok(count) if count > 0 => left = left.saturating_sub(count),
                _ => return,
            }
            buffer.clear();
        }
    }

    /// Counts and logs an exchange.
    fn account(
        &mut self,
        served: &Served,
        reply: &Reply,
        id: RequestId,
        arrived_ms: u64,
        head_bytes: usize,
        written: &Written,
    ) {
        let body_bytes = self.inbound.borrow().body_bytes;
        let bytes_received = head_bytes as u64 + body_bytes - self.body_bytes_before;
        self.body_bytes_before = body_bytes;
        let counters = self.worker.counters(served);
        let (result, detail) = match (written.is_complete, written.lacks_body) {
            (true, _) => (reply.result, reply.detail),
            (false, true) => (ResultType::Error, DetailedResult::OriginReadError),
            (false, false) => (ResultType::Error, DetailedResult::ClientCommError),
        };
        let status = match written.bytes_sent {
            0 => 0,
            _ => reply.status,
        };
        counters.count_exchange(result, status, bytes_received, written.bytes_sent);
        let first_byte_us = micros(written.first_byte - written.started);
        counters.time_to_first_byte.record(first_byte_us);
        let (Some(log), Some(handle)) = (served.log, &mut *self.worker.log.borrow_mut()) else {
            return;
        };
        let request = &self.request;
        let known = |known: Known| request.known(known).unwrap_or_default();
        let time_taken_us = micros(written.started.elapsed());
        let is_tunnel = reply.status == 101;
        let record = Record {
            finished_ms: arrived_ms + time_taken_us / 1_000,
            time_taken_us,
            time_to_first_byte_us: first_byte_us,
            edge_location: self.worker.shared.pop.as_bytes(),
            viewer_address: self.viewer.ip(),
            viewer_port: self.viewer.peer.port(),
            method: request.method_token(),
            distribution_domain: served.site.domain.as_bytes(),
            path: request.path(),
            query: request.query().unwrap_or_default(),
            referer: known(Known::Referer),
            user_agent: known(Known::UserAgent),
            cookie: known(Known::Cookie),
            host: known(Known::Host),
            x_forwarded_for: known(Known::XForwardedFor),
            request_id: id.as_bytes(),
            protocol: match (is_tunnel, self.viewer.is_https()) {
                (false, false) => Protocol::Http,
                (false, true) => Protocol::Https,
                (true, false) => Protocol::Ws,
                (true, true) => Protocol::Wss,
            },
            http_version: match request.version {
                Version::Http10 => HttpVersion::Http10,
                Version::Http11 => HttpVersion::Http11,
                Version::Http2 => HttpVersion::Http2,
                Version::Http3 => HttpVersion::Http3,
            },
            tls_protocol: self
                .viewer
                .tls
                .as_ref()
                .map_or(b"", |tls| tls.protocol.as_bytes()),
            tls_cipher: self
                .viewer
                .tls
                .as_ref()
                .map_or(b"", |tls| tls.cipher.as_bytes()),
            status,
            bytes_received,
            bytes_sent: written.bytes_sent,
            result,
            response_result: reply.result,
            detailed_result: detail,
            content_type: reply.fields.get("content-type").unwrap_or_default(),
            content_length: reply.length,
            content_range: reply.range,
        };
        handle.write(log, &record);
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
