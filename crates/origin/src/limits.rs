//! Every bound of this crate, in one place. The limits of an origin itself (attempts, timeouts)
//! come with its [`crate::OriginSpec`]; these keep a worker alive whatever origins do.

/// Longest response head taken (spec §1.4), status line and fields together.
pub const RESPONSE_HEAD_BYTES_MAX: usize = message::limits::RESPONSE_HEAD_BYTES_MAX;

/// Most fields in a response head: where hyper's parser stays on the stack.
pub const RESPONSE_FIELDS_MAX: usize = 100;

/// Most bytes that one connection buffers in either direction. A head must fit; a body is read
/// no faster than it is taken.
pub const CONNECTION_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Most `100 Continue` answers to one request; a second one is an error (spec §5.5).
pub const CONTINUE_RESPONSES_MAX: u32 = 1;

/// Idle connections kept for one pool key (host, port, scheme, server name) in a worker.
pub const IDLE_PER_POOL_MAX: usize = 256;

/// Idle connections kept in a worker altogether.
pub const IDLE_TOTAL_MAX: usize = 1_024;

/// Open connections, idle or busy, to one pool key in a worker.
pub const OPEN_PER_POOL_MAX: usize = 4_096;

/// Open connections, idle or busy, in a worker altogether.
pub const OPEN_TOTAL_MAX: usize = 8_192;

/// How often idle connections are looked over for expired ones.
pub const IDLE_SWEEP_MS: u64 = 500;

/// An origin that announces its own idle timeout (`Keep-Alive: timeout=`) is left this much
/// earlier, so that a request does not cross its close.
pub const ANNOUNCED_IDLE_MARGIN_MS: u64 = 500;

/// Most addresses of one origin that a connection attempt tries in turn.
pub const ADDRESSES_MAX: usize = 16;

/// How long an address that refused or did not answer is tried after the others.
pub const SHUNNED_ADDRESS_SECS: u64 = 30;

/// Most addresses of one pool that are remembered as failing.
pub const SHUNNED_ADDRESSES_MAX: usize = 8;

/// Longest one DNS look-up takes, all servers and retries included.
pub const RESOLVE_TIMEOUT_MS: u64 = 10_000;

/// Shortest time that a DNS answer is used, whatever its TTL.
pub const ANSWER_AGE_SECS_MIN: u64 = 1;

/// Longest time that a DNS answer is used, whatever its TTL.
pub const ANSWER_AGE_SECS_MAX: u64 = 300;

/// How long a failed look-up is believed before the next one.
pub const FAILURE_AGE_SECS: u64 = 1;

/// How long past its TTL an answer still serves while the resolver fails.
pub const STALE_ANSWER_AGE_SECS_MAX: u64 = 3_600;

/// Names whose addresses a worker remembers.
pub const NAMES_MAX: usize = 4_096;

/// TLS sessions remembered for one pool key.
pub const TLS_SESSIONS_PER_POOL_MAX: usize = 8;

/// How long a pool without connections is remembered for its TLS sessions, from the opening of
/// its last connection. Servers forget theirs within minutes to hours.
pub const RESTING_POOL_AGE_SECS_MAX: u64 = 600;

/// Most pools without connections that a worker remembers; each holds up to
/// [`TLS_SESSIONS_PER_POOL_MAX`] sessions with the certificates of their origin.
pub const RESTING_POOLS_MAX: usize = 256;

/// Most HTTP/2 streams at once on one connection, however many the origin allows; for more there
/// is another connection, as long as [`OPEN_PER_POOL_MAX`] and [`OPEN_TOTAL_MAX`] allow.
pub const STREAMS_PER_CONNECTION_MAX: usize = 128;

/// Bytes that an HTTP/2 origin may send on one stream beyond what its reader took.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Bytes that an HTTP/2 origin may send on one connection beyond what its readers took: enough
/// that readers who stopped cannot stop the others.
pub const CONNECTION_WINDOW_BYTES: u32 = STREAMS_PER_CONNECTION_MAX as u32 * STREAM_WINDOW_BYTES;

/// Bytes of a request body that wait in one HTTP/2 stream for the socket.
pub const STREAM_SEND_BYTES_MAX: usize = 64 * 1024;

/// Largest field section that is decoded from an HTTP/2 origin, counted as RFC 9113 §6.5.2 has
/// it; the head is then held to [`RESPONSE_HEAD_BYTES_MAX`] like any other.
pub const FIELD_SECTION_BYTES_MAX: u32 = 32 * 1024;

/// How often a request goes to an HTTP/2 origin once more because the origin said that it had not
/// looked at it (REFUSED_STREAM, GOAWAY).
pub const REPLAYS_MAX: u32 = 2;

/// Bytes of a request body that are kept for that.
pub const REPLAY_BYTES_MAX: usize = 64 * 1024;

/// Pieces of a request body that are kept for that.
pub const REPLAY_PIECES_MAX: usize = 64;

/// Largest extra CA bundle read.
pub const CA_BUNDLE_BYTES_MAX: u64 = 4 * 1024 * 1024;

const _: () = assert!(CONNECTION_WINDOW_BYTES < 1 << 31); // RFC 9113 §6.9.1.
const _: () = assert!(RESPONSE_HEAD_BYTES_MAX < FIELD_SECTION_BYTES_MAX as usize);
const _: () = assert!(RESPONSE_HEAD_BYTES_MAX < CONNECTION_BUFFER_BYTES_MAX);
const _: () = assert!(IDLE_PER_POOL_MAX <= OPEN_PER_POOL_MAX);
const _: () = assert!(IDLE_TOTAL_MAX <= OPEN_TOTAL_MAX);
const _: () = assert!(IDLE_PER_POOL_MAX <= IDLE_TOTAL_MAX && OPEN_PER_POOL_MAX <= OPEN_TOTAL_MAX);
const _: () = assert!(ANSWER_AGE_SECS_MIN <= ANSWER_AGE_SECS_MAX);
