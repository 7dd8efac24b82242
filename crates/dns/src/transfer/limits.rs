//! The bounds of transfers.

use crate::limits::MESSAGE_BYTES_MAX;

/// How long a message of a transfer gets, but for a record that alone is longer. Each message costs
/// a signature; each connection holds one.
pub const TRANSFER_MESSAGE_BYTES: usize = 32 * 1024;

/// What is left free in the longest message for what ends it: the signature with the longest name
/// of a key, and EDNS.
pub const TRANSFER_TAIL_BYTES: usize = 512;

/// How far the clock of a secondary may be off, in seconds (RFC 8945 §10).
pub const FUDGE_SECS: u16 = 300;

/// The shortest secret of a key, in bytes.
pub const SECRET_BYTES_MIN: usize = 16;

/// The longest secret of a key, in bytes.
pub const SECRET_BYTES_MAX: usize = 256;

/// Most keys.
pub const TRANSFER_KEYS_MAX: usize = 256;

const _: () = assert!(TRANSFER_MESSAGE_BYTES + TRANSFER_TAIL_BYTES <= MESSAGE_BYTES_MAX);
