//! Bodies, both ways.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use message::{Fields, Method};
use origin::{BodyError, BodySource};

use super::reply_head::{push_fields, reply_head};
use super::{Gone, Incoming, Outgoing, Reset};
use crate::front::Written;
use crate::reply::{Body, Reply};
use crate::stream::Stream;
use crate::watchdog::Watchdog;

/// A request body on its way to the origin: read when the origin takes it, no longer than
/// announced and no shorter.
pub(super) struct Upload<I> {
    pub incoming: I,
    /// What is still to come, where the length was announced.
    pub left: Option<u64>,
    pub read_timeout: Option<Duration>,
    pub watchdog: Option<Watchdog>,
    /// Bytes that came, for whoever accounts for them.
    pub received: Rc<Cell<u64>>,
}

impl<I: Incoming> BodySource for Upload<I> {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match self.incoming.poll_data(cx) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.watchdog = None;
                    let length = bytes.len() as u64;
                    self.received.set(self.received.get() + length);
                    if self.left.is_some_and(|left| length > left) {
                        return Poll::Ready(Some(Err(BodyError::WrongLength)));
                    }
                    self.left = self.left.map(|left| left - length);
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) if self.left.is_some_and(|left| left > 0) => {
                    return Poll::Ready(Some(Err(BodyError::WrongLength)));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    let Some(timeout) = self.read_timeout else {
                        return Poll::Pending;
                    };
                    let watchdog = self.watchdog.get_or_insert_with(|| Watchdog::new(timeout));
                    ready!(watchdog.poll_expired(cx));
                    return Poll::Ready(Some(Err(BodyError::Timeout)));
                }
            }
        }
    }
}

/// Waits for `future`, unless the viewer goes away before.
pub(super) async fn unless_gone<T>(
    outgoing: &mut impl Outgoing,
    future: impl Future<Output = T>,
) -> Result<T, Gone> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => outgoing.poll_gone(cx).map(|()| Err(Gone)),
    })
    .await
}

/// A reply on its way to the viewer.
pub(super) struct Writing<'a, O> {
    pub outgoing: &'a mut O,
    /// Longest time without one byte taken.
    pub timeout: Duration,
    pub written: Written,
}

impl<O: Outgoing> Writing<'_, O> {
    /// Writes a reply that is no tunnel, to its end.
    pub async fn write(&mut self, reply: &mut Reply, method: Method) {
        let body = match reply.is_bodiless(method) {
            true => Body::Empty,
            false => std::mem::replace(&mut reply.body, Body::Empty),
        };
        let is_empty = match &body {
            Body::Empty | Body::Tunnel(_) => true,
            Body::Inline(bytes) => bytes.is_empty(),
            Body::Object { length, .. } => *length == 0,
            Body::Stream(_) => reply.length == Some(0),
        };
        let mut result = self.head(reply, method, is_empty);
        if result.is_ok() && !is_empty {
            result = match body {
                Body::Empty | Body::Tunnel(_) => Ok(()),
                Body::Inline(bytes) => self.piece(bytes, true).await,
                Body::Object {
                    object,
                    first,
                    length,
                } => {
                    let bytes = object.body_bytes().slice(first..first + length);
                    self.piece(bytes, true).await
                }
                Body::Stream(stream) => self.stream(*stream, reply.length).await,
            };
        }
        if result.is_ok() {
            result = self.flush().await;
        }
        self.written.is_complete = result.is_ok();
    }

    /// Sends the head. Its bytes are counted as HTTP/1.1 would write them.
    pub fn head(&mut self, reply: &Reply, method: Method, is_last: bool) -> Result<(), Gone> {
        self.outgoing
            .send_head(reply_head(reply, method), is_last)?;
        self.written.bytes_sent += reply.fields.as_wire().len() as u64;
        self.written.first_byte = Instant::now();
        Ok(())
    }

    /// Sends a body that comes in pieces, and never more or less of it than was announced.
    async fn stream(&mut self, mut stream: Stream, mut left: Option<u64>) -> Result<(), Gone> {
        loop {
            let bytes = match unless_gone(self.outgoing, stream.next()).await? {
                None if left.is_none() => return self.end(stream.take_trailers()).await,
                Some(Ok(bytes)) if left.is_none_or(|left| bytes.len() as u64 <= left) => bytes,
                _ => {
                    self.outgoing.reset(Reset::Incomplete);
                    self.written.lacks_body = true;
                    return Err(Gone);
                }
            };
            left = left.map(|left| left - bytes.len() as u64);
            self.piece(bytes, left == Some(0)).await?;
            if left == Some(0) {
                return Ok(());
            }
        }
    }

    /// Ends a body whose length was not known, with what the origin sent behind it.
    async fn end(&mut self, trailers: Option<Fields>) -> Result<(), Gone> {
        let Some(trailers) = trailers else {
            return self.piece(Bytes::new(), true).await;
        };
        let mut headers = HeaderMap::new();
        push_fields(trailers.as_wire(), &mut headers);
        self.written.bytes_sent += trailers.as_wire().len() as u64;
        self.outgoing.send_trailers(headers)
    }

    /// Sends one piece. A viewer that makes no room for too long gets no more of the stream.
    async fn piece(&mut self, mut piece: Bytes, is_last: bool) -> Result<(), Gone> {
        let (outgoing, timeout) = (&mut *self.outgoing, self.timeout);
        let sent = &mut self.written.bytes_sent;
        let mut watchdog: Option<Watchdog> = None;
        poll_fn(|cx| {
            loop {
                let before = piece.len();
                let result = outgoing.poll_send(cx, &mut piece, is_last);
                if piece.len() < before {
                    *sent += (before - piece.len()) as u64;
                    watchdog = None;
                }
                match result {
                    Poll::Ready(Ok(())) if piece.is_empty() => return Poll::Ready(Ok(())),
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(Gone)) => return Poll::Ready(Err(Gone)),
                    Poll::Pending => {
                        let watchdog = watchdog.get_or_insert_with(|| Watchdog::new(timeout));
                        ready!(watchdog.poll_expired(cx));
                        outgoing.reset(Reset::Cancelled);
                        return Poll::Ready(Err(Gone));
                    }
                }
            }
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        let (outgoing, timeout) = (&mut *self.outgoing, self.timeout);
        let mut watchdog: Option<Watchdog> = None;
        poll_fn(|cx| match outgoing.poll_flush(cx) {
            Poll::Pending => {
                let watchdog = watchdog.get_or_insert_with(|| Watchdog::new(timeout));
                ready!(watchdog.poll_expired(cx));
                outgoing.reset(Reset::Cancelled);
                Poll::Ready(Err(Gone))
            }
            done => done,
        })
        .await
    }
}
