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

/// Largest extra CA bundle read.
pub const CA_BUNDLE_BYTES_MAX: u64 = 4 * 1024 * 1024;

const _: () = assert!(RESPONSE_HEAD_BYTES_MAX < CONNECTION_BUFFER_BYTES_MAX);
const _: () = assert!(IDLE_PER_POOL_MAX <= OPEN_PER_POOL_MAX);
const _: () = assert!(IDLE_TOTAL_MAX <= OPEN_TOTAL_MAX);
const _: () = assert!(IDLE_PER_POOL_MAX <= IDLE_TOTAL_MAX && OPEN_PER_POOL_MAX <= OPEN_TOTAL_MAX);
const _: () = assert!(ANSWER_AGE_SECS_MIN <= ANSWER_AGE_SECS_MAX);
