//! The bounds of this crate, and the times of keys and signatures.

/// A signature counts from this long before it is made, for validators whose clocks are behind.
pub const SIGNATURE_BACKDATED_SECS: u64 = 3_600;

/// From the start of the window in which a signature is made to its end.
pub const SIGNATURE_VALID_SECS: u64 = 3 * 86_400;

/// Sets of records are signed anew once in so long, each at a time of its own: signatures that are
/// made in between say the same, on every node.
pub const SIGNATURE_WINDOW_SECS: u64 = SIGNATURE_VALID_SECS / 2;

/// Most signatures that one [`SignatureCache`](crate::SignatureCache) keeps: each takes some 110
/// bytes, so all of them 7 MB.
pub const SIGNATURES_MAX: usize = 65_536;

/// Slots that are looked at for one to take.
pub const EVICTION_LOOKS_MAX: usize = 64;

/// The time to live of the set of DNSKEY records.
pub const DNSKEY_TTL_SECS: u32 = 3_600;

/// The longest time to live in a signed zone; longer ones count as this (spec §7.4).
pub const SIGNED_TTL_SECS_MAX: u32 = 604_800;

/// A zone signing key signs for this long.
pub const ZSK_SIGNS_MS: u64 = 21 * DAY_MS;

/// A zone signing key is published for this long before it signs, so that no resolver still has a
/// set of keys without it.
pub const ZSK_PUBLISHED_BEFORE_MS: u64 = 2 * DAY_MS;

/// A zone signing key is published for this long after it signed last, so that what it signed can
/// be validated out of caches.
pub const ZSK_PUBLISHED_AFTER_MS: u64 = 7 * DAY_MS;

/// Most zone signing keys of one zone that are read; the rollover has at most two.
pub const ZSKS_MAX: usize = 4;

/// Most key signing keys of one zone (spec §15).
pub const KSKS_MAX: usize = 2;

/// Longest RRSIG data: 18 bytes, the longest name, and the signature.
pub const RRSIG_BYTES_MAX: usize = 18 + records::limits::NAME_BYTES_MAX + 64;

const DAY_MS: u64 = 86_400_000;

const _: () = {
    // Signatures and records that are still in caches are older than neither of these.
    assert!(ZSK_PUBLISHED_AFTER_MS >= SIGNATURE_VALID_SECS * 1_000);
    assert!(ZSK_PUBLISHED_AFTER_MS >= SIGNED_TTL_SECS_MAX as u64 * 1_000);
    assert!(ZSK_PUBLISHED_BEFORE_MS >= 2 * DNSKEY_TTL_SECS as u64 * 1_000);
    // A key is gone before the next but one comes.
    assert!(ZSK_PUBLISHED_BEFORE_MS + ZSK_PUBLISHED_AFTER_MS < ZSK_SIGNS_MS);
};
