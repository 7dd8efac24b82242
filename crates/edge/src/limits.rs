//! Every bound of the edge, in one place.

use std::time::Duration;

/// How long a viewer may take to send a request head, from its first byte (spec: none; nginx's
/// and Varnish's defaults are 60 s and 5 s).
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may lie idle between requests.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest silence of a viewer within a request body.
pub const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest time without one byte taken by a viewer that we write to.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A WebSocket is closed after so long without a byte from the origin (spec §5.7).
pub const WEBSOCKET_IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// Connections of one node.
pub const CONNECTIONS_MAX: usize = 100_000;

/// Connections of one address, unless the configuration says otherwise.
pub const CONNECTIONS_PER_CLIENT_MAX: usize = 20_000;

/// Responses up to this size are copied behind their head and leave in one write; larger ones are
/// written from where they lie.
pub const COPY_BYTES_MAX: usize = 16 * 1024;

/// Write buffers that grew larger than this are not kept.
pub const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// How many times a follower joins again when leaders go away before it fetches alone.
pub const JOINS_MAX: usize = 3;

/// A fetch that nobody follows any more goes on to the store when no more than this is missing.
pub const ORPHAN_BYTES_MAX: u64 = cache::limits::CHUNK_BYTES as u64;

/// And no longer than this: a body without end would never be stored.
pub const ORPHAN_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers that were not storable are remembered for so long, so that nobody waits for a flight
/// that will be released.
pub const UNCACHEABLE_SECS: u32 = 30;

/// Keys of answers that were not storable, remembered at once.
pub const UNCACHEABLE_KEYS: usize = 1 << 16;

/// Our own mark in `CDN-Loop` beyond which a request is taken for a loop (spec §1.4: chain depth).
pub const LOOP_DEPTH_MAX: usize = 2;

/// How long a graceful stop waits for running responses.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// After the last reply on a connection, how long the viewer may go on sending.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// After the last reply on a connection, how much the viewer may go on sending.
pub const LINGER_BYTES_MAX: usize = 256 * 1024;

/// Connections that the kernel holds for a worker to accept.
pub const LISTEN_BACKLOG: i32 = 4_096;

/// How long a worker that cannot accept connections waits for file descriptors to come back.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Buffers that a worker keeps for the next replies.
pub const SPARE_BUFFERS_MAX: usize = 16;

const _: () = assert!(COPY_BYTES_MAX < WRITE_BUFFER_BYTES);

/// Cache tags of one response; more are passed over (spec §8.5).
pub const CACHE_TAGS_MAX: usize = 50;

/// Longest cache tag.
pub const CACHE_TAG_BYTES_MAX: usize = 256;

/// Networks whose round-trip times a node knows. A sketch of so many is a document of 100 kB.
pub const LATENCY_NETWORKS_MAX: usize = 4_096;

/// After so long without a viewer, a network's round-trip time is worth nothing.
pub const LATENCY_AGE_MS_MAX: u64 = 24 * 3_600 * 1_000;

/// How often a node tells of the round-trip times that it measured, if they have changed.
pub const LATENCY_INTERVAL: Duration = Duration::from_secs(30);

/// How often the copy of the store is saved, when it has changed.
pub const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(1);
