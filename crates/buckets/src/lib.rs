//! Buckets: an S3-compatible store of objects on the disk of one node.
