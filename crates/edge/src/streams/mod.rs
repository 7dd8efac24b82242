//! What HTTP/2 and HTTP/3 have in common: many exchanges at once on one connection, each on a
//! stream of its own.
//!
//! A listener makes one [`Streams`] for a connection. For every request that its library hands
//! over it calls [`Streams::serve`] with the head and the two directions of the stream, for which
//! it implements [`Incoming`] and [`Outgoing`]; everything else happens there: the head is read
//! ([`read_head`]), the pipeline answers, the body goes out as the viewer takes it, the exchange
//! is counted and logged. A hit is answered within the first poll of `serve`: a listener polls it
//! once in place, and makes a task of it only when it waits. When the worker stops, the listener
//! says so ([`Streams::stop`]), takes no new streams, and lets the others finish.
//!
//! Read first: [`Streams::serve`], [`read_head`].

mod begun;
mod body;
mod duplex;
mod exchange;
mod head;
mod reply_head;

use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use origin::BodyError;

pub(crate) use begun::{Begun, Unread, is_plain};
pub(crate) use exchange::Streams;
pub use head::{StreamHead, read_head};

/// The viewer's direction of a stream.
pub(crate) trait Incoming {
    /// The next piece of the body; `None` at its end, and after it. The viewer is told that it
    /// may send as much again (flow control) when a piece is taken, not before. [`BodyError`] is
    /// `Closed` when the stream or the connection is gone.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;
}

/// Our direction of a stream.
pub(crate) trait Outgoing {
    /// Status and fields; called once, and first. `is_last`: neither body nor trailers follow.
    /// Must not wait: who cannot send at once keeps it until the next poll.
    fn send_head(&mut self, head: http::Response<()>, is_last: bool) -> Result<(), Gone>;

    /// Hands over the front of `piece`, as much as there is room for, and takes it off. Ready as
    /// soon as some is taken: it is called until `piece` is empty. With `is_last`, the stream ends
    /// behind the last byte of `piece`, which may be empty.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        piece: &mut Bytes,
        is_last: bool,
    ) -> Poll<Result<(), Gone>>;

    /// Ends the stream with trailers. Must not wait.
    fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), Gone>;

    /// Ready when what was handed over is on its way; nothing is lost when the stream is dropped
    /// then.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;

    /// Ready when the viewer wants no more of this stream, or its connection is gone. A library
    /// that cannot tell is never ready; the next piece will show.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Breaks the stream off.
    fn reset(&mut self, reason: Reset);
}

/// The viewer wants no more of a stream, or its connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Why the edge breaks a stream off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// The rest of the body never came: `INTERNAL_ERROR`, `H3_INTERNAL_ERROR`.
    Incomplete,
    /// The viewer takes nothing, or the tunnel is broken: `CANCEL`, `H3_REQUEST_CANCELLED`.
    Cancelled,
}
