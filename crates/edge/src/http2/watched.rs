use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is known of a connection's way out.
#[derive(Default)]
pub(super) struct WayOut {
    /// Bytes that it took.
    pub taken: Cell<u64>,
    /// The viewer takes nothing at the moment, and something waits.
    pub is_blocked: Cell<bool>,
}

/// A connection whose way out is watched.
pub(super) struct Watched<S> {
    stream: S,
    way_out: Rc<WayOut>,
}

impl<S> Watched<S> {
    pub fn new(stream: S) -> (Watched<S>, Rc<WayOut>) {
        let way_out = Rc::new(WayOut::default());
        let watched = Watched {
            stream,
            way_out: Rc::clone(&way_out),
        };
        (watched, way_out)
    }

    fn note(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.way_out.is_blocked.set(result.is_pending());
        if let Poll::Ready(Ok(count)) = result {
            let taken = self.way_out.taken.get() + count as u64;
            self.way_out.taken.set(taken);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.way_out.is_blocked.set(result.is_pending());
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
