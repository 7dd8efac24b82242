//! Bodies on their way into the store, while all who follow read them.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use cache::flight::Leader;
use cache::limits::CHUNK_BYTES;
use cache::object::{Meta, Object, ObjectKind};
use origin::OriginBody;

use crate::chunks::store_chunk;
use crate::compress::Compressor;
use crate::directory::Served;
use crate::fetch::Landing;
use crate::limits;
use crate::respond::RANGES;
use crate::worker::Worker;

/// What an object will be made of, besides its body.
pub(crate) struct Filling {
    pub meta: Meta,
    pub path: Vec<u8>,
    /// As [`crate::objects::tags`] has them.
    pub tags: Vec<u8>,
    pub head: Vec<u8>,
    /// Length of the body to be stored, when it is known.
    pub length: Option<u64>,
    /// Ties the chunks together.
    pub generation: u64,
    pub compressor: Option<Compressor>,
}

impl Filling {
    /// The head of an object of several chunks, to be stored before its body: where its length is
    /// known and missing chunks can be fetched by ranges.
    pub fn early_head(&self) -> Option<Object> {
        let length = self.length.filter(|length| *length > CHUNK_BYTES as u64)?;
        if !self.meta.flags.contains(RANGES) {
            return None;
        }
        self.head_object(length)
    }

    fn head_object(&self, total_bytes: u64) -> Option<Object> {
        let meta = Meta {
            kind: ObjectKind::Head,
            total_bytes,
            ..self.meta
        };
        let mut extra = self.generation.to_le_bytes().to_vec();
        extra.extend_from_slice(&self.tags);
        Object::new(&meta, &self.path, &extra, &self.head, &[]).ok()
    }
}

/// Brings a body into the store and to the followers. A body that breaks off is not stored, but
/// for the whole chunks of one that can be completed by ranges.
pub(crate) async fn fill(
    worker: Rc<Worker>,
    served: Arc<Served>,
    mut leader: Leader<Landing>,
    mut body: OriginBody,
    mut filling: Filling,
) {
    let counts_length = body.length().is_none();
    let mut compressor = filling.compressor.take();
    let mut gathered = Gathered {
        worker: &worker,
        filling: &filling,
        parts: Vec::new(),
        length: 0,
        chunks: 0,
    };
    let mut received = 0;
    let mut orphaned_since = None;
    loop {
        let piece = match orphaned_since {
            None => body.next().await,
            Some(since) => {
                let end = since + limits::ORPHAN_TIMEOUT;
                match tokio::time::timeout_at(end, body.next()).await {
                    Ok(piece) => piece,
                    Err(_) if is_abandoned(&mut leader) => return,
                    Err(_) => {
                        orphaned_since = None;
                        continue;
                    }
                }
            }
        };
        let Some(piece) = piece else { break };
        let Ok(bytes) = piece else { return };
        received += bytes.len() as u64;
        let bytes = match &mut compressor {
            None => bytes,
            Some(compressor) => Bytes::from(compressor.push(&bytes)),
        };
        gathered.add(bytes.clone());
        leader.push(bytes);
        if leader.readers_count() > 0 {
            orphaned_since = None;
        } else if is_worth_finishing(body.length(), received) {
            orphaned_since.get_or_insert_with(tokio::time::Instant::now);
        } else if is_abandoned(&mut leader) {
            return;
        }
        leader.room().await;
    }
    if let Some(compressor) = compressor {
        let bytes = Bytes::from(compressor.finish());
        gathered.add(bytes.clone());
        leader.push(bytes);
    }
    if counts_length {
        worker.counters(&served).bytes_from_origin.add(received);
    }
    gathered.store();
    leader.finish();
}

/// Whether nobody follows, nor will. First out of sight, so that nobody comes in between.
fn is_abandoned(leader: &mut Leader<Landing>) -> bool {
    if leader.readers_count() > 0 {
        return false;
    }
    leader.leave_table();
    leader.readers_count() == 0
}

/// Whether a body that nobody follows any more is brought in all the same: little is missing, or,
/// where the length is not known, it has been short so far.
fn is_worth_finishing(length: Option<u64>, received: u64) -> bool {
    match length {
        Some(length) => length.saturating_sub(received) <= limits::ORPHAN_BYTES_MAX,
        None => received <= limits::ORPHAN_BYTES_MAX,
    }
}

/// What has come of a body and is not stored yet: less than a chunk.
struct Gathered<'a> {
    worker: &'a Worker,
    filling: &'a Filling,
    parts: Vec<Bytes>,
    length: usize,
    chunks: u64,
}

impl Gathered<'_> {
    fn add(&mut self, mut bytes: Bytes) {
        while self.length + bytes.len() > CHUNK_BYTES {
            let piece = bytes.split_to(CHUNK_BYTES - self.length);
            self.parts.push(piece);
            self.store_chunk();
        }
        self.length += bytes.len();
        if !bytes.is_empty() {
            self.parts.push(bytes);
        }
    }

    fn store_chunk(&mut self) {
        let filling = self.filling;
        let index = u32::try_from(self.chunks).unwrap_or(u32::MAX);
        let key = self
            .worker
            .shared
            .hasher
            .chunk(filling.meta.key, filling.generation, index);
        store_chunk(self.worker, &filling.meta, key, &filling.path, &self.parts);
        self.chunks += 1;
        self.parts.clear();
        self.length = 0;
    }

    /// Stores what is left, and the head, so that the object can be found.
    fn store(mut self) {
        let filling = self.filling;
        let total_bytes = self.chunks * CHUNK_BYTES as u64 + self.length as u64;
        let object = if self.chunks == 0 {
            let meta = Meta {
                total_bytes,
                ..filling.meta
            };
            let slices: Vec<&[u8]> = self.parts.iter().map(AsRef::as_ref).collect();
            Object::new(&meta, &filling.path, &filling.tags, &filling.head, &slices).ok()
        } else {
            if self.length > 0 {
                self.store_chunk();
            }
            filling.head_object(total_bytes)
        };
        if let Some(object) = object {
            self.worker.shared.store.insert(object);
        }
    }
}
