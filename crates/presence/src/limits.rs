//! The bounds of this crate.

use std::time::Duration;

/// A node that is not heard of for so long counts as dead.
pub const LEASE_SECS: u32 = 10;

/// How often a node says that it lives.
pub const LEASE_RENEWAL: Duration = Duration::from_secs(3);

/// Between attempts to reach a store that is away.
pub const STORE_RETRY: Duration = Duration::from_millis(250);

/// How long the end waits for a store to hear of it; else the lease ends by itself.
pub const END_PATIENCE: Duration = Duration::from_secs(2);

const _: () = assert!(LEASE_RENEWAL.as_secs() * 3 < LEASE_SECS as u64);
