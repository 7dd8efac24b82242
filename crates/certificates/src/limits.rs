//! The bounds of this crate.

/// Longest PEM text of one certificate that is imported: ACM's `Certificate`.
pub const IMPORTED_CERTIFICATE_BYTES_MAX: usize = 32_768;

/// Longest PEM text of a private key that is read: ACM's `PrivateKey`.
pub const KEY_PEM_BYTES_MAX: usize = 8_192;

/// Longest PEM text of a chain: ACM's `CertificateChain`.
pub const CHAIN_PEM_BYTES_MAX: usize = 2_097_152;

/// Longest certificate that is read, in DER form.
pub const CERTIFICATE_BYTES_MAX: usize = 65_536;

/// Most certificates of one PEM text: bundles of a trust store are the largest ones.
pub const CERTIFICATES_MAX: usize = 1_000;

/// Most certificates of an imported chain, which are verified one by the next.
pub const IMPORTED_CHAIN_CERTIFICATES_MAX: usize = 10;

/// Most names of a certificate that is made or asked for (ACM's `SubjectAlternativeNames`).
pub const NAMES_MAX: usize = 100;

/// Longest name (RFC 1035 §2.3.4), in characters.
pub const NAME_CHARS_MAX: usize = 253;

/// Longest label of a name (RFC 1035 §2.3.4), in characters.
pub const LABEL_CHARS_MAX: usize = 63;

/// Longest common name (RFC 5280 appendix A, `ub-common-name`), in characters.
pub const COMMON_NAME_CHARS_MAX: usize = 64;

/// Longest passphrase of an exported key: ACM's `Passphrase`.
pub const PASSPHRASE_BYTES_MAX: usize = 128;

/// Rounds of PBKDF2 that make a passphrase the key of an exported private key: some 25 ms, since
/// it is done while a client waits.
pub const PASSPHRASE_ROUNDS: u32 = 100_000;

/// The local authority lives for this long: ten years.
pub const AUTHORITY_LIFE_SECS: u64 = 3_650 * DAY_SECS;

/// Longest life of a certificate of the local authority, which is ACM's: browsers take up to 398
/// days.
pub const LEAF_LIFE_SECS_MAX: u64 = 395 * DAY_SECS;

/// Certificates count from this long before they are made, for viewers whose clocks are behind.
pub const BACKDATED_SECS: u64 = 3_600;

/// The certificate of a challenge lives for this long.
pub const CHALLENGE_LIFE_SECS: u64 = 7 * DAY_SECS;

/// Longest OCSP response that is read; those with a chain of certificates have some 5 KB.
pub const OCSP_RESPONSE_BYTES_MAX: usize = 65_536;

/// Most certificates and single responses of an OCSP response that are looked at.
pub const OCSP_PARTS_MAX: usize = 16;

/// An OCSP response may come from a clock that is ahead by this much.
pub const OCSP_CLOCK_SKEW_SECS: u64 = 300;

/// An OCSP response that does not say when it is outdated is so after this long.
pub const OCSP_LIFE_SECS: u64 = DAY_SECS;

/// A failed renewal is tried again after this long, and twice as long after each further failure.
pub const RENEWAL_RETRY_MS: u64 = 60_000;

/// A failed renewal is tried again after this long at the latest.
pub const RENEWAL_RETRY_MS_MAX: u64 = 6 * HOUR_MS;

/// When expiry is near, failed renewals are tried again this often: authorities allow some five
/// failures in an hour.
pub const RENEWAL_URGENT_RETRY_MS: u64 = 15 * 60_000;

/// When nothing valid is there, it is tried again after this long at the latest.
pub const RENEWAL_OVERDUE_RETRY_MS_MAX: u64 = HOUR_MS;

const DAY_SECS: u64 = 86_400;
const HOUR_MS: u64 = 3_600_000;

const _: () = {
    assert!(BACKDATED_SECS < LEAF_LIFE_SECS_MAX && LEAF_LIFE_SECS_MAX < AUTHORITY_LIFE_SECS);
    assert!(RENEWAL_RETRY_MS <= RENEWAL_URGENT_RETRY_MS);
    assert!(RENEWAL_URGENT_RETRY_MS <= RENEWAL_OVERDUE_RETRY_MS_MAX);
    assert!(RENEWAL_OVERDUE_RETRY_MS_MAX <= RENEWAL_RETRY_MS_MAX);
};
