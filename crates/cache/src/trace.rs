//! Judging the RAM store's policy offline: a trace of requests runs through the very code that
//! admits and evicts in [`crate::ram::RamStore`], and through plain LRU beside it.
//!
//! What is simulated is the store as it is: the same number of shards, objects over
//! [`limits::CHUNK_BYTES`] as a head and chunks, each under its own key, and the same costs of
//! keeping. An object is hit only if all its bytes are there; the bytes of the chunks that are
//! there are not missed. Plain LRU gets the same budget in one piece, whole objects, and the
//! same costs. Neither knows of freshness: the trace is taken to ask for what does not change,
//! and an object that is asked for with another size is another object.

mod csv;
mod lru;
mod synthetic;

use std::fmt;

pub use csv::{RequestReader, TraceError};
pub use synthetic::{OneHitWonders, Pattern, Sizes, Synthetic};

use crate::key::{CacheKey, KeyHasher};
use crate::limits;
use crate::object::kept_bytes;
use crate::ram::policy::{Entry, Policy, Step};
use crate::ram::{shard_count, shard_index};
use lru::Lru;

/// One request of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// When, in the trace's own unit. The order of requests is what counts.
    pub time: f64,
    /// What for.
    pub key: CacheKey,
    /// How large that is.
    pub size_bytes: u64,
}

/// Runs a trace through the RAM store's policy and through plain LRU, both with
/// `capacity_bytes`; `shards` is what [`crate::ram::RamStore::new`] would be given.
pub fn simulate(
    requests: impl IntoIterator<Item = Result<Request, TraceError>>,
    capacity_bytes: u64,
    shards: usize,
) -> Result<Report, TraceError> {
    let mut store = SimulatedStore::new(capacity_bytes, shards);
    let mut lru = Lru::new(capacity_bytes);
    let mut report = Report {
        capacity_bytes,
        ..Report::default()
    };
    for request in requests {
        let request = request?;
        report.requests += 1;
        report.bytes += request.size_bytes;
        report.store.count(store.request(&request));
        report.lru.count(lru.request(&request));
    }
    Ok(report)
}

/// What it would take to keep everything that the requests ask for: needs memory for each
/// distinct object.
pub fn footprint_bytes(requests: impl IntoIterator<Item = Request>) -> u64 {
    let mut seen = std::collections::HashSet::new();
    requests
        .into_iter()
        .filter(|request| seen.insert(request.key))
        .map(|request| request.size_bytes)
        .sum()
}

/// What a simulation came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The budget of both.
    pub capacity_bytes: u64,
    /// Requests in the trace.
    pub requests: u64,
    /// What they asked for, together.
    pub bytes: u64,
    /// Misses of the RAM store.
    pub store: Misses,
    /// Misses of plain LRU.
    pub lru: Misses,
}

/// What was not there when it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misses {
    /// Requests of which not every byte was there.
    pub objects: u64,
    /// Bytes that were not there.
    pub bytes: u64,
}

impl Report {
    /// The share of requests that `misses` is.
    pub fn object_miss_ratio(&self, misses: &Misses) -> f64 {
        ratio(misses.objects, self.requests)
    }

    /// The share of bytes that `misses` is.
    pub fn byte_miss_ratio(&self, misses: &Misses) -> f64 {
        ratio(misses.bytes, self.bytes)
    }

    /// The store's object misses for each of LRU's.
    pub fn object_misses_to_lru(&self) -> f64 {
        ratio(self.store.objects, self.lru.objects)
    }

    /// The store's missed bytes for each of LRU's.
    pub fn byte_misses_to_lru(&self) -> f64 {
        ratio(self.store.bytes, self.lru.bytes)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} requests for {} bytes, capacity {} bytes",
            self.requests, self.bytes, self.capacity_bytes
        )?;
        writeln!(
            formatter,
            "{:<12}{:>18}{:>18}",
            "", "object miss ratio", "byte miss ratio"
        )?;
        for (name, misses) in [("warmfront", &self.store), ("plain LRU", &self.lru)] {
            let (objects, bytes) = (self.object_miss_ratio(misses), self.byte_miss_ratio(misses));
            writeln!(formatter, "{name:<12}{objects:>18.4}{bytes:>18.4}")?;
        }
        let (objects, bytes) = (self.object_misses_to_lru(), self.byte_misses_to_lru());
        writeln!(formatter, "{:<12}{objects:>18.3}{bytes:>18.3}", "ratio")
    }
}

