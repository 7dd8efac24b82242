//! Every bound of the cache, and what it follows from.

/// Responses with longer bodies are stored as chunks of this size, so that ranges and parts are
/// useful, and one object is never a noticeable part of a shard.
pub const CHUNK_BYTES: usize = 1 << 20;

/// The longest body of one object. Callers chunk at [`CHUNK_BYTES`]; the slack is for a response
/// that turned out a little longer than announced.
pub const OBJECT_BODY_BYTES_MAX: usize = 2 * CHUNK_BYTES;

/// The longest encoded header block of one object.
pub const OBJECT_HEAD_BYTES_MAX: usize = 256 << 10;

/// What the index keeps for each object besides its allocation: the slot (24), the hash table at
/// its emptiest (5 bytes for each of 16/7 buckets, 12), and the ghosts (4 bytes
/// each, at most 4 of them, 16).
pub const INDEX_BYTES_PER_OBJECT: usize = 52;

/// The most shards of a RAM store.
pub const RAM_SHARDS_MAX: usize = 64;

/// A shard is not made smaller than this, for the fewer objects a policy compares, the worse it
/// chooses (at 16 MiB a shard, it missed one object in a hundred more), and a chunk must stay a
/// small part of a shard. A small store has fewer shards than it was asked for.
pub const RAM_SHARD_BYTES_MIN: u64 = 64 << 20;

/// One part in this many of a RAM store's budget is left to the allocator, which cannot fill every
/// hole between objects of mixed sizes, and to objects that are gone but still being read.
pub const RAM_RESERVE_SHARE: u64 = 8;

/// When this share of a RAM store's budget, one part in so many, has been freed since pages were
/// given back last, it is time to do so again.
pub const RAM_UPKEEP_SHARE: u64 = 32;

/// Evictions while a shard is locked once; an insert that needs more lets others in between.
pub const RAM_EVICTIONS_PER_LOCK: usize = 32;

/// Entries that a sweep looks at while a shard is locked once.
pub const RAM_SWEEP_ENTRIES_PER_LOCK: usize = 128;

/// Times that one insert locks its shard to make room before it gives up: enough to replace a
/// chunk's worth of the smallest objects, even while others insert.
pub const RAM_INSERT_ROUNDS_MAX: usize = 1024;

/// The longest line of a trace that is read for simulation.
pub const TRACE_LINE_BYTES_MAX: usize = 64 << 10;

const _: () = assert!(
    (RAM_SHARD_BYTES_MIN as usize) >= 16 * (OBJECT_BODY_BYTES_MAX + OBJECT_HEAD_BYTES_MAX),
    "the largest object is a small part of the smallest regular shard"
);
const _: () = assert!(RAM_SHARDS_MAX.is_power_of_two());

/// Standing patterns of bans of one distribution. A day of 3,000 paths in progress at a time fits
/// many times over; what is forgotten counts for all that is older.
pub const BANS_PER_SCOPE_MAX: usize = 50_000;

/// Locks of the flight table.
pub const FLIGHT_SHARDS: usize = 64;

/// How much of a body a flight keeps for readers that are behind: a few chunks.
pub const FLIGHT_WINDOW_BYTES: u64 = 4 * CHUNK_BYTES as u64;
