//! Reading large objects: chunk by chunk, from the store where a chunk is there, else from the
//! flight that is just bringing it, else by a range request to the origin. A reader holds one
//! chunk at a time, so that slow viewers cost no memory and hold up nobody.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use cache::flight::{Leader, Pace, Read, Reader, Role};
use cache::key::CacheKey;
use cache::limits::CHUNK_BYTES;
use cache::object::{Meta, Object, ObjectKind};
use cache::range::{ByteRange, ContentRange, chunk_span, chunks_of};
use message::Fields;
use origin::OriginBody;

use crate::ask::ask;
use crate::directory::Served;
use crate::exchange::{Exchange, Snapshot};
use crate::fetch::Landing;
use crate::forward::Conditions;
use crate::respond::{RANGES, validators};
use crate::stream::BrokenOff;
use crate::worker::Worker;

/// A range of a large object on its way to a viewer.
pub(crate) struct ChunkReader {
    source: Rc<Source>,
    position: u64,
    /// One past the last byte wanted.
    end: u64,
    current: Current,
    /// Chunks of an object whose origin serves no ranges: they must not get lost on the way.
    held: Vec<Object>,
}

/// What chunks are fetched by.
struct Source {
    worker: Rc<Worker>,
    snapshot: Rc<Snapshot>,
    head: Object,
    generation: u64,
}

enum Current {
    None,
    Stored(Object),
    /// The flight that brings this chunk alone.
    Chunk(Reader<Landing>),
    /// The flight that brings the whole object; kept from chunk to chunk.
    Passing(Reader<Landing>),
}

