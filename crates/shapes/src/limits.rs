//! The bounds of this crate. Those who read requests bound what they take from the network first.

/// A check reports so many problems of a document, and no more.
pub const PROBLEMS_MAX: usize = 100;

/// A message quotes so many characters of a wrong value.
pub const QUOTED_CHARS_MAX: usize = 64;

/// An XML document has so many bytes at most. The largest that a client sends is an invalidation of
/// some thousand paths.
pub const XML_SIZE_BYTES_MAX: usize = 8 << 20;

/// Elements of XML are so deep at most; a distribution's are eight.
pub const XML_DEPTH_MAX: usize = 64;

/// An XML document has so many elements at most.
pub const XML_ELEMENTS_MAX: usize = 100_000;

/// An element of XML has so many attributes at most; AWS's clients write one, the namespace.
pub const XML_ATTRIBUTES_MAX: usize = 16;
