use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::BytesMut;
use http::request::Parts;
use message::{Fields, Method, RequestHead, Version};
use origin::RequestBody;
use telemetry::access_log::ResultType;
use tokio::sync::Notify;

use super::body::{Upload, Writing, unless_gone};
use super::duplex::Duplex;
use super::{Incoming, Outgoing, Reset, StreamHead, read_head};
use crate::front::{Accounted, Found, Front, Refused, Written};
use crate::pipeline::{self, Arrival};
use crate::reply::{Body, Reply};
use crate::{Dice, Timeouts, grpc, http1, limits};

/// The exchanges of one connection.
pub(crate) struct Streams {
    pub front: Rc<Front>,
    pub timeouts: Timeouts,
    is_stopping: Cell<bool>,
    stopping: Notify,
    spare_heads: RefCell<Vec<RequestHead>>,
}

impl Streams {
    /// For one connection.
    pub fn new(front: Rc<Front>) -> Streams {
        Streams {
            timeouts: front.worker.shared.timeouts,
            front,
            is_stopping: Cell::new(false),
            stopping: Notify::new(),
            spare_heads: RefCell::default(),
        }
    }

    /// The worker stops: tunnels end, everything else finishes.
    pub fn stop(&self) {
        self.is_stopping.set(true);
        self.stopping.notify_waiters();
    }

    /// Reads, answers and logs one request. `protocol` is what `:protocol` says, `has_ended`
    /// whether the stream ended with the head. Says whether the viewer let the exchange come to
    /// its end.
    pub async fn serve<I, O>(
        &self,
        parts: &Parts,
        protocol: Option<&str>,
        version: Version,
        has_ended: bool,
        incoming: I,
        outgoing: &mut O,
    ) -> bool
    where
        I: Incoming + Unpin + 'static,
        O: Outgoing + Unpin,
    {
        let started = Instant::now();
        let mut request = self.spare_heads.borrow_mut().pop().unwrap_or_default();
        let head = read_head(parts, protocol, version, has_ended, &mut request);
        let is_complete = match head {
            Ok(head) => {
                self.exchange(&mut request, head, started, incoming, outgoing)
                    .await
            }
            Err(error) => {
                let refused = Refused::malformed(error);
                self.refuse(refused, method_of(parts), started, outgoing)
                    .await
            }
        };
        let mut spare = self.spare_heads.borrow_mut();
        if spare.len() < limits::SPARE_BUFFERS_MAX {
            spare.push(request);
        }
        is_complete
    }

