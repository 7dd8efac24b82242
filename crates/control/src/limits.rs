//! The bounds of this crate.

/// Longest request body. The largest that a client has reason to send is an update of 50 keys of a
/// key value store, 3 MB.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// A call whose transaction meets another's is run again so often.
pub const CONFLICT_ATTEMPTS_MAX: usize = 50;

/// Past versions that are kept of a resource.
pub const VERSIONS_KEPT: u64 = 100;

/// Members of a page where the client does not say, and the most that it may ask for.
pub const PAGE_ITEMS_MAX: usize = 100;

/// Resources of one collection that a call reads at most.
pub const COLLECTION_ITEMS_MAX: usize = 100_000;

/// Audit records are kept so long, as CloudTrail does.
pub const AUDIT_DAYS: u64 = 90;

const _: () = assert!(BODY_BYTES_MAX > 3_000_000);
