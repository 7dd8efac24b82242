use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use tokio::time::Instant;

use super::head;
use crate::limits::{REPLAY_BYTES_MAX, REPLAY_PIECES_MAX};
use crate::upload::{self, UploadState};
use crate::{BodyError, RequestBody};

/// A request body of which the beginning is kept until the origin has answered, so that it can be
/// sent again.
pub(super) struct Replay {
    state: Rc<UploadState>,
    /// What the viewer sent so far; `None` when it was too much or is no longer of use.
    kept: RefCell<Option<Vec<Bytes>>>,
    kept_bytes: Cell<usize>,
    is_over: Cell<bool>,
    trailers: RefCell<Option<HeaderMap>>,
}

impl Replay {
    /// `None` when there is no body.
    pub(super) fn new(body: RequestBody) -> Option<Rc<Replay>> {
        Some(Rc::new(Replay {
            state: upload::Upload::state_of(body)?,
            kept: RefCell::new(Some(Vec::new())),
            kept_bytes: Cell::new(0),
            is_over: Cell::new(false),
            trailers: RefCell::default(),
        }))
    }

    /// Whether the body can be sent from its start.
    pub(super) fn is_whole(&self) -> bool {
        self.kept.borrow().is_some() && self.state.failure().is_none()
    }

    /// Keeps nothing from now on.
    pub(super) fn forget(&self) {
        *self.kept.borrow_mut() = None;
    }

    /// The next piece behind those already read, `read` of the kept ones among them.
    fn poll_piece(
        &self,
        cx: &mut Context<'_>,
        read: &mut usize,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = self
            .kept
            .borrow()
            .as_ref()
            .and_then(|kept| kept.get(*read).cloned());
        if let Some(piece) = piece {
            *read += 1;
            return Poll::Ready(Some(Ok(piece)));
        }
        if let Some(failure) = self.state.failure() {
            return Poll::Ready(Some(Err(failure)));
        }
        if self.is_over.get() {
            return Poll::Ready(None);
        }
        let item = self.state.poll_data(cx);
        match &item {
            Poll::Ready(Some(Ok(piece))) => {
                self.keep(piece);
                *read += 1;
            }
            Poll::Ready(None) => {
                self.is_over.set(true);
                let trailers = self.state.trailers();
                *self.trailers.borrow_mut() = trailers.as_ref().and_then(head::request_trailers);
            }
            _ => {}
        }
        item
    }

    fn keep(&self, piece: &Bytes) {
        let mut kept = self.kept.borrow_mut();
        let bytes = self.kept_bytes.get() + piece.len();
        self.kept_bytes.set(bytes);
        match kept.as_mut() {
            Some(pieces) if bytes <= REPLAY_BYTES_MAX && pieces.len() < REPLAY_PIECES_MAX => {
                pieces.push(piece.clone());
            }
            _ => *kept = None,
        }
    }
}

/// Sends a request body over one stream, as fast as its window and the socket take it.
pub(super) struct Upload {
    body: Rc<Replay>,
    stream: SendStream<Bytes>,
    /// How many of the kept pieces were taken.
    read: usize,
    /// What was taken and not yet sent.
    piece: Bytes,
    is_over: bool,
}

impl Upload {
    pub(super) fn new(body: Rc<Replay>, stream: SendStream<Bytes>) -> Upload {
        Upload {
            body,
            stream,
            read: 0,
            piece: Bytes::new(),
            is_over: false,
        }
    }

    /// Ready when there is nothing more to do: all is sent, the viewer failed
    /// ([`Upload::failure`]), or the origin wants no more of it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_over {
            if !self.piece.is_empty() {
                let Some(count) = std::task::ready!(self.poll_room(cx)) else {
                    self.is_over = true;
                    break;
                };
                let part = self.piece.split_to(count);
                self.body.state.progressed();
                if !self.piece.is_empty() {
                    self.send(part, false);
                    continue;
                }
                // One look ahead: most calls are one message, which then ends its stream itself.
                match self.body.poll_piece(cx, &mut self.read) {
                    Poll::Ready(None) if self.body.trailers.borrow().is_none() => {
                        self.send(part, true);
                        self.is_over = true;
                    }
                    Poll::Pending => {
                        self.send(part, false);
                        return Poll::Pending;
                    }
                    Poll::Ready(item) => {
                        self.send(part, false);
                        self.take(item);
                    }
                }
                continue;
            }
            let item = std::task::ready!(self.body.poll_piece(cx, &mut self.read));
            self.take(item);
        }
        Poll::Ready(())
    }

    /// How many bytes of the piece may go; `None` when the stream is closed.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        self.stream.reserve_capacity(self.piece.len());
        loop {
            let room = self.stream.capacity().min(self.piece.len());
            if room > 0 {
                return Poll::Ready(Some(room));
            }
            match std::task::ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(None),
            }
        }
    }

    fn take(&mut self, item: Option<Result<Bytes, BodyError>>) {
        match item {
            Some(Ok(piece)) => self.piece = piece,
            Some(Err(_)) => {
                self.stream.send_reset(Reason::CANCEL);
                self.is_over = true;
            }
            None => {
                let trailers = self.body.trailers.borrow().clone();
                match trailers {
                    // An error says that the stream is closed: its other half says why.
                    Some(trailers) => drop(self.stream.send_trailers(trailers)),
                    None => self.send(Bytes::new(), true),
                }
                self.is_over = true;
            }
        }
    }

    fn send(&mut self, data: Bytes, is_last: bool) {
        if self.stream.send_data(data, is_last).is_err() {
            self.is_over = true; // Closed: its other half says why.
        }
    }

    /// Why the viewer's side failed, if it did.
    pub(super) fn failure(&self) -> Option<BodyError> {
        self.body.state.failure()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn is_waiting_for_viewer(&self) -> bool {
        !self.is_over && self.piece.is_empty() && self.body.state.is_waiting_for_viewer()
    }

    pub(super) fn has_unsent_bytes(&self) -> bool {
        !self.piece.is_empty()
    }

    pub(super) fn last_progress(&self) -> Instant {
        self.body.state.last_progress()
    }

    /// The state that outlives it.
    pub(super) fn state(&self) -> Rc<UploadState> {
        Rc::clone(&self.body.state)
    }
}
