//! The bounds of this crate.

/// Longest policy of an access key; IAM's own bound is 6,144 characters without blanks.
pub const POLICY_BYTES_MAX: usize = 10_240;

/// Longest policy of a bucket, as S3 has it.
pub const BUCKET_POLICY_BYTES_MAX: usize = 20_480;
