//! The bounds of this crate. They are those of etcd as it comes, so that what fits one store fits
//! the other.

/// Longest key.
pub const KEY_BYTES_MAX: usize = 1_024;

/// Longest value. etcd takes requests of 1.5 MiB.
pub const VALUE_BYTES_MAX: usize = 1_000_000;

/// Most comparisons, and most writes, of one transaction. etcd takes 128.
pub const TXN_OPERATIONS_MAX: usize = 120;

/// All keys and values of one transaction.
pub const TXN_BYTES_MAX: usize = 1_200_000;

/// Most documents of one page.
pub const PAGE_DOCUMENTS_MAX: usize = 1_000;

/// Most keys that are read at once.
pub const GET_KEYS_MAX: usize = 120;

const _: () = assert!(VALUE_BYTES_MAX < TXN_BYTES_MAX && TXN_BYTES_MAX < 1_500_000);
