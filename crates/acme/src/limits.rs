//! Every bound of this crate, in one place. How long an order may take altogether is mostly for
//! its caller to say; these keep one from asking too often, waiting for ever, or reading for ever.

/// How long one request to the server may take, with its connection and the answer's body.
pub const REQUEST_SECS_MAX: u64 = 30;

/// Idle connections to a server that an account keeps.
pub const IDLE_CONNECTIONS_MAX: usize = 4;

/// Longest answer taken. Chains of certificates are some thousand bytes.
pub const ANSWER_BYTES_MAX: usize = 512 * 1024;

/// Longest time that an order is given, whatever its caller asks for.
pub const ORDER_SECS_MAX: u64 = 7 * 24 * 3600;

/// First wait between two looks at an order; it doubles.
pub const POLL_MS_MIN: u64 = 250;

/// Longest wait between two looks at an order, unless its server asks for a longer one.
pub const POLL_MS_MAX: u64 = 10_000;

/// Requests in a row that may fail for a reason that passes (the server cannot be reached, it
/// had an error of its own, it did not like the nonce) before an order is given up. A nonce is
/// tried three times before it counts as one failure.
pub const FAILURES_MAX: u32 = 8;

/// Longest `Retry-After` believed: what is longer is taken as this.
pub const RETRY_AFTER_SECS_MAX: u64 = 7 * 24 * 3600;

/// How long taking the answers to challenges back may take, after an order's own time.
pub const WITHDRAW_SECS_MAX: u64 = 30;

/// Characters of a problem's detail that are kept.
pub const DETAIL_CHARS_MAX: usize = 1_000;

const _: () = assert!(POLL_MS_MIN <= POLL_MS_MAX);