impl Misses {
    fn count(&mut self, missed_bytes: Option<u64>) {
        if let Some(bytes) = missed_bytes {
            self.objects += 1;
            self.bytes += bytes;
        }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// What keeping an object of this size costs, in the store and in LRU alike: with a path and an
/// encoded header block of a usual length.
fn cost_bytes(size_bytes: u64) -> u64 {
    const PATH_AND_HEAD_BYTES: u64 = 20 + 80;
    kept_bytes(
        size_bytes
            .saturating_add(PATH_AND_HEAD_BYTES)
            .min(u64::MAX >> 1),
    )
}

/// The RAM store without objects' bytes.
struct SimulatedStore {
    shards: Vec<Policy<Stored>>,
    chunk_keys: KeyHasher,
}

/// An object or a chunk, of which only the size is kept.
struct Stored {
    key: CacheKey,
    size_bytes: u64,
}

impl Entry for Stored {
    fn key(&self) -> CacheKey {
        self.key
    }

    fn size_bytes(&self) -> u64 {
        cost_bytes(self.size_bytes)
    }
}

impl SimulatedStore {
    fn new(capacity_bytes: u64, shards: usize) -> Self {
        let count = shard_count(capacity_bytes, shards);
        let shard = |_| Policy::new(capacity_bytes / count as u64);
        Self {
            shards: (0..count).map(shard).collect(),
            chunk_keys: KeyHasher::new([0; 16]),
        }
    }

    /// Asks for an object and stores what was missing; says how many bytes that was, if any.
    fn request(&mut self, request: &Request) -> Option<u64> {
        const CHUNK: u64 = limits::CHUNK_BYTES as u64;
        let Request {
            key, size_bytes, ..
        } = *request;
        if size_bytes <= CHUNK {
            return (!self.part(key, size_bytes)).then_some(size_bytes);
        }
        let mut is_hit = self.part(key, 0);
        let mut missed_bytes = 0;
        for index in 0..size_bytes.div_ceil(CHUNK) {
            let chunk_bytes = CHUNK.min(size_bytes - index * CHUNK);
            // Sizes stand for validators: another size is another version.
            let chunk_key = self.chunk_keys.chunk(key, size_bytes, index as u32);
            if !self.part(chunk_key, chunk_bytes) {
                is_hit = false;
                missed_bytes += chunk_bytes;
            }
        }
        (!is_hit).then_some(missed_bytes)
    }

    /// Asks for one entry, and stores it if it was not there.
    fn part(&mut self, key: CacheKey, size_bytes: u64) -> bool {
        let index = shard_index(key, self.shards.len());
        let shard = &mut self.shards[index];
        if shard
            .get(&key)
            .is_some_and(|stored| stored.size_bytes == size_bytes)
        {
            return true;
        }
        let mut entry = Stored { key, size_bytes };
        while let Step::NeedsRoom(again) = shard.insert(entry, &mut Forget) {
            entry = again;
        }
        false
    }
}

/// Where evicted entries go that own nothing.
struct Forget;

impl<T> Extend<T> for Forget {
    fn extend<I: IntoIterator<Item = T>>(&mut self, entries: I) {
        entries.into_iter().for_each(drop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: u128, size_bytes: u64) -> Request {
        let bits = key.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Request {
            time: 0.0,
            key: CacheKey::from_bits(bits),
            size_bytes,
        }
    }

    fn run(requests: &[Request], capacity_bytes: u64) -> Report {
        simulate(requests.iter().copied().map(Ok), capacity_bytes, 1).unwrap()
    }

    #[test]
    fn only_first_requests_miss_when_everything_fits() {
        let size = 3 * limits::CHUNK_BYTES as u64 + 1;
        let requests = [
            request(1, size),
            request(2, 100),
            request(1, size),
            request(2, 100),
        ];
        let report = run(&requests, 100 << 20);
        let misses = Misses {
            objects: 2,
            bytes: size + 100,
        };
        assert_eq!((report.store, report.lru), (misses, misses));
        assert_eq!((report.requests, report.bytes), (4, 2 * (size + 100)));
    }

    #[test]
    fn another_size_is_another_object() {
        let report = run(&[request(1, 10), request(1, 11), request(1, 11)], 1 << 20);
        let misses = Misses {
            objects: 2,
            bytes: 21,
        };
        assert_eq!((report.store, report.lru), (misses, misses));
    }

    #[test]
    fn what_does_not_fit_misses_every_time() {
        let report = run(&[request(1, 1 << 20), request(1, 1 << 20)], 1 << 20);
        assert_eq!(report.store.objects, 2);
        assert_eq!(report.lru.objects, 2);
    }

    #[test]
    fn an_empty_trace_has_ratios_of_zero() {
        let report = run(&[], 1);
        assert_eq!(report.object_miss_ratio(&report.store), 0.0);
        assert_eq!(report.object_misses_to_lru(), 0.0);
    }
}
