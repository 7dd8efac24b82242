use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Incoming, Outgoing};

/// Most that is taken from a tunnel before it has gone out.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// A stream as a tunnel reads and writes it.
pub(super) struct Duplex<'a, I, O> {
    incoming: I,
    outgoing: &'a mut O,
    /// Came, and is not read yet.
    early: Bytes,
    /// Written, and not sent yet.
    late: Bytes,
    has_shut_down: bool,
}

impl<'a, I: Incoming, O: Outgoing> Duplex<'a, I, O> {
    pub fn new(incoming: I, outgoing: &'a mut O) -> Duplex<'a, I, O> {
        Duplex {
            incoming,
            outgoing,
            early: Bytes::new(),
            late: Bytes::new(),
            has_shut_down: false,
        }
    }

    /// Whether our direction has ended as it should.
    pub fn has_shut_down(&self) -> bool {
        self.has_shut_down
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.late.is_empty() {
            let sent = self.outgoing.poll_send(cx, &mut self.late, false);
            ready!(sent).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Incoming + Unpin, O: Outgoing + Unpin> AsyncRead for Duplex<'_, I, O> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.early.is_empty() {
            match ready!(self.incoming.poll_data(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(bytes)) => self.early = bytes,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let count = self.early.len().min(read.remaining());
        read.put_slice(&self.early.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<I: Incoming + Unpin, O: Outgoing + Unpin> AsyncWrite for Duplex<'_, I, O> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_late(cx))?;
        let count = bytes.len().min(PIECE_BYTES_MAX);
        self.late = Bytes::copy_from_slice(&bytes[..count]);
        match self.poll_late(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_late(cx))?;
        let flushed = self.outgoing.poll_flush(cx);
        flushed.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_late(cx))?;
        if !self.has_shut_down {
            let ended = self.outgoing.poll_send(cx, &mut Bytes::new(), true);
            ready!(ended).map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.has_shut_down = true;
        }
        let flushed = self.outgoing.poll_flush(cx);
        flushed.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
