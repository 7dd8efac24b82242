//! The two directions of a request's stream.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes};
use h3::error::Code;
use h3::server::RequestStream;
use http::HeaderMap;
use origin::BodyError;
use quinn::WriteError;

use super::outbox::Outbox;
use super::quic::{Inbox, Recv, Send, number};
use crate::streams::{Gone, Incoming, Outgoing, Reset};

/// The viewer's direction.
pub(super) struct Body {
    stream: RequestStream<Recv, Bytes>,
    inbox: Rc<Inbox>,
    handed_over: u64,
    has_ended: bool,
}

impl Body {
    pub fn new(stream: RequestStream<Recv, Bytes>, inbox: Rc<Inbox>) -> Body {
        Body {
            stream,
            inbox,
            handed_over: 0,
            has_ended: false,
        }
    }
}

impl Incoming for Body {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        while !self.has_ended {
            match ready!(self.stream.poll_recv_data(cx)) {
                Ok(Some(mut data)) => {
                    let bytes = data.copy_to_bytes(data.remaining());
                    self.handed_over += bytes.len() as u64;
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                // h3 takes a frame without content for the end of the body.
                Ok(None) => self.has_ended = self.inbox.is_all(self.handed_over),
                Err(_) => return Poll::Ready(Some(Err(BodyError::Closed))),
            }
        }
        Poll::Ready(None)
    }
}

/// Our direction. h3 makes heads and trailers, and leaves them in the outbox.
pub(super) struct Answer {
    stream: RequestStream<Send, Bytes>,
    outbox: Rc<RefCell<Outbox>>,
    ends: bool,
    /// The viewer gave up.
    pub is_given_up: bool,
}

impl Answer {
    pub fn new(stream: RequestStream<Send, Bytes>, outbox: Rc<RefCell<Outbox>>) -> Answer {
        Answer {
            stream,
            outbox,
            ends: false,
            is_given_up: false,
        }
    }

    fn gone(&mut self, error: WriteError) -> Gone {
        self.is_given_up |= matches!(error, WriteError::Stopped(_));
        Gone
    }
}

/// What h3 does at once: it only ever waits for a stream to take bytes, and an outbox takes all.
fn at_once<T, E>(future: impl Future<Output = Result<T, E>>) -> Result<T, Gone> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.map_err(|_| Gone),
        Poll::Pending => Err(Gone),
    }
}

impl Outgoing for Answer {
    fn send_head(&mut self, head: http::Response<()>, is_last: bool) -> Result<(), Gone> {
        self.ends = is_last;
        at_once(self.stream.send_response(head))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        piece: &mut Bytes,
        is_last: bool,
    ) -> Poll<Result<(), Gone>> {
        let sent = ready!(self.outbox.borrow_mut().poll_body(cx, piece));
        sent.map_err(|error| self.gone(error))?;
        if is_last && piece.is_empty() {
            let ended = ready!(self.outbox.borrow_mut().poll_finish(cx));
            ended.map_err(|error| self.gone(error))?;
        }
        Poll::Ready(Ok(()))
    }

    fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), Gone> {
        self.ends = true;
        at_once(self.stream.send_trailers(trailers))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let flushed = match self.ends {
            true => ready!(self.outbox.borrow_mut().poll_finish(cx)),
            false => ready!(self.outbox.borrow_mut().poll_flush(cx)),
        };
        Poll::Ready(flushed.map_err(|error| self.gone(error)))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.outbox.borrow_mut().poll_done(cx));
        self.is_given_up = true;
        Poll::Ready(())
    }

    fn reset(&mut self, reason: Reset) {
        let code = match reason {
            Reset::Incomplete => Code::H3_INTERNAL_ERROR,
            Reset::Cancelled => Code::H3_REQUEST_CANCELLED,
        };
        self.outbox.borrow_mut().reset(number(code));
    }
}
