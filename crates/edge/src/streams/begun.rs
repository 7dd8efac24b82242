use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, header};
use origin::BodyError;
use tokio::time::timeout;

use super::Incoming;

/// The viewer's direction of a stream that was looked into before anybody asked for its body.
pub(crate) struct Begun<I> {
    incoming: I,
    first: Option<Bytes>,
}

/// It cannot be known whether a request has a body: its stream broke off, or nothing comes.
pub(crate) struct Unread;

impl<I: Incoming> Begun<I> {
    /// Nothing is looked into yet.
    pub fn new(incoming: I) -> Begun<I> {
        Begun {
            incoming,
            first: None,
        }
    }

    /// Whether a body follows a head that was not the end of its stream. Where a request is not of
    /// a kind that has one, it is waited for: the end comes right behind the head, mostly.
    pub async fn has_body(&mut self, parts: &Parts, patience: Duration) -> Result<bool, Unread> {
        let begun = poll_fn(|cx| Poll::Ready(self.poll_begun(cx))).await;
        if let Poll::Ready(begun) = begun {
            return begun.map_err(|_| Unread);
        }
        if !is_plain(parts) {
            return Ok(true);
        }
        match timeout(patience, poll_fn(|cx| self.poll_begun(cx))).await {
            Ok(Ok(has_body)) => Ok(has_body),
            _ => Err(Unread),
        }
    }

    /// Ready when it is known whether there is a body: the stream has ended, or some of it is here.
    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BodyError>> {
        while self.first.as_ref().is_none_or(Bytes::is_empty) {
            match ready!(self.incoming.poll_data(cx)) {
                None => return Poll::Ready(Ok(false)),
                Some(piece) => self.first = Some(piece?),
            }
        }
        Poll::Ready(Ok(true))
    }
}

impl<I: Incoming> Incoming for Begun<I> {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => self.incoming.poll_data(cx),
        }
    }
}

/// Whether a request says nothing of a body, and is of a kind that has none.
pub(crate) fn is_plain(parts: &Parts) -> bool {
    matches!(parts.method, Method::GET | Method::HEAD)
        && !parts.headers.contains_key(header::CONTENT_LENGTH)
}
