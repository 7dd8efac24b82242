//! Every bound of signatures, in one place.

/// Longest `Authorization` value read. Its longest honest part is the list of signed headers.
pub const AUTHORIZATION_BYTES_MAX: usize = 8_192;

/// Most headers that one signature may cover.
pub const SIGNED_HEADERS_MAX: usize = 128;

/// Longest access key id; IAM's own bound is 128.
pub const ACCESS_KEY_ID_BYTES_MAX: usize = 128;

/// Longest region or service name in a scope, and longest region set.
pub const SCOPE_PART_BYTES_MAX: usize = 256;

/// Longest ECDSA signature over P-256 in DER, in hexadecimal digits.
pub const SIGNATURE_HEX_BYTES_MAX: usize = 2 * 72;

/// How far a signature's time may lie from ours, seconds.
pub const SKEW_SECS_MAX: u64 = 300;

/// The same by the rules of S3, seconds.
pub const S3_SKEW_SECS_MAX: u64 = 900;

/// Longest validity of a presigned URL: seven days, seconds.
pub const PRESIGNED_EXPIRES_SECS_MAX: u64 = 604_800;

/// Validity of a presigned URL that names none, seconds. The Go SDK presigns such URLs for STS,
/// which honours them for 15 minutes; S3 refuses them.
pub const PRESIGNED_EXPIRES_SECS_DEFAULT: u64 = 900;

/// Most derived keys remembered: one per access key, day, region and service in use.
pub const DERIVED_KEYS_MAX: usize = 1_024;

/// Most requests that a replay guard remembers, of some 60 bytes each: ten minutes of 400
/// changes a second.
pub const REPLAY_ENTRIES_MAX: usize = 262_144;

/// For how long after its first sight an identical request counts as a retry, seconds. Signatures
/// have the resolution of a second, and clients send the same signature again when a connection
/// breaks below the layer that signs.
pub const REPLAY_GRACE_SECS: u64 = 15;

const _: () = assert!(SKEW_SECS_MAX < S3_SKEW_SECS_MAX);
const _: () = assert!(REPLAY_GRACE_SECS < SKEW_SECS_MAX);
const _: () = assert!(PRESIGNED_EXPIRES_SECS_DEFAULT <= PRESIGNED_EXPIRES_SECS_MAX);
