//! Every bound of signed URLs and cookies.

/// Longest policy, decoded. URLs and cookies leave no room for much more.
pub const POLICY_BYTES_MAX: usize = 8_192;

/// Longest policy as it is presented: base64, every byte percent-encoded.
pub const POLICY_TEXT_BYTES_MAX: usize = POLICY_BYTES_MAX.div_ceil(3) * 4 * 3;

/// Longest `Resource` of a policy.
pub const RESOURCE_BYTES_MAX: usize = 4_096;

/// Longest signature, decoded: that of a key of RSA 2048.
pub const SIGNATURE_BYTES_MAX: usize = 256;

/// Longest signature as it is presented: base64, every byte percent-encoded.
pub const SIGNATURE_TEXT_BYTES_MAX: usize = SIGNATURE_BYTES_MAX.div_ceil(3) * 4 * 3;

/// Last second that a policy may name, since 1970 (spec §9.5).
pub const EPOCH_SECS_MAX: u64 = 2_147_483_647;

/// Longest public key in PEM; one of RSA 2048 has 451 bytes.
pub const KEY_PEM_BYTES_MAX: usize = 4_096;

/// Longest id of a key that URLs are made with.
pub const KEY_ID_BYTES_MAX: usize = 128;

const _: () = assert!(RESOURCE_BYTES_MAX < POLICY_BYTES_MAX);
