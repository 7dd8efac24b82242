use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use message::http1::{BodyDecoder, BodyStep, Framing};
use origin::{BodyError, BodySource};
use tokio::io::{AsyncRead, AsyncWrite};

use super::io::{Io, Watchdog};
use crate::limits;

/// What has been read of a connection and not been used, and how far its current body is.
pub(crate) struct Inbound {
    pub buffer: BytesMut,
    pub decoder: BodyDecoder,
    /// The viewer waits for `100 Continue`.
    pub expects_continue: bool,
    /// Bytes of bodies read on this connection.
    pub body_bytes: u64,
}

impl Inbound {
    pub fn new() -> Inbound {
        Inbound {
            buffer: BytesMut::new(),
            decoder: BodyDecoder::new(Framing::Empty),
            expects_continue: false,
            body_bytes: 0,
        }
    }

    /// Drops the rest of the body as far as it has been read; says whether that was all of it.
    pub fn discard_body(&mut self) -> bool {
        while let Ok(BodyStep::Data(bytes)) = self.decoder.step(&mut self.buffer) {
            self.body_bytes += bytes.len() as u64;
        }
        self.decoder.is_done()
    }
}

/// A request body on its way to the origin, read when the origin takes it.
pub(crate) struct Upload<S> {
    io: Io<S>,
    inbound: Rc<RefCell<Inbound>>,
    watchdog: Option<Watchdog>,
    /// What is still to be written of `100 Continue`.
    interim: &'static [u8],
}

impl<S> Upload<S> {
    pub fn new(io: Io<S>, inbound: Rc<RefCell<Inbound>>) -> Upload<S> {
        let expects = std::mem::take(&mut inbound.borrow_mut().expects_continue);
        let interim: &[u8] = if expects {
            b"HTTP/1.1 100 Continue\r\n\r\n"
        } else {
            b""
        };
        Upload {
            io,
            inbound,
            watchdog: None,
            interim,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> BodySource for Upload<S> {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut inbound = self.inbound.borrow_mut();
        let inbound = &mut *inbound;
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
            while !self.interim.is_empty() {
                match ready!(self.io.poll_write(cx, self.interim)) {
                    Ok(count) if count > 0 => self.interim = &self.interim[count..],
                    _ => return Poll::Ready(Some(Err(BodyError::Closed))),
                }
            }
            match self.io.poll_read(cx, &mut inbound.buffer) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Some(Err(BodyError::Closed))),
                Poll::Pending => {
                    let timeout = limits::BODY_READ_TIMEOUT;
                    let watchdog = self.watchdog.get_or_insert_with(|| Watchdog::new(timeout));
                    ready!(watchdog.poll_expired(cx));
                    return Poll::Ready(Some(Err(BodyError::Timeout)));
                }
            }
        }
    }
}
