//! Every bound of the edge, in one place.

use std::time::Duration;

/// Sets of the table of signatures that were verified lately.
pub const GRANT_SETS: usize = 4_096;
/// Signatures in each: all of them take 16 MiB as people sign, and 128 MiB at most.
pub const GRANTS_PER_SET: usize = 4;
/// Longest that is remembered of what a request presents; more is verified each time.
pub const GRANT_BYTES_MAX: usize = 4_096;
/// How much of what a request presents chooses its set: up to where signatures differ.
pub const GRANT_HASHED_BYTES: usize = 128;
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

/// Longest body that is read before it is signed: Lambda's own bound of a request.
pub const SIGNED_BODY_BYTES_MAX: usize = 6 << 20;
/// How long all of one may take.
pub const SIGNED_BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Such bodies of one worker together.
pub const SIGNED_BODIES_BYTES_MAX: usize = 256 << 20;

/// How long a signature in the query of an origin request is good for, retries included.
pub const QUERY_SIGNATURE_SECS: u64 = 300;

/// Hosts of which it is told that they have no key.
pub const MISSING_KEYS_TOLD_MAX: usize = 1_000;

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

/// Longest handshake with a viewer.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Challenges of certificate authorities that are answered at once.
pub const CHALLENGES_MAX: usize = 1_000;

/// Workers that take QUIC: the first byte of a connection's id tells whose it is.
pub const QUIC_WORKERS_MAX: usize = 256;

/// Room in the kernel for the packets of one worker, each way, if the system allows as much. At
/// 1 Gbit/s, 2 MiB are 16 ms.
pub const QUIC_SOCKET_BUFFER_BYTES: usize = 2 * 1024 * 1024;

/// QUIC handshakes of one worker under way at once; packets that would begin more are dropped.
pub const QUIC_HANDSHAKES_MAX: usize = 1_024;

/// So many handshakes under way, and viewers must show that they are where they say before we keep
/// anything for them (RFC 9000, section 8.1.2). It costs them a round trip.
pub const QUIC_UNPROVEN_HANDSHAKES_MAX: usize = 128;

/// QUIC connections that have begun and that a worker has not looked at yet.
pub const QUIC_INCOMING_MAX: usize = 256;

/// What is kept of the packets of one of those, and of all of them.
pub const QUIC_INCOMING_BYTES: u64 = 16 * 1024;
/// See [`QUIC_INCOMING_BYTES`].
pub const QUIC_INCOMING_TOTAL_BYTES: u64 = 2 * 1024 * 1024;

/// How long a QUIC connection may lie silent (RFC 9308, section 3.2: no less than 30 s).
pub const QUIC_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests of one HTTP/3 connection at once (RFC 9114, section 6.1: no less than 100).
pub const HTTP3_REQUESTS_MAX: u32 = 128;

/// Streams besides requests that a viewer may open: three have a meaning, others are refused.
pub const HTTP3_SIDE_STREAMS_MAX: u32 = 8;

/// What a viewer may send of one request before we take it.
pub const HTTP3_STREAM_WINDOW_BYTES: u32 = 512 * 1024;

/// What a viewer may send on one connection before we take it.
pub const HTTP3_WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// What is kept of replies on one connection until the viewer has acknowledged them: a round trip
/// of 100 ms at 320 Mbit/s.
pub const HTTP3_SEND_WINDOW_BYTES: u64 = 4 * 1024 * 1024;

/// Longest frame that is held as a whole: those of heads, trailers and settings. Those of bodies
/// pass through.
pub const HTTP3_FRAME_BYTES_MAX: u64 = 64 * 1024;

/// Replies beyond this size are waited for until the viewer has acknowledged them, so that nothing
/// ends the connection before; smaller ones have arrived when a graceful stop has given them its
/// moment.
pub const HTTP3_UNACKNOWLEDGED_BYTES: u64 = 64 * 1024;

/// Requests that a viewer may give up beyond those that it lets end, on one connection: one that
/// has each fetched and takes none costs origins much and itself little.
pub const HTTP3_GIVEN_UP_MAX: u64 = 256;

const _: () = assert!(HTTP3_FRAME_BYTES_MAX > message::limits::REQUEST_HEAD_BYTES_MAX as u64);
const _: () = assert!(QUIC_UNPROVEN_HANDSHAKES_MAX < QUIC_HANDSHAKES_MAX);

/// Streams of one HTTP/2 connection at once (RFC 9113 §6.5.2 recommends no fewer than 100).
pub const HTTP2_STREAMS_MAX: u32 = 128;

/// Largest list of header fields, as HTTP/2 counts it: 32 bytes for each field besides its own.
/// More than [`message::limits::REQUEST_HEAD_BYTES_MAX`], which is what tells viewers why.
pub const HTTP2_HEADER_LIST_BYTES_MAX: u32 = 32 * 1024;

/// Table of header fields that viewers fill (RFC 9113 §6.5.2: the initial value).
pub const HTTP2_HEADER_TABLE_BYTES: u32 = 4 * 1024;

/// What a viewer may send of one body before the origin has taken any.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 512 * 1024;

/// What a viewer may send of all bodies of a connection before origins have taken any.
pub const HTTP2_WINDOW_BYTES: u32 = 1024 * 1024;

/// What is handed over of one reply before the viewer has taken any.
pub const HTTP2_STREAM_SEND_BYTES_MAX: usize = 64 * 1024;

/// Frames that wait for each other, so that small replies leave together.
pub const HTTP2_BUFFER_BYTES: usize = 32 * 1024;

/// Pieces from this size on are written from where they lie.
pub const HTTP2_COPY_BYTES_MAX: usize = 8 * 1024;

/// Streams that were broken off and are remembered, so that what still comes of them is no error.
pub const HTTP2_RESET_STREAMS_KEPT: usize = 32;

/// Streams that a viewer opens and breaks off before they are looked at.
pub const HTTP2_RESETS_PENDING_MAX: usize = 32;

/// Streams that are broken off for the viewer's faults, before the connection is.
pub const HTTP2_ERROR_RESETS_MAX: usize = 128;

/// Exchanges that a viewer breaks off, beyond as many as it lets come to their end, before its
/// connection is.
pub const HTTP2_CANCELLED_MAX: u64 = 200;
