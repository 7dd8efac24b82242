//! Bodies that come in pieces.

use std::collections::VecDeque;

use bytes::Bytes;
use cache::flight::{Read, Reader};
use message::Fields;
use origin::OriginBody;

use crate::chunks::ChunkReader;
use crate::compress::Compressor;
use crate::fetch::Landing;
use crate::reply::Body;

/// A body on its way to a viewer.
pub(crate) enum Stream {
    /// Straight from the origin, perhaps compressed on the way.
    Origin {
        body: OriginBody,
        compressor: Option<Compressor>,
        first: Option<Bytes>,
    },
    /// From a flight: what comes in goes out to all who follow. `left` bytes are wanted.
    Flight {
        reader: Reader<Landing>,
        left: Option<u64>,
    },
    /// From the chunks of a large object.
    Chunks(ChunkReader),
    /// Several ranges.
    Multipart(MultipartStream),
}

/// The body broke off; the viewer must learn of it by a connection that ends too early.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct BrokenOff;

impl Stream {
    /// The next piece; never empty.
    pub async fn next(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        match self {
            Stream::Origin {
                body,
                compressor,
                first,
            } => match first.take() {
                Some(first) => Some(Ok(first)),
                None => next_of_origin(body, compressor).await,
            },
            Stream::Flight { reader, left } => next_of_flight(reader, left).await,
            Stream::Chunks(reader) => reader.next().await,
            Stream::Multipart(parts) => Box::pin(parts.next()).await,
        }
    }

    /// The fields that the origin sent behind the body; there once it has ended.
    pub fn take_trailers(&mut self) -> Option<Fields> {
        match self {
            Stream::Origin { body, .. } => body.take_trailers(),
            _ => None,
        }
    }
}

async fn next_of_origin(
    body: &mut OriginBody,
    compressor: &mut Option<Compressor>,
) -> Option<Result<Bytes, BrokenOff>> {
    loop {
        let piece = match (body.next().await, compressor.as_mut()) {
            (Some(Ok(bytes)), Some(compressor)) => Bytes::from(compressor.push(&bytes)),
            (Some(Ok(bytes)), None) => bytes,
            (Some(Err(_)), _) => return Some(Err(BrokenOff)),
            (None, _) => Bytes::from(compressor.take()?.finish()),
        };
        if !piece.is_empty() {
            return Some(Ok(piece));
        }
    }
}

async fn next_of_flight(
    reader: &mut Reader<Landing>,
    left: &mut Option<u64>,
) -> Option<Result<Bytes, BrokenOff>> {
    if *left == Some(0) {
        return None;
    }
    match reader.read().await {
        Read::Data(mut bytes) => {
            if let Some(left) = left {
                bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= bytes.len() as u64;
            }
            Some(Ok(bytes))
        }
        Read::End if left.is_none_or(|left| left == 0) => None,
        Read::End | Read::Gone | Read::Failed => Some(Err(BrokenOff)),
    }
}

/// `multipart/byteranges`: each part's head, then its bytes.
#[derive(Default)]
pub(crate) struct MultipartStream {
    parts: VecDeque<Part>,
}

enum Part {
    Inline(Bytes),
    Stream(Box<Stream>),
}

impl MultipartStream {
    pub fn push(&mut self, head: Vec<u8>, body: Body) {
        self.parts.push_back(Part::Inline(head.into()));
        match body {
            Body::Object {
                object,
                first,
                length,
            } => {
                let bytes = object.body_bytes().slice(first..first + length);
                self.parts.push_back(Part::Inline(bytes));
            }
            Body::Stream(stream) => self.parts.push_back(Part::Stream(stream)),
            Body::Inline(bytes) => self.parts.push_back(Part::Inline(bytes)),
            Body::Empty | Body::Tunnel(_) => {}
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        loop {
            match self.parts.front_mut()? {
                Part::Inline(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.parts.pop_front();
                    if !bytes.is_empty() {
                        return Some(Ok(bytes));
                    }
                }
                Part::Stream(stream) => match stream.next().await {
                    Some(piece) => return Some(piece),
                    None => drop(self.parts.pop_front()),
                },
            }
        }
    }
}
