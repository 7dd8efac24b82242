use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::io::READ_BYTES;
use crate::Timeouts;
use crate::watchdog::Watchdog;

/// Bytes that went through a tunnel.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Tunnelled {
    pub from_viewer: u64,
    pub to_viewer: u64,
}

/// Carries bytes both ways, each way for itself, so that a side that does not read holds up only
/// what is sent to it. The end of one side is passed on, and the other has a moment to end too.
/// It is over as well when the origin is silent for too long (spec §5.7), when a side takes
/// nothing for too long, or when `stop` is ready. `early` was read with the handshake.
pub(crate) async fn tunnel<V: AsyncRead + AsyncWrite + Unpin>(
    viewer: &mut V,
    early: BytesMut,
    mut origin: impl AsyncRead + AsyncWrite + Unpin,
    mut stop: impl FnMut(&mut Context<'_>) -> Poll<()>,
    timeouts: &Timeouts,
) -> Tunnelled {
    let mut to_origin = Lane::new(early, timeouts.write);
    let mut to_viewer = Lane::new(BytesMut::new(), timeouts.write);
    let mut idle = Watchdog::new(timeouts.websocket_idle);
    let (mut moved, mut is_ending) = (0, false);
    poll_fn(|cx| {
        if stop(cx).is_ready() {
            return Poll::Ready(());
        }
        let up = to_origin.poll(cx, viewer, &mut origin);
        let down = to_viewer.poll(cx, &mut origin, viewer);
        match (up, down) {
            (Poll::Ready(Err(Broken)), _) | (_, Poll::Ready(Err(Broken))) => {
                return Poll::Ready(());
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(()),
            (Poll::Pending, Poll::Pending) => {}
            _ if !is_ending => {
                is_ending = true;
                idle.arm(timeouts.linger);
            }
            _ => {}
        }
        if to_viewer.moved > moved {
            moved = to_viewer.moved;
            idle.arm(if is_ending {
                timeouts.linger
            } else {
                timeouts.websocket_idle
            });
        }
        idle.poll_expired(cx)
    })
    .await;
    Tunnelled {
        from_viewer: to_origin.moved,
        to_viewer: to_viewer.moved,
    }
}

/// A side is gone, or takes nothing.
struct Broken;

/// One way through a tunnel. It owns no memory while nothing moves.
struct Lane {
    /// Read and not written yet.
    buffer: BytesMut,
    moved: u64,
    must_flush: bool,
    /// The side that is read has ended.
    has_ended: bool,
    is_over: bool,
    timeout: Duration,
    watchdog: Option<Watchdog>,
}

impl Lane {
    fn new(buffer: BytesMut, timeout: Duration) -> Lane {
        Lane {
            buffer,
            moved: 0,
            must_flush: false,
            has_ended: false,
            is_over: false,
            timeout,
            watchdog: None,
        }
    }

    /// Moves what can be moved; ready at the end, which has been passed on.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Broken>> {
        while !self.is_over {
            ready!(self.poll_write(cx, to))?;
            if self.has_ended {
                // Whether the other side still wants to hear of it makes no difference.
                let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                self.is_over = true;
                break;
            }
            let mut space = [MaybeUninit::uninit(); READ_BYTES];
            let mut read = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *from).poll_read(cx, &mut read)).map_err(|_| Broken)?;
            self.has_ended = read.filled().is_empty();
            self.buffer.extend_from_slice(read.filled());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Broken>> {
        while !self.buffer.is_empty() {
            match Pin::new(&mut *to).poll_write(cx, &self.buffer) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.buffer.advance(count);
                    self.moved += count as u64;
                    self.must_flush = true;
                    self.watchdog = None;
                }
                Poll::Ready(_) => return Poll::Ready(Err(Broken)),
                Poll::Pending => {
                    let timeout = self.timeout;
                    let watchdog = self.watchdog.get_or_insert_with(|| Watchdog::new(timeout));
                    return watchdog.poll_expired(cx).map(|()| Err(Broken));
                }
            }
        }
        self.buffer = BytesMut::new();
        if self.must_flush {
            // What is pending goes out when the socket takes it; reading need not wait for that.
            match Pin::new(&mut *to).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.must_flush = false,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Broken)),
                Poll::Pending => {}
            }
        }
        Poll::Ready(Ok(()))
    }
}
