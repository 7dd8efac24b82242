//! The bounds of this crate.

/// Most members that one answer takes of a multivalue group (spec §10.7).
pub const MULTIVALUE_ANSWERS_MAX: usize = 8;
