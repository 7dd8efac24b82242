//! The RAM store: objects in shards, each with its own lock, index and policy.
//!
//! [`RamStore`] spreads keys over shards; a shard is a `Policy` (`policy.rs`) behind a
//! reader-writer lock. A hit takes the lock for reading, so hits never wait for hits; what changes
//! a shard holds its lock for a bounded number of evictions, and gives objects back to the
//! allocator after it let go of it.

mod allocator;
mod ghosts;
pub(crate) mod policy;
pub(crate) mod slab;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::key::CacheKey;
use crate::limits;
use crate::object::Object;
use crate::store::{Inserted, Store, Usage};
use policy::{Entry, Policy, Step};

/// Objects in memory, within a budget of bytes that is never exceeded.
pub struct RamStore {
    /// A power of two of them.
    shards: Box<[Shard]>,
    capacity_bytes: u64,
    /// What was evicted since pages were last given back to the system.
    freed_bytes: AtomicU64,
}

/// On its own pair of cache lines, so that one shard's lock does not slow its neighbour's.
#[repr(align(128))]
struct Shard(RwLock<Policy<Object>>);

impl RamStore {
    /// An empty store of at most `capacity_bytes` in about `shards` shards: see [`shard_count`].
    ///
    /// A part of the capacity is left to the allocator; for that to be enough, [`Self::upkeep`]
    /// must be called now and then.
    pub fn new(capacity_bytes: u64, shards: usize) -> Self {
        let count = shard_count(capacity_bytes, shards);
        let usable_bytes = capacity_bytes - capacity_bytes / limits::RAM_RESERVE_SHARE;
        let shard = || Shard(RwLock::new(Policy::new(usable_bytes / count as u64)));
        Self {
            shards: (0..count).map(|_| shard()).collect(),
            capacity_bytes,
            freed_bytes: AtomicU64::new(0),
        }
    }

    /// The object under this key, if it is here. Allocates nothing.
    #[inline]
    pub fn get(&self, key: &CacheKey) -> Option<Object> {
        self.shard(key).0.read().get(key).cloned()
    }

    /// Stores the object under its key. In place of an older one it inherits that one's rank, so
    /// a revalidation costs an object nothing.
    pub fn insert(&self, object: Object) -> Inserted {
        let shard = self.shard(&object.key());
        let mut pending = object;
        for _ in 0..limits::RAM_INSERT_ROUNDS_MAX {
            // Dropped at the end of the round, after the lock.
            let mut gone = Gone::new();
            let step = shard.0.write().insert(pending, &mut gone);
            let freed_bytes: u64 = gone.iter().map(Object::size_bytes).sum();
            self.freed_bytes.fetch_add(freed_bytes, Relaxed);
            match step {
                Step::Stored => return Inserted::Stored,
                Step::Refused(_refused) => return Inserted::Refused,
                Step::NeedsRoom(object) => pending = object,
            }
        }
        Inserted::Refused
    }

    /// Forgets the object under this key; says whether there was one.
    pub fn remove(&self, key: &CacheKey) -> bool {
        let removed = self.shard(key).0.write().remove(key);
        removed.is_some()
    }

    /// Number of shards, for [`Self::retain`].
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// Removes from one shard what `keep` rejects, and returns how many that were. Others get
    /// their turn in between. Objects that are stored meanwhile may not be asked about.
    ///
    /// `keep` runs under the shard's lock: it must be short and must not use the store.
    pub fn retain(&self, shard: usize, mut keep: impl FnMut(&Object) -> bool) -> u64 {
        let mut removed = 0;
        let mut from = 0;
        loop {
            let mut gone: SmallVec<[Object; limits::RAM_SWEEP_ENTRIES_PER_LOCK]> = SmallVec::new();
            let mut policy = self.shards[shard].0.write();
            let next = policy.retain(
                from,
                limits::RAM_SWEEP_ENTRIES_PER_LOCK,
                &mut keep,
                |object| {
                    gone.push(object);
                },
            );
            drop(policy);
            removed += gone.len() as u64;
            match next {
                Some(next) => from = next,
                None => return removed,
            }
        }
    }

    /// What has to be done now and then, once a second or so, for the process to take no more
    /// memory than the store was configured with: gives freed pages back when enough were freed.
    /// May take milliseconds, so do not call it from a thread that serves.
    pub fn upkeep(&self) {
        if self.freed_bytes.load(Relaxed) > self.capacity_bytes / limits::RAM_UPKEEP_SHARE {
            self.freed_bytes.store(0, Relaxed);
            allocator::give_back_free_pages();
        }
    }

    /// The configured bound.
    pub fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// What the store holds and has done. Shard after shard, so not of one instant.
    pub fn usage(&self) -> Usage {
        self.shards.iter().map(|shard| shard.0.read().usage()).fold(
            Usage::default(),
            |sum, shard| Usage {
                objects: sum.objects + shard.objects,
                bytes: sum.bytes + shard.bytes,
                evictions: sum.evictions + shard.evictions,
                refused: sum.refused + shard.refused,
            },
        )
    }

    #[inline]
    fn shard(&self, key: &CacheKey) -> &Shard {
        &self.shards[shard_index(*key, self.shards.len())]
    }
}

impl Store for RamStore {
    #[inline]
    fn get(&self, key: &CacheKey) -> Option<Object> {
        Self::get(self, key)
    }

    fn insert(&self, object: Object) -> Inserted {
        Self::insert(self, object)
    }

    fn remove(&self, key: &CacheKey) -> bool {
        Self::remove(self, key)
    }
}

/// How many shards a store of this capacity has when asked for `wanted`: a power of two, at most
/// [`limits::RAM_SHARDS_MAX`], and fewer where shards would become smaller than
/// [`limits::RAM_SHARD_BYTES_MIN`].
pub fn shard_count(capacity_bytes: u64, wanted: usize) -> usize {
    let affordable = (capacity_bytes / limits::RAM_SHARD_BYTES_MIN)
        .max(1)
        .ilog2();
    let wanted = wanted
        .clamp(1, limits::RAM_SHARDS_MAX)
        .next_power_of_two()
        .ilog2();
    1 << affordable.min(wanted)
}

/// Which of `count` shards, a power of two, a key belongs to.
#[inline]
pub(crate) fn shard_index(key: CacheKey, count: usize) -> usize {
    key.shard_bits() as usize & (count - 1)
}

/// Evicted in one round: bounded by [`limits::RAM_EVICTIONS_PER_LOCK`].
type Gone<T = Object> = SmallVec<[T; limits::RAM_EVICTIONS_PER_LOCK]>;

impl Entry for Object {
    #[inline]
    fn key(&self) -> CacheKey {
        Self::key(self)
    }

    #[inline]
    fn size_bytes(&self) -> u64 {
        Self::size_bytes(self)
    }
}
