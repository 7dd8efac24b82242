//! Buckets: an S3-compatible store of objects on the disk of one node.
//!
//! [`disk`] keeps objects: it knows S3's objects, versions, uploads and lists, and neither HTTP nor
//! who may do what.

pub mod disk;
pub mod limits;
