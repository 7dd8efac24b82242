use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use message::http1::{BodyDecoder, BodyStep, Framing};
use origin::{BodyError, BodySource};
use tokio::io::{AsyncRead, AsyncWrite};

use super::io::Io;
use crate::watchdog::Watchdog;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What has been read of a connection and not been used, and how far its current body is.
pub(crate) struct Inbound {
    pub buffer: BytesMut,
    /// Bytes of bodies read on this connection.
    pub body_bytes: u64,
    decoder: BodyDecoder,
    /// Counts bodies. An upload takes bytes of its own body alone, however long it lives.
    number: u64,
    /// What is still to be written of `100 Continue`.
    interim: &'static [u8],
}

impl Inbound {
    pub fn new() -> Inbound {
        Inbound {
            buffer: BytesMut::new(),
            body_bytes: 0,
            decoder: BodyDecoder::new(Framing::Empty),
            number: 0,
            interim: b"",
        }
    }

    /// A head has been read, and this body follows.
    pub fn begin(&mut self, framing: Framing, expects_continue: bool) {
        self.number += 1;
        self.decoder = BodyDecoder::new(framing);
        self.interim = if expects_continue { CONTINUE } else { b"" };
    }

    /// Whether the whole body has been taken.
    pub fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Drops the rest of the body as far as it has been read. Only when no upload takes it: one
    /// that goes on would send a body with a hole in it.
    pub fn discard_body(&mut self) {
        while let Ok(BodyStep::Data(bytes)) = self.decoder.step(&mut self.buffer) {
            self.body_bytes += bytes.len() as u64;
        }
    }

    /// Whatever still takes the body gets no more of it.
    pub fn cut(&mut self) {
        self.number += 1;
    }

    /// A reply begins: no `100 Continue` any more. Gives the rest of one that has begun.
    pub fn take_interim(&mut self) -> &'static [u8] {
        let rest = std::mem::take(&mut self.interim);
        if rest.len() < CONTINUE.len() {
            rest
        } else {
            b""
        }
    }
}

/// A request body on its way to the origin, read when the origin takes it.
pub(crate) struct Upload<S> {
    io: Io<S>,
    inbound: Rc<RefCell<Inbound>>,
    number: u64,
    read_timeout: Duration,
    watchdog: Option<Watchdog>,
}

impl<S> Upload<S> {
    pub fn new(io: Io<S>, inbound: Rc<RefCell<Inbound>>, read_timeout: Duration) -> Upload<S> {
        let number = inbound.borrow().number;
        Upload {
            io,
            inbound,
            number,
            read_timeout,
            watchdog: None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> BodySource for Upload<S> {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut inbound = self.inbound.borrow_mut();
        let inbound = &mut *inbound;
        if inbound.number != self.number {
            return Poll::Ready(Some(Err(BodyError::Closed)));
        }
        loop {
            match inbound.decoder.step(&mut inbound.buffer) {
                Ok(BodyStep::Data(bytes)) => {
                    inbound.body_bytes += bytes.len() as u64;
                    self.watchdog = None;
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Ok(BodyStep::End) => return Poll::Ready(None),
                Ok(BodyStep::NeedMore) => {}
                Err(_) => return Poll::Ready(Some(Err(BodyError::Invalid))),
            }
            while !inbound.interim.is_empty() {
                match ready!(self.io.poll_write(cx, inbound.interim)) {
                    Ok(count) if count > 0 => inbound.interim = &inbound.interim[count..],
                    _ => return Poll::Ready(Some(Err(BodyError::Closed))),
                }
            }
            match self.io.poll_read(cx, &mut inbound.buffer) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Some(Err(BodyError::Closed))),
                Poll::Pending => {
                    let timeout = self.read_timeout;
                    let watchdog = self.watchdog.get_or_insert_with(|| Watchdog::new(timeout));
                    ready!(watchdog.poll_expired(cx));
                    return Poll::Ready(Some(Err(BodyError::Timeout)));
                }
            }
        }
    }
}
