//! The bounds of this crate.

/// Most members that one answer takes of a multivalue group (spec §10.7).
pub const MULTIVALUE_ANSWERS_MAX: usize = 8;

/// Most members of a group. Route 53's quota is 100 for most kinds; a draw marks who was tried in
/// an array of so many bits on the stack.
pub const MEMBERS_MAX: usize = 1024;

// Members are numbered in 16 bits.
const _: () = assert!(MEMBERS_MAX < u16::MAX as usize);
