use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};
use h3::error::Code;
use quinn::{StoppedError, VarInt, WriteError};

use super::quic::number;

/// Type of a frame with a part of a body.
const DATA: u8 = 0x00;

/// The sending half of a stream, and what is to leave by it. Nothing is copied; what quinn takes it
/// keeps until the viewer has acknowledged it.
pub(super) struct Outbox {
    stream: quinn::SendStream,
    /// Frames as a whole, and the beginnings of frames whose content is with the caller.
    queue: VecDeque<Bytes>,
    /// What the caller still has of the content of the last frame.
    frame_left: usize,
    /// Bytes that quinn has taken.
    pub taken: u64,
    has_ended: bool,
    stopped: Option<Stopped>,
}

type Stopped = Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>>>>;

impl Outbox {
    pub fn new(stream: quinn::SendStream) -> Outbox {
        Outbox {
            stream,
            queue: VecDeque::new(),
            frame_left: 0,
            taken: 0,
            has_ended: false,
            stopped: None,
        }
    }

    pub fn id(&self) -> quinn::StreamId {
        self.stream.id()
    }

    /// Adds whole frames.
    pub fn push(&mut self, frames: Bytes) {
        debug_assert_eq!(self.frame_left, 0, "no frame within another");
        self.queue.push_back(frames);
    }

    /// Sends what is there.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        while !self.queue.is_empty() {
            ready!(self.poll_write(cx, &mut Bytes::new()))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes from the front of a part of a body as much as there is room for, and puts it in a
    /// frame. It is ready when something was taken, and is to be called until all is.
    pub fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        piece: &mut Bytes,
    ) -> Poll<Result<(), WriteError>> {
        if self.frame_left == 0 && !piece.is_empty() {
            self.queue.push_back(data_frame(piece.len()));
            self.frame_left = piece.len();
        }
        debug_assert_eq!(self.frame_left, piece.len(), "a piece goes out as a whole");
        let before = piece.len();
        while piece.len() == before && !(piece.is_empty() && self.queue.is_empty()) {
            ready!(self.poll_write(cx, piece))?;
        }
        self.frame_left = piece.len();
        Poll::Ready(Ok(()))
    }

    /// Writes once: the queue, and behind it the piece.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        piece: &mut Bytes,
    ) -> Poll<Result<(), WriteError>> {
        // A head, the beginning of a frame, and its content, mostly.
        let mut chunks = [const { Bytes::new() }; 4];
        let queued = self.queue.len().min(chunks.len() - 1);
        for (chunk, next) in chunks.iter_mut().zip(self.queue.iter_mut()).take(queued) {
            *chunk = std::mem::take(next);
        }
        let has_all = queued == self.queue.len();
        if has_all {
            chunks[queued] = std::mem::take(piece);
        }
        // This future has no state of its own: the stream remembers whom to wake.
        let written = pin!(self.stream.write_chunks(&mut chunks[..=queued])).poll(cx);
        for (chunk, next) in chunks.iter_mut().zip(self.queue.iter_mut()).take(queued) {
            *next = std::mem::take(chunk);
        }
        if has_all {
            *piece = std::mem::take(&mut chunks[queued]);
        }
        while self.queue.front().is_some_and(Bytes::is_empty) {
            self.queue.pop_front();
        }
        self.taken += ready!(written)?.bytes as u64;
        Poll::Ready(Ok(()))
    }

    /// Sends what is there, and ends the stream behind it.
    pub fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        ready!(self.poll_flush(cx))?;
        self.has_ended = true;
        // It fails when the stream has ended before.
        let _ = self.stream.finish();
        Poll::Ready(Ok(()))
    }

    /// Breaks the stream off, unless it has ended.
    pub fn reset(&mut self, code: VarInt) {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.queue.clear();
            // It fails when the stream has ended before.
            let _ = self.stream.reset(code);
        }
    }

    /// Ready when the viewer has all of a stream that has ended, or wants no more of it, or is
    /// gone.
    pub fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stream = &self.stream;
        let stopped = self
            .stopped
            .get_or_insert_with(|| Box::pin(stream.stopped()));
        stopped.as_mut().poll(cx).map(|_| ())
    }
}

impl Drop for Outbox {
    /// quinn takes a stream that is dropped for one that has ended well.
    fn drop(&mut self) {
        self.reset(number(Code::H3_REQUEST_CANCELLED));
    }
}

/// Type and length of a frame with that much of a body (RFC 9114, section 7.2.1; the length as in
/// RFC 9000, section 16).
fn data_frame(length: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(9);
    out.put_u8(DATA);
    match length as u64 {
        length @ 0..0x40 => out.put_u8(length as u8),
        length @ 0..0x4000 => out.put_u16(1 << 14 | length as u16),
        length @ 0..0x4000_0000 => out.put_u32(2 << 30 | length as u32),
        length => out.put_u64(3 << 62 | length),
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_frame_is_written_in_as_few_bytes_as_it_needs() {
        assert_eq!(data_frame(0x3f)[..], [0, 0x3f]);
        assert_eq!(data_frame(0x40)[..], [0, 0x40, 0x40]);
        assert_eq!(data_frame(0x3fff)[..], [0, 0x7f, 0xff]);
        assert_eq!(data_frame(0x4000)[..], [0, 0x80, 0, 0x40, 0]);
        let long = [0, 0xc0, 0, 0, 0, 0x40, 0, 0, 0];
        assert_eq!(data_frame(0x4000_0000)[..], long);
    }
}
