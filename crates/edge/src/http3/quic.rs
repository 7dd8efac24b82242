//! quinn's connections and streams as h3 wants them.
//!
//! Two things are ours and not a matter of naming. The frames that h3 would hold are watched
//! ([`Frames`]). And the sending half of a request's stream is shared with whoever writes the reply
//! ([`Outbox`]): h3 makes heads and trailers and leaves them there, but it would copy bodies, would
//! wait where we must not, and tells nobody when a viewer gives up.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

use super::frames::Frames;
use super::outbox::Outbox;

/// What is ours of a stream.
type Ours = (Rc<RefCell<Outbox>>, Rc<Inbox>);

/// Where the connection puts what is ours of the stream that h3 has just accepted.
#[derive(Clone, Default)]
pub(super) struct Accepted(Rc<RefCell<Option<Ours>>>);

impl Accepted {
    /// What is ours of the last stream; once.
    pub fn take(&self) -> Option<Ours> {
        self.0.borrow_mut().take()
    }
}

/// An error code as QUIC takes it.
pub(super) fn number(code: Code) -> VarInt {
    VarInt::from_u64(code.value()).unwrap_or(VarInt::MAX)
}

/// A connection of quinn. What is awaited of it is kept here while it is pending: quinn forgets
/// whom to wake when such a future is dropped.
pub(super) struct Connection {
    connection: quinn::Connection,
    accepted: Accepted,
    bidirectional: Pending<(quinn::SendStream, quinn::RecvStream)>,
    side: Pending<quinn::RecvStream>,
    open: Pending<quinn::SendStream>,
}

type Pending<T> = Option<Pin<Box<dyn Future<Output = Result<T, ConnectionError>>>>>;

fn poll<T, F>(
    pending: &mut Pending<T>,
    begin: impl FnOnce() -> F,
    cx: &mut Context<'_>,
) -> Poll<Result<T, ConnectionErrorIncoming>>
where
    F: Future<Output = Result<T, ConnectionError>> + 'static,
{
    let future = pending.get_or_insert_with(|| Box::pin(begin()));
    let result = ready!(future.as_mut().poll(cx));
    *pending = None;
    Poll::Ready(result.map_err(connection_error))
}

impl Connection {
    pub fn new(connection: quinn::Connection, accepted: Accepted) -> Connection {
        Connection {
            connection,
            accepted,
            bidirectional: None,
            side: None,
            open: None,
        }
    }
}

impl quic::Connection<Bytes> for Connection {
    type RecvStream = Recv;
    type OpenStreams = Opener;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Recv, ConnectionErrorIncoming>> {
        let connection = &self.connection;
        let begin = || {
            let connection = connection.clone();
            async move { connection.accept_uni().await }
        };
        let stream = ready!(poll(&mut self.side, begin, cx))?;
        Poll::Ready(Ok(Recv::new(stream, Frames::of_side_stream())))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bidi, ConnectionErrorIncoming>> {
        let connection = &self.connection;
        let begin = || {
            let connection = connection.clone();
            async move { connection.accept_bi().await }
        };
        let (send, recv) = ready!(poll(&mut self.bidirectional, begin, cx))?;
        let send = Send::of_request(send);
        let recv = Recv::new(recv, Frames::of_request());
        let ours = (Rc::clone(&send.outbox), Rc::clone(&recv.inbox));
        *self.accepted.0.borrow_mut() = Some(ours);
        Poll::Ready(Ok(Bidi { send, recv }))
    }

    fn opener(&self) -> Opener {
        Opener(Connection::new(
            self.connection.clone(),
            Accepted::default(),
        ))
    }
}

impl quic::OpenStreams<Bytes> for Connection {
    type BidiStream = Bidi;
    type SendStream = Send;

    /// A server opens none.
    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        let error = ConnectionErrorIncoming::InternalError("a server opens no requests".into());
        Poll::Ready(Err(lost(error)))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Send, StreamErrorIncoming>> {
        let connection = &self.connection;
        let begin = || {
            let connection = connection.clone();
            async move { connection.open_uni().await }
        };
        let stream = ready!(poll(&mut self.open, begin, cx)).map_err(lost)?;
        Poll::Ready(Ok(Send::of_side_stream(stream)))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.connection.close(number(code), reason);
    }
}

/// Opens streams on a connection that is h3's.
pub(super) struct Opener(Connection);

impl quic::OpenStreams<Bytes> for Opener {
    type BidiStream = Bidi;
    type SendStream = Send;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        self.0.poll_open_bidi(cx)
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Send, StreamErrorIncoming>> {
        self.0.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.0.close(code, reason);
    }
}

/// Both halves of a request's stream.
pub(super) struct Bidi {
    send: Send,
    recv: Recv,
}

impl quic::BidiStream<Bytes> for Bidi {
    type SendStream = Send;
    type RecvStream = Recv;

