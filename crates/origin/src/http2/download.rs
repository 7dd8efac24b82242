use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use message::Fields;
use tokio::time::Instant;

use super::link::Lease;
use super::upload::Upload;
use super::{StreamError, head, stream_error};
use crate::FetchError;
use crate::pool::TaskGuard;
use crate::timer::LazyTimer;
use crate::upload::UploadState;

/// The body of a response, and what of the exchange still goes on beside it.
pub(crate) struct Download {
    /// `None` after the end.
    flow: Option<Flow>,
    trailers: Option<Fields>,
}

/// Dropping it resets a stream that is not over.
struct Flow {
    stream: RecvStream,
    /// The upload, when the head came before its end.
    upload: Option<(Rc<UploadState>, TaskGuard)>,
    timer: LazyTimer,
    terms: Terms,
    /// Whether the timer is set for the read that waits now.
    is_armed: bool,
    /// Bytes that were handed out and that the origin has not been given back as window.
    handed_out: usize,
    _lease: Lease,
}

/// How long a download may take.
pub(super) struct Terms {
    pub(super) read_timeout: Duration,
    pub(super) completion_deadline: Option<Instant>,
}

impl Download {
    pub(super) fn new(
        stream: RecvStream,
        lease: Lease,
        upload: Option<Upload>,
        timer: LazyTimer,
        terms: Terms,
    ) -> Download {
        let is_over = stream.is_end_stream();
        let upload = upload.filter(|upload| !upload.is_over() && !is_over);
        let flow = Flow {
            stream,
            upload: upload.map(go_on),
            timer,
            terms,
            is_armed: false,
            handed_out: 0,
            _lease: lease,
        };
        Download {
            flow: Some(flow).filter(|_| !is_over),
            trailers: None,
        }
    }

    /// The next piece; `None` at the end, when the trailers are there.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, FetchError>>> {
        let Some(flow) = &mut self.flow else {
            return Poll::Ready(None);
        };
        let item = ready!(flow.poll_next(cx));
        Poll::Ready(match item {
            Ok(Piece::Data(data)) => {
                if flow.stream.is_end_stream() {
                    self.flow = None;
                }
                Some(Ok(data))
            }
            Ok(Piece::End(trailers)) => {
                self.trailers = trailers;
                self.flow = None;
                None
            }
            Err(error) => {
                self.flow = None;
                Some(Err(error))
            }
        })
    }

    pub(crate) fn take_trailers(&mut self) -> Option<Fields> {
        self.trailers.take()
    }
}

/// Lets an upload go on by itself for as long as the guard is there.
fn go_on(mut upload: Upload) -> (Rc<UploadState>, TaskGuard) {
    let state = upload.state();
    let task = tokio::task::spawn_local(async move { poll_fn(|cx| upload.poll(cx)).await });
    (state, TaskGuard(task.abort_handle()))
}

enum Piece {
    Data(Bytes),
    End(Option<Fields>),
}

impl Flow {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, FetchError>> {
        let handed_out = std::mem::take(&mut self.handed_out);
        if handed_out > 0 {
            // It fails when more is given back than was handed out, which is not so.
            let _ = self.stream.flow_control().release_capacity(handed_out);
        }
        loop {
            let result = match self.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    self.is_armed = false;
                    if data.is_empty() {
                        continue; // A frame of nothing is a sign of life all the same.
                    }
                    self.handed_out = data.len();
                    return Poll::Ready(Ok(Piece::Data(data)));
                }
                Poll::Ready(Some(Err(error))) => Poll::Ready(Err(error)),
                Poll::Ready(None) => self.stream.poll_trailers(cx),
                Poll::Pending => Poll::Pending,
            };
            return match result {
                Poll::Ready(Ok(None)) => Poll::Ready(Ok(Piece::End(None))),
                Poll::Ready(Ok(Some(trailers))) => {
                    let trailers = head::trailers(&trailers).ok_or(FetchError::HeadTooBig)?;
                    Poll::Ready(Ok(Piece::End(Some(trailers))))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(self.error_of(&error))),
                Poll::Pending => self.poll_timeout(cx).map(Err),
            };
        }
    }

    fn error_of(&self, error: &h2::Error) -> FetchError {
        tracing::debug!(%error, "response body broke off");
        let failure = self
            .upload
            .as_ref()
            .and_then(|(upload, _)| upload.failure());
        match (failure, stream_error(error)) {
            (Some(failure), _) => failure.into(),
            (None, StreamError::Reset(code)) => FetchError::Reset(code),
            (None, StreamError::Closed | StreamError::Invalid) => FetchError::Incomplete,
        }
    }

    /// Ready with the error once there was no frame for too long, in either direction.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<FetchError> {
        loop {
            let now = Instant::now();
            let completion = self.terms.completion_deadline;
            if !self.is_armed {
                self.is_armed = true;
                let deadline = now + self.terms.read_timeout;
                self.timer.arm(deadline.min(completion.unwrap_or(deadline)));
            }
            ready!(self.timer.poll_elapsed(cx));
            let now = Instant::now();
            if completion.is_some_and(|at| now >= at) {
                return Poll::Ready(FetchError::CompletionTimeout);
            }
            let last_sent = self
                .upload
                .as_ref()
                .map(|(upload, _)| upload.last_progress());
            let deadline = last_sent.map(|at| at + self.terms.read_timeout);
            match deadline.filter(|at| now < *at) {
                Some(at) => self.timer.arm(at.min(completion.unwrap_or(at))),
                None => return Poll::Ready(FetchError::ReadTimeout),
            }
        }
    }
}
