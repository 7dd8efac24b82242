//! Every bound on a database.

/// The largest file that is read: several times the largest city database.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// The most distinct locations that are kept.
pub const LOCATIONS_MAX: usize = 1 << 23;

/// A longer text is left out: it would not fit a header field sensibly.
pub const TEXT_BYTES_MAX: usize = 256;

/// A tree is walked through each of its nodes once; a damaged one shares nodes between branches
/// and would be walked without end. So many visits a node are allowed.
pub const VISITS_PER_NODE_MAX: u64 = 4;

/// Tables of address ranges are indexed by that many of the addresses' leading bits, or fewer if
/// they are small: 256 KiB of index at most.
pub const INDEX_BITS_MAX: u32 = 16;

// Locations are numbered in 32 bits, of which one number means none.
const _: () = assert!(LOCATIONS_MAX < u32::MAX as usize);
