use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use message::Fields;
use tokio::time::Instant;

use crate::{BodyError, BodySource, RequestBody};

/// The state of a streamed request body, shared by the fetch and the connection that sends it.
pub(crate) struct UploadState {
    source: RefCell<Box<dyn BodySource>>,
    length: Option<u64>,
    /// Bytes taken from the source.
    taken: Cell<u64>,
    is_finished: Cell<bool>,
    failure: Cell<Option<BodyError>>,
    /// Whether the connection asked and the viewer had nothing: no fault of the origin.
    is_waiting_for_viewer: Cell<bool>,
    last_progress: Cell<Instant>,
    /// Which connection may take the body. A dying one must not steal from its successor.
    turn: Cell<u32>,
}

impl UploadState {
    /// Why the viewer's side failed, if it did.
    pub(crate) fn failure(&self) -> Option<BodyError> {
        self.failure.get()
    }

    /// Whether the whole body has been handed to the connection.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished.get()
    }

    /// Whether nothing has been taken, so that another connection can send it from the start.
    pub(crate) fn is_untouched(&self) -> bool {
        self.taken.get() == 0 && !self.is_finished.get() && self.failure.get().is_none()
    }

    pub(crate) fn is_waiting_for_viewer(&self) -> bool {
        self.is_waiting_for_viewer.get()
    }

    pub(crate) fn last_progress(&self) -> Instant {
        self.last_progress.get()
    }

    /// The connection took some of the body.
    pub(crate) fn progressed(&self) {
        self.last_progress.set(Instant::now());
    }

    /// The fields behind the body, once it has ended.
    pub(crate) fn trailers(&self) -> Option<Fields> {
        self.source.borrow_mut().trailers()
    }

    fn fail(&self, error: BodyError) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.failure.set(Some(error));
        Poll::Ready(Some(Err(error)))
    }

    /// The next piece from the viewer.
    pub(crate) fn poll_data(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Poll::Ready(item) = self.source.borrow_mut().poll_data(cx) else {
            self.is_waiting_for_viewer.set(true);
            return Poll::Pending;
        };
        self.is_waiting_for_viewer.set(false);
        self.last_progress.set(Instant::now());
        match item {
            Some(Ok(data)) => {
                let taken = self.taken.get() + data.len() as u64;
                self.taken.set(taken);
                match self.length {
                    Some(length) if taken > length => return self.fail(BodyError::WrongLength),
                    // Nobody asks again once the announced length is there.
                    Some(length) if taken == length => self.is_finished.set(true),
                    _ => {}
                }
                Poll::Ready(Some(Ok(data)))
            }
            Some(Err(error)) => self.fail(error),
            None if self.length.is_some_and(|length| self.taken.get() < length) => {
                self.fail(BodyError::WrongLength)
            }
            None => {
                self.is_finished.set(true);
                Poll::Ready(None)
            }
        }
    }
}

/// A request body as hyper takes it; cheap to make again for a retry.
pub(crate) struct Upload {
    state: Option<Rc<UploadState>>,
    turn: u32,
}

impl Upload {
    pub(crate) fn state_of(body: RequestBody) -> Option<Rc<UploadState>> {
        match body {
            RequestBody::Empty
            | RequestBody::Stream {
                length: Some(0), ..
            } => None,
            RequestBody::Stream { length, body } => Some(Rc::new(UploadState {
                source: RefCell::new(body),
                length,
                taken: Cell::new(0),
                is_finished: Cell::new(false),
                failure: Cell::new(None),
                is_waiting_for_viewer: Cell::new(false),
                last_progress: Cell::new(Instant::now()),
                turn: Cell::new(0),
            })),
        }
    }

    /// The body for the next connection; whatever an earlier one still holds becomes void.
    pub(crate) fn next_turn(state: Option<&Rc<UploadState>>) -> Upload {
        let turn = state.map_or(0, |state| {
            state.turn.set(state.turn.get() + 1);
            state.turn.get()
        });
        Upload {
            state: state.cloned(),
            turn,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(state) = &self.state else {
            return Poll::Ready(None);
        };
        if state.turn.get() != self.turn {
            return Poll::Ready(Some(Err(BodyError::Closed)));
        }
        if let Some(error) = state.failure.get() {
            return Poll::Ready(Some(Err(error)));
        }
        if state.is_finished.get() {
            return Poll::Ready(None);
        }
        state
            .poll_data(cx)
            .map(|item| item.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.state.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            None => SizeHint::with_exact(0),
            Some(state) => state
                .length
                .map_or_else(SizeHint::new, SizeHint::with_exact),
        }
    }
}
