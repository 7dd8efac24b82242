use std::future::poll_fn;

use bytes::BytesMut;
use origin::Upgraded;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::io::{Io, Watchdog};
use crate::limits;

/// Bytes that went through a tunnel.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Tunnelled {
    pub from_viewer: u64,
    pub to_viewer: u64,
}

/// Carries bytes both ways until one side ends or nothing has moved for too long. `early` was read
/// with the handshake.
pub(crate) async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(
    io: &Io<S>,
    early: BytesMut,
    mut origin: Upgraded,
    watchdog: &mut Watchdog,
) -> Tunnelled {
    let mut moved = Tunnelled {
        from_viewer: early.len() as u64,
        to_viewer: 0,
    };
    if origin.write_all(&early).await.is_err() {
        return moved;
    }
    let mut from_viewer = BytesMut::new();
    let mut from_origin = vec![0; 16 * 1024];
    loop {
        watchdog.arm(limits::WEBSOCKET_IDLE_TIMEOUT);
        tokio::select! {
            read = poll_fn(|cx| io.poll_read(cx, &mut from_viewer)) => match read {
                Ok(count) if count > 0 => {
                    moved.from_viewer += count as u64;
                    if origin.write_all(&from_viewer).await.is_err() {
                        break;
                    }
                    from_viewer.clear();
                }
                _ => break,
            },
            read = origin.read(&mut from_origin) => match read {
                Ok(count) if count > 0 => {
                    moved.to_viewer += count as u64;
                    let timeout = limits::WRITE_TIMEOUT;
                    let bytes = &from_origin[..count];
                    let mut write_watchdog = Watchdog::new(timeout);
                    if io.write_both(bytes, b"", &mut write_watchdog, timeout).await.is_err() {
                        break;
                    }
                }
                _ => break,
            },
            () = poll_fn(|cx| watchdog.poll_expired(cx)) => break,
        }
    }
    let _ = origin.shutdown().await;
    moved
}
