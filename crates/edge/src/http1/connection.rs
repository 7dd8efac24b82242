use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use message::http1::{
    BodyDecoder, Framing, LAST_CHUNK, Parsed, RequestError, parse_request, write_chunk_prefix,
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
use crate::{RequestId, Viewer, limits};

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
    let mut connection = Connection {
        directory: arc_swap::Cache::new(Arc::clone(&worker.shared.directory)),
        worker,
        viewer,
        io: Io::new(stream),
        inbound: Rc::new(RefCell::new(Inbound::new())),
        request: RequestHead::default(),
        watchdog: Watchdog::new(limits::KEEP_ALIVE_TIMEOUT),
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
        let Some(served) = self.site() else {
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
        let mut reply = pipeline::answer(&self.worker, &arrival, || match framing {
            Framing::Empty => RequestBody::Empty,
            Framing::Length(_) | Framing::Chunked => RequestBody::Stream {
                length: match framing {
                    Framing::Length(length) => Some(length),
                    _ => None,
                },
                body: Box::new(Upload::new(io.clone(), Rc::clone(inbound))),
            },
        })
        .await;
        let (id, arrived_ms) = (arrival.id, arrival.now_ms);
        let keeps_alive = head.keep_alive
            && !reply.close
            && !self.open.is_stopping()
            && self.inbound.borrow_mut().discard_body();
        let written = self.write(&mut reply, started, keeps_alive).await;
        let goes_on = written.is_complete
            && keeps_alive
            && reply.status != 101
            && body_end(&reply, self.request.method, self.request.version) != BodyEnd::Close;
        if !goes_on && written.is_complete && head.framing != Framing::Empty {
            self.linger().await;
        }
        self.account(&served, &reply, id, arrived_ms, head.head_bytes, &written);
        self.worker.recycle(std::mem::take(&mut reply.fields));
        goes_on
    }

    /// The site of the request's host.
    fn site(&mut self) -> Option<Arc<Served>> {
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
        self.watchdog.arm(limits::KEEP_ALIVE_TIMEOUT);
        loop {
            if !self.inbound.borrow().buffer.is_empty() {
                match self.parse()? {
                    Some(head) => return Ok(head),
                    None if !has_begun => {
                        has_begun = true;
                        self.watchdog.arm(limits::HEAD_TIMEOUT);
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
                inbound.decoder = BodyDecoder::new(framing);
                inbound.expects_continue = expects_continue;
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
        write_head(reply, end, keeps_alive, version, &mut out);
        let mut written = Written {
            started,
            first_byte: started,
            bytes_sent: 0,
            is_complete: false,
        };
        let body = std::mem::replace(&mut reply.body, Body::Empty);
        let result = match body {
            Body::Tunnel(upgraded) => {
                let sent = self.send(&out, b"", &mut written).await;
                if sent.is_ok() {
                    let early = std::mem::take(&mut self.inbound.borrow_mut().buffer);
                    let moved = tunnel(&self.io, early, *upgraded, &mut self.watchdog).await;
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
            Body::Stream(stream) => self.write_stream(&mut out, stream, end, &mut written).await,
        };
        written.is_complete = result.is_ok();
        self.worker.recycle_buffer(out);
        written
    }

    async fn write_stream(
        &mut self,
        out: &mut Vec<u8>,
        mut stream: Box<Stream>,
        end: BodyEnd,
        written: &mut Written,
    ) -> io::Result<()> {
        // The head leaves at once when the body is not there yet.
        let mut piece = {
            let mut next = std::pin::pin!(stream.next());
            match poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await {
                Poll::Ready(piece) => piece,
                Poll::Pending => {
                    self.send(out, b"", written).await?;
                    out.clear();
                    next.await
                }
            }
        };
        while let Some(bytes) = piece {
            let bytes = bytes.map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            if end == BodyEnd::Chunked {
                write_chunk_prefix(bytes.len(), out);
            }
            if bytes.len() <= limits::COPY_BYTES_MAX {
                out.extend_from_slice(&bytes);
                if end == BodyEnd::Chunked {
                    out.extend_from_slice(b"\r\n");
                }
                self.send(out, b"", written).await?;
                out.clear();
            } else {
                self.send(out, &bytes, written).await?;
                out.clear();
                if end == BodyEnd::Chunked {
                    out.extend_from_slice(b"\r\n");
                }
            }
            piece = stream.next().await;
        }
        if end == BodyEnd::Chunked {
            out.extend_from_slice(LAST_CHUNK);
        }
        self.send(out, b"", written).await
    }

    async fn send(&mut self, first: &[u8], second: &[u8], written: &mut Written) -> io::Result<()> {
        let timeout = limits::WRITE_TIMEOUT;
        let result = self
            .io
            .write_both(first, second, &mut self.watchdog, timeout)
            .await;
        if written.bytes_sent == 0 {
            written.first_byte = Instant::now();
        }
        if result.is_ok() {
            written.bytes_sent += (first.len() + second.len()) as u64;
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
        self.watchdog.arm(limits::LINGER_TIMEOUT);
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
        let (result, detail) = match written.is_complete {
            true => (reply.result, reply.detail),
            false => (ResultType::Error, DetailedResult::ClientCommError),
        };
        counters.count_exchange(result, reply.status, bytes_received, written.bytes_sent);
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
            status: if written.bytes_sent == 0 {
                0
            } else {
                reply.status
            },
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
