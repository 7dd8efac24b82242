//! The bounds of this crate.

/// Most members that one answer takes of a multivalue group (spec §10.7).
pub const MULTIVALUE_ANSWERS_MAX: usize = 8;

/// Most members of a group. Route 53's quota is 100 for most kinds; a draw marks who was tried in
/// an array of so many bits on the stack.
pub const MEMBERS_MAX: usize = 1024;

/// So many of the nearest are put in their true order for each place on Earth. Those behind them,
/// who answer if all of these are unhealthy, are in the order of their distance from the nearest
/// one. Else each village would have an order of its own, and scopes would be as narrow.
pub const RANKS_EXACT: usize = 6;

/// Most networks that have measurements: more than a table of all /24s that matter to one site.
pub const NETWORKS_MAX: usize = 1 << 20;

/// Most points of presence that have measurements.
pub const POPS_MAX: usize = 4096;

/// The longest round trip that is taken for one, in milliseconds.
pub const ROUND_TRIP_MS_MAX: f32 = 60_000.0;

// Members are numbered in 16 bits, of which one number means nobody; tried ones in words of 64.
const _: () = assert!(MEMBERS_MAX < u16::MAX as usize && MEMBERS_MAX.is_multiple_of(64));
const _: () = assert!(POPS_MAX < u16::MAX as usize);