    fn split(self) -> (Send, Recv) {
        (self.send, self.recv)
    }
}

impl quic::SendStream<Bytes> for Bidi {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

impl quic::RecvStream for Bidi {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.recv.poll_data(cx)
    }

    fn stop_sending(&mut self, code: u64) {
        self.recv.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.recv.recv_id()
    }
}

/// A half that sends.
pub(super) struct Send {
    outbox: Rc<RefCell<Outbox>>,
    /// Whoever writes the reply sees to it that what h3 writes leaves.
    is_of_request: bool,
}

impl Send {
    fn of_request(stream: quinn::SendStream) -> Send {
        Send {
            outbox: Rc::new(RefCell::new(Outbox::new(stream))),
            is_of_request: true,
        }
    }

    fn of_side_stream(stream: quinn::SendStream) -> Send {
        Send {
            outbox: Rc::new(RefCell::new(Outbox::new(stream))),
            is_of_request: false,
        }
    }
}

impl quic::SendStream<Bytes> for Send {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        if self.is_of_request {
            return Poll::Ready(Ok(()));
        }
        let flushed = ready!(self.outbox.borrow_mut().poll_flush(cx));
        Poll::Ready(flushed.map_err(write_error))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        let mut data = data.into();
        let bytes = data.copy_to_bytes(data.remaining());
        self.outbox.borrow_mut().push(bytes);
        Ok(())
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        let finished = ready!(self.outbox.borrow_mut().poll_finish(cx));
        Poll::Ready(finished.map_err(write_error))
    }

    fn reset(&mut self, code: u64) {
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        self.outbox.borrow_mut().reset(code);
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.outbox.borrow().id())
    }
}

/// What has gone to h3 of a stream.
#[derive(Default)]
pub(super) struct Inbox {
    data_bytes: Cell<u64>,
    has_ended: Cell<bool>,
}

impl Inbox {
    /// Whether the stream has ended, and a body of so many bytes was all of it.
    pub fn is_all(&self, bytes: u64) -> bool {
        self.has_ended.get() && self.data_bytes.get() == bytes
    }
}

/// A half that receives.
pub(super) struct Recv {
    stream: quinn::RecvStream,
    frames: Frames,
    inbox: Rc<Inbox>,
}

impl Recv {
    fn new(stream: quinn::RecvStream, frames: Frames) -> Recv {
        Recv {
            stream,
            frames,
            inbox: Rc::default(),
        }
    }
}

impl quic::RecvStream for Recv {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        // This future has no state of its own: the stream remembers whom to wake.
        let read = pin!(self.stream.read_chunk(usize::MAX, true)).poll(cx);
        let chunk = ready!(read).map_err(read_error)?;
        let Some(chunk) = chunk else {
            self.inbox.has_ended.set(true);
            if !self.frames.may_end() {
                // h3 would take half a frame of a body for a whole one.
                return Poll::Ready(Err(StreamErrorIncoming::Unknown("half a frame".into())));
            }
            return Poll::Ready(Ok(None));
        };
        if let Err(error) = self.frames.see(&chunk.bytes) {
            let _ = self.stream.stop(number(Code::H3_EXCESSIVE_LOAD));
            return Poll::Ready(Err(StreamErrorIncoming::Unknown(error.into())));
        }
        self.inbox.data_bytes.set(self.frames.data_bytes());
        Poll::Ready(Ok(Some(chunk.bytes)))
    }

    fn stop_sending(&mut self, code: u64) {
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        // A stream that has ended already needs no other end.
        let _ = self.stream.stop(code);
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

impl Drop for Recv {
    /// Whatever still comes is of no use; nothing is wrong with it (RFC 9114, section 4.1).
    fn drop(&mut self) {
        if !self.inbox.has_ended.get() {
            // It fails when the viewer has broken off.
            let _ = self.stream.stop(number(Code::H3_NO_ERROR));
        }
    }
}

fn stream_id(id: quinn::StreamId) -> StreamId {
    let number = VarInt::from(id).into_inner();
    StreamId::try_from(number).expect("both have 62 bits")
}

fn lost(connection_error: ConnectionErrorIncoming) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
}

fn connection_error(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => ConnectionErrorIncoming::ApplicationClose {
            error_code: close.error_code.into(),
        },
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        error => ConnectionErrorIncoming::Undefined(Arc::new(error)),
    }
}

fn read_error(error: ReadError) -> StreamErrorIncoming {
    match error {
        ReadError::Reset(code) => StreamErrorIncoming::StreamTerminated {
            error_code: code.into_inner(),
        },
        ReadError::ConnectionLost(error) => lost(connection_error(error)),
        error => StreamErrorIncoming::Unknown(error.into()),
    }
}

fn write_error(error: WriteError) -> StreamErrorIncoming {
    match error {
        WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated {
            error_code: code.into_inner(),
        },
        WriteError::ConnectionLost(error) => lost(connection_error(error)),
        error => StreamErrorIncoming::Unknown(error.into()),
    }
}