    async fn exchange<I, O>(
        &self,
        request: &mut RequestHead,
        head: StreamHead,
        started: Instant,
        incoming: I,
        outgoing: &mut O,
    ) -> bool
    where
        I: Incoming + Unpin + 'static,
        O: Outgoing + Unpin,
    {
        let front = &*self.front;
        if head.is_websocket && request.get("sec-websocket-key").is_none() {
            request.push(b"sec-websocket-key", &websocket_key(&front.worker.dice));
        }
        let request = &*request;
        let Found { served, set_cookie } = match front.site(request) {
            Ok(found) => found,
            Err(refused) => {
                return self
                    .refuse(refused, request.method, started, outgoing)
                    .await;
            }
        };
        let arrival = Arrival {
            request,
            viewer: &front.viewer,
            served: &served,
            id: front.worker.dice.request_id(),
            now_ms: front.worker.now_ms(),
            has_body: head.has_body,
        };
        // Who calls may have nothing to say for long.
        let site = &served.site;
        let is_grpc = head.has_body
            && grpc::is_call(request, site.behavior(site.object_path(request.path())).1);
        let received = Rc::new(Cell::new(0));
        let incoming = Cell::new(Some(incoming));
        let upload = || match head.has_body.then(|| incoming.take()).flatten() {
            None => RequestBody::Empty,
            Some(incoming) => RequestBody::Stream {
                length: head.length,
                body: Box::new(Upload {
                    incoming,
                    left: head.length,
                    read_timeout: (!is_grpc).then_some(self.timeouts.body_read),
                    watchdog: None,
                    received: Rc::clone(&received),
                }),
            },
        };
        let answer = pipeline::answer(&front.worker, &arrival, upload);
        // Nobody waits for the answer any more: the log says so.
        let nobody = |_| Reply::new(0, Fields::new(), ResultType::Error);
        let mut reply = unless_gone(outgoing, answer).await.unwrap_or_else(nobody);
        let (id, arrived_ms) = (arrival.id, arrival.now_ms);
        let written = if reply.status == 0 {
            Written::nothing(started)
        } else {
            if let Some(cookie) = set_cookie {
                reply.fields.push(b"Set-Cookie", cookie.as_bytes());
            }
            let mut writing = self.writing(started, outgoing);
            match std::mem::replace(&mut reply.body, Body::Empty) {
                Body::Tunnel(upgraded) => {
                    let incoming = incoming.take();
                    let moved = self.tunnel(&reply, *upgraded, incoming, &mut writing).await;
                    received.set(received.get() + moved);
                }
                body => {
                    reply.body = body;
                    writing.write(&mut reply, request.method).await;
                }
            }
            writing.written
        };
        front.account(&Accounted {
            request,
            served: &served,
            reply: &reply,
            id,
            arrived_ms,
            bytes_received: head.head_bytes + received.get(),
            written: &written,
        });
        front.worker.recycle(std::mem::take(&mut reply.fields));
        written.is_complete || written.lacks_body
    }

    fn writing<'a, O>(&self, started: Instant, outgoing: &'a mut O) -> Writing<'a, O> {
        Writing {
            outgoing,
            timeout: self.timeouts.write,
            written: Written::nothing(started),
        }
    }

    /// Answers what is no request for any site. The connection goes on.
    async fn refuse(
        &self,
        refused: Refused,
        method: Method,
        started: Instant,
        outgoing: &mut impl Outgoing,
    ) -> bool {
        let mut reply = self.front.refuse(refused);
        let mut writing = self.writing(started, outgoing);
        writing.write(&mut reply, method).await;
        writing.written.is_complete
    }

    /// Agrees to a WebSocket and carries its bytes both ways. Gives the bytes that came.
    async fn tunnel<I, O>(
        &self,
        reply: &Reply,
        upgraded: origin::Upgraded,
        incoming: Option<I>,
        writing: &mut Writing<'_, O>,
    ) -> u64
    where
        I: Incoming + Unpin,
        O: Outgoing + Unpin,
    {
        let Some(incoming) = incoming else { return 0 };
        if writing.head(reply, Method::Get, false).is_err() {
            return 0;
        }
        let mut stopping = pin!(self.stopping.notified());
        let stop = |cx: &mut Context<'_>| match self.is_stopping.get() {
            true => Poll::Ready(()),
            false => stopping.as_mut().poll(cx),
        };
        let mut viewer = Duplex::new(incoming, &mut *writing.outgoing);
        let early = BytesMut::new();
        let moved = http1::tunnel(&mut viewer, early, upgraded, stop, &self.timeouts).await;
        if !viewer.has_shut_down() {
            writing.outgoing.reset(Reset::Cancelled);
        }
        writing.written.bytes_sent += moved.to_viewer;
        writing.written.is_complete = true;
        moved.from_viewer
    }
}

fn method_of(parts: &Parts) -> Method {
    Method::from_token(parts.method.as_str().as_bytes())
}

/// A key for the handshake with an origin, as HTTP/1.1 has it: 16 bytes at random, in Base64.
fn websocket_key(dice: &Dice) -> [u8; 24] {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = u128::from(dice.roll()) << 64 | u128::from(dice.roll());
    let mut key = [b'='; 24];
    for letter in &mut key[..21] {
        *letter = LETTERS[(bits & 63) as usize];
        bits >>= 6;
    }
    // The last letter stands for two bits alone.
    key[21] = LETTERS[(bits as usize & 3) << 4];
    key
}
