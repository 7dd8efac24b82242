use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};
use origin::BodyError;

use crate::limits;
use crate::streams::{Gone, Incoming, Outgoing, Reset};

/// The viewer's direction of a stream.
pub(super) struct Receiving(pub RecvStream);

impl Incoming for Receiving {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Some(data) = ready!(self.0.poll_data(cx)) else {
            return Poll::Ready(None);
        };
        let data = data.map_err(|error| match error.is_library() {
            // The one fault that the library finds in a stream that goes on.
            true => BodyError::WrongLength,
            false => BodyError::Closed,
        });
        if let Ok(bytes) = &data {
            // Of a stream that is gone, nothing need be told.
            let _ = self.0.flow_control().release_capacity(bytes.len());
        }
        Poll::Ready(Some(data))
    }
}

/// Our direction of a stream.
pub(super) struct Sending {
    respond: SendResponse<Bytes>,
    /// Once the head is sent.
    body: Option<SendStream<Bytes>>,
}

impl Sending {
    pub fn new(respond: SendResponse<Bytes>) -> Sending {
        Sending {
            respond,
            body: None,
        }
    }
}

impl Outgoing for Sending {
    fn send_head(&mut self, head: Response<()>, is_last: bool) -> Result<(), Gone> {
        let sent = self.respond.send_response(head, is_last);
        self.body = Some(sent.map_err(|_| Gone)?);
        Ok(())
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        piece: &mut Bytes,
        is_last: bool,
    ) -> Poll<Result<(), Gone>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Err(Gone));
        };
        if !piece.is_empty() {
            body.reserve_capacity(piece.len().min(limits::HTTP2_STREAM_SEND_BYTES_MAX));
            while body.capacity() == 0 {
                match ready!(body.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(Err(Gone)),
                }
            }
        }
        let part = piece.split_to(piece.len().min(body.capacity()));
        let sent = body.send_data(part, is_last && piece.is_empty());
        Poll::Ready(sent.map_err(|_| Gone))
    }

    fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), Gone> {
        let body = self.body.as_mut().ok_or(Gone)?;
        body.send_trailers(trailers).map_err(|_| Gone)
    }

    /// What the library has taken leaves with the connection.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.body {
            None => self.respond.poll_reset(cx).map(|_| ()),
            Some(body) => body.poll_reset(cx).map(|_| ()),
        }
    }

    fn reset(&mut self, reason: Reset) {
        self.respond.send_reset(match reason {
            Reset::Incomplete => Reason::INTERNAL_ERROR,
            Reset::Cancelled => Reason::CANCEL,
        });
    }
}
