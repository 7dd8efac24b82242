//! The AWS-compatible API.
