//! The bounds of this crate. How large a document may be is for those who read it to say.

/// A check reports so many problems of a document, and no more.
pub const PROBLEMS_MAX: usize = 100;

/// A message quotes so many characters of a wrong value.
pub const QUOTED_CHARS_MAX: usize = 64;
