//! Every bound of this crate, in one place. The first three are AWS's quotas.

/// Longest body of which fields are encrypted, in bytes.
pub const BODY_BYTES_MAX: u64 = 1_024 * 1_024;

/// Longest value that is encrypted, in bytes of what its escapes stand for. As much of a body is
/// held back at most.
pub const VALUE_BYTES_MAX: usize = 16 * 1_024;

/// Most fields of a body, encrypted or not.
pub const FIELDS_MAX: u32 = 10;

/// Longest pattern. A name is told from all patterns by one byte more.
pub const PATTERN_BYTES_MAX: usize = 128;

/// Longest provider id and name of a key, in bytes.
pub const NAME_BYTES_MAX: usize = 512;

/// Plaintext of a frame of a message; what AWS's SDKs write unless told otherwise.
pub const FRAME_BYTES: usize = 4_096;

// Lengths of names have two bytes in a message, and what is written of them is bounded by it.
const _: () = assert!(NAME_BYTES_MAX <= u16::MAX as usize);
