use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits;
use crate::watchdog::Watchdog;

/// Bytes that one read takes at most.
pub(crate) const READ_BYTES: usize = 16 * 1024;

/// A viewer's connection, shared between the task that writes replies and the one that sends a
/// request's body on. Each polls it for a moment; nobody holds it while waiting.
pub(crate) struct Io<S>(Rc<RefCell<S>>);

impl<S> Clone for Io<S> {
    fn clone(&self) -> Self {
        Io(Rc::clone(&self.0))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
    pub fn new(stream: S) -> Io<S> {
        Io(Rc::new(RefCell::new(stream)))
    }

    /// Appends what can be read to `buffer`: 0 at the end of the stream. Reads by way of the
    /// stack, so that an idle connection owns no buffer.
    pub fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let mut space = [std::mem::MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, &mut read))?;
        buffer.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, bytes)
    }

    /// Writes both, one after the other; each wait is bounded. Adds what has been written to
    /// `sent`, also when it breaks off.
    pub async fn write_both(
        &self,
        mut first: &[u8],
        mut second: &[u8],
        watchdog: &mut Watchdog,
        timeout: Duration,
        sent: &mut u64,
    ) -> io::Result<()> {
        let mut is_armed = false;
        poll_fn(|cx| {
            loop {
                let written = {
                    let mut stream = self.0.borrow_mut();
                    let stream = Pin::new(&mut *stream);
                    match (first.is_empty(), second.is_empty()) {
                        (true, true) => match stream.poll_flush(cx) {
                            Poll::Ready(result) => return Poll::Ready(result),
                            Poll::Pending => Poll::Pending,
                        },
                        (_, true) => stream.poll_write(cx, first),
                        _ => {
                            let both = [IoSlice::new(first), IoSlice::new(second)];
                            stream.poll_write_vectored(cx, &both)
                        }
                    }
                };
                match written {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(count)) => {
                        *sent += count as u64;
                        let of_first = count.min(first.len());
                        first.advance(of_first);
                        second.advance(count - of_first);
                        is_armed = false;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        if !is_armed {
                            watchdog.arm(timeout);
                            is_armed = true;
                        }
                        ready!(watchdog.poll_expired(cx));
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                }
            }
        })
        .await
    }

    /// Ends our direction, and takes what the viewer still sends for a moment: closing with bytes
    /// unread would reset the connection, and the viewer might lose the reply.
    pub async fn linger(&self, watchdog: &mut Watchdog, timeout: Duration) {
        watchdog.arm(timeout);
        let mut is_shut = false;
        let mut left = limits::LINGER_BYTES_MAX;
        let mut buffer = BytesMut::new();
        while left > 0 {
            let read = poll_fn(|cx| {
                if !is_shut {
                    is_shut = Pin::new(&mut *self.0.borrow_mut())
                        .poll_shutdown(cx)
                        .is_ready();
                }
                match self.poll_read(cx, &mut buffer) {
                    Poll::Pending if watchdog.poll_expired(cx).is_ready() => Poll::Ready(Ok(0)),
                    other => other,
                }
            });
            match read.await {
                Ok(count) if count > 0 => left = left.saturating_sub(count),
                _ => return,
            }
            buffer.clear();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Io<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Io<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }
}
