//! Every bound of the sockets, of the rate limit and of the query log.

use crate::limits::UDP_PAYLOAD_BYTES_MAX;

/// Datagrams received or sent by one call. More would not make a call much cheaper for each: its
/// fixed part is spread over these already.
pub const BATCH_COUNT_MAX: usize = 64;

/// Longest query taken by UDP. A name, a question and a client's options have less than half.
pub const UDP_QUERY_BYTES_MAX: usize = 1232;

/// Longest response by UDP, whatever the client offers (spec §16).
pub const UDP_RESPONSE_BYTES_MAX: usize = UDP_PAYLOAD_BYTES_MAX as usize;

/// Room for responses of one batch; if it is full before the batch is done, they are sent.
pub const OUTGOING_BYTES: usize = 64 * 1024;

/// What the system is asked to queue for a UDP socket; it may give less.
pub const UDP_RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// How long a thread may wait for queries before it looks whether it should stop.
pub const STOP_CHECK_MS: u64 = 500;

/// Sets of buckets in the rate limit of one thread, a cache line each: 1 MiB. With a million
/// responses a second to distinct networks, a bucket stays for tens of milliseconds of rest.
pub const RRL_SETS_COUNT: usize = 16 * 1024;

/// Buckets in a set.
pub const RRL_WAYS_COUNT: usize = 4;

const _: () = assert!(
    RRL_SETS_COUNT.is_power_of_two(),
    "the remainder of a hash is spread evenly"
);
const _: () = assert!(
    OUTGOING_BYTES >= 2 * UDP_RESPONSE_BYTES_MAX,
    "there is room for a response after one"
);

/// How long a thread rests whose socket fails.
pub const ERROR_PAUSE_MS: u64 = 100;

/// How often a free port is looked for that is free for UDP and TCP.
pub const BIND_ATTEMPTS_MAX: u32 = 16;

/// Connections waiting to be accepted.
pub const TCP_BACKLOG_COUNT: i32 = 1024;

/// Room for the responses to queries that came together; when it is full, they are written before
/// more are answered.
pub const TCP_PENDING_BYTES: usize = 64 * 1024;

/// What a connection's buffers are cut back to when they are empty.
pub const TCP_BUFFER_BYTES_KEPT: usize = 4 * 1024;

/// What is read from a connection at once.
pub const TCP_READ_BYTES: usize = 4 * 1024;

/// Queries that a thread notes for the log before it hands them over.
pub const LOG_BATCH_COUNT: usize = 512;

/// How long noted queries wait for others before they are handed over.
pub const LOG_FLUSH_MS: u64 = 200;

/// Batches that wait for the log's writer; about 8 MB at most.
pub const LOG_QUEUE_COUNT: usize = 128;

/// A larger log file is renamed, and another begun.
pub const LOG_FILE_BYTES_MAX: u64 = 64 << 20;

/// Renamed files that are kept of one log.
pub const LOG_FILES_KEPT: usize = 4;

/// Log files open at once.
pub const LOG_OPEN_FILES_MAX: usize = 128;
