//! The bounds of this crate.

/// Longest document: AWS's model.
pub const DOCUMENT_BYTES_MAX: usize = 102_400;

/// Things wrong with a document that are told at most.
pub const ERRORS_MAX: usize = 20;

/// Rules that may follow one another on the way to an endpoint.
pub const RULES_ON_ONE_WAY_MAX: usize = 16;

/// Rules on all ways from the start together; one that two others lead to counts twice. Name
/// servers keep each way by itself.
pub const RULES_ON_ALL_WAYS_MAX: usize = 1_024;
