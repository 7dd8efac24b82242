use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http1::Io;
use crate::limits;
use crate::worker::Worker;

/// Frames on their way out. The library flushes behind every piece of a body; here they wait until
/// the connection has nothing more to do, so that small replies leave together, in one record of
/// TLS and one call of the system.
pub(super) struct WayOut {
    worker: Rc<Worker>,
    /// Taken from the library and not written yet, from `written` on.
    buffer: RefCell<Vec<u8>>,
    written: Cell<usize>,
    /// Bytes that the viewer took.
    pub taken: Cell<u64>,
    /// The viewer takes nothing at the moment, and something waits.
    pub is_blocked: Cell<bool>,
}

/// A viewer's connection as the library sees it.
pub(super) struct Watched<S> {
    io: Io<S>,
    way_out: Rc<WayOut>,
}

impl WayOut {
    fn note(&self, result: &Poll<io::Result<usize>>) {
        self.is_blocked.set(result.is_pending());
        if let Poll::Ready(Ok(count)) = result {
            self.taken.set(self.taken.get() + *count as u64);
        }
    }

    /// Writes what waits, with these behind it; gives how much of them was written.
    fn poll_drain<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        cx: &mut Context<'_>,
        io: &mut Io<S>,
        behind: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = self.buffer.borrow_mut();
        while self.written.get() < buffer.len() {
            let waiting = &buffer[self.written.get()..];
            let mut slices = [IoSlice::new(b""); 4];
            slices[0] = IoSlice::new(waiting);
            let behind = &behind[..behind.len().min(slices.len() - 1)];
            slices[1..=behind.len()].copy_from_slice(behind);
            let slices = &slices[..=behind.len()];
            let result = Pin::new(&mut *io).poll_write_vectored(cx, slices);
            self.note(&result);
            let count = ready!(result)?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_waiting = count.min(waiting.len());
            self.written.set(self.written.get() + of_waiting);
            if count > of_waiting {
                self.recycle(&mut buffer);
                return Poll::Ready(Ok(count - of_waiting));
            }
        }
        self.recycle(&mut buffer);
        Poll::Ready(Ok(0))
    }

    /// An idle connection owns no buffer.
    fn recycle(&self, buffer: &mut Vec<u8>) {
        self.written.set(0);
        if buffer.capacity() > 0 {
            self.worker.recycle_buffer(std::mem::take(buffer));
        }
    }

    /// Writes what waits, as far as the viewer takes it.
    pub fn poll_flush<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        cx: &mut Context<'_>,
        io: &mut Io<S>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx, io, &[]))?;
        let result = Pin::new(io).poll_flush(cx);
        self.is_blocked.set(result.is_pending());
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    pub fn new(io: Io<S>, worker: Rc<Worker>) -> (Watched<S>, Rc<WayOut>) {
        let way_out = Rc::new(WayOut {
            worker,
            buffer: RefCell::default(),
            written: Cell::new(0),
            taken: Cell::new(0),
            is_blocked: Cell::new(false),
        });
        let watched = Watched {
            io,
            way_out: Rc::clone(&way_out),
        };
        (watched, way_out)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, read)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    /// Keeps what is small. What is large leaves with what was kept before.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Watched { io, way_out } = &mut *self;
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        let waiting = way_out.buffer.borrow().len();
        if length >= limits::HTTP2_COPY_BYTES_MAX {
            let count = ready!(way_out.poll_drain(cx, io, slices))?;
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            let result = Pin::new(io).poll_write_vectored(cx, slices);
            way_out.note(&result);
            return result;
        }
        if waiting + length > limits::HTTP2_BUFFER_BYTES {
            ready!(way_out.poll_drain(cx, io, &[]))?;
        }
        let mut buffer = way_out.buffer.borrow_mut();
        if buffer.capacity() == 0 {
            *buffer = way_out.worker.buffer();
        }
        slices
            .iter()
            .for_each(|slice| buffer.extend_from_slice(slice));
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// See [`WayOut`].
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Watched { io, way_out } = &mut *self;
        ready!(way_out.poll_flush(cx, io))?;
        Pin::new(io).poll_shutdown(cx)
    }
}