/// The number that ties the chunks of one representation together.
pub(crate) fn generation_of(head: &Object) -> u64 {
    head.extra()
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

impl ChunkReader {
    /// Opens a range; `None` when a chunk is missing and the origin serves no ranges.
    pub fn open(
        worker: &Rc<Worker>,
        exchange: &Exchange<'_>,
        head: &Object,
        range: ByteRange,
    ) -> Option<ChunkReader> {
        let source = Source {
            worker: Rc::clone(worker),
            snapshot: exchange.snapshot(),
            head: head.clone(),
            generation: generation_of(head),
        };
        let mut held = Vec::new();
        if !head.meta().flags.contains(RANGES) {
            for index in chunks_of(range, CHUNK_BYTES as u64) {
                held.push(worker.shared.store.get(&source.key(index))?);
            }
            held.reverse();
        }
        let mut reader = ChunkReader {
            source: Rc::new(source),
            position: range.first,
            end: range.last + 1,
            current: Current::None,
            held,
        };
        // At once, so that a flight that brings it is followed from the start.
        reader.current = reader.find();
        Some(reader)
    }

    /// The next piece.
    pub async fn next(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        while self.position < self.end {
            let piece = match &mut self.current {
                Current::None => {
                    self.current = self.find();
                    continue;
                }
                Current::Stored(chunk) => {
                    let within = (self.position % CHUNK_BYTES as u64) as usize;
                    let bytes = chunk.body_bytes();
                    if within >= bytes.len() {
                        return Some(Err(BrokenOff));
                    }
                    bytes.slice(within..)
                }
                Current::Passing(reader) => match reader.read().await {
                    Read::Data(bytes) => bytes,
                    // It went on without us, or broke off: the rest comes chunk by chunk.
                    Read::Gone | Read::Failed => {
                        self.current = Current::None;
                        continue;
                    }
                    Read::End => return Some(Err(BrokenOff)),
                },
                Current::Chunk(reader) => match reader.read().await {
                    Read::Data(bytes) => bytes,
                    Read::Gone => {
                        self.current = Current::None;
                        continue;
                    }
                    Read::End | Read::Failed => return Some(Err(BrokenOff)),
                },
            };
            return Some(Ok(self.take(piece)));
        }
        None
    }

    /// Cuts a piece to what is wanted of this chunk, and goes on to the next at its end.
    fn take(&mut self, mut piece: Bytes) -> Bytes {
        let chunk_end = (self.position / CHUNK_BYTES as u64 + 1) * CHUNK_BYTES as u64;
        // A piece of a passing flight may reach into the next chunk, and its reader is past it.
        let is_passing = matches!(self.current, Current::Passing(_));
        let end = if is_passing {
            self.end
        } else {
            self.end.min(chunk_end)
        };
        piece.truncate(usize::try_from(end - self.position).unwrap_or(usize::MAX));
        self.position += piece.len() as u64;
        if self.position == chunk_end && !is_passing {
            self.current = Current::None;
        }
        piece
    }

    /// Where the chunk at the position comes from.
    fn find(&mut self) -> Current {
        if let Some(chunk) = self.held.pop() {
            return Current::Stored(chunk);
        }
        let source = &self.source;
        let index = self.position / CHUNK_BYTES as u64;
        let key = source.key(index);
        if let Some(chunk) = source.worker.shared.store.get(&key) {
            return Current::Stored(chunk);
        }
        if let Some(reader) = self.passing_flight() {
            return Current::Passing(reader);
        }
        let mut reader = match source.worker.shared.flights.join(key) {
            Role::Follower(reader) => reader,
            Role::Leader(leader) => {
                let reader = leader.reader();
                let source = Rc::clone(source);
                tokio::task::spawn_local(async move { source.fetch(leader, index).await });
                reader
            }
        };
        reader.seek(self.position % CHUNK_BYTES as u64);
        Current::Chunk(reader)
    }

    /// The flight of the whole object, if it is about to bring this chunk.
    fn passing_flight(&self) -> Option<Reader<Landing>> {
        let flights = &self.source.worker.shared.flights;
        let mut reader = flights.follow(self.source.head.key(), 0)?;
        match reader.landed() {
            Some(Landing::Response(arriving)) if arriving.generation == self.source.generation => {}
            _ => return None,
        }
        let soon = reader.received_bytes() + CHUNK_BYTES as u64;
        (self.position <= soon && reader.seek(self.position)).then_some(reader)
    }
}

impl Source {
    fn key(&self, index: u64) -> CacheKey {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.worker
            .shared
            .hasher
            .chunk(self.head.key(), self.generation, index)
    }

    /// Not every origin minds `If-Range`.
    fn is_same_representation(&self, fields: &Fields) -> bool {
        let (etag, last_modified) = validators(self.head.head());
        let agrees = |name: &str, stored: Option<Vec<u8>>| match (fields.get(name), stored) {
            (Some(now), Some(stored)) => now == stored,
            _ => true,
        };
        agrees("etag", etag) && agrees("last-modified", last_modified)
    }

    /// Fetches one chunk for all who want it, and stores it.
    async fn fetch(&self, mut leader: cache::flight::Leader<Landing>, index: u64) {
        let total_bytes = self.head.meta().total_bytes;
        let Some(span) = chunk_span(index, CHUNK_BYTES as u64, total_bytes) else {
            return;
        };
        let (etag, last_modified) = validators(self.head.head());
        let strong = etag.filter(|etag| !etag.starts_with(b"W/"));
        let conditions = Conditions::Range {
            bytes: (span.first, Some(span.last)),
            if_range: strong.or(last_modified),
        };
        let exchange = self.snapshot.exchange();
        let answer = ask(&self.worker, &exchange, &conditions).await;
        let Ok(response) = answer else { return };
        if response.head.status >= 500 {
            // The origin's trouble of the moment; what is stored is not to blame.
            return;
        }
        let range = response
            .head
            .fields
            .get("content-range")
            .and_then(ContentRange::parse);
        let is_part = response.head.status == 206
            && range
                == Some(ContentRange::Part {
                    range: span,
                    total_bytes: Some(total_bytes),
                })
            && self.is_same_representation(&response.head.fields);
        if !is_part {
            // Another representation by now: whoever comes next starts anew.
            self.worker.shared.store.remove(&self.head.key());
            return;
        }
        leader.land(Landing::Chunk, Pace::Slowest);
        let chunk = Chunk {
            head: &self.head,
            key: self.key(index),
            length: span.length(),
        };
        chunk
            .fill(&self.worker, &self.snapshot.served, leader, response.body)
            .await;
    }
}

/// Brings a chunk whose bytes are coming already to all who want it, and into the store.
pub(crate) fn bring(
    worker: &Rc<Worker>,
    served: &Arc<Served>,
    head: &Object,
    range: ByteRange,
    body: OriginBody,
) {
    let index = u32::try_from(range.first / CHUNK_BYTES as u64).unwrap_or(u32::MAX);
    let key = worker
        .shared
        .hasher
        .chunk(head.key(), generation_of(head), index);
    let Role::Leader(mut leader) = worker.shared.flights.join(key) else {
        return;
    };
    leader.land(Landing::Chunk, Pace::Slowest);
    let (worker, served, head) = (Rc::clone(worker), Arc::clone(served), head.clone());
    tokio::task::spawn_local(async move {
        let chunk = Chunk {
            head: &head,
            key,
            length: range.length(),
        };
        chunk.fill(&worker, &served, leader, body).await;
    });
}

/// A chunk on its way.
struct Chunk<'a> {
    head: &'a Object,
    key: CacheKey,
    length: u64,
}

impl Chunk<'_> {
    async fn fill(
        &self,
        worker: &Worker,
        served: &Served,
        leader: Leader<Landing>,
        mut body: OriginBody,
    ) {
        let mut parts: Vec<Bytes> = Vec::new();
        let mut received = 0;
        while let Some(piece) = body.next().await {
            let Ok(bytes) = piece else { return };
            received += bytes.len() as u64;
            if received > self.length {
                return;
            }
            parts.push(bytes.clone());
            leader.push(bytes);
        }
        if received == self.length {
            worker.counters(served).bytes_from_origin.add(received);
            store_chunk(
                worker,
                &self.head.meta(),
                self.key,
                self.head.path(),
                &parts,
            );
            leader.finish();
        }
    }
}

/// Stores one chunk under its key.
pub(crate) fn store_chunk(
    worker: &Worker,
    head: &Meta,
    key: CacheKey,
    path: &[u8],
    parts: &[Bytes],
) {
    let meta = Meta {
        key,
        kind: ObjectKind::Chunk,
        ..*head
    };
    let slices: Vec<&[u8]> = parts.iter().map(AsRef::as_ref).collect();
    if let Ok(chunk) = Object::new(&meta, path, b"", b"", &slices) {
        worker.shared.store.insert(chunk);
    }
}
