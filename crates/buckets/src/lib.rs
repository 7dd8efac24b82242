//! Buckets: an S3-compatible store of objects on the disk of one node.
//!
//! [`disk`] keeps objects: it knows S3's objects, versions, uploads and lists, and neither HTTP nor
//! who may do what. [`api`] serves them by S3's API: requests, permissions, websites.

pub mod api;
pub mod disk;
pub mod limits;
