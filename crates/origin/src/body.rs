use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use message::Fields;
use tokio::time::Instant;

use crate::FetchError;
use crate::client::Shared;
use crate::head::ResponseFraming;
use crate::http2;
use crate::pool::{Link, Pool};
use crate::upload::UploadState;

/// The body of an origin's response, read no faster than it is taken. Read to its end it gives
/// its connection back; dropped before, it closes the connection, or in HTTP/2 resets its stream.
///
/// The pieces are slices of the connection's read buffer: copy what is kept for long.
pub struct OriginBody {
    incoming: Option<Incoming>,
    lease: Option<Lease>,
    /// The body of HTTP/2, in place of the two above.
    stream: Option<Box<http2::Download>>,
    length: Option<u64>,
    is_close_delimited: bool,
}

/// A connection on loan to a body.
pub(crate) struct Lease {
    pub(crate) link: Link,
    pub(crate) pool: Rc<Pool>,
    pub(crate) shared: Rc<Shared>,
    pub(crate) upload: Option<Rc<UploadState>>,
    pub(crate) read_timeout: Duration,
    pub(crate) completion_deadline: Option<Instant>,
    /// How long the connection may be idle afterwards; `None` when it must not be used again.
    pub(crate) idle: Option<Duration>,
    /// Whether the timer is set for the read that waits now.
    pub(crate) is_armed: bool,
}

impl Lease {
    /// Ends the exchange after its last byte.
    fn give_back(self) {
        // An upload still under way belongs to this exchange: nothing may follow it.
        let is_upload_over = self
            .upload
            .as_ref()
            .is_none_or(|upload| upload.is_finished());
        if let Some(idle) = self.idle.filter(|_| is_upload_over) {
            self.shared.keep(&self.pool, self.link, idle);
        }
    }

    /// Ready with the error once the origin has been silent for too long.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<FetchError> {
        if !self.is_armed {
            self.is_armed = true;
            let deadline = Instant::now() + self.read_timeout;
            let completion = self.completion_deadline.unwrap_or(deadline);
            self.link.timer.arm(deadline.min(completion));
        }
        self.link.timer.poll_elapsed(cx).map(|()| {
            let is_over = self
                .completion_deadline
                .is_some_and(|at| Instant::now() >= at);
            if is_over {
                FetchError::CompletionTimeout
            } else {
                FetchError::ReadTimeout
            }
        })
    }
}

impl OriginBody {
    pub(crate) fn new(incoming: Incoming, framing: ResponseFraming, lease: Lease) -> OriginBody {
        let length = match framing {
            ResponseFraming::None => Some(0),
            ResponseFraming::Length(length) => Some(length),
            ResponseFraming::Chunked
            | ResponseFraming::ChunkedAndLength
            | ResponseFraming::UntilClose => None,
        };
        let mut body = OriginBody {
            incoming: Some(incoming),
            lease: Some(lease),
            stream: None,
            length,
            is_close_delimited: framing == ResponseFraming::UntilClose,
        };
        if length == Some(0) {
            body.finish();
        }
        body
    }

    /// A body without bytes or connection.
    pub(crate) fn empty() -> OriginBody {
        OriginBody {
            incoming: None,
            lease: None,
            stream: None,
            length: Some(0),
            is_close_delimited: false,
        }
    }

    /// The body of an HTTP/2 stream.
    pub(crate) fn of_stream(stream: http2::Download, length: Option<u64>) -> OriginBody {
        OriginBody {
            stream: Some(Box::new(stream)),
            length,
            ..OriginBody::empty()
        }
    }

    /// The next piece; `None` at the end. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, FetchError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`OriginBody::next`] as a poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, FetchError>>> {
        let (Some(incoming), Some(lease)) = (&mut self.incoming, &mut self.lease) else {
            let stream = self.stream.as_mut();
            return stream.map_or(Poll::Ready(None), |stream| stream.poll_next(cx));
        };
        loop {
            match Pin::new(&mut *incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    }; // Trailers: spec §5.5.
                    lease.is_armed = false;
                    if incoming.is_end_stream() {
                        self.finish();
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Ready(None) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "response body broke off");
                    let failure = lease.upload.as_ref().and_then(|upload| upload.failure());
                    let error = failure.map_or(FetchError::Incomplete, FetchError::ViewerBody);
                    self.abandon();
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Pending => {
                    return lease.poll_timeout(cx).map(|error| {
                        self.abandon();
                        Some(Err(error))
                    });
                }
            }
        }
    }

    /// The fields that an HTTP/2 origin sent behind the body; there once the body has ended, and
    /// taken once. Those of HTTP/1.1 are dropped (spec §5.5).
    pub fn take_trailers(&mut self) -> Option<Fields> {
        self.stream.as_mut()?.take_trailers()
    }

    /// The length when the origin announced it; 0 when there is no body (HEAD, 204, 304).
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether the body ends where the connection does, so that a broken one looks complete.
    pub fn is_close_delimited(&self) -> bool {
        self.is_close_delimited
    }

    fn finish(&mut self) {
        self.incoming = None;
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn abandon(&mut self) {
        self.incoming = None;
        self.lease = None;
    }
}

impl std::fmt::Debug for OriginBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginBody")
            .field("length", &self.length)
            .field("is_close_delimited", &self.is_close_delimited)
            .field("is_open", &(self.lease.is_some() || self.stream.is_some()))
            .finish()
    }
}
